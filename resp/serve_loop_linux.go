package resp

import (
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// loop is the transport of plain sockets on Linux: one goroutine serves many clients, so a client costs no goroutine, and
// what many clients brought at once is done, committed and written together.
//
// Only the loop's goroutine runs its sessions and touches their sockets. Other goroutines wish for a turn with wake.
type loop struct {
	epoll   int
	bell    int // an eventfd: rings when somebody wakes the loop while it sleeps
	server  *Server
	buf     []byte
	clients map[int32]*loopConn

	mu      sync.Mutex
	awake   bool        // the loop will look at the rest before it sleeps
	wished  []*loopConn // who wants a turn
	joined  []*loopConn // who is new
	stopped bool
}

// loopRead is what one read may bring: large, for all clients of a loop share the buffer.
const loopRead = 64 << 10

// loopEvents is how many sockets one look at epoll may bring: they share one write, and one sync, of what they did.
const loopEvents = 1024

// loopConn is a client of a loop.
type loopConn struct {
	loop   *loop
	nc     net.Conn // until the socket is taken over
	fd     int
	s      *Session
	unsent []byte // taken from the session's Out, and not written yet
	wished atomic.Bool
	ready  bool   // among those of this round
	events uint32 // what epoll is asked for
	full   bool   // it is not read, for the session is full
	over   bool   // the connection is to be closed at the end of the round
	joined bool   // and not closed
}

// loops are those of one server, started with its first client.
type loops struct {
	once    sync.Once
	all     []*loop
	next    atomic.Uint32
	running sync.WaitGroup
}

// start makes the loops: half as many as processors, for the rest of the work is the backend's. Where the system refuses,
// there are none, and package net serves every client.
func (ls *loops) start(v *Server) {
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		l, err := newLoop(v)
		if err != nil {
			return
		}
		ls.all = append(ls.all, l)
		ls.running.Go(l.run)
	}
}

func newLoop(v *Server) (*loop, error) {
	l := &loop{server: v, buf: make([]byte, loopRead), clients: map[int32]*loopConn{}}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if l.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.bell)})
	}
	if err != nil {
		unix.Close(l.epoll)
	}
	return l, err
}

// stop ends the loops when their last client has left.
func (ls *loops) stop() {
	for _, l := range ls.all {
		l.mu.Lock()
		l.stopped = true
		l.ring()
		l.mu.Unlock()
	}
}

// end ends the loops at once. Nobody else touches their clients from then on.
func (ls *loops) end() {
	ls.stop()
	ls.running.Wait()
}

// carrier returns a transport for a plain socket, nil for anything else.
func (ls *loops) carrier(v *Server, nc net.Conn) carrier {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	ls.once.Do(func() { ls.start(v) })
	if len(ls.all) == 0 {
		return nil
	}
	return &loopConn{loop: ls.all[int(ls.next.Add(1))%len(ls.all)], nc: nc, fd: -1}
}

// carry implements [carrier].
func (c *loopConn) carry(s *Session) { c.s = s }

// start implements [carrier]: the socket is taken over from package net, and the loop gets a client.
func (c *loopConn) start() {
	var err error
	if c.fd, err = Duplicate(c.nc); err == nil {
		err = unix.SetNonblock(c.fd, true)
	}
	c.nc.Close() // the duplicate lives on
	c.nc = nil
	c.over = err != nil
	c.loop.mu.Lock()
	c.loop.joined = append(c.loop.joined, c)
	c.loop.ring()
	c.loop.mu.Unlock()
}

// ring makes a sleeping loop look. The caller holds mu.
func (l *loop) ring() {
	if l.awake {
		return
	}
	l.awake = true
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	unix.Write(l.bell, one[:])
}

// run serves until stop.
func (l *loop) run() {
	defer unix.Close(l.epoll)
	defer unix.Close(l.bell)
	events := make([]unix.EpollEvent, loopEvents)
	var round []*loopConn
	for {
		patience, stopped := l.patience()
		if stopped {
			return
		}
		n, err := unix.EpollWait(l.epoll, events, patience)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic("epoll: " + err.Error())
		}
		l.mu.Lock()
		l.awake = true
		l.mu.Unlock()
		round = round[:0]
		for i := range max(n, 0) {
			if fd := events[i].Fd; fd == int32(l.bell) {
				var count [8]byte
				unix.Read(l.bell, count[:])
			} else if c := l.clients[fd]; c != nil {
				c.on(events[i].Events)
				round = c.enter(round)
			}
		}
		// Once: who is pushed to without end does not starve the others. New wishes keep epoll from waiting.
		l.finish(l.welcome(round))
	}
}

// patience is how long epoll may wait, in milliseconds: not at all while somebody wishes for a turn, else for ever.
func (l *loop) patience() (ms int, stopped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wished)+len(l.joined) > 0 {
		return 0, false
	}
	if l.stopped {
		return 0, true // awake for good: nobody rings a bell whose number may be another file's by then
	}
	l.awake = false
	return -1, false
}

// welcome gives turns to those who are new and those who wished for one.
func (l *loop) welcome(round []*loopConn) []*loopConn {
	l.mu.Lock()
	joined, wished := l.joined, l.wished
	l.joined, l.wished = nil, nil
	l.mu.Unlock()
	for _, c := range joined {
		c.joined = true
		c.events = unix.EPOLLIN | unix.EPOLLRDHUP
		if c.over {
			round = c.enter(round)
			continue
		}
		l.clients[int32(c.fd)] = c
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: c.events, Fd: int32(c.fd)}); err != nil {
			c.over = true
		}
		round = c.enter(round)
	}
	for _, c := range wished {
		c.wished.Store(false)
		if c.joined {
			c.guarded(c.s.resume)
			round = c.enter(round)
		}
	}
	return round
}

func (c *loopConn) enter(round []*loopConn) []*loopConn {
	if c.ready {
		return round
	}
	c.ready = true
	return append(round, c)
}

// finish commits and writes what a round has done, and closes who is over.
func (l *loop) finish(round []*loopConn) {
	for _, c := range round {
		c.guarded(c.s.commit)
	}
	for _, c := range round {
		c.ready = false
		c.flush()
		if c.full && !c.s.full() {
			c.full = false
			c.ask(c.events | unix.EPOLLIN | unix.EPOLLRDHUP)
		}
		c.s.rest(true)
		if c.over || c.s.finished() {
			l.close(c)
		}
	}
}

// close ends a client. Who sees the end is forgotten already.
func (l *loop) close(c *loopConn) {
	delete(l.clients, int32(c.fd))
	c.joined = false
	c.s.leaving()
	c.s.left()
	unix.Close(c.fd)
	l.server.goodbye(c.s)
}

// on reads what the socket has. What cannot be read any more is over at the end of the round.
func (c *loopConn) on(events uint32) {
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLRDHUP) == 0 {
		return // it can be written again: the round's end does it
	}
	if c.s.full() && events&(unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		c.full = true
		c.ask(c.events &^ (unix.EPOLLIN | unix.EPOLLRDHUP))
		return
	}
	n, err := unix.Read(c.fd, c.loop.buf)
	switch {
	case n > 0:
		c.guarded(func() { c.s.feed(c.loop.buf[:n]) })
	case err == nil && events&unix.EPOLLHUP != 0:
		c.over = true // nobody is there to be answered
	case err == nil:
		c.ask(c.events &^ (unix.EPOLLIN | unix.EPOLLRDHUP))
		c.guarded(c.s.hangUp)
	case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
		c.over = true
	}
}

// guarded runs a step of the session; a panic of the session's own code ends this client only.
func (c *loopConn) guarded(step func()) {
	defer c.s.survivePanic()
	step()
}

// mostWrites is how often a round writes to one client: a long reply that grows while it is written does not starve the
// others.
const mostWrites = 4

// flush writes what may leave now, as much as the socket takes.
func (c *loopConn) flush() {
	for writes := 0; !c.over && !c.s.Gone(); writes++ {
		if writes == mostWrites {
			c.wake()
			break
		}
		if len(c.unsent) == 0 {
			if c.unsent = c.s.Out.take(); c.unsent == nil {
				break
			}
		}
		n, err := unix.Write(c.fd, c.unsent)
		c.loop.server.counters.wrote(max(n, 0))
		if n == len(c.unsent) {
			c.s.Out.done()
			c.unsent = nil
			continue
		}
		if n > 0 {
			c.unsent = c.unsent[n:]
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			c.over = true
		}
		break
	}
	if len(c.unsent) > 0 {
		c.ask(c.events | unix.EPOLLOUT)
	} else {
		c.ask(c.events &^ unix.EPOLLOUT)
	}
}

// ask changes what epoll is asked for.
func (c *loopConn) ask(events uint32) {
	if events != c.events {
		c.events = events
		unix.EpollCtl(c.loop.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: events, Fd: int32(c.fd)})
	}
}

// wake implements [transport].
func (c *loopConn) wake() {
	if c.wished.Swap(true) {
		return
	}
	c.loop.mu.Lock()
	c.loop.wished = append(c.loop.wished, c)
	c.loop.ring()
	c.loop.mu.Unlock()
}

// cut implements [transport]: the round's end closes a session that is gone.
func (c *loopConn) cut() { c.wake() }
