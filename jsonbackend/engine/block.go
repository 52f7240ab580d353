package engine

import (
	"slices"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Wait is what a blocking command waits for. Args are the command to be tried again, with everything that depended on
// this instant resolved (XREAD's "$"); they are copied.
type Wait struct {
	Keys     [][]byte
	Type     func(value.Value) bool // what a key must hold before the command is tried again
	Args     [][]byte
	Timeout  time.Duration        // 0 = for ever
	TimedOut func(w *wire.Writer) // the reply when the time is over
	Lost     error                // the reply when a key is gone or holds something else; nil = go on waiting
}

// waiter is an outstanding command in the queues of its keys: served in the order they came, by whoever writes the key.
type waiter struct {
	conn     *Conn
	db       *db
	spec     *command.Spec
	keys     []string
	holds    func(value.Value) bool
	args     [][]byte
	timer    *time.Timer
	timedOut func(w *wire.Writer)
	lost     error
}

type readyKey struct {
	db  *db
	key string
}

// Block parks the client until one of the keys is written, or answers at once where nobody may wait: inside EXEC, in a
// replay, at the end. A command that is tried again and finds nothing calls it again and keeps its place.
func (c *Call) Block(w Wait) {
	if c.wait != nil {
		return
	}
	if c.conn == nil || c.conn.inMulti || c.conn.s.Draining() {
		w.TimedOut(c.Reply)
		return
	}
	p := &waiter{conn: c.conn, db: c.Tx.db, spec: c.Spec, holds: w.Type, timedOut: w.TimedOut, lost: w.Lost}
	for _, a := range w.Args {
		p.args = append(p.args, slices.Clone(a))
	}
	for _, k := range w.Keys {
		if key := string(k); !slices.Contains(p.keys, key) {
			p.keys = append(p.keys, key)
			p.db.blocked[key] = append(p.db.blocked[key], p)
		}
	}
	if w.Timeout > 0 {
		p.timer = time.AfterFunc(w.Timeout, p.timeout)
	}
	c.conn.wait = p
	c.conn.s.Client.Blocked.Store(true)
}

// leave takes the waiter out of every queue.
func (p *waiter) leave() {
	p.conn.wait = nil
	p.conn.s.Client.Blocked.Store(false)
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, key := range p.keys {
		queue := p.db.blocked[key]
		if i := slices.Index(queue, p); i >= 0 {
			queue = slices.Delete(queue, i, i+1)
		}
		if len(queue) == 0 {
			delete(p.db.blocked, key)
		} else {
			p.db.blocked[key] = queue
		}
	}
}

// expire answers that the time is over.
func (p *waiter) expire() {
	p.leave()
	c := p.conn
	c.w.Proto = c.s.Client.Proto()
	p.timedOut(&c.w)
	c.answered()
}

func (p *waiter) timeout() {
	e := p.conn.e
	e.lock()
	if p.conn.wait == p {
		p.expire()
	}
	served := e.takeServed()
	e.mu.Unlock()
	e.release(served)
}

// answered ends an outstanding command whose reply is in c.w.
func (c *Conn) answered() {
	c.s.Replied(&c.w, 0)
	seq := c.seq
	c.deliver()
	c.seq = seq // for release
	c.e.served = append(c.e.served, c)
}

// serve tries the commands again that wait for keys written since, in the order they came, until none can go on.
func (e *Engine) serve() {
	for len(e.ready) > 0 {
		r := e.ready[0]
		e.ready = e.ready[1:]
		for _, p := range slices.Clone(r.db.blocked[r.key]) {
			if p.conn.wait == p && !p.conn.s.Gone() {
				e.retry(p, r)
			}
		}
	}
	e.ready = nil
}

// retry runs an outstanding command again, in a unit of its own.
func (e *Engine) retry(p *waiter, r readyKey) {
	c := p.conn
	c.w.Proto = c.s.Client.Proto()
	if entry := r.db.keys[r.key]; entry == nil || !p.holds(entry.Value) {
		if p.lost != nil {
			p.leave()
			c.w.Error(p.lost)
			c.answered()
		}
		return
	}
	e.tx.begin(p.db)
	call := Call{Tx: &e.tx, Reply: &c.w, Args: p.args, Spec: p.spec, engine: e, conn: c, wait: p, ready: r.key}
	err := e.handle(&call)
	e.tx.finish(p.args, nil)
	if seq := e.tx.commit(""); seq > 0 {
		c.seq = seq
	}
	if err != nil {
		c.w.Reset()
		c.w.Error(err)
	}
	if c.w.Len() > 0 {
		p.leave()
		c.answered()
	}
}

// takeServed returns the clients whose outstanding command was answered under this lock, for release after it.
func (e *Engine) takeServed() []*Conn {
	served := e.served
	e.served = nil
	return served
}

// release makes the units of served clients durable and lets the clients go on.
func (e *Engine) release(served []*Conn) {
	for _, c := range served {
		seq := c.seq
		c.seq = 0
		if seq > 0 {
			e.log.Synced(seq, c)
		}
		c.s.Resume()
	}
}
