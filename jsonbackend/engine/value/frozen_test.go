package value

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// TestFrozenCopiesAreReadBesideEdits reads a frozen copy, more than once and on several goroutines, while the original
// is edited and cloned again, and the other way round. It is for the race detector as much as for the comparison.
func TestFrozenCopiesAreReadBesideEdits(t *testing.T) {
	limits := DefaultLimits()
	for _, size := range []int{5, 100, 5000} { // compact; compact; three levels
		hash, set, ints, zset, list, str := NewHash(&limits), NewSet(&limits), NewSet(&limits), NewZSet(&limits), NewList(), &Str{}
		for i := range size {
			s := strconv.Itoa(i)
			hash.Set(s, s)
			set.Add("m" + s)
			ints.Add(s)
			zset.Add(s, float64(i%100))
			list.PushBack(s)
			str.Append([]byte(s))
		}
		for _, c := range []struct {
			val  Value
			read func(Value) []string
			edit func(Value, int)
		}{
			{hash, func(v Value) []string { return flatten(v.(*Hash).All()) }, func(v Value, i int) {
				h := v.(*Hash)
				h.Set(strconv.Itoa(i), "edited")
				h.Delete(strconv.Itoa(i * 3))
				h.Set("new"+strconv.Itoa(i), "")
			}},
			{set, func(v Value) []string { return slices.Collect(v.(*Set).All()) }, func(v Value, i int) {
				v.(*Set).Remove("m" + strconv.Itoa(i))
				v.(*Set).Add("new" + strconv.Itoa(i))
			}},
			{ints, func(v Value) []string { return slices.Collect(v.(*Set).All()) }, func(v Value, i int) {
				v.(*Set).Remove(strconv.Itoa(i))
				v.(*Set).Add(strconv.Itoa(-i))
			}},
			{zset, func(v Value) []string { return flatten(v.(*ZSet).Range(0, v.Len())) }, func(v Value, i int) {
				z := v.(*ZSet)
				z.Add(strconv.Itoa(i), -1)
				z.Remove(strconv.Itoa(i * 3))
				z.Add("new"+strconv.Itoa(i), 50)
			}},
			{list, func(v Value) []string { return slices.Collect(v.(*List).All()) }, func(v Value, i int) {
				l := v.(*List)
				l.PushFront("new")
				l.Set(l.Len()/2, "edited")
				l.PopBack()
			}},
			{str, func(v Value) []string { return []string{string(v.(*Str).B)} }, func(v Value, i int) {
				v.(*Str).Append([]byte(strconv.Itoa(i)))
				v.(*Str).Edit(i + 1)[i/2] = 'x'
			}},
		} {
			for _, editOriginal := range []bool{true, false} {
				t.Run(fmt.Sprintf("%T/%d/%v", c.val, size, editOriginal), func(t *testing.T) {
					frozen, edited := c.val.Clone(), c.val
					if !editOriginal {
						frozen, edited = edited, frozen
					}
					want := c.read(frozen)
					var readers sync.WaitGroup
					for range 2 {
						readers.Go(func() {
							for range 10 {
								if got := c.read(frozen); !slices.Equal(got, want) {
									t.Errorf("the frozen copy changed: %d elements, had %d", len(got), len(want))
									return
								}
							}
						})
					}
					for i := range 50 {
						c.edit(edited, i)
						if i%10 == 0 {
							edited = edited.Clone()
							frozen.Clone()
						}
					}
					readers.Wait()
					if slices.Equal(c.read(edited), want) {
						t.Error("the edits changed nothing")
					}
				})
			}
		}
	}
}

// TestOnlyFirstEditAfterCloneCopies takes allocations for copies.
func TestOnlyFirstEditAfterCloneCopies(t *testing.T) {
	limits := DefaultLimits()
	for _, size := range []int{100, 5000} {
		hash, set, list := NewHash(&limits), NewSet(&limits), NewList()
		for i := range size {
			hash.Set(strconv.Itoa(i), "")
			set.Add(strconv.Itoa(i))
			list.PushBack("")
		}
		for _, c := range []struct {
			val  Value
			edit func()
		}{
			{hash, func() { hash.Set("50", "edited") }},
			{set, func() { set.Remove("50"); set.Add("50") }},
			{list, func() { list.Set(50, "edited") }},
		} {
			c.val.Clone()
			// The first call, which AllocsPerRun does not count, makes the copies.
			if n := testing.AllocsPerRun(10, c.edit); n != 0 {
				t.Errorf("%T of %d: %v allocations by each later edit", c.val, size, n)
			}
		}
	}
}

func flatten[V any](seq iter.Seq2[string, V]) []string {
	var flat []string
	for k, v := range seq {
		flat = append(flat, k, fmt.Sprint(v))
	}
	return flat
}
