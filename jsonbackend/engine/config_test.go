package engine

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// configValues are what every parameter is told.
var configValues = []string{
	"", " ", "abc", "yes", "YES", "no", "No", "-1", "0", "1", "10", "+10", " 5", "05", "1.5", "5%", "101%", "-5%", "1kb", "3MB", "1b", "2Gb", "1kbb", "kb",
	"9223372036854775807", "9223372036854775808", "18446744073709551616", "99999999999999999999999", "-9223372036854775809",
	"1 2", "1 2 3", "60 +5", "60 -5", "0 1", "x 1", "60 4294967297", "1 2 3 4", "slave 1mb 1k 60", "replica 1 2 -1", "master 1 2 3", "slave 1 2", "pubsub x 2 3",
	"save", "save force", "SAVE now", "save nosave", "default", "default now", "save  now", "0 200 800", "0 +200 800", "0 1 2001", "0 1", "50 99.9 100", "101", "-0.5", "1e1", "nan", "0x10", "99.9000001",
	"{title}", "{title", "{nosuch}", "{{", "{", "}", "x{{title}", "{port} {server-mode}", "host-1.example", "host_1", strings.Repeat("h", 255), strings.Repeat("h", 256),
	"allkeys-lru", "AllKeys-LRU", "everysec", "always", "relative", "absolute", "resetchannels", "disabled", "ip", "hostname", "panic", "clients", "optional", "warning", "local", "upstart",
	"KEA", "AKE", "Kg$", "KEAmn", "x", "?",
}

// untold is what is not tried on a parameter of Redis, for it does something to the server or to the machine.
var untold = map[string]func(value string) bool{
	"port":                  func(v string) bool { _, err := strconv.Atoi(v); return err == nil },
	"bind":                  func(string) bool { return true },
	"maxclients":            func(v string) bool { n, err := strconv.ParseUint(v, 10, 64); return err == nil && n > 10 || v == "1" },
	"maxmemory-clients":     func(v string) bool { n, ok := parseMemory(v); return ok && n > 0 },
	"repl-backlog-size":     func(v string) bool { n, ok := parseMemory(v); return ok && n > 1<<20 },
	"oom-score-adj":         func(v string) bool { return !strings.Contains("abc no No -1", v) },
	"min-replicas-to-write": func(v string) bool { n, err := strconv.Atoi(v); return err == nil && n != 0 },
	"min-slaves-to-write":   func(v string) bool { n, err := strconv.Atoi(v); return err == nil && n != 0 },
	"watchdog-period":       func(v string) bool { n, err := strconv.Atoi(v); return err == nil && n > 0 },
	"appendonly":            func(v string) bool { return strings.EqualFold(v, "yes") },
}

// Every parameter is told everything: it takes and shows, or refuses, the same as Redis' does.
func TestEveryParameterIsSetAsRedisSetsIt(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for i := range parameters {
		param := &parameters[i]
		values := append(edges(param.kind), configValues...)
		for _, name := range []string{param.name, strings.ToUpper(param.name), param.alias} {
			if name == "" {
				continue
			}
			for _, value := range values {
				if skip := untold[strings.ToLower(name)]; skip != nil && skip(value) {
					continue
				}
				for _, words := range [][]string{{"CONFIG", "SET", name, value}, {"CONFIG", "GET", name}} {
					replies := p.do("a", words...)
					if words[1] == "GET" && located[param.name] {
						continue
					}
					if diff := cmp.Diff(flat(replies[0]), flat(replies[1])); diff != "" {
						t.Fatalf("%q: -redis +engine\n%s", words, diff)
					}
				}
			}
			p.do("a", "CONFIG", "SET", name, param.initial)
			values = values[:min(4, len(values))] // another name is but a name
		}
	}
}

// flat is a reply as its type and its texts in order.
func flat(r reply) []string {
	texts := []string{string(r.kind)}
	if r.items == nil {
		return append(texts, r.text)
	}
	for _, item := range r.items {
		texts = append(texts, flat(item)[1:]...)
	}
	return texts
}

// located are parameters that are where a server is, and what it is allowed.
var located = map[string]bool{"port": true, "bind": true, "dir": true, "unixsocket": true, "enable-debug-command": true, "appenddirname": true, "pidfile": true}

// edges are values around the ends of a range.
func edges(k kind) (values []string) {
	add := func(lo, hi int64) {
		values = append(values, strconv.FormatInt(lo, 10), strconv.FormatInt(hi, 10))
		if lo > math.MinInt64 {
			values = append(values, strconv.FormatInt(lo-1, 10))
		}
		if hi < math.MaxInt64 {
			values = append(values, strconv.FormatInt(hi+1, 10))
		}
	}
	switch k := k.(type) {
	case wholeNumber:
		add(k.min, k.max)
	case byteSize:
		add(int64(k.min), int64(min(k.max, math.MaxInt64)))
	case oneOf:
		values = append(slices.Clone(k), strings.ToUpper(k[0]))
	}
	return values
}

// CONFIG GET * shows the same parameters with the same values as a Redis that was just started.
func TestParametersBeginAsRedisDoes(t *testing.T) {
	p := newPair(t)
	replies := p.do("a", "CONFIG", "GET", "*")
	var shown [2]map[string]string
	for i, r := range replies {
		shown[i] = map[string]string{}
		words := flat(r)[1:]
		for j := 0; j+1 < len(words); j += 2 {
			if !located[words[j]] {
				shown[i][words[j]] = words[j+1]
			}
		}
	}
	if len(shown[0]) < 180 {
		t.Fatalf("Redis shows only %d parameters", len(shown[0]))
	}
	if diff := cmp.Diff(shown[0], shown[1]); diff != "" {
		t.Errorf("-redis +engine\n%s", diff)
	}
}

// What somebody tells CONFIG SET of a password is shown to nobody.
func TestPasswordsAreHiddenFromMonitors(t *testing.T) {
	for _, line := range []string{"CONFIG SET requirepass secret", "config set hz 10 MASTERAUTH secret", "CONFIG SET masteruser secret"} {
		args := words(strings.Fields(line))
		for i, word := range args {
			if hidden := secret(args, i); hidden != (string(word) == "secret") {
				t.Errorf("%s: %q is hidden: %v", line, word, hidden)
			}
		}
	}
}
