package pyjson_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

func parseList(t testing.TB, doc string, level int) *pyjson.List {
	t.Helper()
	l, err := pyjson.ParseList([]byte(doc), level)
	if err != nil {
		t.Fatalf("ParseList(%q): %v", doc, err)
	}
	return l
}

// find is the member with this key literal.
func find(t testing.TB, l *pyjson.List, key string) pyjson.Ref {
	t.Helper()
	r, ok := l.Find([]byte(key))
	if !ok {
		t.Fatalf("no member %s in %s", key, l.Bytes())
	}
	return r
}

// nth is the i-th member.
func nth(t testing.TB, l *pyjson.List, i int) pyjson.Ref {
	t.Helper()
	for r := range l.All() {
		if i--; i < 0 {
			return r
		}
	}
	t.Fatalf("%s has too few members", l.Bytes())
	return pyjson.End
}

// edits are written as "op key-or-number value", for tables.
func edit(t testing.TB, l *pyjson.List, edits string) {
	t.Helper()
	at := func(s string) pyjson.Ref {
		if s[0] == '"' {
			return find(t, l, s)
		}
		return nth(t, l, int(s[0]-'0'))
	}
	for _, e := range strings.Split(edits, "; ") {
		f := strings.Fields(e)
		switch f[0] {
		case "add": // [key] value
			var key []byte
			if l.IsObject() {
				key = []byte(f[1])
			}
			l.Insert(pyjson.End, key, []byte(f[len(f)-1]))
		case "before": // where [key] value
			var key []byte
			if l.IsObject() {
				key = []byte(f[2])
			}
			l.Insert(at(f[1]), key, []byte(f[len(f)-1]))
		case "set": // where value
			l.Replace(at(f[1]), []byte(f[2]))
		case "del": // where
			l.Remove(at(f[1]))
		default:
			t.Fatalf("edit %q", e)
		}
	}
}

func TestListEdits(t *testing.T) {
	for _, c := range []struct {
		name, doc string
		level     int
		edits     string
		want      string
	}{
		{"replace keeps what is around", "{ \"a\" :\t1 , \"b\":2}\n", 0, `set "a" {}`, "{ \"a\" :\t{} , \"b\":2}\n"},
		{"remove first", "{ \"a\":1 , \"b\":2,\n\"c\":3 }", 0, `del "a"`, "{ \"b\":2,\n\"c\":3 }"},
		{"remove middle", "{ \"a\":1 , \"b\":2,\n\"c\":3 }", 0, `del "b"`, "{ \"a\":1,\n\"c\":3 }"},
		{"remove last", "{ \"a\":1 , \"b\":2,\n\"c\":3 }", 0, `del "c"`, "{ \"a\":1 , \"b\":2 }"},
		{"remove all but the middle", "[ 1 , 2 ,3\t]", 0, `del 0; del 1`, "[ 2\t]"},
		{"remove the only one", "\n [\n1\n] \n", 0, `del 0`, "\n [] \n"},
		{"remove each", "{\"a\":1,\"b\":2}\n", 0, `del "a"; del "b"`, "{}\n"},
		{"add like the last", "{\n\"a\":1,\n    \"b\":2\n}", 0, `add "c" 3`, "{\n\"a\":1,\n    \"b\":2,\n    \"c\": 3\n}"},
		{"add like the only one", "{\n\t\"a\":1\n}", 0, `add "b" 2; add "c" 3`, "{\n\t\"a\":1,\n\t\"b\": 2,\n\t\"c\": 3\n}"},
		{"add with CRLF", "[\r\n 1,\r\n 2\r\n]\r\n", 0, `add 3`, "[\r\n 1,\r\n 2,\r\n 3\r\n]\r\n"},
		{"add to one line", "{\"a\": 1, \"b\": 2}", 0, `add "c" 3`, "{\"a\": 1, \"b\": 2,\n  \"c\": 3}"},
		{"add to one line in a list", "[1, 2]", 1, `add 3`, "[1, 2,\n    3]"},
		{"add after a blank line", "[\n  1,\n\n  2\n]", 0, `add 3`, "[\n  1,\n\n  2,\n  3\n]"},
		{"add to leading commas", "[\n    1\n  , 2\n]", 0, `add 3`, "[\n    1\n  , 2,\n  3\n]"},
		{"add to nothing", " {}\n", 0, `add "a" 1; add "b" 2`, " {\n  \"a\": 1,\n  \"b\": 2\n}\n"},
		{"add to white space", "[ \n\n ]", 1, `add 1`, "[\n    1\n  ]"},
		{"add to what became empty", "{ \"a\" : 1 }", 0, `del "a"; add "a" 1`, "{\n  \"a\": 1\n}"},
		{"empty again", "[]", 0, `add 1; del 0`, "[]"},
		{"remove and add again", "{\n    \"a\" :1,\n    \"b\" :2\n}", 0, `del "a"; add "a" 1`, "{\n    \"b\" :2,\n    \"a\": 1\n}"},
		{"insert first", "[\n 1,\n 2\n]", 0, `before 0 0`, "[\n 0,\n 1,\n 2\n]"},
		{"insert in the middle", "[ 1 , 2 ]", 0, `before 1 9`, "[ 1,\n  9 , 2 ]"},
		{"insert before what was removed before", "[ 1 ,\t2 ,3]", 0, `del 0; before 0 9`, "[ 9 ,\t2 ,3]"},
		{"add a key that is there", "{\"a\":1,\"b\":2}", 0, `add "\u0061" 3`, "{\"a\":3,\"b\":2}"},
		{"add a key twice", "{}", 0, `add "a" 1; add "a" 2`, "{\n  \"a\": 2\n}"},
		{"replace twice", "[1]", 0, `set 0 2; set 0 3`, "[3]"},
		{"replace an added one", "[]", 0, `add 1; set 0 2`, "[\n  2\n]"},
		{"duplicates stay", "{\"a\":1, \"b\":2, \"\\u0061\":3, \"c\":4}", 0, `set "a" 9; del "b"`, "{\"a\":1, \"\\u0061\":9, \"c\":4}"},
		{"duplicates go together", "{\"a\":1, \"b\":2, \"\\u0061\":3,\t\"a\":4, \"c\":5}", 0, `del "a"`, "{\"b\":2, \"c\":5}"},
		{"only duplicates", "{ \"a\":1, \"a\":2 }", 0, `del "a"`, "{}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := parseList(t, c.doc, c.level)
			edit(t, l, c.edits)
			if diff := cmp.Diff(c.want, string(l.Bytes())); diff != "" {
				t.Errorf("%q after %s (-want +got):\n%s", c.doc, c.edits, diff)
			}
		})
	}
}

func TestParseListRefuses(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"", "Expecting value: line 1 column 1"},
		{" null", "Expecting an object or an array: line 1 column 2"},
		{"nul", "Expecting value: line 1 column 1"},
		{"\"a\"", "Expecting an object or an array: line 1 column 1"},
		{"{\n  \"ж\": [1],\n  \"日🚀\": x\n}", "Expecting value: line 3 column 9"},
		{"{\"a\": 1}\n}", "Extra data: line 2 column 1"},
		{"[1,\n2,\n]", "Illegal trailing comma before end of array: line 2 column 2"},
		{"{\"a\":1,}", "Illegal trailing comma before end of object: line 1 column 7"},
		{"\ufeff{}", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1"},
	} {
		if _, err := pyjson.ParseList([]byte(c.doc), 0); err == nil || err.Error() != c.want {
			t.Errorf("ParseList(%q): %v, want %s", c.doc, err, c.want)
		}
	}
}

// A Ref that outlived its member does no harm.
func TestStaleRef(t *testing.T) {
	l := parseList(t, "[1, 2, 3]", 0)
	r := nth(t, l, 1)
	l.Remove(r)
	l.Remove(r)
	l.Remove(pyjson.End)
	l.Replace(r, []byte("9"))
	l.Insert(r, nil, []byte("4"))
	if got, want := string(l.Bytes()), "[1, 3,\n  4]"; got != want || l.Len() != 3 {
		t.Errorf("%s of %d members, want %s", got, l.Len(), want)
	}
}

// What is shadowed is reported with its position.
func TestListDuplicateKeys(t *testing.T) {
	const doc = "{\n  \"a\": 1,\n  \"ж\": 2, \"\\u0061\": 3,\n  \"a\": 4\n}"
	l := parseList(t, doc, 0)
	var got []string
	for m := range l.Shadowed() {
		line, column := pyjson.Position([]byte(doc), m.Offset)
		got = append(got, fmt.Sprintf("%s=%s at %d:%d", m.Key, m.Value, line, column))
	}
	if diff := cmp.Diff([]string{`"a"=1 at 2:3`, `"\u0061"=3 at 3:11`}, got); diff != "" {
		t.Errorf("shadowed (-want +got):\n%s", diff)
	}
	if v := l.Member(find(t, l, `"\u0061"`)).Value; string(v) != "4" || l.Len() != 2 {
		t.Errorf("a = %s of %d members, want 4 of 2", v, l.Len())
	}
}

func TestNestedList(t *testing.T) {
	const doc = "{\n  \"t\": [\n    {\"name\": \"a\"},\n    { \"name\" : \"b\" }\n  ],\n  \"empty\": [ ],\n  \"x\":1\n}\n"
	l := parseList(t, doc, 0)
	agents, err := l.Nest(find(t, l, `"t"`))
	if err != nil {
		t.Fatal(err)
	}
	agents.Remove(nth(t, agents, 0))
	agents.Insert(pyjson.End, nil, []byte(`{}`))
	empty, err := l.Nest(find(t, l, `"empty"`))
	if err != nil {
		t.Fatal(err)
	}
	empty.Insert(pyjson.End, nil, []byte(`1`))
	if same, err := l.Nest(find(t, l, `"empty"`)); same != empty || err != nil {
		t.Errorf("Nest again is another list, %v", err)
	}
	want := "{\n  \"t\": [\n    { \"name\" : \"b\" },\n    {}\n  ],\n  \"empty\": [\n    1\n  ],\n  \"x\":1\n}\n"
	if diff := cmp.Diff(want, string(l.Bytes())); diff != "" {
		t.Errorf("nested edits (-want +got):\n%s", diff)
	}
	if v := l.Member(find(t, l, `"empty"`)).Value; string(v) != "[\n    1\n  ]" {
		t.Errorf("value of the nested list: %s", v)
	}
	l.Replace(find(t, l, `"t"`), []byte("[]"))
	agents.Insert(pyjson.End, nil, []byte("2"))
	if got := l.Member(find(t, l, `"t"`)).Value; string(got) != "[]" {
		t.Errorf("a replaced value is still tied to the nested list: %s", got)
	}
	if _, err := l.Nest(find(t, l, `"x"`)); err == nil {
		t.Error("Nest of a number: no error")
	}
}

// L1 of the store's files: change one record, change it back, and the bytes are
// the same; what Indent makes of a record is what stands there.
func TestListChangesStoreFilesAndBack(t *testing.T) {
	for _, file := range storeFiles(t) {
		doc := readFile(t, file)
		l := parseList(t, string(doc), 0)
		if !bytes.Equal(l.Bytes(), doc) {
			t.Errorf("%s does not survive ParseList", file)
		}
		for r, m := range l.All() {
			old := slices.Clone(m.Value)
			l.Replace(r, []byte(`"changed"`))
			changed := l.Bytes()
			at := m.Offset + len(m.Key)
			at += bytes.Index(doc[at:], old)
			want := slices.Concat(doc[:at], []byte(`"changed"`), doc[at+len(old):])
			if !bytes.Equal(changed, want) {
				t.Fatalf("%s: a change of %s touches other bytes", file, m.Key)
			}
			l.Replace(r, old)
			if r > 40 {
				break // a file of 2,000 records is the same all over
			}
		}
		if !bytes.Equal(l.Bytes(), doc) {
			t.Errorf("%s is not itself after changes and their undoing", file)
		}
		if strings.HasSuffix(file, "nasty_data/config.json") {
			continue
		}
		for _, m := range l.All() {
			if got, err := pyjson.Indent(nil, m.Value, 1); err != nil || !bytes.Equal(got, m.Value) {
				t.Fatalf("%s: Indent(%s) = %s, %v", file, m.Value, got, err)
			}
		}
	}
}

// Appending and removing from the front, as metrics do, and a map's life.
func TestListScales(t *testing.T) {
	const n = 100_000
	l := parseList(t, "[]", 0)
	for i := range n {
		l.Insert(pyjson.End, nil, []byte(number(i)))
	}
	i := 0
	for r, m := range l.All() {
		if string(m.Value) != number(i) {
			t.Fatalf("member %d is %s", i, m.Value)
		}
		if i++; i < n {
			l.Remove(r)
		}
	}
	if got, want := string(l.Bytes()), "[\n  99999\n]"; got != want {
		t.Errorf("after removals: %s, want %s", got, want)
	}

	o := parseList(t, "{}", 0)
	for round := range 2 {
		for i := range n {
			o.Insert(pyjson.End, []byte(key(i)), []byte(number(i+round)))
		}
	}
	if o.Len() != n || string(o.Member(find(t, o, key(n-1))).Value) != number(n) {
		t.Errorf("%d members after setting %d twice", o.Len(), n)
	}
	for i := range n {
		o.Remove(find(t, o, key(i)))
	}
	if got := string(o.Bytes()); got != "{}" {
		t.Errorf("after all removals: %s", got)
	}
}

// failingWriter takes n bytes.
type failingWriter struct{ n int }

var errFull = errors.New("full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if len(p) > w.n {
		n := w.n
		w.n = 0
		return n, errFull
	}
	w.n -= len(p)
	return len(p), nil
}

func TestWriteTo(t *testing.T) {
	doc := results(200)
	l := parseList(t, string(doc), 0)
	l.Replace(nth(t, l, 7), []byte("1"))
	l.Remove(nth(t, l, 100))
	want := l.Bytes()
	var got bytes.Buffer
	if n, err := l.WriteTo(&got); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("WriteTo = %d, %v; Bytes are %d", n, err, len(want))
	}
	for _, room := range []int{0, 1, 9000, len(want) - 1} {
		if n, err := l.WriteTo(&failingWriter{n: room}); !errors.Is(err, errFull) || n != int64(room) {
			t.Errorf("WriteTo(room for %d) = %d, %v", room, n, err)
		}
	}
}

func TestMembers(t *testing.T) {
	for doc, want := range map[string]string{
		` { "a" : 1 ,"b":[2, 3], "a":"x" } `: `"a"=1|"b"=[2, 3]|"a"="x"|`,
		`[1 , {"a":[]},"x" ]`:                `=1|={"a":[]}|="x"|`,
		`{}`:                                 ``,
		`[ ]`:                                ``,
		`"a"`:                                ``,
		``:                                   ``,
		`[1, 2 3]`:                           `=1|=2|`,
		`{"a":1,b}`:                          `"a"=1|`,
	} {
		var got strings.Builder
		for key, value := range pyjson.Members([]byte(doc)) {
			fmt.Fprintf(&got, "%s=%s|", key, value)
		}
		if got.String() != want {
			t.Errorf("Members(%s): %s, want %s", doc, &got, want)
		}
	}
}

func TestField(t *testing.T) {
	obj := []byte("{\"a\":1,\"\\u0436\":2,\"한\":3,\"\\ud83d\xed\xba\x80\":4,\"\":5,\"a\":6}")
	for name, want := range map[string]string{"a": "6", "ж": "2", "한": "3", "🚀": "4", "": "5"} {
		if got, ok := pyjson.Field(obj, name); !ok || string(got) != want {
			t.Errorf("Field(%q) = %s, %v, want %s", name, got, ok, want)
		}
	}
	for _, doc := range []string{`{"b":1}`, `[1]`, `{}`, `"a"`} {
		if got, ok := pyjson.Field([]byte(doc), "a"); ok {
			t.Errorf("Field(%s, a) = %s", doc, got)
		}
	}
}

func TestCanonicalTextNeedsNoAllocation(t *testing.T) {
	record := result(1)
	dst := make([]byte, 0, 2*len(record))
	for name, f := range map[string]func(){
		"Dumps":  func() { _, _ = pyjson.Dumps(dst, record) },
		"Indent": func() { _, _ = pyjson.Indent(dst, record, 1) },
		"Check":  func() { _ = pyjson.Check(record) },
		"Field":  func() { _, _ = pyjson.Field(record, "saved_at") },
		"Members": func() {
			for range pyjson.Members(record) {
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s allocates %g times", name, n)
		}
	}
}
