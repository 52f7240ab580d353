package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// BenchmarkGetWhilePublishing measures GETs of 10 clients, each a thousand times a second, while a results.json of 100 MB
// is published, and while it is not. publishing-%: how much of the time that took.
func BenchmarkGetWhilePublishing(b *testing.B) {
	dir := b.TempDir()
	var doc strings.Builder
	text := strings.Repeat("some text ", 90)
	for i := range 100_000 {
		fmt.Fprintf(&doc, ",\n  \"task-%d\": {\n    \"task_id\": \"task-%d\",\n    \"result\": %q,\n    \"saved_at\": %d.5\n  }", i, i, text, i)
	}
	writeText(b, filepath.Join(dir, "results.json"), "{"+doc.String()[1:]+"\n}")
	o := serve(b, dir)
	var during, over atomic.Bool
	go func() {
		for !over.Load() {
			_, err := os.Stat(o.path(".results.json.omniproxy"))
			during.Store(err == nil)
			time.Sleep(time.Millisecond)
		}
	}()
	var mu sync.Mutex
	var while, rest []time.Duration
	get := func(c net.Conn, stop <-chan struct{}) {
		var w wire.Writer
		command(&w, "GET", "omni:config:a")
		in := bufio.NewReader(c)
		var mine [2][]time.Duration
		clock := time.NewTicker(time.Millisecond)
		defer clock.Stop()
		for {
			select {
			case <-stop:
				mu.Lock()
				rest, while = append(rest, mine[0]...), append(while, mine[1]...)
				mu.Unlock()
				return
			case <-clock.C:
			}
			begun := time.Now()
			c.Write(w.Bytes())
			if err := skip(in); err != nil {
				b.Error(err)
				return
			}
			took := time.Since(begun)
			if during.Load() {
				mine[1] = append(mine[1], took)
			} else {
				mine[0] = append(mine[0], took)
			}
		}
	}
	o.do("SET", "omni:config:a", "1")
	time.Sleep(2 * time.Second)
	for b.Loop() {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 10 {
			c, err := net.Dial("tcp", o.Addr)
			if err != nil {
				b.Fatal(err)
			}
			wg.Go(func() { get(c, stop); c.Close() })
		}
		for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
			o.do("SET", "omni:result:task-7", fmt.Sprintf(`{"task_id": "task-7", "result": %d, "saved_at": 1.5}`, time.Now().UnixNano()))
		}
		close(stop)
		wg.Wait()
	}
	over.Store(true)
	p99 := func(all []time.Duration) float64 {
		slices.Sort(all)
		if len(all) == 0 {
			return 0
		}
		return float64(all[len(all)*99/100].Microseconds())
	}
	b.ReportMetric(p99(rest), "p99-us/idle")
	b.ReportMetric(p99(while), "p99-us/publishing")
	b.ReportMetric(100*float64(len(while))/float64(len(while)+len(rest)), "publishing-%")
}
