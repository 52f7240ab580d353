package main

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRedact(t *testing.T) {
	for url, want := range map[string]string{
		"redis://h:6379/0":              "redis://h:6379/0",
		"redis://user@h":                "redis://user@h",
		"redis://:pw@h:1/2":             "redis://:***@h:1/2",
		"redis://user:pw@h?db=1":        "redis://user:***@h?db=1",
		"rediss://u:p@w:x@h":            "rediss://u:***@h",
		"redis://u:p/w?x#y@h":           "redis://u:***@h",
		"unix://u:pw@/s.sock":           "unix://u:***@/s.sock",
		"redis://h?db=1&password=pw&x":  "redis://h?db=1&password=***&x",
		"redis://u:a@h1,h2?password=b@": "redis://u:***@",
		"u:pw@h:6379":                   "u:***@h:6379",
		"127.0.0.1:6380":                "127.0.0.1:6380",
		"/data":                         "/data",
		"":                              "",
	} {
		if got := redact(url); got != want {
			t.Errorf("redact(%q) = %q, want %q", url, got, want)
		}
	}
}

func TestNoPasswordIsEverPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A word that occurs nowhere else, amid bytes that confuse a parser of URLs.
		noise := rapid.StringMatching(`[:/@?#%&=\[\]]{0,4}`)
		password := noise.Draw(t, "before") + "geheim" + noise.Draw(t, "after")
		s := Settings{
			Password: Secret(password),
			Upstream: RedisURL(rapid.SampledFrom([]string{"redis://u:" + password + "@h:1", "redis://:" + password + "@h?db=1"}).Draw(t, "url")),
		}
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			for _, value := range []any{s, &s, []Settings{s}, s.Password, s.Upstream, setting{flag: "upstream", origin: "REDIS_URL", value: string(s.Upstream)}} {
				text := fmt.Sprintf(format, value)
				if format == "%#v" && strings.HasPrefix(fmt.Sprintf("%T", value), "main.setting") {
					continue // holds what the user wrote; only its String is shown to anybody
				}
				if strings.Contains(text, "geheim") || strings.Contains(text, fmt.Sprintf("%x", "geheim")) {
					t.Fatalf("%s of a %T shows the password: %s", format, value, text)
				}
			}
		}
		_, err := parse([]string{"--backend=redis", "--upstream", string(s.Upstream), "--db=99", "--requirepass=" + password}, fakeMachine())
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Fatalf("error: %v", err)
		}
	})
}
