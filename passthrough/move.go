package passthrough

import (
	"bytes"
	"encoding/gob"
	"maps"
	"slices"
)

// A client that goes to another process is for Redis one that has lost its connection: what the next one is told after a loss
// it is told there, and what is lost then is lost.

// packed is a client on its way.
type packed struct {
	Proto, DB        int
	User, Pass, Name string
	Early, Stranger  bool
	Pin              *packedPin // nil if it has left nothing on a private wire
}

// packedPin is what a client has left on its private wire.
type packedPin struct {
	Subscriptions [3][]string
	Monitors      bool
	Tracking      []byte
	Reply         replyMode
	Multi         int32 // commands of a transaction that is open, -1 if none is
	Watch         int32 // keys
}

// Pack implements [resp.Mover]. Whose invalidations another client hears stays: that one will have another connection. (A prefix
// of that name is taken for the word.)
func (c *conn) Pack() (state []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.b.admitted(c.key)
	m := packed{Proto: id.proto, DB: id.db, User: id.login.user, Pass: id.login.pass, Early: id.early, Stranger: c.stranger.Load()}
	if p := c.pin; p != nil {
		if p.redirect != nil || bytes.Contains(bytes.ToUpper(p.tracking), []byte("REDIRECT")) { // Redis' own ID of the other one
			return nil, false
		}
		p.link.mu.Lock()
		m.Name = p.link.id.name
		p.link.mu.Unlock()
		if p.kept() {
			m.Pin = p.pack()
		}
	}
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(m)
	return b.Bytes(), err == nil
}

func (p *pin) pack() *packedPin {
	m := &packedPin{Monitors: p.monitors, Tracking: p.tracking, Reply: p.reply, Multi: -1}
	for kind, names := range p.subscriptions {
		m.Subscriptions[kind] = slices.Collect(maps.Keys(names))
	}
	if p.txn != noTxn {
		m.Multi = p.c.s.Client.Multi.Load()
	}
	if p.watch != noWatch {
		m.Watch = p.c.s.Client.Watch.Load()
	}
	return m
}

// Unpack implements [resp.Mover].
func (c *conn) Unpack(state []byte) error {
	var m packed
	if err := gob.NewDecoder(bytes.NewReader(state)).Decode(&m); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := identity{proto: m.Proto, db: m.DB, login: credential{m.User, m.Pass}, name: m.Name, early: m.Early, era: c.key.era}
	c.key = id
	c.key.name = ""
	c.strange(m.Stranger)
	if c.b.options.Passthrough {
		c.s.Client.KnownAs(m.User)
	}
	c.s.Client.DB.Store(int32(m.DB))
	if m.Pin == nil && c.b.options.Pool == Shared {
		return nil
	}
	c.b.mu.Lock()
	c.pin = c.b.newPin(c, id)
	c.b.mu.Unlock()
	if c.pin == nil {
		return c.b.errNoPins()
	}
	if m.Pin != nil {
		c.pin.unpack(m.Pin)
	}
	return nil
}

// unpack makes a new pin what another one was, but for what it had open there.
func (p *pin) unpack(m *packedPin) {
	of := &p.c.s.Client
	p.life, p.reply = true, m.Reply
	if m.Multi >= 0 {
		p.txn = lostTxn
		of.Multi.Store(m.Multi)
	}
	if m.Watch > 0 {
		p.watch = lostWatch
		of.Watch.Store(m.Watch)
	}
	for kind, names := range m.Subscriptions {
		p.subscriptions[kind] = map[string]struct{}{}
		for _, name := range names {
			p.subscriptions[kind][name] = struct{}{}
			of.Hear(topicKinds[kind], name, true)
		}
	}
	p.subscriptions.show(of)
	p.monitors, p.tracking = m.Monitors, m.Tracking
	if p.subscriptions.count() > 0 || p.monitors || p.tracking != nil || p.reply == replyOff {
		p.restored()
		p.link.mu.Lock()
		defer p.link.mu.Unlock()
		p.link.dial()
	}
}
