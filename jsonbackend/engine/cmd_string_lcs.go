package engine

import (
	"math/bits"
	"slices"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// lcsOptions are what may follow LCS key1 key2.
type lcsOptions struct {
	length, ranges, withLength bool
	shortest                   int64 // range that is told of
}

func parseLCS(c *Call, i int) (o lcsOptions, err error) {
	for ; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "IDX"):
			o.ranges = true
		case c.Is(i, "LEN"):
			o.length = true
		case c.Is(i, "WITHMATCHLEN"):
			o.withLength = true
		case c.Is(i, "MINMATCHLEN") && i+1 < len(c.Args):
			i++
			if o.shortest, err = c.Int(i); err != nil {
				return o, err
			}
		default:
			return o, wire.ErrSyntax
		}
	}
	if o.length && o.ranges {
		return o, wire.ErrLCSBoth
	}
	return o, nil
}

// lcs answers a longest common subsequence of two strings (https://redis.io/commands/lcs), among several the one that
// Redis finds.
func lcs(c *Call) error {
	a, errA := c.str(1)
	b, errB := c.str(2)
	if errA != nil || errB != nil {
		return wire.ErrLCSType
	}
	o, err := parseLCS(c, 3)
	if err != nil {
		return err
	}
	if int64(len(a)+1)*int64(len(b)+1) > int64(c.engine.longest/4) { // Redis' table has 4 bytes for each pair
		return wire.ErrLCSMemory
	}
	many(c, len(a)*len(b)/cellsPerElement, lcsSearch{o, a, b}, replyLCS, c.Args[1], c.Args[2])
	return nil
}

// cellsPerElement is how many pairs of bytes take about as long as one element of a reply.
const cellsPerElement = 1000

// lcsSearch is a call of LCS.
type lcsSearch struct {
	lcsOptions
	a, b []byte
}

func replyLCS(c *Call, s lcsSearch) {
	t := newLCSTable(s.a, s.b)
	switch {
	case s.length:
		c.Reply.Int(int64(t.length))
	case s.ranges:
		replyLCSRanges(c, s.lcsOptions, t)
	default:
		c.Reply.Bulk(t.subsequence())
	}
}

func replyLCSRanges(c *Call, o lcsOptions, t *lcsTable) {
	shown := slices.DeleteFunc(t.ranges(), func(r lcsRange) bool { return int64(r.n) < o.shortest })
	c.Reply.Map(2)
	c.Reply.BulkString("matches")
	c.Reply.Array(len(shown))
	for _, r := range shown {
		if o.withLength {
			c.Reply.Array(3)
		} else {
			c.Reply.Array(2)
		}
		for _, from := range []int{r.a, r.b} {
			c.Reply.Array(2)
			c.Reply.Int(int64(from))
			c.Reply.Int(int64(from + r.n - 1))
		}
		if o.withLength {
			c.Reply.Int(int64(r.n))
		}
	}
	c.Reply.BulkString("len")
	c.Reply.Int(int64(t.length))
}

// lcsTable knows the way through the table of the lengths L(i, j) of the longest common subsequence of a[:i] and b[:j].
// L grows by 0 or 1 from one column to the next. That bit is all that is kept, and 64 of them are computed at once:
// Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).
type lcsTable struct {
	a, b   []byte
	same   []uint64 // bit (i-1)*len(b) + j-1 is set if L(i, j) == L(i, j-1)
	length int
}

func newLCSTable(a, b []byte) *lcsTable {
	words := (len(b) + 63) / 64
	t := &lcsTable{a: a, b: b, same: make([]uint64, (len(a)*len(b)+63)/64+1)}
	where := places(a, b, words)
	row := make([]uint64, words)
	for j := range row {
		row[j] = ^uint64(0)
	}
	for i, char := range a {
		carry, rest := uint64(0), len(b)
		for w, m := range where[char] {
			u, sum := row[w]&m, uint64(0)
			sum, carry = bits.Add64(row[w], u, carry)
			row[w] = sum | row[w]&^m
			t.keep(i*len(b)+w*64, row[w], rest)
			rest -= 64
		}
	}
	for j := range b {
		if row[j/64]>>(j%64)&1 == 0 {
			t.length++
		}
	}
	return t
}

// places says for every byte of a where it stands in b, as one bit for each place.
func places(a, b []byte, words int) *[256][]uint64 {
	var where [256][]uint64
	for _, char := range a {
		if where[char] == nil {
			where[char] = make([]uint64, words)
		}
	}
	for j, char := range b {
		if where[char] != nil {
			where[char][j/64] |= 1 << (j % 64)
		}
	}
	return &where
}

// keep stores the first n bits of a word from a position on.
func (t *lcsTable) keep(at int, word uint64, n int) {
	if n < 64 {
		word &= 1<<n - 1
	}
	t.same[at/64] |= word << (at % 64)
	t.same[at/64+1] |= word >> (64 - at%64)
}

// matches walks backwards through both strings and yields the positions of the bytes that the subsequence consists of. Where
// there is a choice it goes the way that Redis goes.
func (t *lcsTable) matches(yield func(i, j int) bool) {
	for i, j := len(t.a)-1, len(t.b)-1; i >= 0 && j >= 0; {
		if t.a[i] == t.b[j] {
			if !yield(i, j) {
				return
			}
			i, j = i-1, j-1
			continue
		}
		if at := i*len(t.b) + j; t.same[at/64]>>(at%64)&1 == 1 {
			j--
		} else {
			i--
		}
	}
}

func (t *lcsTable) subsequence() []byte {
	text := make([]byte, t.length)
	n := t.length
	for i := range t.matches {
		n--
		text[n] = t.a[i]
	}
	return text
}

// lcsRange says that n bytes from a on in one string are the same as those from b on in the other.
type lcsRange struct{ a, b, n int }

// ranges returns the runs of the subsequence that are together in both strings, the last one first.
func (t *lcsTable) ranges() (list []lcsRange) {
	for i, j := range t.matches {
		if last := len(list) - 1; last >= 0 && list[last].a == i+1 && list[last].b == j+1 {
			list[last] = lcsRange{i, j, list[last].n + 1}
		} else {
			list = append(list, lcsRange{i, j, 1})
		}
	}
	return list
}
