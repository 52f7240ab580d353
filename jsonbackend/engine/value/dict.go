package value

import "hash/maphash"

// dict maps strings to values, ordered by a 52-bit hash of the key and then by the key. So a scan's cursor is the hash
// to go on from: it needs no memory on our side, stays below 2^53 (exact in a JavaScript number), and a key that is
// present from the scan's start to its end is met exactly once, whatever happens to the others.
type dict[V any] struct {
	items tree[dictItem[V]]
}

// dictItem has val first: an empty struct at the end would cost 8 bytes.
type dictItem[V any] struct {
	val  V
	hash uint64
	key  string
}

var hashSeed = maphash.MakeSeed()

func hashOf(key string) uint64 { return maphash.String(hashSeed, key) >> 12 }

// find moves c to key, or to where it would stand.
func (d *dict[V]) find(c *treeCursor[dictItem[V]], hash uint64, key string) bool {
	d.items.seek(c, func(it *dictItem[V]) bool {
		return it.hash > hash || it.hash == hash && it.key >= key
	})
	return c.valid() && c.item().hash == hash && c.item().key == key
}

func (d *dict[V]) get(hash uint64, key string) (val V, ok bool) {
	var c treeCursor[dictItem[V]]
	if !d.find(&c, hash, key) {
		return val, false
	}
	return c.item().val, true
}

// set reports whether key is new. A key that is not keeps its own string.
func (d *dict[V]) set(hash uint64, key string, val V) (created bool) {
	var c treeCursor[dictItem[V]]
	if d.find(&c, hash, key) {
		d.items.replace(&c, dictItem[V]{val, hash, c.item().key})
		return false
	}
	d.items.insert(&c, dictItem[V]{val, hash, key})
	return true
}

func (d *dict[V]) delete(hash uint64, key string) bool {
	var c treeCursor[dictItem[V]]
	if !d.find(&c, hash, key) {
		return false
	}
	d.items.delete(&c)
	return true
}

// scan calls yield for about count keys (at least one) from cursor on and returns the cursor to go on from, 0 at the
// end. Keys of one hash are never parted, so it may be a few more.
func (d *dict[V]) scan(cursor uint64, count int, yield func(key string, val V)) uint64 {
	var c treeCursor[dictItem[V]]
	d.items.seek(&c, func(it *dictItem[V]) bool { return it.hash >= cursor })
	count = max(count, 1)
	for last := uint64(0); c.valid(); c.next() {
		it := c.item()
		if count <= 0 && it.hash > last {
			return it.hash
		}
		yield(it.key, it.val)
		last = it.hash
		count--
	}
	return 0
}

// all calls yield for every key until it returns false.
func (d *dict[V]) all(yield func(key string, val V) bool) {
	var c treeCursor[dictItem[V]]
	for d.items.seekAt(&c, 0); c.valid(); c.next() {
		if !yield(c.item().key, c.item().val) {
			return
		}
	}
}

func (d *dict[V]) clone() *dict[V] { return &dict[V]{d.items.clone()} }
