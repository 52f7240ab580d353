package engine

import (
	"runtime/debug"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Conn is one client inside the engine: its database, its transaction, what it waits for. Everything but Do's own
// bookkeeping is guarded by the engine's lock.
type Conn struct {
	e   *Engine
	s   *resp.Session
	w   wire.Writer // replies that have not gone to s.Out
	seq uint64      // the last unit that w's replies tell of; 0 = none
	db  int

	// What the next Commit is for; the transport's alone.
	uncommitted uint64       // the last unit of this client
	others      []afterwards // what this client's commands mean for others

	queue   []queued // commands since MULTI
	inMulti bool
	spoiled bool // a queued command was refused: EXEC aborts
	watched []*watchedKey

	wait *waiter // the outstanding command

	sub *subscriber // nil if it never subscribed
}

// Do implements [resp.Conn]: one lock for the whole batch.
func (c *Conn) Do(batch []resp.Command) (taken int, p resp.Progress) {
	e := c.e
	e.lock()
	e.current = c
	c.w.Proto = c.s.Client.Proto()
	for taken < len(batch) && c.wait == nil && !c.s.Closing() {
		c.one(&batch[taken])
		taken++
		if len(e.ready) > 0 {
			e.serve()
			c.placeOwnMail(c.w.Len())
		}
	}
	e.current = nil
	parked := c.wait != nil
	c.uncommitted = max(c.uncommitted, c.seq)
	c.deliver() // under the lock when parked: from here on the waker writes replies
	if a := e.takeServed(); !a.nothing() {
		c.others = append(c.others, a)
	}
	e.mu.Unlock()
	if parked {
		return taken, resp.Later
	}
	return taken, resp.Done
}

// Commit implements [resp.Conn].
func (c *Conn) Commit() {
	if c.uncommitted > 0 {
		c.e.log.Synced(c.uncommitted, c)
		c.uncommitted = 0
	}
	for _, a := range c.others {
		c.e.release(a)
	}
	clear(c.others)
	c.others = c.others[:0]
}

// deliver moves finished replies to the client, behind a gate if they tell of a unit.
func (c *Conn) deliver() {
	if c.w.Len() > 0 {
		if c.seq > 0 {
			c.s.Out.AppendGated(c.w.Bytes(), c.seq)
		} else {
			c.s.Out.Append(c.w.Bytes())
		}
		c.w.Reset()
	}
	c.seq = 0
}

// Release lets the replies go that tell of units up to seq.
func (c *Conn) Release(seq uint64) { c.s.Out.Release(seq) }

// Fail cuts the client: what it would be told may not be true.
func (c *Conn) Fail(uint64, error) { c.s.Kill() }

// Gone implements [resp.Conn].
func (c *Conn) Gone() {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.wait != nil {
		c.wait.leave()
	}
	c.unsubscribe()
}

// Close implements [resp.Conn].
func (c *Conn) Close() {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	c.unwatch()
	delete(c.e.monitors, c)
}

// one answers one command.
func (c *Conn) one(cmd *resp.Command) {
	mark := c.w.Len()
	c.s.Client.Last.Store(cmd.Spec)
	switch err := c.refusal(cmd); {
	case err != nil:
		c.spoiled = true
		if c.inMulti && cmd.Spec != nil && cmd.Spec.Name == "EXEC" {
			c.endMulti() // an EXEC that is refused ends the transaction too
		}
		c.w.Error(err)
	case c.inMulti && !immediate[cmd.Spec.Name]:
		c.enqueue(cmd)
	default:
		c.e.tx.begin(c.e.dbs[c.db])
		c.call(cmd.Spec, cmd.Args, cmd.Raw)
		if seq := c.e.tx.commit(""); seq > 0 {
			c.seq = seq
		}
	}
	if c.wait == nil { // or it is still to be answered
		c.s.Replied(&c.w, mark)
	}
	if c.sub != nil {
		if cmd.Spec != nil && cmd.Spec.Name == "EXEC" { // its reply may confirm a subscription to what it publishes then
			mark = c.w.Len()
		}
		c.placeOwnMail(mark)
	}
}

// refusal is why the engine does not do a command now, in Redis' order of checks; nil if it does.
func (c *Conn) refusal(cmd *resp.Command) error {
	switch {
	case cmd.Refused != nil:
		return cmd.Refused
	case c.e.handlers[cmd.Spec] == nil:
		return unsupported(cmd.Spec)
	case cmd.Spec.Flags.Has(command.Write) && c.e.opts.ReadOnly:
		return wire.ErrReadOnly
	}
	if cmd.Spec.Flags.Has(command.Write) {
		if err := c.e.log.Err(); err != nil {
			return wire.Misconf(err)
		}
	}
	if c.confined() && !whileSubscribed[cmd.Spec.Name] {
		return subscribedOnly(cmd.Spec)
	}
	return nil
}

// call runs a handler inside the unit in hand.
func (c *Conn) call(spec *command.Spec, args [][]byte, raw []byte) {
	e := c.e
	e.stats.Commands++
	mark := c.w.Len()
	e.tx.db = e.dbs[c.db]
	call := Call{Tx: &e.tx, Reply: &c.w, Args: args, Spec: spec, engine: e, conn: c}
	if err := e.handle(&call); err != nil {
		c.w.Truncate(mark)
		c.w.Error(err)
	}
	e.tx.finish(args, raw)
	if len(e.monitors) > 0 && spec.Flags&(command.SkipMonitor|command.Admin) == 0 {
		e.tellMonitors(c, args)
	}
}

// handle runs a handler. A panic of one that only reads becomes an error for its client: nothing was changed. A panic of
// any other ends the process, for memory may no longer be what the log says; the next start replays the log.
func (e *Engine) handle(c *Call) (err error) {
	if c.Spec.Flags.Has(command.ReadOnly) {
		defer func() {
			if r := recover(); r != nil {
				err = wire.Errorf("ERR internal error in '%s'; please report it", c.Spec.FullName)
				if e.opts.Panicked != nil {
					e.opts.Panicked(c.Spec.FullName, r, debug.Stack())
				}
			}
		}()
	}
	return e.handlers[c.Spec](c)
}
