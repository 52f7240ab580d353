package jsonbackend

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// large writes a directory of many results and metrics, and returns its size in bytes.
func large(b *testing.B, dir string, results, metrics int) (size int64) {
	b.Helper()
	text := strings.Repeat("some text ", 25)
	write := func(name, open, close string, n int, record func(w *bufio.Writer, i int)) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		w := bufio.NewWriter(f)
		w.WriteString(open)
		for i := range n {
			if i > 0 {
				w.WriteString(",")
			}
			record(w, i)
		}
		w.WriteString(close)
		w.Flush()
		n64, err := f.Seek(0, 1)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
		size += n64
	}
	write("results.json", "{", "\n}", results, func(w *bufio.Writer, i int) {
		fmt.Fprintf(w, "\n  \"task-%d\": {\n    \"task_id\": \"task-%d\",\n    \"result\": {\n      \"agent\": \"file-processor\",\n      \"status\": \"completed\",\n      \"text\": %q,\n      \"n\": [\n        1,\n        2.5,\n        null\n      ]\n    },\n    \"saved_at\": %d.%06d,\n    \"expires_at\": 4102444800.25\n  }", i, i, text, 1700000000+i, i)
	})
	write("metrics.json", "[", "\n]", metrics, func(w *bufio.Writer, i int) {
		fmt.Fprintf(w, "\n  {\n    \"topic\": \"t\",\n    \"event\": \"task_received\",\n    \"task_id\": \"task-%d\",\n    \"saved_at\": %d.5\n  }", i, 1700000000+i)
	})
	return size
}

// BenchmarkOpen measures both kinds of start with 100,000 results and 10,000 metrics. heap/file is what is in use
// afterwards, in multiples of the files.
func BenchmarkOpen(b *testing.B) {
	run := func(b *testing.B, size int64, open func() *Backend) {
		b.SetBytes(size)
		for b.Loop() {
			d := open()
			b.StopTimer()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/float64(size), "heap/file")
			d.abandon()
			b.StartTimer()
		}
	}
	opened := func(dir string) *Backend {
		d, err := open(testOptions(dir, &events{}))
		if err != nil {
			b.Fatal(err)
		}
		return d
	}
	dir := b.TempDir()
	size := large(b, dir, 100_000, 10_000)
	b.Run("first load", func(b *testing.B) {
		run(b, size, func() *Backend {
			b.StopTimer()
			if err := os.RemoveAll(filepath.Join(dir, own)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			return opened(dir)
		})
	})
	b.Run("from the log", func(b *testing.B) {
		run(b, size, func() *Backend { return opened(dir) })
	})
}
