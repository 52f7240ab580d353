package wire

import (
	"bytes"
	"fmt"
)

// FrameLimits bounds what a server may announce. Nothing is allocated for what it announces.
type FrameLimits struct {
	Bulk  int64 // bytes of one bulk string
	Items int64 // elements of one aggregate; a map has two for each pair
	Depth int   // aggregates within aggregates
}

// DefaultFrameLimits are beyond what any Redis sends: bulk strings of 4 GB and, in an aggregate, 2^32 elements.
func DefaultFrameLimits() FrameLimits {
	return FrameLimits{Bulk: 4 << 30, Items: 1 << 32, Depth: 1 << 16}
}

// Frame finds where a server's replies end, in RESP2 and RESP3, without looking at what they say. A frame is one whole
// reply or push with the attributes before it. The zero value is ready for the first; it is not safe for concurrent use.
//
// It sees every byte once, however the stream is cut, and keeps none but an unfinished header of a few bytes. Types that
// are streamed ("$?", "*?") are refused: no Redis sends them.
type Frame struct {
	Limits FrameLimits // zero means DefaultFrameLimits

	kind   byte    // of the frame: its first byte behind attributes; 0 before that
	open   bool    // a frame has begun and not ended
	levels []int64 // elements still to come, of each aggregate that is open, outermost first
	body   int64   // bytes of a bulk string still to come, with its CR LF
	line   byte    // type of the line being read; 0 between elements
	head   [maxHeader]byte
	used   int  // bytes of head
	last   byte // the last byte of the line being read
}

// maxHeader is more than the digits of any length.
const maxHeader = 24

// Kind returns the type of the frame that Next has ended or is in: '+', '*', '>' and so on; 0 while only attributes have
// come.
func (f *Frame) Kind() byte { return f.kind }

// Open reports whether a frame has begun and not ended.
func (f *Frame) Open() bool { return f.open }

// Next returns how many bytes of p belong to the frame that p goes on with, and whether it ends with them. An error is
// final: where the next frame begins is not known.
func (f *Frame) Next(p []byte) (n int, whole bool, err error) {
	if !f.open && len(p) > 0 {
		f.begin()
	}
	for n < len(p) {
		switch {
		case f.body > 0:
			step := min(f.body, int64(len(p)-n))
			f.body -= step
			n += int(step)
			if f.body > 0 {
				return n, false, nil
			}
			if p[n-1] != '\n' {
				return n, false, fmt.Errorf("read reply: a string ends with %q instead of a line break", p[n-1])
			}
			whole = f.end()
		case f.line == 0:
			f.line, f.used, f.last = p[n], 0, 0
			n++
			continue
		default:
			var step int
			if step, whole, err = f.readLine(p[n:]); err != nil {
				return n, false, err
			}
			n += step
		}
		if whole {
			f.open = false
			return n, true, nil
		}
	}
	return n, false, nil
}

func (f *Frame) begin() {
	if f.Limits == (FrameLimits{}) {
		f.Limits = DefaultFrameLimits()
	}
	f.open, f.kind = true, 0
	f.levels = append(f.levels[:0], 1)
}

// end counts an element that is whole; it reports whether the frame is.
func (f *Frame) end() bool {
	f.levels[len(f.levels)-1]--
	return f.close()
}

// close drops the aggregates that are whole.
func (f *Frame) close() bool {
	for n := len(f.levels); n > 0 && f.levels[n-1] == 0; n-- {
		f.levels = f.levels[:n-1]
	}
	return len(f.levels) == 0
}

// readLine goes on with a line: one that is an element is skipped, one that announces something is kept until it is whole.
func (f *Frame) readLine(p []byte) (n int, whole bool, err error) {
	i := bytes.IndexByte(p, '\n')
	n = i + 1
	if i < 0 {
		n = len(p)
	}
	switch f.line {
	case '+', '-', ':', '_', ',', '#', '(':
	case '$', '*', '!', '=', '%', '~', '>', '|':
		if f.used+n > maxHeader {
			return 0, false, fmt.Errorf("read reply: the length behind %q is too long", f.line)
		}
		f.used += copy(f.head[f.used:], p[:n])
	default:
		return 0, false, fmt.Errorf("read reply: no reply begins with %q", f.line)
	}
	before := f.last
	if n > 1 {
		before = p[n-2]
	}
	f.last = p[n-1]
	if i < 0 {
		return n, false, nil
	}
	if before != '\r' {
		return 0, false, fmt.Errorf("read reply: a line of type %q ends without a carriage return", f.line)
	}
	kind := f.line
	f.line = 0
	if len(f.levels) == 1 && f.kind == 0 && kind != '|' {
		f.kind = kind
	}
	if f.used == 0 {
		return n, f.end(), nil
	}
	whole, err = f.announced(kind, f.head[:f.used-2])
	return n, whole, err
}

// announced opens what a header says: a string or an aggregate.
func (f *Frame) announced(kind byte, digits []byte) (whole bool, err error) {
	size, ok := parseInt(digits)
	switch {
	case !ok || size < -1 || size == -1 && kind != '$' && kind != '*':
		return false, fmt.Errorf("read reply: %q is no length for type %q", digits, kind)
	case size == -1:
		return f.end(), nil
	}
	switch kind {
	case '$', '!', '=':
		if size > f.Limits.Bulk {
			return false, fmt.Errorf("read reply: a string of %d bytes, more than the limit of %d", size, f.Limits.Bulk)
		}
		f.body = size + 2
		return false, nil
	}
	if size > f.Limits.Items {
		return false, fmt.Errorf("read reply: %d elements, more than the limit of %d", size, f.Limits.Items)
	}
	if kind == '%' || kind == '|' {
		size *= 2
	}
	if kind != '|' { // what an attribute is about is still to come
		f.levels[len(f.levels)-1]--
	}
	if len(f.levels) > f.Limits.Depth {
		return false, fmt.Errorf("read reply: aggregates nested deeper than %d", f.Limits.Depth)
	}
	f.levels = append(f.levels, size)
	return f.close(), nil
}
