package passthrough

import (
	"bytes"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// txn is a transaction as the client sees it.
type txn int

const (
	noTxn   txn = iota
	openTxn     // between MULTI and EXEC
	lostTxn     // Redis was lost meanwhile
)

// watch is what WATCH does to the next EXEC.
type watch int

const (
	noWatch   watch = iota
	onWatch         // it may do nothing
	lostWatch       // it must not do anything, for Redis was lost meanwhile
)

// transaction does what opens, closes or conditions one.
func (p *pin) transaction(cmd *resp.Command) outcome {
	c, fresh := p.c, p.fresh()
	var done func(reply []byte)
	switch cmd.Spec.Name {
	case "MULTI":
		if p.txn == lostTxn {
			return c.refuse(p.errLost())
		}
		if p.txn == noTxn {
			p.txn, p.rights = openTxn, c.s.Rights()
			c.s.Client.Multi.Store(0)
		}
	case "WATCH":
		if p.txn == noTxn {
			p.watch = max(p.watch, onWatch)
			c.s.Client.Watch.Add(int32(len(cmd.Args) - 1))
		}
	case "UNWATCH":
		if p.txn == noTxn {
			p.watch = noWatch
			c.s.Client.Watch.Store(0)
		} else {
			p.queued++
		}
	case "EXEC", "DISCARD":
		if p.txn == lostTxn {
			return p.endLost(cmd)
		}
		if p.txn == noTxn {
			break
		}
		effects, lost := p.effects, p.watch == lostWatch
		p.over()
		if cmd.Spec.Name == "EXEC" {
			instead := wire.Writer{Proto: c.s.Client.Proto()}
			switch now := c.s.Rights(); {
			case lost:
				instead.NullArray()
			case now != p.rights && !now.Unlimited(): // what may still be done is not known: the commands are with Redis
				instead.Error(errRights)
			}
			if instead.Len() > 0 {
				return p.instead("DISCARD", instead.Bytes())
			}
			done = func(reply []byte) { p.take(effects, reply) }
		}
	}
	c.send(p.link, cmd, p.replies(), fresh, p.checked(cmd.Spec.Name, done))
	return took
}

// errRights is what EXEC says when the user's rights have changed since MULTI.
const errRights wire.Error = "EXECABORT Transaction discarded because of: NOPERM omniproxy: the rights of the user changed since MULTI"

// checked looks whether the connection is then where the pin says: where a command of transactions is renamed, or the user
// may not say it, nobody else must find what was left. done is called if EXEC was done.
func (p *pin) checked(name string, done func(reply []byte)) *special {
	return &special{then: func(reply []byte) {
		if !ends(name, reply) {
			p.link.mu.Lock()
			p.link.spoiled = true
			p.link.mu.Unlock()
		} else if done != nil && reply[0] == '*' && !bytes.HasPrefix(reply, []byte("*-1")) {
			done(reply)
		}
	}}
}

// effect is what a queued command changes if it is done.
type effect struct {
	at   int // in the transaction
	take func()
}

// take has those effects of a transaction that are told of in the reply to EXEC. Of a long reply that is only the beginning
// there: then what the connection is now is not known.
func (p *pin) take(effects []effect, reply []byte) {
	reply = reply[bytes.IndexByte(reply, '\n')+1:]
	for at := 0; len(effects) > 0; at++ {
		var f wire.Frame
		n, whole, err := f.Next(reply)
		if err != nil || !whole {
			p.c.mu.Lock()
			defer p.c.mu.Unlock()
			p.life = true
			return
		}
		if effects[0].at == at {
			if reply[0] != '-' && reply[0] != '!' {
				effects[0].take()
			}
			effects = effects[1:]
		}
		reply = reply[n:]
	}
}

// ends reports whether a reply is one to a command of transactions that did what its name says.
func ends(name string, reply []byte) bool {
	if name == "EXEC" {
		return reply[0] == '*' || reply[0] == '_' || bytes.HasPrefix(reply, []byte("-EXECABORT"))
	}
	return string(reply) == "+OK\r\n"
}

// endLost ends a transaction that was lost with Redis. Nothing of it was done, or will be.
func (p *pin) endLost(cmd *resp.Command) outcome {
	o := p.c.answer(func(w *wire.Writer) {
		if cmd.Spec.Name == "EXEC" {
			w.Error(p.errExec())
		} else {
			w.OK()
		}
	})
	if o == took {
		p.over()
		p.c.release()
	}
	return o
}

// errLost is why a transaction is over.
func (p *pin) errLost() wire.Error {
	if p.relieved {
		return errIdle
	}
	return errTransaction
}

// errExec is how EXEC tells.
func (p *pin) errExec() wire.Error {
	if p.relieved {
		return errExecIdle
	}
	return errExecLost
}

// over ends a transaction and every WATCH.
func (p *pin) over() {
	p.txn, p.watch, p.effects, p.queued, p.writes = noTxn, noWatch, nil, 0, false
	p.c.s.Client.Multi.Store(-1)
	p.c.s.Client.Watch.Store(0)
}

// queue does a command inside a transaction. What it does to the connection it does with EXEC.
func (p *pin) queue(cmd *resp.Command) outcome {
	if p.c.b.terminates(cmd) {
		return p.spoil(cmd, errAuthInTransaction)
	}
	if p.c.b.options.Pool == Shared {
		switch cmd.Spec.Name {
		case "CLIENT PAUSE", "CLIENT UNPAUSE", "CLIENT UNBLOCK", "CLIENT KILL":
			return p.spoil(cmd, errClientInTransaction)
		}
	}
	if cmd.Spec.Effect == command.ConnLife || cmd.Spec.Name == "HELLO" {
		p.uncertain() // it lasts longer than the transaction, and some have many replies; HELLO logs in before an error, too
	}
	if take := p.effect(cmd); take != nil {
		p.effects = append(p.effects, effect{p.queued, take})
	}
	if added := p.c.b.adding(cmd); added != nil {
		p.effects = append(p.effects, effect{p.queued, added})
	}
	p.queued++
	p.c.send(p.link, cmd, p.replies(), false, nil)
	p.c.s.Client.Multi.Add(1)
	p.writes = p.writes || resp.MayWrite(cmd.Spec)
	return took
}

const errClientInTransaction wire.Error = "ERR omniproxy does this for its own clients, and not inside a transaction; see --pool session"

const errAuthInTransaction wire.Error = "ERR omniproxy checks passwords itself, and not inside a transaction"

// spoil answers a command of a transaction with an error of our own: in its place Redis gets one that it refuses, so that
// EXEC does. An EXEC that is refused ends the transaction.
func (p *pin) spoil(cmd *resp.Command, err error) outcome {
	var told wire.Writer
	told.Error(err)
	if cmd.Spec != nil && cmd.Spec.Name == "EXEC" {
		p.over()
		return p.instead("DISCARD", told.Bytes())
	}
	return p.instead("OMNIPROXY:REFUSED", told.Bytes())
}

// instead has Redis do another command of a transaction than the client's, which is answered here.
func (p *pin) instead(command string, reply []byte) outcome {
	var w wire.Writer
	writeCommand(&w, []byte(command))
	p.c.submit(p.link, w.Bytes(), false, p.replies(), false, &special{replace: true, instead: reply})
	return took
}
