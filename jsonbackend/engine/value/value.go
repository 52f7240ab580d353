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
}

// The encodings of Redis 7.0, as Encoding methods report them.
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
// The bytes B[:len(B)] never change: an edit puts another slice into B. So copies, and replies on their way out, may
// share them. Bytes behind len(B) belong to Append: whoever makes a Str gives it a slice that nobody else appends to.
type Str struct {
	B []byte
}

// Clone implements [Value]. The copy shares the bytes but not the room behind them.
func (s *Str) Clone() Value { return &Str{B: slices.Clip(s.B)} }

// Len is the length in bytes.
func (s *Str) Len() int { return len(s.B) }

// Append adds p at the end, in amortized O(len(p)).
func (s *Str) Append(p []byte) { s.B = append(s.B, p...) }

// Encoding is what Redis would choose for these bytes when they are set as a whole; the history of the key, by which
// Redis calls an appended string raw, is not known here.
func (s *Str) Encoding() string {
	if len(s.B) <= intDigits {
		if _, ok := parseInt(string(s.B)); ok {
			return EncodingInt
		}
	}
	if len(s.B) <= embstrMax {
		return EncodingEmbstr
	}
	return EncodingRaw
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
