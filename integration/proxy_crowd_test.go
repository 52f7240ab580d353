package integration

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// crowd is clients that are connected.
type crowd []net.Conn

// comes connects so many clients, each of which says something, a command a line, and hears so many replies.
func (c *crowd) comes(t testing.TB, addr string, clients int, says string, replies int) {
	t.Helper()
	var w wire.Writer
	for line := range strings.Lines(says) {
		command(&w, strings.Fields(line)...)
	}
	for range clients {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		*c = append(*c, nc)
		if _, err := nc.Write(w.Bytes()); err != nil {
			t.Fatal(err)
		}
		hear(t, nc, replies)
	}
}

// hear reads so many replies, behind which nothing comes.
func hear(t testing.TB, nc net.Conn, replies int) {
	t.Helper()
	var frame wire.Frame
	for buf := make([]byte, 4<<10); replies > 0; {
		n, err := nc.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		for p := buf[:n]; len(p) > 0; {
			size, whole, err := frame.Next(p)
			if err != nil {
				t.Fatal(err)
			}
			if p = p[size:]; whole {
				replies--
			}
		}
	}
}

// leaves closes the connections, half of them with a reset.
func (c *crowd) leaves() {
	for i, nc := range *c {
		if i%2 == 0 {
			nc.(*net.TCPConn).SetLinger(0)
		}
		nc.Close()
	}
	*c = nil
}

// descriptors is how many files the process has open.
func (o *omniproxy) descriptors() int {
	o.t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", o.cmd.Process.Pid))
	if err != nil {
		o.t.Fatal(err)
	}
	return len(open)
}

// goroutines ends the process and returns how many goroutines it had that waited for something.
func (o *omniproxy) goroutines() (n int) {
	o.t.Helper()
	o.signal(syscall.SIGQUIT)
	for line := range strings.Lines(o.log.String()) {
		if strings.HasPrefix(line, "goroutine ") && !strings.Contains(line, "[runnable") {
			n++
		}
	}
	return n
}

// resident is the process's memory in bytes.
func (o *omniproxy) resident() int {
	o.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", o.cmd.Process.Pid))
	if err != nil {
		o.t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		o.t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// mostKept is how many connections to Redis the pool "shared" keeps for whoever comes next: private ones and lanes.
const mostKept = 64 + 4

// connections is how many a Redis has beside the test's own.
func (o *omniproxy) connections() int { return o.info("connected_clients") - len(o.clients) }

// info is a number that INFO tells.
func (o *omniproxy) info(name string) int {
	o.t.Helper()
	_, rest, _ := strings.Cut(fmt.Sprint(o.do("INFO")), "\n"+name+":")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(text)
	if err != nil {
		o.t.Fatalf("INFO %s: %v", name, err)
	}
	return n
}

// Whatever clients were doing when they left, nothing of it is left at Redis or in the proxy.
func TestNothingIsLeftOfClientsThatLeave(t *testing.T) {
	t.Parallel()
	for pool, kept := range map[string]int{"session": 1, "shared": mostKept} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel()
			redis := &omniproxy{t: t, Addr: redistest.Start(t)}
			o := proxy(t, redis.url(""), "--pool", pool)
			o.must("PONG", "PING")    // there is what serves clients
			before := o.descriptors() // with the connection of this test, which has one to Redis in the pool "session"
			for range 3 {
				everyKind(redis, o)
				redis.eventually("few connections at Redis", func() bool { return redis.connections() <= kept })
				o.eventually("few files open", func() bool { return o.descriptors() <= before+kept })
				redis.must("[channel 0]", "PUBSUB", "NUMSUB", "channel")
			}
			if n := o.goroutines(); n > 30+2*kept {
				t.Errorf("%d goroutines", n)
			}
		})
	}
}

// everyKind lets clients of every kind come and leave.
func everyKind(redis, o *omniproxy) {
	const clients = 30 // of each kind
	var c crowd
	c.comes(o.t, o.Addr, clients, "PING", 1)
	c.comes(o.t, o.Addr, clients, "SELECT 1\nGET a", 2)
	c.comes(o.t, o.Addr, clients, "MULTI\nINCR a", 2)
	c.comes(o.t, o.Addr, clients, "WATCH a", 1)
	c.comes(o.t, o.Addr, clients, "SUBSCRIBE channel", 1)
	c.comes(o.t, o.Addr, clients, "CLIENT REPLY OFF\nINCR a", 0)
	c.comes(o.t, o.Addr, clients, "NO SUCH COMMAND", 1)
	c.comes(o.t, o.Addr, clients, strings.Repeat("COMMAND DOCS\n", 20), 0) // they never read
	c.comes(o.t, o.Addr, clients, "BLPOP list 0", 0)
	c.comes(o.t, o.Addr, clients, "XREAD BLOCK 0 STREAMS stream $", 0)
	redis.waiting(2 * clients)
	c.leaves()
	redis.waiting(0)
}

// BenchmarkCrowd serves 5,000 clients that have said something once, then 500 more that are busy. It reports how much
// memory of the proxy an idle client takes, how much more another such crowd takes when the first has left, the goroutines
// there are, and the connections at Redis: those of the idle ones, and how many more were made for the busy ones.
func BenchmarkCrowd(b *testing.B) {
	const idle, busy = 5000, 500
	for _, pool := range []string{"session", "shared"} {
		b.Run(pool, func(b *testing.B) {
			redis := &omniproxy{t: b, Addr: redistest.Start(b)}
			o := proxy(b, redis.url(""), "--pool", pool)
			var c crowd
			come := func() int {
				c.comes(b, o.Addr, idle, "CLIENT SETINFO LIB-NAME redis-py\nCLIENT SETINFO LIB-VER 7.0.1\nGET a", 3)
				return o.resident()
			}
			empty := o.resident()
			first := come()
			alone, made := redis.connections(), redis.info("total_connections_received")
			run(b, o.Addr, o.cmd.Process.Pid, workloads[0], busy, 1)
			b.ReportMetric(float64(first-empty)/idle, "B/client")
			b.ReportMetric(float64(alone), "connections")
			b.ReportMetric(float64(redis.info("total_connections_received")-made), "connections-busy")
			c.leaves()
			redis.eventually("few connections at Redis", func() bool { return redis.connections() <= mostKept })
			b.ReportMetric(float64(come()-first)/idle, "B/client-again")
			b.ReportMetric(float64(o.goroutines()), "goroutines")
		})
	}
}
