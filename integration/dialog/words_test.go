package dialog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWordsAreQuotedAsForRedisCLI(t *testing.T) {
	for _, c := range []struct {
		line string
		want []word
	}{
		{"", nil},
		{"  GET  k ", []word{{text: "GET"}, {text: "k"}}},
		{`SET k "a b"`, []word{{text: "SET"}, {text: "k"}, {text: "a b", quoted: true}}},
		{`"" ''`, []word{{quoted: true}, {quoted: true}}},
		{`"\n\r\t\b\a\\\"\x00\xfF\q"`, []word{{text: "\n\r\t\b\a\\\"\x00\xffq", quoted: true}}},
		{`'a\'b\n"'`, []word{{text: `a'b\n"`, quoted: true}}},
		{`- + * $ (1 [a {} \`, []word{{text: "-"}, {text: "+"}, {text: "*"}, {text: "$"}, {text: "(1"}, {text: "[a"}, {text: "{}"}, {text: `\`}}},
	} {
		got, err := splitWords(c.line)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(word{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.line, d)
		}
	}
}

func TestBadQuotesAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		`"a`:       "not closed",
		`'a`:       "not closed",
		`"a\`:      "not closed",
		`"\x4`:     "not closed",
		`"\xg0"`:   `bad escape \xg0`,
		`"a"b`:     `no blank after "a"`,
		`SET a"b"`: `quote inside the word a"b"`,
	} {
		if _, err := splitWords(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", line, err, want)
		}
	}
}

func TestUnquoteIsTheInverseOfQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "s"))
		q := quote(s)
		if strings.ContainsFunc(q, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("not printable: %s", q)
		}
		if got, n, err := unquote(q); got != s || n != len(q) || err != nil {
			t.Fatalf("unquote(%s) = %q, %d, %v", q, got, n, err)
		}
	})
}

func TestRawBytesMayRepeat(t *testing.T) {
	got, err := parseRaw(`"a\r\n" "xy"*3 "b"*0 ""*5`)
	if want := "a\r\nxyxyxy"; got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for line, want := range map[string]string{
		`PING`:               "must be quoted",
		`"a"*x`:              "bad repeat",
		`"a"*-1`:             "bad repeat",
		`"ab"*9999999`:       "more than",
		`"a`:                 "not closed",
		`"a" "a"*8388608`:    "more than",
		`"a"*99999999999999`: "more than",
	} {
		if _, err := parseRaw(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", line, err, want)
		}
	}
}
