package pyjson_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"pgregory.net/rapid"
)

func TestDumps(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{` [1,2 ,{"a":3,"b":[ ]}] `, `[1, 2, {"a": 3, "b": []}]`},
		{`{ }`, `{}`},
		{`[1.50, 1.0, -0.0, -0, 1E16, 0.00001, 4.9e-324, 1E400, -1e400, 1e-400]`,
			`[1.5, 1.0, -0.0, 0, 1e+16, 1e-05, 5e-324, Infinity, -Infinity, 0.0]`},
		{`[NaN,Infinity,-Infinity,null,true,false]`, `[NaN, Infinity, -Infinity, null, true, false]`},
		{`1` + strings.Repeat("0", 5000), `1` + strings.Repeat("0", 5000)},
		{`"ж<>&/\/\u0041\u007F` + "\x7f" + `"`, `"\u0436<>&//A\u007f\u007f"`},
		{`"\b\f\n\r\t\"\\\u0008\u000A\u0022\u005c\u0000"`, `"\b\f\n\r\t\"\\\b\n\"\\\u0000"`},
		{`"🚀 \uD83D\uDE80 \uDC00\uD800"`, `"\ud83d\ude80 \ud83d\ude80 \udc00\ud800"`},
		{"\"\xed\xa0\x80\"", `"\ud800"`},
		{"\"\xed\xa0\xbd\xed\xba\x80\"", `"\ud83d\ude80"`},
		{`{"a":1,"b":2,"\u0061":3,"c":{"d":1,"d":2},"a":4}`, `{"a": 4, "b": 2, "c": {"d": 2}}`},
		{"{\"\\ud83d\xed\xba\x80\":1,\"🚀\":2}", `{"\ud83d\ude80": 2}`},
	} {
		got, err := pyjson.Dumps([]byte("kept "), []byte(c.src))
		if want := "kept " + c.want; err != nil || string(got) != want {
			t.Errorf("Dumps(%s) = %s, %v, want %s", c.src, got, err, want)
		}
	}
}

func TestIndentAtLevel(t *testing.T) {
	const src = `{"a":[],"b":{},"c":[1,{"d":"x"}]}`
	const want = `{
      "a": [],
      "b": {},
      "c": [
        1,
        {
          "d": "x"
        }
      ]
    }`
	got, err := pyjson.Indent(nil, []byte(src), 2)
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("Indent: %v (-want +got):\n%s", err, diff)
	}
}

// The law of Respace, and that it takes anything.
func checkRespace(t *testing.T, text []byte) {
	t.Helper()
	pyjson.Respace(nil, text, 0)
	dumps, err := pyjson.Dumps(nil, text)
	if err != nil {
		return
	}
	for level := range 3 {
		want, err := pyjson.Indent([]byte("kept"), dumps, level)
		if got := pyjson.Respace([]byte("kept"), dumps, level); err == nil && !bytes.Equal(got, want) {
			t.Fatalf("Respace(%s, %d):\n%s\nwant:\n%s", dumps, level, got, want)
		}
	}
}

func TestRespaceIsIndentOfDumps(t *testing.T) {
	for _, text := range corpus() {
		checkRespace(t, text)
	}
	for _, text := range []string{"{", "[[", "}}", ",", `"`, `"\`, "[,", "]{,"} {
		checkRespace(t, []byte(text))
	}
	rapid.Check(t, func(r *rapid.T) { checkRespace(t, jsonText(4).Draw(r, "text")) })
}

// An error after duplicate keys has its place in the source.
func TestErrorAfterDuplicateKeys(t *testing.T) {
	for _, c := range []struct {
		src   string
		level int
		want  string
	}{
		{"[{\"a\":1,\n\"a\":2}, x]", 0, "Expecting value: line 2 column 9"},
		{"[{\"a\":1,\n\"a\":2},[[]]]", pyjson.MaxDepth - 2, "Nesting too deep: line 2 column 9"},
	} {
		dst, err := pyjson.Indent([]byte("kept"), []byte(c.src), c.level)
		if err == nil || err.Error() != c.want || string(dst) != "kept" {
			t.Errorf("Indent(%q) = %s, %v, want %s", c.src, dst, err, c.want)
		}
	}
}

func TestDepthIsLimited(t *testing.T) {
	nested := func(n int) []byte {
		return []byte(strings.Repeat(`[{"":`, n/2) + "[]" + strings.Repeat("}]", n/2))
	}
	for _, c := range []struct {
		containers, level int
		ok                bool
	}{
		{pyjson.MaxDepth - 1, 0, true},
		{pyjson.MaxDepth + 1, 0, false},
		{pyjson.MaxDepth - 3, 2, true},
		{pyjson.MaxDepth - 1, 2, false},
	} {
		src := nested(c.containers - 1)
		if _, err := pyjson.Indent(nil, src, c.level); (err == nil) != c.ok {
			t.Errorf("Indent(%d containers, level %d): %v", c.containers, c.level, err)
		}
		if _, err := pyjson.ParseList(src, c.level); (err == nil) != c.ok {
			t.Errorf("ParseList(%d containers, level %d): %v", c.containers, c.level, err)
		}
	}
	var syntax *pyjson.SyntaxError
	if err := pyjson.Check(bytes.Repeat([]byte("["), 1<<20)); !errors.As(err, &syntax) || syntax.Offset != pyjson.MaxDepth {
		t.Errorf("Check([[[...) = %v", err)
	}
}

func TestManyDuplicateKeys(t *testing.T) {
	var src, want bytes.Buffer
	src.WriteByte('{')
	want.WriteByte('{')
	const n = 3000
	for i := range 2 * n {
		if i > 0 {
			src.WriteByte(',')
		}
		src.WriteString(key(i%n) + ":" + number(i))
	}
	for i := range n {
		if i > 0 {
			want.WriteString(", ")
		}
		want.WriteString(key(i) + ": " + number(n+i))
	}
	src.WriteByte('}')
	want.WriteByte('}')
	got, err := pyjson.Dumps(nil, src.Bytes())
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("Dumps of %d keys twice: %v, %.200s", n, err, got)
	}
}

// Every file that OmniDaemon's JSON store wrote is what Indent makes of it.
func TestIndentRestoresStoreFiles(t *testing.T) {
	for _, file := range storeFiles(t) {
		doc := readFile(t, file)
		got, err := pyjson.Indent(nil, doc, 0)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if handMade := filepath.Join("nasty_data", "config.json"); strings.HasSuffix(file, handMade) {
			if bytes.Equal(got, doc) {
				t.Errorf("%s is no longer formatted by hand", file)
			}
			continue
		}
		if diff := cmp.Diff(string(doc), string(got)); diff != "" {
			t.Errorf("Indent(%s) (-want +got):\n%s", file, diff)
		}
	}
}

func TestAgreesWithPythonOnCorpus(t *testing.T) {
	p := startPython(t)
	for _, text := range corpus() {
		agree(t, p, text)
	}
	for _, file := range storeFiles(t) {
		agree(t, p, readFile(t, file))
	}
}

func TestAgreesWithPythonOnRandomText(t *testing.T) {
	p := startPython(t)
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			text := jsonText(4).Draw(t, "text")
			agree(t, p, text)
			agree(t, p, damaged(t, text))
		}
	})
}

// failer is what *testing.T and *rapid.T share.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
}

// agree compares every function that reads a whole text with Python.
func agree(t failer, p *python, text []byte) {
	t.Helper()
	want := p.loads(text)
	dumps, err := pyjson.Dumps(nil, text)
	if accepted := want.dumps != ""; accepted != (err == nil) {
		t.Errorf("Dumps(%q) = %q, %v; Python: %+v", text, dumps, err, want)
		return
	}
	if check := pyjson.Check(text); !cmp.Equal(check, err) {
		t.Errorf("Check(%q) = %v, Dumps: %v", text, check, err)
	}
	if err != nil {
		if syntax := err.(*pyjson.SyntaxError); !want.notUTF8 && !sameError(syntax, want) {
			t.Errorf("Dumps(%q): %v; Python: %s: line %d column %d", text, err, want.msg, want.line, want.column)
		}
		return
	}
	if string(dumps) != want.dumps {
		t.Errorf("Dumps(%q)\n  = %s\nnot %s", text, dumps, want.dumps)
	}
	for level, newline := range []string{"\n", "\n  ", "\n    "} {
		got, err := pyjson.Indent(nil, text, level)
		if want := strings.ReplaceAll(want.indented, "\n", newline); err != nil || string(got) != want {
			t.Errorf("Indent(%q, %d)\n  = %s, %v\nnot %s", text, level, got, err, want)
		}
	}
}

// sameError compares an error with Python's. Before 3.13 Python had no message
// of its own for trailing commas.
func sameError(e *pyjson.SyntaxError, want answer) bool {
	trailing := "Illegal trailing comma before end of "
	if strings.HasPrefix(e.Msg, trailing) && !strings.HasPrefix(want.msg, trailing) {
		return want.msg == "Expecting value" || want.msg == "Expecting property name enclosed in double quotes"
	}
	msg, _, _ := strings.Cut(want.msg, ": ") // the pure Python scanner names the character
	return e.Msg == msg && e.Line == want.line && e.Column == want.column
}

func storeFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "testdata", "*_data", "*.json"))
	if err != nil || len(files) != 8 {
		t.Fatalf("store files: %v, %v", files, err)
	}
	return files
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
