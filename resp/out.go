package resp

import (
	"slices"
	"sync"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// Out holds the replies of one client until its transport writes them. Whole replies may be appended at any time, from
// any goroutine; appending never touches a socket.
//
// Gates hold replies back: what is appended behind a gate, and everything after it, leaves only once the gate's unit
// is released, so that no client is told of a write that could still be lost.
type Out struct {
	mu     sync.Mutex
	buf    []byte
	gates  []gate // ascending by at
	pushed int    // bytes of buf that Push added, or less when buf is shorter than they were
	taken  []byte // what is being written
	spare  []byte // an empty buffer, for when buf is taken

	stream *stream   // the reply that is being streamed; nil if none is
	idle   *stream   // one to use again
	room   sync.Cond // the next piece of a reply may have room, or nobody reads any more
	gone   bool      // nobody will read the rest
	hurry  bool      // pieces wait for nobody

	below int    // when no more bytes wait,
	then  func() // this is called once; nil if nothing is

	wake func() // tells the transport that there may be something to write
	kill func() // ends a client that does not read what is pushed to it
}

// pushLimit is how much may wait for a client before pushes end it: the hard limit of Redis'
// client-output-buffer-limit for pubsub. Replies need no limit of their own: a session takes no further command while
// its replies pile up.
const pushLimit = 32 << 20

// keepSpare bounds the buffer that an idle client keeps.
const keepSpare = 64 << 10

// gate holds back buf[at:] until a Release of seq or later.
type gate struct {
	at    int
	seq   uint64
	reply bool // a reply waits for it, not only messages
}

// stream is a reply that comes in pieces.
type stream struct {
	behind []byte // what others appended meanwhile
	gates  []gate // in behind
}

// streamAhead is how much may wait for a client before the next piece of its reply does.
const streamAhead = 1 << 20

// Append adds whole replies without waking the transport: for the goroutine that has the session's turn, or is about to
// call [Session.Resume].
func (o *Out) Append(b []byte) { o.AppendGated(b, 0) }

// AppendGated is Append of replies that wait, with all that follows, for Release of seq; 0 needs none.
func (o *Out) AppendGated(b []byte, seq uint64) {
	o.mu.Lock()
	o.append(b, seq, true)
	o.mu.Unlock()
}

// append adds b, a reply or a message, behind a gate, unless what stands before it waits as long anyhow.
func (o *Out) append(b []byte, seq uint64, reply bool) {
	buf, gates := &o.buf, &o.gates
	if o.stream != nil {
		buf, gates = &o.stream.behind, &o.stream.gates
	}
	if n := len(*gates); seq > 0 && (n == 0 || (*gates)[n-1].seq < seq) {
		*gates = append(*gates, gate{len(*buf), seq, reply})
	} else if seq > 0 && reply {
		(*gates)[n-1].reply = true
	}
	*buf = append(*buf, b...)
}

// Begin begins a reply that comes in pieces, and waits for Release of seq; 0 needs none. What is appended from now on
// stands behind it.
func (o *Out) Begin(seq uint64) {
	o.mu.Lock()
	o.append(nil, seq, true)
	o.stream, o.idle = o.idle, nil
	if o.stream == nil {
		o.stream = &stream{}
	}
	o.room.L = &o.mu
	o.mu.Unlock()
}

// Piece adds the next piece of the reply and wakes the transport. It blocks while the client has much to read; it reports
// false when nobody will read any more.
func (o *Out) Piece(b []byte) bool {
	o.mu.Lock()
	for len(o.buf)+len(o.taken) > streamAhead && !o.gone && !o.hurry {
		o.room.Wait()
	}
	gone := o.gone
	if !gone {
		o.buf = append(o.buf, b...)
	}
	o.mu.Unlock()
	if !gone {
		o.wake()
	}
	return !gone
}

// Add is Piece for who must not block: it neither waits nor wakes the transport. It returns how many bytes wait before what
// stands behind the reply.
func (o *Out) Add(b []byte) (waiting int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.gone {
		o.buf = append(o.buf, b...)
	}
	return len(o.buf) + len(o.taken)
}

// End ends the reply that comes in pieces. [Session.Resume] follows, if Do did not say [Done].
func (o *Out) End() {
	o.mu.Lock()
	defer o.mu.Unlock()
	behind := o.stream
	o.stream = nil
	for _, g := range behind.gates {
		g.at += len(o.buf)
		o.gates = append(o.gates, g)
	}
	o.buf = append(o.buf, behind.behind...)
	if cap(behind.behind) <= keepSpare {
		behind.behind, behind.gates = behind.behind[:0], behind.gates[:0]
		o.idle = behind
	}
}

// Below has then called, once, by whoever writes, when at most n bytes wait. It reports false, and does nothing, when that
// is so already or nobody reads any more.
func (o *Out) Below(n int, then func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone || len(o.buf)+len(o.taken) <= n {
		return false
	}
	o.below, o.then = n, then
	return true
}

// hasten has a reply come to its end without waiting for the client to read it.
func (o *Out) hasten() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hurry = true
	o.room.Broadcast()
}

// abandon tells that nobody will read the rest.
func (o *Out) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone = true
	o.room.Broadcast()
}

// Push adds a whole message from any goroutine and wakes the transport. A client that is too slow for its messages is
// ended, as Redis does.
func (o *Out) Push(b []byte) {
	o.Post(b, 0)
	o.wake()
}

// Post is Push for who has many clients to tell, or more to tell them: the transport sleeps on until Wake. The message
// waits for Release of seq, unless seq is 0.
func (o *Out) Post(b []byte, seq uint64) {
	o.mu.Lock()
	o.append(b, seq, false)
	o.pushed += len(b)
	slow := o.pushed > pushLimit
	o.mu.Unlock()
	if slow {
		o.kill()
	}
}

// Wake tells the transport that there may be something to write.
func (o *Out) Wake() { o.wake() }

// Release opens the gates of every unit up to seq and wakes the transport if that opened one.
func (o *Out) Release(seq uint64) {
	if o.Open(seq) {
		o.wake()
	}
}

// Open is Release without waking the transport, as Append is: it reports whether it opened a gate.
func (o *Out) Open(seq uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := len(o.gates)
	o.gates = shut(o.gates, seq)
	if o.stream != nil {
		o.stream.gates = shut(o.stream.gates, seq)
	}
	return len(o.gates) < before
}

// Refuse opens all gates when what waits behind them may not be told as it is: an error takes the place of each reply
// from the first one on that waits, and the client stays in step. Messages stay. It reports false, and does nothing, where
// a reply comes in pieces, or cannot be told from messages; alike says that the client's own commands bring such messages.
func (o *Out) Refuse(cause wire.Error, alike bool) bool {
	ok := o.refuse(cause, alike)
	if ok {
		o.wake()
	}
	return ok
}

func (o *Out) refuse(cause wire.Error, alike bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := slices.IndexFunc(o.gates, func(g gate) bool { return g.reply })
	if first >= 0 || o.stream != nil {
		if alike || o.stream != nil {
			return false
		}
		from := o.gates[first].at
		rest, ok := refused(o.buf[from:], cause, o.pushed)
		if !ok {
			return false
		}
		o.buf = append(o.buf[:from], rest...)
	}
	o.gates = o.gates[:0]
	return true
}

// refused puts an error in the place of every reply in b, in which at most so many bytes are messages.
func refused(b []byte, cause wire.Error, messages int) (rest []byte, ok bool) {
	var frame wire.Frame
	var w wire.Writer
	for len(b) > 0 {
		n, whole, err := frame.Next(b)
		switch {
		case err != nil || !whole:
			return nil, false
		case frame.Kind() == '>':
			w.Raw(b[:n])
			messages -= n
		default:
			w.Error(cause)
		}
		b = b[n:]
	}
	return w.Bytes(), messages <= 0
}

// shut returns the gates that wait for more than seq.
func shut(gates []gate, seq uint64) []gate {
	return slices.DeleteFunc(gates, func(g gate) bool { return g.seq <= seq })
}

// Len returns how many bytes wait, behind gates or not, or are being written.
func (o *Out) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held()
}

func (o *Out) held() int {
	n := len(o.buf) + len(o.taken)
	if o.stream != nil {
		n += len(o.stream.behind)
	}
	return n
}

// lastTaken reports whether nothing comes behind what is being written.
func (o *Out) lastTaken() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held() == len(o.taken) && o.stream == nil
}

// empty reports whether nothing waits, is being written, or is still to come of a reply in pieces.
func (o *Out) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held() == 0 && o.stream == nil
}

// whole reports whether nothing is still to come of a reply in pieces, and nothing waits behind a gate.
func (o *Out) whole() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stream == nil && len(o.gates) == 0
}

// size returns how many bytes wait or are being written, how many the buffers could hold, and whether somebody writes.
func (o *Out) size() (held, capacity int, writing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held(), cap(o.buf) + cap(o.taken) + cap(o.spare), o.taken != nil
}

// take removes and returns what may be written now, nil if nothing may. It is not taken from again before done.
func (o *Out) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	free := len(o.buf)
	if len(o.gates) > 0 {
		free = o.gates[0].at
	}
	if free == 0 {
		return nil
	}
	o.taken = o.buf[:free]
	o.buf = append(o.spare, o.buf[free:]...)
	o.spare = nil
	o.pushed = min(o.pushed, o.held()-free)
	for i := range o.gates {
		o.gates[i].at -= free
	}
	return o.taken
}

// done gives back what take returned. While nothing waits, one buffer is enough: the larger one.
func (o *Out) done() {
	if then := o.emptied(); then != nil {
		then()
	}
}

// emptied does what done does; it returns what is to be called then, nil if nothing is.
func (o *Out) emptied() (then func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	written := o.taken[:0]
	o.taken = nil
	o.room.Signal()
	if o.then != nil && len(o.buf) <= o.below {
		then, o.then = o.then, nil
	}
	switch {
	case cap(written) > keepSpare:
	case len(o.buf) > 0:
		o.spare = written
	case cap(o.buf) < cap(written):
		o.buf = written
	}
	return then
}
