package resp

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp/acl"
)

// Front is where clients come in. What holds for them is a [Listener], which is never changed but exchanged for another
// one: a command obeys one or the other, not something between.
type Front struct {
	now atomic.Pointer[Listener]
	tls atomic.Pointer[tls.Config] // what handshakes begin with; nil for plain text
}

// NewFront returns a place to come in, for [Server.ServeOn].
func NewFront(l *Listener) *Front {
	f := &Front{}
	f.Exchange(l)
	return f
}

// Exchange makes l hold for those who come from now on, and from their next command on for those who are there.
func (f *Front) Exchange(l *Listener) {
	f.now.Store(l)
	f.tls.Store(shakingConfig(l.TLS))
}

// Listener is what holds for the clients that come in at one address, beyond what the [Server] says of all. It is not
// changed once it is in use; the zero value asks for nothing.
type Listener struct {
	// TLS is spoken with every client; nil is plain text. Certificates change behind its GetConfigForClient.
	TLS *tls.Config
	// Names says which commands clients know by another name, or not at all; nil leaves Redis' names.
	Names *Names
	// Users may log in here; nil are those of the server.
	Users *acl.Users
	// Filters see a command before those of the server.
	Filters []Filter
	// Strict refuses commands that the table does not know, where a server behind this one may know them: what the filters
	// ask for holds for commands that are known.
	Strict bool
	// AuthTimeout is how long a client may take for a TLS handshake and to give a password that it is asked for; 0 is for ever.
	AuthTimeout time.Duration
	// Rate is how many commands a second each client gets done: the next ones are not read meanwhile. 0 is any number.
	Rate float64
	// Arrivals is how many clients a second may come from one address: the next ones are closed. 0 is any number.
	Arrivals float64
}

// Listener is what holds now where the client came in. It is never nil.
func (s *Session) Listener() *Listener { return s.front.now.Load() }

// plain is the front of [Server.Serve].
var plain = NewFront(&Listener{})

// Serve is [Server.ServeOn] for plain text.
func (v *Server) Serve(l net.Listener) error { return v.ServeOn(l, plain) }

// strict reports whether what the table does not know is refused, though a server behind this one may know it.
func (l *Listener) strict() bool { return l.Strict || l.Names != nil && l.Names.categories }
