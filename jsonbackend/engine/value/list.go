package value

import "iter"

// List is a sequence of strings that may be edited anywhere in O(log n).
type List struct {
	items tree[string]
}

// NewList returns an empty list.
func NewList() *List { return new(List) }

// Clone implements [Value].
func (l *List) Clone() Value { return &List{l.items.clone()} }

// Len is the number of elements.
func (l *List) Len() int { return l.items.count }

// Encoding is quicklist: Redis 7.0 has no compact list.
func (l *List) Encoding() string { return EncodingQuicklist }

// At returns the i-th element, 0 <= i < Len.
func (l *List) At(i int) string { return l.items.at(i) }

// Insert puts element before the i-th one, 0 <= i <= Len: 0 pushes at the front, Len at the back.
func (l *List) Insert(i int, element string) { l.items.insertAt(i, element) }

// Set exchanges the i-th element, 0 <= i < Len.
func (l *List) Set(i int, element string) {
	var c treeCursor[string]
	l.items.seekAt(&c, i)
	l.items.replace(&c, element)
}

// PushFront puts element before the first one.
func (l *List) PushFront(element string) { l.Insert(0, element) }

// PushBack puts element behind the last one.
func (l *List) PushBack(element string) { l.Insert(l.Len(), element) }

// PopFront takes out the first element; ok is false if there is none.
func (l *List) PopFront() (element string, ok bool) { return l.pop(0) }

// PopBack takes out the last element; ok is false if there is none.
func (l *List) PopBack() (element string, ok bool) { return l.pop(l.Len() - 1) }

func (l *List) pop(i int) (element string, ok bool) {
	if l.Len() == 0 {
		return "", false
	}
	var c treeCursor[string]
	l.items.seekAt(&c, i)
	element = *c.item()
	l.items.delete(&c)
	return element, true
}

// Index is the position of the first element from position from on that equals element, or -1.
func (l *List) Index(element string, from int) int {
	i := max(from, 0)
	for e := range l.Range(i, l.Len()) {
		if e == element {
			return i
		}
		i++
	}
	return -1
}

// LastIndex is the position of the last element before position before that equals element, or -1.
func (l *List) LastIndex(element string, before int) int {
	i := min(before, l.Len())
	for e := range l.RevRange(0, i) {
		i--
		if e == element {
			return i
		}
	}
	return -1
}

// Remove takes out up to count elements that equal element, from the front; for a negative count up to -count from the
// back; for 0 all of them. It returns how many it took.
func (l *List) Remove(element string, count int) (removed int) {
	if count < 0 {
		for i := l.LastIndex(element, l.Len()); i >= 0 && removed > count; i = l.LastIndex(element, i) {
			l.items.deleteAt(i)
			removed--
		}
		return -removed
	}
	for i := l.Index(element, 0); i >= 0 && (count == 0 || removed < count); i = l.Index(element, i) {
		l.items.deleteAt(i)
		removed++
	}
	return removed
}

// Range yields the elements of the positions [from, to). Positions that do not exist are left out.
func (l *List) Range(from, to int) iter.Seq[string] {
	return func(yield func(element string) bool) {
		from, to := max(from, 0), min(to, l.Len())
		if from >= to {
			return
		}
		var c treeCursor[string]
		l.items.seekAt(&c, from)
		for n := to - from; n > 0 && yield(*c.item()); n-- {
			c.next()
		}
	}
}

// RevRange yields the elements of the positions [from, to), the last one first.
func (l *List) RevRange(from, to int) iter.Seq[string] {
	return func(yield func(element string) bool) {
		from, to := max(from, 0), min(to, l.Len())
		if from >= to {
			return
		}
		var c treeCursor[string]
		l.items.seekAt(&c, to)
		for n := to - from; n > 0 && c.prev() && yield(*c.item()); n-- {
		}
	}
}

// All yields all elements in order.
func (l *List) All() iter.Seq[string] { return l.Range(0, l.Len()) }

// Trim keeps only the positions [from, to), in O(log n).
func (l *List) Trim(from, to int) {
	from = min(max(from, 0), l.Len())
	to = min(max(to, from), l.Len())
	l.items.keep(from, to)
}
