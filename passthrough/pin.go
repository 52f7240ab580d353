package passthrough

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// pin is a client's private wire and what the client has left there, as far as it was sent. The client's lock guards it.
type pin struct {
	c    *conn
	link *link
	life bool // the client keeps it until it leaves

	relieved bool // it has no connection and no place among the pins, for the client was idle for too long
	login    bool // what is under way ends in a login: only then is it known as whom what follows is done

	txn     txn
	rights  *acl.Rights // by which its commands were judged
	writes  bool        // one of the commands queued does
	queued  int         // commands
	effects []effect    // of those, on what the wire is
	watch   watch
	reply   replyMode

	// Of the goroutine that reads.
	subscriptions subscriptions
	monitors      bool
	tracking      []byte    // the command that turned it on; nil if it is off
	redirect      *redirect // whom it tells; nil if that is not another client of the proxy
}

// replyMode is what CLIENT REPLY asked for.
type replyMode int

const (
	replyOn replyMode = iota
	replySkip
	replyOff
)

// fresh reports whether what comes next begins something new: it does not belong to what was sent before.
func (p *pin) fresh() bool { return p.txn == noTxn && p.watch == noWatch }

// replies is how many replies the next command has.
func (p *pin) replies() int {
	switch p.reply {
	case replyOff:
		return 0
	case replySkip:
		p.reply = replyOn
		return 0
	}
	return 1
}

// private does a command on the client's own wire.
func (c *conn) private(cmd *resp.Command) outcome {
	p := c.pin
	spec := cmd.Spec
	if spec == nil || !spec.ArityOK(len(cmd.Args)) {
		if p.txn == lostTxn {
			return c.refuse(p.errLost())
		}
		learnt := spec == nil && c.b.mayShare(cmd)
		if !learnt && (spec == nil || spec.Effect != command.ConnNone) {
			p.uncertain() // what it does to the connection is not known
		}
		if p.txn == openTxn {
			p.queued++
		}
		n := p.replies()
		c.send(p.link, cmd, n, p.fresh(), nil)
		if spec == nil && !learnt && n > 0 && p.txn == noTxn {
			return c.block(cmd) // it may
		}
		return took
	}
	switch spec.Effect {
	case command.ConnTxn:
		return p.transaction(cmd)
	case command.ConnBlock:
		if p.txn == noTxn && mayBlock(cmd) {
			return p.blocking(cmd)
		}
	}
	switch {
	case p.txn == lostTxn && spec.Name != "RESET":
		return c.refuse(p.errLost())
	case p.txn == openTxn && spec.Name != "RESET":
		return p.queue(cmd)
	case spec.Effect == command.ConnLane, p.c.b.rules(cmd) != nil:
		return p.changes(cmd)
	case spec.Effect == command.ConnLife:
		return p.lasting(cmd)
	}
	s := confirmed(p.c.b.adding(cmd))
	if spec.Name == "CLIENT GETREDIR" || spec.Name == "CLIENT TRACKINGINFO" {
		s = &special{rewrite: func(reply []byte) []byte { return p.redirect.back(reply) }}
	}
	c.send(p.link, cmd, p.replies(), p.fresh(), s)
	return took
}

// uncertain keeps the wire from others, and from being closed for a reply too many.
func (p *pin) uncertain() {
	p.life = true
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.link.loose = true
}

// changes does a command that changes what the connection is.
func (p *pin) changes(cmd *resp.Command) outcome {
	if cmd.Spec.Name == "RESET" {
		return p.reset(cmd)
	}
	n, effect := p.replies(), p.effect(cmd)
	s := answered(effect)
	if login := loginOf(cmd); login != nil {
		p.login = true
		done := s.then
		s.then = func(reply []byte) {
			if done(reply); reply[0] == '-' {
				p.c.s.LoggedInThere(login.name(), errorOf(reply))
			}
		}
	}
	if cmd.Spec.Name == "HELLO" {
		s.rewrite = p.c.ownID
	}
	p.c.send(p.link, cmd, n, p.fresh(), s)
	return took
}

// answered has effect called when the reply is no error.
func answered(effect func()) *special {
	if effect == nil {
		return nil
	}
	return &special{then: func(reply []byte) {
		if reply[0] != '-' && reply[0] != '!' {
			effect()
		}
	}}
}

// effect is what a command changes if it is done; nil if nothing.
func (p *pin) effect(cmd *resp.Command) func() {
	set := func(change func(*identity)) func() {
		return func() {
			p.c.mu.Lock()
			defer p.c.mu.Unlock()
			change(&p.c.key)
			p.c.key.name = "" // the proxy knows it
			p.link.mu.Lock()
			defer p.link.mu.Unlock()
			change(&p.link.id)
		}
	}
	args := cmd.Args
	if r := p.c.b.rules(cmd); r != nil {
		return func() { p.c.b.newEra(r) }
	}
	era := p.c.b.currentEra()
	in := func(login *credential) {
		p.c.strange(false)
		p.c.s.LoggedInThere(login.name(), nil)
	}
	switch cmd.Spec.Name {
	case "SELECT":
		db, _ := strconv.Atoi(string(args[1]))
		return func() {
			set(func(id *identity) { id.db = db })()
			p.c.s.Client.DB.Store(int32(db))
			p.c.b.mu.Lock()
			defer p.c.b.mu.Unlock()
			if at := whereabouts(p.c.key, db); len(p.c.b.dbs) < mostLanes {
				p.c.b.dbs[at] = true
			}
		}
	case "CLIENT SETNAME":
		name := string(args[2])
		return set(func(id *identity) { id.name = name })
	case "AUTH":
		login := loginOf(cmd)
		change := set(func(id *identity) { id.login, id.era = *login, era })
		return func() { change(); in(login) }
	case "HELLO":
		h, _ := readHello(args)
		change := set(func(id *identity) {
			if h.proto != 0 {
				id.proto = h.proto
				p.c.s.Client.SetProto(h.proto)
			}
			if h.login != nil {
				id.login, id.era = *h.login, era
			}
			if h.named {
				id.name = h.name
			}
		})
		return func() {
			if change(); h.login != nil {
				in(h.login)
			}
		}
	}
	return nil
}

// loginOf returns with what a command logs in; nil if it does not.
func loginOf(cmd *resp.Command) *credential {
	switch args := cmd.Args; cmd.Spec.Name {
	case "AUTH":
		login := credential{pass: string(args[len(args)-1])}
		if len(args) > 2 {
			login.user = string(args[1])
		}
		return &login
	case "HELLO":
		h, _ := readHello(args)
		return h.login
	}
	return nil
}

// errorOf is the error that a reply is.
func errorOf(reply []byte) error {
	text, _, _ := bytes.Cut(reply[1:], []byte("\r\n"))
	return wire.Error(text)
}

// hello is what HELLO asks for.
type hello struct {
	proto int // 0 = as it is
	login *credential
	named bool
	name  string
}

// readHello reads HELLO [protover [AUTH user pass] [SETNAME name]]. The error is Redis' for an option that is none.
func readHello(args [][]byte) (h hello, err error) {
	if len(args) > 1 {
		h.proto, _ = strconv.Atoi(string(args[1]))
	}
	for i := 2; i < len(args); i++ {
		switch more := len(args) - 1 - i; {
		case more >= 2 && strings.EqualFold(string(args[i]), "AUTH"):
			h.login = &credential{string(args[i+1]), string(args[i+2])}
			i += 2
		case more >= 1 && strings.EqualFold(string(args[i]), "SETNAME"):
			h.named, h.name = true, string(args[i+1])
			i++
		default:
			return h, wire.HelloOption(args[i])
		}
	}
	return h, nil
}

// reset does RESET, which forgets everything, CLIENT REPLY OFF first. Where the proxy logs in for the client it does so
// again; if it cannot any more the client must not go on as somebody else.
func (p *pin) reset(cmd *resp.Command) outcome {
	c := p.c
	if p.reply == replyOff {
		p.reply = replyOn
	}
	n, fresh := p.replies(), p.fresh()
	p.over()
	stranger := c.b.stranger()
	l := p.link
	forget := func() {
		p.subscriptions, p.monitors = subscriptions{}, false
		p.tracks(nil, nil)
		p.subscriptions.show(&c.s.Client)
		c.s.Client.HearNothing()
		c.s.Client.KnownAs("")
		l.reader.subscribed, l.reader.monitors = 0, false
		l.mu.Lock()
		l.id, l.restore = stranger, nil
		l.mu.Unlock()
		c.s.Client.SetProto(2)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.key = stranger // what was under way before may have changed it meanwhile
		c.s.Client.DB.Store(0)
	}
	if n == 0 {
		c.send(l, cmd, 0, fresh, nil)
	} else {
		c.send(l, cmd, n, fresh, answered(forget))
	}
	if stranger.login.pass != "" {
		var w wire.Writer
		stranger.write(&w)
		p.login = true
		c.submit(l, w.Bytes(), false, 1, true, &special{replace: true, then: func(reply []byte) {
			if reply[0] == '-' {
				l.mu.Lock()
				l.spoiled = true
				l.mu.Unlock()
				c.s.Kill()
			}
		}})
	}
	var scratch wire.Writer
	c.s.Reset(&scratch)
	return took
}

// lasting does a command that changes what lasts until the connection ends.
func (p *pin) lasting(cmd *resp.Command) outcome {
	c, l, fresh := p.c, p.link, p.fresh()
	name := cmd.Spec.Name
	if kind, ok := subscriptionKinds[name]; ok {
		p.replies() // confirmations come all the same
		f := &confirmation{subscriptions: &p.subscriptions, word: strings.ToLower(name), kind: kind.kind, ends: kind.ends, rights: c.s.Rights()}
		for _, a := range cmd.Args[1:] {
			f.names = append(f.names, string(a))
			if name == "SUBSCRIBE" && string(a) == invalidations {
				p.introduce() // another client may name this one; in RESP2 it could not be asked later
			}
		}
		p.restored()
		c.send(l, cmd, 1, fresh, &special{confirm: f})
		return took
	}
	switch name {
	case "CLIENT REPLY":
		return p.replyMode(cmd)
	case "CLIENT SETNAME":
		return p.changes(cmd)
	case "SYNC", "PSYNC":
		c.send(l, cmd, 1, fresh, &special{raw: true})
		return took
	case "REPLCONF":
		if word(cmd.Args, 1, "ACK") {
			c.send(l, cmd, 0, fresh, nil)
			return took
		}
	case "MONITOR":
		p.restored()
		c.send(l, cmd, p.replies(), fresh, answered(func() { p.monitors, l.reader.monitors = true, true }))
		return took
	case "CLIENT TRACKING":
		raw, _ := c.raw(cmd)
		raw = bytes.Clone(raw)
		to := c.towards
		c.towards = nil
		if !strings.EqualFold(string(cmd.Args[2]), "ON") {
			raw, to = nil, nil
		}
		p.restored()
		c.send(l, cmd, p.replies(), fresh, answered(func() { p.tracks(raw, to) }))
		return took
	}
	c.send(l, cmd, p.replies(), fresh, nil)
	return took
}

// replyMode does CLIENT REPLY ON|OFF|SKIP.
func (p *pin) replyMode(cmd *resp.Command) outcome {
	n, fresh := p.replies(), p.fresh()
	switch off := p.reply == replyOff; strings.ToUpper(string(cmd.Args[2])) {
	case "ON":
		p.reply, n = replyOn, 1
	case "OFF":
		p.reply, n = replyOff, 0
		p.restored()
	case "SKIP":
		n = 0
		if !off {
			p.reply = replySkip
		}
	}
	p.c.send(p.link, cmd, n, fresh, nil)
	return took
}
