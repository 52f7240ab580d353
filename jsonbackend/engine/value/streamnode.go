package value

import (
	"encoding/binary"
	"iter"
	"slices"
	"sort"
)

// StreamLimits says when a stream begins a new node. Approximate trimming drops whole nodes only, so the limits decide
// what it drops. As with [Limits], streams keep a pointer and look at it at each Append.
type StreamLimits struct {
	NodeEntries int // entries of a node, deleted ones counted: stream-node-max-entries; 0 is no limit
	NodeBytes   int // bytes of a node stored as Redis stores it: stream-node-max-bytes; 0 is 1 GiB, the most it may be
}

// DefaultStreamLimits returns those of Redis 7.0.15.
func DefaultStreamLimits() StreamLimits { return StreamLimits{NodeEntries: 100, NodeBytes: 4096} }

// maxNodeBytes bounds what NodeBytes may ask for, and the fields and values of one entry.
const maxNodeBytes = 1 << 30

// streamNode is a run of neighbouring entries in one byte slice: the field names of its first entry (the master names),
// then the entries, each of
//
//	ms delta, seq delta, 0 or names, values
//
// The deltas count from first; 0 instead of names stands for the master names. Names are their number + 1 and
// the strings; a string is its length and its bytes; numbers are varints.
//
// Bytes once written never change: a deletion moves the others to a new slice. So an entry that was handed out stays
// what it was, and copies of a node share their bytes.
type streamNode struct {
	owner  *treeOwner // of the stream that may edit this node
	first  StreamID   // the node's key: the ID of its first entry ever
	last   StreamID   // the newest entry ever added, deleted or not
	total  int        // entries ever added, deleted or not
	size   int        // bytes of the same node as a Redis listpack, without its two counters; deleting frees none
	names  int        // where the master names end in data
	starts []uint32   // where the entries begin in data
	data   []byte
}

// newStreamNode returns a node of one entry.
func newStreamNode(owner *treeOwner, id StreamID, pairs [][]byte) *streamNode {
	n := &streamNode{owner: owner, first: id, size: lpFrame + lpInt(int64(len(pairs)/2)) + lpInt(0)}
	n.data = appendNames(nil, pairs)
	n.names = len(n.data)
	for i := 0; i < len(pairs); i += 2 {
		n.size += lpString(pairs[i])
	}
	n.append(id, pairs)
	return n
}

// full reports whether an entry with payload bytes of fields and values must begin a new node.
func (n *streamNode) full(payload int, limits *StreamLimits) bool {
	most := limits.NodeBytes
	if most <= 0 || most > maxNodeBytes {
		most = maxNodeBytes
	}
	live := len(n.starts)
	size := n.size + lpInt(int64(live)) + lpInt(int64(n.total-live))
	return size+payload >= most || limits.NodeEntries > 0 && n.total >= limits.NodeEntries
}

// append adds an entry.
func (n *streamNode) append(id StreamID, pairs [][]byte) {
	ms, seq, count := int64(id.Ms-n.first.Ms), int64(id.Seq-n.first.Seq), len(pairs)/2
	same := n.hasMasterNames(pairs)
	n.starts = append(n.starts, uint32(len(n.data)))
	n.data = slices.Grow(n.data, entryBound(pairs))
	n.data = binary.AppendVarint(n.data, ms)
	n.data = binary.AppendVarint(n.data, seq)
	n.size += lpInt(0) + lpInt(ms) + lpInt(seq) // Redis' flags and the deltas
	if same {
		n.data = append(n.data, 0)
		n.size += lpInt(int64(count + 3)) // Redis' number of elements to step back over
	} else {
		n.data = appendNames(n.data, pairs)
		n.size += lpInt(int64(count)) + lpInt(int64(2*count+4))
	}
	for i := 0; i < len(pairs); i += 2 {
		if !same {
			n.size += lpString(pairs[i])
		}
		n.data = appendString(n.data, pairs[i+1])
		n.size += lpString(pairs[i+1])
	}
	n.total++
	n.last = id
}

// fit gives back the room to grow.
func (n *streamNode) fit() {
	n.data, n.starts = slices.Clone(n.data), slices.Clone(n.starts)
}

// cut deletes the entries [from, to). As in Redis they go on counting for last, total and size.
func (n *streamNode) cut(from, to int) {
	begin, end := n.starts[from], n.end(to-1)
	n.data = slices.Concat(n.data[:begin], n.data[end:])
	n.starts = slices.Concat(n.starts[:from], n.starts[to:])
	for i := from; i < len(n.starts); i++ {
		n.starts[i] -= end - begin
	}
}

// copy returns the same node for another owner. Its slices have no room to grow: the first addition moves them.
func (n *streamNode) copy(owner *treeOwner) *streamNode {
	c := *n
	c.owner = owner
	c.data, c.starts = slices.Clip(n.data), slices.Clip(n.starts)
	return &c
}

// end returns where entry i ends in data.
func (n *streamNode) end(i int) uint32 {
	if i+1 < len(n.starts) {
		return n.starts[i+1]
	}
	return uint32(len(n.data))
}

// decode returns the ID of entry i and the bytes behind it.
func (n *streamNode) decode(i int) (id StreamID, rest []byte) {
	b := n.data[n.starts[i]:n.end(i)]
	ms, k := binary.Varint(b)
	seq, l := binary.Varint(b[k:])
	return StreamID{n.first.Ms + uint64(ms), n.first.Seq + uint64(seq)}, b[k+l:]
}

// idAt returns the ID of entry i.
func (n *streamNode) idAt(i int) StreamID {
	id, _ := n.decode(i)
	return id
}

// entry returns entry i.
func (n *streamNode) entry(i int) StreamEntry {
	id, b := n.decode(i)
	if b[0] == 0 {
		return StreamEntry{ID: id, names: n.data[:n.names], values: b[1:]}
	}
	return StreamEntry{ID: id, names: b, values: b[namesLen(b):]}
}

// search returns the index of the first entry that is not before id, or the number of entries.
func (n *streamNode) search(id StreamID) int {
	return sort.Search(len(n.starts), func(i int) bool { return !n.idAt(i).Less(id) })
}

// hasMasterNames reports whether the fields of pairs are the master names.
func (n *streamNode) hasMasterNames(pairs [][]byte) bool {
	count, k := binary.Uvarint(n.data)
	if int(count)-1 != len(pairs)/2 {
		return false
	}
	name, rest := []byte(nil), n.data[k:]
	for i := 0; i < len(pairs); i += 2 {
		if name, rest = takeString(rest); string(name) != string(pairs[i]) {
			return false
		}
	}
	return true
}

// StreamEntry is an entry of a stream. It stays valid and the same whatever happens to the stream.
type StreamEntry struct {
	ID            StreamID
	names, values []byte
}

// Len is the number of fields.
func (e StreamEntry) Len() int {
	count, _ := binary.Uvarint(e.names)
	return int(count) - 1
}

// Fields yields the fields and their values as they were added; a field may repeat. The bytes must not be changed.
func (e StreamEntry) Fields() iter.Seq2[[]byte, []byte] {
	return func(yield func(field, value []byte) bool) {
		count, k := binary.Uvarint(e.names)
		names, values := e.names[k:], e.values
		for range int(count) - 1 {
			var name, value []byte
			name, names = takeString(names)
			value, values = takeString(values)
			if !yield(name, value) {
				return
			}
		}
	}
}

func appendNames(b []byte, pairs [][]byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(pairs)/2+1))
	for i := 0; i < len(pairs); i += 2 {
		b = appendString(b, pairs[i])
	}
	return b
}

// namesLen returns how many bytes the names that b begins with take.
func namesLen(b []byte) int {
	count, k := binary.Uvarint(b)
	rest := b[k:]
	for range int(count) - 1 {
		_, rest = takeString(rest)
	}
	return len(b) - len(rest)
}

func appendString(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func takeString(b []byte) (s, rest []byte) {
	n, k := binary.Uvarint(b)
	end := k + int(n)
	return b[k:end:end], b[end:]
}

// entryBound returns how many bytes an entry of pairs takes at most.
func entryBound(pairs [][]byte) int {
	bound := 2*binary.MaxVarintLen64 + binary.MaxVarintLen32
	for _, s := range pairs {
		bound += binary.MaxVarintLen32 + len(s)
	}
	return bound
}

// lpFrame is the header and the end mark of a listpack, in bytes.
const lpFrame = 6 + 1

// lpInt returns how many bytes an integer takes in a listpack, with the length that is repeated behind each element.
func lpInt(v int64) int {
	switch {
	case v >= 0 && v < 1<<7:
		return 1 + 1
	case v >= -1<<12 && v < 1<<12:
		return 2 + 1
	case v >= -1<<15 && v < 1<<15:
		return 3 + 1
	case v >= -1<<23 && v < 1<<23:
		return 4 + 1
	case v >= -1<<31 && v < 1<<31:
		return 5 + 1
	}
	return 9 + 1
}

// lpString returns how many bytes a string takes in a listpack, which stores a plain integer as one.
func lpString(s []byte) int {
	if v, ok := plainInt(s); ok {
		return lpInt(v)
	}
	n := len(s)
	switch {
	case n < 1<<6:
		n++
	case n < 1<<12:
		n += 2
	default:
		n += 5
	}
	switch { // the length behind: 7 bits a byte, though Redis turns to 3, 4 and 5 bytes one early
	case n < 1<<7:
		return n + 1
	case n < 1<<14-1:
		return n + 2
	case n < 1<<21-1:
		return n + 3
	case n < 1<<28-1:
		return n + 4
	}
	return n + 5
}
