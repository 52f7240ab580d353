package value

import (
	"runtime"
	"strings"
	"testing"
)

func BenchmarkStreamAppend(b *testing.B) {
	limits := DefaultStreamLimits()
	s := NewStream(&limits)
	pairs := [][]byte{[]byte("data"), []byte(strings.Repeat("v", 200))}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Append(StreamID{Ms: uint64(i + 1)}, pairs)
	}
}

func BenchmarkStreamMemory(b *testing.B) {
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := numbered(b, 1_000_000, 200)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(s)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "B/entry")
}

func BenchmarkStreamCloneAndEditMillion(b *testing.B) {
	s := numbered(b, 1_000_000, 200)
	g, _ := s.CreateGroup("g", StreamID{}, 0)
	g.CreateConsumer("c", 1)
	for e := range s.All() {
		g.SetPending(Nack{ID: e.ID, Consumer: "c", Time: 1, Count: 1})
	}
	pairs := [][]byte{[]byte("data"), []byte(strings.Repeat("v", 200))}
	b.Run("clone", func(b *testing.B) {
		for b.Loop() {
			runtime.KeepAlive(s.Clone())
		}
	})
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			s.Clone()
			id, _ := s.LastID().Next()
			s.Append(id, pairs)
		}
	})
	b.Run("delete", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i++ {
			s.Clone()
			s.Delete(StreamID{Ms: 1 + i*7919%1_000_000})
		}
	})
	b.Run("claim", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i++ {
			s.Clone()
			s.EditGroup("g").SetPending(Nack{ID: StreamID{Ms: 1 + i*7919%1_000_000}, Consumer: "c", Time: 2, Count: 2})
		}
	})
}

func BenchmarkStreamRead(b *testing.B) {
	s := numbered(b, 1_000_000, 200)
	b.Run("get", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i++ {
			s.Get(StreamID{Ms: 1 + i*7919%1_000_000})
		}
	})
	b.Run("last 100", func(b *testing.B) {
		for b.Loop() {
			left := 100
			for range s.RevRange(StreamID{}, MaxStreamID()) {
				if left--; left == 0 {
					break
				}
			}
		}
	})
	b.Run("first ID", func(b *testing.B) {
		for b.Loop() {
			s.FirstID()
		}
	})
	b.Run("radix nodes", func(b *testing.B) {
		for b.Loop() {
			s.RadixNodes()
		}
	})
}
