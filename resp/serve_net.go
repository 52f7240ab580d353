package resp

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// netConn is the portable transport: one goroutine per client on a net.Conn, which reads on while an answer is
// outstanding, so that a client who leaves is noticed at once. Other goroutines never touch the socket: wake starts a
// short-lived goroutine that takes a turn.
//
// Who raises wishes from 0 owes a turn and is the only one who resets it, at the end of a turn during which nobody else
// wished for one. So every wish is followed by a whole turn, and a client has two goroutines at the most.
type netConn struct {
	nc     net.Conn
	s      *Session
	turn   sync.Mutex
	wishes atomic.Int64

	writing atomic.Bool // a goroutine writes
	abrupt  atomic.Bool // the client was cut

	// Guarded by turn; nil if nobody waits for it.
	answered chan struct{} // closed when a client that hung up is answered
	room     chan struct{} // closed when the session is not full any more
}

// What one read may bring. A buffer that was filled is doubled, so that most idle clients keep a small one.
const (
	readSmallest = 2 << 10
	readLargest  = 16 << 10
)

// mostRounds is how often a turn looks whether it was wished for meanwhile, before another one has to.
const mostRounds = 4

// carry implements [carrier].
func (c *netConn) carry(s *Session) { c.s = s }

// start implements [carrier].
func (c *netConn) start() { go c.serve() }

// serve returns when the client has left, was cut, or was answered to the end. Who sees that the connection is closed may
// rely on the server having forgotten it.
func (c *netConn) serve() {
	defer c.s.server.goodbye(c.s)
	defer c.close()
	c.read()
	c.nc.SetDeadline(aLongTimeAgo) // a write ends that has the turn
	c.s.leaving()
	c.turn.Lock()
	defer c.turn.Unlock()
	if t, ok := c.nc.(*tls.Conn); ok && !c.abrupt.Load() {
		t.CloseWrite() // before the server forgets the client: this process may not live much longer
	}
	c.s.left()
}

// read feeds the session until the end of the stream.
func (c *netConn) read() {
	buf := make([]byte, readSmallest)
	for {
		n, err := c.nc.Read(buf)
		if n > 0 {
			room, goesOn := c.takeTurn(buf[:n])
			if !goesOn {
				return
			}
			if room != nil {
				<-room
			}
		}
		if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() && c.halted() {
			continue
		}
		if errors.Is(err, io.EOF) {
			if answered := c.lastTurn(); answered != nil {
				<-answered
			}
		}
		if err != nil {
			return
		}
		if n == len(buf) && n < readLargest {
			buf = make([]byte, 2*n)
		}
	}
}

// takeTurn gives the session a turn with bytes that were read. It reports whether the session goes on, and returns what to
// wait for before more is read, nil if for nothing.
func (c *netConn) takeTurn(p []byte) (room <-chan struct{}, goesOn bool) {
	c.turn.Lock()
	defer c.turn.Unlock()
	defer c.s.survivePanic()
	owner := c.wishes.Add(1) == 1
	c.s.feed(p)
	c.settle(owner)
	if c.s.full() {
		c.room = make(chan struct{})
		room = c.room
		c.s.rest(c.still())
	}
	return room, !c.s.finished()
}

// halted is what a read does that was ended by halt: it waits while the server is suspended. It reports whether the session
// goes on.
func (c *netConn) halted() bool {
	c.turn.Lock()
	var room chan struct{}
	if c.s.full() {
		room = make(chan struct{})
		c.room = room
		c.s.rest(c.still())
	}
	c.turn.Unlock()
	if room != nil {
		<-room
	} else {
		c.nc.SetReadDeadline(time.Time{})
	}
	return !c.s.finished() // asked last, for who ends the client sets the deadline after that
}

// still reports whether nothing is being read or written. It is called with the turn.
func (c *netConn) still() bool { return (c.room != nil || c.answered != nil) && !c.writing.Load() }

// lastTurn gives the session a turn when the client has hung up. What is returned is closed when the client is answered
// to the end; it is nil if it is already.
func (c *netConn) lastTurn() (answered <-chan struct{}) {
	c.turn.Lock()
	defer c.turn.Unlock()
	defer c.s.survivePanic()
	owner := c.wishes.Add(1) == 1
	c.s.hangUp()
	c.settle(owner)
	if c.s.finished() {
		return nil
	}
	c.answered = make(chan struct{})
	return c.answered
}

// owe takes the turn that a wish asked for.
func (c *netConn) owe() {
	c.turn.Lock()
	defer c.turn.Unlock()
	defer c.dismiss()
	defer c.s.survivePanic()
	c.settle(true)
}

// dismiss makes the goroutine that reads come back, if the session is over.
func (c *netConn) dismiss() {
	if !c.s.finished() {
		return
	}
	c.nc.SetDeadline(aLongTimeAgo)
	if c.answered != nil {
		close(c.answered)
		c.answered = nil
	}
}

// settle lets the session go on and writes, until it has nothing more to do. Only who owes a turn looks at what was
// wished for meanwhile, and not for ever: the others' turn comes, however much is pushed to the client.
func (c *netConn) settle(owner bool) {
	for range mostRounds {
		seen := c.wishes.Load()
		c.s.resume()
		c.s.commit()
		c.flush()
		if c.room != nil && !c.s.full() {
			close(c.room)
			c.room = nil
		}
		c.s.rest(c.still())
		if !owner || c.wishes.CompareAndSwap(seen, 0) {
			return
		}
	}
	go c.owe()
}

// flush writes once, so that one who is pushed to without end gets his own commands done, too. What the socket does not
// take at once is written by a goroutine of its own: reading goes on, for many clients send all their commands before they
// read the first reply.
func (c *netConn) flush() {
	if c.s.Gone() || c.writing.Swap(true) {
		return
	}
	b := c.s.Out.take()
	if b == nil {
		c.writing.Store(false)
		return
	}
	go c.write(b, c.s.closing.Load() && c.s.Out.lastTaken())
}

// write takes as long as the client does, then wishes for a turn, which writes what came meanwhile. The last of it leaves
// together with TLS' good-bye: a client that has it all knows that the connection is over.
func (c *netConn) write(b []byte, last bool) {
	t, ok := c.nc.(*tls.Conn)
	if last = last && ok; last {
		cork(c.nc, true)
	}
	n, err := c.nc.Write(b)
	if last {
		t.CloseWrite()
		cork(c.nc, false)
	}
	c.s.server.counters.wrote(n)
	c.s.Out.done()
	c.writing.Store(false)
	if err != nil {
		c.s.Kill()
		return
	}
	c.wake()
}

func (c *netConn) wake() {
	if c.wishes.Add(1) == 1 {
		go c.owe()
	}
}

// aLongTimeAgo is a deadline that is over.
var aLongTimeAgo = time.Unix(1, 0)

// cut ends by deadline what Close could block on, for TLS says good-bye.
func (c *netConn) cut() {
	c.abrupt.Store(true)
	c.nc.SetDeadline(aLongTimeAgo)
	c.wake()
}

// close says good-bye in TLS, but to who was cut: that could take seconds.
func (c *netConn) close() {
	if c.abrupt.Load() {
		socketOf(c.nc).Close()
		return
	}
	c.nc.Close()
}

// peerOf words the ends of a connection as Redis does: clients of a unix socket are "path:0".
func peerOf(nc net.Conn) peer {
	local := nc.LocalAddr()
	p := peer{addr: nc.RemoteAddr().String(), local: local.String(), fd: -1, origin: originOf(nc.RemoteAddr()), subject: subjectOf(nc)}
	if local.Network() == "unix" {
		p.local += ":0"
		p.addr, p.unix = p.local, true
	}
	if socket, ok := socketOf(nc).(syscall.Conn); ok {
		if raw, err := socket.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { p.fd = int(fd) })
		}
	}
	return p
}
