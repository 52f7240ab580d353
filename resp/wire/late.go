package wire

// What takes long to encode is left for later: who gathers a reply while it holds a lock encodes it when it has given the
// lock back.

const (
	// atOnce is how many bytes a Writer that defers holds before it leaves the strings behind them for later.
	atOnce = 256 << 10
	// piece is how many bytes Stream hands over at a time, at most.
	piece = 64 << 10
)

// late is a part of a reply that is not encoded yet: text, or what write writes.
type late struct {
	at    int // its place among the bytes
	proto int
	text  string
	write func(w *Writer)
}

// Later writes what write writes: when the reply is streamed, if the Writer defers, else now. Until then whatever write
// looks at must stay as it is. It must not use Len, Truncate and Precede.
func (w *Writer) Later(write func(w *Writer)) {
	if w.Defers {
		w.late = append(w.late, late{at: len(w.buf), proto: w.Proto, write: write})
	} else {
		write(w)
	}
}

// Full reports whether a Writer that defers would hold so much, with more bytes, that whoever can should write them later.
func (w *Writer) Full(more int) bool { return w.Defers && len(w.buf)+more > atOnce }

// Deferred reports whether parts of what was written are not encoded yet: then Stream takes the place of Bytes.
func (w *Writer) Deferred() bool { return len(w.late) > 0 }

// Stream hands everything that was written to sink, piece by piece; a piece is valid until sink returns.
func (w *Writer) Stream(sink func(piece []byte)) {
	out := Writer{sink: sink}
	from := 0
	for _, l := range w.late {
		spill(&out, w.buf[from:l.at])
		from = l.at
		if out.Proto = l.proto; l.write != nil {
			l.write(&out)
		} else {
			out.BulkString(l.text)
		}
	}
	spill(&out, w.buf[from:])
	out.flush()
}

// spill appends to a Writer that has a sink.
func spill[T string | []byte](w *Writer, s T) {
	for len(s) > 0 {
		if len(w.buf) >= piece {
			w.flush()
		}
		n := min(len(s), piece-len(w.buf))
		w.buf = append(w.buf, s[:n]...)
		s = s[n:]
	}
}

func spillBulk[T string | []byte](w *Writer, s T) {
	w.header('$', len(s))
	spill(w, s)
	w.buf = append(w.buf, '\r', '\n')
}

func (w *Writer) flush() {
	if len(w.buf) > 0 {
		w.sink(w.buf)
		w.buf = w.buf[:0]
	}
}

// place returns how many bytes and how many late parts were written before mark, which is their sum: it grew with either,
// so it stands for one place.
func (w *Writer) place(mark int) (bytes, parts int) {
	parts = len(w.late)
	for parts > 0 && w.late[parts-1].at+parts-1 >= mark {
		parts--
	}
	return mark - parts, parts
}

// Precede puts what header writes before what was written since mark, an earlier Len: for lengths that are known only in
// the end. A header is short.
func (w *Writer) Precede(mark int, header func()) {
	at, parts := w.place(mark)
	end := len(w.buf)
	header()
	var room [64]byte
	head := append(room[:0], w.buf[end:]...)
	copy(w.buf[at+len(head):], w.buf[at:end])
	copy(w.buf[at:], head)
	for i := parts; i < len(w.late); i++ {
		w.late[i].at += len(head)
	}
}
