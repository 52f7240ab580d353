package lens

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		a, b []uint64
		want []int
	}{
		{nil, []uint64{1}, []int{}},
		{[]uint64{1, 2, 3}, []uint64{1, 2, 3}, []int{0, 1, 2}},
		{[]uint64{1, 2, 3}, nil, []int{-1, -1, -1}},
		{[]uint64{1, 2, 3}, []uint64{0, 1, 9, 3, 4}, []int{1, -1, 3}},
		{[]uint64{9, 1, 2, 3}, []uint64{1, 2, 3, 9}, []int{-1, 0, 1, 2}},
		{[]uint64{5, 5, 5}, []uint64{5, 5}, []int{0, 1, -1}},
		{[]uint64{1, 5, 5, 2}, []uint64{2, 5, 1, 5}, []int{-1, 1, 3, -1}},
	} {
		if diff := cmp.Diff(tt.want, matches(tt.a, tt.b)); diff != "" {
			t.Errorf("matches(%v, %v) (-want +got):\n%s", tt.a, tt.b, diff)
		}
	}
}

func TestMatchesAreEqualElementsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.SliceOfN(rapid.Uint64Range(1, 8), 0, 12)
		a, b := small.Draw(t, "a"), small.Draw(t, "b")
		last := -1
		for i, at := range matches(a, b) {
			if at < 0 {
				continue
			}
			if at <= last || at >= len(b) || a[i] != b[at] {
				t.Fatalf("%d is matched with %d after %d", i, at, last)
			}
			last = at
		}
	})
}

// Where no value comes twice, no other matching has more pairs.
func TestMatchesOfDistinctElementsAreTheMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		distinct := rapid.SliceOfNDistinct(rapid.Uint64Range(1, 9), 0, 9, rapid.ID)
		a, b := distinct.Draw(t, "a"), distinct.Draw(t, "b")
		got := 0
		for _, at := range matches(a, b) {
			if at >= 0 {
				got++
			}
		}
		if want := longestCommon(a, b); got != want {
			t.Fatalf("%d pairs of %v and %v, want %d", got, a, b, want)
		}
	})
}

func longestCommon(a, b []uint64) int {
	switch {
	case len(a) == 0 || len(b) == 0:
		return 0
	case a[0] == b[0]:
		return 1 + longestCommon(a[1:], b[1:])
	}
	return max(longestCommon(a[1:], b), longestCommon(a, b[1:]))
}
