package engine

import (
	"bytes"
	"math/big"
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/glob"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Hashes: https://redis.io/commands/?group=hash
var hashHandlers = handlers{
	"HDEL":         hdel,
	"HEXISTS":      hexists,
	"HGET":         hget,
	"HGETALL":      hgetall,
	"HINCRBY":      hincrby,
	"HINCRBYFLOAT": hincrbyfloat,
	"HKEYS":        hkeys,
	"HLEN":         hlen,
	"HMGET":        hmget,
	"HMSET":        hset,
	"HRANDFIELD":   hrandfield,
	"HSCAN":        hscan,
	"HSET":         hset,
	"HSETNX":       hsetnx,
	"HSTRLEN":      hstrlen,
	"HVALS":        hvals,
}

var noHash = value.NewHash(nil) // what a key that is not there holds; never edited

// hash returns the hash at the i-th word for reading, an empty one if there is none.
func (c *Call) hash(i int) (*value.Hash, error) {
	h, err := c.Tx.Hash(c.Args[i])
	c.lookedUp(c.Args[i], h != nil || err != nil)
	if h == nil {
		h = noHash
	}
	return h, err
}

func hget(c *Call) error {
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	c.field(h, c.Args[2])
	return nil
}

// field replies with the value of a field.
func (c *Call) field(h *value.Hash, field []byte) {
	if v, ok := h.Get(string(field)); ok {
		c.Reply.BulkString(v)
	} else {
		c.Reply.Null()
	}
}

func hmget(c *Call) error {
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	fields := c.Args[2:]
	c.Reply.Array(len(fields))
	for _, f := range fields {
		c.field(h, f)
	}
	return nil
}

func hgetall(c *Call) error {
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	c.Reply.Map(h.Len())
	many(c, h.Len(), h, func(c *Call, h *value.Hash) {
		for field, v := range h.All() {
			c.Reply.BulkString(field)
			c.Reply.BulkString(v)
		}
	}, c.Args[1])
	return nil
}

func hkeys(c *Call) error {
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	c.Reply.Array(h.Len())
	many(c, h.Len(), h, func(c *Call, h *value.Hash) {
		for field := range h.All() {
			c.Reply.BulkString(field)
		}
	}, c.Args[1])
	return nil
}

func hvals(c *Call) error {
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	c.Reply.Array(h.Len())
	many(c, h.Len(), h, func(c *Call, h *value.Hash) {
		for _, v := range h.All() {
			c.Reply.BulkString(v)
		}
	}, c.Args[1])
	return nil
}

func hlen(c *Call) error {
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	c.Reply.Int(int64(h.Len()))
	return nil
}

func hexists(c *Call) error {
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	_, ok := h.Get(string(c.Args[2]))
	c.yesNo(ok)
	return nil
}

// yesNo replies 1 or 0, in RESP3 too.
func (c *Call) yesNo(yes bool) {
	if yes {
		c.Reply.Int(1)
	} else {
		c.Reply.Int(0)
	}
}

func hstrlen(c *Call) error {
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	v, _ := h.Get(string(c.Args[2]))
	c.Reply.Int(int64(len(v)))
	return nil
}

// hset does HSET and HMSET, which differ in the reply.
func hset(c *Call) error {
	if len(c.Args)%2 != 0 {
		return wire.WrongArity(c.Spec.FullName)
	}
	h, err := c.Tx.EditHash(c.Args[1])
	if err != nil {
		return err
	}
	created := int64(0)
	for i := 2; i < len(c.Args); i += 2 {
		if h.Set(string(c.Args[i]), string(c.Args[i+1])) {
			created++
		}
	}
	c.Tx.Changed(c.Args[1])
	c.Tx.Notify(hashEvent, "hset", c.Args[1])
	if c.Spec.Name == "HSET" {
		c.Reply.Int(created)
	} else {
		c.Reply.OK()
	}
	return nil
}

func hsetnx(c *Call) error {
	h, err := c.Tx.Hash(c.Args[1])
	if err != nil {
		return err
	}
	if h != nil {
		if _, exists := h.Get(string(c.Args[2])); exists {
			c.Reply.Int(0)
			return nil
		}
	}
	c.setField(c.Args[1], c.Args[2], string(c.Args[3]), "hset")
	c.Reply.Int(1)
	return nil
}

// setField edits one field of a key that holds a hash or nothing.
func (c *Call) setField(key, field []byte, v, event string) {
	h, _ := c.Tx.EditHash(key)
	h.Set(string(field), v)
	c.Tx.Changed(key)
	c.Tx.Notify(hashEvent, event, key)
}

func hdel(c *Call) error {
	key := c.Args[1]
	h, err := c.Tx.Hash(key)
	if err != nil {
		return err
	}
	if h == nil {
		c.Reply.Int(0)
		return nil
	}
	h, _ = c.Tx.EditHash(key)
	deleted := int64(0)
	for _, field := range c.Args[2:] {
		if h.Delete(string(field)) {
			deleted++
		}
	}
	if deleted > 0 {
		c.Tx.Changed(key)
		c.Tx.NotifyRemoved(hashEvent, "hdel", key)
	}
	c.Reply.Int(deleted)
	return nil
}

// stored returns the value of the field that HINCRBY or HINCRBYFLOAT is about to change.
func (c *Call) stored() (v string, ok bool, err error) {
	h, err := c.Tx.Hash(c.Args[1])
	if h == nil || err != nil {
		return "", false, err
	}
	v, ok = h.Get(string(c.Args[2]))
	return v, ok, nil
}

func hincrby(c *Call) error {
	increment, err := c.Int(3)
	if err != nil {
		return err
	}
	v, exists, err := c.stored()
	if err != nil {
		return err
	}
	old := int64(0)
	if exists {
		n, ok := integer([]byte(v))
		if !ok {
			return wire.ErrHashNotInteger
		}
		old = n
	}
	sum := old + increment
	if (sum > old) != (increment > 0) && increment != 0 {
		return wire.ErrOverflow
	}
	c.setField(c.Args[1], c.Args[2], strconv.FormatInt(sum, 10), "hincrby")
	c.Reply.Int(sum)
	return nil
}

func hincrbyfloat(c *Call) error {
	increment, ok := parseLongDouble(c.Args[3])
	switch {
	case !ok:
		return wire.ErrNotFloat
	case increment.IsInf():
		return wire.ErrHashNaN
	}
	v, exists, err := c.stored()
	if err != nil {
		return err
	}
	sum := new(big.Float).Set(increment)
	if exists {
		old, ok := parseLongDouble([]byte(v))
		if !ok {
			return wire.ErrHashNotFloat
		}
		sum.Add(old, increment)
	}
	if isOverflow(sum) {
		return wire.ErrIncrNaN
	}
	text := formatLongDouble(sum)
	c.setField(c.Args[1], c.Args[2], text, "hincrbyfloat")
	c.Tx.Effect("HSET", c.Args[1], c.Args[2], text)
	c.Reply.BulkString(text)
	return nil
}

func hrandfield(c *Call) error {
	n, paired, err := c.randomCount("WITHVALUES")
	if err != nil {
		return err
	}
	h, err := c.hash(1)
	if err != nil {
		return err
	}
	count, positions, err := draw(n, h.Len())
	if err != nil {
		return err
	}
	c.drawn(count, paired)
	many(c, count, drawing[*value.Hash]{h, positions, paired}, func(c *Call, d drawing[*value.Hash]) {
		for i := range d.positions {
			field, v := d.from.At(i)
			if !d.paired {
				c.Reply.BulkString(field)
				continue
			}
			c.pair()
			c.Reply.BulkString(field)
			c.Reply.BulkString(v)
		}
	}, c.Args[1])
	return nil
}

// drawn begins the reply to HRANDFIELD, SRANDMEMBER or ZRANDMEMBER: without a count it is one element or null.
func (c *Call) drawn(count int, paired bool) {
	switch {
	case paired:
		c.pairs(count)
	case len(c.Args) > 2:
		c.Reply.Array(count)
	case count == 0:
		c.Reply.Null()
	}
}

// pairs begins an array of n pairs: nested in RESP3, flat in RESP2. Each of them begins with pair.
func (c *Call) pairs(n int) {
	if c.Reply.Proto == 3 {
		c.Reply.Array(n)
	} else {
		c.Reply.Array(2 * n)
	}
}

func (c *Call) pair() {
	if c.Reply.Proto == 3 {
		c.Reply.Array(2)
	}
}

func hscan(c *Call) error {
	h, s, err := beginScan(c, c.hash)
	if err != nil {
		return err
	}
	s.run(c, h, func(s *elementScan) uint64 {
		return h.Scan(s.cursor, s.count, func(field, v string) {
			if s.wants(field) {
				s.found = append(s.found, field, v)
			}
		})
	})
	return nil
}

// elementScan is a call of HSCAN, SSCAN or ZSCAN.
type elementScan struct {
	cursor uint64
	scanOptions
	found []string // elements, each followed by what belongs to it
}

// beginScan looks at the key between the cursor and the options, as Redis does: for a key that is not there, options may
// be anything.
func beginScan[V value.Value](c *Call, read func(i int) (V, error)) (v V, s elementScan, err error) {
	if _, ok := parseCursor(c.Args[2]); !ok {
		return v, s, wire.ErrCursor
	}
	if v, err = read(1); err != nil || v.Len() == 0 {
		return v, s, err
	}
	s.cursor, s.scanOptions, err = parseScan(c, 2, false)
	return v, s, err
}

// wants reports whether MATCH lets an element through.
func (s *elementScan) wants(element string) bool {
	return s.match == nil || glob.Match(s.match, []byte(element), false)
}

// run replies with what walk finds in a value, and where it ended.
func (s elementScan) run(c *Call, v value.Value, walk func(s *elementScan) (next uint64)) {
	n := min(s.count, v.Len())
	if n > c.engine.atOnce {
		s.match = bytes.Clone(s.match)
	}
	many(c, n, walk, func(c *Call, walk func(s *elementScan) uint64) { s.reply(c, walk(&s)) }, c.Args[1])
}

func (s *elementScan) reply(c *Call, next uint64) {
	c.Reply.Array(2)
	c.Reply.BulkString(formatCursor(next))
	c.Reply.Array(len(s.found))
	for _, text := range s.found {
		c.Reply.BulkString(text)
	}
}
