package engine

import (
	"math"
	"math/big"
	"strconv"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// increment adds n to the integer at the key; no key is 0.
func (c *Call) increment(n int64) error {
	key := c.Args[1]
	b, err := c.Tx.String(key)
	if err != nil {
		return err
	}
	old := int64(0)
	if b != nil {
		if old, err = parseInt(b); err != nil {
			return err
		}
	}
	sum, ok := add(old, n)
	if !ok {
		return wire.ErrOverflow
	}
	s, _ := c.Tx.EditString(key)
	var text [20]byte
	s.Set(strconv.AppendInt(text[:0], sum, 10))
	c.Tx.Changed(key)
	c.Tx.Notify(stringEvent, "incrby", key)
	c.Reply.Int(sum)
	return nil
}

func incrBy(c *Call) error {
	n, err := c.Int(2)
	if err != nil {
		return err
	}
	return c.increment(n)
}

func decrBy(c *Call) error {
	n, err := c.Int(2)
	switch {
	case err != nil:
		return err
	case n == math.MinInt64:
		return wire.ErrDecrOverflow
	}
	return c.increment(-n)
}

// incrByFloat adds long doubles as Redis does. The effect is the sum, so that a replay cannot round another way.
func incrByFloat(c *Call) error {
	key := c.Args[1]
	b, err := c.Tx.String(key)
	if err != nil {
		return err
	}
	old, ok := new(big.Float).SetPrec(longDoubleBits), true
	if b != nil {
		old, ok = parseLongDouble(b)
	}
	n, valid := parseLongDouble(c.Args[2])
	switch {
	case !ok || !valid:
		return wire.ErrNotFloat
	case old.IsInf() || n.IsInf():
		return wire.ErrIncrNaN
	}
	sum := n.Add(old, n)
	if isOverflow(sum) {
		return wire.ErrIncrNaN
	}
	text := []byte(formatLongDouble(sum))
	s, _ := c.Tx.EditString(key)
	s.SetFloat(text)
	c.Tx.Changed(key)
	c.Tx.Effect("SET", key, text, "KEEPTTL")
	c.Tx.Notify(stringEvent, "incrbyfloat", key)
	c.Reply.Bulk(text)
	return nil
}
