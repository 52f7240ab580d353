package resp

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestADrainCutsNobodyWhoCanBeTold(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	dial := serve(t, v)
	waiting, talking := dial(), dial()
	waiting.send(requests("BLPOP k 0"))
	parked := await(t, b.parked, "outstanding command")
	talking.send(requests("GET a"))
	talking.expect("$1\r\na\r\n")

	gone := make(chan struct{})
	go func() { v.Drain(context.Background()); close(gone) }()
	await(t, b.drained, "Drain of the backend")
	parked.answer("timeout")
	waiting.expect("$7\r\ntimeout\r\n")
	waiting.send(requests("GET a"))
	waiting.expect(restarting)
	waiting.expectEnd()
	select {
	case <-gone:
		t.Fatal("the drain is over before everybody has gone")
	default:
	}
	talking.send(requests("GET a", "GET b"))
	talking.expect(restarting + restarting)
	talking.expectEnd()
	await(t, gone, "end of the drain")
}

func TestADrainCutsSilentClientsInTheEnd(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	c := serve(t, v)()
	c.send(requests("BLPOP k 0"))
	await(t, b.parked, "outstanding command")
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() { v.Drain(ctx); close(gone) }()
	await(t, b.drained, "Drain of the backend")
	cancel()
	c.expectEnd()
	await(t, gone, "end of the drain")
	await(t, b.closed, "Close")
}

func TestNobodyIsAdmittedDuringADrain(t *testing.T) {
	v := &Server{Backend: newStub(t)}
	v.draining.Store(true)
	here, there := net.Pipe()
	go v.connect(there, plain)
	c := newClient(t, here)
	c.expect(restarting)
	c.expectEnd()
	if err := v.Serve(nil); err != ErrClosed {
		t.Errorf("Serve returned %v", err)
	}
}

func TestTooManyClientsAreRefused(t *testing.T) {
	b := newStub(t)
	v := &Server{Backend: b}
	v.SetMaxClients(2)
	dial := serve(t, v)
	first, second := dial(), dial()
	for _, c := range []*client{first, second} {
		c.send(requests("PING"))
		c.expect("+PONG\r\n")
	}
	third := dial()
	third.expect("-ERR max number of clients reached\r\n")
	third.expectEnd()
	if n := v.Traffic().Rejected; n != 1 {
		t.Errorf("%d are counted as refused", n)
	}
	first.Close()
	await(t, b.closed, "Close")
	for v.full() {
		runtime.Gosched()
	}
	fourth := dial()
	fourth.send(requests("PING"))
	fourth.expect("+PONG\r\n")
	if now, ever := v.registry.counts(); now != 2 || ever != 3 {
		t.Errorf("%d clients of %d", now, ever)
	}
}

// full reports whether nobody else is admitted.
func (v *Server) full() bool { now, _ := v.registry.counts(); return int64(now) >= v.maxClients.Load() }

func TestEveryClientIsReportedToComeAndGo(t *testing.T) {
	b := newStub(t)
	came, went := make(chan string, 1), make(chan string, 1)
	v := &Server{Backend: b, Events: Events{Connected: func(c string) { came <- c }, Disconnected: func(c string) { went <- c }}}
	c := serve(t, v)()
	want := c.LocalAddr().String() + " id 1"
	if got := await(t, came, "arrival"); got != want {
		t.Errorf("came %s, want %s", got, want)
	}
	c.Close()
	if got := await(t, went, "departure"); got != want {
		t.Errorf("went %s, want %s", got, want)
	}
}

func TestWhoSeesTheEndIsForgotten(t *testing.T) {
	v := &Server{Backend: newStub(t)}
	for range 100 {
		here, there := net.Pipe()
		v.connect(there, plain)
		c := newClient(t, here)
		c.send(requests("QUIT"))
		c.expect("+OK\r\n")
		c.expectEnd()
		if now, _ := v.registry.counts(); now != 0 {
			t.Fatal("the server still counts a client that it has closed")
		}
	}
}

// poor is a listener that runs out of file descriptors.
type poor struct {
	failures int
	conns    chan net.Conn
	closed   chan struct{}
	isClosed atomic.Bool
}

var errTooManyFiles = errors.New("accept: too many open files")

func (l *poor) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, errTooManyFiles
	}
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *poor) Close() error {
	if !l.isClosed.Swap(true) {
		close(l.closed)
	}
	return nil
}

func (l *poor) Addr() net.Addr { return &net.TCPAddr{} }

func TestAFailedAcceptIsTriedAgainLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed []time.Duration
		start := time.Now()
		v := &Server{Backend: newStub(t)}
		v.Events.AcceptFailed = func(err error) {
			if err != errTooManyFiles {
				t.Error(err)
			}
			failed = append(failed, time.Since(start))
		}
		l := &poor{failures: 10, conns: make(chan net.Conn), closed: make(chan struct{})}
		served := make(chan error)
		go func() { served <- v.Serve(l) }()
		here, there := net.Pipe()
		l.conns <- there
		const ms = time.Millisecond
		want := []time.Duration{0, 5 * ms, 15 * ms, 35 * ms, 75 * ms, 155 * ms, 315 * ms, 635 * ms, 1275 * ms, 2275 * ms}
		for i := range want {
			if i >= len(failed) || failed[i] != want[i] {
				t.Fatalf("tried again after %v, want %v", failed, want)
			}
		}
		c := newClient(t, here)
		go c.Write(requests("PING"))
		c.expect("+PONG\r\n")
		c.Close()
		v.Drain(t.Context())
		if err := <-served; err != ErrClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
}
