package resp

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// relay is a row of servers, of which each takes over from the last one what can be taken over.
type relay struct {
	t      testing.TB
	backs  func() Backend
	server *Server
	serves chan error
}

func newRelay(t testing.TB, backs func() Backend) *relay {
	r := &relay{t: t, backs: backs, serves: make(chan error, 1)}
	r.server = &Server{Backend: backs(), portable: portable}
	t.Cleanup(func() {
		r.server.Suspend(0)
		for _, m := range r.server.HandOver() {
			os.NewFile(uintptr(m.FD), "client").Close()
		}
	})
	return r
}

// listen lets clients in until the first hand-over.
func (r *relay) listen(l net.Listener) {
	go func() { r.serves <- r.server.Serve(l) }()
	r.t.Cleanup(func() {
		l.Close()
		if err := await(r.t, r.serves, "end of Serve"); err != ErrClosed {
			r.t.Errorf("Serve returned %v", err)
		}
	})
}

// handOver goes on with another server, to which the clients are changed on their way. It returns how many came over.
func (r *relay) handOver(patience time.Duration, change ...func(*Moved)) int {
	r.server.Suspend(patience)
	clients := r.server.HandOver()
	if now, _ := r.server.registry.counts(); now != 0 {
		r.t.Errorf("the last server has %d clients still", now)
	}
	next := &Server{Backend: r.backs(), portable: portable}
	for _, m := range clients {
		for _, c := range change {
			c(&m)
		}
		f := os.NewFile(uintptr(m.FD), "client")
		nc, err := net.FileConn(f)
		f.Close()
		if err != nil {
			r.t.Fatal(err)
		}
		next.Adopt(m, nc, plain)
	}
	r.server = next
	return len(clients)
}

func (r *relay) dial(network, addr string) *client {
	r.t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.listen(l)
	nc, err := net.Dial(network, l.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	for len(r.server.registry.all()) == 0 {
		time.Sleep(time.Millisecond)
	}
	return newClient(r.t, nc)
}

// movable is a stub whose clients can move, and that counts what is done.
type movable struct {
	*stub
	mu   *sync.Mutex
	done map[string]int
}

type movableConn struct {
	*stubConn
	b movable
}

func (b movable) Connect(s *Session) Conn { return movableConn{b.stub.Connect(s).(*stubConn), b} }

func (c movableConn) Do(batch []Command) (int, Progress) {
	taken, p := c.stubConn.Do(batch)
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	for i := range taken {
		if batch[i].Refused == nil && batch[i].Spec.Name != "QUIT" {
			c.b.done[string(batch[i].Args[1])]++
		}
	}
	return taken, p
}

func (c movableConn) Pack() ([]byte, bool) { return []byte("packed"), true }
func (c movableConn) Unpack(b []byte) error {
	if string(b) != "packed" {
		return fmt.Errorf("unpacked %q", b)
	}
	return nil
}

// movables returns a maker of backends whose gates are opened, and whose outstanding commands are answered, until the test ends.
func movables(t testing.TB) (backs func() Backend, done func() map[string]int) {
	first := movable{mu: &sync.Mutex{}, done: map[string]int{}}
	parked := make(chan *stubConn, 1000)
	stop := make(chan struct{})
	var answering sync.WaitGroup
	answering.Go(func() {
		for {
			select {
			case c := <-parked:
				c.answer("answered")
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { close(stop); answering.Wait() })
	return func() Backend {
			b := first
			b.stub = newStub(t)
			b.stub.parked = parked
			return b
		}, func() map[string]int {
			first.mu.Lock()
			defer first.mu.Unlock()
			return maps.Clone(first.done)
		}
}

// A client that pipelines whatever it likes, cut into pieces anywhere, with hand-overs at any time, gets the same replies in
// the same order as from one server, and each command is done once.
func TestAHandOverLosesAndRepeatsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		var stream, want []byte
		names := map[string]int{}
		for i := range rapid.IntRange(1, 150).Draw(rt, "commands") {
			name := fmt.Sprint("n", i)
			names[name] = 1
			switch r.IntN(5) {
			case 0:
				stream = append(stream, request("BLPOP", name, "0")...)
				want = append(want, "$8\r\nanswered\r\n"...)
			case 1:
				stream = append(stream, request("INCR", name)...)
				want = append(want, ":1\r\n"...)
			case 2:
				n := r.IntN(10_000)
				stream = append(stream, request("DEL", name, fmt.Sprint(n))...)
				want = fmt.Appendf(want, "$%d\r\n%s\r\n", n, make([]byte, n))
			case 3:
				stream = fmt.Appendf(stream, "GET %s\r\n", name)
				want = fmt.Appendf(want, "$%d\r\n%s\r\n", len(name), name)
			default:
				stream = append(stream, request("GET", name)...)
				want = fmt.Appendf(want, "$%d\r\n%s\r\n", len(name), name)
			}
		}
		stream = append(stream, request("QUIT")...)
		want = append(want, "+OK\r\n"...)

		tb := tidied(t)
		defer tb.tidy()
		backs, done := movables(tb)
		chain := newRelay(tb, backs)
		c := chain.dial("tcp", "127.0.0.1:0")
		pieces := rand.New(rand.NewPCG(r.Uint64(), 0))
		var sending sync.WaitGroup
		sending.Go(func() {
			for len(stream) > 0 {
				n := min(len(stream), 1+pieces.IntN(1000))
				c.Write(stream[:n])
				stream = stream[n:]
			}
		})
		over := make(chan struct{})
		var handing sync.WaitGroup
		cuts := rand.New(rand.NewPCG(r.Uint64(), 0))
		handing.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					chain.handOver(patience)
					time.Sleep(time.Duration(cuts.IntN(2000)) * time.Microsecond) // or nothing would ever be done
				}
			}
		})
		got, err := io.ReadAll(c.in)
		sending.Wait()
		close(over)
		handing.Wait()
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			rt.Fatalf("%d bytes of replies, want %d; they differ at %d", len(got), len(want), at)
		}
		if done := done(); !maps.Equal(done, names) {
			rt.Fatalf("done: %v", done)
		}
	})
}

// tidy is a test whose clean-up comes earlier than its end.
type tidy struct {
	testing.TB
	cleanups []func()
}

func tidied(t testing.TB) *tidy { return &tidy{TB: t} }

func (t *tidy) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *tidy) tidy() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

func TestWhoAClientIsMovesAlong(t *testing.T) {
	backs, _ := movables(t)
	chain := newRelay(t, backs)
	c := chain.dial("unix", filepath.Join(t.TempDir(), "s"))
	ask := func(line string) string {
		t.Helper()
		c.send(requests(line))
		if _, err := c.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		text, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		c.in.Discard(c.in.Buffered())
		// Another descriptor, and later; perhaps the last reply is not all written yet.
		for _, field := range strings.Fields(text) {
			if name, _, _ := strings.Cut(field, "="); slices.Contains([]string{"fd", "age", "idle", "rbs", "rbp", "obl", "events", "tot-mem", "qbuf"}, name) {
				text = strings.Replace(text, field, name, 1)
			}
		}
		return text
	}
	c.send(requests("CLIENT SETNAME me", "CLIENT SETINFO LIB-NAME redis-py", "CLIENT NO-EVICT ON"))
	c.expect("+OK\r\n")
	c.in.ReadString('\n')
	c.expect("+OK\r\n")
	before := ask("CLIENT INFO")
	chain.handOver(patience)
	if after := ask("CLIENT INFO"); after != before {
		t.Errorf("was\n%sis\n%s", before, after)
	}
	if library, _ := chain.server.registry.all()[0].Client.Library(); library != "redis-py" {
		t.Errorf("the library is %q", library)
	}
	c.send(requests("CLIENT REPLY OFF", "GET a"))
	chain.handOver(patience)
	c.send(requests("GET b", "CLIENT REPLY ON"))
	c.expect("+OK\r\n")
}

// IDs that were given are not given again.
func TestANewcomerHasAnIDOfItsOwn(t *testing.T) {
	backs, _ := movables(t)
	chain := newRelay(t, backs)
	chain.dial("tcp", "127.0.0.1:0")
	chain.handOver(patience)
	moved := chain.server.registry.all()[0].Client.ID
	near, far := net.Pipe()
	defer near.Close()
	chain.server.connect(far, plain)
	if all := chain.server.registry.all(); len(all) != 2 || all[1].Client.ID != moved+1 {
		t.Errorf("%v", all)
	}
}

// Who cannot go on in the other process is closed there: it may wait for messages. If it has sent something it is told.
func TestWhoCannotMoveIsClosed(t *testing.T) {
	for _, sent := range []string{"", "GET a\r\nGE"} {
		backs, _ := movables(t)
		chain := newRelay(t, backs)
		c := chain.dial("tcp", "127.0.0.1:0")
		chain.handOver(patience, func(m *Moved) {
			m.Input = []byte(sent)
			m.Backend = []byte("what nobody understands")
		})
		if sent != "" {
			c.expect("-LOADING omniproxy is restarting\r\n")
		}
		c.expectEnd()
	}
}

// Who has not logged in has no longer for that in the next process.
func TestAStrangerIsAStrangerInTheNextProcess(t *testing.T) {
	backs, _ := movables(t)
	v := newRelay(t, backs).server
	v.SetPassword("secret")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	v.Adopt(Moved{ID: 1, User: defaultUser, Proto: 2, Backend: []byte("packed")}, far, NewFront(&Listener{AuthTimeout: time.Millisecond}))
	newClient(t, near).expectEnd()
}

// The connection of a client over TLS ends with the reply to a command of data, and not within what the client does at once: saying
// who it is, or a command of which a part has come.
func TestATLSClientLeavesWithAReply(t *testing.T) {
	for _, last := range []string{"", "*2\r\n$3\r\nGE"} {
		d := serveTLS(t)
		c := d.dialTLS(t)
		c.send(requests("GET a"))
		c.expect("$1\r\na\r\n")
		suspended := make(chan struct{})
		go func() { d.v.Suspend(time.Hour); close(suspended) }()
		for s := d.v.registry.get(1); !s.leaves.Load(); {
			time.Sleep(time.Millisecond)
		}
		c.send(requests("CLIENT ID", "PING", "ECHO a")) // the last is outstanding for a while
		c.expect(":1\r\n+PONG\r\n$1\r\na\r\n")
		if last != "" {
			c.send(append(requests("GET a"), last...))
			c.expect("$1\r\na\r\n")
			c.send([]byte("T\r\n$1\r\nb\r\n"))
			c.expect("$1\r\nb\r\n")
		} else {
			c.send(requests("GET a", "GET b"))
			c.expect("$1\r\na\r\n$1\r\nb\r\n")
		}
		c.expectEnd()
		await(t, suspended, "end of Suspend")
		d.v.HandOver()
	}
}

// One that sends nothing is closed when the time is over.
func TestATLSClientThatIsSilentIsClosed(t *testing.T) {
	backs, _ := movables(t)
	chain := newRelay(t, backs)
	near, far := net.Pipe()
	chain.server.connect(tls.Server(far, &tls.Config{}), plain)
	defer near.Close()
	if n := chain.handOver(0); n != 0 {
		t.Errorf("%d clients came over", n)
	}
}

// A client that does not read its replies is no reason to wait, and gets them all.
func TestUnreadRepliesMoveAlong(t *testing.T) {
	if portable {
		t.Log("what package net is writing cannot be taken back: such a client is cut")
		return
	}
	backs, _ := movables(t)
	chain := newRelay(t, backs)
	c := chain.dial("tcp", "127.0.0.1:0")
	const size = 16 << 20
	c.send(request("DEL", "k", fmt.Sprint(size)))
	for chain.server.registry.all() == nil || chain.server.registry.all()[0].Out.Len() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		if n := chain.handOver(0); n != 1 {
			t.Fatalf("%d clients came over", n)
		}
	}
	head := fmt.Sprintf("$%d\r\n", size)
	c.expect(head)
	if n, err := io.CopyN(io.Discard, c.in, size); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	c.expect("\r\n")
	c.send(requests("GET a"))
	c.expect("$1\r\na\r\n")
}
