package integration

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

var (
	endureTime = flag.Duration("endure", 6*time.Second, "how long TestMixedLoadWithFaultsLeavesNothingBehind lasts")
	endureOut  = flag.String("endure-out", "", "a directory for what it saw: a CSV file for each server")
)

// endurance is a server under everything that clients do, while what it depends on fails now and then.
type endurance struct {
	*storm
	done, failures atomic.Int64 // commands
	tolerant       bool         // a command may fail, for Redis is away now and then
	samples        []sample
}

// sample is what the process holds at a moment.
type sample struct {
	at                      time.Duration
	resident, heap          int // bytes; heap is what garbage collection found in use, twice
	descriptors, goroutines int
	done, failures          int64
}

// Memory, descriptors and goroutines stay flat under a mixed load with faults, on each backend. Only the hour of `make
// endure` can show a slow leak; the seconds of `make test` show a fast one, and that nothing fails.
func TestMixedLoadWithFaultsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		e := newEndurance(serve(t, t.TempDir(), "--metrics-listen", "127.0.0.1:0"))
		e.filesChange()
		e.run()
	})
	for _, pool := range []string{"shared", "session"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			upstream, stop, err := redistest.Run(dir)
			if err != nil {
				t.Fatal(err)
			}
			e := newEndurance(proxy(t, "redis://"+upstream, "--pool", pool, "--metrics-listen", "127.0.0.1:0"))
			e.tolerant = true
			defer e.redisFails(dir, upstream, stop)()
			e.run()
		})
	}
}

func newEndurance(o *omniproxy) *endurance {
	return &endurance{storm: &storm{omniproxy: o, over: make(chan struct{}), said: map[string]string{}}}
}

// run lets everything happen at once for the time asked for, and judges what it saw.
func (e *endurance) run() {
	for _, w := range workloads {
		e.stream(w)
	}
	e.consume()
	e.subscribe()
	e.transact()
	e.large()
	e.strangers()
	e.inquire()
	begun := time.Now()
	for step := *endureTime / 240; time.Since(begun) < *endureTime; time.Sleep(step) {
		e.samples = append(e.samples, e.look(begun))
	}
	close(e.over)
	e.wg.Wait()
	e.save()
	e.judge()
}

// counted tells how a command ended.
func (e *endurance) counted(what string, err error) bool {
	e.done.Add(1)
	if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, redis.TxFailedErr) {
		return true
	}
	e.failures.Add(1)
	if !e.tolerant {
		e.t.Errorf("%s: %v", what, err)
	}
	return false
}

// stream sends what a benchmark does, at a walk. A client that is in a dialog with a Redis that dies begins anew.
func (e *endurance) stream(w workload) {
	var nc net.Conn
	me := sender{id: 1}
	e.repeat(10*time.Millisecond, func(n int) {
		if nc == nil {
			var err error
			if nc, err = net.Dial("tcp", e.Addr); err != nil {
				e.t.Error(err)
				return
			}
			me.sent = 0
		}
		var out wire.Writer
		me.turn = int64(n)
		replies := w.build(&out, &me)
		me.sent++
		_, err := nc.Write(out.Bytes())
		if err == nil {
			nc.SetReadDeadline(time.Now().Add(time.Minute))
			err = take(nc, replies)
		}
		if !e.counted(w.name, err) {
			nc.Close()
			nc = nil
		}
	})
}

// take reads so many replies. The first of them that is an error is returned.
func take(nc net.Conn, replies int) (first error) {
	var frame wire.Frame
	whole := true
	for buf := make([]byte, 4<<10); replies > 0; {
		n, err := nc.Read(buf)
		if err != nil {
			return err
		}
		for p := buf[:n]; len(p) > 0; {
			if whole && p[0] == '-' && first == nil && !strings.HasPrefix(string(p), "-BUSYGROUP") {
				first = errors.New(string(p))
			}
			var size int
			if size, whole, err = frame.Next(p); err != nil {
				return err
			}
			if p = p[size:]; whole {
				replies--
			}
		}
	}
	return first
}

// consume is OmniDaemon's bus: tasks are published, and consumers block until there are any.
func (e *endurance) consume() {
	ctx := context.Background()
	const stream, group = "omni-stream:endurance", "group:endurance"
	for i := range 3 {
		c := e.omniproxy.client(0)
		name := fmt.Sprint("consumer ", i)
		e.repeat(0, func(n int) {
			if n%1000 == 0 {
				c.XGroupCreateMkStream(ctx, stream, group, "$")
			}
			read, err := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: group, Consumer: name, Streams: []string{stream, ">"}, Count: 10, Block: 500 * time.Millisecond}).Result()
			if err != nil && strings.HasPrefix(err.Error(), "NOGROUP") { // a Redis that died has forgotten it
				c.XGroupCreateMkStream(ctx, stream, group, "$")
				return
			}
			if !e.counted("XREADGROUP", err) {
				time.Sleep(100 * time.Millisecond)
			}
			for _, s := range read {
				for _, m := range s.Messages {
					e.counted("XACK", c.XAck(ctx, stream, group, m.ID).Err())
				}
			}
		})
	}
	c := e.omniproxy.client(0)
	e.repeat(10*time.Millisecond, func(n int) {
		e.counted("XADD", c.XAdd(ctx, &redis.XAddArgs{Stream: stream, MaxLen: 1000, Approx: true, Values: []any{"data", kilobyte}}).Err())
	})
}

// subscribe has clients come, listen and leave while others publish.
func (e *endurance) subscribe() {
	ctx := context.Background()
	c, listener := e.omniproxy.client(0), e.omniproxy.client(0)
	e.repeat(20*time.Millisecond, func(int) { e.counted("PUBLISH", c.Publish(ctx, "endurance", kilobyte).Err()) })
	e.repeat(50*time.Millisecond, func(int) {
		s := listener.Subscribe(ctx, "endurance")
		for range 5 {
			s.ReceiveTimeout(ctx, time.Second)
		}
		s.Close()
	})
}

// transact watches, queues and executes.
func (e *endurance) transact() {
	ctx := context.Background()
	c := e.omniproxy.client(0)
	e.repeat(20*time.Millisecond, func(n int) {
		key := fmt.Sprint("omni:config:endurance:", n%10)
		e.counted("EXEC", c.Watch(ctx, func(tx *redis.Tx) error {
			_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Set(ctx, key, n, 0); return nil })
			return err
		}, key))
	})
}

// large moves megabytes, also to clients who do not read them.
func (e *endurance) large() {
	ctx := context.Background()
	c := e.omniproxy.client(0)
	value := strings.Repeat("v", 4<<20)
	e.repeat(time.Second, func(n int) {
		e.counted("SET", c.Set(ctx, "large", value[:1<<20<<(n%3)], 0).Err())
		e.counted("GET", c.Get(ctx, "large").Err())
	})
	e.repeat(time.Second, func(int) {
		nc, err := net.Dial("tcp", e.Addr)
		if err != nil {
			e.t.Error(err)
			return
		}
		defer nc.Close()
		io.WriteString(nc, strings.Repeat("GET large\r\n", 8))
		time.Sleep(100 * time.Millisecond)
		nc.SetReadDeadline(time.Now().Add(time.Second))
		io.CopyN(io.Discard, nc, 100<<10)
	})
}

// strangers connect and leave in the midst of what they say, half of them with a reset.
func (e *endurance) strangers() {
	sayings := []string{"", "PING\r\n", "*2\r\n$3\r\nGET\r\n$100000\r\nabc", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "*1\r\n$-7\r\n", "BLPOP endurance:nothing 0\r\n", "MULTI\r\nSET a b\r\n", "MONITOR\r\n", "\x16\x03\x01\x02\x00\x01"}
	e.repeat(20*time.Millisecond, func(n int) {
		nc, err := net.Dial("tcp", e.Addr)
		if err != nil {
			e.t.Error(err)
			return
		}
		io.WriteString(nc, sayings[n%len(sayings)])
		nc.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		nc.Read(make([]byte, 100))
		if n%2 == 0 {
			nc.(*net.TCPConn).SetLinger(0)
		}
		nc.Close()
	})
}

// inquire asks what people and their tools want to know.
func (e *endurance) inquire() {
	ctx := context.Background()
	c := e.omniproxy.client(0)
	e.repeat(500*time.Millisecond, func(int) {
		for _, words := range [][]any{{"INFO", "everything"}, {"CLIENT", "LIST"}, {"SCAN", "0", "COUNT", "100"}, {"XINFO", "STREAM", "omni-stream:endurance", "FULL"}, {"SLOWLOG", "GET"}} {
			err := c.Do(ctx, words...).Err()
			if err != nil && err.Error() == "ERR no such key" {
				err = nil
			}
			e.counted(fmt.Sprint(words...), err)
		}
	})
}

// filesChange has programs save the files that are served, one of them badly, and the log be rewritten.
func (e *endurance) filesChange() {
	e.edit([]string{"os.replace", "vim", "nano", "git"}, "config.json",
		func(n int) ([]string, string) { return []string{fmt.Sprint("edited:", n%20)}, strconv.Itoa(n) },
		func(n int) string { return fmt.Sprint("omni:config:edited:", n%20) }, 2*time.Second)
	e.repeat(5*time.Second, func(int) {
		good, err := os.ReadFile(e.path("agents.json"))
		if err != nil {
			return // it was not published yet
		}
		os.WriteFile(e.path("agents.json"), good[:len(good)/2], 0o644)
		time.Sleep(time.Second)
		os.WriteFile(e.path("agents.json"), good, 0o644)
	})
	c := e.omniproxy.client(0)
	e.repeat(15*time.Second, func(int) { c.BgRewriteAOF(context.Background()) })
}

// redisFails has Redis close connections, be busy, and die. It returns how to end that.
func (e *endurance) redisFails(dir, addr string, stop func()) (end func()) {
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	ctx := context.Background()
	e.repeat(3*time.Second, func(n int) {
		switch n % 10 {
		case 0, 3, 6:
			c.Do(ctx, "CLIENT", "KILL", "TYPE", "normal")
		case 2, 8:
			c.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub")
		case 5:
			c.Do(ctx, "DEBUG", "SLEEP", "0.5")
		case 9:
			stop()
			time.Sleep(time.Second)
			_, port, _ := net.SplitHostPort(addr)
			_, again, err := redistest.Run(dir, "--port", port)
			if err != nil {
				e.t.Error(err)
				return
			}
			stop = again
		}
	})
	return func() { c.Close(); stop() }
}

// look takes a sample.
func (e *endurance) look(begun time.Time) sample {
	series := e.series()
	number := func(name string) int {
		n, err := strconv.ParseFloat(series[name], 64)
		if err != nil {
			e.t.Fatalf("%s: %v", name, err)
		}
		return int(n)
	}
	return sample{time.Since(begun), e.resident(), number("go_memstats_next_gc_bytes"), e.descriptors(), number("go_goroutines"), e.done.Load(), e.failures.Load()}
}

// save leaves the samples where they were asked for.
func (e *endurance) save() {
	if *endureOut == "" {
		return
	}
	_, name, _ := strings.Cut(e.t.Name(), "/")
	f, err := os.Create(filepath.Join(*endureOut, name+".csv"))
	if err != nil {
		e.t.Error(err)
		return
	}
	defer f.Close()
	w := csv.NewWriter(f)
	w.Write([]string{"minutes", "resident MB", "heap MB", "descriptors", "goroutines", "commands", "failures"})
	for _, s := range e.samples {
		w.Write([]string{fmt.Sprintf("%.2f", s.at.Minutes()), fmt.Sprintf("%.1f", float64(s.resident)/1e6), fmt.Sprintf("%.1f", float64(s.heap)/1e6), fmt.Sprint(s.descriptors), fmt.Sprint(s.goroutines), fmt.Sprint(s.done), fmt.Sprint(s.failures)})
	}
	w.Flush()
}

// judge compares the middle third with the last: by then everything has happened several times in an hour.
func (e *endurance) judge() {
	third := len(e.samples) / 3
	for _, of := range []struct {
		what        string
		value       func(sample) int
		slack, part int // what may be more: so much, and a part of what was
	}{
		{"bytes of memory", func(s sample) int { return s.resident }, 32 << 20, 5},
		{"bytes of heap", func(s sample) int { return s.heap }, 32 << 20, 5},
		{"descriptors", func(s sample) int { return s.descriptors }, 20, 10},
		{"goroutines", func(s sample) int { return s.goroutines }, 40, 10},
	} {
		middle, last := typical(e.samples[third:2*third], of.value), typical(e.samples[2*third:], of.value)
		e.t.Logf("%s: %d in the middle third, %d in the last (%s)", of.what, middle, last, *endureTime)
		if last > middle+of.slack+middle/of.part {
			e.t.Errorf("%s grow from %d to %d", of.what, middle, last)
		}
	}
	e.t.Logf("%d commands, %d failures", e.done.Load(), e.failures.Load())
}

// typical is the value that half of the samples are below.
func typical(samples []sample, value func(sample) int) int {
	var values []float64
	for _, s := range samples {
		values = append(values, float64(value(s)))
	}
	return int(median(values))
}
