package engine

import (
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// streamOfInfo returns the stream that a call of XINFO is about, XINFO <subcommand> key ...
func (c *Call) streamOfInfo() (*value.Stream, error) {
	s, err := c.stream(c.Args[2])
	if s == nil && err == nil {
		err = wire.ErrNoSuchKey
	}
	return s, err
}

func xinfoConsumers(c *Call) error {
	s, err := c.streamOfInfo()
	if err != nil {
		return err
	}
	g := s.Group(string(c.Args[3]))
	if g == nil {
		return wire.NoGroupForKey(c.Args[3], c.Args[2])
	}
	c.Reply.Array(g.ConsumerLen())
	for consumer := range g.Consumers() {
		c.Reply.Map(3)
		c.Reply.BulkString("name")
		c.Reply.BulkString(consumer.Name())
		c.intField("pending", int64(consumer.PendingLen()))
		c.intField("idle", max(c.Tx.Now-consumer.SeenTime(), 0))
	}
	return nil
}

func xinfoGroups(c *Call) error {
	s, err := c.streamOfInfo()
	if err != nil {
		return err
	}
	c.Reply.Array(s.GroupLen())
	for g := range s.Groups() {
		c.Reply.Map(6)
		c.Reply.BulkString("name")
		c.Reply.BulkString(g.Name())
		c.intField("consumers", int64(g.ConsumerLen()))
		c.intField("pending", int64(g.PendingLen()))
		c.position(s, g)
	}
	return nil
}

// intField replies with an element of a map.
func (c *Call) intField(name string, n int64) {
	c.Reply.BulkString(name)
	c.Reply.Int(n)
}

// idField is intField for an ID.
func (c *Call) idField(name string, id value.StreamID) {
	c.Reply.BulkString(name)
	c.id(id)
}

// position replies with how far a group has read: three elements of a map.
func (c *Call) position(s *value.Stream, g *value.Group) {
	c.idField("last-delivered-id", g.LastID())
	c.Reply.BulkString("entries-read")
	if n := g.EntriesRead(); n != value.UnknownReads {
		c.Reply.Int(n)
	} else {
		c.Reply.Null()
	}
	c.Reply.BulkString("lag")
	if lag, ok := s.Lag(g); ok {
		c.Reply.Int(lag)
	} else {
		c.Reply.Null()
	}
}

// xinfoStream is XINFO STREAM key [FULL [COUNT count]].
func xinfoStream(c *Call) error {
	s, err := c.streamOfInfo()
	if err != nil {
		return err
	}
	full, count := len(c.Args) > 3, int64(10)
	if full {
		if !c.Is(3, "FULL") || len(c.Args) == 5 || len(c.Args) > 6 || len(c.Args) == 6 && !c.Is(4, "COUNT") {
			return wire.BadSubcommand(c.Args[0], c.Args[1])
		}
		if len(c.Args) == 6 {
			if count, err = c.Int(5); err != nil {
				return err
			}
			if count < 0 {
				count = 10
			}
		}
		c.Reply.Map(9)
	} else {
		c.Reply.Map(10)
	}
	c.intField("length", int64(s.Len()))
	c.intField("radix-tree-keys", int64(s.RadixKeys()))
	c.intField("radix-tree-nodes", int64(s.RadixNodes()))
	c.idField("last-generated-id", s.LastID())
	c.idField("max-deleted-entry-id", s.MaxDeletedID())
	c.intField("entries-added", int64(s.EntriesAdded()))
	c.idField("recorded-first-entry-id", s.FirstID())
	if full {
		c.contents(s, count)
		return nil
	}
	c.intField("groups", int64(s.GroupLen()))
	c.entryField("first-entry", s.First)
	c.entryField("last-entry", s.Last)
	return nil
}

// entryField replies with an element of a map: an entry, if there is one.
func (c *Call) entryField(name string, find func() (value.StreamEntry, bool)) {
	c.Reply.BulkString(name)
	if e, ok := find(); ok {
		c.entry(e)
	} else {
		c.Reply.Null()
	}
}

// contents replies with entries, groups, consumers and what is pending: of each kind the first count, or all if that
// is 0.
func (c *Call) contents(s *value.Stream, count int64) {
	c.Reply.BulkString("entries")
	mark, n := c.Reply.Len(), int64(0)
	for e := range s.All() {
		c.entry(e)
		if n++; n == count {
			break
		}
	}
	c.arrayOf(mark, int(n))
	c.Reply.BulkString("groups")
	c.Reply.Array(s.GroupLen())
	for g := range s.Groups() {
		c.Reply.Map(7)
		c.Reply.BulkString("name")
		c.Reply.BulkString(g.Name())
		c.position(s, g)
		c.intField("pel-count", int64(g.PendingLen()))
		c.pendingOfGroup(g, count)
		c.Reply.BulkString("consumers")
		c.Reply.Array(g.ConsumerLen())
		for consumer := range g.Consumers() {
			c.Reply.Map(4)
			c.Reply.BulkString("name")
			c.Reply.BulkString(consumer.Name())
			c.intField("seen-time", consumer.SeenTime())
			c.intField("pel-count", int64(consumer.PendingLen()))
			c.pendingOfConsumer(g, consumer, count)
		}
	}
}

func (c *Call) pendingOfGroup(g *value.Group, count int64) {
	c.Reply.BulkString("pending")
	mark, n := c.Reply.Len(), int64(0)
	for nack := range g.Pending(value.StreamID{}, value.MaxStreamID()) {
		c.Reply.Array(4)
		c.id(nack.ID)
		c.Reply.BulkString(nack.Consumer)
		c.Reply.Int(nack.Time)
		c.Reply.Int(nack.Count)
		if n++; n == count {
			break
		}
	}
	c.arrayOf(mark, int(n))
}

func (c *Call) pendingOfConsumer(g *value.Group, consumer *value.Consumer, count int64) {
	c.Reply.BulkString("pending")
	mark, n := c.Reply.Len(), int64(0)
	for nack := range g.PendingOf(consumer, value.StreamID{}, value.MaxStreamID()) {
		c.Reply.Array(3)
		c.id(nack.ID)
		c.Reply.Int(nack.Time)
		c.Reply.Int(nack.Count)
		if n++; n == count {
			break
		}
	}
	c.arrayOf(mark, int(n))
}
