package passthrough

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// until repeats a command until its reply begins so.
func (c *client) until(line, begins string) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c.send(line)
		if got, err := c.reply(); err != nil {
			c.t.Fatal(err)
		} else if strings.HasPrefix(got, begins) {
			return
		}
	}
	c.t.Fatalf("%s is never answered with %s", line, begins)
}

// forever is a script that does not end by itself.
func forever() []byte {
	var w wire.Writer
	writeCommand(&w, []byte("EVAL"), []byte("while true do end"), []byte("0"))
	return w.Bytes()
}

// Who comes while a script runs on a lane is told so by Redis, in any database, and can end it.
func TestAScriptThatDoesNotEndHoldsUpNobodyElse(t *testing.T) {
	redis := redistest.Start(t, "--busy-reply-threshold", "10")
	for _, db := range []string{"0", "9"} {
		for _, program := range []string{"one", "in a transaction"} {
			addr, _ := serve(t, redis, shared)
			a, b, late := connect(t, addr), connect(t, addr), connect(t, addr)
			for _, c := range []*client{a, b, late} {
				c.do("SELECT "+db, "+OK")
			}
			a.do("SET k 1", "+OK")
			if program == "one" {
				a.Write(forever())
			} else {
				a.Write(append(append(request("MULTI"), forever()...), request("EXEC")...))
			}
			other := connect(t, redis)
			other.until("PING", "-BUSY")
			b.until("PING", "-BUSY")
			time.Sleep(2 * patient) // a script that comes sooner waits for the first one
			late.until("EVAL return(1) 0", "-BUSY")
			b.do("SCRIPT KILL", "+OK")
			if program != "one" {
				a.expect("+OK", "+QUEUED")
			}
			if got, err := a.reply(); err != nil || !strings.Contains(got, "Script killed") {
				t.Errorf("%q, %v", got, err)
			}
			for _, c := range []*client{a, b, late} {
				c.do("GET k", "$1 1")
			}
			a.do("DEL k", ":1")
		}
	}
}

// A lane that is held up is not left by who has something under way there, whose replies come in order.
func TestWhoIsBehindAScriptStaysThere(t *testing.T) {
	redis := redistest.Start(t, "--busy-reply-threshold", "10")
	addr, _ := serve(t, redis, shared)
	a, b := connect(t, addr), connect(t, addr)
	a.Write(append(forever(), request("SET k 1", "GET k")...))
	connect(t, redis).until("PING", "-BUSY")
	a.send("SET k 2", "GET k")
	b.until("PING", "-BUSY")
	b.do("SCRIPT KILL", "+OK")
	if got, err := a.reply(); err != nil || got[0] != '-' {
		t.Errorf("%q, %v", got, err)
	}
	a.expect("+OK", "$1 1", "+OK", "$1 2")
}

// slowRedis is an upstream that answers PING, and GET with a long reply of which the end is withheld until it may go on.
func slowRedis(t *testing.T, size int, goOn <-chan struct{}) (addr string) {
	s := newScript(t)
	go func() {
		for c := range s.came {
			go func() {
				defer c.Close()
				for {
					var args [3]string
					n := 0
					if _, err := fmt.Fscanf(c.in, "*%d\r\n", &n); err != nil {
						return
					}
					for i := range n {
						var length int
						fmt.Fscanf(c.in, "$%d\r\n", &length)
						text := make([]byte, length+2)
						io.ReadFull(c.in, text)
						args[min(i, 2)] = string(text[:length])
					}
					switch args[0] {
					case "GET":
						fmt.Fprintf(c, "$%d\r\n", size)
						c.Write(make([]byte, size-1))
						<-goOn
						c.Write([]byte("x\r\n"))
					case "EXEC":
						c.Write([]byte("*0\r\n"))
					case "MULTI":
						c.Write([]byte("+OK\r\n"))
					default:
						c.Write([]byte("+PONG\r\n"))
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { close(s.came) })
	return s.addr
}

// Behind a long reply nobody waits who comes later, and who has gone elsewhere comes back.
func TestALongReplyHoldsUpNobodyWhoComesLater(t *testing.T) {
	goOn := make(chan struct{})
	const size = 3 * megabyte
	addr, _ := serve(t, slowRedis(t, size, goOn), func(o *Options, _ *resp.Server) { o.Pool = Shared })
	a, b := connect(t, addr), connect(t, addr)
	b.do("PING", "+PONG")
	a.send("GET big")
	if _, err := io.ReadFull(a.in, make([]byte, 2*megabyte)); err != nil { // so it is known to be long
		t.Fatal(err)
	}
	b.do("PING", "+PONG")
	connect(t, addr).do("PING", "+PONG")
	told(t, b, "lanes:2")
	close(goOn)
	rest, err := io.ReadAll(io.LimitReader(a.in, int64(len(fmt.Sprint(size))+3+size+2-2*megabyte)))
	if err != nil || !bytes.HasSuffix(rest, []byte("x\r\n")) {
		t.Fatalf("%.20q, %v", rest, err)
	}
	a.do("PING", "+PONG")
}

// A request that is long goes to Redis on a wire of its own: the lane is not held up while it is on its way.
func TestALongRequestIsNotSentOnALane(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, shared)
	c := connect(t, addr)
	c.do("PING", "+PONG")
	var w wire.Writer
	writeCommand(&w, []byte("SET"), []byte("big"), make([]byte, 2*megabyte))
	c.Write(w.Bytes())
	c.expect("+OK")
	told(t, c, "pins_idle:1")
	c.do("STRLEN big", fmt.Sprint(":", 2*megabyte))
	if _, err := c.Write(append(append(request("MULTI"), w.Bytes()...), request("EXEC")...)); err != nil {
		t.Fatal(err)
	}
	c.expect("+OK", "+QUEUED", "*1 +OK")
}

// Lanes and private wires that nobody uses any more are closed.
func TestWiresThatNobodyUsesAreClosed(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) { o.Pool, o.IdleTime = Shared, 50*time.Millisecond })
	stays := connect(t, addr)
	stays.do("PING", "+PONG")
	for db := range 10 {
		c := connect(t, addr)
		c.do(fmt.Sprint("SELECT ", db), "+OK")
		c.do("SET a 1", "+OK")
		c.do("BLPOP none 0.001", "*-1")
		c.Close()
	}
	told(t, stays, "lanes:1")
	told(t, stays, "pins:0")
	told(t, stays, "upstream_connections:1")
	stays.do("GET a", "$1 1")
	c := connect(t, addr)
	c.do("SELECT 5", "+OK")
	c.do("GET a", "$1 1")
}

// There is a bound on lanes, and whoever gets none is served all the same.
func TestLanesAreBounded(t *testing.T) {
	redis := redistest.Start(t, "--databases", fmt.Sprint(mostLanes))
	addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) {
		o.Pool, o.Lanes, o.IdleTime = Shared, mostLanes/4, 50*time.Millisecond
	})
	var all []*client
	for db := range 6 {
		c := connect(t, addr)
		c.do(fmt.Sprint("SELECT ", db), "+OK")
		c.do(fmt.Sprint("SET k ", db), "+OK")
		all = append(all, c)
	}
	told(t, all[0], fmt.Sprint("lanes:", mostLanes))
	for db, c := range all {
		c.do("GET k", fmt.Sprint("$1 ", db))
		c.send("MULTI", "GET k", "EXEC")
		c.expect("+OK", "+QUEUED", fmt.Sprint("*1 $1 ", db))
	}
	for _, c := range all[:4] {
		c.Close()
	}
	all[4].Close()
	c := all[5]
	told(t, c, "lanes:0") // it has none yet
	c.do("GET k", "$1 5")
	told(t, c, fmt.Sprint("lanes:", mostLanes/4))
}

// Values of 64 MB go to and fro unchanged, while others are served.
func TestLongValues(t *testing.T) {
	value := make([]byte, 64*megabyte)
	for i := range value {
		value[i] = byte(i * i >> 7)
	}
	var w wire.Writer
	writeCommand(&w, []byte("SET"), []byte("big"), value)
	for pool := Session; pool <= Shared; pool++ {
		addr, _ := serve(t, redistest.Start(t), func(o *Options, _ *resp.Server) { o.Pool = pool })
		c, other := connect(t, addr), connect(t, addr)
		over := make(chan struct{})
		go func() {
			defer close(over)
			c.Write(w.Bytes())
			c.Write(request("GET big", "STRLEN big", "PING"))
		}()
		other.do("PING", "+PONG")
		c.expect("+OK")
		other.do("PING", "+PONG")
		want := fmt.Appendf(nil, "$%d\r\n%s\r\n", len(value), value)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c.in, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%.20q, %v", got, err)
		}
		c.expect(fmt.Sprint(":", len(value)), "+PONG")
		other.do("PING", "+PONG")
		<-over
	}
}
