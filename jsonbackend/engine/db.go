package engine

import (
	"cmp"
	"container/heap"
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

	hash  uint64
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
	index *btree.BTreeG[*Entry]
	due   dueHeap // when keys expire; items may be stale
	ttls  int     // keys with an expiry
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
		index: btree.NewBTreeGOptions(byHash, btree.Options{NoLocks: true}),
	}
}

func byHash(a, b *Entry) bool {
	if a.hash != b.hash {
		return a.hash < b.hash
	}
	return a.Key < b.Key
}

var keySeed = maphash.MakeSeed()

// keyHash is 52 bits wide, so that a SCAN cursor (the next hash) survives JavaScript, and never 0, which ends a scan.
func keyHash(key string) uint64 {
	return maphash.String(keySeed, key)>>12 | 1
}

func (d *db) put(e *Entry) {
	d.keys[e.Key] = e
	d.index.Set(e)
}

func (d *db) remove(e *Entry) {
	delete(d.keys, e.Key)
	d.index.Delete(e)
	if e.Expire != 0 {
		d.ttls--
	}
}

// setExpire changes when e expires; the heap learns of it, and forgets stale items when they outnumber the live ones.
func (d *db) setExpire(e *Entry, at int64) {
	if e.Expire != 0 {
		d.ttls--
	}
	e.Expire = at
	if at == 0 {
		return
	}
	d.ttls++
	heap.Push(&d.due, dueKey{at: at, key: e.Key})
	if len(d.due) > 2*d.ttls+1024 {
		live := d.due[:0]
		for _, k := range d.due {
			if cur := d.keys[k.key]; cur != nil && cur.Expire == k.at {
				live = append(live, k)
			}
		}
		clear(d.due[len(live):])
		d.due = live
		heap.Init(&d.due)
	}
}

// nextDue returns a key that has expired at now, or nil.
func (d *db) nextDue(now int64) *Entry {
	for len(d.due) > 0 && d.due[0].at <= now {
		k := heap.Pop(&d.due).(dueKey)
		if e := d.keys[k.key]; e != nil && e.Expire == k.at {
			return e
		}
	}
	return nil
}

type dueKey struct {
	at  int64
	key string
}

// dueHeap has the key that expires first at its root.
type dueHeap []dueKey

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return cmp.Less(h[i].at, h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueKey)) }
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = dueKey{}
	*h = old[:len(old)-1]
	return last
}

// scan visits the keys whose hash is at least cursor, at least count of them unless the keys end, and returns where to go
// on; 0 means the end. Keys of one hash are visited together, so every key that is there throughout a scan is visited
// exactly once, whatever is born or dies meanwhile.
func (d *db) scan(cursor uint64, count int, visit func(*Entry)) (next uint64) {
	seen, last := 0, uint64(0)
	d.index.Ascend(&Entry{hash: cursor}, func(e *Entry) bool {
		if seen >= count && e.hash != last {
			next = e.hash
			return false
		}
		visit(e)
		seen, last = seen+1, e.hash
		return true
	})
	return next
}
