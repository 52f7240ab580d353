package passthrough

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// conn is the proxy's side of one client.
type conn struct {
	b *Backend
	s *resp.Session

	stranger atomic.Bool // Redis asks it for a password

	mu       sync.Mutex
	pin      *pin      // its private wire and what it left there; nil if it has none
	seats    [2]seat   // on lanes: for commands that run code, the second, and for others
	rides    *lane     // where what is under way is, if that is on one
	key      identity  // what the client asked to be, where it has no wire of its own
	inflight int       // replies that are to come
	bytes    int       // of the commands they answer
	allowed  int       // so many replies may be to come
	slow     bool      // it does not read as fast as it is answered: what it asks goes to a wire of its own
	length   int       // of the reply that has begun, as far as it has come
	flowing  bool      // a reply has begun in the session's Out
	open     bool      // a push has begun there
	waits    bool      // Do said that it waits
	resumeAt int       // it goes on with so many replies to come
	blocked  *blocked  // the blocking command that is outstanding; nil if none is
	claim    *claim    // whether it may do what it is about to; see permitted
	asked    question  // the command that Redis was asked about last; see learn
	target   *redirect // whom the next CLIENT TRACKING names, found out for it
	towards  *redirect // the same, named as Redis does
	gone     bool
	touched  *link // flush it when the round is over
}

// blocked is a blocking command that is outstanding.
type blocked struct {
	timeout []byte        // what it is answered with when its time is over
	limit   time.Duration // that time; 0 if it has none, or it is not known
}

const (
	mostReplies = 1024    // that one client may have to come
	mostBytes   = 1 << 20 // of requests that one client may have under way, and of replies that it has not read

	// On a wire that is shared nobody waits for a client to read. So it begins with few replies to come, which become more
	// while it reads them; who does not read goes to a wire of its own, and who has too much to read is closed.
	fewReplies  = 64
	mostUnread  = 1 << 30
	shortEnough = 64 << 10 // so long a reply goes to a shared wire again

	// huge is a request whose memory is given back at once: what is live decides how much garbage may gather before it is
	// collected by itself.
	huge = 32 << 20
)

// strange takes in whether Redis asks the client for a password: then it may send little, as with Redis.
func (c *conn) strange(is bool) {
	c.stranger.Store(is)
	c.s.Stranger(is)
}

// outcome is what became of a command.
type outcome int

const (
	took   outcome = iota // it was taken
	waits                 // it was not: what is under way comes first
	blocks                // it was taken, and what follows waits for its reply
)

// Do implements [resp.Conn].
func (c *conn) Do(batch []resp.Command) (int, resp.Progress) {
	taken, progress := c.do(batch)
	c.b.tally.count(batch[:taken])
	return taken, progress
}

func (c *conn) do(batch []resp.Command) (int, resp.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		c.s.Rejudge(&batch[i])
	}
	taken := 0
	for taken < len(batch) {
		if c.s.Closing() {
			return taken, resp.Done
		}
		if c.full() {
			return taken, resp.Following
		}
		if c.held(batch[taken:]) {
			return taken, resp.Later
		}
		n, outcome := c.one(batch[taken:])
		if outcome != waits {
			c.s.Denying(&batch[taken])
		}
		switch outcome {
		case waits:
			c.wait(0)
			return taken, resp.Following
		case blocks:
			c.wait(0)
			return taken + n, resp.Later
		}
		taken += n
	}
	if c.bytes >= mostBytes && c.full() { // or the next long one would be read before it has to wait
		return taken, resp.Following
	}
	if c.pin != nil && c.pin.login {
		c.pin.login = false
		if c.inflight > 0 {
			c.wait(0)
			return taken, resp.Following
		}
	}
	return taken, resp.Done
}

// full reports whether the client must not have more under way; the session goes on by itself when it may.
func (c *conn) full() bool {
	if c.inflight > 0 && (c.inflight >= c.allowed || c.bytes >= mostBytes || c.b.pending.Load() > c.b.options.Buffers) {
		c.wait(c.inflight / 2)
		return true
	}
	if c.s.Out.Below(mostBytes, c.roomy) {
		c.waits, c.resumeAt = true, -1
		return true
	}
	return false
}

// wait lets the session go on when only so many replies are to come.
func (c *conn) wait(until int) { c.waits, c.resumeAt = true, until }

// roomy tells that the client has read what it was sent.
func (c *conn) roomy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits {
		c.waits = false
		c.s.Resume()
	}
}

// answer gives the client a reply of our own. Nothing is under way.
func (c *conn) answer(write func(w *wire.Writer)) outcome {
	if c.inflight > 0 {
		return waits
	}
	w := wire.Writer{Proto: c.s.Client.Proto()}
	write(&w)
	if c.pin == nil || c.pin.replies() > 0 {
		c.s.Out.Append(w.Bytes())
	}
	return took
}

func (c *conn) refuse(err error) outcome {
	return c.answer(func(w *wire.Writer) {
		mark := w.Len()
		w.Error(err)
		c.b.tally.errors.count(w.Bytes()[mark:])
	})
}

// send submits a command to a wire.
func (c *conn) send(l *link, cmd *resp.Command, replies int, fresh bool, s *special) {
	raw, lent := c.raw(cmd)
	c.submit(l, raw, lent, replies, fresh, s)
}

// raw is the command as it goes to Redis.
func (c *conn) raw(cmd *resp.Command) (raw []byte, lent bool) {
	if cmd.Raw == nil {
		var w wire.Writer
		writeCommand(&w, cmd.Args...)
		return w.Bytes(), len(w.Bytes()) > ownBuffer
	}
	if len(cmd.Raw) > ownBuffer {
		return c.s.Lend(cmd.Raw), true
	}
	return cmd.Raw, false
}

func (c *conn) submit(l *link, raw []byte, lent bool, replies int, fresh bool, s *special) {
	if replies > 0 {
		c.begin()
		c.inflight += replies
	}
	c.bytes += len(raw)
	c.b.pending.Add(int64(len(raw)))
	l.submit(run{c: c, replies: replies, fresh: fresh, special: s}, raw, lent)
	c.touch(l)
}

// touch has a wire written when the round is over.
func (c *conn) touch(l *link) {
	if c.touched != nil && c.touched != l {
		c.touched.flush()
	}
	c.touched = l
}

// begin opens a reply in the session's Out: what others say stands behind it until nothing is under way. The caller holds
// mu.
func (c *conn) begin() {
	if !c.flowing && !c.gone {
		c.flowing = true
		c.s.Out.Begin(0)
	}
}

// end closes it when nothing is under way.
func (c *conn) end() {
	if c.flowing && c.inflight == 0 && !c.open {
		c.flowing = false
		c.s.Out.End()
	}
}

// deliver hands bytes of replies on; so many replies, to commands of size bytes, end with them, or one goes on. If it is to
// wait it does so while the client has much to read, so that whoever sends them waits, too.
func (c *conn) deliver(p []byte, replies, size int, goesOn, wait bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone && len(p) > 0 {
		c.open = goesOn
		c.begin()
		if wait {
			c.mu.Unlock()
			c.s.Out.Piece(p)
			c.mu.Lock()
		} else {
			c.unread(c.s.Out.Add(p))
		}
	}
	if c.length += len(p); replies > 0 {
		c.slow = c.slow && (!wait || c.length/replies > shortEnough)
		c.length = 0
	}
	if c.inflight -= replies; size > 0 {
		c.bytes -= size
		c.b.pending.Add(-int64(size))
	}
	if size > huge {
		c.b.goroutines.Go(runtime.GC)
	}
	if c.inflight == 0 {
		c.blocked = nil
		c.s.Client.Blocked.Store(false)
	}
	if !c.gone {
		c.end()
	}
	c.release()
	if wait {
		c.s.Out.Wake()
	}
	if c.waits && c.inflight <= c.resumeAt {
		if !c.slow {
			c.allowed = min(2*c.allowed, mostReplies)
		}
		c.waits = false
		c.s.Resume()
	}
}

// unread judges a client by what it has not read of what came on a shared wire.
func (c *conn) unread(size int) {
	if size > mostBytes {
		c.slow, c.allowed = true, fewReplies
	}
	if size > mostUnread {
		c.s.Kill()
	}
}

// tell hands a message on, or a part of what is no reply.
func (c *conn) tell(p []byte, goesOn bool) {
	if c == nil {
		return
	}
	c.deliver(p, 0, 0, goesOn, true)
}

// quiet reports whether nothing is under way but perhaps a blocking command.
func (c *conn) quiet() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inflight == 0 || c.inflight == 1 && c.blocked != nil
}

// dismiss closes the client as Redis has closed its wire: what it was answered it gets.
func (c *conn) dismiss() {
	if c == nil {
		return
	}
	c.mu.Lock()
	busy := c.inflight > 0
	c.mu.Unlock()
	if busy {
		c.s.Kill()
		return
	}
	c.s.CloseAfterReply()
	c.s.Out.Wake()
}

// Commit implements [resp.Conn]: what was submitted is written.
func (c *conn) Commit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.touched != nil {
		c.touched.flush()
		c.touched = nil
	}
}

// Gone implements [resp.Conn]: Redis forgets a command that blocks when its connection is closed.
func (c *conn) Gone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.b.mu.Lock()
	for i, s := range c.seats {
		c.b.leave(s.lane)
		c.seats[i] = seat{}
	}
	c.b.mu.Unlock()
	if c.release(); c.pin != nil {
		c.b.unpin(c.pin)
		c.pin = nil
	}
}

// Close implements [resp.Conn].
func (c *conn) Close() {
	c.b.mu.Lock()
	delete(c.b.conns, c)
	c.b.mu.Unlock()
}
