package passthrough

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// pin is a client's private wire and what the client has left there, as far as it was sent. The client's lock guards it.
type pin struct {
	c    *conn
	link *link
	life bool // the client keeps it until it leaves

	relieved bool // it has no connection and no place among the pins, for the client was idle for too long

	txn     txn
	writes  bool     // one of the commands queued does
	effects []func() // of the commands queued, on what the wire is
	watch   watch
	reply   replyMode

	// Of the goroutine that reads.
	subscriptions subscriptions
	monitors      bool
	tracking      []byte // the command that turned it on; nil if it is off
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
		if spec == nil || spec.Effect != command.ConnNone {
			p.uncertain() // what it does to the connection is not known
		}
		n := p.replies()
		c.send(p.link, cmd, n, p.fresh(), nil)
		if spec == nil && n > 0 && p.txn == noTxn {
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
	case spec.Effect == command.ConnLane:
		return p.changes(cmd)
	case spec.Effect == command.ConnLife:
		return p.lasting(cmd)
	}
	c.send(p.link, cmd, p.replies(), p.fresh(), nil)
	return took
}

// uncertain keeps the wire from others, and from being closed for a reply too many.
func (p *pin) uncertain() {
	p.life = true
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.link.loose = true
}

// blocking does a command that may let all later ones wait.
func (p *pin) blocking(cmd *resp.Command) outcome {
	c := p.c
	if c.s.Draining() {
		return c.answer(func(w *wire.Writer) { w.Raw(timeoutReply(cmd, w.Proto)) })
	}
	p.introduce()
	n := p.replies()
	c.send(p.link, cmd, n, p.fresh(), nil)
	if n == 0 {
		return took
	}
	return c.block(cmd)
}

// introduce asks Redis what it calls the connection, for it cannot be asked any more while a command blocks. (Its address
// would not do: there may be others between, and unix sockets have none.)
func (p *pin) introduce() {
	l := p.link
	l.mu.Lock()
	asked := l.introduced
	l.introduced = asked || p.reply == replyOn
	l.mu.Unlock()
	if asked || p.reply != replyOn {
		return
	}
	p.c.submit(l, clientID, false, 1, p.fresh(), &special{replace: true, then: func(reply []byte) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case reply[0] == ':':
			l.called = bytes.Clone(bytes.TrimSpace(reply[1:]))
		case bytes.HasPrefix(reply, []byte("-NOAUTH")):
			l.introduced = false // it may log in
		}
	}})
}

var clientID = []byte("*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n")

func (c *conn) block(cmd *resp.Command) outcome {
	c.blocked = &blocked{timeoutReply(cmd, c.s.Client.Proto()), timeLimit(cmd)}
	c.s.Client.Blocked.Store(true)
	return blocks
}

// mayBlock reports whether this call of a command that can block does.
func mayBlock(cmd *resp.Command) bool {
	switch cmd.Spec.Name {
	case "XREAD", "XREADGROUP":
		return blockOption(cmd.Args)
	}
	return true
}

// timeLimit is how long a command asks to be blocked; 0 if it does not say, for ever, or what Redis refuses.
func timeLimit(cmd *resp.Command) time.Duration {
	unit, i := time.Second, len(cmd.Args)-1
	switch {
	case cmd.Spec == nil || cmd.Spec.Name == "SHUTDOWN":
		return 0
	case cmd.Spec.Name == "WAIT":
		unit = time.Millisecond
	case cmd.Spec.Name == "BLMPOP" || cmd.Spec.Name == "BZMPOP":
		i = 1
	case cmd.Spec.Name == "XREAD" || cmd.Spec.Name == "XREADGROUP":
		unit = time.Millisecond
		for i = 1; i < len(cmd.Args)-1 && !word(cmd.Args, i-1, "BLOCK"); i++ {
		}
	}
	n, err := strconv.ParseFloat(string(cmd.Args[i]), 64)
	if err != nil || !(0 < n && n < float64(math.MaxInt64/time.Second/2)) {
		return 0
	}
	return time.Duration(n * float64(unit))
}

// timeoutReply is what a blocking command is answered with when its time is over.
func timeoutReply(cmd *resp.Command, proto int) []byte {
	w := wire.Writer{Proto: proto}
	switch {
	case cmd.Spec == nil:
		w.Null()
	case cmd.Spec.Name == "WAIT":
		w.Int(0)
	case cmd.Spec.Name == "SHUTDOWN":
		w.Error(wire.ErrShutdown)
	default:
		w.NullArray()
	}
	return w.Bytes()
}

// changes does a command that changes what the connection is.
func (p *pin) changes(cmd *resp.Command) outcome {
	if cmd.Spec.Name == "RESET" {
		return p.reset(cmd)
	}
	n, effect := p.replies(), p.effect(cmd)
	s := answered(effect)
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
	switch cmd.Spec.Name {
	case "SELECT":
		db, _ := strconv.Atoi(string(args[1]))
		text := string(args[1])
		return func() {
			set(func(id *identity) { id.db = db })()
			p.c.s.Client.DB.Store(int32(db))
			p.c.b.mu.Lock()
			p.c.b.dbs[text] = true
			p.c.b.mu.Unlock()
		}
	case "CLIENT SETNAME":
		name := string(args[2])
		return set(func(id *identity) { id.name = name })
	case "AUTH":
		login := credential{pass: string(args[len(args)-1])}
		if len(args) > 2 {
			login.user = string(args[1])
		}
		return set(func(id *identity) { id.login = login })
	case "HELLO":
		h, _ := readHello(args)
		return set(func(id *identity) {
			if h.proto != 0 {
				id.proto = h.proto
				p.c.s.Client.SetProto(h.proto)
			}
			if h.login != nil {
				id.login = *h.login
			}
			if h.named {
				id.name = h.name
			}
		})
	}
	return nil
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
// again.
func (p *pin) reset(cmd *resp.Command) outcome {
	c := p.c
	if p.reply == replyOff {
		p.reply = replyOn
	}
	n, fresh := p.replies(), p.fresh()
	p.over()
	login := c.b.login()
	l := p.link
	forget := func() {
		p.subscriptions, p.monitors, p.tracking = subscriptions{}, false, nil
		p.subscriptions.show(&c.s.Client)
		l.reader.subscribed, l.reader.monitors = 0, false
		l.mu.Lock()
		l.id, l.restore = identity{proto: 2, login: login}, nil
		l.mu.Unlock()
		c.s.Client.SetProto(2)
	}
	if n == 0 {
		c.send(l, cmd, 0, fresh, nil)
	} else {
		c.send(l, cmd, n, fresh, answered(forget))
	}
	if again := (identity{proto: 2, login: login}); login.pass != "" {
		var w wire.Writer
		again.write(&w)
		c.submit(l, w.Bytes(), false, 1, true, &special{replace: true})
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
		f := &confirmation{subscriptions: &p.subscriptions, word: strings.ToLower(name), kind: kind.kind, ends: kind.ends}
		for _, a := range cmd.Args[1:] {
			f.names = append(f.names, string(a))
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
		if strings.EqualFold(string(cmd.Args[1]), "ACK") {
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
		if !strings.EqualFold(string(cmd.Args[2]), "ON") {
			raw = nil
		}
		p.restored()
		c.send(l, cmd, p.replies(), fresh, answered(func() { p.tracking = raw }))
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

// restored has the wire tell its next connection what this one knows, and dial as soon as it has lost one.
func (p *pin) restored() {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.link.restore = p.restore
}

// flushed tells a client in RESP3 that its cache is void.
const flushed = ">2\r\n$10\r\ninvalidate\r\n_\r\n"

// restore writes what makes a new connection hear what the last one heard. The replies are not for the client. It is
// called by the goroutine that reads, with the link's lock.
func (p *pin) restore() (raw []byte, runs []run) {
	var w wire.Writer
	add := func(begin int, s *special) {
		s.replace = true
		runs = append(runs, run{replies: 1, begin: int64(begin), end: int64(w.Len()), special: s})
	}
	for _, c := range p.subscriptions.write(&w) {
		add(0, &special{confirm: c})
	}
	if p.tracking != nil {
		w.Raw(p.tracking)
		add(0, &special{then: func([]byte) {
			if p.c.s.Client.Proto() == 3 {
				p.c.tell([]byte(flushed), false)
			}
		}})
	}
	if p.monitors {
		writeCommand(&w, []byte("MONITOR"))
		add(0, &special{then: func([]byte) { p.link.reader.monitors = true }})
	}
	if p.reply == replyOff {
		writeCommand(&w, []byte("CLIENT"), []byte("REPLY"), []byte("OFF"))
	}
	return w.Bytes(), runs
}

// lost tells that there is no connection any more. intact means that nothing is missing of what the client has open there.
// The caller holds the client's lock.
func (c *conn) lost(l *link, intact bool) {
	p := c.pin
	if p == nil || p.link != l || intact {
		return
	}
	if p.txn == openTxn {
		p.txn = lostTxn
	}
	if p.watch == onWatch {
		p.watch = lostWatch
	}
}
