package engine

import (
	"math"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/glob"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Keys of any type: https://redis.io/commands/?group=generic
var keyHandlers = handlers{
	"DEL":         del,
	"UNLINK":      del,
	"EXISTS":      exists,
	"TYPE":        typeOf,
	"TTL":         func(c *Call) error { return ttl(c, true, 1000) },
	"PTTL":        func(c *Call) error { return ttl(c, true, 1) },
	"EXPIRETIME":  func(c *Call) error { return ttl(c, false, 1000) },
	"PEXPIRETIME": func(c *Call) error { return ttl(c, false, 1) },
	"EXPIRE":      func(c *Call) error { return expire(c, inSeconds) },
	"PEXPIRE":     func(c *Call) error { return expire(c, inMillis) },
	"EXPIREAT":    func(c *Call) error { return expire(c, atSeconds) },
	"PEXPIREAT":   func(c *Call) error { return expire(c, atMillis) },
	"PERSIST":     persist,
	"KEYS":        keys,
	"SCAN":        scan,
}

// found counts a hit or a miss, for INFO.
func (c *Call) found(hit bool) {
	if hit {
		c.engine.stats.Hits++
	} else {
		c.engine.stats.Misses++
	}
}

func del(c *Call) error {
	n := int64(0)
	for _, key := range c.Args[1:] {
		if c.Tx.Delete(key) {
			c.Tx.Changed(key)
			n++
		}
	}
	c.Reply.Int(n)
	return nil
}

func exists(c *Call) error {
	n := int64(0)
	for _, key := range c.Args[1:] {
		there := c.Tx.Entry(key) != nil
		c.found(there)
		if there {
			n++
		}
	}
	c.Reply.Int(n)
	return nil
}

func typeOf(c *Call) error {
	if e := c.Tx.Entry(c.Args[1]); e != nil {
		c.Reply.Status(TypeName(e.Value))
	} else {
		c.Reply.Status("none")
	}
	return nil
}

// TypeName is the word that TYPE answers.
func TypeName(v value.Value) string {
	switch v.(type) {
	case *value.Str:
		return "string"
	case *value.Hash:
		return "hash"
	case *value.Set:
		return "set"
	case *value.ZSet:
		return "zset"
	case *value.List:
		return "list"
	default:
		return "stream"
	}
}

// ttl answers what is left, or the instant, in units of so many milliseconds.
func ttl(c *Call, left bool, unit int64) error {
	e := c.Tx.Entry(c.Args[1])
	switch {
	case e == nil:
		c.Reply.Int(-2)
	case e.Expire == 0:
		c.Reply.Int(-1)
	case left:
		c.Reply.Int((max(e.Expire-c.Tx.Now, 0) + unit/2) / unit)
	default:
		c.Reply.Int((e.Expire + unit/2) / unit)
	}
	return nil
}

// expire sets when a key expires; what is in the past deletes it at once (https://redis.io/commands/expire).
func expire(c *Call, unit timeUnit) error {
	var nx, xx, gt, lt bool
	for i := 3; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "NX"):
			nx = true
		case c.Is(i, "XX"):
			xx = true
		case c.Is(i, "GT"):
			gt = true
		case c.Is(i, "LT"):
			lt = true
		default:
			return wire.UnsupportedOption(c.Args[i])
		}
	}
	if nx && (xx || gt || lt) {
		return wire.ErrExpireNX
	}
	if gt && lt {
		return wire.ErrExpireGTLT
	}
	n, err := c.Int(2)
	if err != nil {
		return err
	}
	at, err := c.instant(n, unit, strings.ToLower(c.Spec.Name))
	if err != nil {
		return err
	}
	key := c.Args[1]
	e := c.Tx.Entry(key)
	if e == nil {
		c.Reply.Int(0)
		return nil
	}
	has := e.Expire != 0
	if nx && has || xx && !has || gt && (!has || at <= e.Expire) || lt && has && at >= e.Expire {
		c.Reply.Int(0)
		return nil
	}
	if at <= c.Tx.Now && !c.Tx.replay {
		c.Tx.Delete(key)
		c.Tx.Changed(key)
		c.Tx.Effect("DEL", key)
	} else {
		c.Tx.SetExpire(key, max(at, 1))
		c.Tx.Changed(key)
		c.Tx.Effect("PEXPIREAT", key, at)
	}
	c.Reply.Int(1)
	return nil
}

func persist(c *Call) error {
	e := c.Tx.Entry(c.Args[1])
	if e == nil || e.Expire == 0 {
		c.Reply.Int(0)
		return nil
	}
	c.Tx.SetExpire(c.Args[1], 0)
	c.Tx.Changed(c.Args[1])
	c.Reply.Int(1)
	return nil
}

func keys(c *Call) error {
	pattern := c.Args[1]
	all := matchesAll(pattern)
	var found []string
	for key, e := range c.Tx.db.keys {
		if !c.Tx.expired(e) && (all || glob.Match(pattern, []byte(key), false)) {
			found = append(found, key)
		}
	}
	c.Reply.Array(len(found))
	for _, key := range found {
		c.Reply.BulkString(key)
	}
	return nil
}

// expired reports whether an entry's time is over, without deleting it.
func (tx *Tx) expired(e *Entry) bool { return e.Expire != 0 && e.Expire <= tx.Now }

// scanOptions are MATCH, COUNT and TYPE.
type scanOptions struct {
	match []byte // nil = all
	count int
	kind  string // "" = any
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
			o.kind = strings.ToLower(string(c.Args[i+1]))
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
	var found []string
	next := c.Tx.db.scan(cursor, o.count, func(e *Entry) {
		if c.Tx.expired(e) || o.kind != "" && TypeName(e.Value) != o.kind || o.match != nil && !glob.Match(o.match, []byte(e.Key), false) {
			return
		}
		found = append(found, e.Key)
	})
	c.Reply.Array(2)
	c.Reply.BulkString(formatCursor(next))
	c.Reply.Array(len(found))
	for _, key := range found {
		c.Reply.BulkString(key)
	}
	return nil
}
