package integration

import (
	"fmt"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// BenchmarkProxy compares a Redis with one behind the proxy, in one run; Redis is named twice, as a control of the noise.
// CPU per command is that of Redis and the proxy together.
func BenchmarkProxy(b *testing.B) {
	redis := redistest.Start(b)
	session, shared := proxy(b, "redis://"+redis, "--pool", "session"), proxy(b, "redis://"+redis, "--pool", "shared")
	servers := []struct {
		name, addr string
		pids       []int
	}{
		{"redis", redis, []int{pid(b, redis)}},
		{"session", session.Addr, []int{pid(b, redis), session.cmd.Process.Pid}},
		{"shared", shared.Addr, []int{pid(b, redis), shared.cmd.Process.Pid}},
		{"redis-again", redis, []int{pid(b, redis)}},
	}
	for _, load := range workloads {
		for _, pipeline := range []int{1, 16} {
			for _, s := range servers {
				b.Run(fmt.Sprintf("%s/pipeline=%d/%s", load.name, pipeline, s.name), func(b *testing.B) {
					before := int64(0)
					for _, p := range s.pids {
						before += cpuMicros(b, p)
					}
					run(b, s.addr, 0, load, 50, pipeline)
					after := int64(0)
					for _, p := range s.pids {
						after += cpuMicros(b, p)
					}
					b.ReportMetric(float64(after-before)/float64(b.N), "cpu-us/op")
				})
			}
		}
	}
}
