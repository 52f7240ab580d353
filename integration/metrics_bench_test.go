package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// oneTask is what OmniDaemon sends for one task: a third of it are reports, which omniproxy reads.
var oneTask = workload{"task", func(w *wire.Writer, c *sender) int {
	topic, id := "t"+strconv.FormatInt(c.id%5, 10), "r"+strconv.FormatInt(c.turn%1000, 10)
	report := func(key, event, more string) {
		command(w, "XADD", key, "MAXLEN", "~", "10000", "*", "data", `{"topic": "`+topic+`", "agent": "worker", "runner_id": "5f3c", "group": "group:`+topic+
			`:worker", "event": "`+event+`", "task_id": "`+id+`"`+more+`, "timestamp": 1763859213.5, "saved_at": 1763859213.6}`)
	}
	command(w, "XADD", "omni-stream:"+topic, "MAXLEN", "~", "10000", "*", "data", `{"content": "c", "topic": "`+topic+`", "task_id": "`+id+`"}`)
	command(w, "GET", "omni:config:_subscription_active:group:"+topic+":worker")
	report("omni:metrics:stream", "task_received", "")
	command(w, "SETEX", "omni:result:"+id, "86400", kilobyte)
	command(w, "ZADD", "omni:results:index", "1763859213.5", id)
	report("omni:metrics:stream", "task_processed", `, "processing_time_sec": 0.25`)
	command(w, "XACK", "omni-stream:"+topic, "group:"+topic+":worker", "1-1")
	command(w, "GET", "omni:agent:none")
	report("omni-metrics", "processed", "")
	return 9
}}

// BenchmarkMetrics compares what a turn costs the process with and without --metrics-listen, scraped every second, in rounds
// by turns. The cost is the median of the rounds' ratios. Each load takes as many turns as are given here, half a minute or
// more, whatever -benchtime says. Other work on the machine shows in the figures: repeat them.
//
//	go test ./integration -run '^$' -bench Metrics
//	go test ./integration -run '^$' -bench Metrics/json/task -count 3
func BenchmarkMetrics(b *testing.B) {
	redis := "redis://" + redistest.Start(b)
	sides := map[string][2]*omniproxy{
		"json":  {serve(b, b.TempDir()), serve(b, b.TempDir(), exporting...)},
		"redis": {proxy(b, redis), proxy(b, redis, exporting...)},
	}
	loads := []struct {
		workload
		pipeline, turns int
	}{{workloads[0], 1, 50_000}, {workloads[0], 16, 200_000}, {workloads[1], 1, 40_000}, {oneTask, 1, 20_000}}
	for _, backend := range []string{"json", "redis"} {
		for _, load := range loads {
			b.Run(fmt.Sprintf("%s/%s/pipeline=%d", backend, load.name, load.pipeline), func(b *testing.B) {
				defer scrape(sides[backend][1])()
				compare(b, sides[backend], load.workload, load.pipeline, load.turns)
			})
		}
	}
}

// compare reports what a turn costs each of two processes, and by how many percent more the second one.
func compare(b *testing.B, sides [2]*omniproxy, load workload, pipeline, turns int) {
	const rounds = 21
	var costs [2][]float64
	var ratios []float64
	for round := range rounds {
		for i, o := range sides { // always in this order: what they do afterwards in the background falls into the other's turn
			var before int64
			load.run(b, o.Addr, 50, pipeline, turns, func() { before = cpuNanos(b, o.cmd.Process.Pid) })
			costs[i] = append(costs[i], float64(cpuNanos(b, o.cmd.Process.Pid)-before)/float64(turns)/1000)
		}
		ratios = append(ratios, costs[1][round]/costs[0][round])
	}
	for _, all := range [][]float64{costs[0], costs[1], ratios} {
		slices.Sort(all)
	}
	b.ReportMetric(0, "ns/op") // the number of turns is not b.N
	b.ReportMetric(costs[0][rounds/2], "without-cpu-us/turn")
	b.ReportMetric(costs[1][rounds/2], "with-cpu-us/turn")
	b.ReportMetric(100*(ratios[rounds/2]-1), "cost-%")
}

// cpuNanos is the time that the threads of a process have spent on the processors, more exactly than cpuMicros knows it.
func cpuNanos(b *testing.B, pid int) (sum int64) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		b.Fatal("no threads: ", err)
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		running, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(running, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return sum
}

// scrape asks for the metrics every second until the function that it returns is called.
func scrape(o *omniproxy) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	url := "http://" + o.metricsAddress() + "/metrics"
	go func() {
		defer close(done)
		clock := time.NewTicker(time.Second)
		defer clock.Stop()
		for {
			select {
			case <-clock.C:
				fetch(o.t, url)
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}
