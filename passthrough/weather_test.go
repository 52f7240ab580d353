package passthrough

import (
	"io"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// weather is a network between two parties that fails as networks do. What a connection meets is drawn from the seed and
// the number of the connection: a run is repeated by its seed as far as its parties do the same again.
type weather struct {
	addr, to string
	seed     uint64
	silence  time.Duration // how long a connection is mute
	listener net.Listener
	fine     atomic.Bool // nothing fails any more
	broken   atomic.Int64
	done     sync.WaitGroup

	mu    sync.Mutex
	count uint64
	open  map[net.Conn]struct{}
	ended map[string]bool // addresses of those whose connection failed
}

// fate is what a connection meets.
type fate struct {
	end   end
	after int64 // bytes in one direction
	calls bool  // of what the caller sends, not of what it gets
	pace  [2]pace
	rand  *rand.Rand
}

// end is how a connection fails.
type end int

const (
	cut     end = iota // closed in both directions
	reset              // torn, what was under way is lost
	halved             // no more comes in one direction, the other goes on for a while
	refused            // torn as soon as it is accepted
	mute               // accepted, and nothing passes
)

// pace is how bytes pass.
type pace int

const (
	swift pace = iota
	split      // each byte by itself, the first thousands
	late       // each piece some milliseconds later
	slow       // in small pieces with pauses, the first thousands
	paces
)

const (
	lastsLong   = 8 << 20 // bytes that pass a connection before it fails, at most
	carefully   = 4 << 10 // bytes of a connection that pass split or slow
	halfOpen    = 20 * time.Millisecond
	longestWait = 3 * time.Millisecond
)

func newWeather(t testing.TB, to string, seed uint64, silence time.Duration) *weather {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &weather{addr: l.Addr().String(), to: to, seed: seed, silence: silence, listener: l, open: map[net.Conn]struct{}{}, ended: map[string]bool{}}
	w.done.Go(w.accept)
	t.Cleanup(w.stop)
	return w
}

// stop ends everything; what had passed already arrives.
func (w *weather) stop() {
	w.listener.Close()
	w.mu.Lock()
	for c := range w.open {
		c.Close()
	}
	w.mu.Unlock()
	w.done.Wait()
}

func (w *weather) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		f := draw(w.seed, w.count)
		w.count++
		w.open[c] = struct{}{}
		delete(w.ended, c.RemoteAddr().String())
		w.mu.Unlock()
		w.done.Go(func() { w.carry(c.(*net.TCPConn), f) })
	}
}

func draw(seed, number uint64) fate {
	r := rand.New(rand.NewPCG(seed, number))
	f := fate{rand: r, calls: r.IntN(2) == 0, after: int64(math.Exp(r.Float64() * math.Log(lastsLong)))}
	switch n := r.IntN(100); {
	case n < 4:
		f.end = refused
	case n < 7:
		f.end = mute
	default:
		f.end = end(r.IntN(int(refused)))
	}
	for i := range f.pace {
		if r.IntN(3) == 0 {
			f.pace[i] = pace(r.IntN(int(paces)))
		}
	}
	return f
}

// failed reports whether it was the weather that ended a connection.
func (w *weather) failed(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended[c.LocalAddr().String()]
}

// fail notes that a connection fails, before anybody can see it.
func (w *weather) fail(c net.Conn) {
	w.broken.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[c.RemoteAddr().String()] = true
}

func (w *weather) close(torn bool, conns ...*net.TCPConn) {
	for _, c := range conns {
		if torn {
			c.SetLinger(0)
		}
		c.Close()
		w.mu.Lock()
		delete(w.open, c)
		w.mu.Unlock()
	}
}

// carry is the life of a connection.
func (w *weather) carry(caller *net.TCPConn, f fate) {
	if !w.fine.Load() && (f.end == refused || f.end == mute) {
		w.fail(caller)
		if f.end == mute {
			caller.SetReadDeadline(time.Now().Add(w.silence))
			io.Copy(io.Discard, caller)
		}
		w.close(true, caller)
		return
	}
	there, err := net.Dial("tcp", w.to)
	if err != nil {
		w.fail(caller)
		w.close(true, caller)
		return
	}
	called := there.(*net.TCPConn)
	w.mu.Lock()
	w.open[called] = struct{}{}
	w.mu.Unlock()
	over := make(chan bool, 2) // whether the connection failed
	w.done.Go(func() { over <- w.pass(called, caller, f, 0) })
	w.done.Go(func() { over <- w.pass(caller, called, f, 1) })
	torn := false
	if <-over {
		torn = f.end == reset
		if f.end == halved {
			time.Sleep(halfOpen)
		}
	}
	w.close(torn, caller, called)
	<-over
}

// pass carries one direction until its end; it reports whether it ended by the connection's fate.
func (w *weather) pass(to, from *net.TCPConn, f fate, direction int) (failed bool) {
	buf := make([]byte, 32<<10)
	r := rand.New(rand.NewPCG(uint64(f.after), uint64(direction)))
	for passed := int64(0); ; {
		n, err := from.Read(buf)
		p := buf[:n]
		doomed := f.calls == (direction == 0) && !w.fine.Load() && passed+int64(n) >= f.after
		if doomed {
			p = p[:max(0, f.after-passed)]
		}
		if !write(to, p, f.pace[direction], &passed, r) {
			return false
		}
		if doomed {
			caller := to
			if direction == 0 {
				caller = from
			}
			w.fail(caller)
			if f.end == halved {
				to.CloseWrite()
			}
			return true
		}
		if err != nil {
			to.CloseWrite()
			return false
		}
	}
}

// write writes at a pace.
func write(to net.Conn, p []byte, pace pace, passed *int64, r *rand.Rand) bool {
	for len(p) > 0 {
		n := len(p)
		switch {
		case pace == split && *passed < carefully:
			n = 1
		case pace == slow && *passed < carefully:
			n = min(n, 1+r.IntN(300))
			time.Sleep(time.Millisecond)
		case pace == late && r.IntN(4) == 0:
			time.Sleep(time.Duration(r.Int64N(int64(longestWait))))
		}
		if _, err := to.Write(p[:n]); err != nil {
			return false
		}
		*passed += int64(n)
		p = p[n:]
	}
	return true
}
