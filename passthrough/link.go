package passthrough

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// link is one wire to Redis. It is one connection after another: when it loses one it dials again while somebody needs it.
//
// Locks: a client's before a link's; neither is held while bytes are read, written or waited for.
type link struct {
	b     *Backend
	asked []string // asked with every handshake, and
	told  func(replies [][]byte) error

	unused time.Time // since when it is nobody's; Backend.mu guards it

	mu        sync.Mutex
	id        identity
	owner     *conn     // the client of a private wire; nil for one that is shared or idle
	nc        net.Conn  // nil while there is none
	since     string    // the life of Redis that was known when nc was made
	cancel    func()    // ends the dialing; nil if there is none
	closed    bool      // for good
	sent      []run     // not seen by the reader
	spare     []run     // for sent, used again
	queue     [][]byte  // what is not being written, the last to be appended to
	own       bool      // the last of queue is the link's own
	begin     int64     // of taken and queue in the stream
	end       int64     // of queue in the stream
	taken     [][]byte  // what is being written, or was when that failed
	written   int64     // how far the stream was written
	writing   bool      // a goroutine writes
	failing   bool      // commands are being answered with errors; no others are answered before
	idle      sync.Cond // writing or failing has ended
	buffer    []byte    // for queue, used again
	timer     *time.Timer
	transacts bool                   // whole transactions may share it
	spoiled   bool                   // the connection is not where the next client may find it
	loose     bool                   // how many replies come on it is not known
	restore   func() ([]byte, []run) // what a new connection is told first, and its replies

	introduced bool   // Redis was asked what it calls the connection
	called     []byte // what it does; nil before it has told
	hearing    hearing

	running []time.Time  // since when there is code to run, of each command that does; see hold.go
	strain  atomic.Int64 // since when the first of them does, in Unix nanoseconds, aLongReply, or 0

	stopwatch stopwatch
	heard     atomic.Int64 // what the reader has read, and what it does: readerReads and so on
	reader    reader       // of the goroutine that reads
}

// run is commands of one client that lie together in the stream.
type run struct {
	c          *conn
	replies    int // still to come
	begin, end int64
	born       time.Time
	fresh      bool     // no transaction was open, and nothing watched, before it
	special    *special // nil if replies go to the client as they are
}

// special is what is done with a reply besides forwarding it.
type special struct {
	instead []byte              // goes to the client in its place; empty: nothing does
	replace bool                // so it does
	then    func(reply []byte)  // looks at it, or the first of it, before the client gets it
	confirm *confirmation       // it is messages that confirm subscriptions
	rewrite func([]byte) []byte // changes it on its way
	raw     bool                // everything from here on is for the client, in whatever form
}

const (
	ownBuffer = 64 << 10 // what is longer is not copied into a link's own buffer
	firstWait = 20 * time.Millisecond
	mostWait  = time.Second
)

func newLink(b *Backend, id identity, owner *conn) *link {
	l := &link{}
	l.init(b, id, owner)
	return l
}

func (l *link) init(b *Backend, id identity, owner *conn) {
	l.b, l.id, l.owner = b, id, owner
	l.idle.L = &l.mu
	l.reader.link = l
}

// submit puts commands into the stream. Those of one client arrive in the order in which it submits them. raw may be lent
// (see lend) or is copied. It is written with the next flush.
func (l *link) submit(r run, raw []byte, lent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(r, raw, lent)
}

// put is submit for who holds mu.
func (l *link) put(r run, raw []byte, lent bool) {
	r.begin = l.end
	l.append(raw, lent)
	r.end = l.end
	l.measure(r)
	if l.nc == nil {
		r.born = time.Now()
		defer l.arm()
		l.dial()
	}
	if n := len(l.sent); n > 0 && r.special == nil {
		if last := &l.sent[n-1]; last.c == r.c && last.special == nil && last.fresh == r.fresh && last.end == r.begin {
			last.replies += r.replies
			last.end = r.end
			return
		}
	}
	l.sent = append(l.sent, r)
}

func (l *link) append(raw []byte, lent bool) {
	l.end += int64(len(raw))
	switch last := len(l.queue) - 1; {
	case lent:
		l.queue, l.own = append(l.queue, raw), false
	case last >= 0 && l.own:
		l.queue[last] = append(l.queue[last], raw...)
	default:
		l.queue, l.own = append(l.queue, append(l.buffer[:0], raw...)), true
		l.buffer = nil
	}
}

// flush writes what was submitted, together with what others submit until the goroutine has its turn.
func (l *link) flush() {
	l.mu.Lock()
	l.kick()
	l.mu.Unlock()
}

// kick has the queue written, unless a goroutine does, or has failed: then the reader is about to learn that there is no
// connection any more, and how far the stream was written must stand until it does.
func (l *link) kick() {
	if !l.writing && l.nc != nil && l.taken == nil && len(l.queue) > 0 {
		l.writing = true
		go l.write(l.nc)
	}
}

// write writes until there is nothing more. It yields first: whoever is about to submit shares the system call.
func (l *link) write(nc net.Conn) {
	runtime.Gosched()
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 && l.nc == nc {
		l.taken, l.queue = l.queue, nil
		buffers := append(net.Buffers(nil), l.taken...)
		l.mu.Unlock()
		n, err := buffers.WriteTo(nc)
		l.mu.Lock()
		l.written = l.begin + n
		if err != nil {
			nc.Close() // the reader learns of it and decides what is lost
			break
		}
		l.begin += n
		if b := l.taken[0]; cap(b) <= ownBuffer && l.buffer == nil {
			l.buffer = b[:0]
		}
		l.taken = nil
	}
	l.writing = false
	l.idle.Broadcast()
}

func (l *link) owned() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	return l.owner
}

// uncounted is whose a reply is that nobody waits for, nil if nobody's.
func (l *link) uncounted() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.loose {
		return nil
	}
	return l.owner
}

// close ends the wire. What is under way on it is never answered: its client has left, or is told by somebody else.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.owner = true, nil
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.cancel != nil {
		l.cancel()
	}
	if l.nc != nil {
		l.nc.Close()
	} else {
		forget(l.sent)
		l.sent, l.queue, l.begin = nil, nil, l.end
	}
}
