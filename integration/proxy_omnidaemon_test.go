package integration

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// inBothPools runs a test with the address of a Redis and a proxy in front of it.
func inBothPools(t *testing.T, test func(t *testing.T, upstream string, o *omniproxy), redisArgs ...string) {
	t.Helper()
	t.Parallel()
	for _, pool := range []string{"session", "shared"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel()
			upstream := redistest.Start(t, redisArgs...)
			test(t, upstream, proxy(t, "redis://"+upstream, "--pool", pool))
		})
	}
}

// What the Redis store writes through the proxy is in Redis as if it had written there, and is read through the proxy as
// it is read there.
func TestTheRedisStoreWorksThroughTheProxy(t *testing.T) {
	inBothPools(t, func(t *testing.T, upstream string, o *omniproxy) {
		store(t, "fill", o.url(""))
		agree(t, store(t, "describe", "redis://"+upstream), store(t, "describe", o.url("")), filled...)
		store(t, "change", o.url(""))
		agree(t, store(t, "describe", "redis://"+upstream), store(t, "describe", o.url("")), changed...)
		if got, want := store(t, "clear", o.url("")), `{"agents": 12, "results": 5, "metrics": 160, "config": 12}`+"\n"; got != want {
			t.Errorf("cleared %swant %s", got, want)
		}
		o.must(0, "DBSIZE")
	})
}

func TestTheEventBusWorksThroughTheProxy(t *testing.T) {
	inBothPools(t, func(t *testing.T, _ string, o *omniproxy) { theEventBusWorks(t, o) })
}

// OmniDaemon's consumers end for good when a connection is closed under them, and a Redis that ends closes them all.
// Behind the proxy they get an error that passes, and lose nothing.
func TestConsumersSurviveTheEndOfRedisAndOfTheProxy(t *testing.T) {
	t.Parallel()
	for _, pool := range []string{"session", "shared"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			upstream, kill := durable(t, dir)
			o := proxy(t, "redis://"+upstream, "--pool", pool)
			l := beginLoad(t, o)
			for range 2 {
				l.goesOn(o)
				kill()
				_, kill = durable(t, dir, "--port", port(t, upstream))
			}
			l.goesOn(o)
			o.stop()
			o = proxy(t, "redis://"+upstream, "--pool", pool, "--listen", o.Addr)
			l.goesOn(o)
			l.stop()
			l.settles(o)
		})
	}
}

// durable starts a Redis that loses nothing that it acknowledged when it is killed.
func durable(t *testing.T, dir string, args ...string) (addr string, kill func()) {
	t.Helper()
	addr, kill, err := redistest.Run(dir, append([]string{"--appendonly", "yes", "--appendfsync", "always"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kill)
	return addr, kill
}

// load is OmniDaemon at work: ten agents with three consumers each, and somebody who gives them tasks.
type load struct {
	topics    []string // of an agent each
	printed   logText  // by the consumers
	published atomic.Int64
	failed    atomic.Int64 // could not be published
	stop      func()       // no more tasks are published
}

const loadConsumers = 3 // of each agent

// beginLoad starts it, and returns when all consumers wait.
func beginLoad(t *testing.T, o *omniproxy) *load {
	t.Helper()
	l := &load{}
	for n := range 10 {
		l.topics = append(l.topics, fmt.Sprint("topic", n))
	}
	cmd := python(t, "consumer.py", append([]string{o.url(""), "agent", strconv.Itoa(loadConsumers)}, l.topics...)...)
	cmd.Stdout, cmd.Stderr = &l.printed, &l.printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	o.waiting(len(l.topics) * loadConsumers)

	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); l.publish(ctx, o.Addr) }()
	l.stop = func() { cancel(); <-over }
	t.Cleanup(l.stop)
	return l
}

// publish gives each agent a task in turn. One that fails is not published again: it may be there.
func (l *load) publish(ctx context.Context, addr string) {
	c := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1, ReadTimeout: time.Minute})
	defer c.Close()
	for n := 0; ctx.Err() == nil; n++ {
		task := fmt.Sprintf(`{"task_id": "task%d"}`, n)
		err := c.XAdd(ctx, &redis.XAddArgs{Stream: "omni-stream:" + l.topics[n%len(l.topics)], MaxLen: 10000, Approx: true, Values: []string{"data", task}}).Err()
		switch {
		case err == nil:
			l.published.Add(1)
		case ctx.Err() == nil:
			l.failed.Add(1)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// goesOn waits until more tasks were published, some for each consumer.
func (l *load) goesOn(o *omniproxy) {
	o.t.Helper()
	goal := l.published.Load() + 100
	o.eventually("100 more tasks published", func() bool { return l.published.Load() >= goal })
}

// settles waits until nothing is left to be done, then checks that every consumer is there, that every task was done,
// and that none was given away twice, unless Redis had not heard of its end.
func (l *load) settles(o *omniproxy) {
	o.t.Helper()
	c := o.client(0)
	in := map[string]bool{} // the tasks in the streams
	for _, topic := range l.topics {
		o.eventually("all tasks of "+topic+" done", func() bool {
			groups, err := c.XInfoGroups(o.t.Context(), "omni-stream:"+topic).Result()
			return err == nil && groups[0].Lag == 0 && groups[0].Pending == 0
		})
		entries, err := c.XRange(o.t.Context(), "omni-stream:"+topic, "-", "+").Result()
		if err != nil {
			o.t.Fatal(err)
		}
		for _, e := range entries {
			in[strings.Split(e.Values["data"].(string), `"`)[3]] = true
		}
	}
	o.waiting(len(l.topics) * loadConsumers)
	if taken := l.published.Load(); int64(len(in)) < taken {
		o.t.Errorf("%d tasks are in the streams, of %d that were taken", len(in), taken)
	}
	given, again := map[string]int{}, map[string]int{}
	o.eventually("every task printed", func() bool {
		given, again = l.tasks(o.t)
		for task := range in {
			if given[task]+again[task] == 0 {
				return false
			}
		}
		return true
	})
	for task, times := range given {
		if times > 1 || !in[task] {
			o.t.Errorf("%s was given to %d consumers; in a stream: %v", task, times, in[task])
		}
	}
	o.t.Logf("%d tasks, of which %d were pending for too long and given away again", len(in), len(again))
}

// tasks counts what the consumers printed so far. They must not have printed anything else.
func (l *load) tasks(t testing.TB) (given, again map[string]int) {
	t.Helper()
	given, again = map[string]int{}, map[string]int{}
	for line := range strings.Lines(l.printed.String()) {
		first, task, two := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case !two:
			given[first]++
		case first == "again":
			again[task]++
		default:
			t.Fatalf("the consumers print %q", line)
		}
	}
	return given, again
}

// In the pool "shared" agents have, at Redis, the connections on which their consumers wait, and few for everything else.
func TestAgentsShareConnections(t *testing.T) {
	t.Parallel()
	directly, behind := &omniproxy{t: t, Addr: redistest.Start(t)}, &omniproxy{t: t, Addr: redistest.Start(t)}
	connections := map[*omniproxy]int{}
	for redis, o := range map[*omniproxy]*omniproxy{directly: directly, behind: proxy(t, behind.url(""), "--pool", "shared")} {
		l := beginLoad(t, o)
		l.goesOn(o)
		l.stop()
		l.settles(o)
		connections[redis] = redis.connections()
	}
	n, m := connections[directly], connections[behind]
	t.Logf("10 agents with %d consumers each: %d connections at Redis directly, %d through the proxy", loadConsumers, n, m)
	if m > n {
		t.Error("the proxy needs more than it saves")
	}
}
