package resp

import (
	"net"
	"time"
)

// Mover is a [Conn] whose client can go on in another process. Without it the client is closed there; if it has sent something,
// it is told first that the server restarts.
type Mover interface {
	// Pack returns what Unpack needs to know; ok is false if the client has state that cannot be taken along. It is called
	// with the turn, when nothing is outstanding, before Gone.
	Pack() (state []byte, ok bool)
	// Unpack makes a new Conn of the same kind of backend what the packed one was. It is called before the first Do.
	Unpack(state []byte) error
}

// Moved is a client on its way to another process, between two commands. It may hold secrets.
type Moved struct {
	FD    int    `json:"fd"` // its socket, in non-blocking mode
	Front *Front `json:"-"`  // where it came in

	ID            int64     `json:"id"`
	Created       time.Time `json:"created"`
	Heard         time.Time `json:"heard"`
	Name          string    `json:"name,omitempty"`
	User          string    `json:"user"`
	Library       [2]string `json:"library"`
	Proto         int       `json:"proto"`
	Authenticated bool      `json:"authenticated,omitempty"`
	NoEvict       bool      `json:"no_evict,omitempty"`
	Reply         replyMode `json:"reply,omitempty"`
	Dismissed     bool      `json:"dismissed,omitempty"` // what it has sent is answered -LOADING, then it is closed

	Input   []byte `json:"input,omitempty"`  // received and not done
	Output  []byte `json:"output,omitempty"` // answered and not written
	Backend []byte `json:"backend,omitempty"`
}

// HandOver ends a server that is suspended, and returns the clients that go on elsewhere; their sockets are the caller's. Who
// has not come to rest is cut.
func (v *Server) HandOver() (clients []Moved) {
	for _, s := range v.registry.all() {
		if !s.resting.Load() {
			s.Kill()
		}
	}
	v.loops.end()
	for _, s := range v.registry.everyone() {
		if m, ok := s.transport.part(); ok {
			clients = append(clients, m)
		}
	}
	for len(v.registry.everyone()) > 0 {
		time.Sleep(restLook)
	}
	return clients
}

// pack says who the client is, with the turn.
func (s *Session) pack() Moved {
	c := &s.Client
	m := Moved{
		Front: s.front, ID: c.ID, Created: c.Created, Heard: c.Heard(), Name: c.Name(), User: c.User(), Proto: c.Proto(),
		Authenticated: c.authenticated, NoEvict: c.noEvict.Load(), Reply: c.reply, Dismissed: s.dismissed.Load(),
		Input: s.reader.Unread(),
	}
	m.Library[0], m.Library[1] = c.Library()
	mover, ok := s.conn.(Mover)
	if ok {
		m.Backend, ok = mover.Pack()
	}
	m.Dismissed = m.Dismissed || !ok
	return m
}

// Adopt goes on with a client where another server left it, on a socket of package net that has a peer. It is called before
// the first client comes by itself, for they must not have the same ID.
func (v *Server) Adopt(m Moved, nc net.Conn, front *Front) {
	c := v.carrier(nc)
	s := newSession(v, front, c, peerOf(nc))
	c.carry(s)
	s.unpack(m)
	v.registry.adopt(s, v.BaseID)
	v.clients.Add(1)
	s.register()
	c.start()
	c.wake()
}

// unpack makes a new session what the packed one was. What was received goes on with the first turn. A client ends whom
// [Server.ReloadUsers] would end, and one that cannot go on: it may wait for messages that would never come.
func (s *Session) unpack(m Moved) {
	c := &s.Client
	c.ID, c.Created = m.ID, m.Created
	c.active.Store(m.Heard.UnixMilli())
	c.setName(m.Name)
	c.library = m.Library
	c.proto.Store(int32(m.Proto))
	c.reply = m.Reply
	c.noEvict.Store(m.NoEvict)
	s.reader.Feed(m.Input)
	s.reader.Keep()
	s.Out.Append(m.Output)
	mover, ok := s.conn.(Mover)
	switch {
	case !s.returns(m.User, m.Authenticated):
		s.closing.Store(true)
	case m.Dismissed || !ok || mover.Unpack(m.Backend) != nil:
		s.dismissed.Store(true)
		s.closing.Store(len(m.Input) == 0)
	case c.hearsTooMuch(s.Rights()):
		s.closing.Store(true)
	}
}
