package wire

import (
	"math"
	"strconv"

	"github.com/tidwall/redcon"
)

// idleBytes is how much buffer a Reader or Writer keeps while it holds nothing.
const idleBytes = 64 << 10

// Writer builds replies in memory. The zero value writes RESP2 and is ready to use; it is not safe for concurrent use.
//
// An aggregate (Array, Map, Set, Push) writes its header only: the caller writes the announced elements next.
type Writer struct {
	Proto  int  // version of RESP the client reads: 3, anything else is 2
	Defers bool // what is long is encoded when the reply is streamed

	buf  []byte
	late []late
	sink func(piece []byte) // where buf goes when it is full; nil if it just grows
}

// Status writes a simple string such as "PONG". CR and LF become spaces.
func (w *Writer) Status(s string) { w.buf = redcon.AppendString(w.buf, s) }

// OK writes the status OK.
func (w *Writer) OK() { w.buf = redcon.AppendOK(w.buf) }

// Error writes an error reply: an [Error] as it is, any other error behind the code ERR. CR and LF become spaces.
func (w *Writer) Error(err error) {
	e, ok := err.(Error)
	if !ok {
		e = Error("ERR " + err.Error())
	}
	w.buf = redcon.AppendError(w.buf, string(e))
}

// Int writes an integer.
func (w *Writer) Int(n int64) { w.buf = redcon.AppendInt(w.buf, n) }

// Bulk writes a binary-safe string; nil is the empty one.
func (w *Writer) Bulk(b []byte) {
	if w.sink != nil && len(w.buf)+len(b) > piece {
		spillBulk(w, b)
		return
	}
	w.buf = redcon.AppendBulk(w.buf, b)
}

// BulkString is Bulk of a string. A Writer that defers copies it only while there is little to copy.
func (w *Writer) BulkString(s string) {
	if len(w.buf)+len(s) > piece {
		switch {
		case w.sink != nil:
			spillBulk(w, s)
			return
		case w.Defers && len(w.buf)+len(s) > atOnce:
			w.late = append(w.late, late{at: len(w.buf), proto: w.Proto, text: s})
			return
		}
	}
	w.buf = redcon.AppendBulkString(w.buf, s)
}

// Null writes what stands for a missing value: "$-1" in RESP2, "_" in RESP3.
func (w *Writer) Null() {
	if w.Proto == 3 {
		w.buf = append(w.buf, "_\r\n"...)
		return
	}
	w.buf = redcon.AppendNull(w.buf)
}

// NullArray writes what stands for a missing array: "*-1" in RESP2, "_" in RESP3.
func (w *Writer) NullArray() {
	if w.Proto == 3 {
		w.buf = append(w.buf, "_\r\n"...)
		return
	}
	w.buf = append(w.buf, "*-1\r\n"...)
}

// Array begins an array of n elements.
func (w *Writer) Array(n int) { w.buf = redcon.AppendArray(w.buf, n) }

// Map begins a map of n pairs, each a key and a value; in RESP2 an array of 2n elements.
func (w *Writer) Map(n int) {
	if w.Proto == 3 {
		w.header('%', n)
		return
	}
	w.Array(2 * n)
}

// Set begins a set of n elements; in RESP2 an array.
func (w *Writer) Set(n int) {
	if w.Proto == 3 {
		w.header('~', n)
		return
	}
	w.Array(n)
}

// Push begins an out-of-band message of n elements; in RESP2 an array.
func (w *Writer) Push(n int) {
	if w.Proto == 3 {
		w.header('>', n)
		return
	}
	w.Array(n)
}

func (w *Writer) header(kind byte, n int) {
	w.buf = strconv.AppendInt(append(w.buf, kind), int64(n), 10)
	w.buf = append(w.buf, '\r', '\n')
}

// Double writes a floating-point number as C's %.17g prints it, infinities as inf and -inf, NaN as nan; in RESP2 a bulk
// string.
func (w *Writer) Double(f float64) {
	var digits [32]byte
	s := AppendDouble(digits[:0], f)
	if w.Proto != 3 {
		w.Bulk(s)
		return
	}
	w.buf = append(append(append(w.buf, ','), s...), '\r', '\n')
}

// AppendDouble appends f as Redis 7.0 prints a score: C's %.17g, which strconv's 'g' with 17 digits equals for every finite
// number.
func AppendDouble(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, f, 'g', 17, 64)
}

// Bool writes a boolean; in RESP2 the integers 1 and 0.
func (w *Writer) Bool(v bool) {
	switch {
	case w.Proto == 3 && v:
		w.buf = append(w.buf, "#t\r\n"...)
	case w.Proto == 3:
		w.buf = append(w.buf, "#f\r\n"...)
	case v:
		w.Int(1)
	default:
		w.Int(0)
	}
}

// Verbatim writes s with its format, three letters such as "txt" or "mkd"; in RESP2 a bulk string of s alone.
func (w *Writer) Verbatim(format, s string) {
	if w.Proto != 3 {
		w.BulkString(s)
		return
	}
	w.header('=', len(format)+1+len(s))
	w.buf = append(append(w.buf, format...), ':')
	w.buf = append(append(w.buf, s...), '\r', '\n')
}

// Raw appends bytes that are replies already.
func (w *Writer) Raw(b []byte) {
	if w.sink != nil {
		spill(w, b)
		return
	}
	w.buf = append(w.buf, b...)
}

// Bytes returns what was written since the last Reset; it is valid until the next write, Truncate or Reset. Of a Writer
// that defers it is the whole only if nothing was deferred.
func (w *Writer) Bytes() []byte { return w.buf }

// Len returns how many bytes were written since the last Reset, parts that are not encoded yet counted as one; it is the
// mark to give to Truncate.
func (w *Writer) Len() int { return len(w.buf) + len(w.late) }

// Truncate takes back everything written after mark, an earlier Len.
func (w *Writer) Truncate(mark int) {
	n, parts := w.place(mark)
	clear(w.late[parts:])
	w.buf, w.late = w.buf[:n], w.late[:parts]
}

// Reset forgets what was written. The buffer is used again unless it has grown large.
func (w *Writer) Reset() {
	if cap(w.buf) > idleBytes {
		w.buf = nil
	}
	w.buf, w.late = w.buf[:0], nil
}
