package engine

import (
	"container/list"
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

// waiter is an outstanding command in the queues of its keys.
type waiter struct {
	conn     *Conn
	db       *db
	spec     *command.Spec
	places   []place
	holds    func(value.Value) bool
	args     [][]byte
	timer    *time.Timer
	timedOut func(w *wire.Writer)
	lost     error
	bytes    int64         // that it keeps
	took     time.Duration // to find that it has to wait
}

// waitBytes is what waiting for a key costs besides its name.
const waitBytes = 400

// queue is who waits for a key, in the order they came: served in this order by whoever writes the key.
type queue struct {
	waiters list.List // of *waiter
	losers  int       // how many of them want to know when the key is gone
	added   bool      // the command in hand has made the key
	ready   bool      // the key is in Engine.ready
}

// place is a waiter's place in the queue of a key.
type place struct {
	key     string
	queue   *queue
	element *list.Element
}

type readyKey struct {
	db  *db
	key string
}

// Block parks the client until one of the keys is written, or answers at once where nobody may wait. A command that is
// tried again and finds nothing calls it again and keeps its place.
func (c *Call) Block(w Wait) {
	if c.wait != nil {
		return
	}
	if !c.mayBlock() {
		w.TimedOut(c.Reply)
		return
	}
	p := &waiter{conn: c.conn, db: c.Tx.db, spec: c.Spec, args: clone(w.Args), holds: w.Type, timedOut: w.TimedOut, lost: w.Lost}
	for _, k := range w.Keys {
		p.enter(string(k))
	}
	p.bytes = int64(size(p.args) + size(w.Keys) + waitBytes*len(p.places))
	c.conn.s.Client.Kept.Add(p.bytes)
	if w.Timeout > 0 {
		p.timer = time.AfterFunc(w.Timeout, p.timeout)
	}
	c.conn.wait = p
	c.engine.waiting[c.conn.s.Client.ID] = p
	c.conn.s.Client.Blocked.Store(true)
}

// mayBlock reports whether the client may wait: not inside EXEC, in a replay, at the end.
func (c *Call) mayBlock() bool {
	return c.conn != nil && !c.conn.inMulti && !c.conn.s.Draining()
}

// awaited returns which of the keys a blocking command has to look at: all of them, in their order, but after a wait only
// the one that was written.
func (c *Call) awaited(keys [][]byte) [][]byte {
	if c.wait == nil {
		return keys
	}
	return [][]byte{[]byte(c.ready)}
}

// serveFirst hands the first of the keys that is there to serve, or replies that there is none.
func serveFirst[T value.Value](c *Call, keys [][]byte, serve func(key []byte, v T)) error {
	i, v, err := first[T](c.Tx, keys)
	switch {
	case err != nil:
		return err
	case i < 0:
		c.Reply.NullArray()
	default:
		serve(keys[i], v)
	}
	return nil
}

// serveOrBlock hands the first of the keys that is there to serve, or waits for one that holds a T.
func serveOrBlock[T value.Value](c *Call, keys [][]byte, timeout time.Duration, serve func(key []byte, v T)) error {
	looked := c.awaited(keys)
	i, v, err := first[T](c.Tx, looked)
	switch {
	case err != nil:
		return err
	case i < 0:
		c.Block(Wait{Keys: keys, Type: holds[T], Args: c.Args, Timeout: timeout, TimedOut: (*wire.Writer).NullArray})
	default:
		serve(looked[i], v)
	}
	return nil
}

func holds[T value.Value](v value.Value) bool {
	_, ok := v.(T)
	return ok
}

// enter puts the waiter at the end of a key's queue, unless the key was named before.
func (p *waiter) enter(key string) {
	q := p.db.blocked[key]
	if q == nil {
		q = new(queue)
		p.db.blocked[key] = q
	} else if q.waiters.Back().Value == p {
		return
	}
	p.places = append(p.places, place{key, q, q.waiters.PushBack(p)})
	if p.lost != nil {
		q.losers++
	}
}

// leave takes the waiter out of every queue.
func (p *waiter) leave() {
	p.conn.wait = nil
	delete(p.conn.e.waiting, p.conn.s.Client.ID)
	p.conn.s.Client.Blocked.Store(false)
	p.conn.s.Client.Kept.Add(-p.bytes)
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, at := range p.places {
		at.queue.waiters.Remove(at.element)
		if p.lost != nil {
			at.queue.losers--
		}
		if at.queue.waiters.Len() == 0 {
			delete(p.db.blocked, at.key)
		}
	}
}

// end answers the outstanding command.
func (p *waiter) end(reply func(w *wire.Writer)) {
	p.leave()
	c := p.conn
	c.w.Proto = c.s.Client.Proto()
	reply(&c.w)
	c.answered()
}

// expire answers that the time is over.
func (p *waiter) expire() { p.end(p.timedOut) }

// fail answers with an error.
func (p *waiter) fail(err error) {
	e := p.conn.e
	e.stats.fail(err)
	e.unblocked(p, 0, true)
	p.end(func(w *wire.Writer) { w.Error(err) })
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
	c.placeBehind()
	if c.tracker != nil && c.tracker.caching {
		c.tracker.caching = false
	}
	seq := c.seq
	c.deliver()
	c.seq = seq // for release
	c.e.served = append(c.e.served, c)
}

// wake makes the commands that wait for a key be tried again, once it holds what some command may wait for. So the first
// key of a unit that is ready is Redis' first, which decides what a client gets that waits for several.
func (e *Engine) wake(d *db, key string) {
	if q := d.blocked[key]; q != nil && !q.ready && (q.losers > 0 || canBeAwaited(d.keys[key])) {
		q.ready = true
		e.ready = append(e.ready, readyKey{d, key})
	}
}

func canBeAwaited(e *Entry) bool {
	if e == nil {
		return false
	}
	switch e.Value.(type) {
	case *value.List, *value.ZSet, *value.Stream:
		return true
	}
	return false
}

// serve tries the commands again that wait for keys written since, in the order they came, until none can go on.
func (e *Engine) serve() {
	if len(e.ready) == 0 {
		return
	}
	e.tx.Now = time.Now().UnixMilli() // a unit may have taken its time
	for len(e.ready) > 0 {
		r := e.ready[0]
		e.ready = e.ready[1:]
		q := r.db.blocked[r.key]
		if q == nil {
			continue
		}
		q.ready = false
		for at := q.waiters.Front(); at != nil && (q.losers > 0 || r.db.keys[r.key] != nil); {
			p := at.Value.(*waiter)
			at = at.Next() // before p leaves
			if !p.conn.s.Gone() {
				e.retry(p, r)
			}
		}
	}
	e.ready = nil
}

// retry runs an outstanding command again, in a unit of its own.
func (e *Engine) retry(p *waiter, r readyKey) {
	if entry := r.db.keys[r.key]; entry == nil || !p.holds(entry.Value) {
		if p.lost != nil {
			p.fail(p.lost)
		}
		return
	}
	c := p.conn
	c.w.Proto = c.s.Client.Proto()
	e.tx.begin(p.db)
	e.doing = c
	call := Call{Tx: &e.tx, Reply: &c.w, Args: p.args, Spec: p.spec, engine: e, conn: c, wait: p, ready: r.key}
	begin := e.stats.read()
	err := e.handle(&call)
	answering := e.stats.read() - begin
	e.tx.finish(p.args, nil)
	if seq := e.tx.commit(""); seq > 0 {
		c.seq = seq
	}
	e.doing = nil
	if err != nil {
		e.stats.fail(err)
		c.w.Reset()
		c.w.Error(err)
	}
	if c.w.Len() > 0 {
		e.unblocked(p, answering, err != nil)
		p.leave()
		c.answered()
	}
}

// afterwards is what is done for other clients when the lock is given back.
type afterwards struct {
	served []*Conn // their outstanding command was answered
	told   told
}

func (a *afterwards) nothing() bool {
	return len(a.served) == 0 && len(a.told.free) == 0 && len(a.told.gated) == 0
}

// takeServed returns what release is to do after the lock.
func (e *Engine) takeServed() afterwards {
	e.broadcast()
	a := afterwards{e.served, e.told.take()}
	e.served = nil
	return a
}

// release makes the units of served clients durable, lets the clients go on, and wakes who was told something.
func (e *Engine) release(a afterwards) {
	for _, c := range a.served {
		seq := c.seq
		c.seq = 0
		if seq > 0 {
			synced(e.log, seq, c)
		}
		if following := c.takeFollowing(); following != nil {
			go c.follow(*following)
		} else {
			c.s.Resume()
		}
	}
	a.told.wake(e.log)
}
