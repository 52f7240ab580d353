package resp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// client is one end of a connection, which gives up after patience.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

// serve runs a server for the rest of the test and returns a function that connects clients to it.
func serve(t testing.TB, v *Server) (dial func() *client) {
	t.Helper()
	return serveOn(t, v, "tcp", "127.0.0.1:0")
}

func serveFront(t testing.TB, v *Server, front *Front, network, addr string) (dial func() *client) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return serveAt(t, v, front, l)
}

// serveAt does what serveFront does, on a listener.
func serveAt(t testing.TB, v *Server, front *Front, l net.Listener) (dial func() *client) {
	t.Helper()
	v.portable = v.portable || portable
	served := make(chan error, 1)
	go func() { served <- v.ServeOn(l, front) }()
	t.Cleanup(func() {
		if !v.draining.Load() {
			now, cancel := context.WithCancel(context.Background())
			cancel()
			v.Drain(now)
		}
		if err := await(t, served, "end of Serve"); err != ErrClosed {
			t.Errorf("Serve returned %v", err)
		}
		if now, _ := v.registry.counts(); now != 0 {
			t.Errorf("%d clients are left", now)
		}
	})
	return func() *client {
		t.Helper()
		nc, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return newClient(t, nc)
	}
}

func newClient(t testing.TB, nc net.Conn) *client {
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &client{nc, t, bufio.NewReader(nc)}
}

func (c *client) send(p []byte) {
	c.t.Helper()
	if _, err := c.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.in, got); err != nil || string(got) != want {
		c.t.Fatalf("received %q (%v), want %q", got[:n], err, want)
	}
}

func (c *client) expectEnd() {
	c.t.Helper()
	if b, err := c.in.ReadByte(); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("received %q, %v in place of the end", b, err)
	}
}

func TestReplyOverTheNetwork(t *testing.T) {
	b := newStub(t)
	c := serve(t, &Server{Backend: b})()
	c.send(requests("GET a", "BLPOP k 0", "GET b"))
	c.expect("$1\r\na\r\n")
	await(t, b.parked, "outstanding command").answer("x")
	c.expect("$1\r\nx\r\n$1\r\nb\r\n")
	c.Close()
	if await(t, b.gone, "Gone") != await(t, b.closed, "Close") {
		t.Error("Gone and Close of different clients")
	}
}

func TestWhoLeavesWhileACommandIsOutstandingIsNoticed(t *testing.T) {
	for name, leave := range map[string]func(*client, *stubConn){
		"closed":                     func(c *client, _ *stubConn) { c.Close() },
		"half-closed":                func(c *client, _ *stubConn) { c.Conn.(*net.TCPConn).CloseWrite() },
		"reset":                      func(c *client, _ *stubConn) { c.Conn.(*net.TCPConn).SetLinger(0); c.Close() },
		"killed":                     func(_ *client, o *stubConn) { o.s.Kill() },
		"closed after more commands": func(c *client, _ *stubConn) { c.send(requests("GET a", "BLPOP k 0")); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newStub(t)
			c := serve(t, &Server{Backend: b})()
			c.send(requests("BLPOP k 0"))
			parked := await(t, b.parked, "outstanding command")
			leave(c, parked)
			if gone := await(t, b.gone, "Gone"); gone != parked {
				t.Error("another client is gone")
			}
			await(t, b.closed, "Close")
			parked.s.Resume() // too late, and harmless
			parked.s.Out.Push([]byte("+x\r\n"))
			select {
			case <-b.parked:
				t.Error("a command of the gone client was done")
			default:
			}
		})
	}
}

// hangUp closes the client's direction and returns when the server waits for what is still to be said to it.
func (c *client) hangUp(v *Server) *Session {
	c.t.Helper()
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
	s := v.registry.get(1)
	for !s.hungUp.Load() {
		runtime.Gosched()
	}
	return s
}

func TestWhoHangsUpGetsHisGatedReplies(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	c := serve(t, v)()
	c.send(requests("GET a", "SET k 1", "GET b"))
	c.expect("$1\r\na\r\n")
	c.hangUp(v).Out.Release(1)
	c.expect("+OK\r\n$1\r\nb\r\n")
	c.expectEnd()
	await(t, b.closed, "Close")
}

func TestWhoHungUpCanBeKilled(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	c := serve(t, v)()
	c.send(requests("GET a", "SET k 1"))
	c.expect("$1\r\na\r\n")
	c.hangUp(v).Kill()
	c.expectEnd()
	await(t, b.closed, "Close")
}

func TestWhoLeavesDuringDoIsNoticed(t *testing.T) {
	b := newStub(t)
	c := serve(t, &Server{Backend: b, portable: true})() // a loop's Do never takes long
	c.send(requests("BLPOP k 0"))
	parked := await(t, b.parked, "outstanding command")
	c.send(requests("TYPE k"))
	turn := &parked.s.transport.(*netConn).turn
	for received := false; !received; runtime.Gosched() { // in a turn that is over, so that the one to come is not the reader's
		turn.Lock()
		received = parked.s.Client.pending.Load() > 0
		turn.Unlock()
	}
	parked.answer("x")
	await(t, b.slow, "slow command")
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	await(t, b.gone, "Gone")
	b.goOn <- struct{}{}
	await(t, b.closed, "Close")
}

// faulty is a connection whose writes do something first, and whose reads fail when the test says so.
type faulty struct {
	net.Conn
	beforeWrite func()
	fail        chan struct{}
}

var errFault = errors.New("fault")

func (f *faulty) Write(p []byte) (int, error) {
	f.beforeWrite()
	return f.Conn.Write(p)
}

func (f *faulty) Read(p []byte) (int, error) {
	read := make(chan struct{})
	defer close(read)
	go func() {
		select {
		case <-f.fail:
			f.Conn.SetReadDeadline(aLongTimeAgo)
		case <-read:
		}
	}()
	n, err := f.Conn.Read(p)
	select {
	case <-f.fail:
		f.Conn.SetReadDeadline(time.Time{})
		return 0, errFault
	default:
		return n, err
	}
}

func TestAReadThatFailsEndsAWriteThatBlocks(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	here, there := net.Pipe()
	writing := make(chan struct{}, 10)
	f := &faulty{there, func() { writing <- struct{}{} }, make(chan struct{})}
	v.connect(f, plain)
	c := newClient(t, here)
	go c.Write(requests("BLPOP k 0"))
	await(t, b.parked, "outstanding command").s.Out.Push([]byte("+nobody reads this\r\n"))
	await(t, writing, "write")
	close(f.fail)
	await(t, b.gone, "Gone")
	await(t, b.closed, "Close")
	v.clients.Wait()
}

// However much is pushed to a client, his own commands are done.
func TestPushesDoNotStarveCommands(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	here, there := net.Pipe()
	v.connect(&faulty{there, func() { v.registry.get(1).Out.Push([]byte("+pushed\r\n")) }, nil}, plain)
	c := newClient(t, here)
	for range 3 { // each write is followed by another, without end
		go c.Write(requests("PING"))
		for line := ""; line != "+PONG\r\n"; {
			var err error
			if line, err = c.in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Close()
	v.clients.Wait()
}

// occupy lets the server write a reply that is larger than what the sockets hold, and returns when it is at it.
func occupy(t *testing.T, v *Server, c *client) *Session {
	t.Helper()
	c.send(requests(fmt.Sprint("DEL k ", 64<<20)))
	if _, err := c.in.Peek(1); err != nil {
		t.Fatal(err)
	}
	return v.registry.get(1)
}

func TestAClientThatNeverReadsCanBeKilled(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	c := serve(t, v)()
	occupy(t, v, c).Kill()
	await(t, b.gone, "Gone")
	await(t, b.closed, "Close")
}

func TestAClientThatNeverReadsAndLeavesIsNoticed(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	c := serve(t, v)()
	occupy(t, v, c)
	c.Close()
	await(t, b.gone, "Gone")
	await(t, b.closed, "Close")
}

func TestAClientThatDoesNotReadItsMessagesIsEnded(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	c := serve(t, v)()
	s := occupy(t, v, c)
	message := make([]byte, 1<<20)
	for i := 0; !s.Gone(); i++ {
		if i > pushLimit/len(message) {
			t.Fatalf("still there after %d MB", i)
		}
		s.Out.Push(message)
	}
	await(t, b.closed, "Close")
}

func TestWhatIsPushedWhileTheSocketIsFullLeavesLater(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	c := serve(t, v)()
	s := occupy(t, v, c)
	for i := range 10 {
		s.Out.Push(fmt.Appendf(nil, "+%d\r\n", i))
	}
	if _, err := c.in.Discard(len("$67108864\r\n") + 64<<20 + 2); err != nil {
		t.Fatal(err)
	}
	c.expect("+0\r\n+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n+6\r\n+7\r\n+8\r\n+9\r\n")
}

func TestALargeCommandIsReadInPieces(t *testing.T) {
	c := serve(t, &Server{Backend: newStub(t)})()
	value := strings.Repeat("x", 5<<20)
	go c.Write(append(request("GET", value), requests("GET a")...))
	c.expect(fmt.Sprintf("$%d\r\n%s\r\n$1\r\na\r\n", len(value), value))
}

// gated reports whether replies wait behind a gate.
func gated(s *Session) bool {
	s.Out.mu.Lock()
	defer s.Out.mu.Unlock()
	return len(s.Out.gates) > 0
}

// Each message is pushed when the one before it has arrived, so that it meets the connection on its way to sleep.
func TestNoWakeIsLost(t *testing.T) {
	v := &Server{Backend: newStub(t)}
	c := serve(t, v)()
	c.send(requests("GET a"))
	c.expect("$1\r\na\r\n")
	s := v.registry.get(1)
	for i := range 1500 {
		switch i % 3 {
		case 0:
			s.Out.Push([]byte("+pushed\r\n"))
			c.expect("+pushed\r\n")
		case 1:
			go s.Out.Push([]byte("+pushed\r\n"))
			c.send(requests("PING"))
			first, _ := c.in.ReadString('\n')
			second, _ := c.in.ReadString('\n')
			if first == second || first+second != "+pushed\r\n+PONG\r\n" && second+first != "+pushed\r\n+PONG\r\n" {
				t.Fatalf("received %q and %q", first, second)
			}
		case 2:
			c.send(requests(fmt.Sprint("SET k ", i)))
			for !gated(s) {
				runtime.Gosched()
			}
			s.Out.Release(uint64(i))
			c.expect("+OK\r\n")
		}
	}
}

// Many clients at once: what is outstanding is answered by other goroutines, gates are opened by others again, messages
// come in between, and some clients are killed. Who is not killed receives every reply in order.
func TestManyClientsAtOnce(t *testing.T) {
	const clients, commands = 20, 300
	b := newStub(t)
	v := &Server{Backend: b}
	dial := serve(t, v)
	stop := make(chan struct{})
	var helpers sync.WaitGroup
	for range 4 {
		helpers.Go(func() {
			for {
				select {
				case c := <-b.parked:
					c.answer("answered")
				case <-stop:
					return
				}
			}
		})
	}
	helpers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, s := range v.registry.all() {
				s.Out.Push([]byte("+message\r\n"))
				s.Out.Release(1)
			}
			runtime.Gosched()
		}
	})
	var users sync.WaitGroup
	for u := range clients {
		c := dial()
		users.Go(func() {
			r := rand.New(rand.NewPCG(uint64(u), 0))
			killed := u%5 == 0
			var stream, want []byte
			for i := range commands {
				switch r.IntN(5) {
				case 0:
					stream = append(stream, requests("SET k 1")...)
					want = append(want, "+OK\r\n"...)
				case 1:
					stream = append(stream, requests("BLPOP k 0")...)
					want = append(want, "$8\r\nanswered\r\n"...)
				case 2:
					stream = append(stream, requests("INCR k")...)
					want = append(want, ":1\r\n"...)
				default:
					word := fmt.Sprint(i)
					stream = append(stream, request("GET", word)...)
					want = fmt.Appendf(want, "$%d\r\n%s\r\n", len(word), word)
				}
			}
			if killed {
				stream = append(stream, requests(fmt.Sprintf("CLIENT KILL ADDR %s SKIPME no", c.LocalAddr()))...)
				want = append(want, ":1\r\n"...)
			} else {
				stream = append(stream, requests("QUIT")...)
				want = append(want, "+OK\r\n"...)
			}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for len(stream) > 0 {
					n := min(len(stream), 1+r.IntN(500))
					c.Write(stream[:n])
					stream = stream[n:]
				}
			}()
			all, err := io.ReadAll(c.in)
			if err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
			<-sent
			if got := bytes.ReplaceAll(all, []byte("+message\r\n"), nil); !bytes.Equal(got, want) {
				t.Errorf("client %d received %d bytes, want %d:\n%.200q\n%.200q", u, len(got), len(want), got, want)
			}
		})
	}
	users.Wait()
	close(stop)
	helpers.Wait()
	for range clients {
		await(t, b.closed, "Close")
	}
}

func TestAPanicOfASessionEndsThatClientOnly(t *testing.T) {
	b := newStub(t)
	dropped := make(chan error, 1)
	v := &Server{Backend: b}
	v.Events.Dropped = func(_ string, err error) { dropped <- err }
	v.Filters = []Filter{func(_ *Session, c *Command) {
		if c.Spec.Name == "ECHO" {
			panic("a bug")
		}
	}}
	dial := serve(t, v)
	victim, neighbour := dial(), dial()
	neighbour.send(requests("BLPOP k 0"))
	parked := await(t, b.parked, "outstanding command")
	victim.send(requests("GET a"))
	victim.expect("$1\r\na\r\n")
	victim.send(requests("ECHO x"))
	victim.expectEnd()
	if err := await(t, dropped, "event"); !strings.Contains(err.Error(), "panic: a bug") || !strings.Contains(err.Error(), "serve_net_test.go") {
		t.Errorf("reported as %v", err)
	}
	await(t, b.closed, "Close")
	parked.answer("x")
	neighbour.expect("$1\r\nx\r\n")
}

func TestAUnixSocketIsNamedAsRedisNamesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	c := serveOn(t, &Server{Backend: newStub(t)}, "unix", path)()
	c.send(requests("CLIENT INFO"))
	if _, err := c.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	line, err := c.in.ReadString('\n')
	if err != nil || !strings.Contains(line, fmt.Sprintf(" addr=%s:0 laddr=%s:0 fd=", path, path)) || !strings.Contains(line, " flags=U ") {
		t.Errorf("%s, %v", line, err)
	}
}
