package value

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
)

// An estimate is within a factor of two of what the heap grew by.
func TestSizeIsNearWhatTheHeapGrowsBy(t *testing.T) {
	const n = 20_000
	text := func(i int) string { return strings.Clone(fmt.Sprintf("element-%08d-%s", i, "................")) }
	limits, streamLimits := DefaultLimits(), DefaultStreamLimits()
	for name, fill := range map[string]func() Value{
		"string": func() Value { return &Str{B: make([]byte, 1<<20)} },
		"list": func() Value {
			l := NewList()
			for i := range n {
				l.PushBack(text(i))
			}
			return l
		},
		"hash": func() Value {
			h := NewHash(&limits)
			for i := range n {
				h.Set(text(i), text(i))
			}
			return h
		},
		"set": func() Value {
			s := NewSet(&limits)
			for i := range n {
				s.Add(text(i))
			}
			return s
		},
		"zset": func() Value {
			z := NewZSet(&limits)
			for i := range n {
				z.Add(text(i), float64(i))
			}
			return z
		},
		"stream": func() Value {
			s := NewStream(&streamLimits)
			for i := range n {
				s.Append(StreamID{Ms: uint64(i + 1)}, [][]byte{[]byte("field"), []byte(text(i))})
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			v := fill()
			grown := float64(heap() - before)
			for _, samples := range []int{5, n} {
				size := float64(Size(v, samples))
				if ratio := size / grown; math.Abs(math.Log2(ratio)) > 1 {
					t.Errorf("with %d samples, %.0f bytes, but the heap grew by %.0f", samples, size, grown)
				}
			}
			runtime.KeepAlive(v)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
