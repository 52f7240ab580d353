package passthrough

import "time"

// relieve takes the wire of a client that has sent nothing for the pin time inside MULTI or after WATCH, and its place among
// the pins: others need one. What it has open there is over, as if Redis had been lost.
func (b *Backend) relieve(c *conn, now time.Time) {
	limit := b.options.PinTime
	if limit < 0 || b.options.Pool != Shared {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pin
	if p == nil || p.life || p.relieved || p.fresh() || c.inflight > 0 || now.Sub(c.s.Client.Heard()) < limit {
		return
	}
	taken := p.link
	taken.mu.Lock()
	id := taken.id
	taken.mu.Unlock()
	p.link, p.relieved = newLink(b, id, c), true
	c.lost(p.link, false)
	taken.close()
	b.mu.Lock()
	b.pool.pins--
	b.mu.Unlock()
	b.tally.relieved.Add(1)
}

// placed gives a client that was relieved a place among the pins again; false if there is none.
func (b *Backend) placed(p *pin) bool {
	if !p.relieved {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.room() {
		return false
	}
	b.pool.pins++
	p.relieved = false
	return true
}

// room reports whether there may be another pin; one that is idle makes room. The caller holds mu.
func (b *Backend) room() bool {
	if b.pool.pins < b.options.Pins || b.dropIdle() {
		return true
	}
	b.tally.noPins.Add(1)
	return false
}
