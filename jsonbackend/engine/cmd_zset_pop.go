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

// popped is what a pop took out of key.
type popped struct {
	key     []byte
	members []string
	scores  []float64
}

// pop takes up to n members from one end of a sorted set that is there. The effect names them, so that it does not matter
// which command it was.
func (c *Call) pop(key []byte, z *value.ZSet, n int64, end extreme) popped {
	p := popped{key: key}
	count := int(min(n, int64(z.Len())))
	found := z.Range(0, count)
	if end == highest {
		found = z.RevRange(z.Len()-count, z.Len())
	}
	for member, score := range found {
		p.members, p.scores = append(p.members, member), append(p.scores, score)
	}
	if count > 0 {
		c.takeOut(key, p.members)
		c.Tx.Changed(key)
		c.Tx.NotifyRemoved(zsetEvent, popEvents[end], key)
		c.Tx.removed("ZREM", key, p.members)
	}
	return p
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
	p := c.pop(c.Args[1], z, n, end)
	if counted {
		c.pairs(len(p.members))
	} else {
		c.Reply.Array(2) // flat in RESP3 too
	}
	for i, member := range p.members {
		if counted {
			c.pair()
		}
		c.Reply.BulkString(member)
		c.Reply.Double(p.scores[i])
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
		p := c.pop(key, z, 1, end)
		c.Reply.Array(3)
		c.Reply.Bulk(p.key)
		c.Reply.BulkString(p.members[0])
		c.Reply.Double(p.scores[0])
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
	got := c.pop(key, z, p.count, extreme(p.end))
	c.Reply.Array(2)
	c.Reply.Bulk(got.key)
	c.Reply.Array(len(got.members))
	for i, member := range got.members {
		c.Reply.Array(2)
		c.Reply.BulkString(member)
		c.Reply.Double(got.scores[i])
	}
}

func zmpop(c *Call) error {
	p, err := c.parseMPop(1, "MIN", "MAX")
	if err != nil {
		return err
	}
	i, z, err := first[*value.ZSet](c.Tx, p.keys)
	switch {
	case err != nil:
		return err
	case i < 0:
		c.Reply.NullArray()
	default:
		c.zmpopFrom(p, p.keys[i], z)
	}
	return nil
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
