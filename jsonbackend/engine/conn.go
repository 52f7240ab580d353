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

	following *wire.Writer // a reply that went to s.Out and is still to be written; nil if none is

	// What the next Commit is for; the transport's alone.
	uncommitted uint64       // the last unit of this client
	others      []afterwards // what this client's commands mean for others

	queue   []queued // commands since MULTI
	inMulti bool
	spoiled bool // a queued command was refused: EXEC aborts
	watched []*watchedKey

	wait *waiter // the outstanding command

	sub     *subscriber // nil if it never subscribed
	tracker *tracker    // nil if it does not track keys
	behind  wire.Writer // invalidations by the command that is being done: behind its reply
}

// Do implements [resp.Conn]: one lock for the whole batch.
func (c *Conn) Do(batch []resp.Command) (taken int, p resp.Progress) {
	e, held := c.e, false
	e.lock()
	e.current = c
	c.w.Proto = c.s.Client.Proto()
	for taken < len(batch) && c.wait == nil && !c.s.Closing() && !c.w.Deferred() && !c.w.Full(0) {
		if e.pause.On() && c.held(&batch[taken]) {
			held = true
			break
		}
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
	c.deliver() // under the lock: from here on a waker writes replies, and others mail
	if a := e.takeServed(); !a.nothing() {
		c.others = append(c.others, a)
	}
	following := c.takeFollowing()
	e.mu.Unlock()
	switch {
	case parked || held:
		return taken, resp.Later
	case following != nil:
		go c.follow(*following)
		return taken, resp.Following
	}
	return taken, resp.Done
}

// Commit implements [resp.Conn].
func (c *Conn) Commit() {
	if c.uncommitted > 0 {
		if c.e.log.Synced(c.uncommitted, c) {
			c.s.Out.Open(c.uncommitted)
		}
		c.uncommitted = 0
	}
	for _, a := range c.others {
		c.e.release(a)
	}
	clear(c.others)
	c.others = c.others[:0]
}

// deliver moves finished replies to the client, behind a gate if they tell of a unit. What is left for later follows.
func (c *Conn) deliver() {
	switch {
	case c.w.Deferred():
		c.s.Out.Begin(c.seq)
		w := c.w
		c.following, c.w = &w, newReplies()
	case c.w.Len() > 0:
		c.s.Out.AppendGated(c.w.Bytes(), c.seq)
		c.w.Reset()
	}
	c.seq = 0
}

func newReplies() wire.Writer { return wire.Writer{Defers: true} }

// takeFollowing returns what follow is to do when the lock is given back, nil if nothing.
func (c *Conn) takeFollowing() *wire.Writer {
	w := c.following
	c.following = nil
	return w
}

// Release lets the replies go that tell of units up to seq.
func (c *Conn) Release(seq uint64) { c.s.Out.Release(seq) }

// Fail tells the client that what it did may not last. It is cut only where the replies that say otherwise cannot be found.
func (c *Conn) Fail(_ uint64, err error) {
	if why := c.e.log.Err(); why != nil {
		err = why // in the words of Redis' clients
	}
	client := &c.s.Client
	alike := client.Proto() == 2 && client.Sub.Load()+client.PSub.Load()+client.SSub.Load() > 0
	if !c.s.Out.Refuse(wire.Unkept(err), alike) {
		c.s.Kill()
	}
}

// Gone implements [resp.Conn].
func (c *Conn) Gone() {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.wait != nil {
		c.wait.leave()
	}
	c.unsubscribe()
	c.untrack()
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
	if len(c.e.tracking.clients) > 0 {
		c.e.evictTracked()
	}
	mark := c.w.Len()
	c.s.Rejudge(cmd)
	c.s.Client.Last.Store(cmd.Spec)
	switch err := c.refusal(cmd); {
	case err != nil:
		if err == cmd.Refused {
			c.s.Denying(cmd)
		}
		c.spoiled = true
		c.e.stats.reject(cmd.Spec, err)
		if cmd.Spec != nil && cmd.Spec.Name == "EXEC" {
			c.endMulti() // an EXEC that is refused ends the transaction too, and what is watched for one
		}
		c.w.Error(err)
	case c.inMulti && !immediate[cmd.Spec.Name]:
		c.enqueue(cmd)
	default:
		c.e.tx.begin(c.e.dbs[c.db])
		c.e.tx.paused = c.e.pause.On()
		c.e.doing = c
		c.call(cmd.Spec, cmd.Args, cmd.Raw)
		if seq := c.e.tx.commit(""); seq > 0 {
			c.seq = seq
		}
		c.e.doing = nil
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
	c.placeBehind()
	if c.tracker != nil && c.tracker.caching {
		c.tracker.endCaching(cmd.Args)
	}
}

// held reports whether CLIENT PAUSE keeps a command from being done now. What is refused is refused at once.
func (c *Conn) held(cmd *resp.Command) bool {
	return c.refusal(cmd) == nil && c.s.Hold(func() bool {
		return resp.MayWrite(cmd.Spec) ||
			cmd.Spec.Name == "EXEC" && c.queuedAny(resp.MayWrite)
	})
}

// refusal is why the engine does not do a command now, in Redis' order of checks; nil if it does.
func (c *Conn) refusal(cmd *resp.Command) error {
	if !cmd.Denied.OK() { // what Redis asks before it asks who may do it
		switch err := c.protected(cmd.Spec); {
		case err != nil:
			return err
		case c.inMulti && cmd.Spec.Flags.Has(command.NoMulti):
			return wire.ErrNotInMulti
		}
	}
	switch {
	case cmd.Refused != nil:
		return cmd.Refused
	case c.e.handlers[cmd.Spec.Index] == nil:
		return unsupported(cmd.Spec)
	}
	if err := c.protected(cmd.Spec); err != nil {
		return err
	}
	switch {
	case c.e.memoryLimit.bytes > 0 && c.needsMemory(cmd) && c.e.outOfMemory():
		if cmd.Spec.Name == "EXEC" {
			return wire.ExecAbort(wire.ErrOOM)
		}
		return wire.ErrOOM
	case cmd.Spec.Flags.Has(command.Write) && c.e.opts.ReadOnly:
		return wire.ErrReadOnly
	}
	if err := c.e.log.Err(); err != nil && c.needsLog(cmd.Spec) {
		if cmd.Spec.Name == "EXEC" {
			return wire.ExecAbort(wire.Misconf(err))
		}
		return wire.Misconf(err)
	}
	if c.confined() && !whileSubscribed[cmd.Spec.Name] {
		return subscribedOnly(cmd.Spec)
	}
	return nil
}

// needsLog reports whether a command is refused while nothing is kept: one that writes, and PING, by which health checks
// learn of it.
func (c *Conn) needsLog(spec *command.Spec) bool {
	switch spec.Name {
	case "PING":
		return true
	case "EXEC":
		return c.inMulti && c.queuedAny(func(spec *command.Spec) bool { return spec.Flags.Has(command.Write) })
	}
	return spec.Flags.Has(command.Write)
}

// protected refuses what Redis' default configuration refuses: to load code, and DEBUG to clients from elsewhere.
func (c *Conn) protected(spec *command.Spec) error {
	if !spec.Flags.Has(command.Admin) {
		return nil
	}
	switch spec.Name {
	case "MODULE LOAD", "MODULE LOADEX", "MODULE UNLOAD":
		return noModules(nil)
	case "DEBUG":
		if !c.s.Client.IsLocal() {
			return wire.ActionNotAllowed("DEBUG", "enable-debug-command")
		}
	}
	return nil
}

// call runs a handler inside the unit in hand.
func (c *Conn) call(spec *command.Spec, args [][]byte, raw []byte) {
	e := c.e
	begin := e.stats.clock // it was read when the batch began, and when the command before this one ended
	mark := c.w.Len()
	e.tx.db = e.dbs[c.db]
	call := &e.calls[e.depth]
	e.depth++
	*call = Call{Tx: &e.tx, Reply: &c.w, Args: args, Spec: spec, engine: e, conn: c}
	err := e.handle(call)
	*call = Call{}
	e.depth--
	if err != nil {
		c.w.Truncate(mark)
		c.w.Error(err)
	}
	e.tx.finish(args, raw)
	if c.tracker != nil {
		c.tracker.read(spec, args)
	}
	e.did(c, spec, args, begin, err)
	if len(e.monitors) > 0 && spec.Flags&(command.SkipMonitor|command.Admin) == 0 {
		e.tellMonitors(c, args)
		e.stats.read()
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
	return e.handlers[c.Spec.Index](c)
}
