package pyjson

import "bytes"

// MaxDepth is how deep containers may nest. Python's default recursion limit
// lets json.loads through some 990 levels, less the frames of its caller: what
// fits here is read by every Python program, and no document of OmniDaemon's
// comes near.
const MaxDepth = 512

// Check reports whether json.loads accepts src; the error is a *SyntaxError.
func Check(src []byte) error {
	s := scanner{src: src}
	if err := s.begin(); err != nil {
		return err
	}
	if err := s.value(); err != nil {
		return err
	}
	return s.end()
}

// scanner walks a JSON text by the grammar of json.loads. Whoever walks a
// container calls open, then key (in objects) and value, then next, until
// there is no more.
type scanner struct {
	src   []byte
	pos   int
	depth int // containers around pos
}

func (s *scanner) fail(offset int, msg string) error {
	return syntaxError(s.src, offset, msg)
}

// peek is the byte at pos, 0 at the end: no token starts with 0.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// begin goes to the document's value.
func (s *scanner) begin() error {
	if bytes.HasPrefix(s.src, []byte("\ufeff")) {
		return s.fail(0, "Unexpected UTF-8 BOM (decode using utf-8-sig)")
	}
	s.space()
	return nil
}

// end demands that nothing but white space follows.
func (s *scanner) end() error {
	s.space()
	if s.pos < len(s.src) {
		return s.fail(s.pos, "Extra data")
	}
	return nil
}

// closer is the bracket that closes the one given: '{' '}', '[' ']'.
func closer(open byte) byte { return open + 2 }

// open enters the container at pos, which is '{' or '[', and stops at its
// first member, or past its end if there is none.
func (s *scanner) open() (more bool, err error) {
	if s.depth >= MaxDepth {
		return false, s.fail(s.pos, "Nesting too deep")
	}
	end := closer(s.src[s.pos])
	s.pos++
	s.space()
	if s.peek() == end {
		s.pos++
		return false, nil
	}
	s.depth++
	return true, nil
}

// next goes from the end of a member to the following one, or past the end of
// the container.
func (s *scanner) next(end byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case end:
		s.pos++
		s.depth--
		return false, nil
	case ',':
		comma := s.pos
		s.pos++
		s.space()
		switch {
		case s.peek() != end:
			return true, nil
		case end == '}':
			return false, s.fail(comma, "Illegal trailing comma before end of object")
		default:
			return false, s.fail(comma, "Illegal trailing comma before end of array")
		}
	default:
		return false, s.fail(s.pos, "Expecting ',' delimiter")
	}
}

// key goes from a member's key to its value and returns the key literal.
func (s *scanner) key() (lit []byte, canonical bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.fail(s.pos, "Expecting property name enclosed in double quotes")
	}
	start := s.pos
	if canonical, err = s.string(); err != nil {
		return nil, false, err
	}
	lit = s.src[start:s.pos]
	s.space()
	if s.peek() != ':' {
		return nil, false, s.fail(s.pos, "Expecting ':' delimiter")
	}
	s.pos++
	s.space()
	return lit, canonical, nil
}

// value goes past one value.
func (s *scanner) value() error {
	switch c := s.peek(); c {
	case '"':
		_, err := s.string()
		return err
	case '{', '[':
		more, err := s.open()
		for more && err == nil {
			if c == '{' {
				if _, _, err = s.key(); err != nil {
					break
				}
			}
			if err = s.value(); err != nil {
				break
			}
			more, err = s.next(closer(c))
		}
		return err
	default:
		_, err := s.scalar()
		return err
	}
}

// A kind is what Python makes of a scalar.
type kind uint8

const (
	constant kind = iota // null true false, and NaN Infinity -Infinity
	integer
	float
)

var constants = [...]string{"null", "true", "false", "NaN", "Infinity", "-Infinity"}

// scalar goes past a number or a constant.
func (s *scanner) scalar() (kind, error) {
	if n, k := number(s.src[s.pos:]); n > 0 {
		s.pos += n
		return k, nil
	}
	for _, c := range constants {
		if n := len(c); len(s.src)-s.pos >= n && string(s.src[s.pos:s.pos+n]) == c {
			s.pos += n
			return constant, nil
		}
	}
	return constant, s.fail(s.pos, "Expecting value")
}

// number returns the length of the longest number at the start of b: 1 for
// "1.", whose point is then found to be out of place.
func number(b []byte) (n int, k kind) {
	if n < len(b) && b[n] == '-' {
		n++
	}
	whole := digits(b[n:])
	if whole == 0 {
		return 0, integer
	}
	if b[n] == '0' {
		whole = 1
	}
	n += whole
	k = integer
	if n < len(b) && b[n] == '.' {
		if d := digits(b[n+1:]); d > 0 {
			n, k = n+1+d, float
		}
	}
	if n < len(b) && b[n]|0x20 == 'e' {
		e := n + 1
		if e < len(b) && (b[e] == '+' || b[e] == '-') {
			e++
		}
		if d := digits(b[e:]); d > 0 {
			n, k = e+d, float
		}
	}
	return n, k
}

func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}

// string goes past the string literal at pos. The literal is canonical if
// json.dumps would spell it so.
func (s *scanner) string() (canonical bool, err error) {
	start := s.pos
	canonical = true
	for i := start + 1; ; {
		i += plainLen(s.src[i:])
		if i == len(s.src) {
			return false, s.fail(start, "Unterminated string starting at")
		}
		switch c := s.src[i]; {
		case c == '"':
			s.pos = i + 1
			return canonical, nil
		case c == '\\':
			n, same := escape(s.src[i:])
			if n == 0 {
				return false, s.badEscape(start, i)
			}
			i += n
			canonical = canonical && same
		case c < ' ':
			return false, s.fail(i, "Invalid control character at")
		default:
			_, n := decodeChar(s.src[i:])
			if n == 0 {
				return false, s.fail(i, "Invalid UTF-8")
			}
			i += n
			canonical = false
		}
	}
}

// badEscape tells the ways apart in which the escape at i is none.
func (s *scanner) badEscape(start, i int) error {
	switch {
	case i+1 == len(s.src):
		return s.fail(start, "Unterminated string starting at")
	case s.src[i+1] == 'u':
		return s.fail(i+1, `Invalid \uXXXX escape`)
	default:
		return s.fail(i, `Invalid \escape`)
	}
}

// escape returns the length of the escape sequence at the start of b, 0 if it
// is none, and whether json.dumps would spell that character so.
func escape(b []byte) (n int, canonical bool) {
	if len(b) < 2 {
		return 0, false
	}
	switch b[1] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return 2, true
	case '/':
		return 2, false
	case 'u':
		if len(b) <= 6 { // as in Python, something must follow the digits
			return 0, false
		}
		u, lower, ok := hex4(b[2:6])
		if !ok {
			return 0, false
		}
		return 6, lower && (u >= 0x7f || u < ' ' && shortEscape(u) == 0)
	default:
		return 0, false
	}
}

// hex4 reads the four digits of a \u escape.
func hex4(b []byte) (u rune, lower, ok bool) {
	lower = true
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
			lower = false
		default:
			return 0, false, false
		}
		u = u<<4 | rune(c)
	}
	return u, lower, true
}
