package engine

import (
	"slices"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Transactions: https://redis.io/docs/latest/develop/interact/transactions/
var transactionHandlers = handlers{
	"MULTI":   multi,
	"EXEC":    exec,
	"DISCARD": discard,
	"WATCH":   watch,
	"UNWATCH": func(c *Call) error { c.conn.unwatch(); c.Reply.OK(); return nil },
}

// immediate are the commands that MULTI does not queue.
var immediate = map[string]bool{"EXEC": true, "DISCARD": true, "MULTI": true, "WATCH": true, "QUIT": true, "RESET": true}

// queued is a command that waits for EXEC.
type queued struct {
	spec *command.Spec
	args [][]byte
}

// clone copies words into one piece of memory.
func clone(words [][]byte) [][]byte {
	all := make([]byte, 0, size(words))
	copies := make([][]byte, len(words))
	for i, w := range words {
		all = append(all, w...)
		copies[i] = all[len(all)-len(w) : len(all) : len(all)]
	}
	return copies
}

// keptQueue bounds the room for commands that a client keeps between its transactions.
const keptQueue = 32

// queuedAny reports whether a command is queued that is so.
func (c *Conn) queuedAny(is func(*command.Spec) bool) bool {
	return slices.ContainsFunc(c.queue, func(q queued) bool { return is(q.spec) })
}

// watchedKey is a key that one client watches.
type watchedKey struct {
	db      *db
	key     string
	expired bool // it is there, and its time was over when it was watched
}

func (c *Conn) enqueue(cmd *resp.Command) {
	if cmd.Spec.Flags&command.NoMulti != 0 {
		c.spoiled = true
		c.e.stats.reject(cmd.Spec, wire.ErrNotInMulti)
		c.w.Error(wire.ErrNotInMulti)
		return
	}
	args := clone(cmd.Args)
	c.s.Client.Queued.Add(int64(size(args)))
	c.queue = append(c.queue, queued{cmd.Spec, args})
	c.s.Client.Multi.Store(int32(len(c.queue)))
	c.w.Status("QUEUED")
}

func multi(c *Call) error {
	if c.conn == nil {
		return nil // a unit of the log is one transaction anyhow
	}
	if c.conn.inMulti {
		return wire.ErrNestedMulti
	}
	c.conn.inMulti, c.conn.spoiled = true, false
	c.conn.s.Client.Multi.Store(0)
	c.Reply.OK()
	return nil
}

func discard(c *Call) error {
	if !c.conn.inMulti {
		return wire.ErrDiscardWithoutMulti
	}
	c.conn.endMulti()
	c.Reply.OK()
	return nil
}

// endMulti forgets the transaction and what was watched for it.
func (c *Conn) endMulti() {
	c.inMulti, c.spoiled = false, false
	if clear(c.queue); cap(c.queue) <= keptQueue {
		c.queue = c.queue[:0]
	} else {
		c.queue = nil
	}
	c.s.Client.Multi.Store(-1)
	c.s.Client.Queued.Store(0)
	c.unwatch()
}

// exec runs the queue as one unit.
func exec(c *Call) error {
	conn := c.conn
	if !conn.inMulti {
		return wire.ErrExecWithoutMulti
	}
	queue, spoiled, failed := conn.queue, conn.spoiled, conn.s.Client.Lost.Load() || conn.watchExpired(c.Tx.Now)
	if spoiled || failed {
		conn.endMulti()
		if spoiled {
			return wire.ErrExecAbort
		}
		c.Reply.NullArray()
		return nil
	}
	conn.unwatch()
	c.Reply.Array(len(queue))
	for _, q := range queue {
		if err := conn.s.MayStill(q.spec, q.args); err != nil {
			c.engine.stats.fail(err)
			c.Reply.Error(err)
			continue
		}
		conn.call(q.spec, q.args, nil)
	}
	conn.endMulti()
	return nil
}

func watch(c *Call) error {
	conn := c.conn
	if conn.inMulti {
		return wire.ErrWatchInMulti
	}
	if conn.s.Client.Lost.Load() { // a key watched before is lost already: nothing to add
		c.Reply.OK()
		return nil
	}
	for _, k := range c.Args[1:] {
		conn.watch(c.Tx, string(k))
	}
	conn.s.Client.Watch.Store(int32(len(conn.watched)))
	c.Reply.OK()
	return nil
}

func (c *Conn) watch(tx *Tx, key string) {
	watchers := tx.db.watched[key]
	if watchers[c] != nil {
		return
	}
	if watchers == nil {
		watchers = map[*Conn]*watchedKey{}
		tx.db.watched[key] = watchers
	}
	e := tx.db.keys[key]
	w := &watchedKey{tx.db, key, e != nil && tx.expired(e)}
	watchers[c] = w
	c.watched = append(c.watched, w)
	c.s.Client.Kept.Add(int64(watchBytes + len(key)))
}

// watchBytes is what watching a key costs besides its name.
const watchBytes = 400

// spoil makes the transactions fail that watch a key which changed at now. A key whose time is over is as good as none, and
// from none to none is no change; existed is whether it was there before, in whatever state.
func (d *db) spoil(key string, existed bool, now int64) {
	if len(d.watched) == 0 {
		return
	}
	e := d.keys[key]
	expired := e != nil && e.Expire != 0 && e.Expire <= now
	for c, w := range d.watched[key] {
		if (w.expired || !existed) && (e == nil || expired) {
			w.expired = expired
			continue
		}
		c.s.Client.Lost.Store(true)
	}
}

// watchExpired reports whether a watched key's time was over between WATCH and EXEC, though nobody deleted it yet.
func (c *Conn) watchExpired(now int64) bool {
	return slices.ContainsFunc(c.watched, func(w *watchedKey) bool {
		e := w.db.keys[w.key]
		return !w.expired && e != nil && e.Expire != 0 && e.Expire <= now
	})
}

func (c *Conn) unwatch() {
	for _, w := range c.watched {
		if watchers := w.db.watched[w.key]; watchers != nil {
			delete(watchers, c)
			if len(watchers) == 0 {
				delete(w.db.watched, w.key)
			}
		}
		c.s.Client.Kept.Add(-int64(watchBytes + len(w.key)))
	}
	c.watched = nil
	c.s.Client.Lost.Store(false)
	c.s.Client.Watch.Store(0)
}
