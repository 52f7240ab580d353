package aof

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
)

// window is the least the scanner reads at once. It grows to the largest unit.
const window = 1 << 20

// damage says why bytes are not a unit.
type damage struct {
	why string
	end bool // nothing follows: the file may have been cut here
}

func (d damage) Error() string { return d.why }

// span is an argument: the bytes of the window from the unit's start on.
type span struct{ from, to int }

// effect is a command of the unit.
type effect struct {
	db    int
	first int // index in scanner.args
	n     int
}

// unit is what the scanner found; its effects are the scanner's, until the next one.
type unit struct {
	seq  uint64 // 0 = it has no line of its own
	note string
}

// scanner reads one file, unit by unit. The window always holds the whole unit, so that nothing of it is believed
// before its checksum is.
type scanner struct {
	f     io.Reader
	rest  int64 // bytes of the file that are not in the window yet
	buf   []byte
	start int   // where the unit begins in buf
	pos   int   // what is read next
	off   int64 // where buf[0] is in the file

	sum  int // where the next checksum begins, from start on
	db   int
	args []span
	cmds []effect

	synced   uint64 // what the last line said that tells how far the log was synced
	syncedAt int64  // where that line begins in the file

	// A real Redis writes no lines. What it appended to a file of ours begins with its SELECT and goes on until a
	// line of ours; all of it counts as theirs.
	theirs bool
}

// newScanner reads the first size bytes of f. buf is a window to start with.
func newScanner(f io.Reader, size int64, buf []byte) *scanner {
	return &scanner{f: f, rest: size, buf: buf[:0]}
}

// offset returns where the unit begins in the file.
func (s *scanner) offset() int64 { return s.off + int64(s.start) }

// begin makes what is read next the beginning of a unit.
func (s *scanner) begin() {
	s.start, s.sum = s.pos, 0
	s.args, s.cmds = s.args[:0], s.cmds[:0]
}

// damaged reports why the bytes before pos are no unit.
func (s *scanner) damaged(format string, a ...any) error {
	return damage{fmt.Sprintf(format, a...), s.pos == len(s.buf) && s.rest == 0}
}

// need makes n bytes readable at pos. A file that has fewer is damaged at its end.
func (s *scanner) need(n int64) error {
	have := int64(len(s.buf) - s.pos)
	if have >= n {
		return nil
	}
	if n-have > s.rest {
		return damage{"the file ends inside it", true}
	}
	used := copy(s.buf, s.buf[s.start:])
	s.buf, s.pos = s.buf[:used], s.pos-s.start
	s.off, s.start = s.off+int64(s.start), 0
	want := int64(s.pos) + n
	if want > math.MaxInt/2 {
		return damage{why: "it is too large"}
	}
	if want > int64(cap(s.buf)) {
		grown := make([]byte, used, min(int64(used)+s.rest, max(want, int64(2*cap(s.buf)), window)))
		copy(grown, s.buf)
		s.buf = grown
	}
	for int64(len(s.buf)) < want {
		free := s.buf[len(s.buf):cap(s.buf)]
		free = free[:min(int64(len(free)), s.rest)]
		n, err := s.f.Read(free)
		s.buf, s.rest = s.buf[:len(s.buf)+n], s.rest-int64(n)
		if n == 0 && err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	return nil
}

// peek returns the next byte, or io.EOF.
func (s *scanner) peek() (byte, error) {
	if s.pos == len(s.buf) {
		if s.rest == 0 {
			return 0, io.EOF
		}
		if err := s.need(1); err != nil {
			return 0, err
		}
	}
	return s.buf[s.pos], nil
}

// number reads a line such as "*3" or "$12".
func (s *scanner) number(prefix byte) (int64, error) {
	if err := s.need(4); err != nil { // the shortest: "*1\r\n"
		return 0, err
	}
	b := s.buf[s.pos:]
	if b[0] != prefix {
		return 0, s.damaged("%q instead of %q", b[0], prefix)
	}
	n, i := int64(0), 1
	for ; ; i++ {
		if i == len(b) {
			if err := s.need(int64(i) + 1); err != nil {
				return 0, err
			}
			b = s.buf[s.pos:]
		}
		if b[i] < '0' || b[i] > '9' {
			break
		}
		n = n*10 + int64(b[i]-'0')
		if i > 18 {
			return 0, s.damaged("a length of too many digits")
		}
	}
	if i == 1 {
		return 0, s.damaged("%q is no length", b[i])
	}
	s.pos += i
	return n, s.newline()
}

// newline reads CRLF.
func (s *scanner) newline() error {
	if err := s.need(2); err != nil {
		return err
	}
	if s.buf[s.pos] != '\r' || s.buf[s.pos+1] != '\n' {
		return s.damaged("%q instead of a line end", s.buf[s.pos:s.pos+2])
	}
	s.pos += 2
	return nil
}

// command reads a command. The caller decides whether it is an effect.
func (s *scanner) command() (effect, error) {
	c := effect{db: s.db, first: len(s.args)}
	n, err := s.number('*')
	if err != nil {
		return c, err
	}
	if n == 0 {
		return c, s.damaged("a command without words")
	}
	for range n {
		size, err := s.number('$')
		if err != nil {
			return c, err
		}
		if err := s.need(size); err != nil {
			return c, err
		}
		from := s.pos - s.start
		s.args = append(s.args, span{from, from + int(size)})
		s.pos += int(size)
		if err := s.newline(); err != nil {
			return c, err
		}
	}
	c.n = len(s.args) - c.first
	return c, nil
}

// word returns an argument.
func (s *scanner) word(i int) []byte {
	a := s.args[i]
	return s.buf[s.start+a.from : s.start+a.to : s.start+a.to]
}

// is reports whether c is the command name, of n words.
func (s *scanner) is(c effect, name string, n int) bool {
	return c.n == n && bytes.EqualFold(s.word(c.first), []byte(name))
}

// choose does a SELECT.
func (s *scanner) choose(c effect) error {
	db, err := strconv.ParseUint(string(s.word(c.first+1)), 10, 31)
	if err != nil {
		return s.damaged("SELECT of %q", s.word(c.first+1))
	}
	s.db = int(db)
	return nil
}

// line reads an annotation, without its CRLF.
func (s *scanner) line() ([]byte, error) {
	have := min(lineLimit, int64(len(s.buf)-s.pos)+s.rest)
	if err := s.need(have); err != nil {
		return nil, err
	}
	b := s.buf[s.pos : s.pos+int(have)]
	end := bytes.IndexByte(b, '\n')
	switch {
	case end < 0 && have < lineLimit:
		return nil, damage{"the file ends inside its line", true}
	case end < 1 || b[end-1] != '\r':
		return nil, s.damaged("an annotation without a line end")
	}
	s.pos += end + 1
	return b[:end-1], nil
}

// closed checks a line that closes what begins at sum, and returns it without its checksum.
func (s *scanner) closed(line []byte) ([]byte, error) {
	at := len(line) - crcLen
	if at < 0 || string(line[at:at+len(crcField)]) != crcField {
		return nil, s.damaged("annotation %q has no checksum", line)
	}
	from, to := s.start+s.sum, s.pos-crcLen-len("\r\n")
	var digits [8]byte
	sum := crc32.Checksum(s.buf[from:to], castagnoli)
	if want := line[at+len(crcField):]; string(appendSum(digits[:0], sum)) != string(want) {
		return nil, s.damaged("its checksum is %08x, its line says %s", sum, want)
	}
	s.sum = s.pos - s.start
	return line[:at], nil
}
