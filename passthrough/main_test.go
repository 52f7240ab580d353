package passthrough

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = time.Minute

// serve starts a proxy in front of a Redis at addr and returns its own address; it ends with the test.
func serve(t testing.TB, addr string, change func(*Options, *resp.Server)) (string, *resp.Server) {
	t.Helper()
	o := Options{URL: "redis://" + addr, Passthrough: true, QueueTimeout: patience}
	server := &resp.Server{Forward: true}
	if change != nil {
		change(&o, server)
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	server.Backend = b
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { server.Serve(l); close(over) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		server.Drain(ctx)
		<-over
		b.Shutdown(context.Background())
	})
	return l.Addr().String(), server
}

// client is a connection to a server, with what to expect of it.
type client struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func connect(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{t, c, bufio.NewReader(c)}
}

// request encodes commands, one a line, of words without spaces.
func request(lines ...string) []byte {
	var w wire.Writer
	for _, line := range lines {
		writeCommand(&w, bytes.Fields([]byte(line))...)
	}
	return w.Bytes()
}

func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := c.Write(request(lines...)); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads one reply as it came.
func (c *client) reply() (string, error) {
	var f wire.Frame
	var reply []byte
	for {
		b, err := c.in.ReadByte()
		if err != nil {
			return string(reply), err
		}
		reply = append(reply, b)
		if _, whole, err := f.Next(reply[len(reply)-1:]); err != nil || whole {
			return string(reply), err
		}
	}
}

// expect reads replies; CR LF are written as spaces.
func (c *client) expect(replies ...string) {
	c.t.Helper()
	for _, want := range replies {
		got, err := c.reply()
		got = strings.TrimSpace(strings.ReplaceAll(got, "\r\n", " "))
		if err != nil || got != want {
			c.t.Fatalf("got %.200q, %v; want %q", got, err, want)
		}
	}
}

// do sends one command and expects one reply.
func (c *client) do(line, reply string) {
	c.t.Helper()
	c.send(line)
	c.expect(reply)
}

func (c *client) expectEnd() {
	c.t.Helper()
	if got, err := c.reply(); err != io.EOF {
		c.t.Fatalf("%q, %v; want the end", got, err)
	}
}

// cutter stands between the proxy and Redis and fails as networks do.
type cutter struct {
	addr, to string
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]struct{}
	done     sync.WaitGroup
	accepted int
}

func newCutter(t testing.TB, to string) *cutter {
	t.Helper()
	k := &cutter{to: to, addr: "127.0.0.1:0", conns: map[net.Conn]struct{}{}}
	k.up(t)
	t.Cleanup(func() { k.down(false); k.done.Wait() })
	return k
}

// up listens where it listened before.
func (k *cutter) up(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", k.addr)
	if err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	k.listener, k.addr = l, l.Addr().String()
	k.mu.Unlock()
	k.done.Add(1)
	go func() {
		defer k.done.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			k.relay(c)
		}
	}()
}

func (k *cutter) relay(c net.Conn) {
	d, err := net.Dial("tcp", k.to)
	if err != nil {
		c.Close()
		return
	}
	k.mu.Lock()
	k.conns[c], k.conns[d] = struct{}{}, struct{}{}
	k.accepted++
	k.mu.Unlock()
	k.done.Add(2)
	copyThen := func(to, from net.Conn) {
		defer k.done.Done()
		io.Copy(to, from)
		to.Close()
		from.Close()
		k.mu.Lock()
		delete(k.conns, from)
		k.mu.Unlock()
	}
	go copyThen(c, d)
	go copyThen(d, c)
}

// cut ends every connection; reset ends them with a reset.
func (k *cutter) cut(reset bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.conns {
		if reset {
			c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
}

// down is cut, and nobody listens any more.
func (k *cutter) down(reset bool) {
	k.mu.Lock()
	k.listener.Close()
	k.mu.Unlock()
	k.cut(reset)
}

// script is an upstream that a test plays: it answers INFO and nothing else by itself.
type script struct {
	t    testing.TB
	addr string
	came chan *client // connections on which something else is asked
}

func newScript(t testing.TB) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, addr: l.Addr().String(), came: make(chan *client, 100)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.first(&client{t, c, bufio.NewReader(c)})
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	return s
}

func (s *script) first(c *client) {
	if b, err := c.in.Peek(14); err == nil && bytes.Contains(b, []byte("INFO")) {
		c.reply()
		text := "redis_version:7.0.15\r\nrun_id:1\r\n"
		fmt.Fprintf(c, "$%d\r\n%s\r\n", len(text), text)
		c.Close()
		return
	}
	s.came <- c
}

// next is the next connection.
func (s *script) next() *client {
	s.t.Helper()
	select {
	case c := <-s.came:
		s.t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
		return c
	case <-time.After(patience):
		s.t.Fatal("nobody connects")
		return nil
	}
}
