package keyspace

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestValidIsWhatJSONLoadsReads(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: true, ` [1, {"a": [null, true, false]}] `: true, `"x"`: true, `-0.5e-10`: true, `NaN`: true, `-Infinity`: true,
		`"\ud800"`: true, `"\ud83d\ude80"`: true, "\"\u00e9\"": true, `"\/\b\f\n\r\t\"\\"`: true,
		``: false, ` `: false, `{`: false, `[1,]`: false, `{"a" 1}`: false, `{1: 2}`: false, `01`: false, `1.`: false, `.5`: false, `1e`: false,
		`+1`: false, `"a`: false, "\"\n\"": false, `"\x"`: false, `"\u12"`: false, `nul`: false, `1 2`: false, "\"\xff\"": false, `'a'`: false,
		`-`: false, `infinity`: false, "\ufeff1": false,
		strings.Repeat("[", 512) + strings.Repeat("]", 512):       true,
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000): false,
	} {
		if got := valid([]byte(text)); got != want {
			t.Errorf("valid(%.40q) = %v", text, got)
		}
	}
}

func TestMembersAreFoundByWhatTheirNamesSpell(t *testing.T) {
	doc := []byte(` { "a" : 1 , "\u0061" : [2, {"b": 3}] , "\ud83d\ude80": "x", "": {} } `)
	for name, want := range map[string]string{"a": `[2, {"b": 3}]`, "🚀": `"x"`, "": `{}`, "b": "", "aa": ""} {
		if got := string(field(doc, name)); got != want {
			t.Errorf("field %q = %s, want %s", name, got, want)
		}
	}
	var names []string
	for e := range elements([]byte(`[ "a", "\u00e9\n", "\ud83d\ude80", "x" ]`)) {
		names = append(names, textOf(e))
	}
	if diff := cmp.Diff([]string{"a", "é\n", "🚀", "x"}, names); diff != "" {
		t.Error(diff)
	}
}

// FuzzValid compares with Go's reader, which does without NaN and the infinities, and takes bytes that are no UTF-8.
func FuzzValid(f *testing.F) {
	for _, seed := range []string{`{"a": [1, -2.5e10, "\u00e9\ud83d\ude80", null]}`, `[]`, `{"":""}`, `[NaN]`, `"\ud800x"`, ` 1 `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := valid(text)
		want := json.Valid(text) && utf8.Valid(text)
		words := bytes.Contains(text, []byte("NaN")) || bytes.Contains(text, []byte("Infinity"))
		if deep := bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); got != want && !words && deep < maxDepth {
			t.Fatalf("valid(%q) = %v", text, got)
		}
		if !got || first(text) != '{' || words {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		for name, v := range members {
			if !strings.ContainsRune(name, utf8.RuneError) && !bytes.Equal(field(text, name), v) {
				t.Fatalf("member %q of %q is %q, want %q", name, text, field(text, name), v)
			}
		}
	})
}
