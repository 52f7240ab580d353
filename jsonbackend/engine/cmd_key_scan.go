package engine

import (
	"bytes"
	"math"
	"strconv"

	"github.com/omniproxy/omniproxy/resp/glob"
	"github.com/omniproxy/omniproxy/resp/wire"
)

func keys(c *Call) error {
	pattern := c.Args[1]
	all := matchesAll(pattern)
	var found wire.Writer // without pointers, so that a million keys make no work for the garbage collector
	n := 0
	for key, e := range c.Tx.db.keys {
		if !c.Tx.expired(e) && (all || glob.Match(pattern, []byte(key), false)) {
			found.BulkString(key)
			n++
		}
	}
	c.Reply.Array(n)
	c.Reply.Raw(found.Bytes())
	return nil
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

// parseCursor reads an unsigned number as strtoul does, which Redis leaves it to: a sign is welcome, -1 is the greatest
// number, and nothing at all is 0.
func parseCursor(b []byte) (uint64, bool) {
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
	var found, over []string
	next := c.Tx.db.scan(cursor, o.count, func(e *Entry) {
		switch {
		case o.match != nil && !glob.Match(o.match, []byte(e.Key), false):
		case c.Tx.expired(e):
			over = append(over, e.Key)
		case o.kind == nil || bytes.EqualFold([]byte(TypeName(e.Value)), o.kind):
			found = append(found, e.Key)
		}
	})
	for _, key := range over {
		c.Tx.peek([]byte(key)) // deletes it
	}
	c.Reply.Array(2)
	c.Reply.BulkString(formatCursor(next))
	c.Reply.Array(len(found))
	for _, key := range found {
		c.Reply.BulkString(key)
	}
	return nil
}
