package engine

import (
	"math"
	"strings"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// expired reports whether an entry's time is over, without deleting it.
func (tx *Tx) expired(e *Entry) bool { return e.Expire != 0 && e.Expire <= tx.Now }

// ttl answers what is left, or the instant, in units of so many milliseconds.
func ttl(c *Call, left bool, unit int64) error {
	e := c.look(1)
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

// expireConditions are the options of EXPIRE: when the expiry is to be changed.
type expireConditions struct{ nx, xx, gt, lt bool }

// parseExpireConditions reads the words from the i-th on.
func parseExpireConditions(c *Call, i int) (o expireConditions, err error) {
	for ; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "NX"):
			o.nx = true
		case c.Is(i, "XX"):
			o.xx = true
		case c.Is(i, "GT"):
			o.gt = true
		case c.Is(i, "LT"):
			o.lt = true
		default:
			return o, wire.UnsupportedOption(c.Args[i])
		}
	}
	switch {
	case o.nx && (o.xx || o.gt || o.lt):
		return o, wire.ErrExpireNX
	case o.gt && o.lt:
		return o, wire.ErrExpireGTLT
	}
	return o, nil
}

// allow reports whether an expiry may be changed from old to at; 0 is never, which is later than any instant.
func (o expireConditions) allow(old, at int64) bool {
	switch has := old != 0; {
	case o.nx && has, o.xx && !has:
		return false
	case o.gt && (!has || at <= old), o.lt && has && at >= old:
		return false
	}
	return true
}

func expire(c *Call, unit timeUnit) error {
	conditions, err := parseExpireConditions(c, 3)
	if err != nil {
		return err
	}
	n, err := c.Int(2)
	if err != nil {
		return err
	}
	at, err := c.instant(n, unit)
	if err != nil {
		return err
	}
	e := c.Tx.get(c.Args[1])
	if e == nil || !conditions.allow(e.Expire, at) {
		c.Reply.Int(0)
		return nil
	}
	c.Tx.expireAt(c.Args[1], at)
	c.Reply.Int(1)
	return nil
}

// expireAt makes a key that is there expire at an instant, at once if that is in the past
// (https://redis.io/commands/expire).
func (tx *Tx) expireAt(key []byte, at int64) {
	if at <= tx.Now && !tx.replay {
		tx.Delete(key)
		tx.Changed(key)
		tx.Effect("DEL", key)
		tx.Notify(genericEvent, "del", key)
		return
	}
	tx.SetExpire(key, max(at, 1))
	tx.ChangedQuietly(key)
	tx.Effect("PEXPIREAT", key, at)
	tx.Notify(genericEvent, "expire", key)
}

func persist(c *Call) error {
	c.yesNo(c.Tx.persist(c.Args[1]))
	return nil
}

// persist makes a key stay for ever and reports whether it would have expired.
func (tx *Tx) persist(key []byte) bool {
	e := tx.get(key)
	if e == nil || e.Expire == 0 {
		return false
	}
	tx.SetExpire(key, 0)
	tx.ChangedQuietly(key)
	tx.Effect("PERSIST", key)
	tx.Notify(genericEvent, "persist", key)
	return true
}

// timeUnit is how a command words an instant.
type timeUnit int

const (
	inSeconds timeUnit = iota // from now
	inMillis
	atSeconds // since 1970
	atMillis
)

// positiveInstant reads when a value that is being set or got expires, in Unix milliseconds: the number may not be 0 or
// negative.
func (c *Call) positiveInstant(i int, unit timeUnit) (int64, error) {
	n, err := c.Int(i)
	if err != nil {
		return 0, err
	}
	if n <= 0 {
		return 0, c.invalidExpire()
	}
	return c.instant(n, unit)
}

// instant turns a number in some unit into Unix milliseconds.
func (c *Call) instant(n int64, unit timeUnit) (int64, error) {
	if unit == inSeconds || unit == atSeconds {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, c.invalidExpire()
		}
		n *= 1000
	}
	if unit == inSeconds || unit == inMillis {
		if n > math.MaxInt64-c.Tx.Now {
			return 0, c.invalidExpire()
		}
		n += c.Tx.Now
	}
	return n, nil
}

func (c *Call) invalidExpire() error { return wire.InvalidExpire(strings.ToLower(c.Spec.Name)) }
