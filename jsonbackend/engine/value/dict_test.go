package value

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestDictScanMeetsEachKeyOnce scans while keys come and go, with hashes so few that many keys collide.
func TestDictScanMeetsEachKeyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SampledFrom([]uint64{1, 3, 50, 1 << 52}).Draw(t, "hashes")
		hash := func(key string) uint64 { return hashOf(key) % hashes }
		keys := make([]string, rapid.SampledFrom([]int{0, 3, 40, 400}).Draw(t, "keys"))
		var d dict[int]
		for i := range keys {
			keys[i] = strconv.Itoa(i)
			if !d.set(hash(keys[i]), keys[i], i) {
				t.Fatalf("%q is not new", keys[i])
			}
		}
		checkTree(t, &d.items)
		stay := keys[:rapid.IntRange(0, len(keys)).Draw(t, "stay")]
		others := keys[len(stay):]
		met := map[string]int{}
		for cursor, begin := uint64(0), true; begin || cursor != 0; begin = false {
			count := rapid.IntRange(-1, 40).Draw(t, "count")
			n := 0
			next := d.scan(cursor, count, func(key string, _ int) { met[key]++; n++ })
			if next != 0 && (next <= cursor || n < count || n == 0) {
				t.Fatalf("scan(%d, %d) yielded %d and returned %d", cursor, count, n, next)
			}
			cursor = next
			for range min(len(others), 10) {
				key := rapid.SampledFrom(others).Draw(t, "other")
				if !d.delete(hash(key), key) {
					d.set(hash(key), key, 0)
				}
			}
		}
		for _, key := range stay {
			if met[key] != 1 {
				t.Fatalf("%q met %d times", key, met[key])
			}
		}
	})
}

func TestDictTellsCollidingKeysApart(t *testing.T) {
	var d dict[int]
	d.set(7, "b", 1)
	d.set(7, "a", 2)
	if d.set(7, "b", 3) {
		t.Error("b is new again")
	}
	if _, ok := d.get(7, "c"); ok {
		t.Error("c is there")
	}
	if got, ok := d.get(7, "b"); got != 3 || !ok {
		t.Errorf("b is %d, %v", got, ok)
	}
	if !d.delete(7, "a") || d.delete(7, "a") {
		t.Error("a must go once")
	}
	if _, ok := d.get(7, "b"); !ok {
		t.Error("b is gone")
	}
}

func TestHashOfIsExactInJavaScript(t *testing.T) {
	var all []uint64
	for i := range 1000 {
		all = append(all, hashOf(string(rune(i))))
	}
	if top := slices.Max(all); top >= 1<<52 || top < 1<<51 {
		t.Errorf("largest of %d hashes is %#x", len(all), top)
	}
}
