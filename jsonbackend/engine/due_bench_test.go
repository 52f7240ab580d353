package engine

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkAMillionKeysExpire tells how long after the last of a million keys that expire within a second all are gone,
// and what another client waits for a small GET meanwhile.
func BenchmarkAMillionKeysExpire(b *testing.B) {
	for _, events := range []string{"", "KEA"} {
		b.Run("events "+events, func(b *testing.B) {
			for range b.N {
				expireAMillion(b, events)
			}
		})
	}
}

func expireAMillion(b *testing.B, events string) {
	b.StopTimer()
	e := New(Options{Log: forgetful{}})
	addr, stop := serve(b, e)
	defer stop()
	do := inProcess(b, e)
	c := dial(b, addr)
	c.do("CONFIG", "SET", "notify-keyspace-events", events)
	if events != "" {
		dial(b, addr).do("SUBSCRIBE", "__keyevent@0__:nothing")
	}
	const n = 1_000_000
	begin := time.Now().Add(12 * time.Second).UnixMilli()
	for i := range n {
		do(request(b, fmt.Sprintf("SET omni:config:%d v PXAT %d", i, begin+int64(i*7919%1000))))
	}
	time.Sleep(time.Until(time.UnixMilli(begin)))
	other := moveIn(b, addr)
	b.StartTimer()
	busy := time.Duration(0)
	for left := n; left > 0; {
		from := time.Now()
		e.ExpireDue()
		busy += time.Since(from)
		e.Locked(func() { left = e.dbs[0].ttls })
		if left > 0 {
			time.Sleep(100*time.Millisecond - time.Since(from)%(100*time.Millisecond))
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(time.Now().UnixMilli()-begin-1000), "ms/late")
	b.ReportMetric(float64(busy.Milliseconds()), "ms/busy")
	other.report(b)
}

// What a lifetime costs.
func BenchmarkSetEX(b *testing.B) {
	for _, keys := range []int{1, 1000, 1_000_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			e := New(Options{Log: forgetful{}})
			do := inProcess(b, e)
			cmds := make([]string, keys)
			for i := range cmds {
				cmds[i] = fmt.Sprintf("SETEX k%d %d v", i, 1000+i*7919%100_000)
				do(request(b, cmds[i]))
			}
			cmd := request(b, cmds[0])
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				cmd.Args[1] = []byte(fmt.Sprint("k", i*7919%keys))
				cmd.Raw = nil
				do(cmd)
			}
		})
	}
}
