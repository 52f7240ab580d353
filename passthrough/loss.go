package passthrough

import (
	"bytes"
	"io"
	"net"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

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
	l.relaxed()
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
				mark := w.Len()
				w.Error(err)
				r.c.b.tally.errors.count(w.Bytes()[mark:])
			}
		}
		r.c.deliver(w.Bytes(), r.replies, int(r.end-r.begin), false, false)
		r.c.s.Out.Wake()
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
