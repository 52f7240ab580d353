package engine

import (
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// extreme is the end of a sorted set that members are popped from.
type extreme int

const (
	lowest extreme = iota
	highest
)

// popEvents is what each is called, whatever the command.
var popEvents = [2]string{lowest: "zpopmin", highest: "zpopmax"}

// span returns the span of up to n members at one end of a sorted set.
func (end extreme) span(z *value.ZSet, n int64) zsetSpan {
	size := z.Len()
	count := int(min(n, int64(size)))
	if end == highest {
		return zsetSpan{z, size - count, size, true}
	}
	return zsetSpan{z, 0, count, false}
}

// pop takes at least one member from one end of the sorted set at key, and replies with what write makes of each. The effect
// names their ranks, so that it does not matter which command it was.
func (c *Call) pop(key []byte, s zsetSpan, write func(c *Call, s zsetSpan)) {
	many(c, s.len(), s, write, key) // while they are there
	size := s.z.Len()
	c.takeOut(key, s.z, s.from, s.to)
	c.Tx.Changed(key)
	event := popEvents[lowest]
	if s.reverse {
		event = popEvents[highest]
	}
	c.Tx.NotifyRemoved(zsetEvent, event, key)
	if s.len() == size {
		c.Tx.Effect("DEL", key)
	} else {
		c.Tx.Effect("ZREMRANGEBYRANK", key, s.from, s.to-1)
	}
}

// replyNested replies with members and their scores, each in an array of its own.
func replyNested(c *Call, s zsetSpan) {
	for member, score := range s.members() {
		c.Reply.Array(2)
		c.Reply.BulkString(member)
		c.Reply.Double(score)
	}
}

// replyFlat replies with members and their scores, one behind the other.
func replyFlat(c *Call, s zsetSpan) {
	for member, score := range s.members() {
		c.Reply.BulkString(member)
		c.Reply.Double(score)
	}
}

func zpop(c *Call, end extreme) error {
	if len(c.Args) > 3 {
		return wire.ErrSyntax
	}
	n, counted := int64(1), len(c.Args) == 3
	if counted {
		var err error
		if n, err = c.atLeast(2, 0, wire.ErrNotPositive); err != nil {
			return err
		}
	}
	z, err := c.Tx.ZSet(c.Args[1])
	if err != nil {
		return err
	}
	if z == nil || n == 0 {
		c.Reply.Array(0)
		return nil
	}
	s := end.span(z, n)
	if counted {
		c.pairs(s.len())
		c.pop(c.Args[1], s, replyScored)
	} else {
		c.Reply.Array(2) // flat in RESP3 too
		c.pop(c.Args[1], s, replyFlat)
	}
	return nil
}

func bzpop(c *Call, end extreme) error {
	last := len(c.Args) - 1
	timeout, err := c.timeout(last)
	if err != nil {
		return err
	}
	return serveOrBlock(c, c.Args[1:last], timeout, func(key []byte, z *value.ZSet) {
		c.Reply.Array(3)
		c.Reply.Bulk(key)
		c.pop(key, end.span(z, 1), replyFlat)
	})
}

// mpop is what ZMPOP, LMPOP and their blocking forms share: numkeys key... end [COUNT count].
type mpop struct {
	keys  [][]byte
	end   int // 0 or 1
	count int64
}

// parseMPop reads numkeys at the i-th word and what is behind it; low and high are what the ends are called.
func (c *Call) parseMPop(i int, low, high string) (p mpop, err error) {
	keys, err := c.atLeast(i, 1, wire.ErrNumKeys)
	if err != nil {
		return p, err
	}
	if keys >= int64(len(c.Args)-i-1) {
		return p, wire.ErrSyntax
	}
	where := i + 1 + int(keys)
	p.keys = c.Args[i+1 : where]
	switch {
	case c.Is(where, low):
		p.end = 0
	case c.Is(where, high):
		p.end = 1
	default:
		return p, wire.ErrSyntax
	}
	p.count = 1
	for i := where + 1; i < len(c.Args); i += 2 {
		if i > where+1 || !c.Is(i, "COUNT") || i+1 == len(c.Args) {
			return p, wire.ErrSyntax
		}
		if p.count, err = c.atLeast(i+1, 1, wire.ErrCount); err != nil {
			return p, err
		}
	}
	return p, nil
}

// zmpopFrom is what ZMPOP and BZMPOP do to the sorted set that they found. The reply nests the members with their scores,
// in RESP2 too.
func (c *Call) zmpopFrom(p mpop, key []byte, z *value.ZSet) {
	s := extreme(p.end).span(z, p.count)
	c.Reply.Array(2)
	c.Reply.Bulk(key)
	c.Reply.Array(s.len())
	c.pop(key, s, replyNested)
}

func zmpop(c *Call) error {
	p, err := c.parseMPop(1, "MIN", "MAX")
	if err != nil {
		return err
	}
	return serveFirst(c, p.keys, func(key []byte, z *value.ZSet) { c.zmpopFrom(p, key, z) })
}

func bzmpop(c *Call) error {
	p, err := c.parseMPop(2, "MIN", "MAX")
	if err != nil {
		return err
	}
	timeout, err := c.timeout(1)
	if err != nil {
		return err
	}
	return serveOrBlock(c, p.keys, timeout, func(key []byte, z *value.ZSet) { c.zmpopFrom(p, key, z) })
}
