package pyjson_test

import (
	"bytes"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"pgregory.net/rapid"
)

// anyBytes are bytes of which many are UTF-8, WTF-8 or nearly so.
func anyBytes() *rapid.Generator[[]byte] {
	parts := rapid.OneOf(
		rapid.SampledFrom([]string{"a", `"`, `\`, "/", "\x00", "\x1f", "\n", "\x7f", "é", "日", "🚀", "\ufffd", "\uffff", "\xed\xa0\x80", "\xed\xaf\xbf", "\xed\xb0\x80",
			"\xed\xb2\x80", "\xed\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x9a", "\xed\xa0", "\xed", "\x80", "\xc0\x80", "\xf4\x90\x80\x80"}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4), func(b []byte) string { return string(b) }),
		rapid.StringMatching(`[ -~]{0,12}`),
	)
	return rapid.Map(rapid.SliceOfN(parts, 0, 5), func(parts []string) []byte {
		var b []byte
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	})
}

func TestQuoteLaws(t *testing.T) {
	p := startPython(t)
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			s := anyBytes().Draw(t, "s")
			checkQuote(t, s)
			want, valid := p.quote(s)
			if got, ok := pyjson.Quote(nil, s); ok != valid || string(got) != want {
				t.Errorf("Quote(%q) = %s, %v; Python: %s, %v", s, got, ok, want, valid)
			}
			if got, want := pyjson.QuoteBytes(nil, s), p.quoteBytes(s); string(got) != want {
				t.Errorf("QuoteBytes(%q) = %s; Python: %s", s, got, want)
			}
		}
	})
}

// checkQuote checks the laws of the four functions on any bytes.
func checkQuote(t failer, s []byte) {
	t.Helper()
	lit, ok := pyjson.Quote([]byte("kept"), s)
	if ok != pyjson.ValidWTF8(s) {
		t.Errorf("Quote(%q) ok = %v, ValidWTF8 is not", s, ok)
	}
	if !ok && string(lit) != "kept" {
		t.Errorf("Quote(%q) left %q", s, lit)
	}
	if ok {
		back, err := pyjson.Unquote([]byte("kept"), lit[len("kept"):])
		if err != nil || string(back) != "kept"+string(s) {
			t.Errorf("Unquote(Quote(%q)) = %q, %v", s, back, err)
		}
	}
	lit = pyjson.QuoteBytes(nil, s)
	back, err := pyjson.UnquoteBytes([]byte("kept"), lit)
	if err != nil || string(back) != "kept"+string(s) {
		t.Errorf("UnquoteBytes(QuoteBytes(%q)) = %q, %v", s, back, err)
	}
	if dumps, err := pyjson.Dumps(nil, lit); err != nil || !bytes.Equal(dumps, lit) {
		t.Errorf("Dumps(%s) = %s, %v", lit, dumps, err)
	}
}

// What a literal spells, quoted, is how json.dumps spells it.
func TestUnquoteThenQuoteIsDumps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lit := []byte(stringLit().Draw(t, "literal"))
		s, err := pyjson.Unquote(nil, lit)
		if err != nil {
			t.Fatalf("Unquote(%s): %v", lit, err)
		}
		got, ok := pyjson.Quote(nil, s)
		want, err := pyjson.Dumps(nil, lit)
		if !ok || err != nil || !bytes.Equal(got, want) {
			t.Errorf("Quote(Unquote(%s)) = %s, %v; Dumps: %s, %v", lit, got, ok, want, err)
		}
	})
}

func TestUnquote(t *testing.T) {
	for _, c := range []struct{ lit, want string }{
		{`""`, ""},
		{`"\b\f\n\r\t\/\\\"\u0041"`, "\b\f\n\r\t/\\\"A"},
		{`"ж\u0436\uD83D\uDE80"`, "жж🚀"},
		{`"\ud83d"`, "\xed\xa0\xbd"},
		{`"\ude80\ud83d"`, "\xed\xba\x80\xed\xa0\xbd"},
		{"\"\\ud83d\xed\xba\x80\"", "🚀"},
	} {
		got, err := pyjson.Unquote(nil, []byte(c.lit))
		if err != nil || string(got) != c.want {
			t.Errorf("Unquote(%s) = %q, %v, want %q", c.lit, got, err, c.want)
		}
	}
}

func TestUnquoteRefuses(t *testing.T) {
	for _, c := range []struct{ lit, want string }{
		{``, "Expecting a string: line 1 column 1"},
		{`1`, "Expecting a string: line 1 column 1"},
		{` "a"`, "Expecting a string: line 1 column 1"},
		{`"a" `, "Extra data: line 1 column 4"},
		{`"ж\x"`, `Invalid \escape: line 1 column 3`},
		{`"a`, "Unterminated string starting at: line 1 column 1"},
		{"\"\xff\"", "Invalid UTF-8: line 1 column 2"},
	} {
		for name, f := range map[string]func(dst, lit []byte) ([]byte, error){"Unquote": pyjson.Unquote, "UnquoteBytes": pyjson.UnquoteBytes} {
			got, err := f([]byte("kept"), []byte(c.lit))
			if err == nil || err.Error() != c.want || string(got) != "kept" {
				t.Errorf("%s(%q) = %q, %v, want %s", name, c.lit, got, err, c.want)
			}
		}
	}
	for _, lit := range []string{`"\ud800"`, `"\udc7f"`, `"\udd00"`, "\"a\xed\xa0\x80\""} {
		if got, err := pyjson.UnquoteBytes([]byte("kept"), []byte(lit)); err == nil || string(got) != "kept" {
			t.Errorf("UnquoteBytes(%s) = %q, %v", lit, got, err)
		}
	}
}
