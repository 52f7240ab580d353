package value

import (
	"errors"
	"iter"
	"math"
	"math/bits"
)

// EncodingStream is what Redis calls the only form of a stream.
const EncodingStream = "stream"

// What a Stream refuses.
var (
	ErrIDTooSmall    = errors.New("stream ID is not above the last one")
	ErrIDsExhausted  = errors.New("stream has used its last possible ID")
	ErrEntryTooLarge = errors.New("stream entry is too large")
	ErrAddedTooSmall = errors.New("stream cannot have more entries than were ever added")
)

// Stream is a log of entries in ascending order of their IDs, and its consumer groups, as Redis 7.0 has them.
//
// The entries lie in nodes, divided exactly as Redis divides them, because approximate trimming shows where a node
// ends. As there, a deleted entry goes on taking room in its node; unlike there, its bytes are freed.
type Stream struct {
	limits     *StreamLimits
	owner      *treeOwner // what bears this mark is not shared with another copy and may be edited in place
	nodes      tree[*streamNode]
	groups     tree[*Group] // by name
	length     int
	added      uint64
	last       StreamID
	maxDeleted StreamID
}

// NewStream returns an empty stream.
func NewStream(limits *StreamLimits) *Stream { return &Stream{limits: limits} }

// Clone implements [Value]. It ends the use of what EditGroup returned.
func (s *Stream) Clone() Value {
	c := *s
	s.share()
	c.share()
	return &c
}

// share makes everything in s look like another copy's.
func (s *Stream) share() {
	s.owner = new(treeOwner)
	s.nodes.owner, s.groups.owner = s.owner, s.owner
}

// Len is the number of entries.
func (s *Stream) Len() int { return s.length }

// Encoding is EncodingStream.
func (s *Stream) Encoding() string { return EncodingStream }

// LastID is the greatest ID ever given to an entry, or what SetID made of it; 0-0 in a new stream.
func (s *Stream) LastID() StreamID { return s.last }

// MaxDeletedID is the greatest ID ever taken out by Delete, 0-0 if there is none. Trimming does not count.
func (s *Stream) MaxDeletedID() StreamID { return s.maxDeleted }

// EntriesAdded is the number of entries ever added, or what SetID made of it.
func (s *Stream) EntriesAdded() uint64 { return s.added }

// FirstID is the ID of the first entry, 0-0 in an empty stream.
func (s *Stream) FirstID() StreamID {
	e, _ := s.First()
	return e.ID
}

// NextID returns the ID of an entry added at ms, a Unix time in milliseconds: ms-0, or the one after LastID if that is
// not before it. The error is ErrIDsExhausted.
func (s *Stream) NextID(ms uint64) (StreamID, error) {
	if ms > s.last.Ms {
		return StreamID{Ms: ms}, nil
	}
	id, ok := s.last.Next()
	if !ok {
		return StreamID{}, ErrIDsExhausted
	}
	return id, nil
}

// NextSeq returns the first free ID within ms. The error is ErrIDTooSmall.
func (s *Stream) NextSeq(ms uint64) (StreamID, error) {
	switch {
	case ms > s.last.Ms:
		return StreamID{Ms: ms}, nil
	case ms < s.last.Ms || s.last.Seq == math.MaxUint64:
		return StreamID{}, ErrIDTooSmall
	}
	return StreamID{ms, s.last.Seq + 1}, nil
}

// Append adds an entry; pairs are its fields, at least one, each followed by its value. They are copied. The error is
// ErrIDsExhausted, ErrIDTooSmall or ErrEntryTooLarge.
func (s *Stream) Append(id StreamID, pairs [][]byte) error {
	payload := 0
	for _, p := range pairs {
		payload += len(p)
	}
	switch {
	case s.last == MaxStreamID():
		return ErrIDsExhausted
	case !s.last.Less(id):
		return ErrIDTooSmall
	case payload > maxNodeBytes:
		return ErrEntryTooLarge
	case len(pairs) == 0 || len(pairs)%2 != 0:
		return errors.New("append to stream: fields and values must come in pairs")
	}
	if tail := s.tail(); tail == nil || tail.full(payload, s.limits) {
		if tail != nil && tail.owner == s.owner {
			tail.fit()
		}
		s.nodes.insertAt(s.nodes.count, newStreamNode(s.owner, id, pairs))
	} else {
		if tail.owner != s.owner {
			var c treeCursor[*streamNode]
			s.nodes.seekAt(&c, s.nodes.count-1)
			tail = s.edit(&c)
		}
		tail.append(id, pairs)
	}
	s.length++
	s.added++
	s.last = id
	return nil
}

// Get returns the entry with the ID.
func (s *Stream) Get(id StreamID) (e StreamEntry, ok bool) {
	var c treeCursor[*streamNode]
	n, i, ok := s.find(&c, id)
	if !ok {
		return StreamEntry{}, false
	}
	return n.entry(i), true
}

// Delete takes out the entry with the ID and reports whether there was one.
func (s *Stream) Delete(id StreamID) bool {
	var c treeCursor[*streamNode]
	n, i, ok := s.find(&c, id)
	if !ok {
		return false
	}
	if len(n.starts) == 1 {
		s.nodes.delete(&c)
	} else {
		s.edit(&c).cut(i, i+1)
	}
	s.length--
	if s.maxDeleted.Less(id) {
		s.maxDeleted = id
	}
	return true
}

// First returns the entry with the least ID.
func (s *Stream) First() (e StreamEntry, ok bool) {
	for e := range s.Range(StreamID{}, MaxStreamID()) {
		return e, true
	}
	return StreamEntry{}, false
}

// Last returns the entry with the greatest ID.
func (s *Stream) Last() (e StreamEntry, ok bool) {
	for e := range s.RevRange(StreamID{}, MaxStreamID()) {
		return e, true
	}
	return StreamEntry{}, false
}

// Range yields the entries with from <= ID <= to, in ascending order. Meanwhile groups may be edited, entries may not.
func (s *Stream) Range(from, to StreamID) iter.Seq[StreamEntry] {
	return func(yield func(StreamEntry) bool) {
		var c treeCursor[*streamNode]
		for s.seek(&c, from); c.valid(); c.next() {
			n := *c.item()
			for i := n.search(from); i < len(n.starts); i++ {
				if e := n.entry(i); to.Less(e.ID) || !yield(e) {
					return
				}
			}
		}
	}
}

// RevRange is Range in descending order.
func (s *Stream) RevRange(from, to StreamID) iter.Seq[StreamEntry] {
	return func(yield func(StreamEntry) bool) {
		var c treeCursor[*streamNode]
		s.seek(&c, to)
		for more := c.valid(); more; more = c.prev() {
			n := *c.item()
			i := len(n.starts)
			if !n.last.Less(to) {
				i = n.search(to)
				if i < len(n.starts) && n.idAt(i) == to {
					i++
				}
			}
			for i--; i >= 0; i-- {
				if e := n.entry(i); e.ID.Less(from) || !yield(e) {
					return
				}
			}
		}
	}
}

// All yields every entry, in ascending order.
func (s *Stream) All() iter.Seq[StreamEntry] { return s.Range(StreamID{}, MaxStreamID()) }

// TrimMaxLen deletes the oldest entries until at most n are left, and returns how many it deleted. If approx, it
// deletes whole nodes only, never leaving fewer than n entries. It deletes no more than limit, counted in whole nodes;
// 0 is no limit. (Redis sets a limit only if approx: 100 times StreamLimits.NodeEntries unless the client chose.)
func (s *Stream) TrimMaxLen(n int, approx bool, limit int) int {
	return s.trim(approx, limit, func(head *streamNode) (entries int, whole bool) {
		entries = max(s.length-n, 0)
		return entries, entries > 0 && entries >= len(head.starts)
	})
}

// TrimMinID deletes the entries before id, and returns how many it deleted; approx and limit as for TrimMaxLen.
func (s *Stream) TrimMinID(id StreamID, approx bool, limit int) int {
	return s.trim(approx, limit, func(head *streamNode) (entries int, whole bool) {
		return head.search(id), head.last.Less(id)
	})
}

// trim asks of one node after the other how many entries to delete at its front, or whether to drop it whole, until
// one stays. Even without entries a node may have to stay, if its last one, deleted long ago, is not yet out of date:
// Redis goes on filling it.
func (s *Stream) trim(approx bool, limit int, surplus func(head *streamNode) (entries int, whole bool)) int {
	deleted := 0
	for s.nodes.count > 0 {
		var c treeCursor[*streamNode]
		s.nodes.seekAt(&c, 0)
		head := *c.item()
		entries, whole := surplus(head)
		if whole {
			entries = len(head.starts)
		}
		if limit > 0 && deleted+len(head.starts) > limit || !whole && (approx || entries == 0) {
			break
		}
		if whole {
			s.nodes.delete(&c)
		} else {
			s.edit(&c).cut(0, entries)
		}
		s.length -= entries
		deleted += entries
		if !whole {
			break
		}
	}
	return deleted
}

// KeepAdded and the zero StreamID make SetID leave EntriesAdded and MaxDeletedID alone.
const KeepAdded = -1

// SetID sets LastID, EntriesAdded and MaxDeletedID. LastID cannot go below the last entry (ErrIDTooSmall), nor
// EntriesAdded below Len (ErrAddedTooSmall); that maxDeleted <= id is for the caller to check.
func (s *Stream) SetID(id StreamID, added int64, maxDeleted StreamID) error {
	if last, ok := s.Last(); ok {
		if id.Less(last.ID) {
			return ErrIDTooSmall
		}
		if added != KeepAdded && added < int64(s.length) {
			return ErrAddedTooSmall
		}
	}
	if tail := s.tail(); tail != nil && id.Less(tail.last) {
		s.lowerTail(id)
	}
	s.last = id
	if added != KeepAdded {
		s.added = uint64(added)
	}
	if !maxDeleted.IsZero() {
		s.maxDeleted = maxDeleted
	}
	return nil
}

// lowerTail makes the last node forget the entries above id, all of them deleted, so that nodes never overlap. Redis
// lets them overlap, and trims a little differently afterwards.
func (s *Stream) lowerTail(id StreamID) {
	var c treeCursor[*streamNode]
	s.nodes.seekAt(&c, s.nodes.count-1)
	if id.Less((*c.item()).first) {
		s.nodes.delete(&c)
	} else {
		s.edit(&c).last = id
	}
}

// tail returns the last node, nil if there is none.
func (s *Stream) tail() *streamNode {
	if s.nodes.count == 0 {
		return nil
	}
	return s.nodes.root.last()
}

// seek moves c to the node that would hold id: the last one that does not begin behind it, or else the first one.
func (s *Stream) seek(c *treeCursor[*streamNode], id StreamID) {
	s.nodes.seek(c, func(n **streamNode) bool { return id.Less((*n).first) })
	c.prev()
}

// find moves c to the node with the entry id and returns the node and the entry's index in it.
func (s *Stream) find(c *treeCursor[*streamNode], id StreamID) (n *streamNode, i int, ok bool) {
	if s.seek(c, id); !c.valid() {
		return nil, 0, false
	}
	n = *c.item()
	i = n.search(id)
	return n, i, i < len(n.starts) && n.idAt(i) == id
}

// edit returns the node at c, made this copy's own.
func (s *Stream) edit(c *treeCursor[*streamNode]) *streamNode {
	n := *c.item()
	if n.owner != s.owner {
		n = n.copy(s.owner)
		s.nodes.replace(c, n)
	}
	return n
}

// RadixKeys is the number of nodes, each a key of the radix tree that Redis keeps them in.
func (s *Stream) RadixKeys() int { return s.nodes.count }

// radixExact is how many keys RadixNodes looks at; it estimates the rest.
const radixExact = 4096

// RadixNodes is the number of nodes of that radix tree, whose keys are the 16 bytes of a first ID: one node for each
// key's end, each branch, and each run of bytes between them.
func (s *Stream) RadixNodes() int {
	if s.nodes.count == 0 {
		return 1
	}
	const root, leaf = -1, 16 // depths: bytes above a branch or an end; the root's stands for no branch above
	nodes, above := 0, root   // above: the deepest branch that the last key shares with the one before it
	link := func(parent, child int) {
		nodes++
		if child > parent+1 {
			nodes++
		}
	}
	path := []int{root} // the branches above the last key
	add := func(depth int) {
		link(max(above, depth), leaf)
		for top := len(path) - 1; path[top] > depth; top-- {
			link(max(path[top-1], depth), path[top])
			path = path[:top]
		}
		if path[len(path)-1] < depth {
			path = append(path, depth)
		}
		above = depth
	}
	var c treeCursor[*streamNode]
	s.nodes.seekAt(&c, 0)
	last := (*c.item()).first
	seen := min(s.nodes.count, radixExact)
	for range seen - 1 {
		c.next()
		id := (*c.item()).first
		add(commonBytes(last, id))
		last = id
	}
	add(root)
	return nodes * s.nodes.count / seen
}

// commonBytes returns how many of their first bytes two different IDs share.
func commonBytes(a, b StreamID) int {
	if a.Ms != b.Ms {
		return bits.LeadingZeros64(a.Ms^b.Ms) / 8
	}
	return 8 + bits.LeadingZeros64(a.Seq^b.Seq)/8
}
