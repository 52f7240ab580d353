package pyjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Strings are WTF-8: UTF-8 in which a surrogate that has no partner is encoded
// like any other character of three bytes. It holds every string a JSON text
// can spell, and its valid sequences are a superset of UTF-8.

// ValidWTF8 reports whether s is UTF-8 but for lone surrogates in three bytes.
// A lead followed by a trail is no WTF-8: together they are one character.
func ValidWTF8(s []byte) bool {
	for lead := false; len(s) > 0; {
		r, n := decodeChar(s)
		if n == 0 || lead && isTrail(r) {
			return false
		}
		lead = isLead(r)
		s = s[n:]
	}
	return true
}

// Quote appends s as the string literal that json.dumps prints. If s is not
// valid WTF-8, dst is returned as it was and ok is false.
//
// Law: Unquote(Quote(s)) == s.
func Quote(dst, s []byte) (lit []byte, ok bool) {
	if !ValidWTF8(s) {
		return dst, false
	}
	dst = append(dst, '"')
	for len(s) > 0 {
		n := plainLen(s)
		dst, s = append(dst, s[:n]...), s[n:]
		if len(s) > 0 {
			r, n := decodeChar(s)
			dst, s = appendChar(dst, r), s[n:]
		}
	}
	return append(dst, '"'), true
}

// Unquote appends what the string literal lit spells, as WTF-8. The error is
// a *SyntaxError with offsets in lit.
func Unquote(dst, lit []byte) ([]byte, error) {
	s := scanner{src: lit}
	if s.peek() != '"' {
		return dst, s.fail(0, "Expecting a string")
	}
	if _, err := s.string(); err != nil {
		return dst, err
	}
	if s.pos < len(lit) {
		return dst, s.fail(s.pos, "Extra data")
	}
	start := len(dst)
	for b := lit[1 : len(lit)-1]; len(b) > 0; {
		n := plainLen(b)
		dst, b = append(dst, b[:n]...), b[n:]
		if len(b) > 0 {
			r, n := literalChar(b)
			dst, b = appendWTF8(dst, start, r), b[n:]
		}
	}
	return dst, nil
}

// QuoteBytes appends any bytes as a string literal: UTF-8 as it reads, every
// other byte as \udc80 to \udcff, as Python's errors="surrogateescape" decodes
// it. An encoded surrogate is no UTF-8: its three bytes are escaped one by one.
//
// Law: UnquoteBytes(QuoteBytes(b)) == b.
func QuoteBytes(dst, b []byte) []byte {
	dst = append(dst, '"')
	for len(b) > 0 {
		n := plainLen(b)
		dst, b = append(dst, b[:n]...), b[n:]
		if len(b) > 0 {
			r, n := utf8.DecodeRune(b)
			if r == utf8.RuneError && n == 1 {
				r = 0xdc00 | rune(b[0])
			}
			dst, b = appendChar(dst, r), b[n:]
		}
	}
	return append(dst, '"')
}

// UnquoteBytes appends the bytes that lit stands for: the inverse of
// QuoteBytes. A surrogate other than \udc80 to \udcff stands for none: that and
// what is no string literal is a *SyntaxError.
func UnquoteBytes(dst, lit []byte) ([]byte, error) {
	start := len(dst)
	text, err := Unquote(dst, lit)
	if err != nil {
		return dst, err
	}
	out := text[:start]
	for s := text[start:]; len(s) > 0; {
		r, n := decodeChar(s)
		switch {
		case !isLead(r) && !isTrail(r):
			out = append(out, s[:n]...)
		case r >= 0xdc80 && r <= 0xdcff:
			out = append(out, byte(r))
		default:
			return dst[:start], syntaxError(lit, 0, "Surrogate that stands for no byte")
		}
		s = s[n:]
	}
	return out, nil
}

func isLead(r rune) bool  { return r>>10 == 0xd800>>10 }
func isTrail(r rune) bool { return r>>10 == 0xdc00>>10 }

// decodeChar is the first character of s, which may be an encoded surrogate,
// and its length; 0 if s is empty or does not start with one.
func decodeChar(s []byte) (r rune, n int) {
	r, n = utf8.DecodeRune(s)
	if r != utf8.RuneError || n > 1 {
		return r, n
	}
	if len(s) >= 3 && s[0] == 0xed && s[1]&0xe0 == 0xa0 && s[2]&0xc0 == 0x80 {
		return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return 0, 0
}

// literalChar is the first character, or half of one, in the body of a string
// literal that was scanned before, and the length of its spelling.
func literalChar(b []byte) (r rune, n int) {
	if b[0] != '\\' {
		return decodeChar(b)
	}
	switch b[1] {
	case 'u':
		r, _, _ = hex4(b[2:])
		return r, 6
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	default:
		return rune(b[1]), 2
	}
}

// appendWTF8 appends r to the WTF-8 in dst[start:]: a trail joins the lead
// before it.
func appendWTF8(dst []byte, start int, r rune) []byte {
	if !isLead(r) && !isTrail(r) {
		return utf8.AppendRune(dst, r)
	}
	if n := len(dst) - 3; isTrail(r) && n >= start {
		if lead, _ := decodeChar(dst[n:]); isLead(lead) {
			return utf8.AppendRune(dst[:n], utf16.DecodeRune(lead, r))
		}
	}
	return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
}

// appendChar appends r as json.dumps spells it inside quotes.
func appendChar(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case ' ' <= r && r < 0x7f:
		return append(dst, byte(r))
	case r >= 0x10000:
		lead, trail := utf16.EncodeRune(r)
		return appendUnit(appendUnit(dst, lead), trail)
	}
	if c := shortEscape(r); c != 0 {
		return append(dst, '\\', c)
	}
	return appendUnit(dst, r)
}

func appendUnit(dst []byte, u rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
}

// shortEscape is the letter of the control characters that have one, else 0.
func shortEscape(r rune) byte {
	switch r {
	case '\b':
		return 'b'
	case '\f':
		return 'f'
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	default:
		return 0
	}
}

// appendCanonical appends a scanned string literal as json.dumps spells it.
func appendCanonical(dst, lit []byte) []byte {
	dst = append(dst, '"')
	for b := lit[1 : len(lit)-1]; len(b) > 0; {
		n := plainLen(b)
		dst, b = append(dst, b[:n]...), b[n:]
		if len(b) > 0 {
			r, n := literalChar(b)
			dst, b = appendChar(dst, r), b[n:]
		}
	}
	return append(dst, '"')
}

// plainLen counts the bytes at the start of b that stand for themselves in a
// literal of json.dumps: printable ASCII but quote and backslash.
func plainLen(b []byte) int {
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		if special := specials(binary.LittleEndian.Uint64(b[i:])); special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// specials has the top bit set in the lowest byte of w that is not plain, and
// in none below it. (A borrow can only reach bytes above a special one.)
func specials(w uint64) uint64 {
	const (
		ones = 0x0101010101010101
		tops = 0x8080808080808080
	)
	control := w - ones*' '
	quote := w ^ ones*'"'
	backslash := w ^ ones*'\\'
	return (control | (quote - ones) | (backslash - ones) | (w + ones) | w) & tops
}
