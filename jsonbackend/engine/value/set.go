package value

import (
	"iter"
	"slices"
	"strconv"
)

// Set is a set of strings. While all members are integers in canonical decimal form, and few (see [Limits]), their
// order is numeric; otherwise, and from then on, that of a hash of the member.
type Set struct {
	limits *Limits
	ints   []int64         // ascending; the compact form, while dict is nil
	shared bool            // ints belongs to another copy too
	dict   *dict[struct{}] // big form
}

// NewSet returns an empty set.
func NewSet(limits *Limits) *Set { return &Set{limits: limits} }

// Clone implements [Value].
func (s *Set) Clone() Value {
	s.shared = true
	c := *s
	if s.dict != nil {
		c.dict = s.dict.clone()
	}
	return &c
}

// Len is the number of members.
func (s *Set) Len() int {
	if s.dict != nil {
		return s.dict.items.count
	}
	return len(s.ints)
}

// Encoding is intset (compact) or hashtable.
func (s *Set) Encoding() string {
	if s.dict != nil {
		return EncodingHashtable
	}
	return EncodingIntset
}

// Has reports whether member is in the set.
func (s *Set) Has(member string) bool {
	if s.dict != nil {
		_, ok := s.dict.get(hashOf(member), member)
		return ok
	}
	_, ok := s.index(member)
	return ok
}

// Add puts member in and reports whether it is new.
func (s *Set) Add(member string) bool {
	n, isInt := int64(0), false
	if s.dict == nil {
		if n, isInt = parseInt(member); !isInt {
			s.grow()
		}
	}
	if s.dict != nil {
		return s.dict.set(hashOf(member), member, struct{}{})
	}
	i, found := slices.BinarySearch(s.ints, n)
	if found {
		return false
	}
	s.unshare()
	s.ints = slices.Insert(s.ints, i, n)
	if len(s.ints) > s.limits.SetInts {
		s.grow()
	}
	return true
}

// Remove takes member out and reports whether it was in.
func (s *Set) Remove(member string) bool {
	if s.dict != nil {
		return s.dict.delete(hashOf(member), member)
	}
	i, found := s.index(member)
	if !found {
		return false
	}
	s.unshare()
	s.ints = slices.Delete(s.ints, i, i+1)
	return true
}

// At returns the i-th member in the set's present order, 0 <= i < Len.
func (s *Set) At(i int) string {
	if s.dict != nil {
		return s.dict.items.at(i).key
	}
	return strconv.FormatInt(s.ints[i], 10)
}

// All yields the members in the set's present order.
func (s *Set) All() iter.Seq[string] {
	return func(yield func(member string) bool) {
		if s.dict != nil {
			s.dict.all(func(member string, _ struct{}) bool { return yield(member) })
			return
		}
		for _, n := range s.ints {
			if !yield(strconv.FormatInt(n, 10)) {
				return
			}
		}
	}
}

// Scan is like [Hash.Scan], for members.
func (s *Set) Scan(cursor uint64, count int, yield func(member string)) (next uint64) {
	if s.dict != nil {
		return s.dict.scan(cursor, count, func(member string, _ struct{}) { yield(member) })
	}
	for _, n := range s.ints {
		yield(strconv.FormatInt(n, 10))
	}
	return 0
}

// index is the place of member in the compact form.
func (s *Set) index(member string) (i int, found bool) {
	n, ok := parseInt(member)
	if !ok {
		return 0, false
	}
	return slices.BinarySearch(s.ints, n)
}

// grow leaves the compact form.
func (s *Set) grow() {
	s.dict = new(dict[struct{}])
	for _, n := range s.ints {
		member := strconv.FormatInt(n, 10)
		s.dict.set(hashOf(member), member, struct{}{})
	}
	s.ints = nil
}

// unshare makes ints our own before an edit in place.
func (s *Set) unshare() {
	if s.shared {
		s.ints = slices.Clone(s.ints)
		s.shared = false
	}
}
