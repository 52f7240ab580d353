package pyjson_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// FuzzDumps checks what must hold for any bytes: the functions accept the same
// texts, leave dst alone when they refuse, and their results are fixed points.
func FuzzDumps(f *testing.F) {
	for _, text := range corpus() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dumps, err := pyjson.Dumps([]byte("kept"), text)
		if (pyjson.Check(text) == nil) != (err == nil) {
			t.Fatalf("Check and Dumps disagree: %v", err)
		}
		indented, indentErr := pyjson.Indent([]byte("kept"), text, 3)
		checkRespace(t, text)
		list, listErr := pyjson.ParseList(text, 0)
		checkRead(t, text)
		if err != nil {
			if string(dumps) != "kept" || string(indented) != "kept" || indentErr == nil || listErr == nil {
				t.Fatalf("%v, but %q, %q, %v, %v", err, dumps, indented, indentErr, listErr)
			}
			return
		}
		dumps = dumps[len("kept"):]
		same(t, "Dumps of Dumps", pyjson.Dumps, dumps, dumps)
		if indentErr == nil { // deeper by 3, else
			same(t, "Dumps of Indent", pyjson.Dumps, indented[len("kept"):], dumps)
		}
		indented, err = pyjson.Indent(nil, dumps, 0)
		if err != nil {
			t.Fatalf("Indent: %v", err)
		}
		same(t, "Indent of Indent", func(dst, src []byte) ([]byte, error) { return pyjson.Indent(dst, src, 0) }, indented, indented)
		if container := dumps[0] == '{' || dumps[0] == '['; container != (listErr == nil) {
			t.Fatalf("ParseList: %v", listErr)
		}
		if listErr == nil {
			checkEditedList(t, list, text)
		}
	})
}

// checkRead compares ReadObject, and ReadMembers, with ParseList, pieces of many sizes.
func checkRead(t *testing.T, text []byte) {
	t.Helper()
	want, wantErr := pyjson.ParseList(text, 0)
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) > 0 && start[0] == '[' {
		line, column := pyjson.Position(text, len(text)-len(start))
		wantErr = &pyjson.SyntaxError{Offset: len(text) - len(start), Line: line, Column: column, Msg: "Expecting an object"}
	}
	for size := 1; size < 2*len(text)+2; size += size/2 + 1 {
		var members []pyjson.Member
		got, err := pyjson.ReadObjectInPieces(bytes.NewReader(text), 0, size, func(_ pyjson.Ref, m pyjson.Member) bool {
			members = append(members, pyjson.Member{Key: bytes.Clone(m.Key), Value: bytes.Clone(m.Value), Offset: m.Offset})
			return false
		})
		if diff := cmp.Diff(wantErr, err); diff != "" {
			t.Fatalf("%q in pieces of %d (-want +got):\n%s", text, size, diff)
		}
		if err != nil {
			continue
		}
		if !bytes.Equal(got.Bytes(), text) || got.Len() != want.Len() {
			t.Fatalf("%q in pieces of %d: %d members, %q", text, size, got.Len(), got.Bytes())
		}
		err = pyjson.ReadMembers(bytes.NewReader(text), func(m pyjson.Member) error {
			if len(members) == 0 || !cmp.Equal(m, members[0]) {
				t.Fatalf("ReadMembers comes upon %s: %s in %q", m.Key, m.Value, text)
			}
			members = members[1:]
			return nil
		})
		if err != nil || len(members) > 0 {
			t.Fatalf("ReadMembers of %q: %v, and not %v", text, err, members)
		}
	}
}

func same(t *testing.T, what string, f func(dst, src []byte) ([]byte, error), src, want []byte) {
	t.Helper()
	if got, err := f(nil, src); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: %q, %v, want %q", what, got, err, want)
	}
}

// checkEditedList empties a list and fills it again.
func checkEditedList(t *testing.T, list *pyjson.List, text []byte) {
	t.Helper()
	if !bytes.Equal(list.Bytes(), text) {
		t.Fatalf("ParseList changes %q to %q", text, list.Bytes())
	}
	n := 0
	for range list.All() {
		n++
	}
	if n != list.Len() {
		t.Fatalf("%d members, Len is %d", n, list.Len())
	}
	if n == 0 {
		return
	}
	for r, m := range list.All() {
		list.Remove(r)
		list.Insert(pyjson.End, m.Key, m.Value)
		if err := pyjson.Check(list.Bytes()); err != nil {
			t.Fatalf("after a member was moved: %v\n%s", err, list.Bytes())
		}
		if n--; n == 0 {
			break
		}
	}
	for r := range list.All() {
		list.Remove(r)
	}
	want := "{}"
	if !list.IsObject() {
		want = "[]"
	}
	if got := string(bytes.Trim(list.Bytes(), " \t\r\n")); got != want {
		t.Fatalf("emptied: %q", got)
	}
}

// FuzzAgreesWithPython compares with python3 (slower).
func FuzzAgreesWithPython(f *testing.F) {
	for _, text := range corpus() {
		f.Add(text)
	}
	p := startPython(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if deep := bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); deep < pyjson.MaxDepth/2 {
			agree(t, p, text)
		}
	})
}

// FuzzQuote checks the laws of string literals on any bytes, and that any
// literal at all is refused or spelled as Dumps does.
func FuzzQuote(f *testing.F) {
	for _, text := range corpus() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		checkQuote(t, s)
		text, err := pyjson.Unquote(nil, s)
		if literal := pyjson.Check(s) == nil && s[0] == '"' && s[len(s)-1] == '"'; literal != (err == nil) {
			t.Fatalf("Unquote(%q): %v", s, err)
		}
		if err == nil {
			lit, ok := pyjson.Quote(nil, text)
			if !ok {
				t.Fatalf("Unquote(%q) = %q, which is no WTF-8", s, text)
			}
			same(t, "Dumps", pyjson.Dumps, s, lit)
		}
	})
}
