package resp

import (
	"bytes"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hand is a transport that does only what a test tells it.
type hand struct {
	immovable
	s       *Session
	written bytes.Buffer
	stuck   bool // nothing can be written
	woken   atomic.Int32
	isCut   bool
}

func (h *hand) wake() { h.woken.Add(1) }
func (h *hand) cut()  { h.isCut = true }

// immovable is a transport that no other process can go on with.
type immovable struct{}

func (immovable) movable() bool       { return false }
func (immovable) halt()               {}
func (immovable) part() (Moved, bool) { return Moved{}, false }

func (h *hand) flush() {
	if h.stuck {
		return
	}
	if b := h.s.Out.take(); b != nil {
		h.written.Write(b)
		h.s.Out.done()
	}
}

// turn is what every transport does with bytes that came, and without when it was woken.
func (h *hand) turn(p []byte) {
	if p != nil {
		h.s.feed(p)
	}
	for first := true; first || h.woken.Load() > 0; first = false {
		h.woken.Store(0)
		h.s.resume()
		h.flush()
	}
}

// said returns what was written since it was last asked.
func (h *hand) said() string {
	defer h.written.Reset()
	return h.written.String()
}

// connect returns a session of a server with the stub behind it.
func connect(t testing.TB, configure ...func(*Server)) (*hand, *stub) {
	b := newStub(t)
	v := &Server{Backend: b}
	for _, f := range configure {
		f(v)
	}
	h := &hand{}
	h.s = newSession(v, plain, h, peer{addr: "peer:1", local: "here:2", fd: 7})
	v.registry.add(h.s)
	return h, b
}

func withPassword(v *Server) { v.SetPassword("secret") }

func (h *hand) expect(t testing.TB, want string) {
	t.Helper()
	if diff := cmp.Diff(want, h.said()); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
}

// atEnd fails the test if the session is not over, or is over.
func (h *hand) atEnd(t testing.TB, want bool) {
	t.Helper()
	if got := h.s.finished(); got != want {
		t.Errorf("finished: %v, want %v", got, want)
	}
}

func repeat(n int, line string) (lines []string) {
	for range n {
		lines = append(lines, line)
	}
	return lines
}
