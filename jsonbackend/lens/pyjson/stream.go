package pyjson

import (
	"io"
	"math"
)

// ReadList is ParseList of what r gives, of which it has no more in memory at a
// time than a piece. Every member is shown to forget, in order, with the Ref
// that it will have, also one that turns out to be shadowed; what it is shown
// is valid until it returns. If it says so the member's value is forgotten: see
// Forget. The rest of the document is copied. Errors of r and of forget are
// returned as they are.
func ReadList(r io.Reader, level int, forget func(Ref, Member) (bool, error)) (*List, error) {
	return readList(&stream{from: r, size: 1 << 20, depth: level, line: 1, column: 1}, forget)
}

func readList(s *stream, forget func(Ref, Member) (bool, error)) (*List, error) {
	l := &List{level: s.depth}
	more, err := l.readHead(s)
	for more && err == nil {
		more, err = l.readMember(s, forget)
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
	if l.IsObject() {
		l.reindex()
	}
	return l, nil
}

// readHead reads up to the first member, and reports whether there is one.
func (l *List) readHead(s *stream) (more bool, err error) {
	head, err := s.step(func(t *scanner) (err error) {
		if err = t.container(); err == nil {
			l.open = t.pos
			more, err = t.open()
		}
		return err
	})
	l.doc = append(l.doc, head...)
	l.members = []member{{key: uint32(l.open + 1), end: uint32(l.open + 1)}}
	return more, err
}

// readMember reads a member and what stands behind it.
func (l *List) readMember(s *stream, forget func(Ref, Member) (bool, error)) (more bool, err error) {
	var key []byte
	var value, end int
	text, err := s.step(func(t *scanner) (err error) {
		if l.IsObject() {
			if key, _, err = t.key(); err != nil {
				return err
			}
		}
		value = t.pos
		if err = t.value(); err != nil {
			return err
		}
		end = t.pos
		more, err = t.next(closer(l.doc[l.open]))
		return err
	})
	if err != nil {
		return false, err
	}
	r := Ref(len(l.members))
	m := member{key: uint32(len(l.doc))}
	m.colon, m.value = m.key+uint32(len(key)), m.key+uint32(value)
	if m.forgotten, err = forget(r, Member{key, text[value:end], s.offset}); err != nil {
		return false, err
	}
	if m.forgotten {
		l.doc = append(l.doc, text[:value]...)
	} else {
		l.doc = append(l.doc, text[:end]...)
	}
	m.end = uint32(len(l.doc))
	l.doc = append(l.doc, text[end:]...)
	l.members = append(l.members, m)
	l.link(r, End)
	return more, nil
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
