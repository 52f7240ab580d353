package engine

import (
	"math"
	"slices"
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// handover is what one command does for a consumer of a group. Its effects name the entries, instants and counts, so
// that a replay hands over the same.
type handover struct {
	c        *Call
	key      []byte
	group    *value.Group // to be edited
	consumer string

	joined  bool // the consumer exists
	changed bool
	moved   bool             // the group's position
	given   []value.StreamID // not yet told: all with the same time and count
	time    int64
	count   int64
	dropped []value.StreamID // no longer pending
}

// join makes sure that the consumer exists, and was seen now. That alone is no change.
func (h *handover) join() {
	if h.joined {
		return
	}
	h.joined = true
	if h.group.CreateConsumer(h.consumer, h.c.Tx.Now) {
		h.changed = true
		h.c.Tx.Effect("XGROUP", "CREATECONSUMER", h.key, h.group.Name(), h.consumer)
		h.c.Tx.Notify(streamEvent, "xgroup-createconsumer", h.key)
	} else {
		h.group.Touch(h.consumer, h.c.Tx.Now)
	}
}

// give makes an entry pending for the consumer, which has joined.
func (h *handover) give(n value.Nack) {
	n.Consumer = h.consumer
	h.group.SetPending(n)
	if n.Time != h.time || n.Count != h.count || len(h.given) == perCommand {
		h.tell()
	}
	h.given, h.time, h.count = append(h.given, n.ID), n.Time, n.Count
}

// drop forgets a pending entry.
func (h *handover) drop(id value.StreamID) {
	h.group.Ack(id)
	h.dropped = append(h.dropped, id)
}

// tell makes an effect of what was given. XCLAIM takes any number of entries, and makes one pending that is not.
func (h *handover) tell() {
	if len(h.given) == 0 {
		return
	}
	h.changed = true
	words := make([]any, 0, 24)
	words = append(words, "XCLAIM", h.key, h.group.Name(), h.consumer, 0)
	for _, id := range h.given {
		words = append(words, id)
	}
	h.c.Tx.Effect(append(words, "TIME", h.time, "RETRYCOUNT", h.count, "FORCE", "JUSTID")...)
	h.given = h.given[:0]
}

// finish makes effects of everything that was not told yet.
func (h *handover) finish() {
	tx := h.c.Tx
	h.tell()
	for ids := range slices.Chunk(h.dropped, perCommand) {
		h.changed = true
		words := []any{"XACK", h.key, h.group.Name()}
		for _, id := range ids {
			words = append(words, id)
		}
		tx.Effect(words...)
	}
	if h.moved {
		h.changed = true
		tx.Effect("XGROUP", "SETID", h.key, h.group.Name(), h.group.LastID(), "ENTRIESREAD", readable(h.group.EntriesRead()))
	}
	if h.changed {
		tx.ChangedWithin(h.key)
	}
}

// readable is the count of entries that a group has read, as XGROUP takes it: one that overflowed is unknown.
func readable(entries int64) int64 { return max(entries, value.UnknownReads) }

// onceMore counts a delivery.
func onceMore(count int64) int64 { return count + min(1, math.MaxInt64-count) }

// groupRead returns the stream and the group in XACK, XPENDING or XCLAIM key group ...; nil if there are none.
func (c *Call) groupRead() (s *value.Stream, g *value.Group, err error) {
	s, err = c.stream(c.Args[1])
	if s == nil || err != nil {
		return nil, nil, err
	}
	return s, s.Group(string(c.Args[2])), nil
}

func xack(c *Call) error {
	key := c.Args[1]
	_, g, err := c.groupRead()
	if g == nil || err != nil {
		c.Reply.Int(0)
		return err
	}
	ids, err := c.streamIDs(3)
	if err != nil {
		return err
	}
	s, _ := c.Tx.EditStream(key)
	g = s.EditGroup(string(c.Args[2]))
	acked := int64(0)
	for _, id := range ids {
		if g.Ack(id) {
			acked++
		}
	}
	if acked > 0 {
		c.Tx.ChangedWithin(key)
	}
	c.Reply.Int(acked)
	return nil
}

// pendingRange is XPENDING key group [IDLE min] from to count [consumer].
type pendingRange struct {
	from, to value.StreamID
	count    int64
	minIdle  int64
	consumer []byte // nil = all
}

func (p *pendingRange) parse(c *Call) (err error) {
	at := 3
	if c.Is(at, "IDLE") {
		if p.minIdle, err = c.Int(4); err != nil {
			return err
		}
		if len(c.Args) < 8 {
			return wire.ErrSyntax
		}
		at = 5
	}
	if p.count, err = c.Int(at + 2); err != nil {
		return err
	}
	if p.from, err = c.rangeStart(at); err != nil {
		return err
	}
	if p.to, err = c.rangeEnd(at + 1); err != nil {
		return err
	}
	if at+3 < len(c.Args) {
		p.consumer = c.Args[at+3]
	}
	return nil
}

func xpending(c *Call) error {
	n := len(c.Args)
	if n != 3 && (n < 6 || n > 9) {
		return wire.ErrSyntax
	}
	var p pendingRange
	if n > 3 {
		if err := p.parse(c); err != nil {
			return err
		}
	}
	_, g, err := c.groupRead()
	switch {
	case err != nil:
		return err
	case g == nil:
		return wire.NoGroup(c.Args[1], c.Args[2])
	case n == 3:
		c.pendingSummary(g)
	default:
		p.reply(c, g)
	}
	return nil
}

func (c *Call) pendingSummary(g *value.Group) {
	c.Reply.Array(4)
	c.Reply.Int(int64(g.PendingLen()))
	first, last, ok := g.PendingBounds()
	if !ok {
		c.Reply.Null()
		c.Reply.Null()
		c.Reply.NullArray()
		return
	}
	c.id(first)
	c.id(last)
	mark, n := c.Reply.Len(), 0
	for consumer := range g.Consumers() {
		if pending := consumer.PendingLen(); pending > 0 {
			c.Reply.Array(2)
			c.Reply.BulkString(consumer.Name())
			c.Reply.BulkString(strconv.Itoa(pending))
			n++
		}
	}
	c.arrayOf(mark, n)
}

func (p *pendingRange) reply(c *Call, g *value.Group) {
	pending := g.Pending(p.from, p.to)
	if p.consumer != nil {
		consumer := g.Consumer(string(p.consumer))
		if consumer == nil {
			c.Reply.Array(0)
			return
		}
		pending = g.PendingOf(consumer, p.from, p.to)
	}
	mark, n := c.Reply.Len(), int64(0)
	for nack := range pending {
		if n >= p.count {
			break
		}
		if p.minIdle != 0 && c.Tx.Now-nack.Time < p.minIdle {
			continue
		}
		c.Reply.Array(4)
		c.id(nack.ID)
		c.Reply.BulkString(nack.Consumer)
		c.Reply.Int(nack.Idle(c.Tx.Now))
		c.Reply.Int(nack.Count)
		n++
	}
	c.arrayOf(mark, int(n))
}

// claiming is XCLAIM key group consumer min-idle id ... [options].
type claiming struct {
	minIdle int64
	ids     []value.StreamID
	time    int64 // of the delivery
	count   int64 // of deliveries; negative = counted on
	force   bool
	justID  bool
	lastID  value.StreamID
}

func (m *claiming) parse(c *Call) (err error) {
	if m.minIdle, err = c.atLeast(4, math.MinInt64, wire.ErrXClaimIdle); err != nil {
		return err
	}
	i := 5
	for ; i < len(c.Args); i++ {
		id, ok := value.ParseStreamID(c.Args[i], 0)
		if !ok {
			break
		}
		m.ids = append(m.ids, id)
	}
	m.time, m.count = -1, -1
	for ; i < len(c.Args); i++ {
		more := i+1 < len(c.Args)
		switch {
		case c.Is(i, "FORCE"):
			m.force = true
		case c.Is(i, "JUSTID"):
			m.justID = true
		case more && c.Is(i, "IDLE"):
			i++
			m.time, err = c.atLeast(i, math.MinInt64, wire.ErrXClaimOptIdle)
			m.time = c.Tx.Now - m.time
		case more && c.Is(i, "TIME"):
			i++
			m.time, err = c.atLeast(i, math.MinInt64, wire.ErrXClaimOptTime)
		case more && c.Is(i, "RETRYCOUNT"):
			i++
			m.count, err = c.atLeast(i, math.MinInt64, wire.ErrXClaimOptRetry)
		case more && c.Is(i, "LASTID"):
			i++
			m.lastID, err = c.streamID(i)
		default:
			return wire.UnknownXClaimOption(c.Args[i])
		}
		if err != nil {
			return err
		}
	}
	if m.time < 0 || m.time > c.Tx.Now && !c.Tx.replay { // a clock that was set back does not change what was logged
		m.time = c.Tx.Now
	}
	return nil
}

func xclaim(c *Call) error {
	_, g, err := c.groupRead()
	switch {
	case err != nil:
		return err
	case g == nil:
		return wire.NoGroup(c.Args[1], c.Args[2])
	}
	var m claiming
	if err := m.parse(c); err != nil {
		return err
	}
	s, _ := c.Tx.EditStream(c.Args[1])
	g = s.EditGroup(string(c.Args[2]))
	h := handover{c: c, key: c.Args[1], group: g, consumer: string(c.Args[3])}
	if g.LastID().Less(m.lastID) {
		g.SetID(m.lastID, g.EntriesRead())
		h.moved = true
	}
	mark, claimed := c.Reply.Len(), 0
	for _, id := range m.ids {
		if m.claim(&h, s, id) {
			claimed++
		}
	}
	c.arrayOf(mark, claimed)
	h.finish()
	return nil
}

// claim hands one entry over and replies with it, or reports that it did not.
func (m *claiming) claim(h *handover, s *value.Stream, id value.StreamID) bool {
	n, pending := h.group.Nack(id)
	e, exists := s.Get(id)
	switch {
	case !exists && pending:
		h.drop(id)
		return false
	case !exists || !pending && !m.force || pending && tooFresh(n, m.minIdle, h.c.Tx.Now):
		return false
	case !pending:
		n = value.Nack{ID: id, Count: 1}
	}
	n.Time = m.time
	if m.count >= 0 {
		n.Count = m.count
	} else if !m.justID {
		n.Count = onceMore(n.Count)
	}
	h.join()
	h.give(n)
	h.c.claimed(e, m.justID)
	return true
}

func tooFresh(n value.Nack, minIdle, now int64) bool { return minIdle > 0 && now-n.Time < minIdle }

// claimed replies with an entry that was handed over.
func (c *Call) claimed(e value.StreamEntry, justID bool) {
	if justID {
		c.id(e.ID)
	} else {
		c.entry(e)
	}
}

// autoClaimTries is how many pending entries XAUTOCLAIM looks at for each one that it may claim.
const autoClaimTries = 10

// xautoclaim is XAUTOCLAIM key group consumer min-idle start [COUNT count] [JUSTID]. Redis looks the key up first, which
// shows in what is told of misses.
func xautoclaim(c *Call) error {
	_, g, missing := c.groupRead()
	minIdle, err := c.atLeast(4, math.MinInt64, wire.ErrXAutoClaimIdle)
	if err != nil {
		return err
	}
	next, err := c.rangeStart(5)
	if err != nil {
		return err
	}
	count, justID := int64(100), false
	for i := 6; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "COUNT") && i+1 < len(c.Args):
			i++
			if count, err = c.atLeast(i, 1, wire.ErrXAutoClaimCount); err == nil && count > math.MaxInt64/16 {
				err = wire.ErrXAutoClaimCount
			}
			if err != nil {
				return err
			}
		case c.Is(i, "JUSTID"):
			justID = true
		default:
			return wire.ErrSyntax
		}
	}
	switch {
	case missing != nil:
		return missing
	case g == nil:
		return wire.NoGroup(c.Args[1], c.Args[2])
	}
	s, _ := c.Tx.EditStream(c.Args[1])
	h := handover{c: c, key: c.Args[1], group: s.EditGroup(string(c.Args[2])), consumer: string(c.Args[3])}
	mark, claimed, more := c.Reply.Len(), 0, true
	for tries := count * autoClaimTries; tries > 0 && count > 0 && more; tries-- {
		n, ok := h.group.NextPending(next)
		if !ok {
			break
		}
		next, more = n.ID.Next()
		e, exists := s.Get(n.ID)
		switch {
		case !exists:
			h.drop(n.ID)
			count--
		case !tooFresh(n, minIdle, c.Tx.Now):
			n.Time = c.Tx.Now
			if !justID {
				n.Count = onceMore(n.Count)
			}
			h.join()
			h.give(n)
			c.claimed(e, justID)
			count--
			claimed++
		}
	}
	c.Reply.Precede(mark, func() {
		c.Reply.Array(3)
		if n, ok := h.group.NextPending(next); ok && more {
			c.id(n.ID)
		} else {
			c.id(value.StreamID{})
		}
		c.Reply.Array(claimed)
	})
	c.Reply.Array(len(h.dropped))
	for _, id := range h.dropped {
		c.id(id)
	}
	h.finish()
	return nil
}
