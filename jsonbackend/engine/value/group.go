package value

import "iter"

// UnknownReads is the EntriesRead of a group whose place in the stream cannot be counted.
const UnknownReads = -1

// Group is a consumer group: how far it has read, which entries it has delivered and not yet seen acknowledged, and to
// whom. Only one that EditGroup or CreateGroup returned may be edited, until the stream is cloned.
type Group struct {
	owner     *treeOwner
	name      string
	lastID    StreamID
	read      int64
	pending   tree[Nack]      // by ID
	consumers tree[*Consumer] // by name
}

// Consumer is a member of a group.
type Consumer struct {
	owner   *treeOwner
	name    string
	seen    int64
	pending tree[StreamID]
}

// Nack is a delivery not yet acknowledged. Its entry may since have been deleted from the stream.
type Nack struct {
	ID       StreamID
	Consumer string // the name of its owner
	Time     int64  // of the last delivery, Unix time in milliseconds
	Count    int64  // of deliveries
}

// Idle is how many milliseconds before now the last delivery was, at least 0.
func (n Nack) Idle(now int64) int64 { return max(now-n.Time, 0) }

// CreateGroup adds a group that has read up to lastID; entriesRead is UnknownReads or how many entries, counted from
// the first one ever, that makes. If the name is taken it returns false.
func (s *Stream) CreateGroup(name string, lastID StreamID, entriesRead int64) (g *Group, ok bool) {
	var c treeCursor[*Group]
	if s.seekGroup(&c, name) {
		return nil, false
	}
	g = &Group{owner: s.owner, name: name, lastID: lastID, read: entriesRead}
	g.pending.owner, g.consumers.owner = s.owner, s.owner
	s.groups.insert(&c, g)
	return g, true
}

// DestroyGroup drops a group with all it knows, and reports whether there was one.
func (s *Stream) DestroyGroup(name string) bool {
	var c treeCursor[*Group]
	if !s.seekGroup(&c, name) {
		return false
	}
	s.groups.delete(&c)
	return true
}

// Group returns a group to read until the stream is edited, nil if there is none.
func (s *Stream) Group(name string) *Group {
	var c treeCursor[*Group]
	if !s.seekGroup(&c, name) {
		return nil
	}
	return *c.item()
}

// EditGroup returns a group to edit, nil if there is none.
func (s *Stream) EditGroup(name string) *Group {
	var c treeCursor[*Group]
	if !s.seekGroup(&c, name) {
		return nil
	}
	g := *c.item()
	if g.owner != s.owner {
		own := *g
		own.owner, own.pending.owner, own.consumers.owner = s.owner, s.owner, s.owner
		g = &own
		s.groups.replace(&c, g)
	}
	return g
}

// GroupLen is the number of groups.
func (s *Stream) GroupLen() int { return s.groups.count }

// Groups yields the groups in the order of their names.
func (s *Stream) Groups() iter.Seq[*Group] { return inOrder(&s.groups) }

func (s *Stream) seekGroup(c *treeCursor[*Group], name string) bool {
	s.groups.seek(c, func(g **Group) bool { return (*g).name >= name })
	return c.valid() && (*c.item()).name == name
}

// ReadsAt is how many entries, counted from the first one ever added, a reader has read that is at id: EntriesRead of
// such a group. It is UnknownReads where Redis 7.0 cannot tell: between the first and the last entry, above the last
// ID, and below deleted entries.
func (s *Stream) ReadsAt(id StreamID) int64 {
	added, length := int64(s.added), int64(s.length)
	switch c := id.Compare(s.last); {
	case s.added == 0:
		return 0
	case c == 0 || c < 0 && s.length == 0:
		return added
	case c > 0:
		return UnknownReads
	}
	first := s.FirstID()
	if !s.maxDeleted.IsZero() && !s.maxDeleted.Less(first) {
		return UnknownReads
	}
	switch id.Compare(first) {
	case -1:
		return added - length
	case 0:
		return added - length + 1
	}
	return UnknownReads
}

// Lag is how many entries of the stream g has not read; ok is false where Redis 7.0 cannot tell.
func (s *Stream) Lag(g *Group) (lag int64, ok bool) {
	if s.added == 0 {
		return 0, true
	}
	read := g.read
	if read == UnknownReads || s.gapFrom(g.lastID) {
		read = s.ReadsAt(g.lastID)
	}
	return int64(s.added) - read, read != UnknownReads
}

// Advance records that g, one to edit, reads the entry id: unless that is an old one, LastID goes there and EntriesRead
// follows as far as it can be known. A reader that goes through several entries advances at each of them.
func (s *Stream) Advance(g *Group, id StreamID) {
	if !g.lastID.Less(id) {
		return
	}
	if g.read != UnknownReads && !s.gapFrom(id) {
		g.read++
	} else {
		g.read = s.ReadsAt(id)
	}
	g.lastID = id
}

// gapFrom reports whether an entry at or above id, and above the first one, may have been deleted.
func (s *Stream) gapFrom(id StreamID) bool {
	return s.length > 0 && !s.maxDeleted.IsZero() && !s.maxDeleted.Less(id) && !s.maxDeleted.Less(s.FirstID())
}

// Name is the group's name.
func (g *Group) Name() string { return g.name }

// LastID is the greatest ID delivered, or what SetID made of it.
func (g *Group) LastID() StreamID { return g.lastID }

// EntriesRead is how many entries, counted from the first one ever, lie up to LastID, or UnknownReads.
func (g *Group) EntriesRead() int64 { return g.read }

// SetID moves the group to lastID; entriesRead as for CreateGroup.
func (g *Group) SetID(lastID StreamID, entriesRead int64) { g.lastID, g.read = lastID, entriesRead }

// PendingLen is the number of pending deliveries.
func (g *Group) PendingLen() int { return g.pending.count }

// PendingBounds returns the least and the greatest ID of the pending deliveries; ok is false if there are none.
func (g *Group) PendingBounds() (first, last StreamID, ok bool) {
	if g.pending.count == 0 {
		return StreamID{}, StreamID{}, false
	}
	return g.pending.at(0).ID, g.pending.root.last().ID, true
}

// Nack returns the pending delivery of the entry id.
func (g *Group) Nack(id StreamID) (n Nack, ok bool) {
	n, ok = g.NextPending(id)
	return n, ok && n.ID == id
}

// NextPending returns the first pending delivery of an entry from id on. Unlike Pending it allows for edits between
// two calls.
func (g *Group) NextPending(id StreamID) (n Nack, ok bool) {
	var c treeCursor[Nack]
	if g.seekNack(&c, id); !c.valid() {
		return Nack{}, false
	}
	return *c.item(), true
}

// Pending yields the pending deliveries with from <= ID <= to, in ascending order.
func (g *Group) Pending(from, to StreamID) iter.Seq[Nack] {
	return func(yield func(Nack) bool) {
		var c treeCursor[Nack]
		for g.seekNack(&c, from); c.valid() && !to.Less(c.item().ID); c.next() {
			if !yield(*c.item()) {
				return
			}
		}
	}
}

// PendingOf is Pending for one consumer.
func (g *Group) PendingOf(c *Consumer, from, to StreamID) iter.Seq[Nack] {
	return func(yield func(Nack) bool) {
		var at treeCursor[StreamID]
		for c.seek(&at, from); at.valid() && !to.Less(*at.item()); at.next() {
			if n, _ := g.Nack(*at.item()); !yield(n) {
				return
			}
		}
	}
}

// SetPending makes n the pending delivery of its entry, taking the place of an earlier one, whose consumer loses it.
// It reports false, and does nothing, if n.Consumer does not exist.
func (g *Group) SetPending(n Nack) bool {
	owner := g.Consumer(n.Consumer)
	if owner == nil {
		return false
	}
	n.Consumer = owner.name
	var c treeCursor[Nack]
	if g.seekNack(&c, n.ID) {
		old := c.item().Consumer
		g.pending.replace(&c, n)
		if old == n.Consumer {
			return true
		}
		g.editConsumer(old).remove(n.ID)
	} else {
		g.pending.insert(&c, n)
	}
	g.editConsumer(n.Consumer).add(n.ID)
	return true
}

// Ack forgets the pending delivery of the entry id and reports whether there was one.
func (g *Group) Ack(id StreamID) bool {
	var c treeCursor[Nack]
	if !g.seekNack(&c, id) {
		return false
	}
	owner := c.item().Consumer
	g.pending.delete(&c)
	g.editConsumer(owner).remove(id)
	return true
}

func (g *Group) seekNack(c *treeCursor[Nack], id StreamID) bool {
	g.pending.seek(c, func(n *Nack) bool { return !n.ID.Less(id) })
	return c.valid() && c.item().ID == id
}

// ConsumerLen is the number of consumers.
func (g *Group) ConsumerLen() int { return g.consumers.count }

// Consumers yields the consumers in the order of their names.
func (g *Group) Consumers() iter.Seq[*Consumer] { return inOrder(&g.consumers) }

// Consumer returns a consumer, nil if there is none. An edit of the group ends its use.
func (g *Group) Consumer(name string) *Consumer {
	var c treeCursor[*Consumer]
	if !g.seekConsumer(&c, name) {
		return nil
	}
	return *c.item()
}

// CreateConsumer adds a consumer, seen at now, and reports false if there is one already.
func (g *Group) CreateConsumer(name string, now int64) bool {
	var c treeCursor[*Consumer]
	if g.seekConsumer(&c, name) {
		return false
	}
	g.consumers.insert(&c, &Consumer{owner: g.owner, name: name, seen: now, pending: tree[StreamID]{owner: g.owner}})
	return true
}

// Touch records that a consumer was seen at now, and reports false if there is none.
func (g *Group) Touch(name string, now int64) bool {
	c := g.editConsumer(name)
	if c == nil {
		return false
	}
	c.seen = now
	return true
}

// DeleteConsumer drops a consumer and its pending deliveries and returns how many those were; ok is false if there is
// no such consumer.
func (g *Group) DeleteConsumer(name string) (pending int, ok bool) {
	var at treeCursor[*Consumer]
	if !g.seekConsumer(&at, name) {
		return 0, false
	}
	gone := *at.item()
	g.consumers.delete(&at)
	for id := range inOrder(&gone.pending) {
		var c treeCursor[Nack]
		if g.seekNack(&c, id) {
			g.pending.delete(&c)
		}
	}
	return gone.pending.count, true
}

func (g *Group) seekConsumer(c *treeCursor[*Consumer], name string) bool {
	g.consumers.seek(c, func(x **Consumer) bool { return (*x).name >= name })
	return c.valid() && (*c.item()).name == name
}

// editConsumer returns a consumer, made the group's own; nil if there is none.
func (g *Group) editConsumer(name string) *Consumer {
	var at treeCursor[*Consumer]
	if !g.seekConsumer(&at, name) {
		return nil
	}
	c := *at.item()
	if c.owner != g.owner {
		own := *c
		own.owner, own.pending.owner = g.owner, g.owner
		c = &own
		g.consumers.replace(&at, c)
	}
	return c
}

// Name is the consumer's name.
func (c *Consumer) Name() string { return c.name }

// SeenTime is when the consumer last asked for something, Unix time in milliseconds.
func (c *Consumer) SeenTime() int64 { return c.seen }

// PendingLen is the number of its pending deliveries.
func (c *Consumer) PendingLen() int { return c.pending.count }

func (c *Consumer) seek(at *treeCursor[StreamID], id StreamID) bool {
	c.pending.seek(at, func(x *StreamID) bool { return !x.Less(id) })
	return at.valid() && *at.item() == id
}

func (c *Consumer) add(id StreamID) {
	var at treeCursor[StreamID]
	if !c.seek(&at, id) {
		c.pending.insert(&at, id)
	}
}

func (c *Consumer) remove(id StreamID) {
	var at treeCursor[StreamID]
	if c.seek(&at, id) {
		c.pending.delete(&at)
	}
}

// inOrder yields the items of t.
func inOrder[T any](t *tree[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		var c treeCursor[T]
		for t.seekAt(&c, 0); c.valid() && yield(*c.item()); c.next() {
		}
	}
}
