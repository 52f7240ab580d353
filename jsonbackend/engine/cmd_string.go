package engine

import (
	"math"
	"strings"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// Strings: https://redis.io/commands/?group=string
var stringHandlers = handlers{
	"GET":    get,
	"SET":    set,
	"SETNX":  setNX,
	"SETEX":  func(c *Call) error { return setEX(c, inSeconds) },
	"PSETEX": func(c *Call) error { return setEX(c, inMillis) },
	"STRLEN": strLen,
}

func get(c *Call) error {
	b, err := c.Tx.String(c.Args[1])
	if err != nil {
		return err
	}
	c.found(b != nil)
	if b == nil {
		c.Reply.Null()
	} else {
		c.Reply.Bulk(b)
	}
	return nil
}

func strLen(c *Call) error {
	b, err := c.Tx.String(c.Args[1])
	if err != nil {
		return err
	}
	c.Reply.Int(int64(len(b)))
	return nil
}

// setOptions are what may follow SET key value.
type setOptions struct {
	nx, xx, keepTTL, get bool
	expire               int64 // Unix milliseconds; 0 = none given
}

// parseSet reads the options of SET (https://redis.io/commands/set) that begin at the i-th word. An option may be
// repeated; the last value counts.
func parseSet(c *Call, i int) (o setOptions, err error) {
	expireWord, value := "", 0 // which of EX, PX, EXAT, PXAT, and where its value is
	for ; i < len(c.Args); i++ {
		word := strings.ToUpper(string(c.Args[i]))
		_, timed := expireOption[word]
		switch {
		case word == "NX" && !o.xx:
			o.nx = true
		case word == "XX" && !o.nx:
			o.xx = true
		case word == "GET":
			o.get = true
		case word == "KEEPTTL" && value == 0:
			o.keepTTL = true
		case timed && !o.keepTTL && (value == 0 || expireWord == word) && i+1 < len(c.Args):
			i++
			expireWord, value = word, i
		default:
			return o, wire.ErrSyntax
		}
	}
	if value > 0 {
		o.expire, err = c.expireAt(value, expireOption[expireWord], "set")
	}
	return o, err
}

// expireOption is how each option words an instant.
var expireOption = map[string]timeUnit{"EX": inSeconds, "PX": inMillis, "EXAT": atSeconds, "PXAT": atMillis}

func set(c *Call) error {
	o, err := parseSet(c, 3)
	if err != nil {
		return err
	}
	key := c.Args[1]
	if o.get {
		old, err := c.Tx.String(key)
		if err != nil {
			return err
		}
		if old == nil {
			c.Reply.Null()
		} else {
			c.Reply.Bulk(old)
		}
	}
	exists := c.Tx.Entry(key) != nil
	if o.nx && exists || o.xx && !exists {
		if !o.get {
			c.Reply.Null()
		}
		return nil
	}
	c.Tx.SetString(key, c.Args[2], o.keepTTL)
	c.Tx.setAndExpire(key, c.Args[2], o)
	if !o.get {
		c.Reply.OK()
	}
	return nil
}

// setAndExpire finishes a SET: its effect names the instant of expiry, not the span.
func (tx *Tx) setAndExpire(key, value []byte, o setOptions) {
	switch {
	case o.expire != 0:
		tx.SetExpire(key, o.expire)
		tx.Changed(key)
		tx.Effect("SET", key, value, "PXAT", o.expire)
	case o.keepTTL:
		tx.Changed(key)
		tx.Effect("SET", key, value, "KEEPTTL")
	default:
		tx.Changed(key)
		tx.Effect("SET", key, value)
	}
}

func setNX(c *Call) error {
	if c.Tx.Entry(c.Args[1]) != nil {
		c.Reply.Int(0)
		return nil
	}
	c.Tx.SetString(c.Args[1], c.Args[2], false)
	c.Tx.Changed(c.Args[1])
	c.Reply.Int(1)
	return nil
}

func setEX(c *Call, unit timeUnit) error {
	at, err := c.expireAt(2, unit, strings.ToLower(c.Spec.Name))
	if err != nil {
		return err
	}
	c.Tx.SetString(c.Args[1], c.Args[3], false)
	c.Tx.setAndExpire(c.Args[1], c.Args[3], setOptions{expire: at})
	c.Reply.OK()
	return nil
}

// timeUnit is how a command words an instant.
type timeUnit int

const (
	inSeconds timeUnit = iota // from now
	inMillis
	atSeconds // since 1970
	atMillis
)

// expireAt reads when a value that is being set expires, in Unix milliseconds: a positive time that does not overflow.
func (c *Call) expireAt(i int, unit timeUnit, command string) (int64, error) {
	n, err := c.Int(i)
	if err != nil {
		return 0, err
	}
	if n <= 0 {
		return 0, wire.InvalidExpire(command)
	}
	return c.instant(n, unit, command)
}

// instant turns a number in some unit into Unix milliseconds.
func (c *Call) instant(n int64, unit timeUnit, command string) (int64, error) {
	if unit == inSeconds || unit == atSeconds {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, wire.InvalidExpire(command)
		}
		n *= 1000
	}
	if unit == inSeconds || unit == inMillis {
		if n > math.MaxInt64-c.Tx.Now {
			return 0, wire.InvalidExpire(command)
		}
		n += c.Tx.Now
	}
	return n, nil
}
