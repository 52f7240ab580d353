package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// workload is what one client of a benchmark sends at a time: commands, and how many replies they bring.
type workload struct {
	name  string
	build func(w *wire.Writer, n int64) (replies int)
}

func command(w *wire.Writer, words ...string) {
	w.Array(len(words))
	for _, word := range words {
		w.BulkString(word)
	}
}

var kilobyte = `{"task_id": "t", "result": {"text": "` + strings.Repeat("x", 950) + `"}, "saved_at": 1763859213.123456}`

// workloads are what OmniDaemon sends, and what every benchmark of Redis has.
var workloads = []workload{
	{"GET", func(w *wire.Writer, n int64) int {
		command(w, "GET", "bench:"+strconv.FormatInt(n%1000, 10))
		return 1
	}},
	{"SET", func(w *wire.Writer, n int64) int {
		command(w, "SET", "bench:"+strconv.FormatInt(n%1000, 10), kilobyte)
		return 1
	}},
	{"add_agent", func(w *wire.Writer, n int64) int {
		topic, name := "t"+strconv.FormatInt(n%10, 10), "a"+strconv.FormatInt(n%1000, 10)
		command(w, "MULTI")
		command(w, "HSET", "omni:agent:"+topic+":"+name, "name", name, "callback_name", "cb", "tools", "[]", "description", "d",
			"config", "{}", "topic", topic, "created_at", "1763859213.5")
		command(w, "SADD", "omni:agents:topic:"+topic, name)
		command(w, "SADD", "omni:topics", topic)
		command(w, "EXEC")
		return 5
	}},
	{"save_result", func(w *wire.Writer, n int64) int {
		id := "r" + strconv.FormatInt(n%1000, 10)
		command(w, "SETEX", "omni:result:"+id, "86400", strings.Replace(kilobyte, `"t"`, `"`+id+`"`, 1))
		command(w, "ZADD", "omni:results:index", "1763859213.5", id)
		return 2
	}},
	{"publish", func(w *wire.Writer, n int64) int {
		command(w, "XADD", "omni-stream:t", "MAXLEN", "~", "10000", "*", "data", `{"topic": "t", "content": "c"}`)
		return 1
	}},
}

// run sends a workload b.N times, pipelined, from 50 clients.
func run(b *testing.B, addr string, load workload, pipeline int) {
	b.Helper()
	var turn atomic.Int64
	b.SetParallelism(25) // of 2 cores
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		in := bufio.NewReaderSize(c, 64<<10)
		for {
			var w wire.Writer
			replies := 0
			for ; replies/load.build(new(wire.Writer), 0) < pipeline && pb.Next(); replies += load.build(&w, turn.Add(1)) {
			}
			if replies == 0 {
				return
			}
			if _, err := c.Write(w.Bytes()); err != nil {
				b.Error(err)
				return
			}
			for ; replies > 0; replies-- {
				if err := skip(in); err != nil {
					b.Error(err)
					return
				}
			}
		}
	})
}

// skip reads one reply of RESP2; an error reply is an error.
func skip(in *bufio.Reader) error {
	line, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '-':
		return fmt.Errorf("reply %q", line)
	case '$':
		if n >= 0 {
			_, err = in.Discard(n + 2)
		}
	case '*':
		for ; n > 0 && err == nil; n-- {
			err = skip(in)
		}
	}
	return err
}

// BenchmarkServers compares servers in one run: redis-server twice, as a control of the noise, with the same durability.
func BenchmarkServers(b *testing.B) {
	mini := miniredis.RunT(b)
	servers := []struct{ name, addr string }{
		{"redis", redistest.Start(b, "--appendonly", "yes", "--appendfsync", "everysec")},
		{"omniproxy", serve(b, b.TempDir()).Addr},
		{"miniredis", mini.Addr()},
		{"redis-again", redistest.Start(b, "--appendonly", "yes", "--appendfsync", "everysec")},
	}
	for _, load := range workloads {
		for _, pipeline := range []int{1, 16} {
			for _, s := range servers {
				b.Run(fmt.Sprintf("%s/pipeline=%d/%s", load.name, pipeline, s.name), func(b *testing.B) {
					run(b, s.addr, load, pipeline)
				})
			}
		}
	}
}

// BenchmarkWriteBesideRecords shows that a write costs the same however much the file holds.
func BenchmarkWriteBesideRecords(b *testing.B) {
	for _, records := range []int{100, 10_000, 100_000} {
		o := serve(b, b.TempDir())
		fill(b, o.Addr, records)
		settle(b, o, records)
		for _, load := range workloads[2:4] {
			b.Run(fmt.Sprintf("%s/records=%d", load.name, records), func(b *testing.B) {
				before := cpuMicros(b, o.cmd.Process.Pid)
				run(b, o.Addr, load, 1)
				b.ReportMetric(float64(cpuMicros(b, o.cmd.Process.Pid)-before)/float64(b.N), "cpu-us/op")
			})
		}
	}
}

// fill stores so many results and, of each ten, an agent.
func fill(b *testing.B, addr string, records int) {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReaderSize(c, 64<<10)
	for n := 0; n < records; n++ {
		var w wire.Writer
		id := "old" + strconv.Itoa(n)
		command(&w, "SETEX", "omni:result:"+id, "86400", strings.Replace(kilobyte, `"t"`, `"`+id+`"`, 1))
		command(&w, "ZADD", "omni:results:index", "1763859213.5", id)
		command(&w, "HSET", "omni:agent:old:"+id, "name", id, "topic", "old", "tools", "[]", "config", "{}", "description", "d", "callback_name", "cb")
		if _, err := c.Write(w.Bytes()); err != nil {
			b.Fatal(err)
		}
		for range 3 {
			if err := skip(in); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// settle waits until what fill wrote is published and the append-only file is not being rewritten: what is measured is
// writing beside records, not catching up with a flood of them.
func settle(b *testing.B, o *omniproxy, records int) {
	b.Helper()
	for range 600 {
		time.Sleep(100 * time.Millisecond)
		results, err := os.Stat(filepath.Join(o.Dir, "results.json"))
		published := err == nil && results.Size() > int64(records*len(kilobyte))
		info, err := exec.Command("redis-cli", "-u", "redis://"+o.Addr, "INFO", "persistence").Output()
		if err == nil && published && strings.Contains(string(info), "aof_rewrite_in_progress:0") {
			return
		}
	}
	b.Fatal("not published after a minute")
}

// cpuMicros is the time that a process has spent on the processors, in steps of 10 ms.
func cpuMicros(b *testing.B, pid int) int64 {
	b.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return (user + system) * 10_000
}
