package passthrough

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// link is one wire to Redis. It is one connection after another: when it loses one it dials again while somebody needs it.
//
// Locks: a client's before a link's; neither is held while bytes are read, written or waited for.
type link struct {
	b     *Backend
	asked []string // asked with every handshake, and
	told  func(replies [][]byte) error

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

	heard  atomic.Int64 // what the reader has read, and what it does: readerReads and so on
	reader reader       // of the goroutine that reads
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
	l := &link{b: b, id: id, owner: owner}
	l.idle.L = &l.mu
	l.reader.link = l
	return l
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

// dial makes a connection, unless there is one, or one is being made. The caller holds mu.
func (l *link) dial() {
	if l.nc != nil || l.cancel != nil || l.closed {
		return
	}
	ctx, cancel := context.WithCancel(l.b.ctx)
	l.cancel = cancel
	l.b.goroutines.Go(func() {
		defer cancel()
		l.connect(ctx)
	})
}

// connect dials until it has a connection, or nobody needs one, then reads.
func (l *link) connect(ctx context.Context) {
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		l.mu.Lock()
		id := l.id
		l.mu.Unlock()
		life := l.b.life()
		attempt := time.Now()
		nc, replies, err := l.b.connect(ctx, id, l.asked)
		if err == nil && l.told != nil {
			if err = l.told(replies); err != nil {
				nc.Close()
			}
		}
		if err == nil {
			l.use(nc, life)
			return
		}
		if refused, ok := errors.AsType[refusal](err); ok && refused.lasts() {
			l.settle(wire.Error(refused), func() bool { return true }, func(run) bool { return false })
		} else {
			l.b.trouble(err, attempt)
		}
		if !l.needed() {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
		if !l.needed() {
			return
		}
	}
}

// dialsAtOnce keeps a Redis that comes back from being flooded with handshakes.
const dialsAtOnce = 64

// connect makes a connection for a client's commands.
func (b *Backend) connect(ctx context.Context, id identity, asked []string) (net.Conn, [][]byte, error) {
	select {
	case b.dials <- struct{}{}:
		defer func() { <-b.dials }()
		return b.up.connect(ctx, id, asked...)
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// needed reports whether somebody waits for a connection; if not the dialing is over.
func (l *link) needed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && (len(l.sent) > 0 || l.restore != nil) {
		return true
	}
	l.cancel = nil
	return false
}

// use takes a connection into use and reads until it is lost.
func (l *link) use(nc net.Conn, life string) {
	l.mu.Lock()
	for l.failing {
		l.idle.Wait()
	}
	l.cancel = nil
	if l.closed {
		l.mu.Unlock()
		nc.Close()
		return
	}
	l.nc, l.since, l.spoiled, l.called = nc, life, false, nil
	l.written = l.begin
	if l.restore != nil {
		raw, runs := l.restore()
		l.begin -= int64(len(raw))
		l.written = l.begin
		l.queue = append([][]byte{raw}, l.queue...)
		l.own = l.own && len(l.queue) > 1
		l.sent = append(runs, l.sent...)
	}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.kick()
	l.mu.Unlock()
	l.b.tally.connections.Add(1)
	err := l.reader.read(nc)
	l.b.tally.connections.Add(-1)
	l.lost(nc, err)
}

// lost decides what becomes of the commands that were under way: those that may have been read by Redis are answered with
// an error, the others wait for the next connection, unless they belong to a transaction that began before.
func (l *link) lost(nc net.Conn, err error) {
	nc.Close()
	if l.dismissed(err) {
		l.owned().dismiss()
	}
	if told := l.reader.told; told != nil {
		told.s.Kill() // it has got the beginning of a reply
	}
	l.settle(errUnanswered, func() bool {
		l.nc = nil
		for l.writing {
			l.idle.Wait()
		}
		l.sent = append(l.reader.rest(), l.sent...)
		l.introduced, l.called = false, nil
		l.reader.reset()
		return true
	}, func(r run) bool { return r.begin >= l.written })
	l.mu.Lock()
	closed := l.closed
	if len(l.sent) > 0 || l.restore != nil {
		l.dial()
	}
	l.mu.Unlock()
	if !closed {
		l.b.tally.losses.Add(1)
		l.b.look() // perhaps it is another Redis now
	}
}

// settle sorts the commands that are under way while there is no connection: those to keep wait on, with what belongs to
// them, the others are answered with an error. prepare is called first, with mu, and may
// say that there is nothing to settle. Meanwhile nobody submits in the belief
// that what has failed is still to be done, and nobody is answered before those who fail.
func (l *link) settle(err wire.Error, prepare func() bool, keep func(run) bool) {
	l.mu.Lock()
	for l.failing {
		l.idle.Wait()
	}
	l.failing = true
	if !prepare() {
		l.failing = false
		l.idle.Broadcast()
		l.mu.Unlock()
		return
	}
	owner := l.owner
	l.mu.Unlock()

	if owner != nil {
		owner.mu.Lock()
	}
	l.mu.Lock()
	failed, intact := l.sort(keep)
	if owner != nil {
		if len(failed) > 0 || l.nc == nil {
			owner.lost(l, intact)
		}
		owner.mu.Unlock()
	}
	l.mu.Unlock()
	fail(failed, err)
	l.mu.Lock()
	l.failing = false
	l.idle.Broadcast()
	l.mu.Unlock()
}

// sort drops what is not kept from the stream and returns it. intact says that what the client has open there, if anything,
// is kept. The caller holds mu.
func (l *link) sort(keep func(run) bool) (failed []run, intact bool) {
	runs, stream, origin := l.sent, bytes.Join(append(l.taken, l.queue...), nil), l.begin
	l.taken, l.queue, l.sent, l.own, l.begin = nil, nil, nil, false, l.end
	if l.closed {
		forget(runs)
		return nil, true
	}
	for _, r := range runs {
		if r.fresh {
			intact = true
		}
		intact = intact && keep(r)
		if intact && r.c != nil {
			l.keep(r, stream[r.begin-origin:r.end-origin])
		} else {
			failed = append(failed, r)
		}
	}
	if len(l.sent) > 0 {
		l.arm()
	}
	return failed, intact
}

// keep queues a run again, its bytes with it. The caller holds mu.
func (l *link) keep(r run, raw []byte) {
	r.begin = l.end
	l.append(raw, false)
	r.end = l.end
	if r.born.IsZero() {
		r.born = time.Now()
	}
	l.sent = append(l.sent, r)
}

// dismissed reports whether a private wire was ended by CLIENT KILL: cleanly, soon after a client sent such a command, and
// while Redis is there to be asked. Then the client is closed, as it would be without a proxy; whoever loses Redis is not.
func (l *link) dismissed(err error) bool {
	owner := l.owned()
	recent := time.Since(time.UnixMilli(l.b.killed.Load())) < killTime
	return err == io.EOF && recent && owner != nil && !l.reader.frame.Open() && owner.quiet() && l.b.control.alive(l.since)
}

// killTime is how long after CLIENT KILL a wire may end by it.
const killTime = time.Second

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

// arm makes commands that wait for a connection wait only so long. The caller holds mu.
func (l *link) arm() {
	if l.timer == nil && len(l.sent) > 0 {
		l.timer = time.AfterFunc(l.b.options.QueueTimeout-time.Since(l.sent[0].born), l.expire)
	}
}

// expire answers the commands that have waited too long for a connection.
func (l *link) expire() {
	l.mu.Lock()
	over := l.nc != nil || l.timer == nil
	l.timer = nil
	l.mu.Unlock()
	if !over {
		l.settle(errUnavailable, func() bool { return l.nc == nil }, func(r run) bool {
			return time.Since(r.born) < l.b.options.QueueTimeout
		})
	}
}

// fail answers commands with an error.
func fail(runs []run, err wire.Error) {
	for _, r := range runs {
		if r.c == nil {
			continue
		}
		if err == errUnavailable {
			r.c.b.tally.unavailable.Add(int64(r.replies))
		} else {
			r.c.b.tally.unanswered.Add(int64(r.replies))
		}
		var w wire.Writer
		for range r.replies {
			switch {
			case r.special != nil && r.special.replace:
				w.Raw(r.special.instead)
			default:
				w.Error(err)
			}
		}
		r.c.deliver(w.Bytes(), r.replies, int(r.end-r.begin), false, false)
		r.c.s.Out.Wake()
	}
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

// forget stops counting the bytes of commands that are never answered.
func forget(runs []run) {
	for _, r := range runs {
		if r.c != nil {
			r.c.b.pending.Add(r.begin - r.end)
		}
	}
}
