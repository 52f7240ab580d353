package value

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// modelRemove is Remove on a plain slice.
func modelRemove(s []string, element string, count int) []string {
	var at []int
	for i, e := range s {
		if e == element {
			at = append(at, i)
		}
	}
	switch {
	case count > 0:
		at = at[:min(count, len(at))]
	case count < 0:
		at = at[max(len(at)+count, 0):]
	}
	for _, i := range slices.Backward(at) {
		s = slices.Delete(s, i, i+1)
	}
	return s
}

func TestListIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := copies[*List, []string]{{val: NewList()}}
		position := func(t *rapid.T, c *copied[*List, []string], beyond int) int {
			return rapid.IntRange(-beyond, len(c.model)+beyond).Draw(t, "position")
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				c := lists.pick(t)
				e := word(t, "element")
				if rapid.Bool().Draw(t, "front") {
					c.val.PushFront(e)
					c.model = slices.Insert(c.model, 0, e)
				} else {
					c.val.PushBack(e)
					c.model = append(c.model, e)
				}
			},
			"push many": func(t *rapid.T) {
				c := lists.pick(t)
				for i := range 90 {
					e := strconv.Itoa(i % 10)
					c.val.PushBack(e)
					c.model = append(c.model, e)
				}
			},
			"pop": func(t *rapid.T) {
				c := lists.pick(t)
				pop, at := c.val.PopFront, 0
				if rapid.Bool().Draw(t, "back") {
					pop, at = c.val.PopBack, len(c.model)-1
				}
				e, ok := pop()
				if ok != (len(c.model) > 0) || ok && e != c.model[at] {
					t.Fatalf("popped %q, %v of %q", e, ok, c.model)
				}
				if ok {
					c.model = slices.Delete(c.model, at, at+1)
				}
			},
			"insert": func(t *rapid.T) {
				c := lists.pick(t)
				i, e := position(t, c, 0), word(t, "element")
				c.val.Insert(i, e)
				c.model = slices.Insert(c.model, i, e)
			},
			"set": func(t *rapid.T) {
				c := lists.pick(t)
				i, e := position(t, c, 0), word(t, "element")
				if i == len(c.model) {
					return
				}
				c.val.Set(i, e)
				c.model[i] = e
				if got := c.val.At(i); got != e {
					t.Fatalf("At(%d) = %q, want %q", i, got, e)
				}
			},
			"index": func(t *rapid.T) {
				c := lists.pick(t)
				i, e := position(t, c, 0), word(t, "element")
				want := slices.Index(c.model[i:], e)
				if want >= 0 {
					want += i
				}
				if got := c.val.Index(e, i); got != want {
					t.Fatalf("Index(%q, %d) = %d, want %d", e, i, got, want)
				}
				want = -1
				for j, m := range c.model[:i] {
					if m == e {
						want = j
					}
				}
				if got := c.val.LastIndex(e, i); got != want {
					t.Fatalf("LastIndex(%q, %d) = %d, want %d", e, i, got, want)
				}
			},
			"remove": func(t *rapid.T) {
				c := lists.pick(t)
				e, count := word(t, "element"), rapid.IntRange(-3, 3).Draw(t, "count")
				before := len(c.model)
				c.model = modelRemove(c.model, e, count)
				if got, want := c.val.Remove(e, count), before-len(c.model); got != want {
					t.Fatalf("Remove(%q, %d) = %d, want %d", e, count, got, want)
				}
			},
			"trim": func(t *rapid.T) {
				c := lists.pick(t)
				from, to := position(t, c, 2), position(t, c, 2)
				c.val.Trim(from, to)
				low := max(0, min(from, len(c.model)))
				c.model = c.model[low:max(low, min(to, len(c.model)))]
			},
			"range": func(t *rapid.T) {
				c := lists.pick(t)
				from, to := position(t, c, 2), position(t, c, 2)
				low := max(0, min(from, len(c.model)))
				want := slices.Clone(c.model[low:max(low, min(to, len(c.model)))])
				if got := slices.Collect(c.val.Range(from, to)); !slices.Equal(got, want) {
					t.Fatalf("Range(%d, %d) = %q, want %q", from, to, got, want)
				}
				slices.Reverse(want)
				if got := slices.Collect(c.val.RevRange(from, to)); !slices.Equal(got, want) {
					t.Fatalf("RevRange(%d, %d) = %q, want %q", from, to, got, want)
				}
			},
			"clone": func(t *rapid.T) {
				c := lists.pick(t)
				lists.add(t, c.val.Clone().(*List), slices.Clone(c.model))
			},
			"": func(t *rapid.T) {
				for _, c := range lists {
					checkTree(t, &c.val.items)
					if got := slices.Collect(c.val.All()); !slices.Equal(got, c.model) || c.val.Len() != len(c.model) {
						t.Fatalf("have %q, want %q", got, c.model)
					}
				}
			},
		})
	})
}
