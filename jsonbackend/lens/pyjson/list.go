package pyjson

import (
	"bytes"
	"iter"
	"math"
)

// List is one object or array as its members and the text between them, for
// editing a document member by member.
//
// Laws: a List writes the document it was parsed from. An edit changes the
// bytes of its member and, where one comes or goes, one separator: all other
// text stays, white space, commas and the spelling of keys included. A list
// that loses its last member is {} or [] inside the white space of the
// document. A member that is added goes on a line of its own: indented like the
// last one if that is on its own line too, else as json.dump(indent=2) would.
//
// Of members with the same key the last has effect, as in Python. The earlier
// ones are shadowed: they stay in the text, no method but Shadowed shows them,
// and they go when the last one is removed.
//
// A List refers to doc and to the values it is given; neither may change. It
// takes some 70 bytes per member beside them. Members that were removed are
// not given back: parse anew what lives long. A List is not safe for
// concurrent use.
//
// A value that somebody else can say need not be in memory here: see Forget.
type List struct {
	// Recall appends the value of a member that was forgotten: always the same.
	Recall func(dst []byte, r Ref) []byte

	doc         []byte
	level       int
	open, close int // where the brackets stand in doc

	members []member // [0] is the ring's head, then doc's, then added ones
	parsed  Ref      // the last of doc's
	live    int
	index   index // of live and removed members by key; objects only

	sep  []byte // before an added member
	bare bool   // doc's white space next to the brackets no longer counts
	keys []byte // key literals of added members

	nested map[Ref]*List
}

// Ref names a member of a List as long as it is in it.
type Ref int32

// End is the place behind the last member.
const End Ref = 0

// Member is a view of one member.
type Member struct {
	Key    []byte // string literal; nil in arrays
	Value  []byte // exact text
	Offset int    // where the member starts in the parsed document; -1 if it was added
}

type member struct {
	text       []byte // value that is not doc's
	key, colon uint32 // key literal: in doc, of added members in List.keys
	value, end uint32 // in doc
	prev, next Ref
	shadows    Ref // the member before it with the same key; 0 for none
	state      state
	forgotten  bool // the value is what Recall says
}

type state uint8

const (
	live state = iota
	shadowed
	removed
)

// ParseList reads a document that is one object or array, inside level
// containers: level bears on the layout of added members and on MaxDepth. The
// error is a *SyntaxError.
func ParseList(doc []byte, level int) (*List, error) {
	s := scanner{src: doc, depth: level}
	if len(doc) > math.MaxInt32 {
		return nil, tooLong()
	}
	if err := s.container(); err != nil {
		return nil, err
	}
	l := &List{doc: doc, level: level, open: s.pos}
	if err := l.scan(&s); err != nil {
		return nil, err
	}
	l.close = s.pos - 1
	if err := s.end(); err != nil {
		return nil, err
	}
	l.sep = l.separator()
	if l.IsObject() {
		l.reindex()
	}
	return l, nil
}

func tooLong() error {
	return &SyntaxError{Line: 1, Column: 1, Msg: "Document of more than 2 GiB"}
}

// container goes to the document's value, which must be an object or an array.
func (s *scanner) container() error {
	if err := s.begin(); err != nil {
		return err
	}
	if c := s.peek(); c == '{' || c == '[' {
		return nil
	}
	start := s.pos
	if err := s.value(); err != nil {
		return err
	}
	return s.fail(start, "Expecting an object or an array")
}

// scan enters the members of the container that s stands before.
func (l *List) scan(s *scanner) error {
	more, err := s.open()
	l.members = []member{{key: uint32(l.open + 1), end: uint32(l.open + 1)}}
	for more && err == nil {
		m := member{key: uint32(s.pos)}
		m.colon = m.key
		if l.IsObject() {
			lit, _, err := s.key()
			if err != nil {
				return err
			}
			m.colon += uint32(len(lit))
		}
		m.value = uint32(s.pos)
		if err := s.value(); err != nil {
			return err
		}
		m.end = uint32(s.pos)
		l.members = append(l.members, m)
		l.link(Ref(len(l.members)-1), End)
		more, err = s.next(closer(l.doc[l.open]))
	}
	l.parsed = Ref(len(l.members) - 1)
	return err
}

// separator is the text for the front of an added member: a comma and the white
// space before doc's last member if that is on its own line.
func (l *List) separator() []byte {
	if l.parsed > 0 {
		gap := l.gap(l.parsed)
		if l.parsed > 1 {
			gap, _ = bytes.CutPrefix(gap, []byte{','})
		}
		if line := bytes.TrimPrefix(gap, []byte{'\r'}); len(line) > 0 && line[0] == '\n' && len(bytes.Trim(line[1:], " \t")) == 0 {
			return append([]byte{','}, gap...)
		}
	}
	return appendLine([]byte{','}, l.level+1)
}

// gap is the text before one of doc's members.
func (l *List) gap(r Ref) []byte { return l.doc[l.members[r-1].end:l.members[r].key] }

// IsObject reports whether the list is an object, else it is an array.
func (l *List) IsObject() bool { return l.doc[l.open] == '{' }

// Len is the number of members, without shadowed ones.
func (l *List) Len() int { return l.live }

// All iterates the members in order. The one at hand may be replaced or
// removed.
func (l *List) All() iter.Seq2[Ref, Member] {
	return func(yield func(Ref, Member) bool) {
		for r := range l.Refs() {
			if !yield(r, l.Member(r)) {
				return
			}
		}
	}
}

// Refs is All without a look at the members.
func (l *List) Refs() iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for r := l.members[End].next; r != End; r = l.members[r].next {
			if l.members[r].state == live && !yield(r) {
				return
			}
		}
	}
}

// Shadowed iterates the members that have no effect because their key comes
// again.
func (l *List) Shadowed() iter.Seq[Member] {
	return func(yield func(Member) bool) {
		for r := l.members[End].next; r != End; r = l.members[r].next {
			if l.members[r].state == shadowed && !yield(l.Member(r)) {
				return
			}
		}
	}
}

// Member is the member that r names.
func (l *List) Member(r Ref) Member {
	m := Member{Value: l.Value(r), Offset: -1}
	if l.IsObject() {
		m.Key = l.Key(r)
	}
	if r <= l.parsed {
		m.Offset = int(l.members[r].key)
	}
	return m
}

// Key is the key of the member of an object that r names.
func (l *List) Key(r Ref) []byte {
	m := &l.members[r]
	if r > l.parsed {
		return l.keys[m.key:m.colon:m.colon]
	}
	return l.doc[m.key:m.colon:m.colon]
}

// Value is the value of the member that r names.
func (l *List) Value(r Ref) []byte {
	m := &l.members[r]
	switch n := l.nested[r]; {
	case m.forgotten:
		return l.Recall(nil, r)
	case n != nil:
		return n.Bytes()
	case m.text != nil:
		return m.text
	default:
		return l.doc[m.value:m.end:m.end]
	}
}

// link puts r before at.
func (l *List) link(r, at Ref) {
	m := &l.members[r]
	m.prev, m.next = l.members[at].prev, at
	l.members[m.prev].next = r
	l.members[at].prev = r
	l.live++
}

func (l *List) unlink(r Ref) {
	m := &l.members[r]
	l.members[m.prev].next = m.next
	l.members[m.next].prev = m.prev
	m.state, m.forgotten = removed, false
	m.text = nil
	delete(l.nested, r)
}

// Insert adds a member before another one or at the End, and returns its Ref.
// A key that is there already only gets the new value, in its place. The key is
// a string literal, nil in arrays; the value is JSON text and stands as it is:
// Indent(value, level+1) is the layout to give it. A place that was removed is
// the End.
func (l *List) Insert(before Ref, key, value []byte) Ref {
	if l.IsObject() {
		if r, ok := l.Find(key); ok {
			l.Replace(r, value)
			return r
		}
	}
	if l.live == 0 {
		l.strip()
	}
	if l.members[before].state == removed {
		before = End
	}
	m := member{text: value, key: uint32(len(l.keys))}
	l.keys = append(l.keys, key...)
	m.colon = uint32(len(l.keys))
	r := Ref(len(l.members))
	l.members = append(l.members, m)
	l.link(r, before)
	if l.IsObject() {
		l.enter(r)
	}
	return r
}

// Replace gives a member a new value, which stands as it is.
func (l *List) Replace(r Ref, value []byte) {
	l.members[r].text, l.members[r].forgotten = value, false
	delete(l.nested, r)
}

// Forget lets go of a member's value: until it is replaced it is what Recall
// says. The document that was parsed stays in memory until Shed.
func (l *List) Forget(r Ref) {
	l.members[r].text, l.members[r].forgotten = nil, true
	delete(l.nested, r)
}

// Shed copies what is needed of the document that was parsed, so that the rest
// can go, if that is most of it: values that were forgotten, replaced or
// removed.
func (l *List) Shed() {
	kept := len(l.doc)
	for i := range l.members[1 : l.parsed+1] {
		if m := &l.members[1+i]; m.elsewhere() {
			kept -= int(m.end - m.value)
		}
	}
	if kept > len(l.doc)/2 {
		return
	}
	doc, from := make([]byte, 0, kept), 0
	for i := range l.members[1 : l.parsed+1] {
		m := &l.members[1+i]
		end := m.end
		if m.elsewhere() {
			m.end = m.value
		}
		gone := uint32(from - len(doc))
		doc, from = append(doc, l.doc[from:m.end]...), int(end)
		m.key, m.colon, m.value, m.end = m.key-gone, m.colon-gone, m.value-gone, m.end-gone
	}
	l.close -= from - len(doc)
	l.doc = append(doc, l.doc[from:]...)
}

// elsewhere reports whether the value is not what doc has.
func (m *member) elsewhere() bool { return m.forgotten || m.text != nil || m.state == removed }

// Remove takes a member out, with those that it shadows.
func (l *List) Remove(r Ref) {
	if r == End || l.members[r].state != live {
		return
	}
	for ; r != End; r = l.members[r].shadows {
		l.unlink(r)
	}
	if l.live--; l.live == 0 {
		l.strip()
	}
}

// strip leaves an empty list bare: from now on the layout is ours.
func (l *List) strip() {
	l.bare = true
	l.sep = appendLine([]byte{','}, l.level+1)
}

// Nest is the value of a member, an object or array, as a List of its own: what
// is edited there stands in l, until the member is replaced or removed. A
// *SyntaxError has its offsets in the value.
func (l *List) Nest(r Ref) (*List, error) {
	if n := l.nested[r]; n != nil {
		return n, nil
	}
	n, err := ParseList(l.Value(r), l.level+1)
	if err != nil {
		return nil, err
	}
	if l.nested == nil {
		l.nested = make(map[Ref]*List)
	}
	l.nested[r] = n
	return n, nil
}
