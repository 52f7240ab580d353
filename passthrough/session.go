package passthrough

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// one does the first of some commands; it returns how many it took.
func (c *conn) one(batch []resp.Command) (int, outcome) {
	switch named(&batch[0]) {
	case "CLIENT KILL", "ACL DELUSER", "ACL SETUSER", "ACL LOAD":
		c.b.killed.Store(time.Now().UnixMilli())
	}
	if c.b.options.Pool == Shared {
		return c.shared(batch)
	}
	return 1, c.session(&batch[0])
}

// session does a command in the pool "session".
func (c *conn) session(cmd *resp.Command) outcome {
	if c.pin == nil {
		c.pin = c.b.lease(c, c.key, c.key)
	}
	c.s.Client.Last.Store(cmd.Spec)
	switch {
	case cmd.Refused != nil && c.pin.txn == openTxn:
		return c.pin.spoil(cmd, cmd.Refused)
	case cmd.Refused != nil:
		return c.refuse(cmd.Refused)
	case named(cmd) == "QUIT":
		return c.quit()
	case asksOfProxy(cmd.Args) && c.pin.txn == noTxn && !(c.hears() && c.s.Client.Proto() == 2):
		return c.local(cmd)
	case c.pin.txn == noTxn:
		return c.forward(cmd, pinLife)
	}
	return c.private(cmd)
}

// forward does a command on a private wire, unless it carries credentials that are checked here.
func (c *conn) forward(cmd *resp.Command, where place) outcome {
	switch {
	case named(cmd) == "HELLO":
		return c.hello(cmd, where)
	case c.b.terminates(cmd):
		return c.local(cmd)
	}
	return c.lease(cmd, where)
}

// hello does HELLO. What Redis is not to see of it stays here: credentials that the proxy checks, and the name of a client
// that has no wire of its own.
func (c *conn) hello(cmd *resp.Command, where place) outcome {
	keepLogin, keepName := c.b.options.Passthrough, c.b.options.Pool == Session
	if keepLogin && keepName {
		return c.lease(cmd, where)
	}
	if c.inflight > 0 {
		return waits
	}
	h, err := readHello(cmd.Args)
	if !keepName && h.named && err != nil { // as Redis, which does what stands before what is wrong
		c.b.handlers["CLIENT SETNAME"](c.s, &wire.Writer{}, [][]byte{nil, nil, []byte(h.name)})
	}
	if err == nil && h.login != nil && !keepLogin {
		err = c.s.Authenticate(cmd.Args, []byte(h.login.user), []byte(h.login.pass))
	}
	if err == nil && !c.s.Authenticated() {
		err = wire.ErrHelloNoAuth
	}
	if err == nil && h.named && !keepName {
		var scratch wire.Writer
		err = c.b.handlers["CLIENT SETNAME"](c.s, &scratch, [][]byte{nil, nil, []byte(h.name)})
	}
	switch {
	case err != nil:
		return c.refuse(err)
	case h.login == nil && !h.named:
		return c.lease(cmd, where)
	}
	bare := *cmd
	bare.Raw, bare.Args = nil, cmd.Args[:2:2]
	if h.login != nil && keepLogin {
		bare.Args = append(bare.Args, []byte("AUTH"), []byte(h.login.user), []byte(h.login.pass))
	}
	if h.named && keepName {
		bare.Args = append(bare.Args, []byte("SETNAME"), []byte(h.name))
	}
	return c.lease(&bare, where)
}

// quit closes the client here, for Redis would close the wire.
func (c *conn) quit() outcome {
	o := c.answer(func(w *wire.Writer) { w.OK() })
	if o == took {
		c.s.CloseAfterReply()
	}
	return o
}

// terminates reports whether a command is about users, and these are known here.
func (b *Backend) terminates(cmd *resp.Command) bool {
	name := named(cmd)
	return !b.options.Passthrough && (name == "AUTH" || name == "HELLO" || strings.HasPrefix(name, "ACL "))
}

// named is the name of a command that has as many arguments as it must, "" of any other.
func named(cmd *resp.Command) string {
	if cmd.Spec == nil || !cmd.Spec.ArityOK(len(cmd.Args)) {
		return ""
	}
	return cmd.Spec.Name
}

// Drain implements [resp.Backend].
func (b *Backend) Drain() {
	all := b.clients()
	b.goroutines.Go(func() { b.drain(all) })
}

// drain ends blocking commands as if their time were over. Redis is asked to, for then nothing that it gave away meanwhile
// is lost; where it does not in half of the time, the client is told and Redis forgets the command.
func (b *Backend) drain(all []*conn) {
	ctx, cancel := context.WithTimeout(context.Background(), b.options.DrainTimeout/2)
	defer cancel()
	asked := map[*conn]bool{}
	for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
		ids := map[credential][][]byte{}
		all = slices.DeleteFunc(all, func(c *conn) bool {
			id, login, waits := c.blockedAs()
			if id != nil && !asked[c] {
				asked[c] = true
				ids[login] = append(ids[login], id)
			}
			return !waits
		})
		if len(all) == 0 {
			return
		}
		for login, ids := range ids {
			b.control.about(ctx, login, ids, "CLIENT UNBLOCK % TIMEOUT") // what it does not do is done below
		}
	}
	for _, c := range all {
		c.unblock()
	}
}

// blockedAs is what Redis calls the connection on which the client waits, nil if that is not known; and who is logged in
// there, who may know how to end that. waits reports whether the client does.
func (c *conn) blockedAs() (id []byte, login credential, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked == nil || c.pin == nil {
		return nil, credential{}, false
	}
	l := c.pin.link
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.called, l.id.login, true
}

// unblock ends a blocking command of which Redis does not tell the end.
func (c *conn) unblock() {
	c.mu.Lock()
	b := c.blocked
	if b == nil || c.gone {
		c.mu.Unlock()
		return
	}
	c.b.unpin(c.pin)
	c.pin = nil
	c.mu.Unlock()
	c.deliver(b.timeout, c.inflight, 0, false, false)
	c.s.Out.Wake()
}
