package value

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
)

// StreamID names an entry of a stream: a Unix time in milliseconds and a sequence number within it. IDs are ordered by
// Ms, then by Seq.
type StreamID struct{ Ms, Seq uint64 }

// MaxStreamID returns the greatest ID, which "+" stands for.
func MaxStreamID() StreamID { return StreamID{math.MaxUint64, math.MaxUint64} }

// Compare returns -1, 0 or 1 as id is less than, equal to or greater than o.
func (id StreamID) Compare(o StreamID) int {
	if c := cmp.Compare(id.Ms, o.Ms); c != 0 {
		return c
	}
	return cmp.Compare(id.Seq, o.Seq)
}

// Less reports whether id comes before o.
func (id StreamID) Less(o StreamID) bool {
	return id.Ms < o.Ms || id.Ms == o.Ms && id.Seq < o.Seq
}

// IsZero reports whether id is 0-0, which no entry has.
func (id StreamID) IsZero() bool { return id == StreamID{} }

// Next returns the ID right after id; false if id is the greatest one.
func (id StreamID) Next() (StreamID, bool) {
	switch {
	case id.Seq < math.MaxUint64:
		return StreamID{id.Ms, id.Seq + 1}, true
	case id.Ms < math.MaxUint64:
		return StreamID{id.Ms + 1, 0}, true
	}
	return StreamID{}, false
}

// Prev returns the ID right before id; false if id is 0-0.
func (id StreamID) Prev() (StreamID, bool) {
	switch {
	case id.Seq > 0:
		return StreamID{id.Ms, id.Seq - 1}, true
	case id.Ms > 0:
		return StreamID{id.Ms - 1, math.MaxUint64}, true
	}
	return StreamID{}, false
}

// String returns the full form, "1700000000000-0".
func (id StreamID) String() string { return string(id.Append(nil)) }

// Append appends the full form to b.
func (id StreamID) Append(b []byte) []byte {
	b = strconv.AppendUint(b, id.Ms, 10)
	b = append(b, '-')
	return strconv.AppendUint(b, id.Seq, 10)
}

// maxIDText is the longest text Redis reads as an ID.
const maxIDText = 127

// ParseStreamID reads "ms-seq" and the incomplete "ms", which gets the sequence missingSeq. Like Redis it reads each
// number as C's strtoull does: " 7", "+7" and "007" are 7, and a NUL ends the text.
func ParseStreamID(text []byte, missingSeq uint64) (StreamID, bool) {
	ms, seq, complete, ok := cutStreamID(text)
	n := missingSeq
	if ok && complete {
		n, ok = parseUint(seq)
	}
	if !ok {
		return StreamID{}, false
	}
	return StreamID{ms, n}, true
}

// ParseNewStreamID reads the ID of an entry to be added: what ParseStreamID reads, an incomplete ID meaning "ms-0", and
// "ms-*", for which auto is true and Seq is 0 until NextSeq chooses. "*" alone is the caller's.
func ParseNewStreamID(text []byte) (id StreamID, auto, ok bool) {
	if ms, seq, _, ok := cutStreamID(text); ok && string(seq) == "*" {
		return StreamID{Ms: ms}, true, true
	}
	id, ok = ParseStreamID(text, 0)
	return id, false, ok
}

// ParseStreamEdge reads what ParseStreamID reads and "-" and "+", the least and the greatest ID.
func ParseStreamEdge(text []byte, missingSeq uint64) (StreamID, bool) {
	switch string(cText(text)) {
	case "-":
		return StreamID{}, true
	case "+":
		return MaxStreamID(), true
	}
	return ParseStreamID(text, missingSeq)
}

// ParseStreamBound reads one end of an interval: what ParseStreamEdge reads, or "(" before an ID, which excludes it;
// "(-" and "(+" are invalid. The ID is the one written: Next or Prev of an exclusive one is the caller's.
func ParseStreamBound(text []byte, missingSeq uint64) (id StreamID, exclusive, ok bool) {
	if len(text) > 1 && text[0] == '(' {
		id, ok = ParseStreamID(text[1:], missingSeq)
		return id, true, ok
	}
	id, ok = ParseStreamEdge(text, missingSeq)
	return id, false, ok
}

// cutStreamID splits an ID at its first '-'; complete is false without one.
func cutStreamID(text []byte) (ms uint64, seq []byte, complete, ok bool) {
	head, seq, complete := bytes.Cut(cText(text), []byte{'-'})
	ms, ok = parseUint(head)
	return ms, seq, complete, ok
}

// cText returns what Redis sees of text: the part before its first NUL, or nothing of a text that is too long.
func cText(text []byte) []byte {
	if len(text) > maxIDText {
		return nil
	}
	head, _, _ := bytes.Cut(text, []byte{0})
	return head
}

// parseUint reads a number as Redis' string2ull: a plain negative number is refused, everything else is left to
// strtoull, which skips white space, takes a sign and leading zeros, and negates modulo 2^64.
func parseUint(text []byte) (uint64, bool) {
	if n, ok := plainInt(text); ok {
		return uint64(n), n >= 0
	}
	text = bytes.TrimLeft(text, " \t\n\v\f\r")
	negative := len(text) > 0 && text[0] == '-'
	if negative || len(text) > 0 && text[0] == '+' {
		text = text[1:]
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if negative {
		n = -n
	}
	return n, err == nil
}

// plainInt is parseInt for bytes.
func plainInt(text []byte) (int64, bool) {
	if len(text) > intDigits {
		return 0, false // and no long text is copied just to be looked at
	}
	return parseInt(string(text))
}
