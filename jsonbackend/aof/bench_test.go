package aof

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// hset is the effect of an OmniDaemon add_agent, about 250 bytes.
var hset = AppendCommand(nil, "HSET", "omni:agent:topic:name", "name", "name", "description", strings.Repeat("d", 150), "created_at", "1732331654.25")

func benchLog(b *testing.B, p Policy) *Log {
	l, _, err := Open(b.TempDir(), Options{Policy: p}, Replay{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	b.SetBytes(int64(len(hset)))
	b.ResetTimer()
	return l
}

func BenchmarkAppend(b *testing.B) {
	l := benchLog(b, No)
	for i := range b.N {
		l.Append(0, hset, 1, "")
		if i%1000 == 0 { // a buffer that grows without end is no one's case
			l.flush(uint64(i))
		}
	}
}

func BenchmarkSynced(b *testing.B) {
	for _, policy := range []Policy{No, EverySec, Always} {
		for _, writers := range []int{1, 50} {
			b.Run(fmt.Sprint(policy, "/", writers), func(b *testing.B) {
				l := benchLog(b, policy)
				var engine sync.Mutex
				var next atomic.Int64
				var group sync.WaitGroup
				for range writers {
					group.Go(func() {
						w := make(waitFor, 1)
						for next.Add(1) <= int64(b.N) {
							engine.Lock()
							seq := l.Append(0, hset, 1, "")
							engine.Unlock()
							tell(l, seq, w)
							if err := <-w; err != nil {
								b.Error(err)
							}
						}
					})
				}
				group.Wait()
			})
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	for _, size := range []int{10, 150, 10000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d := newMemory()
			l, _, _ := mustReopen(b, d, Options{})
			value := strings.Repeat("v", size)
			effect := AppendCommand(nil, "SET", "omni:config:key", value)
			for seq := uint64(0); l.Stats().Size < 100<<20; {
				for range 1000 {
					seq = l.Append(0, effect, 1, "")
				}
				l.flush(seq)
			}
			total := l.Stats().Size
			mustClose(b, l)
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				p := player{folder: d.folder(), to: Replay{Effect: func(int, [][]byte) error { return nil }}}
				if err := p.play(&manifest{base: baseEntry(1), incrs: []entry{incrEntry(1)}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRewrite(b *testing.B) {
	l := benchLog(b, No)
	r, err := l.PrepareRewrite()
	if err != nil {
		b.Fatal(err)
	}
	r.Rotate()
	args := words("SET omni:config:key " + strings.Repeat("v", 150))
	for range b.N {
		if err := r.Write(0, args...); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Commit(); err != nil {
		b.Fatal(err)
	}
}
