package resp

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// portable makes the tests run on the transport that every system has. They run on both.
var portable = os.Getenv("RESP_TEST_PORTABLE") != ""

func TestMain(m *testing.M) {
	if !portable {
		again := exec.Command(os.Args[0], os.Args[1:]...)
		again.Env = append(os.Environ(), "RESP_TEST_PORTABLE=1")
		if out, err := again.CombinedOutput(); err != nil {
			fmt.Printf("on the portable transport: %v\n%s", err, out)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// await returns what comes out of ch.
func await[T any](t testing.TB, ch <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("no %s after %v", what, patience)
	}
	return v
}

// request encodes a command.
func request(words ...string) []byte {
	var w wire.Writer
	w.Array(len(words))
	for _, word := range words {
		w.BulkString(word)
	}
	return w.Bytes()
}

// requests encodes commands of words without spaces.
func requests(lines ...string) (stream []byte) {
	for _, line := range lines {
		var words []string
		for _, word := range bytes.Fields([]byte(line)) {
			words = append(words, string(word))
		}
		stream = append(stream, request(words...)...)
	}
	return stream
}

// stub is a backend that answers connection commands as every backend does, and for the rest:
//
//	GET x    x
//	SET x n  OK, behind a gate of unit n
//	BLPOP x  later: the test gets the client from parked and answers
//	INCR x   later, answered before Do returns
//	DEL x n  n bytes
//	TYPE x   Do does not return before the test says so (slow)
//
// It fails the test when the seam's rules are broken.
type stub struct {
	t        testing.TB
	atOnce   int            // commands that one Do takes; 0 = all
	parked   chan *stubConn // clients whose command became outstanding
	gone     chan *stubConn // clients that left
	closed   chan *stubConn // clients that the server has forgotten
	slow     chan *stubConn // clients whose TYPE is being done
	goOn     chan struct{}  // ends one TYPE
	drained  chan struct{}  // closed by Drain
	drain    sync.Once
	handlers map[string]ConnectionHandler
}

func newStub(t testing.TB) *stub {
	return &stub{
		t: t, handlers: ConnectionHandlers(), drained: make(chan struct{}),
		slow: make(chan *stubConn, 1), goOn: make(chan struct{}),
		parked: make(chan *stubConn, 1000), gone: make(chan *stubConn, 1000), closed: make(chan *stubConn, 1000),
	}
}

type stubConn struct {
	stub *stub
	s    *Session
	w    wire.Writer

	doing       sync.Mutex // held by Do
	mu          sync.Mutex
	outstanding bool
	isGone      bool
	isClosed    bool
}

func (b *stub) Connect(s *Session) Conn          { return &stubConn{stub: b, s: s} }
func (b *stub) Drain()                           { b.drain.Do(func() { close(b.drained) }) }
func (b *stub) Shutdown(_ context.Context) error { return nil }

func (c *stubConn) Do(batch []Command) (taken int, p Progress) {
	if !c.doing.TryLock() {
		c.stub.t.Error("Do during Do or Close")
		c.doing.Lock()
	}
	defer c.doing.Unlock()
	c.mu.Lock()
	if c.outstanding || c.isClosed || len(batch) == 0 {
		c.stub.t.Errorf("Do of %d commands, outstanding %v, closed %v", len(batch), c.outstanding, c.isClosed)
	}
	c.mu.Unlock()
	c.w.Proto = c.s.Client.Proto()
	for taken < len(batch) && !c.s.Closing() {
		if cmd := &batch[taken]; cmd.Refused == nil && c.s.Hold(func() bool { return MayWrite(cmd.Spec) }) {
			return taken, Later
		}
		later := c.one(&batch[taken])
		taken++
		if later {
			return taken, Later
		}
		if taken == c.stub.atOnce {
			break
		}
	}
	return taken, Done
}

func (c *stubConn) Commit() {}

func (c *stubConn) one(cmd *Command) (later bool) {
	defer c.w.Reset()
	if cmd.Refused != nil {
		c.w.Error(cmd.Refused)
		c.reply(&c.w, 0)
		return false
	}
	seq := 0
	switch name := cmd.Spec.Name; name {
	case "GET":
		c.w.Bulk(cmd.Args[1])
	case "SET":
		c.w.OK()
		seq, _ = strconv.Atoi(string(cmd.Args[2]))
	case "DEL":
		n, _ := strconv.Atoi(string(cmd.Args[2]))
		c.w.Bulk(make([]byte, n))
	case "INCR", "ECHO":
		if c.w.Int(1); name == "ECHO" {
			c.w.Reset()
			c.w.Bulk(cmd.Args[1])
		}
		c.reply(&c.w, 0)
		c.s.Resume()
		return true
	case "BLPOP":
		c.mu.Lock()
		c.outstanding = true
		c.mu.Unlock()
		c.stub.parked <- c
		return true
	case "TYPE":
		c.stub.slow <- c
		await(c.stub.t, c.stub.goOn, "word from the test")
		c.w.Status("none")
	case "RESET":
		c.s.Reset(&c.w)
		c.w.Status("RESET")
	default:
		if err := c.stub.handlers[name](c.s, &c.w, cmd.Args); err != nil {
			c.w.Error(err)
		}
	}
	c.reply(&c.w, seq)
	return false
}

func (c *stubConn) reply(w *wire.Writer, seq int) {
	if c.s.Replied(w, 0); seq > 0 {
		c.s.Out.AppendGated(w.Bytes(), uint64(seq))
	} else {
		c.s.Out.Append(w.Bytes())
	}
}

// answer answers the outstanding command, unless the client has left.
func (c *stubConn) answer(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone {
		return
	}
	if !c.outstanding {
		c.stub.t.Error("nothing is outstanding")
	}
	c.outstanding = false
	var w wire.Writer // c.w belongs to Do, which may not have returned
	w.BulkString(text)
	c.reply(&w, 0)
	c.s.Resume()
}

func (c *stubConn) Gone() {
	if !c.s.Gone() {
		c.stub.t.Error("Gone is called, but the session is not gone")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone || c.isClosed {
		c.stub.t.Errorf("Gone again, or after Close: gone %v, closed %v", c.isGone, c.isClosed)
	}
	c.isGone = true
	c.stub.gone <- c
}

func (c *stubConn) Close() {
	if !c.doing.TryLock() {
		c.stub.t.Error("Close during Do")
		c.doing.Lock()
	}
	defer c.doing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isGone || c.isClosed {
		c.stub.t.Errorf("Close before Gone, or again: gone %v, closed %v", c.isGone, c.isClosed)
	}
	c.isClosed = true
	c.stub.closed <- c
}
