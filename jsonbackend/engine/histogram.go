package engine

import (
	"iter"
	"math/bits"
	"time"
)

// histogram counts durations from 1 ns to 1 s by how long they were; what is outside counts as the nearest. Durations up to
// 255 ns are told apart exactly; above, each power of two is divided into 128 steps, so a duration is known to within 1/128
// of itself: the two significant digits of the histograms that Redis keeps.
type histogram struct {
	counts [24 * histogramSteps]uint64 // by step
	total  uint64
}

const (
	histogramBits  = 7 // of the steps that a power of two is divided into
	histogramSteps = 1 << histogramBits
)

// stepOf returns the index of the step that d is counted in.
func stepOf(d time.Duration) int {
	n := uint64(min(max(d, 1), time.Second))
	shift := bits.Len64(n|(2*histogramSteps-1)) - histogramBits - 1
	return shift<<histogramBits + int(n>>shift)
}

// longestOf returns the longest duration that is counted in a step.
func longestOf(step int) time.Duration {
	shift := max(step>>histogramBits-1, 0)
	return time.Duration((step-shift<<histogramBits+1)<<shift - 1)
}

// shortestOf returns the shortest duration that is counted in a step.
func shortestOf(step int) time.Duration {
	shift := max(step>>histogramBits-1, 0)
	return time.Duration((step - shift<<histogramBits) << shift)
}

func (h *histogram) record(d time.Duration) {
	h.counts[stepOf(d)]++
	h.total++
}

// percentile returns how long p percent of the durations were at the most, rounded up to the end of a step; of 0 percent,
// the beginning of the first step that there is.
func (h *histogram) percentile(p float64) time.Duration {
	wanted := max(uint64(min(p, 100)/100*float64(h.total)+0.5), 1)
	below := uint64(0)
	for step, n := range h.counts {
		if below += n; below >= wanted {
			if p == 0 {
				return shortestOf(step)
			}
			return longestOf(step)
		}
	}
	return 0
}

// cumulative yields how many durations were at most that long, for limits that double from about a microsecond on and where
// the number grows: the limits, and their rounding, are those of Redis' LATENCY HISTOGRAM.
func (h *histogram) cumulative() iter.Seq2[time.Duration, uint64] {
	return func(yield func(time.Duration, uint64) bool) {
		step, below := 0, uint64(0)
		for limit := time.Duration(1024); below < h.total; limit *= 2 {
			before := below
			last := len(h.counts) - 1
			if limit <= time.Second {
				last = stepOf(limit)
			}
			for ; step <= last; step++ {
				below += h.counts[step]
			}
			if below > before && !yield(longestOf(last), below) {
				return
			}
		}
	}
}
