package value

import (
	"slices"
	"strconv"
)

// Value is what a key holds.
type Value interface {
	// Clone returns an independent copy. It counts as an edit of the receiver: readers of the receiver may go on
	// meanwhile, another edit or Clone of it may not.
	Clone() Value
	// Len is the number of elements: bytes of a string, fields of a hash, entries of a stream.
	Len() int
	// Encoding is the word by which Redis 7.0 calls the form in which it would hold the value.
	Encoding() string
}

// The encodings of Redis 7.0, but for [EncodingStream].
const (
	EncodingInt       = "int"
	EncodingEmbstr    = "embstr"
	EncodingRaw       = "raw"
	EncodingQuicklist = "quicklist"
	EncodingListpack  = "listpack"
	EncodingHashtable = "hashtable"
	EncodingIntset    = "intset"
	EncodingSkiplist  = "skiplist"
)

// Limits says how far a value grows before it leaves its compact form for good. Values keep a pointer to their limits
// and look at it at each edit, so an owner may change them at run time; a frozen copy that is only read never does.
type Limits struct {
	HashEntries int // fields of a compact hash: hash-max-listpack-entries
	HashValue   int // bytes of one of its fields or values: hash-max-listpack-value
	SetInts     int // members of a set of integers: set-max-intset-entries
	ZSetEntries int // members of a compact sorted set: zset-max-listpack-entries
	ZSetValue   int // bytes of one of its members: zset-max-listpack-value
}

// DefaultLimits returns those of Redis 7.0.15.
func DefaultLimits() Limits {
	return Limits{HashEntries: 512, HashValue: 64, SetInts: 512, ZSetEntries: 128, ZSetValue: 64}
}

// embstrMax is the longest string, in bytes, that Redis 7.0 stores next to its header.
const embstrMax = 44

// Str is a byte string.
//
// B may be read, and kept, by whoever reads a copy that is not edited any more. Setting B makes a Str; from then on it is
// edited by the methods alone, which never change bytes that a copy shares. The room behind len(B) belongs to one copy, the
// youngest: whoever makes a Str gives it a slice that nobody else appends to.
type Str struct {
	B []byte

	shared   bool // B[:len(B)] belongs to another copy too
	roomless bool // what is behind len(B) belongs to another copy
	made     making
}

// making is how a string came to be, as far as Redis' encoding of it shows.
type making uint8

const (
	madeWhole   making = iota // at once, and Redis looked whether it is an integer
	madeFloat                 // at once, as a float's text, and Redis did not look
	madeInPlace               // by an edit in place
)

// Clone implements [Value]. The copy shares the bytes and takes the room behind them.
func (s *Str) Clone() Value {
	c := &Str{B: s.B, shared: true, roomless: s.roomless, made: s.made}
	s.shared, s.roomless = true, true
	return c
}

// Len is the length in bytes.
func (s *Str) Len() int { return len(s.B) }

// Set puts p in place of all bytes.
func (s *Str) Set(p []byte) { s.replace(p, madeWhole) }

// SetFloat is Set for the text of a float: Redis keeps it as a text even if it looks like an integer.
func (s *Str) SetFloat(p []byte) { s.replace(p, madeFloat) }

func (s *Str) replace(p []byte, made making) {
	if s.shared {
		*s = Str{}
	}
	s.B, s.made = append(s.B[:0], p...), made
}

// Append adds p at the end, in amortized O(len(p)). Whoever shares the bytes before does not see it.
func (s *Str) Append(p []byte) {
	if s.roomless {
		s.B = slices.Clip(s.B)
	}
	if len(s.B)+len(p) > cap(s.B) { // then append copies
		s.shared, s.roomless = false, false
	}
	s.B, s.made = append(s.B, p...), madeInPlace
}

// Edit makes the string at least n bytes long, with zeros at its end, and returns its bytes to be written to, until
// anything else is done with the string. It takes amortized O(1) for each byte that is new, and copies all of them if
// another copy shares them.
func (s *Str) Edit(n int) []byte {
	old := len(s.B)
	n = max(n, old)
	s.made = madeInPlace
	if !s.shared && n <= cap(s.B) {
		s.B = s.B[:n]
		clear(s.B[old:])
		return s.B
	}
	room := n
	if n > old {
		room = max(n, old+old/4)
	}
	b := make([]byte, n, room)
	copy(b, s.B)
	s.B, s.shared, s.roomless = b, false, false
	return b
}

// Encoding is what Redis would choose for the string.
func (s *Str) Encoding() string {
	switch {
	case s.made == madeInPlace || len(s.B) > embstrMax:
		return EncodingRaw
	case s.made == madeWhole && len(s.B) <= intDigits && isInt(s.B):
		return EncodingInt
	}
	return EncodingEmbstr
}

func isInt(b []byte) bool {
	_, ok := parseInt(string(b))
	return ok
}

// intDigits is the length of the longest int64 in decimal: -9223372036854775808.
const intDigits = 20

// parseInt reads an int64 in the one form that prints back as s: no plus sign, no leading zero, no -0.
func parseInt(s string) (n int64, ok bool) {
	digits := s
	if digits != "" && digits[0] == '-' {
		digits = digits[1:]
	}
	if digits == "" || len(s) > intDigits || digits[0] == '0' && s != "0" {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
