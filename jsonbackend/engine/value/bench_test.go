package value

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// benchSizes are a compact value, a middling one, and one that no lock may be held for as a whole.
var benchSizes = []int{100, 10_000, 1_000_000}

func benchName(i int) string { return fmt.Sprintf("member:%08d", i) }

func benchNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = benchName(i)
	}
	return names
}

// benchKinds are the values with their basic operations, by the name of an element and its number.
var benchKinds = []struct {
	kind  string
	empty func(*Limits) Value
	set   func(v Value, name string, i int)
	get   func(v Value, name string, i int) bool
}{
	{"hash", func(l *Limits) Value { return NewHash(l) },
		func(v Value, name string, _ int) { v.(*Hash).Set(name, "0123456789abcdef") },
		func(v Value, name string, _ int) bool { _, ok := v.(*Hash).Get(name); return ok }},
	{"set", func(l *Limits) Value { return NewSet(l) },
		func(v Value, name string, _ int) { s := v.(*Set); s.Remove(name); s.Add(name) },
		func(v Value, name string, _ int) bool { return v.(*Set).Has(name) }},
	{"zset", func(l *Limits) Value { return NewZSet(l) },
		func(v Value, name string, _ int) { v.(*ZSet).Add(name, rand.Float64()) },
		func(v Value, name string, _ int) bool { _, ok := v.(*ZSet).Rank(name); return ok }},
	{"list", func(*Limits) Value { return NewList() },
		func(v Value, name string, i int) {
			if l := v.(*List); i < l.Len() {
				l.Set(i, name)
			} else {
				l.PushBack(name)
			}
		},
		func(v Value, name string, i int) bool { return v.(*List).At(i) == name }},
}

func forEachKind(b *testing.B, sizes []int, bench func(b *testing.B, v Value, names []string, set func(int), get func(int) bool)) {
	for _, k := range benchKinds {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", k.kind, n), func(b *testing.B) {
				limits, names := DefaultLimits(), benchNames(n)
				v := k.empty(&limits)
				for i, name := range names {
					k.set(v, name, i)
				}
				bench(b, v, names,
					func(i int) { k.set(v, names[i], i) },
					func(i int) bool { return k.get(v, names[i], i) })
			})
		}
	}
}

// BenchmarkGet looks up a random element: a field, a member, a rank, an index.
func BenchmarkGet(b *testing.B) {
	forEachKind(b, benchSizes, func(b *testing.B, _ Value, names []string, _ func(int), get func(int) bool) {
		b.ReportAllocs()
		for b.Loop() {
			if !get(rand.IntN(len(names))) {
				b.Fatal("not found")
			}
		}
	})
}

// BenchmarkEdit changes a random element: another value in a hash or list, another score; of a set it takes one out and
// puts it back.
func BenchmarkEdit(b *testing.B) {
	forEachKind(b, benchSizes, func(b *testing.B, _ Value, names []string, set func(int), _ func(int) bool) {
		b.ReportAllocs()
		for b.Loop() {
			set(rand.IntN(len(names)))
		}
	})
}

// BenchmarkCloneAndFirstEdit is what a frozen copy costs those who wait for the lock.
func BenchmarkCloneAndFirstEdit(b *testing.B) {
	forEachKind(b, benchSizes, func(b *testing.B, v Value, names []string, set func(int), _ func(int) bool) {
		b.ReportAllocs()
		for b.Loop() {
			v.Clone()
			set(rand.IntN(len(names)))
		}
	})
}

// BenchmarkAll reads a whole value, per element.
func BenchmarkAll(b *testing.B) {
	limits, names := DefaultLimits(), benchNames(1_000_000)
	h := NewHash(&limits)
	for _, name := range names {
		h.Set(name, name)
	}
	for b.Loop() {
		for range h.All() {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(names)), "ns/element")
}

// BenchmarkMemory reports bytes per element, beyond the bytes of names (16 each) and values, which are shared here.
// Elements come in random order, the worst case for a sorted set.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	names := benchNames(n)
	rand.Shuffle(n, func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, k := range benchKinds {
		b.Run(k.kind, func(b *testing.B) {
			limits := DefaultLimits()
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				v := k.empty(&limits)
				for i, name := range names {
					k.set(v, name, i)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(v.Len()), "B/element")
			}
		})
	}
}
