package engine

import (
	"iter"
	"math"
	"slices"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// xrange does XRANGE and, backwards, XREVRANGE, which names the greater end first.
func xrange(c *Call, backwards bool) error {
	least, greatest := 2, 3
	if backwards {
		least, greatest = 3, 2
	}
	from, err := c.rangeStart(least)
	if err != nil {
		return err
	}
	to, err := c.rangeEnd(greatest)
	if err != nil {
		return err
	}
	count := int64(math.MaxInt64)
	for i := 4; i < len(c.Args); i += 2 {
		if !c.Is(i, "COUNT") || i+1 == len(c.Args) {
			return wire.ErrSyntax
		}
		if count, err = c.Int(i + 1); err != nil {
			return err
		}
	}
	q := streamSpan{from: from, to: to, backwards: backwards, count: count}
	q.s, err = c.stream(c.Args[1])
	switch {
	case q.s == nil || err != nil:
		c.Reply.Array(0)
		return err
	case count <= 0:
		c.Reply.NullArray()
		return nil
	}
	c.entries(c.Args[1], q)
	return nil
}

// streamSpan is the first count entries with an ID from from to to, counted from to if backwards.
type streamSpan struct {
	s         *value.Stream
	from, to  value.StreamID
	backwards bool
	count     int64
}

func (q streamSpan) all() iter.Seq[value.StreamEntry] {
	entries := q.s.Range
	if q.backwards {
		entries = q.s.RevRange
	}
	return func(yield func(value.StreamEntry) bool) {
		n := int64(0)
		for e := range entries(q.from, q.to) {
			if n++; !yield(e) || n == q.count {
				return
			}
		}
	}
}

// entries replies with an array of entries of the stream at key.
func (c *Call) entries(key []byte, q streamSpan) {
	mark, n := c.Reply.Len(), 0
	for e := range q.all() {
		if n == c.engine.atOnce || c.Reply.Full(e.Len()) {
			c.Reply.Truncate(mark)
			later(c, q, replyEntries, key)
			return
		}
		c.entry(e)
		n++
	}
	c.arrayOf(mark, n)
}

func replyEntries(c *Call, q streamSpan) {
	n := 0
	for range q.all() {
		n++
	}
	c.Reply.Array(n)
	for e := range q.all() {
		c.entry(e)
	}
}

// reading is a call of XREAD or XREADGROUP.
type reading struct {
	group    []byte // nil for XREAD
	consumer []byte
	noAck    bool
	count    int64 // entries of each stream; 0 = all
	block    time.Duration
	blocks   bool
	streams  int // where the keys begin, followed by as many IDs
	keys     [][]byte
	after    []value.StreamID // what the client has of each stream
}

// unread stands for ">": what no consumer of the group was given yet. As in Redis it is the ID behind which nothing comes.
var unread = value.MaxStreamID()

// countOfBlocked is how many entries a client gets that had to wait and named no COUNT.
const countOfBlocked = 1000

// xread does XREAD and XREADGROUP (https://redis.io/commands/xreadgroup).
func xread(c *Call) error {
	var r reading
	if err := r.parse(c); err != nil {
		return err
	}
	if c.wait != nil {
		return r.again(c)
	}
	if err := r.resolve(c); err != nil {
		return err
	}
	mark, served := c.Reply.Len(), 0
	for i, key := range r.keys {
		if r.serve(c, key, r.after[i]) {
			served++
		}
	}
	switch {
	case served > 0:
		c.Reply.Precede(mark, func() { r.header(c, served) })
	case r.blocks:
		r.wait(c)
	default:
		c.Reply.NullArray()
	}
	return nil
}

// parse reads everything but the IDs.
func (r *reading) parse(c *Call) (err error) {
	grouped := c.Spec.Name == "XREADGROUP"
	for i := 1; i < len(c.Args) && r.streams == 0; i++ {
		more := len(c.Args) - 1 - i
		switch {
		case more > 0 && c.Is(i, "BLOCK"):
			i++
			r.blocks = true
			r.block, err = c.timeoutMillis(i)
		case more > 0 && c.Is(i, "COUNT"):
			i++
			r.count, err = c.Int(i)
			r.count = max(r.count, 0)
		case more > 0 && c.Is(i, "STREAMS"):
			r.streams = i + 1
			if more%2 != 0 {
				err = wire.ErrXReadUnbalanced
			}
			r.keys = c.Args[i+1 : i+1+more/2]
		case more > 1 && c.Is(i, "GROUP"):
			if !grouped {
				return wire.ErrXReadGroup
			}
			r.group, r.consumer = c.Args[i+1], c.Args[i+2]
			i += 2
		case c.Is(i, "NOACK"):
			if !grouped {
				return wire.ErrXReadNoAck
			}
			r.noAck = true
		default:
			return wire.ErrSyntax
		}
		if err != nil {
			return err
		}
	}
	switch {
	case r.streams == 0:
		return wire.ErrSyntax
	case grouped && r.group == nil:
		return wire.ErrXGroupMissing
	}
	return nil
}

// timeoutMillis reads the i-th word as how long to block, in milliseconds; 0 means for ever.
func (c *Call) timeoutMillis(i int) (time.Duration, error) {
	ms, ok := integer(c.Args[i])
	switch {
	case !ok:
		return 0, wire.ErrTimeoutNotInteger
	case ms < 0:
		return 0, wire.ErrTimeoutNegative
	}
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond, nil
}

// resolve checks the streams and reads the IDs, one stream after the other.
func (r *reading) resolve(c *Call) error {
	r.after = make([]value.StreamID, len(r.keys))
	for i, key := range r.keys {
		s, err := c.stream(key)
		if err != nil {
			return err
		}
		if r.group != nil && (s == nil || s.Group(string(r.group)) == nil) {
			return wire.NoGroupRead(key, r.group)
		}
		word := r.streams + len(r.keys) + i
		switch id := string(c.Args[word]); {
		case id == "$" && r.group != nil:
			return wire.ErrXGroupLast
		case id == "$" && s == nil:
		case id == "$":
			r.after[i] = s.LastID()
		case id == ">" && r.group == nil:
			return wire.ErrXReadNew
		case id == ">":
			r.after[i] = unread
		default:
			if r.after[i], err = c.streamID(word); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve replies with what a stream has for the client, and reports whether it has anything.
func (r *reading) serve(c *Call, key []byte, after value.StreamID) bool {
	s, _ := c.stream(key)
	if s == nil {
		return false
	}
	last, ok := s.Last()
	switch {
	case r.group != nil && after != unread:
		r.name(c, key)
		r.history(c, key, after)
	case r.group != nil && ok && s.Group(string(r.group)).LastID().Less(last.ID):
		r.name(c, key)
		r.deliver(c, key)
	case r.group == nil && ok && after.Less(last.ID):
		r.name(c, key)
		r.entries(c, key, s, after)
	default:
		return false
	}
	return true
}

// header begins a reply about so many streams: a map in RESP3, an array of pairs in RESP2.
func (r *reading) header(c *Call, streams int) {
	if c.Reply.Proto == 3 {
		c.Reply.Map(streams)
	} else {
		c.Reply.Array(streams)
	}
}

// name begins the part of the reply about one stream.
func (r *reading) name(c *Call, key []byte) {
	if c.Reply.Proto != 3 {
		c.Reply.Array(2)
	}
	c.Reply.Bulk(key)
}

// entries replies with the entries behind an ID.
func (r *reading) entries(c *Call, key []byte, s *value.Stream, after value.StreamID) {
	from, _ := after.Next()
	c.entries(key, streamSpan{s: s, from: from, to: value.MaxStreamID(), count: r.count})
}

// deliver replies with entries that the group has not seen; from now on they are pending, unless NOACK.
func (r *reading) deliver(c *Call, key []byte) {
	s, _ := c.Tx.EditStream(key)
	g := s.EditGroup(string(r.group))
	h := handover{c: c, key: key, group: g, consumer: string(r.consumer)}
	h.join()
	from, _ := g.LastID().Next()
	mark, n := c.Reply.Len(), int64(0)
	for e := range s.Range(from, value.MaxStreamID()) {
		s.Advance(g, e.ID)
		h.moved = true
		if !r.noAck {
			h.give(value.Nack{ID: e.ID, Time: c.Tx.Now, Count: 1})
		}
		c.entry(e)
		if n++; n == r.count {
			break
		}
	}
	c.arrayOf(mark, int(n))
	h.finish()
}

// history replies with entries that are pending for the consumer, behind an ID; that counts as another delivery. Of an
// entry that was deleted since, only the ID is left.
func (r *reading) history(c *Call, key []byte, after value.StreamID) {
	s, _ := c.Tx.EditStream(key)
	g := s.EditGroup(string(r.group))
	h := handover{c: c, key: key, group: g, consumer: string(r.consumer)}
	h.join()
	from, _ := after.Next()
	var pending []value.Nack
	for n := range g.PendingOf(g.Consumer(h.consumer), from, value.MaxStreamID()) {
		pending = append(pending, n)
		if int64(len(pending)) == r.count {
			break
		}
	}
	c.Reply.Array(len(pending))
	for _, n := range pending {
		e, exists := s.Get(n.ID)
		if !exists {
			c.Reply.Array(2)
			c.id(n.ID)
			c.Reply.NullArray()
			continue
		}
		n.Time, n.Count = c.Tx.Now, onceMore(n.Count)
		h.give(n)
		c.entry(e)
	}
	h.finish()
}

// wait parks the client. What "$" stands for is decided now.
func (r *reading) wait(c *Call) {
	w := Wait{Keys: r.keys, Type: isStream, Args: slices.Clone(c.Args), Timeout: r.block, TimedOut: (*wire.Writer).NullArray}
	if r.group != nil {
		w.Lost = wire.ErrStreamGone
	} else {
		for i, id := range r.after {
			w.Args[r.streams+len(r.keys)+i] = id.Append(nil)
		}
	}
	c.Block(w)
}

func isStream(v value.Value) bool {
	_, ok := v.(*value.Stream)
	return ok
}

// again serves a parked client from the one stream that was written; if there is nothing for it, it goes on waiting.
// As in Redis it is the stream's last ID that counts, though that entry may be gone already.
func (r *reading) again(c *Call) error {
	i := slices.IndexFunc(r.keys, func(key []byte) bool { return string(key) == c.ready })
	key := r.keys[i]
	s, err := c.Tx.Stream(key)
	if s == nil || err != nil {
		return err
	}
	var after value.StreamID
	if r.group == nil {
		if after, err = c.streamID(r.streams + len(r.keys) + i); err != nil {
			return err
		}
	} else {
		g := s.Group(string(r.group))
		if g == nil {
			return wire.ErrGroupGone
		}
		after = g.LastID()
	}
	if !after.Less(s.LastID()) {
		return nil
	}
	if r.count == 0 {
		r.count = countOfBlocked
	}
	r.header(c, 1)
	r.name(c, key)
	if r.group == nil {
		r.entries(c, key, s, after)
	} else {
		r.deliver(c, key)
	}
	return nil
}
