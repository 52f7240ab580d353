package value

import "slices"

const (
	treeFan   = 64              // most items of a leaf, most kids of an inner node
	treeThin  = treeFan / 3     // a node that a deletion leaves with fewer is joined or evened out with a neighbour
	treeJoin  = treeFan * 3 / 4 // the most that joining two nodes may give, so that the next insertion does not split them
	treeDepth = 12              // levels; with at least treeThin kids a node, far more than memory can fill
)

// tree is a sequence of items in which each has a position: a persistent, counted B-tree with all items in the leaves.
// It knows no order of its own: a search asks the caller's predicate, which must be false up to some position and true
// from there on, and an insertion goes where the cursor is. The zero tree is empty.
//
// Law of copy-on-write: a tree changes only nodes that carry its own owner. clone gives both trees new owners, so that
// every node that exists at that moment is frozen, and each tree copies the nodes on its path before it edits them.
// Reading looks at no owner, so it is safe beside the edits of another copy.
//
// Only nodes on the left and right edge may hold fewer than treeThin: a sequence that grows at one end (a queue, scores
// that are times) fills its nodes completely.
type tree[T any] struct {
	root  *treeNode[T]
	owner *treeOwner
	count int
}

// treeOwner is an identity; nil is that of every tree that was never cloned, for those share no nodes.
type treeOwner struct{ _ byte }

// treeNode is a leaf (items) or an inner node (kids, never nil).
type treeNode[T any] struct {
	owner *treeOwner
	items []T
	kids  []treeKid[T]
}

// treeKid is a node as its parent sees it: count items below it, the last of which is last.
type treeKid[T any] struct {
	node  *treeNode[T]
	count int
	last  T
}

// treeCursor is a position in a tree: before an item, or at the end. Any edit of the tree ends its use.
type treeCursor[T any] struct {
	path  [treeDepth]treeStep[T]
	depth int // steps in use; the last one is a leaf's. 0: no position, as in an empty tree
}

type treeStep[T any] struct {
	node *treeNode[T]
	i    int // the kid taken, or in a leaf the item's index
}

// seek moves c to the first item for which reached is true, or to the end.
func (t *tree[T]) seek(c *treeCursor[T], reached func(*T) bool) {
	c.depth = 0
	n := t.root
	if n == nil {
		return
	}
	for n.kids != nil {
		lo, hi := 0, len(n.kids)-1 // the last kid takes what no other does
		for lo < hi {
			if mid := (lo + hi) / 2; reached(&n.kids[mid].last) {
				hi = mid
			} else {
				lo = mid + 1
			}
		}
		c.push(n, lo)
		n = n.kids[lo].node
	}
	lo, hi := 0, len(n.items)
	for lo < hi {
		if mid := (lo + hi) / 2; reached(&n.items[mid]) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	c.push(n, lo)
}

// seekAt moves c to position i, 0 <= i <= count; count is the end.
func (t *tree[T]) seekAt(c *treeCursor[T], i int) {
	c.depth = 0
	n := t.root
	if n == nil {
		return
	}
	for n.kids != nil {
		k := 0
		for k < len(n.kids)-1 && i >= n.kids[k].count {
			i -= n.kids[k].count
			k++
		}
		c.push(n, k)
		n = n.kids[k].node
	}
	c.push(n, i)
}

// at returns the item at position i, 0 <= i < count.
func (t *tree[T]) at(i int) T {
	var c treeCursor[T]
	t.seekAt(&c, i)
	return *c.item()
}

// insert puts item before c's position.
func (t *tree[T]) insert(c *treeCursor[T], item T) {
	t.count++
	if c.depth == 0 {
		t.root = &treeNode[T]{owner: t.owner, items: []T{item}}
		return
	}
	cut := c.cut()
	t.own(c)
	d := c.depth - 1
	leaf, i := c.path[d].node, c.path[d].i
	var right *treeNode[T] // split off from the node below, not yet known to its parent
	if len(leaf.items) < treeFan {
		leaf.items = slices.Insert(leaf.items, i, item)
	} else {
		right = &treeNode[T]{owner: t.owner}
		leaf.items, right.items = splitInsert(leaf.items, i, item, cut)
	}
	for d--; d >= 0; d-- {
		n, i := c.path[d].node, c.path[d].i
		if right == nil {
			n.kids[i].count++
			n.kids[i].last = n.kids[i].node.last()
			continue
		}
		n.kids[i] = kidOf(n.kids[i].node)
		k := kidOf(right)
		if len(n.kids) < treeFan {
			right = nil
			n.kids = slices.Insert(n.kids, i+1, k)
		} else {
			right = &treeNode[T]{owner: t.owner}
			n.kids, right.kids = splitInsert(n.kids, i+1, k, cut)
		}
	}
	if right != nil {
		t.root = &treeNode[T]{owner: t.owner, kids: []treeKid[T]{kidOf(t.root), kidOf(right)}}
	}
}

// insertAt puts item before position i, 0 <= i <= count.
func (t *tree[T]) insertAt(i int, item T) {
	var c treeCursor[T]
	t.seekAt(&c, i)
	t.insert(&c, item)
}

// replace exchanges the item at c; the order that searches rely on must stay.
func (t *tree[T]) replace(c *treeCursor[T], item T) {
	t.own(c)
	d := c.depth - 1
	c.path[d].node.items[c.path[d].i] = item
	for d--; d >= 0; d-- {
		k := &c.path[d].node.kids[c.path[d].i]
		k.last = k.node.last()
	}
}

// delete takes out the item at c.
func (t *tree[T]) delete(c *treeCursor[T]) {
	t.count--
	if t.count == 0 {
		t.root = nil
		return
	}
	t.own(c)
	d := c.depth - 1
	leaf, i := c.path[d].node, c.path[d].i
	leaf.items = slices.Delete(leaf.items, i, i+1)
	for d--; d >= 0; d-- {
		n, i := c.path[d].node, c.path[d].i
		k := &n.kids[i]
		switch size := k.node.size(); {
		case size == 0:
			n.kids = slices.Delete(n.kids, i, i+1)
		case size < treeThin && len(n.kids) > 1:
			t.refill(n, max(i-1, 0))
		default:
			k.count--
			k.last = k.node.last()
		}
	}
	for len(t.root.kids) == 1 {
		t.root = t.root.kids[0].node
	}
}

// deleteAt takes out the item at position i, 0 <= i < count.
func (t *tree[T]) deleteAt(i int) {
	var c treeCursor[T]
	t.seekAt(&c, i)
	t.delete(&c)
}

// keep leaves only the items at the positions [from, to), 0 <= from <= to <= count, in O(log n).
func (t *tree[T]) keep(from, to int) {
	if from == to {
		t.root, t.count = nil, 0
		return
	}
	var c treeCursor[T]
	if to < t.count {
		t.seekAt(&c, to-1)
		t.prune(&c, func(n *treeNode[T], i int) {
			n.items, n.kids = head(n.items, i+1), head(n.kids, i+1)
		}, func(n *treeNode[T]) int { return len(n.kids) - 1 })
		t.count = to
	}
	if from > 0 {
		t.seekAt(&c, from)
		t.prune(&c, func(n *treeNode[T], i int) {
			n.items, n.kids = tail(n.items, i), tail(n.kids, i)
		}, func(n *treeNode[T]) int { return 0 })
		t.count -= from
	}
}

// prune shortens the nodes on c's path with cut, which is told which element the path goes through; that is then an edge of
// the tree, where thin nodes may be. edge says which kid the path goes through afterwards.
func (t *tree[T]) prune(c *treeCursor[T], cut func(n *treeNode[T], i int), edge func(n *treeNode[T]) int) {
	t.own(c)
	for d := c.depth - 1; d >= 0; d-- {
		n := c.path[d].node
		cut(n, c.path[d].i)
		if n.kids != nil {
			k := &n.kids[edge(n)]
			*k = kidOf(k.node)
		}
	}
	for len(t.root.kids) == 1 {
		t.root = t.root.kids[0].node
	}
}

// head is s[:n] without the rest being kept alive; nil stays nil.
func head[E any](s []E, n int) []E {
	if s == nil {
		return nil
	}
	clear(s[n:])
	return s[:n]
}

// tail is s[i:], moved to the front; nil stays nil.
func tail[E any](s []E, i int) []E {
	if s == nil {
		return nil
	}
	return slices.Delete(s, 0, i)
}

// refill joins n's kids j and j+1, or evens them out if one node would be too full.
func (t *tree[T]) refill(n *treeNode[T], j int) {
	a, b := t.owned(n.kids[j].node), n.kids[j+1].node
	n.kids[j].node = a
	if a.size()+b.size() <= treeJoin {
		a.items = append(a.items, b.items...)
		a.kids = append(a.kids, b.kids...)
		n.kids = slices.Delete(n.kids, j+1, j+2)
	} else {
		b = t.owned(b)
		a.items, b.items = even(a.items, b.items)
		a.kids, b.kids = even(a.kids, b.kids)
		n.kids[j+1] = kidOf(b)
	}
	n.kids[j] = kidOf(a)
}

// clone returns a copy and freezes every node of both.
func (t *tree[T]) clone() tree[T] {
	t.owner = new(treeOwner)
	return tree[T]{root: t.root, owner: new(treeOwner), count: t.count}
}

// own makes every node on c's path the tree's own.
func (t *tree[T]) own(c *treeCursor[T]) {
	for d := range c.depth {
		n := t.owned(c.path[d].node)
		if n == c.path[d].node {
			continue
		}
		c.path[d].node = n
		if d == 0 {
			t.root = n
		} else {
			c.path[d-1].node.kids[c.path[d-1].i].node = n
		}
	}
}

func (t *tree[T]) owned(n *treeNode[T]) *treeNode[T] {
	if n.owner == t.owner {
		return n
	}
	return &treeNode[T]{owner: t.owner, items: sameRoom(n.items), kids: sameRoom(n.kids)}
}

func (n *treeNode[T]) size() int { return len(n.items) + len(n.kids) }

func (n *treeNode[T]) last() T {
	if n.kids != nil {
		return n.kids[len(n.kids)-1].last
	}
	return n.items[len(n.items)-1]
}

func kidOf[T any](n *treeNode[T]) treeKid[T] {
	count := len(n.items)
	for i := range n.kids {
		count += n.kids[i].count
	}
	return treeKid[T]{node: n, count: count, last: n.last()}
}

func (c *treeCursor[T]) push(n *treeNode[T], i int) {
	c.path[c.depth] = treeStep[T]{n, i}
	c.depth++
}

// valid reports whether c is at an item.
func (c *treeCursor[T]) valid() bool {
	return c.depth > 0 && c.path[c.depth-1].i < len(c.path[c.depth-1].node.items)
}

// item is the item at c, not to be written to.
func (c *treeCursor[T]) item() *T {
	s := &c.path[c.depth-1]
	return &s.node.items[s.i]
}

// pos is the number of items before c.
func (c *treeCursor[T]) pos() int {
	pos := 0
	for d := range c.depth {
		s := &c.path[d]
		if s.node.kids == nil {
			pos += s.i
			continue
		}
		for i := range s.i {
			pos += s.node.kids[i].count
		}
	}
	return pos
}

// next moves c from an item to the following one, or to the end.
func (c *treeCursor[T]) next() {
	d := c.depth - 1
	c.path[d].i++
	if c.path[d].i < len(c.path[d].node.items) {
		return
	}
	for d--; d >= 0; d-- {
		if s := &c.path[d]; s.i+1 < len(s.node.kids) {
			s.i++
			n := s.node.kids[s.i].node
			c.depth = d + 1
			for n.kids != nil {
				c.push(n, 0)
				n = n.kids[0].node
			}
			c.push(n, 0)
			return
		}
	}
}

// prev moves c to the item before it and reports whether there is one.
func (c *treeCursor[T]) prev() bool {
	d := c.depth - 1
	for ; d >= 0 && c.path[d].i == 0; d-- {
	}
	if d < 0 {
		return false
	}
	s := &c.path[d]
	s.i--
	c.depth = d + 1
	for n := s.node; n.kids != nil; {
		n = n.kids[c.path[c.depth-1].i].node
		c.push(n, n.size()-1)
	}
	return true
}

// cut says how many of the treeFan+1 elements of a node stay in it when an insertion at c splits it: half of them, but
// at either end of the tree all that leave one, for what grows at an end will go on there.
func (c *treeCursor[T]) cut() int {
	front, back := true, true
	for _, s := range c.path[:c.depth] {
		front = front && s.i == 0
		back = back && s.i == max(len(s.node.items), len(s.node.kids)-1)
	}
	switch {
	case front:
		return 1
	case back:
		return treeFan
	}
	return (treeFan + 1) / 2
}

// splitInsert is s with e at index i, divided after cut elements. The first part reuses s.
func splitInsert[E any](s []E, i int, e E, cut int) (left, right []E) {
	right = make([]E, 0, treeFan)
	if i < cut {
		right = append(right, s[cut-1:]...)
		clear(s[cut-1:])
		return slices.Insert(s[:cut-1], i, e), right
	}
	right = append(append(append(right, s[cut:i]...), e), s[i:]...)
	clear(s[cut:])
	return s[:cut], right
}

// even moves elements over the border between a and b until both hold half.
func even[E any](a, b []E) ([]E, []E) {
	half := (len(a) + len(b)) / 2
	if n := half - len(a); n > 0 {
		return append(a, b[:n]...), slices.Delete(b, 0, n)
	}
	b = slices.Insert(b, 0, a[half:]...)
	clear(a[half:])
	return a[:half], b
}

// sameRoom copies s with its capacity, for the copy is about to be edited; nil stays nil.
func sameRoom[E any](s []E) []E {
	if s == nil {
		return nil
	}
	return append(make([]E, 0, cap(s)), s...)
}
