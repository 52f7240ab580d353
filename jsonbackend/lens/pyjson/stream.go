package pyjson

import (
	"bytes"
	"io"
	"math"
)

// ReadMembers visits the members of the object that r gives, in order, of which
// it has no more in memory at a time than a piece. Duplicate keys come as often
// as they stand there. What visit is given is valid until it returns; its error
// ends the visits.
func ReadMembers(r io.Reader, visit func(Member) error) error {
	s := newStream(r)
	_, more, err := s.object()
	for more && err == nil {
		var m streamed
		if m, more, err = s.member(); err == nil {
			err = visit(m.member())
		}
	}
	if err == nil {
		_, err = s.step((*scanner).end)
	}
	return err
}

// ReadObject is ParseList of the object that r gives, at the top level, read as
// ReadMembers does. forget is told of each member, with the Ref that it has,
// and whether it is shadowed shows only later. If forget says so the member's
// value is forgotten (see Forget); the rest of the document is copied.
func ReadObject(r io.Reader, forget func(Ref, Member) bool) (*List, error) {
	return newStream(r).list(forget)
}

func (s *stream) list(forget func(Ref, Member) bool) (*List, error) {
	l := &List{level: s.depth}
	head, more, err := s.object()
	l.doc, l.open = append(l.doc, head...), bytes.IndexByte(head, '{')
	l.members = []member{{key: uint32(l.open + 1), end: uint32(l.open + 1)}}
	for more && err == nil {
		var m streamed
		if m, more, err = s.member(); err == nil {
			l.add(m, forget)
		}
	}
	if err != nil {
		return nil, err
	}
	l.close = len(l.doc) - 1
	tail, err := s.step((*scanner).end)
	if err != nil {
		return nil, err
	}
	l.doc = append(l.doc, tail...)
	l.parsed = Ref(len(l.members) - 1)
	l.sep = l.separator()
	l.reindex()
	return l, nil
}

// add enters a member that was read.
func (l *List) add(s streamed, forget func(Ref, Member) bool) {
	r, at := Ref(len(l.members)), uint32(len(l.doc))
	m := member{key: at, colon: at + uint32(s.colon), value: at + uint32(s.value)}
	m.forgotten = forget(r, s.member())
	if m.forgotten {
		l.doc = append(l.doc, s.text[:s.value]...)
	} else {
		l.doc = append(l.doc, s.text[:s.end]...)
	}
	m.end = uint32(len(l.doc))
	l.doc = append(l.doc, s.text[s.end:]...)
	l.members = append(l.members, m)
	l.link(r, End)
}

// streamed is a member as it stands in the document, and what follows it.
type streamed struct {
	text              []byte
	colon, value, end int // in text
	offset            int // of text in the document
}

func (s streamed) member() Member { return Member{s.text[:s.colon], s.text[s.value:s.end], s.offset} }

// object reads up to the first member of the document, which must be an object,
// and reports whether there is one.
func (s *stream) object() (head []byte, more bool, err error) {
	head, err = s.step(func(t *scanner) (err error) {
		if err = t.container(); err == nil && t.peek() != '{' {
			err = t.fail(t.pos, "Expecting an object")
		}
		if err == nil {
			more, err = t.open()
		}
		return err
	})
	return head, more, err
}

// member reads a member and what stands behind it, and reports whether another
// follows.
func (s *stream) member() (m streamed, more bool, err error) {
	m.text, err = s.step(func(t *scanner) (err error) {
		lit, _, err := t.key()
		if err != nil {
			return err
		}
		m.colon, m.value = len(lit), t.pos
		if err = t.value(); err != nil {
			return err
		}
		m.end = t.pos
		more, err = t.next('}')
		return err
	})
	m.offset = s.offset
	return m, more, err
}

// stream reads a document step by step. It has no more of it in memory than a
// piece, or than a step takes.
type stream struct {
	from  io.Reader
	size  int // of a piece, at least
	room  []byte
	piece []byte // of room: what was read and not passed over
	taken int    // of piece, by the last step
	ended bool   // there is no more to be read
	depth int    // containers around the next step

	offset, line, column int // where the piece begins
}

func newStream(r io.Reader) *stream { return &stream{from: r, size: 1 << 20, line: 1, column: 1} }

// step takes a step, once what it needs has been read, and returns the text
// that it went over. That is valid until the next step.
func (s *stream) step(take func(*scanner) error) (text []byte, err error) {
	s.passOver()
	for {
		t := scanner{src: s.piece, depth: s.depth}
		err := take(&t)
		if s.ended || err == nil && t.pos < len(s.piece) { // else what follows may bear on it
			s.taken, s.depth = t.pos, t.depth
			return s.piece[:t.pos], s.located(err)
		}
		if err := s.more(); err != nil {
			return nil, err
		}
	}
}

// passOver forgets what the last step went over.
func (s *stream) passOver() {
	line, column := Position(s.piece, s.taken)
	if line == 1 {
		column += s.column - 1
	}
	s.line, s.column = s.line+line-1, column
	s.offset += s.taken
	s.piece, s.taken = s.piece[s.taken:], 0
}

// located gives an error in the piece its place in the document.
func (s *stream) located(err error) error {
	e, ok := err.(*SyntaxError)
	if !ok {
		return err
	}
	if e.Line == 1 {
		e.Column += s.column - 1
	}
	e.Line += s.line - 1
	e.Offset += s.offset
	return e
}

// more reads on.
func (s *stream) more() error {
	if size := max(s.size, 2*len(s.piece)); size > len(s.room) {
		s.room = make([]byte, size)
	}
	n := copy(s.room, s.piece)
	if s.offset+n > math.MaxInt32 {
		return tooLong()
	}
	m, err := io.ReadFull(s.from, s.room[n:])
	s.piece = s.room[:n+m]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		s.ended, err = true, nil
	}
	return err
}
