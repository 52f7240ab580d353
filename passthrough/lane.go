package passthrough

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// pool are the wires that are no client's for good: lanes, which clients of one identity share, and private ones that wait
// to be leased. Backend.mu guards it.
type pool struct {
	lanes map[laneKey][]*lane // as many as --lanes, then detours
	count int                 // of all lanes
	idle  map[identity][]*link
	spare int // links in idle
	pins  int // links that are leased or idle
}

// lane is a wire that clients share.
type lane struct {
	link
	code    bool // it is for commands that run code
	home    bool // clients are sent here while nothing holds it up; else it is a detour
	clients int  // who share it; Backend.mu guards it
}

const (
	// mostLanes is how many there are of all identities together, unless --lanes asks for many. Who gets none is served by
	// private wires.
	mostLanes = 1024
	// mostDetours is how many lanes there are besides those of --lanes, while these are held up.
	mostDetours = 2
)

// errPoisoned says that a lane is not where it should be after a transaction.
var errPoisoned = fmt.Errorf("a transaction on a shared connection ended as none does")

// laneKey is whose lanes those are that any of some clients may share.
type laneKey struct {
	identity
	code bool // of commands that run code, see hold.go
}

// seat is a client's place on a lane.
type seat struct {
	lane *lane
	as   identity
}

// lane is the client's wire among those it shares, for commands that run code or for others; nil if there are too many. It
// changes only when nothing is under way: when the client has become another one, or something holds the wire up, or does
// not any more. ok is false if it is to change and cannot yet.
func (c *conn) lane(code bool) (l *lane, ok bool) {
	if c.inflight > 0 && c.rides != nil {
		return c.rides, c.rides.code || !code
	}
	at := 0
	if code {
		at = 1
	}
	if s := c.seats[at]; s.lane == nil || s.as != c.key || !s.lane.home || s.lane.heldUp() {
		c.sit(at, code)
	}
	c.rides = c.seats[at].lane
	return c.rides, true
}

// sit chooses a lane anew.
func (c *conn) sit(at int, code bool) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	next := c.b.laneOf(laneKey{c.key, code}, c.s.Client.ID)
	if next != nil {
		next.clients++
	}
	for i, s := range c.seats {
		if i == at || s.as != c.key {
			c.b.leave(s.lane)
			c.seats[i] = seat{}
		}
	}
	c.seats[at] = seat{next, c.key}
}

// laneOf chooses a lane: always the same of an identity, unless it is held up. The caller holds mu.
func (b *Backend) laneOf(id laneKey, client int64) *lane {
	if len(b.pool.lanes[id]) == 0 && !b.addLanes(id, b.options.Lanes, true) {
		return nil
	}
	lanes := b.pool.lanes[id]
	home := lanes[client%int64(b.options.Lanes)]
	if !home.heldUp() {
		return home
	}
	for _, l := range slices.Backward(lanes) {
		if !l.heldUp() {
			return l
		}
	}
	if len(lanes) < b.options.Lanes+mostDetours && b.addLanes(id, 1, false) {
		lanes = b.pool.lanes[id]
		return lanes[len(lanes)-1]
	}
	return home
}

// addLanes gives an identity n lanes more; false if that would be too many of all. The caller holds mu.
func (b *Backend) addLanes(id laneKey, n int, home bool) bool {
	most := max(mostLanes, 4*b.options.Lanes)
	if b.pool.count+n > most {
		b.closeUnused(time.Now())
		if b.pool.count+n > most {
			return false
		}
	}
	for range n {
		l := &lane{code: id.code, home: home}
		l.init(b, id.identity, nil)
		l.unused = time.Now()
		l.asked = []string{"MULTI", "EXEC"}
		l.told = l.probe
		b.pool.lanes[id] = append(b.pool.lanes[id], l)
	}
	b.pool.count += n
	return true
}

// leave tells that a client does not share a lane any more. The caller holds mu.
func (b *Backend) leave(l *lane) {
	if l == nil {
		return
	}
	if l.clients--; l.clients == 0 {
		l.unused = time.Now()
	}
}

// closeUnused closes the lanes that nobody has shared since then; those that are home all together. The caller
// holds mu.
func (b *Backend) closeUnused(since time.Time) {
	for id, lanes := range b.pool.lanes {
		unused := func(l *lane) bool { return l.clients == 0 && !l.unused.After(since) && l.quiet() }
		left := slices.DeleteFunc(lanes, func(l *lane) bool { return !l.home && b.closeIf(l, unused) })
		inUse := slices.ContainsFunc(left, func(l *lane) bool { return !unused(l) })
		if left = slices.DeleteFunc(left, func(l *lane) bool { return !inUse && b.closeIf(l, unused) }); len(left) == 0 {
			delete(b.pool.lanes, id)
		} else {
			b.pool.lanes[id] = left
		}
	}
}

func (b *Backend) closeIf(l *lane, unused func(*lane) bool) bool {
	if !unused(l) {
		return false
	}
	l.close()
	b.pool.count--
	return true
}

// quiet reports whether nothing is under way.
func (l *link) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent) == 0 && len(l.queue) == 0 && (l.nc == nil || l.heard.Load()&(readerWaits|readerOwed) == readerWaits)
}

// probe learns whether whole transactions may share the lane: where MULTI or EXEC are renamed or not permitted one would
// leave the next client's commands inside it.
func (l *lane) probe(replies [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(replies) == 0 {
		return nil
	}
	ended := string(replies[1]) == "*0\r\n" || bytes.HasPrefix(replies[1], []byte("-EXECABORT")) // Redis is busy with a script
	l.transacts = string(replies[0]) == "+OK\r\n" && ended
	switch refused := replies[0][0] == '-'; {
	case !refused && string(replies[0]) != "+OK\r\n", refused && replies[1][0] != '-':
		return fmt.Errorf("MULTI and EXEC are answered with %.60q", replies)
	case !refused && !l.transacts:
		l.asked = nil // the next connection is not led into a transaction
		return fmt.Errorf("MULTI is not ended by EXEC, but by %.60q", replies[1])
	}
	return nil
}

// transaction submits a whole transaction to a lane. If it does not end as one does the lane is closed: the next command
// could be inside it.
func (l *lane) transaction(c *conn, raw []byte, lastCommand int, replies int, code bool) {
	check := &special{then: func(reply []byte) {
		if code {
			l.ran()
		}
		if !ends("EXEC", reply) {
			l.poisoned()
		}
	}}
	l.mu.Lock()
	defer l.mu.Unlock()
	if code {
		l.began()
	}
	l.put(run{c: c, replies: replies - 1, fresh: true}, raw[:lastCommand], false)
	l.put(run{c: c, replies: 1, special: check}, raw[lastCommand:], false)
}

// poisoned is called by the goroutine that reads.
func (l *link) poisoned() {
	l.reader.end = errPoisoned
	l.b.goroutines.Go(func() { l.b.trouble(errPoisoned, time.Now()) })
}

// canTransact reports whether whole transactions may share the lane.
func (l *lane) canTransact() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.transacts
}
