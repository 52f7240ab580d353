package engine

import "github.com/omniproxy/omniproxy/resp/wire"

// Strings: https://redis.io/commands/?group=string
var stringHandlers = handlers{
	"GET":    get,
	"GETDEL": getDel,
	"GETEX":  getEX,
	"GETSET": getSet,
	"MGET":   mget,

	"SET":    set,
	"SETNX":  setNX,
	"SETEX":  func(c *Call) error { return setEX(c, inSeconds) },
	"PSETEX": func(c *Call) error { return setEX(c, inMillis) },
	"MSET":   func(c *Call) error { return mset(c, true) },
	"MSETNX": func(c *Call) error { return mset(c, false) },

	"APPEND":   appendString,
	"STRLEN":   strLen,
	"GETRANGE": getRange,
	"SUBSTR":   getRange,
	"SETRANGE": setRange,

	"INCR":        func(c *Call) error { return c.increment(1) },
	"DECR":        func(c *Call) error { return c.increment(-1) },
	"INCRBY":      incrBy,
	"DECRBY":      decrBy,
	"INCRBYFLOAT": incrByFloat,

	"LCS": lcs,
}

// str returns the string at the i-th word for reading, nil if there is none.
func (c *Call) str(i int) ([]byte, error) {
	b, err := c.Tx.String(c.Args[i])
	c.lookedUp(c.Args[i], b != nil || err != nil)
	return b, err
}

// strOrNull replies with the string at key, or null for nil.
func (c *Call) strOrNull(key, b []byte) {
	if b == nil {
		c.Reply.Null()
	} else {
		c.text(key, b)
	}
}

// text replies with a part of the string at key.
func (c *Call) text(key, b []byte) {
	if c.Reply.Full(len(b)) {
		later(c, b, (*Call).bulk, key)
	} else {
		c.Reply.Bulk(b)
	}
}

func (c *Call) bulk(b []byte) { c.Reply.Bulk(b) }

func get(c *Call) error {
	b, err := c.str(1)
	if err != nil {
		return err
	}
	c.strOrNull(c.Args[1], b)
	return nil
}

func getDel(c *Call) error {
	b, err := c.str(1)
	if err != nil {
		return err
	}
	c.strOrNull(c.Args[1], b)
	if b != nil {
		key := c.Args[1]
		c.Tx.Delete(key)
		c.Tx.Changed(key)
		c.Tx.Effect("DEL", key)
		c.Tx.Notify(genericEvent, "del", key)
	}
	return nil
}

func getSet(c *Call) error {
	b, err := c.str(1)
	if err != nil {
		return err
	}
	c.strOrNull(c.Args[1], b)
	c.Tx.setAndExpire(c.Args[1], c.Args[2], lifetime{}, 0)
	return nil
}

func mget(c *Call) error {
	c.Reply.Array(len(c.Args) - 1)
	for i := 1; i < len(c.Args); i++ {
		b, _ := c.str(i) // null where it is no string
		c.strOrNull(c.Args[i], b)
	}
	return nil
}

// lifetime is what SET and GETEX are told about the expiry of a key: at most one of the options, which may be repeated.
type lifetime struct {
	word string   // EX, PX, EXAT or PXAT, KEEPTTL of SET or PERSIST of GETEX; "" = nothing was said
	at   int      // where the number is that belongs to it, the last one counts; 0 = none does
	unit timeUnit // of the number
}

// timed is how each option words an instant.
var timed = []struct {
	word string
	unit timeUnit
}{{"EX", inSeconds}, {"PX", inMillis}, {"EXAT", atSeconds}, {"PXAT", atMillis}}

// take reads the option at the i-th word; timeless is the one that has no number. It returns how many words the option is
// long, 0 if it is another one, or one too many.
func (l *lifetime) take(c *Call, i int, timeless string) int {
	fits := func(word string) bool { return c.Is(i, word) && (l.word == "" || l.word == word) }
	if fits(timeless) {
		l.word = timeless
		return 1
	}
	for _, option := range timed {
		if fits(option.word) && i+1 < len(c.Args) {
			*l = lifetime{option.word, i + 1, option.unit}
			return 2
		}
	}
	return 0
}

// instant returns when the key is to expire, in Unix milliseconds; 0 if no time was given.
func (l *lifetime) instant(c *Call) (int64, error) {
	if l.at == 0 {
		return 0, nil
	}
	return c.positiveInstant(l.at, l.unit)
}

// getEX changes the expiry of what it gets (https://redis.io/commands/getex).
func getEX(c *Call) error {
	var life lifetime
	for i := 2; i < len(c.Args); {
		n := life.take(c, i, "PERSIST")
		if n == 0 {
			return wire.ErrSyntax
		}
		i += n
	}
	key := c.Args[1]
	b, err := c.str(1)
	if err != nil {
		return err
	}
	if b == nil { // Redis looks at the time only now
		c.Reply.Null()
		return nil
	}
	at, err := life.instant(c)
	if err != nil {
		return err
	}
	c.text(key, b)
	switch {
	case at != 0:
		c.Tx.expireAt(key, at)
	case life.word == "PERSIST":
		c.Tx.persist(key)
	}
	return nil
}

// setOptions are what may follow SET key value.
type setOptions struct {
	nx, xx, get bool
	lifetime
}

// parseSet reads the options of SET (https://redis.io/commands/set) that begin at the i-th word.
func parseSet(c *Call, i int) (o setOptions, err error) {
	for i < len(c.Args) {
		n := 1
		switch {
		case c.Is(i, "NX") && !o.xx:
			o.nx = true
		case c.Is(i, "XX") && !o.nx:
			o.xx = true
		case c.Is(i, "GET"):
			o.get = true
		default:
			if n = o.take(c, i, "KEEPTTL"); n == 0 {
				return o, wire.ErrSyntax
			}
		}
		i += n
	}
	return o, nil
}

func set(c *Call) error {
	o, err := parseSet(c, 3)
	if err != nil {
		return err
	}
	at, err := o.instant(c)
	if err != nil {
		return err
	}
	key := c.Args[1]
	if o.get {
		old, err := c.str(1)
		if err != nil {
			return err
		}
		c.strOrNull(c.Args[1], old)
	}
	if o.nx || o.xx {
		if exists := c.Tx.get(key) != nil; o.nx == exists {
			if !o.get {
				c.Reply.Null()
			}
			return nil
		}
	}
	c.Tx.setAndExpire(key, c.Args[2], o.lifetime, at)
	if !o.get {
		c.Reply.OK()
	}
	return nil
}

// setAndExpire does a SET whose options were checked: at is when the key expires, in Unix milliseconds, 0 = never. The
// effect names the instant, not the span.
func (tx *Tx) setAndExpire(key, b []byte, life lifetime, at int64) {
	keepTTL := life.word == "KEEPTTL"
	tx.SetString(key, b, keepTTL)
	tx.Notify(stringEvent, "set", key)
	if at != 0 {
		tx.SetExpire(key, at)
		tx.Notify(genericEvent, "expire", key)
	}
	tx.Changed(key)
	switch {
	case at != 0:
		tx.Effect("SET", key, b, "PXAT", at)
	case keepTTL:
		tx.Effect("SET", key, b, "KEEPTTL")
	default:
		tx.Effect("SET", key, b)
	}
}

func setNX(c *Call) error {
	exists := c.Tx.get(c.Args[1]) != nil
	if !exists {
		c.Tx.setAndExpire(c.Args[1], c.Args[2], lifetime{}, 0)
	}
	c.yesNo(!exists)
	return nil
}

func setEX(c *Call, unit timeUnit) error {
	at, err := c.positiveInstant(2, unit)
	if err != nil {
		return err
	}
	c.Tx.setAndExpire(c.Args[1], c.Args[3], lifetime{}, at)
	c.Reply.OK()
	return nil
}

// mset sets several keys: all of them, or none if one is there already and may not be overwritten.
func mset(c *Call, overwrite bool) error {
	if len(c.Args)%2 == 0 {
		return wire.WrongArity(c.Spec.FullName)
	}
	for i := 1; i < len(c.Args) && !overwrite; i += 2 {
		if c.Tx.get(c.Args[i]) != nil {
			c.Reply.Int(0)
			return nil
		}
	}
	for i := 1; i < len(c.Args); i += 2 {
		c.Tx.SetString(c.Args[i], c.Args[i+1], false)
		c.Tx.Changed(c.Args[i])
		c.Tx.Notify(stringEvent, "set", c.Args[i])
	}
	if overwrite {
		c.Reply.OK()
	} else {
		c.Reply.Int(1)
	}
	return nil
}
