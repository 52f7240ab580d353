package engine

import (
	"hash/maphash"

	"github.com/tidwall/btree"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// Databases is how many there are, as in Redis' default configuration.
const Databases = 16

// Entry is a key and what it holds. An entry that a [View] has seen is never edited: the next edit replaces it.
type Entry struct {
	Key    string
	Value  value.Value
	Expire int64  // Unix milliseconds; 0 = never
	Born   uint64 // orders keys by when they came to be
	Seq    uint64 // changes whenever the entry does

	epoch uint64 // the engine's epoch at the last replacement
	used  uint32 // when a command used it last, in Unix seconds; the lock guards it even where a view has seen the entry
}

// db is one database: a map to find a key, a tree of key hashes to walk the keys and to freeze them. The tree is touched
// only when a key is born, dies, or is edited for the first time after a freeze.
type db struct {
	id int
	keyset

	watched map[string]map[*Conn]*watchedKey
	blocked map[string]*queue // by key; none is empty
}

// keyset is what SWAPDB exchanges.
type keyset struct {
	keys  map[string]*Entry
	index *keyIndex
	due   agenda // when keys expire; items may be stale
	ttls  int    // keys with an expiry
}

func newDB(id int) *db {
	d := &db{id: id, watched: map[string]map[*Conn]*watchedKey{}, blocked: map[string]*queue{}}
	d.clear()
	return d
}

// clear forgets every key. Watchers and waiters stay.
func (d *db) clear() {
	d.keyset = keyset{
		keys:  map[string]*Entry{},
		index: newKeyIndex(),
	}
}

// keyIndex has entries in the order of their keys' hashes.
type keyIndex = btree.BTreeG[indexed]

// indexed is an entry beside the hash of its key: a search looks at hardly any entry but the one that it finds.
type indexed struct {
	hash uint64
	*Entry
}

func (e *Entry) indexed() indexed { return indexed{keyHash(e.Key), e} }

func newKeyIndex() *keyIndex {
	return btree.NewBTreeGOptions(func(a, b indexed) bool {
		if a.hash != b.hash {
			return a.hash < b.hash
		}
		return a.Key < b.Key
	}, btree.Options{NoLocks: true})
}

var keySeed = maphash.MakeSeed()

// keyHash is 52 bits wide, so that a SCAN cursor (the next hash) survives JavaScript, and never 0, which ends a scan.
func keyHash(key string) uint64 {
	return maphash.String(keySeed, key)>>12 | 1
}

func (d *db) put(e *Entry) {
	d.keys[e.Key] = e
	d.index.Set(e.indexed())
}

func (d *db) remove(e *Entry) {
	delete(d.keys, e.Key)
	d.index.Delete(e.indexed())
	if e.Expire != 0 {
		d.ttls--
	}
}

// mostStale is how many stale items the agenda may have, beside as many as there are keys with an expiry.
const mostStale = 1024

// setExpire changes when e expires. The agenda learns of it, and forgets stale items when they outnumber the live ones: two
// for each that is added.
func (d *db) setExpire(e *Entry, at int64) {
	if e.Expire != 0 {
		d.ttls--
	}
	e.Expire = at
	if at == 0 {
		return
	}
	d.ttls++
	d.due.add(dueKey{at: at, key: e.Key})
	if d.due.len > 2*d.ttls+mostStale && !d.due.purging {
		d.due.purge()
	}
	for n := 0; n < 2 && d.due.purging; n++ {
		if k, ok := d.due.next(); ok && d.expiring(k) != nil {
			d.due.add(k)
		}
	}
}

// expiring returns the entry that an item of the agenda is about, nil if the item is stale.
func (d *db) expiring(k dueKey) *Entry {
	if e := d.keys[k.key]; e != nil && e.Expire == k.at {
		return e
	}
	return nil
}

// sift looks at the next item of the agenda that may be due: e is what has expired at now, if anything has. more is false if
// there is no such item any more.
func (d *db) sift(now int64) (e *Entry, more bool) {
	k, more := d.due.next()
	switch {
	case !more:
	case k.at > now:
		d.due.add(k)
	default:
		e = d.expiring(k)
	}
	return e, more
}

// averageTTL is how many milliseconds keys live from now on, judged by some that expire soon.
func (d *db) averageTTL(now int64) int64 {
	sum, n := int64(0), int64(0)
	for _, items := range d.due.buckets {
		for _, k := range items[:min(len(items), 100)] {
			sum, n = sum+max(k.at-now, 0), n+1
		}
	}
	if n == 0 || d.ttls == 0 {
		return 0
	}
	return sum / n
}

// scanIndex visits the keys whose hash is at least cursor, at least count of them unless the keys end, and returns where to
// go on; 0 means the end. Keys of one hash are visited together, so every key that is there throughout a scan is visited
// exactly once, whatever is born or dies meanwhile.
func scanIndex(keys *keyIndex, cursor uint64, count int, visit func(*Entry)) (next uint64) {
	seen, last := 0, uint64(0)
	keys.Ascend(indexed{cursor, new(Entry)}, func(e indexed) bool {
		if seen >= count && e.hash != last {
			next = e.hash
			return false
		}
		visit(e.Entry)
		seen, last = seen+1, e.hash
		return true
	})
	return next
}
