package passthrough

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

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
		nc, replies, err := l.b.connect(ctx, l.b.admitted(id), l.asked)
		if err == nil && l.told != nil {
			if err = l.told(replies); err != nil {
				nc.Close()
			}
		}
		if err == nil {
			l.use(nc, life)
			return
		}
		if refused, ok := errors.AsType[refusal](err); ok && (refused.lasts() || refused.busy()) {
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
	l.waited()
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
	l.b.tally.connects.Add(1)
	err := l.reader.read(nc)
	l.b.tally.connections.Add(-1)
	l.lost(nc, err)
}

// waited tells how long those have waited for whom there is a connection now. The caller holds mu.
func (l *link) waited() {
	if told := l.b.options.Events.Waited; told != nil {
		for _, r := range l.sent {
			if r.c != nil && !r.born.IsZero() {
				told(time.Since(r.born))
			}
		}
	}
}
