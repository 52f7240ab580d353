package passthrough

import (
	"fmt"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// pool are the wires that are no client's for good: lanes, which clients of one identity share, and private ones that wait
// to be leased. Backend.mu guards it.
type pool struct {
	lanes map[identity][]*link
	idle  map[identity][]*link
	spare int // links in idle
	pins  int // links that are leased or idle
}

// mostIdle is how many private wires wait to be leased, at most.
const mostIdle = 64

// errPoisoned says that a lane is not where it should be after a transaction.
var errPoisoned = fmt.Errorf("a transaction on a shared connection ended as none does")

// lane returns the shared wire of a client: always the same of its identity.
func (b *Backend) lane(id identity, client int64) *link {
	b.mu.Lock()
	defer b.mu.Unlock()
	wires := b.pool.lanes[id]
	if wires == nil {
		for range b.options.Lanes {
			l := newLink(b, id, nil)
			l.asked = []string{"MULTI", "EXEC"}
			l.told = l.probe
			wires = append(wires, l)
		}
		b.pool.lanes[id] = wires
	}
	return wires[int(client)%len(wires)]
}

// probe learns whether whole transactions may share the lane: where MULTI or EXEC are renamed or not permitted one would
// leave the next client's commands inside it.
func (l *link) probe(replies [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(replies) == 0 {
		return nil
	}
	l.transacts = string(replies[0]) == "+OK\r\n" && string(replies[1]) == "*0\r\n"
	switch refused := replies[0][0] == '-'; {
	case !refused && string(replies[0]) != "+OK\r\n", refused && replies[1][0] != '-':
		return fmt.Errorf("MULTI and EXEC are answered with %.60q", replies)
	case !refused && !l.transacts:
		l.asked = nil // the next connection is not led into a transaction
		return fmt.Errorf("MULTI is not ended by EXEC, but by %.60q", replies[1])
	}
	return nil
}

// errNoPins tells a client that it cannot have a private wire.
func (b *Backend) errNoPins() wire.Error {
	return wire.Errorf("ERR omniproxy: all %d upstream connections for clients with state are in use; raise --pins", b.options.Pins)
}

// lease gives a client a private wire of one of two identities, the first if one is there; nil if there are no more.
func (b *Backend) lease(c *conn, better, id identity) *pin {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range []identity{better, id} {
		wires := b.pool.idle[id]
		if n := len(wires); n > 0 {
			l := wires[n-1]
			b.pool.idle[id] = wires[:n-1]
			b.pool.spare--
			l.mu.Lock()
			l.owner = c
			l.mu.Unlock()
			return &pin{c: c, link: l}
		}
	}
	if b.options.Pool == Shared {
		if !b.room() {
			return nil
		}
		b.pool.pins++
	}
	return &pin{c: c, link: newLink(b, id, c)}
}

// dropIdle closes a wire that waits to be leased; false if none does. The caller holds mu.
func (b *Backend) dropIdle() bool {
	for id, wires := range b.pool.idle {
		if n := len(wires); n > 0 {
			wires[n-1].close()
			b.pool.idle[id] = wires[:n-1]
			b.pool.spare--
			b.pool.pins--
			return true
		}
		delete(b.pool.idle, id)
	}
	return false
}

// giveBack takes a private wire that is clean and on which nothing is under way.
func (b *Backend) giveBack(p *pin) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := p.link
	if p.relieved {
		l.close()
		return
	}
	l.mu.Lock()
	id, fit := l.id, !l.closed && !l.spoiled && l.id.name == "" && l.restore == nil && b.pool.spare < mostIdle
	l.owner = nil
	l.mu.Unlock()
	if !fit {
		b.pool.pins--
		l.close()
		return
	}
	b.pool.idle[id] = append(b.pool.idle[id], l)
	b.pool.spare++
}

// unpin closes a private wire. What is under way there is not answered.
func (b *Backend) unpin(p *pin) {
	p.link.close()
	if b.options.Pool == Shared && !p.relieved {
		b.mu.Lock()
		b.pool.pins--
		b.mu.Unlock()
	}
}

// transaction submits a whole transaction to a lane. If it does not end as one does the lane is closed: the next command
// could be inside it.
func (l *link) transaction(c *conn, raw []byte, lastCommand int, replies int) {
	check := &special{then: func(reply []byte) {
		if !ends("EXEC", reply) {
			l.poisoned()
		}
	}}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(run{c: c, replies: replies - 1, fresh: true}, raw[:lastCommand], false)
	l.put(run{c: c, replies: 1, special: check}, raw[lastCommand:], false)
}

// poisoned is called by the goroutine that reads.
func (l *link) poisoned() {
	l.reader.end = errPoisoned
	l.b.goroutines.Go(func() { l.b.trouble(errPoisoned, time.Now()) })
}

// canTransact reports whether whole transactions may share the lane.
func (l *link) canTransact() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.transacts
}
