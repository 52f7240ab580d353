package pyjson_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"pgregory.net/rapid"
)

// model is a List as plain text: the laws, spelled out.
type model struct {
	before, open, lead string
	members            []modelMember
	tail, close, after string
	sep                string // before an added member
}

type modelMember struct{ sep, key, colon, value string }

func drawModel(t *rapid.T) *model {
	m := &model{before: space().Draw(t, "before"), open: "[", close: "]", after: space().Draw(t, "after")}
	object := rapid.Bool().Draw(t, "object")
	if object {
		m.open, m.close = "{", "}"
	}
	m.lead = space().Draw(t, "lead")
	for i := range rapid.IntRange(0, 6).Draw(t, "members") {
		var mm modelMember
		if i > 0 {
			mm.sep = space().Draw(t, "space") + "," + space().Draw(t, "space")
		}
		if object {
			mm.key = drawKey(t)
			mm.colon = space().Draw(t, "space") + ":" + space().Draw(t, "space")
		}
		mm.value = drawValue(t, 2)
		m.members = append(m.members, mm)
	}
	if len(m.members) > 0 {
		m.tail = space().Draw(t, "tail")
	}
	m.sep = m.style()
	return m
}

// drawKey is one of few keys in many spellings, so that some come twice.
func drawKey(t *rapid.T) string {
	return rapid.OneOf(rapid.SampledFrom([]string{`"a"`, `"b"`, `"\u0061"`, `"ж"`, `"\u0436"`, `""`, `"key"`, `"x:y"`}), stringLit()).Draw(t, "key")
}

var ownLine = regexp.MustCompile(`^,\r?\n[ \t]*$`)

const level = 1

func (m *model) style() string {
	var last string
	switch n := len(m.members); {
	case n == 1:
		last = "," + m.lead
	case n > 1:
		last = m.members[n-1].sep
	}
	if ownLine.MatchString(last) {
		return last
	}
	return ",\n" + strings.Repeat("  ", level+1)
}

func (m *model) text() string {
	var b strings.Builder
	b.WriteString(m.before + m.open + m.lead)
	for i, mm := range m.members {
		if i > 0 {
			b.WriteString(mm.sep)
		}
		b.WriteString(mm.key + mm.colon + mm.value)
	}
	b.WriteString(m.tail + m.close + m.after)
	return b.String()
}

func name(key string) string {
	s, err := pyjson.Unquote(nil, []byte(key))
	if err != nil {
		panic(err)
	}
	return string(s)
}

// live are the positions of the members with effect.
func (m *model) live() (at []int) {
	for i, mm := range m.members {
		again := func(later modelMember) bool { return mm.key != "" && name(later.key) == name(mm.key) }
		if !slices.ContainsFunc(m.members[i+1:], again) {
			at = append(at, i)
		}
	}
	return at
}

func (m *model) remove(at int) {
	gone := m.members[at]
	m.members = slices.Delete(m.members, at, at+1)
	if gone.key != "" {
		m.members = slices.DeleteFunc(m.members, func(mm modelMember) bool { return name(mm.key) == name(gone.key) })
	}
	if len(m.members) == 0 {
		m.lead, m.tail = "", ""
		m.sep = m.style()
	}
}

func (m *model) insert(at int, key, value string) {
	for _, i := range m.live() {
		if key != "" && name(m.members[i].key) == name(key) {
			m.members[i].value = value
			return
		}
	}
	if len(m.members) == 0 {
		m.lead, m.tail = "\n"+strings.Repeat("  ", level+1), "\n"+strings.Repeat("  ", level)
		m.sep = "," + m.lead
	}
	mm := modelMember{sep: m.sep, key: key, value: value}
	if key != "" {
		mm.colon = ": "
	}
	m.members = slices.Insert(m.members, at, mm)
}

// dropFirst notes that the first member of the document has no separator of its own.
func (m *model) dropFirst() {
	if len(m.members) > 0 && m.members[0].sep == "" {
		m.members[0].sep = m.sep
	}
}

func TestListLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		m.dropFirst()
		l, err := drawList(t, m.text())
		if err != nil {
			t.Fatalf("ParseList(%q): %v", m.text(), err)
		}
		checkList(t, l, m)
		for range rapid.IntRange(0, 12).Draw(t, "edits") {
			randomEdit(t, l, m)
			checkList(t, l, m)
		}
	})
}

// drawList parses a text, as a whole or in pieces. The list may forget values.
func drawList(t *rapid.T, text string) (l *pyjson.List, err error) {
	said := memory{}
	if rapid.Bool().Draw(t, "whole") || strings.TrimSpace(text)[0] == '[' {
		l, err = pyjson.ParseList([]byte(text), level)
	} else {
		l, err = pyjson.ReadObjectInPieces(strings.NewReader(text), level, rapid.IntRange(1, 30).Draw(t, "size"), func(r pyjson.Ref, m pyjson.Member) bool {
			said[r] = string(m.Value)
			return rapid.Bool().Draw(t, "forget")
		})
	}
	if err == nil {
		l.Recall = said.recall
	}
	return l, err
}

// memory is what a list has forgotten.
type memory map[pyjson.Ref]string

func (m memory) recall(dst []byte, r pyjson.Ref) []byte { return append(dst, m[r]...) }

// randomEdit does one edit to both.
func randomEdit(t *rapid.T, l *pyjson.List, m *model) {
	live := m.live()
	refs := []pyjson.Ref{}
	for r := range l.All() {
		refs = append(refs, r)
	}
	if len(refs) != len(live) {
		t.Fatalf("%d members, want %d in %s", len(refs), len(live), m.text())
	}
	i := -1
	if len(live) > 0 {
		i = rapid.IntRange(-1, len(live)-1).Draw(t, "member")
	}
	op := rapid.SampledFrom([]string{"insert", "replace", "remove", "forget", "shed"}).Draw(t, "op")
	switch {
	case op == "forget" && i >= 0:
		said, before := memory{refs[i]: string(l.Value(refs[i]))}, l.Recall
		l.Recall = func(dst []byte, r pyjson.Ref) []byte {
			if r == refs[i] {
				return said.recall(dst, r)
			}
			return before(dst, r)
		}
		l.Forget(refs[i])
	case op == "shed":
		l.Shed()
	case op == "remove" && i >= 0:
		l.Remove(refs[i])
		m.remove(live[i])
	case op == "replace" && i >= 0:
		value := drawValue(t, 1)
		l.Replace(refs[i], []byte(value))
		m.members[live[i]].value = value
	default:
		key, value := "", drawValue(t, 1)
		if l.IsObject() {
			key = drawKey(t)
		}
		before, at := pyjson.End, len(m.members)
		if i >= 0 {
			before, at = refs[i], live[i]
		}
		var lit []byte
		if l.IsObject() {
			lit = []byte(key)
		}
		l.Insert(before, lit, []byte(value))
		m.insert(at, key, value)
	}
}

// checkList compares text and members, of the list and of its text parsed anew.
func checkList(t *rapid.T, l *pyjson.List, m *model) {
	t.Helper()
	text := l.Bytes()
	if diff := cmp.Diff(m.text(), string(text)); diff != "" {
		t.Fatalf("text (-want +got):\n%s", diff)
	}
	var streamed bytes.Buffer
	if _, err := l.WriteTo(&streamed); err != nil || !bytes.Equal(streamed.Bytes(), text) {
		t.Fatalf("WriteTo %q, %v; Bytes %q", &streamed, err, text)
	}
	again, err := pyjson.ParseList(text, level)
	if err != nil {
		t.Fatalf("text no longer parses: %v\n%s", err, text)
	}
	var want []modelMember
	for _, i := range m.live() {
		want = append(want, modelMember{key: m.members[i].key, value: m.members[i].value})
	}
	for _, list := range []*pyjson.List{l, again} {
		var got []modelMember
		for r, mm := range list.All() {
			got = append(got, modelMember{key: string(mm.Key), value: string(mm.Value)})
			if found, ok := list.Find(mm.Key); list.IsObject() && (!ok || found != r) {
				t.Fatalf("Find(%s) = %d, %v, want %d", mm.Key, found, ok, r)
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(modelMember{})); diff != "" || list.Len() != len(want) {
			t.Fatalf("%d members (-want +got):\n%s", list.Len(), diff)
		}
		shadowed := 0
		for range list.Shadowed() {
			shadowed++
		}
		if shadowed != len(m.members)-len(want) {
			t.Fatalf("%d shadowed members, want %d", shadowed, len(m.members)-len(want))
		}
	}
}
