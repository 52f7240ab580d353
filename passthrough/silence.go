package passthrough

import (
	"context"
	"errors"
	"net"
	"time"
)

// A connection on which Redis owes a reply and sends nothing for the read timeout is given up, unless Redis says, asked on
// another one, that it is busy with a script: then everybody waits, as everybody would without a proxy. A command that
// blocks has its own time besides. Who patrols looks at all wires now and then, so that replies cost no timer.

// hearing is when Redis was heard on a wire, as who patrols saw it. The link's lock guards it.
type hearing struct {
	nc    net.Conn
	heard int64
	since time.Time // when it was seen that a reply is owed; zero if none is
}

// What a link's heard counts: reads, and in its lowest bits what its reader does.
const (
	readerOwed  = 1 // it waits for Redis, which owes a reply to the runs that the reader has taken
	readerWaits = 2 // it waits for Redis; else for a client
	readerReads = 4 // one read
)

const (
	patrols      = 20 // in the time after which something is to happen
	patrolOften  = 5 * time.Millisecond
	patrolRarely = time.Second
	// afterward is how long a reply may take that Redis sent before it answered somebody else.
	afterward = 100 * time.Millisecond
)

// patrol looks at all wires until the proxy ends.
func (b *Backend) patrol() {
	often := patrolRarely
	for _, limit := range []time.Duration{b.options.ReadTimeout, b.options.PinTime, b.options.IdleTime} {
		if limit > 0 {
			often = min(often, max(limit/patrols, patrolOften))
		}
	}
	asked := make(chan struct{}, 1) // somebody asks about wires that are silent
	for b.sleep(often) {
		silent := b.round(time.Now())
		if len(silent) == 0 {
			continue
		}
		select {
		case asked <- struct{}{}:
			b.goroutines.Go(func() { b.question(silent); <-asked })
		default: // they are met again
		}
	}
}

// round looks at every wire once and returns those that have been silent for too long.
func (b *Backend) round(now time.Time) (silent []*link) {
	b.mu.Lock()
	var shared []*link
	b.closeUnused(now.Add(-b.options.IdleTime))
	b.closeIdle(now.Add(-b.options.IdleTime))
	for _, lanes := range b.pool.lanes {
		for _, l := range lanes {
			shared = append(shared, &l.link)
		}
	}
	b.mu.Unlock()
	for _, l := range shared {
		if l.silent(now, b.options.ReadTimeout) {
			silent = append(silent, l)
		}
	}
	for _, c := range b.clients() {
		l, patience := c.patience(b.options.ReadTimeout)
		if l != nil && l.silent(now, patience) {
			silent = append(silent, l)
		}
		b.relieve(c, now)
	}
	return silent
}

// patience is how long Redis may be silent on the client's own wire, negative for ever; nil if it has none.
func (c *conn) patience(limit time.Duration) (*link, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.pin == nil:
		return nil, 0
	case c.blocked == nil || limit < 0:
		return c.pin.link, limit
	case c.blocked.limit == 0:
		return c.pin.link, -1
	}
	return c.pin.link, c.blocked.limit + limit
}

// silent reports whether Redis has owed a reply on the wire for as long as limit, and sent nothing.
func (l *link) silent(now time.Time, limit time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard := l.heard.Load()
	if limit < 0 || !l.owed(heard) {
		l.hearing = hearing{}
		return false
	}
	if was := l.hearing; was.nc != l.nc || was.heard != heard {
		l.hearing = hearing{l.nc, heard, now}
	}
	return now.Sub(l.hearing.since) >= limit
}

// owed reports whether Redis owes a reply. The caller holds mu.
func (l *link) owed(heard int64) bool {
	if l.nc == nil || heard&readerWaits == 0 {
		return false
	}
	if heard&readerOwed != 0 {
		return true
	}
	for _, r := range l.sent {
		if r.replies > 0 {
			return true
		}
	}
	return false
}

// question asks Redis, on a connection of its own, and gives up the wires that are still silent, unless it is busy.
func (b *Backend) question(silent []*link) {
	ctx, cancel := context.WithTimeout(b.ctx, b.options.DialTimeout)
	defer cancel()
	_, err := b.control.lookSince(ctx, time.Now())
	if refused, ok := errors.AsType[refusal](err); ok && refused.busy() {
		for _, l := range silent {
			l.mu.Lock()
			l.hearing.since = time.Now()
			l.mu.Unlock()
		}
		return
	}
	if b.ctx.Err() != nil || err == nil && !b.sleep(afterward) {
		return
	}
	replaced := 0
	for _, l := range silent {
		if l.hangUp() {
			replaced++
		}
	}
	b.tally.silent.Add(int64(replaced))
	switch {
	case err != nil:
		b.trouble(err, time.Now())
	case replaced > 0 && b.options.Events.Silent != nil:
		b.options.Events.Silent(replaced)
	}
}

// hangUp closes the connection on which Redis was silent, if it still is; the reader learns of it and decides what is lost.
func (l *link) hangUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nc == nil || l.hearing.nc != l.nc || l.hearing.heard != l.heard.Load() {
		return false
	}
	l.nc.Close()
	return true
}
