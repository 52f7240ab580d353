package pyjson

import (
	"bufio"
	"io"
	"iter"
)

// Bytes is the document with its edits.
func (l *List) Bytes() []byte {
	b := make([]byte, 0, len(l.doc))
	for p := range l.pieces() {
		b = append(b, p...)
	}
	return b
}

// WriteTo writes what Bytes returns, piece by piece.
func (l *List) WriteTo(w io.Writer) (n int64, err error) {
	b := bufio.NewWriterSize(w, 64<<10)
	for p := range l.pieces() {
		m, err := b.Write(p)
		n += int64(m)
		if err != nil {
			return n - int64(b.Buffered()), err
		}
	}
	err = b.Flush()
	return n - int64(b.Buffered()), err
}

// pieces iterates the text of the list, what is untouched in one piece.
func (l *List) pieces() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		t := text{doc: l.doc, yield: yield}
		head, tail := l.open+1, l.close
		if !l.bare {
			head = int(l.members[min(l.parsed, 1)].key)
			tail = int(l.members[l.parsed].end)
		}
		t.span(0, head)
		first := l.members[End].next
		for r := first; r != End && !t.stopped; r = l.members[r].next {
			l.separate(&t, r, r == first)
			l.write(&t, r)
		}
		if l.bare && first != End {
			t.bytes(appendLine(nil, l.level))
		}
		t.span(tail, len(l.doc))
		t.flush()
	}
}

// separate writes what stands before r.
func (l *List) separate(t *text, r Ref, first bool) {
	switch {
	case first && l.bare:
		t.bytes(l.sep[1:])
	case first: // doc's text up to its first member stands there already
	case r > 1 && r <= l.parsed:
		t.span(int(l.members[r-1].end), int(l.members[r].key))
	default:
		t.bytes(l.sep)
	}
}

// write writes the member r.
func (l *List) write(t *text, r Ref) {
	m := &l.members[r]
	switch {
	case r <= l.parsed:
		t.span(int(m.key), int(m.value))
	case l.IsObject():
		t.bytes(l.Key(r))
		t.bytes([]byte(": "))
	}
	switch n := l.nested[r]; {
	case m.forgotten:
		t.room = l.Recall(t.room[:0], r)
		t.bytes(t.room)
	case n != nil:
		for p := range n.pieces() {
			t.bytes(p)
		}
	case m.text != nil:
		t.bytes(m.text)
	default:
		t.span(int(m.value), int(m.end))
	}
}

// text yields spans of doc, those that meet as one, and other bytes between.
type text struct {
	doc      []byte
	from, to int
	yield    func([]byte) bool
	stopped  bool
	room     []byte // for a value that was forgotten
}

func (t *text) span(from, to int) {
	if from != t.to {
		t.flush()
		t.from = from
	}
	t.to = to
}

func (t *text) bytes(b []byte) {
	t.flush()
	t.stopped = t.stopped || !t.yield(b)
}

func (t *text) flush() {
	if t.from < t.to && !t.stopped {
		t.stopped = !t.yield(t.doc[t.from:t.to])
	}
	t.from = t.to
}
