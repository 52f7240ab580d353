package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// run sends a workload b.N times, so many at a time on each connection, to the server whose process is pid; 0 is this very
// process.
func run(b *testing.B, addr string, pid int, load workload, connections, pipeline int) {
	b.Helper()
	var before int64
	load.run(b, addr, connections, pipeline, b.N, func() {
		before = cpuMicros(b, pid)
		b.ResetTimer()
	})
	b.StopTimer()
	if pid != 0 {
		b.ReportMetric(float64(cpuMicros(b, pid)-before)/float64(b.N), "cpu-us/op")
	}
}

// run sends a workload so many times. It calls begin when the connections are there.
func (load workload) run(b *testing.B, addr string, connections, pipeline, turns int, begin func()) {
	b.Helper()
	var turn atomic.Int64
	var clients sync.WaitGroup
	start := make(chan struct{})
	for id := range connections {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		clients.Go(func() {
			defer conn.Close()
			<-start
			if err := load.send(conn, int64(id+1), &turn, int64(turns), pipeline); err != nil {
				b.Error(err)
			}
		})
	}
	begin()
	close(start)
	clients.Wait()
}

// send is one client of a run, which ends when all have had so many turns.
func (load workload) send(conn net.Conn, id int64, turn *atomic.Int64, turns int64, pipeline int) error {
	in := bufio.NewReaderSize(conn, 64<<10)
	for me := (sender{id: id}); ; {
		var w wire.Writer
		replies := 0
		for range pipeline {
			if me.turn = turn.Add(1); me.turn > turns {
				break
			}
			replies += load.build(&w, &me)
			me.sent++
		}
		if replies == 0 {
			return nil
		}
		if _, err := conn.Write(w.Bytes()); err != nil {
			return err
		}
		for ; replies > 0; replies-- {
			if err := skip(in); err != nil {
				return err
			}
		}
	}
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
	durable := []string{"--appendonly", "yes", "--appendfsync", "everysec"}
	redis, again := redistest.Start(b, durable...), redistest.Start(b, durable...)
	o := serve(b, b.TempDir())
	servers := []struct {
		name, addr string
		pid        int
	}{
		{"redis", redis, pid(b, redis)},
		{"omniproxy", o.Addr, o.cmd.Process.Pid},
		{"miniredis", miniredis.RunT(b).Addr(), 0},
		{"redis-again", again, pid(b, again)},
	}
	for _, load := range workloads {
		for _, pipeline := range []int{1, 16} {
			for _, s := range servers {
				b.Run(fmt.Sprintf("%s/pipeline=%d/%s", load.name, pipeline, s.name), func(b *testing.B) {
					run(b, s.addr, s.pid, load, 50, pipeline)
				})
			}
		}
	}
}

// BenchmarkDurability compares what durability costs, as BenchmarkServers does. Neither server rewrites its append-only
// file meanwhile: Redis does that in another process, whose time is not in the figures.
func BenchmarkDurability(b *testing.B) {
	loads := slices.DeleteFunc(slices.Clone(workloads), func(l workload) bool {
		return !slices.Contains([]string{"SET", "XADD", addAgent.name, saveResult.name}, l.name)
	})
	for _, policy := range []string{"everysec", "always"} {
		durable := []string{"--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-percentage", "0"}
		redis, again := redistest.Start(b, durable...), redistest.Start(b, durable...)
		o := serve(b, b.TempDir(), "--fsync", policy)
		o.must("OK", "CONFIG", "SET", "auto-aof-rewrite-percentage", "0")
		for _, load := range loads {
			for _, connections := range []int{1, 50, 500} {
				for _, s := range []struct {
					name, addr string
					pid        int
				}{{"redis", redis, pid(b, redis)}, {"omniproxy", o.Addr, o.cmd.Process.Pid}, {"redis-again", again, pid(b, again)}} {
					b.Run(fmt.Sprintf("%s/%s/connections=%d/%s", policy, load.name, connections, s.name), func(b *testing.B) {
						run(b, s.addr, s.pid, load, connections, 1)
					})
				}
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
		for _, load := range []workload{addAgent, saveResult} {
			b.Run(fmt.Sprintf("%s/records=%d", load.name, records), func(b *testing.B) {
				run(b, o.Addr, o.cmd.Process.Pid, load, 50, 1)
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

// cpuMicros is the time that a process has spent on the processors, in steps of 10 ms; 0 of process 0.
func cpuMicros(b *testing.B, pid int) int64 {
	b.Helper()
	if pid == 0 {
		return 0
	}
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
