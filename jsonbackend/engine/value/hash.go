package value

import (
	"iter"
	"slices"
)

// Hash maps fields to values. While it is compact (few fields, all short, see [Limits]) it keeps the order in which
// fields were added; once it is not, and for good, the order is that of a hash of the field.
type Hash struct {
	limits *Limits
	pairs  []hashPair    // compact form, while dict is nil
	shared bool          // pairs belongs to another copy too
	dict   *dict[string] // big form
}

type hashPair struct{ field, value string }

// NewHash returns an empty hash.
func NewHash(limits *Limits) *Hash { return &Hash{limits: limits} }

// Clone implements [Value].
func (h *Hash) Clone() Value {
	h.shared = true
	c := *h
	if h.dict != nil {
		c.dict = h.dict.clone()
	}
	return &c
}

// Len is the number of fields.
func (h *Hash) Len() int {
	if h.dict != nil {
		return h.dict.items.count
	}
	return len(h.pairs)
}

// Encoding is listpack (compact) or hashtable.
func (h *Hash) Encoding() string {
	if h.dict != nil {
		return EncodingHashtable
	}
	return EncodingListpack
}

// Get returns the value of field.
func (h *Hash) Get(field string) (value string, ok bool) {
	if h.dict != nil {
		return h.dict.get(hashOf(field), field)
	}
	if i := h.index(field); i >= 0 {
		return h.pairs[i].value, true
	}
	return "", false
}

// Set gives field a value and reports whether the field is new. A field of a compact hash keeps its place.
func (h *Hash) Set(field, value string) (created bool) {
	if h.dict == nil && max(len(field), len(value)) > h.limits.HashValue {
		h.grow()
	}
	if h.dict != nil {
		return h.dict.set(hashOf(field), field, value)
	}
	h.unshare()
	if i := h.index(field); i >= 0 {
		h.pairs[i].value = value
		return false
	}
	h.pairs = append(h.pairs, hashPair{field, value})
	if len(h.pairs) > h.limits.HashEntries {
		h.grow()
	}
	return true
}

// Delete removes field and reports whether it was there.
func (h *Hash) Delete(field string) bool {
	if h.dict != nil {
		return h.dict.delete(hashOf(field), field)
	}
	i := h.index(field)
	if i < 0 {
		return false
	}
	h.unshare()
	h.pairs = slices.Delete(h.pairs, i, i+1)
	return true
}

// At returns the i-th field in the hash's present order, 0 <= i < Len.
func (h *Hash) At(i int) (field, value string) {
	if h.dict != nil {
		it := h.dict.items.at(i)
		return it.key, it.val
	}
	return h.pairs[i].field, h.pairs[i].value
}

// All yields fields and values in the hash's present order.
func (h *Hash) All() iter.Seq2[string, string] {
	return func(yield func(field, value string) bool) {
		if h.dict != nil {
			h.dict.all(yield)
			return
		}
		for _, p := range h.pairs {
			if !yield(p.field, p.value) {
				return
			}
		}
	}
}

// Scan yields about count fields (at least one, maybe a few more) from cursor on, 0 to begin, and returns the cursor to
// go on from, 0 at the end. Cursors are below 2^52. The hash may be edited between two calls: a field that is there from
// the first call to the last is met exactly once. A compact hash is yielded whole.
func (h *Hash) Scan(cursor uint64, count int, yield func(field, value string)) (next uint64) {
	if h.dict != nil {
		return h.dict.scan(cursor, count, yield)
	}
	for _, p := range h.pairs {
		yield(p.field, p.value)
	}
	return 0
}

// index is the place of field in the compact form, or -1.
func (h *Hash) index(field string) int {
	return slices.IndexFunc(h.pairs, func(p hashPair) bool { return p.field == field })
}

// grow leaves the compact form.
func (h *Hash) grow() {
	h.dict = new(dict[string])
	for _, p := range h.pairs {
		h.dict.set(hashOf(p.field), p.field, p.value)
	}
	h.pairs = nil
}

// unshare makes pairs our own before an edit in place.
func (h *Hash) unshare() {
	if h.shared {
		h.pairs = slices.Clone(h.pairs)
		h.shared = false
	}
}
