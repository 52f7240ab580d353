package engine

import (
	"bytes"
	"math"
	"strconv"

	"github.com/omniproxy/omniproxy/resp/glob"
	"github.com/omniproxy/omniproxy/resp/wire"
)

func keys(c *Call) error {
	d := c.Tx.db
	if len(d.keys) <= c.engine.atOnce {
		replyKeys(c, keySearch{index: d.index, pattern: c.Args[1], now: c.Tx.Now})
		return nil
	}
	c.engine.epoch++ // the index is a view
	s := keySearch{index: d.index.Copy(), pattern: bytes.Clone(c.Args[1]), now: c.Tx.Now}
	later(c, s, replyKeys)
	return nil
}

// keySearch is a call of KEYS.
type keySearch struct {
	index   *keyIndex
	pattern []byte
	now     int64
}

func replyKeys(c *Call, s keySearch) {
	all := matchesAll(s.pattern)
	var found wire.Writer // without pointers, so that a million keys make no work for the garbage collector
	n := 0
	s.index.Scan(func(e indexed) bool {
		if (e.Expire == 0 || e.Expire > s.now) && (all || glob.Match(s.pattern, []byte(e.Key), false)) {
			found.BulkString(e.Key)
			n++
		}
		return true
	})
	c.Reply.Array(n)
	c.Reply.Raw(found.Bytes())
}

// scanOptions are MATCH, COUNT and TYPE.
type scanOptions struct {
	match []byte // nil = all
	count int
	kind  []byte // of value; nil = any
}

// parseScan reads the cursor at the i-th word and the options behind it. TYPE is for SCAN alone.
func parseScan(c *Call, i int, types bool) (cursor uint64, o scanOptions, err error) {
	cursor, ok := parseCursor(c.Args[i])
	if !ok {
		return 0, o, wire.ErrCursor
	}
	o.count = 10
	for i++; i < len(c.Args); i += 2 {
		last := i+1 == len(c.Args)
		switch {
		case c.Is(i, "COUNT") && !last:
			n, err := c.Int(i + 1)
			if err != nil {
				return 0, o, err
			}
			if n < 1 {
				return 0, o, wire.ErrSyntax
			}
			o.count = int(min(n, math.MaxInt32))
		case c.Is(i, "MATCH") && !last:
			if o.match = c.Args[i+1]; matchesAll(o.match) {
				o.match = nil
			}
		case c.Is(i, "TYPE") && !last && types:
			o.kind = c.Args[i+1]
		default:
			return 0, o, wire.ErrSyntax
		}
	}
	return cursor, o, nil
}

// parseCursor reads an unsigned number as strtoul does, which Redis leaves it to: a zero byte ends the text, a sign is
// welcome, -1 is the greatest number, and nothing at all is 0.
func parseCursor(b []byte) (uint64, bool) {
	b, _, _ = bytes.Cut(b, []byte{0})
	if len(b) == 0 {
		return 0, true
	}
	negative := b[0] == '-'
	if negative || b[0] == '+' {
		b = b[1:]
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil || b[0] < '0' || b[0] > '9' {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// matchesAll reports whether a pattern is the one that Redis does not even look at: it matches the empty key too, which
// the pattern matcher would not.
func matchesAll(pattern []byte) bool { return len(pattern) == 1 && pattern[0] == '*' }

func scan(c *Call) error {
	cursor, o, err := parseScan(c, 1, true)
	if err != nil {
		return err
	}
	d := c.Tx.db
	search := scanSearch{index: d.index, cursor: cursor, scanOptions: o, now: c.Tx.Now}
	if min(o.count, len(d.keys)) <= c.engine.atOnce {
		for _, key := range search.reply(c) {
			c.Tx.peek([]byte(key)) // deletes it
		}
		return nil
	}
	c.engine.epoch++ // the index is a view
	search.index, search.match, search.kind = d.index.Copy(), bytes.Clone(o.match), bytes.Clone(o.kind)
	later(c, search, func(c *Call, s scanSearch) { s.reply(c) })
	return nil
}

// scanSearch is a call of SCAN.
type scanSearch struct {
	index  *keyIndex
	cursor uint64
	scanOptions
	now int64
}

// reply tells of the next keys, and returns those that it met whose time is over.
func (s *scanSearch) reply(c *Call) (over []string) {
	var found []string
	next := scanIndex(s.index, s.cursor, s.count, func(e *Entry) {
		switch {
		case s.match != nil && !glob.Match(s.match, []byte(e.Key), false):
		case e.Expire != 0 && e.Expire <= s.now:
			over = append(over, e.Key)
		case s.kind == nil || bytes.EqualFold([]byte(TypeName(e.Value)), s.kind):
			found = append(found, e.Key)
		}
	})
	c.Reply.Array(2)
	c.Reply.BulkString(formatCursor(next))
	c.Reply.Array(len(found))
	for _, key := range found {
		c.Reply.BulkString(key)
	}
	return over
}
