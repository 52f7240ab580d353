package engine

import (
	"math/rand/v2"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// Keys of any type: https://redis.io/commands/?group=generic
var keyHandlers = handlers{
	"DEL":       del,
	"UNLINK":    del,
	"EXISTS":    func(c *Call) error { return countKeys(c, c.Tx.peek) },
	"TOUCH":     func(c *Call) error { return countKeys(c, c.Tx.get) },
	"TYPE":      typeOf,
	"RANDOMKEY": randomKey,
	"KEYS":      keys,
	"SCAN":      scan,

	"TTL":         func(c *Call) error { return ttl(c, true, 1000) },
	"PTTL":        func(c *Call) error { return ttl(c, true, 1) },
	"EXPIRETIME":  func(c *Call) error { return ttl(c, false, 1000) },
	"PEXPIRETIME": func(c *Call) error { return ttl(c, false, 1) },
	"EXPIRE":      func(c *Call) error { return expire(c, inSeconds) },
	"PEXPIRE":     func(c *Call) error { return expire(c, inMillis) },
	"EXPIREAT":    func(c *Call) error { return expire(c, atSeconds) },
	"PEXPIREAT":   func(c *Call) error { return expire(c, atMillis) },
	"PERSIST":     persist,

	"RENAME":   func(c *Call) error { return rename(c, true) },
	"RENAMENX": func(c *Call) error { return rename(c, false) },
	"COPY":     copyKey,
	"MOVE":     move,
	"SWAPDB":   swapDB,

	"OBJECT ENCODING": func(c *Call) error { return object(c, encoding) },
	"OBJECT FREQ":     func(c *Call) error { return object(c, frequency) },
	"OBJECT HELP":     containerHelp,
	"OBJECT IDLETIME": func(c *Call) error { return object(c, idleTime) },
	"OBJECT REFCOUNT": func(c *Call) error { return object(c, refCount) },
}

// found counts a hit or a miss, for INFO.
func (c *Call) found(hit bool) {
	if hit {
		c.engine.stats.hits++
	} else {
		c.engine.stats.misses++
	}
}

// look finds the key at the i-th word for a command that asks about it and does not use it.
func (c *Call) look(i int) *Entry {
	e := c.Tx.peek(c.Args[i])
	c.lookedUp(c.Args[i], e != nil)
	return e
}

// del forgets keys at once, whatever their size: the garbage collector does the rest, beside the clients. So UNLINK has
// nothing to add.
func del(c *Call) error {
	n := int64(0)
	for _, key := range c.Args[1:] {
		if c.Tx.Delete(key) {
			c.Tx.Changed(key)
			c.Tx.Notify(genericEvent, "del", key)
			n++
		}
	}
	c.Reply.Int(n)
	return nil
}

func countKeys(c *Call, find func(key []byte) *Entry) error {
	n := int64(0)
	for _, key := range c.Args[1:] {
		e := find(key)
		c.lookedUp(key, e != nil)
		if e != nil {
			n++
		}
	}
	c.Reply.Int(n)
	return nil
}

func typeOf(c *Call) error {
	if e := c.look(1); e != nil {
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

// drawings is how often RANDOMKEY tries to meet a live key where those whose time is over stay.
const drawings = 100

func randomKey(c *Call) error {
	d := c.Tx.db
	for n := 1; len(d.keys) > 0; n++ {
		e, _ := d.index.GetAt(rand.IntN(d.index.Len()))
		if !c.Tx.expired(e.Entry) || c.engine.opts.ReadOnly && n == drawings {
			c.Reply.BulkString(e.Key)
			return nil
		}
		c.Tx.peek([]byte(e.Key)) // deletes it
	}
	c.Reply.Null()
	return nil
}
