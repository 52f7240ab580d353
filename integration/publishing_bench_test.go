package integration

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// BenchmarkGetWhilePublishing measures GETs of 10 clients, each a thousand times a second, with and without a results.json
// of 100 MB being published. The same writer writes as often in both: a result, or a key that stands in a small file. The
// p99s are medians of 5 rounds; publishing-%: how much of the time the large file is being published while results are
// written.
func BenchmarkGetWhilePublishing(b *testing.B) {
	dir := b.TempDir()
	var doc strings.Builder
	text := strings.Repeat("some text ", 90)
	for i := range 100_000 {
		fmt.Fprintf(&doc, ",\n  \"task-%d\": {\n    \"task_id\": \"task-%d\",\n    \"result\": %q,\n    \"saved_at\": %d.5\n  }", i, i, text, i)
	}
	writeText(b, filepath.Join(dir, "results.json"), "{"+doc.String()[1:]+"\n}")
	o := serve(b, dir)
	o.do("SET", "omni:config:a", "1")
	var without, with, share []float64
	for b.Loop() {
		for range 5 {
			idle, _ := o.getWhileWriting(b, "omni:mine:7")
			without = append(without, p99(idle))
			rest, during := o.getWhileWriting(b, "omni:result:task-7")
			with = append(with, p99(during))
			share = append(share, 100*float64(len(during))/float64(len(during)+len(rest)))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(without), "p99-us/without")
	b.ReportMetric(median(with), "p99-us/publishing")
	b.ReportMetric(median(share), "publishing-%")
}

// getWhileWriting lets clients GET for some seconds, with a writer beside them who writes a key ten times a second. It
// returns how long replies took that came while results.json was being published, and the others.
func (o *omniproxy) getWhileWriting(b *testing.B, key string) (rest, during []time.Duration) {
	var publishing atomic.Bool
	over := make(chan struct{})
	var wg, watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			staged, _ := filepath.Glob(o.path(".results.json.omniproxy*"))
			publishing.Store(len(staged) > 0)
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	stop := make(chan struct{})
	var mu sync.Mutex
	for range 10 {
		wg.Go(func() {
			var took [2][]time.Duration
			o.getUntil(b, stop, func(t time.Duration) {
				i := 0
				if publishing.Load() {
					i = 1
				}
				took[i] = append(took[i], t)
			})
			mu.Lock()
			defer mu.Unlock()
			rest, during = append(rest, took[0]...), append(during, took[1]...)
		})
	}
	for begun := time.Now(); time.Since(begun) < roundTime; time.Sleep(100 * time.Millisecond) {
		o.do("SET", key, fmt.Sprintf(`{"task_id": "task-7", "result": %d, "saved_at": 1.5}`, time.Now().UnixNano()))
	}
	close(stop)
	wg.Wait()
	close(over)
	watcher.Wait()
	return rest, during
}

// roundTime is long enough for a publication, however long the pause after the one before.
const roundTime = 12 * time.Second

// getUntil is a client who GETs a key a thousand times a second.
func (o *omniproxy) getUntil(b *testing.B, stop <-chan struct{}, note func(time.Duration)) {
	c, err := net.Dial("tcp", o.Addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer c.Close()
	var w wire.Writer
	command(&w, "GET", "omni:config:a")
	in := bufio.NewReader(c)
	clock := time.NewTicker(time.Millisecond)
	defer clock.Stop()
	for {
		select {
		case <-stop:
			return
		case <-clock.C:
		}
		begun := time.Now()
		c.Write(w.Bytes())
		if err := skip(in); err != nil {
			b.Error(err)
			return
		}
		note(time.Since(begun))
	}
}

// p99 is in microseconds; 0 of nothing.
func p99(all []time.Duration) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[len(all)*99/100].Microseconds())
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
