package engine

import (
	"github.com/omniproxy/omniproxy/resp/wire"
)

// mail is what the unit in hand says to clients beside replies: messages, and confirmations of subscriptions. It leaves
// when the unit is committed, behind the unit's gate: nobody hears of a write before the log has it, or could not take it.
type mail struct {
	text    [2]wire.Writer // in RESP2 and in RESP3: each message once, however many hear it
	letters []letter
}

// letter is a message to one client: text[proto-2][from:to].
type letter struct {
	addressee *subscriber
	proto     int
	from, to  int
}

// mostMail is what one unit may say to one client, in bytes: as much as may wait for a slow one. Who would get more is
// ended.
const mostMail = 32 << 20

// keptLetters bounds the list that an idle engine keeps.
const keptLetters = 16 << 10

// send addresses a message to clients, but for those who are leaving, and returns to how many.
func (m *mail) send(to []*subscriber, kind string, words ...[]byte) (receivers int64) {
	var written [2]letter
	for _, s := range to {
		session := s.conn.s
		if session.Closing() {
			continue
		}
		receivers++
		proto := session.Client.Proto()
		l := &written[proto-2]
		if l.proto == 0 {
			*l = m.write(proto, func(w *wire.Writer) {
				w.Push(1 + len(words))
				w.BulkString(kind)
				for _, word := range words {
					w.Bulk(word)
				}
			})
		}
		m.address(*l, s)
	}
	return receivers
}

// confirm tells a client that it subscribed or unsubscribed, in its place among messages.
func (m *mail) confirm(s *subscriber, confirmation func(w *wire.Writer)) {
	m.address(m.write(s.conn.s.Client.Proto(), confirmation), s)
}

// write returns a letter for any number of clients that speak a protocol.
func (m *mail) write(proto int, text func(w *wire.Writer)) letter {
	w := &m.text[proto-2]
	w.Proto = proto
	from := w.Len()
	text(w)
	return letter{proto: proto, from: from, to: w.Len()}
}

func (m *mail) address(l letter, s *subscriber) {
	if s.mail += l.to - l.from; s.mail > mostMail {
		s.conn.s.Kill()
		return
	}
	l.addressee = s
	m.letters = append(m.letters, l)
}

// post hands over the unit's mail: to the client whose batch is being done among its replies, to others at once; they are
// woken when the lock is given back. seq is the unit's, 0 if it has none. No mail leaves before the replies to what its
// sender wrote earlier in the same batch.
func (e *Engine) post(seq uint64) {
	m := &e.mail
	if len(m.letters) == 0 {
		return
	}
	if e.current != nil {
		seq = max(seq, e.current.seq)
	}
	for _, l := range m.letters {
		s, text := l.addressee, m.text[l.proto-2].Bytes()[l.from:l.to]
		s.mail = 0
		if s.conn == e.current {
			s.ownMail = append(s.ownMail, text...)
			s.conn.seq = seq
			continue
		}
		s.conn.s.Out.Post(text, seq)
		e.told.add(s, seq)
	}
	for i := range m.text {
		m.text[i].Reset()
	}
	clear(m.letters)
	if m.letters = m.letters[:0]; cap(m.letters) > keptLetters {
		m.letters = nil
	}
}

// placeOwnMail puts the mail that the client got from its own commands in front of the replies since mark.
func (c *Conn) placeOwnMail(mark int) {
	if c.sub == nil || len(c.sub.ownMail) == 0 {
		return
	}
	c.w.Precede(mark, func() { c.w.Raw(c.sub.ownMail) })
	c.sub.ownMail = nil
}

// told is who got mail since the lock was taken, and was not woken yet.
type told struct {
	free  []*Conn
	gated audience // whose mail waits for a unit,
	seq   uint64   // which is the last one
}

func (t *told) add(s *subscriber, seq uint64) {
	switch {
	case seq > 0:
		t.seq = seq
		if !s.toldGated {
			s.toldGated = true
			t.gated = append(t.gated, s.conn)
		}
	case !s.toldFree:
		s.toldFree = true
		t.free = append(t.free, s.conn)
	}
}

// take returns who was told, for wake.
func (t *told) take() told {
	for _, c := range t.free {
		c.sub.toldFree = false
	}
	for _, c := range t.gated {
		c.sub.toldGated = false
	}
	taken := *t
	*t = told{}
	return taken
}

// wake lets the mail go, without the lock.
func (t told) wake(log Log) {
	for _, c := range t.free {
		c.s.Out.Wake()
	}
	if len(t.gated) > 0 {
		synced(log, t.seq, t.gated)
	}
}

// audience hears of a unit that others have done.
type audience []*Conn

// Release lets the mail go that tells of units up to seq.
func (a audience) Release(seq uint64) {
	for _, c := range a {
		c.Release(seq)
	}
}

// Fail lets the mail go: what it tells of everybody can see, though it may be lost.
func (a audience) Fail(seq uint64, err error) {
	for _, c := range a {
		c.Fail(seq, err)
	}
}
