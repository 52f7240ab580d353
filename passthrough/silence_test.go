package passthrough

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// speechless is an upstream that takes connections, and what is sent on them, and never answers. What came can be read from it.
func speechless(t testing.TB) (addr string, came <-chan *client) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan *client, 1000)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			all <- &client{t: t, Conn: c}
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	return l.Addr().String(), all
}

func impatient(pool Pool) func(o *Options, _ *resp.Server) {
	return func(o *Options, _ *resp.Server) {
		o.Pool, o.ReadTimeout, o.DialTimeout, o.QueueTimeout = pool, 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	}
}

func TestARedisThatNeverAnswersIsGivenUp(t *testing.T) {
	for _, pool := range []Pool{Session, Shared} {
		addr, _ := speechless(t)
		lost := make(chan error, 100)
		proxy, _ := serve(t, addr, func(o *Options, v *resp.Server) {
			impatient(pool)(o, v)
			o.Events.Lost = func(err error, _ time.Duration) { lost <- err }
		})
		a, b := connect(t, proxy), connect(t, proxy)
		for range 3 {
			a.send("GET a", "BLPOP q 0.01")
			b.send("INCR b")
			for _, c := range []*client{a, a, b} {
				if got, err := c.reply(); err != nil || !strings.HasPrefix(got, "-ERR omniproxy: the upstream Redis ") {
					t.Fatalf("%q, %v", got, err)
				}
			}
		}
		if err := <-lost; err == nil {
			t.Error("told without a reason")
		}
	}
}

// Others are given up many times while a client waits that has asked for it.
func TestACommandThatBlocksMayBeSilent(t *testing.T) {
	s := newScript(t)
	proxy, _ := serve(t, s.addr, func(o *Options, v *resp.Server) {
		impatient(Session)(o, v)
		o.DialTimeout = patience
	})
	for _, line := range []string{"BLPOP q 0", "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "BLMPOP 0 1 q LEFT", "NOT.KNOWN x", "BLPOP q 1000"} {
		waits := connect(t, proxy)
		waits.send(line)
		up := s.next()
		if line[0] != 'N' {
			up.expect("*2 $6 CLIENT $2 ID")
			io.WriteString(up, ":1\r\n")
		}
		if _, err := up.reply(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			c := connect(t, proxy)
			c.send("GET a")
			s.next()
			c.expect(unanswered)
			c.Close()
		}
		io.WriteString(up, "+at last\r\n")
		waits.expect("+at last")
	}
}

func TestTheTimeOfACommandThatBlocksEnds(t *testing.T) {
	for _, line := range []string{"BLPOP q 0.01", "BLMOVE a b LEFT LEFT 0.01", "BLMPOP 0.01 1 q LEFT", "XREAD BLOCK 10 STREAMS s $", "WAIT 1 10"} {
		addr, _ := speechless(t)
		proxy, _ := serve(t, addr, impatient(Session))
		c := connect(t, proxy)
		c.send(line)
		c.expect(unanswered)
	}
}

func TestTheTimeThatACommandAsksFor(t *testing.T) {
	for line, want := range map[string]time.Duration{
		"BLPOP a b 1.5":                      1500 * time.Millisecond,
		"BRPOPLPUSH a b 2":                   2 * time.Second,
		"BLPOP a 0":                          0,
		"BLPOP a never":                      0,
		"BLPOP a -1":                         0,
		"BLPOP a 1e300":                      0,
		"BLPOP a nan":                        0,
		"BZMPOP 3 1 z MIN":                   3 * time.Second,
		"WAIT 1 50":                          50 * time.Millisecond,
		"WAIT 1 0":                           0,
		"XREAD COUNT 1 BLOCK 20 STREAMS s 0": 20 * time.Millisecond,
		"XREADGROUP GROUP g c BLOCK 0 STREAMS s >":    0,
		"SHUTDOWN NOSAVE":                             0,
		"XREADGROUP GROUP g c block 5000 STREAMS s >": 5 * time.Second,
	} {
		cmd := &resp.Command{Args: bytes.Fields([]byte(line))}
		cmd.Spec = command.Lookup(cmd.Args)
		if got := timeLimit(cmd); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

// A connection that went silent, as behind a firewall that has forgotten it, does not stand for Redis.
func TestOneSilentConnectionIsReplaced(t *testing.T) {
	for _, pool := range []Pool{Session, Shared} {
		s := newScript(t)
		silent := make(chan int, 10)
		proxy, _ := serve(t, s.addr, func(o *Options, v *resp.Server) {
			impatient(pool)(o, v)
			o.DialTimeout = patience
			o.Events.Silent = func(n int) { silent <- n }
			o.Events.Lost = func(err error, _ time.Duration) { t.Errorf("Redis is there: %v", err) }
		})
		c := connect(t, proxy)
		c.send("GET a")
		if pool == Shared {
			up := s.next()
			up.expect("*1 $5 MULTI", "*1 $4 EXEC")
			io.WriteString(up, "+OK\r\n*0\r\n")
		} else {
			s.next()
		}
		c.expect(unanswered)
		if n := <-silent; n != 1 {
			t.Errorf("%d connections", n)
		}
	}
}

// Redis says BUSY to others while a script runs; who sent it waits.
func TestAScriptMayRunLong(t *testing.T) {
	redis := redistest.Start(t, "--busy-reply-threshold", "10")
	for _, pool := range []Pool{Session, Shared} {
		proxy, _ := serve(t, redis, func(o *Options, v *resp.Server) {
			impatient(pool)(o, v)
			o.DialTimeout = patience
		})
		c := connect(t, proxy)
		var w bytes.Buffer
		script := "for i = 1, 100000000 do end return 7"
		fmt.Fprintf(&w, "*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n", len(script), script)
		c.Write(w.Bytes())
		c.expect(":7")
	}
}

// It is the client who makes the replies wait.
func TestASlowClientIsNotTakenForASilentRedis(t *testing.T) {
	s := newScript(t)
	proxy, _ := serve(t, s.addr, func(o *Options, v *resp.Server) {
		o.ReadTimeout = time.Second
	})
	c := connect(t, proxy)
	c.send("GET a", "GET b")
	up := s.next()
	up.expect("*2 $3 GET $1 a", "*2 $3 GET $1 b")
	io.WriteString(up, "+a\r\n")
	c.expect("+a")
	c.send("GET c")
	up.expect("*2 $3 GET $1 c")
	const size = 32 << 20 // more than sockets hold
	go fmt.Fprintf(up, "$%d\r\n%s\r\n+c\r\n", size, strings.Repeat("x", size))
	time.Sleep(1500 * time.Millisecond) // longer than Redis may be silent
	if n, err := io.CopyN(io.Discard, c.in, size+int64(len("$33554432\r\n\r\n"))); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	c.expect("+c")
}
