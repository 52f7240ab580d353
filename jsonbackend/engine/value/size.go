package value

import (
	"iter"
	"unsafe"
)

// What containers cost beside their elements. Nodes of a tree are half to fully used, so an item has a third of its size for
// slack, and the nodes above it are few.
const (
	stringHeader = int64(unsafe.Sizeof(""))
	slack        = 1.33
)

// Size estimates how many bytes of this process' memory v takes. The elements' own bytes are the mean of the first samples
// elements. A copy that shares memory with another counts it in full.
func Size(v Value, samples int) int64 {
	switch v := v.(type) {
	case *Str:
		return int64(unsafe.Sizeof(*v)) + int64(cap(v.B))
	case *Hash:
		item := 2 * stringHeader
		if v.dict != nil {
			item = treeItem[dictItem[string]]()
		}
		return int64(unsafe.Sizeof(*v)) + int64(v.Len())*item + extrapolate(v.Len(), samples, func(yield func(int) bool) {
			for field, text := range v.All() {
				if !yield(len(field) + len(text)) {
					return
				}
			}
		})
	case *Set:
		if v.dict == nil {
			return int64(unsafe.Sizeof(*v)) + 8*int64(cap(v.ints))
		}
		return int64(unsafe.Sizeof(*v)) + int64(v.Len())*treeItem[dictItem[struct{}]]() + extrapolate(v.Len(), samples, lengths(v.All()))
	case *ZSet:
		item := treeItem[zsetItem]()
		if v.scores != nil {
			item += treeItem[dictItem[float64]]()
		}
		return int64(unsafe.Sizeof(*v)) + int64(v.Len())*item + extrapolate(v.Len(), samples, func(yield func(int) bool) {
			for member := range v.All() {
				if !yield(len(member)) {
					return
				}
			}
		})
	case *List:
		return int64(unsafe.Sizeof(*v)) + int64(v.Len())*treeItem[string]() + extrapolate(v.Len(), samples, lengths(v.All()))
	case *Stream:
		return int64(unsafe.Sizeof(*v)) + v.size(samples)
	}
	return 0
}

// treeItem is what a tree takes for an item.
func treeItem[T any]() int64 {
	var item T
	return int64(float64(unsafe.Sizeof(item)) * slack)
}

func lengths(elements iter.Seq[string]) iter.Seq[int] {
	return func(yield func(int) bool) {
		for e := range elements {
			if !yield(len(e)) {
				return
			}
		}
	}
}

// extrapolate sums n sizes, of which it looks at the first samples.
func extrapolate(n, samples int, sizes iter.Seq[int]) int64 {
	sum, seen := int64(0), 0
	if samples <= 0 {
		return 0
	}
	for size := range sizes {
		sum += int64(size)
		if seen++; seen == samples {
			break
		}
	}
	if seen == 0 {
		return 0
	}
	return int64(float64(sum) / float64(seen) * float64(n))
}

func (s *Stream) size(samples int) int64 {
	nodes := int64(s.nodes.count) * (treeItem[*streamNode]() + int64(unsafe.Sizeof(streamNode{})))
	nodes += extrapolate(s.nodes.count, samples, func(yield func(int) bool) {
		var c treeCursor[*streamNode]
		for s.seek(&c, StreamID{}); c.valid(); c.next() {
			if n := *c.item(); !yield(cap(n.data) + 4*cap(n.starts)) {
				return
			}
		}
	})
	for g := range s.Groups() {
		nodes += int64(unsafe.Sizeof(*g)) + int64(g.pending.count)*2*treeItem[Nack]() + int64(g.consumers.count)*treeItem[Consumer]()
	}
	return nodes
}
