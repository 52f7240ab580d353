package engine

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func anyDuration(t *rapid.T) time.Duration {
	return time.Duration(rapid.Int64Range(1, int64(1)<<rapid.IntRange(0, 29).Draw(t, "bits")).Draw(t, "duration"))
}

// Every duration is in one step, whose ends are closer together than two significant digits are.
func TestAStepOfAHistogramIsNarrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDuration(t)
		step := stepOf(d)
		from, to := shortestOf(step), longestOf(step)
		if d < from || d > to {
			t.Fatalf("%d is in the step from %d to %d", d, from, to)
		}
		if (to-from)*histogramSteps > from {
			t.Fatalf("the step from %d to %d is too wide", from, to)
		}
		if next := stepOf(to + 1); next != step+1 && to < time.Second {
			t.Fatalf("behind step %d, which ends with %d, comes %d", step, to, next)
		}
	})
}

func TestAHistogramTakesWhatIsOutOfRange(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-time.Second, 0, time.Hour, 1<<63 - 1} {
		h.record(d)
	}
	if shortest, longest := h.percentile(0), h.percentile(100); shortest != 1 || stepOf(longest) != stepOf(time.Second) {
		t.Errorf("from %v to %v", shortest, longest)
	}
}

func TestPercentilesAreThoseOfTheSortedDurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		durations := rapid.SliceOfN(rapid.Custom(anyDuration), 1, 200).Draw(t, "durations")
		p := rapid.Float64Range(0, 100).Draw(t, "p")
		var h histogram
		for _, d := range durations {
			h.record(d)
		}
		slices.Sort(durations)
		rank := max(int(p/100*float64(len(durations))+0.5), 1)
		want := longestOf(stepOf(durations[rank-1]))
		if p == 0 {
			want = shortestOf(stepOf(durations[0]))
		}
		if got := h.percentile(p); got != want {
			t.Fatalf("percentile %v of %v is %d, want %d", p, durations, got, want)
		}
	})
}

func TestCumulativeCountsGrowToAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		durations := rapid.SliceOfN(rapid.Custom(anyDuration), 0, 200).Draw(t, "durations")
		var h histogram
		for _, d := range durations {
			h.record(d)
		}
		last, counted := time.Duration(0), 0
		for limit, n := range h.cumulative() {
			atMost := 0
			for _, d := range durations {
				if d <= limit {
					atMost++
				}
			}
			if limit <= last || int(n) <= counted || int(n) != atMost {
				t.Fatalf("%d of %v are at most %d, behind %d at most %d: counted %d", atMost, durations, limit, counted, last, n)
			}
			last, counted = limit, int(n)
		}
		if counted != len(durations) {
			t.Fatalf("%d of %d are counted", counted, len(durations))
		}
	})
}
