package passthrough

import (
	"bytes"
	"strconv"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// shared does the first of some commands in the pool "shared"; it returns how many it took.
func (c *conn) shared(batch []resp.Command) (int, outcome) {
	cmd := &batch[0]
	c.s.Client.Last.Store(cmd.Spec)
	if cmd.Refused != nil {
		if c.pin != nil && c.pin.txn == openTxn {
			return 1, c.pin.spoil(cmd, cmd.Refused)
		}
		return 1, c.refuse(cmd.Refused)
	}
	where, _ := route(cmd.Spec, cmd.Args, !c.b.options.Passthrough)
	if at := redirects(cmd); at > 0 && !c.translated(cmd, at) {
		return 0, waits
	}
	if where == pinLife && cmd.Spec == nil && !(c.pin != nil && c.pin.kept()) {
		var known bool
		if where, known = c.learn(cmd); !known {
			return 0, waits
		}
	}
	switch {
	case c.pin != nil && c.pin.kept():
		return 1, c.onPin(cmd, where)
	case where == local:
		return 1, c.local(cmd)
	case where == onLane:
		return 1, c.onLane(cmd)
	case where == pinTxn && c.pin == nil && !c.slow:
		if n := c.whole(batch); n > 0 {
			return n, took
		}
	}
	return 1, c.leased(cmd, where)
}

// held reports whether CLIENT PAUSE keeps the next command from being done: it is done here, for a lane that Redis pauses
// would hold up everybody.
func (c *conn) held(batch []resp.Command) bool {
	if c.b.options.Pool != Shared || batch[0].Refused != nil {
		return false
	}
	return c.s.Hold(func() bool {
		spec := batch[0].Spec
		if spec == nil {
			return true
		}
		if spec.Name == "EXEC" {
			return c.pin != nil && c.pin.writes
		}
		if c.pin != nil && c.pin.txn != noTxn {
			return false // it is queued
		}
		for i := range c.complete(batch) {
			if s := batch[i].Spec; resp.MayWrite(s) {
				return true
			}
		}
		return resp.MayWrite(spec)
	})
}

// complete is how many commands make up the transaction that a batch begins with, 0 if it is not whole.
func (c *conn) complete(batch []resp.Command) int {
	if named(&batch[0]) != "MULTI" {
		return 0
	}
	members := make([]member, len(batch))
	for i := range batch {
		members[i] = member{batch[i].Spec, batch[i].Args, batch[i].Refused != nil}
	}
	return whole(members)
}

// kept reports whether the client has left something on its private wire.
func (p *pin) kept() bool { return p.life || !p.fresh() || p.reply != replyOn }

// hears reports whether the client is subscribed to anything.
func (c *conn) hears() bool {
	of := &c.s.Client
	return of.Sub.Load()+of.PSub.Load()+of.SSub.Load() > 0
}

// release gives the private wire back when the client has left nothing there. The caller holds mu.
func (c *conn) release() {
	if c.pin != nil && c.inflight == 0 && !c.pin.kept() && c.b.options.Pool == Shared {
		c.b.giveBack(c.pin)
		c.pin = nil
	}
}

// onPin does a command of a client that keeps its private wire.
func (c *conn) onPin(cmd *resp.Command, where place) outcome {
	if c.hears() && c.s.Client.Proto() == 2 && named(cmd) != "QUIT" && !c.b.terminates(cmd) && named(cmd) != "RESET" {
		return c.private(cmd) // Redis allows little to a client that hears messages
	}
	if where == local && named(cmd) != "RESET" && (c.pin.txn == noTxn || named(cmd) == "QUIT") {
		return c.local(cmd)
	}
	if (c.pin.txn != lostTxn || named(cmd) == "RESET") && !c.b.placed(c.pin) {
		return c.refuse(c.b.errNoPins())
	}
	if where == pinLife && c.pin.txn == noTxn {
		c.pin.life = true
	}
	if named(cmd) == "RESET" {
		c.key = c.b.stranger()
		c.s.Client.DB.Store(0)
		c.pin.life = false
	}
	if c.pin.txn == noTxn {
		return c.forward(cmd, where)
	}
	return c.private(cmd)
}

// onLane does a command on the wire that the client shares.
func (c *conn) onLane(cmd *resp.Command) outcome {
	if c.release(); c.pin != nil { // something is under way there
		return waits
	}
	code := runsCode(cmd.Spec)
	l, ok := c.lane(code)
	if !ok {
		return waits
	}
	if named(cmd) != "" && (c.slow || len(cmd.Raw) > mostBytes) || l == nil {
		if c.inflight > 0 {
			return waits
		}
		if c.pin = c.b.lease(c, c.key, c.key); c.pin != nil {
			return c.private(cmd)
		}
		if l == nil {
			return c.refuse(c.b.errNoPins())
		}
	}
	s := confirmed(c.b.adding(cmd))
	if code {
		l.runs()
		s = &special{then: func([]byte) { l.ran() }}
	}
	c.send(&l.link, cmd, 1, true, s)
	return took
}

// whole does a transaction of which every command is there; it returns how many they are, 0 if it cannot.
func (c *conn) whole(batch []resp.Command) int {
	n, size, code := c.complete(batch), 0, false
	for i := range n {
		if c.b.adding(&batch[i]) != nil {
			return 0 // on a private wire it is seen in EXEC's reply whether it was done
		}
		size += len(batch[i].Raw)
		code = code || runsCode(batch[i].Spec)
	}
	if n == 0 || size > mostBytes {
		return 0
	}
	l, ok := c.lane(code)
	if !ok || l == nil || !l.canTransact() {
		return 0
	}
	var raw []byte
	last := 0
	for i := range n {
		last = len(raw)
		more, _ := c.raw(&batch[i])
		raw = append(raw, more...)
	}
	c.begin()
	c.inflight += n
	c.bytes += len(raw)
	c.b.pending.Add(int64(len(raw)))
	l.transaction(c, raw, last, n, code)
	c.touch(&l.link)
	return n
}

// leased does a command on a private wire, which is leased for it.
func (c *conn) leased(cmd *resp.Command, where place) outcome {
	if c.inflight > 0 {
		return waits // what is under way on the lane, or on the last lease, comes first
	}
	if named(cmd) == "SELECT" {
		if db, err := strconv.Atoi(string(cmd.Args[1])); err == nil && c.b.hasDB(whereabouts(c.key, db)) {
			return c.selects(db)
		}
	}
	return c.forward(cmd, where)
}

func (c *conn) lease(cmd *resp.Command, where place) outcome {
	if c.pin == nil {
		better, key := c.key, c.key
		if ofServer(cmd) {
			better.db, key.db = 0, 0
		}
		if named(cmd) == "HELLO" {
			if h, _ := readHello(cmd.Args); h.login == nil && (h.proto == 2 || h.proto == 3) {
				better.proto = h.proto
			}
		}
		if c.pin = c.b.lease(c, better, key); c.pin == nil {
			return c.refuse(c.b.errNoPins())
		}
	}
	c.pin.life = c.pin.life || where == pinLife
	if named(cmd) == "WAIT" {
		// WAIT is about the writes of its own connection. One that has done nothing knows of none, so let it do something.
		c.submit(c.pin.link, ping, false, 1, true, &special{replace: true})
	}
	return c.private(cmd)
}

var ping = []byte("*1\r\n$4\r\nPING\r\n")

// selects moves a client to a database that Redis is known to have, and to let it have.
func (c *conn) selects(db int) outcome {
	c.key.db = db
	c.s.Client.DB.Store(int32(db))
	return c.answer(func(w *wire.Writer) { w.OK() })
}

// whereabouts is what is known of a client that has been to a database.
func whereabouts(id identity, db int) identity { return identity{db: db, login: id.login, era: id.era} }

// hasDB reports whether a client has been to a database before.
func (b *Backend) hasDB(at identity) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dbs[at]
}

// local does a command that concerns the connection to the proxy.
func (c *conn) local(cmd *resp.Command) outcome {
	if c.inflight > 0 {
		return waits
	}
	if refused, known := c.permitted(cmd); !known {
		return waits
	} else if refused != nil {
		return c.answer(func(w *wire.Writer) { w.Raw(refused) })
	}
	switch cmd.Spec.Name {
	case "QUIT":
		return c.quit()
	case "INFO":
		return c.tellOfProxy(cmd)
	case "CLIENT UNBLOCK":
		return c.unblockOther(cmd)
	case "CLIENT KILL", "ACL DELUSER", "ACL LOAD", "ACL SAVE", "ACL SETUSER":
		return c.killOthers(cmd)
	case "RESET":
		var scratch wire.Writer
		c.s.Reset(&scratch)
		c.key = c.b.stranger()
		c.s.Client.DB.Store(0)
		return c.answer(func(w *wire.Writer) { w.Status("RESET") })
	}
	return c.answer(func(w *wire.Writer) {
		if err := c.b.handlers[cmd.Spec.Name](c.s, w, cmd.Args); err != nil {
			w.Error(err)
		}
	})
}

// unblockOther does CLIENT UNBLOCK for a client of the proxy, whose id Redis does not know.
func (c *conn) unblockOther(cmd *resp.Command) outcome {
	how := "TIMEOUT"
	if len(cmd.Args) > 3 {
		if how = string(bytes.ToUpper(cmd.Args[3])); how != "TIMEOUT" && how != "ERROR" {
			return c.refuse(wire.ErrUnblockReason)
		}
	}
	id, err := strconv.ParseInt(string(cmd.Args[2]), 10, 64)
	if err != nil {
		return c.refuse(wire.ErrNotInteger)
	}
	other, _ := c.s.Peer(id).(*conn)
	if other == nil || other == c {
		return c.answer(func(w *wire.Writer) { w.Int(0) })
	}
	return c.aside(func(w *wire.Writer) {
		called, login, _ := other.blockedAs()
		if called != nil && c.b.control.about(c.b.ctx, login, [][]byte{called}, "CLIENT UNBLOCK % "+how) == nil {
			w.Int(1)
		} else {
			w.Int(0)
		}
	})
}

// killOthers does what may end other clients. Who waits for a command that blocks is forgotten by Redis before the reply: it
// must not be given anything any more.
func (c *conn) killOthers(cmd *resp.Command) outcome {
	name := cmd.Spec.Name
	args := make([][]byte, len(cmd.Args))
	for i, arg := range cmd.Args {
		args[i] = bytes.Clone(arg)
	}
	return c.aside(func(w *wire.Writer) {
		type waiter struct {
			id    []byte
			login credential
		}
		waiting := map[*conn]waiter{}
		for _, other := range c.b.clients() {
			if id, login, _ := other.blockedAs(); id != nil {
				waiting[other] = waiter{id, login}
			}
		}
		if err := c.b.handlers[name](c.s, w, args); err != nil {
			w.Error(err)
		}
		ids := map[credential][][]byte{}
		for other, as := range waiting {
			if other.s.Closing() {
				ids[as.login] = append(ids[as.login], as.id)
			}
		}
		for login, ids := range ids {
			c.b.control.about(c.b.ctx, login, ids, "CLIENT KILL ID %") // if not, their connections are closed all the same
		}
	})
}

// aside answers the client from a goroutine, where nobody holds its lock: others are looked at.
func (c *conn) aside(write func(w *wire.Writer)) outcome {
	silent := c.pin != nil && c.pin.replies() == 0
	c.begin()
	c.inflight++
	c.b.goroutines.Go(func() {
		w := wire.Writer{Proto: c.s.Client.Proto()}
		if write(&w); silent {
			w.Reset()
		}
		c.deliver(w.Bytes(), 1, 0, false, false)
		c.s.Out.Wake()
	})
	return blocks // what follows would overtake it
}

// ownID puts the proxy's id of the client into Redis' answer to HELLO.
func (c *conn) ownID(reply []byte) []byte {
	before, after, ok := bytes.Cut(reply, []byte("$2\r\nid\r\n:"))
	if !ok || c.b.options.Pool != Shared {
		return reply
	}
	_, after, _ = bytes.Cut(after, []byte("\r\n"))
	out := append([]byte(nil), before...)
	out = append(out, "$2\r\nid\r\n:"...)
	out = strconv.AppendInt(out, c.s.Client.ID, 10)
	return append(append(out, "\r\n"...), after...)
}
