package passthrough

import (
	"github.com/omniproxy/omniproxy/resp/wire"
)

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
	if _, hears := p.subscriptions[channels][invalidations]; hears {
		w.Raw(clientID)
		add(0, &special{then: p.link.isCalled})
		p.link.introduced = true
	}
	for _, c := range p.subscriptions.write(&w) {
		add(0, &special{confirm: c})
	}
	switch {
	case p.redirect != nil:
		command, r := p.tracking, p.redirect
		p.c.b.goroutines.Go(func() { p.again(command, r, 10) })
	case p.tracking != nil:
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
