package lens

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// resultText is a result of about 1 KB as RedisStore saves it.
func resultText(n, version int) string {
	return fmt.Sprintf(`{"task_id": "%08d", "result": {"content": {"n": %d, "path": "/in/doc-%d.pdf"}, "topic": "with space", "text": "%s", "scores": [0.5, 0.25, 1e-05], "done": true}, "saved_at": 1795402102.6334777}`,
		n, version, n, strings.Repeat("lorem ipsum ", 65))
}

// results returns a world with n results that its file shows.
func resultsWorld(b testing.TB, n int) *world {
	w := newWorld(b)
	edits := make([]engine.Edit, 0, n)
	for i := range n {
		edits = append(edits, edit(0, "SET", layout.Result(fmt.Sprintf("%08d", i)), resultText(i, 0), "PXAT", future+"000"))
	}
	w.apply(edits)
	w.views[resultsFile].Update(w.now(), nil)
	w.marks[resultsFile] = nil
	return w
}

// One result of 10,000 changes, and the file is published.
func BenchmarkPublishAChange(b *testing.B) {
	w := resultsWorld(b, 10_000)
	v := w.views[resultsFile]
	key := Key{0, layout.Result("00005000")}
	version := 0
	b.Run("update", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			b.StopTimer()
			version++
			w.do("SET", key.Name, resultText(5000, version))
			now := w.now()
			b.StartTimer()
			if !v.Update(now, []Key{key}) {
				b.Fatal("nothing changed")
			}
		}
	})
	b.Run("base", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v.Base()
		}
	})
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n, _ := v.WriteTo(io.Discard)
			b.SetBytes(n)
		}
	})
}

// A directory with 100,000 results is read for the first time.
func BenchmarkFirstLoad(b *testing.B) {
	const n = 100_000
	w := resultsWorld(b, n)
	doc := text(b, w.views[resultsFile])
	empty, full := engine.New(engine.Options{}).Freeze(nil), w.now()
	v := Results(layout, 0)
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if err := v.Load(doc); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(doc)))
	})
	b.Run("edits", func(b *testing.B) {
		for b.Loop() {
			if edits := slices.Collect(v.Edits(Base{}, empty, empty.At)); len(edits) != 2*n {
				b.Fatalf("%d edits", len(edits))
			}
		}
	})
	b.Run("update", func(b *testing.B) {
		for b.Loop() {
			if v.Update(full, nil) {
				b.Fatal("the document changed")
			}
		}
	})
}

// What a view keeps for a record beside the document's text, and beside the keyspace.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	w := resultsWorld(b, n)
	doc := text(b, w.views[resultsFile])
	size := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		w.views[resultsFile] = nil
		before := size()
		v := Results(layout, 0)
		if err := v.Load(doc); err != nil {
			b.Fatal(err)
		}
		v.Update(w.now(), nil)
		b.ReportMetric(float64(size()-before)/n, "B/record")
		b.ReportMetric(float64(len(doc))/n, "text-B/record")
		base := v.Base()
		b.ReportMetric(float64(size()-before)/n, "with-base-B/record")
		runtime.KeepAlive(v)
		runtime.KeepAlive(base)
	}
}

// One entry is added to a stream of 10,000 tasks of 1 KB.
func BenchmarkABusyStream(b *testing.B) {
	w := newWorld(b)
	for i := range 10_000 {
		w.do("XADD", "omni-stream:t", "*", "data", resultText(i, 0))
	}
	w.publish(busFile)
	for b.Loop() {
		w.do("XADD", "omni-stream:t", "*", "data", resultText(0, 0))
		w.views[busFile].Update(w.now(), []Key{{0, "omni-stream:t"}})
	}
}

// One metric is added to 10,000.
func BenchmarkAMetric(b *testing.B) {
	w := newWorld(b)
	for i := range 10_000 {
		w.addMetric(i)
	}
	w.publish(metricsFile)
	n := 10_000
	for b.Loop() {
		n++
		w.addMetric(n)
		w.views[metricsFile].Update(w.now(), nil)
	}
}
