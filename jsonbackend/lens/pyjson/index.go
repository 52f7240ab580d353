package pyjson

import (
	"hash/maphash"
	"math/bits"
)

// index finds numbers by key: a hash table that keeps no keys, only numbers
// from 1. Its zero value must be reset before use.
type index struct {
	seed  maphash.Seed
	slots []int32 // 0 is free
}

// reset empties the index and makes room for n numbers.
func (x *index) reset(n int) {
	if x.slots == nil {
		x.seed = maphash.MakeSeed()
	}
	if size := 1 << bits.Len(uint(2*n)); size <= cap(x.slots) {
		x.slots = x.slots[:size]
		clear(x.slots)
	} else {
		x.slots = make([]int32, size)
	}
}

// room is for how many numbers the index has room.
func (x *index) room() int { return len(x.slots) / 2 }

// slot returns where a number stands that has this key, or the free slot where
// it would stand.
func (x *index) slot(key []byte, has func(number int32) bool) *int32 {
	mask := uint64(len(x.slots) - 1)
	for h := maphash.Bytes(x.seed, key) & mask; ; h = (h + 1) & mask {
		if p := &x.slots[h]; *p == 0 || has(*p) {
			return p
		}
	}
}
