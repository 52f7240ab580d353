package passthrough

import (
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// mostIdle is how many private wires wait to be leased, at most.
const mostIdle = 64

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
			wires[n-1], b.pool.idle[id] = nil, wires[:n-1]
			b.pool.spare--
			l.mu.Lock()
			l.owner = c
			l.mu.Unlock()
			return &pin{c: c, link: l}
		}
	}
	return b.newPin(c, id)
}

// newPin gives a client a private wire that has no connection yet; nil if there are no more. The caller holds mu.
func (b *Backend) newPin(c *conn, id identity) *pin {
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
	l.unused = time.Now()
	b.pool.idle[id] = append(b.pool.idle[id], l)
	b.pool.spare++
}

// closeIdle closes the wires that have waited to be leased since then. The caller holds mu.
func (b *Backend) closeIdle(since time.Time) {
	for id, wires := range b.pool.idle {
		n := 0 // those who have waited longest come first
		for ; n < len(wires) && !wires[n].unused.After(since); n++ {
			wires[n].close()
		}
		b.pool.spare -= n
		b.pool.pins -= n
		if b.pool.idle[id] = wires[n:]; n == len(wires) {
			delete(b.pool.idle, id)
		}
	}
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
