package engine

import "math/bits"

// agenda says when keys expire. Neither a change nor a look costs more than a few steps, however many keys there are and
// however many of them expire at once: what is more to do is done in later steps.
//
// It is a radix heap over time (Ahuja, Mehlhorn, Orlin, Tarjan 1990) that is sorted no further than needed: an item stands in
// the bucket of the highest bit in which its instant differs from the present. As time goes on, the buckets of the bits
// that changed are sifted, item by item: what is not due yet goes to a lower bucket.
type agenda struct {
	now     int64 // buckets are relative to it
	buckets [64][]dueKey
	sifting [][]dueKey // none is empty
	len     int
	purging bool // stale items are being dropped until nothing is sifted any more
}

// dueKey is an item; it is stale if the key expires at another instant by now.
type dueKey struct {
	at  int64 // Unix milliseconds
	key string
}

func (a *agenda) add(k dueKey) {
	i := 0 // of what is due
	if k.at > a.now {
		i = bits.Len64(uint64(k.at ^ a.now))
	}
	a.buckets[i] = append(a.buckets[i], k)
	a.len++
}

// advance tells the present. What may be due is sifted from now on.
func (a *agenda) advance(now int64) {
	last := 0
	if now > a.now {
		last = bits.Len64(uint64(now ^ a.now))
		a.now = now
	}
	a.sift(last)
}

// sift is what happens to the buckets up to the last one.
func (a *agenda) sift(last int) {
	for i := range a.buckets[:last+1] {
		if len(a.buckets[i]) > 0 {
			a.sifting = append(a.sifting, a.buckets[i])
			a.buckets[i] = nil
		}
	}
}

// purge begins to look for stale items.
func (a *agenda) purge() {
	a.sift(len(a.buckets) - 1)
	a.purging = true
}

// next takes out the next item to be sifted; ok is false if there is none.
func (a *agenda) next() (k dueKey, ok bool) {
	if len(a.sifting) == 0 {
		a.purging = false
		return k, false
	}
	items := &a.sifting[len(a.sifting)-1]
	n := len(*items) - 1
	k, (*items)[n] = (*items)[n], dueKey{}
	if *items = (*items)[:n]; n == 0 {
		*items = nil
		a.sifting = a.sifting[:len(a.sifting)-1]
	}
	a.len--
	return k, true
}
