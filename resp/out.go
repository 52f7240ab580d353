package resp

import "sync"

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
	at  int
	seq uint64
}

// Append adds whole replies without waking the transport: for the goroutine that has the session's turn, or is about to
// call [Session.Resume].
func (o *Out) Append(b []byte) {
	o.mu.Lock()
	o.buf = append(o.buf, b...)
	o.mu.Unlock()
}

// AppendGated is Append of replies that wait, with all that follows, for Release of seq.
func (o *Out) AppendGated(b []byte, seq uint64) {
	o.mu.Lock()
	o.gate(seq)
	o.buf = append(o.buf, b...)
	o.mu.Unlock()
}

// gate holds back what is appended next, unless what stands before it waits as long anyhow.
func (o *Out) gate(seq uint64) {
	if n := len(o.gates); n == 0 || o.gates[n-1].seq < seq {
		o.gates = append(o.gates, gate{at: len(o.buf), seq: seq})
	}
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
	if seq > 0 {
		o.gate(seq)
	}
	o.buf = append(o.buf, b...)
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
	o.mu.Lock()
	shut := o.gates[:0]
	for _, g := range o.gates {
		if g.seq > seq {
			shut = append(shut, g)
		}
	}
	opened := len(shut) < len(o.gates)
	o.gates = shut
	o.mu.Unlock()
	if opened {
		o.wake()
	}
}

// Len returns how many bytes wait, behind gates or not, or are being written.
func (o *Out) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) + len(o.taken)
}

// size returns how many bytes wait or are being written, how many the buffers could hold, and whether somebody writes.
func (o *Out) size() (held, capacity int, writing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) + len(o.taken), cap(o.buf) + cap(o.taken) + cap(o.spare), o.taken != nil
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
	o.pushed = min(o.pushed, len(o.buf))
	for i := range o.gates {
		o.gates[i].at -= free
	}
	return o.taken
}

// done gives back what take returned. While nothing waits, one buffer is enough: the larger one.
func (o *Out) done() {
	o.mu.Lock()
	defer o.mu.Unlock()
	written := o.taken[:0]
	o.taken = nil
	switch {
	case cap(written) > keepSpare:
	case len(o.buf) > 0:
		o.spare = written
	case cap(o.buf) < cap(written):
		o.buf = written
	}
}
