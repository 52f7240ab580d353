package resp

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Events are what a server reports; nil functions are not called.
type Events struct {
	Connected    func(client string)
	Disconnected func(client string)
	Dropped      func(client string, err error) // ended for a protocol error, a limit or a panic; Disconnected follows
	AcceptFailed func(err error)                // the listener goes on
	// HandshakeFailed tells of a connection that did not become a client; nobody was connected yet.
	HandshakeFailed func(client string, err error)
	UsersUnsaved    func(err error) // ACL SAVE failed
}

func (e *Events) usersUnsaved(err error) {
	if e.UsersUnsaved != nil {
		e.UsersUnsaved(err)
	}
}

func (e *Events) handshakeFailed(client string, err error) {
	if e.HandshakeFailed != nil {
		e.HandshakeFailed(client, err)
	}
}

func (e *Events) dropped(s *Session, err error) {
	if e.Dropped != nil {
		e.Dropped(s.String(), err)
	}
}

// Server answers the clients of its listeners from one backend.
type Server struct {
	Backend Backend
	Filters []Filter
	// Validation judges writes behind the filters; nil = none.
	Validation *Validation
	Events     Events
	// Users may log in at listeners that have none of their own; nil is the default user alone. See [Server.AllUsers].
	Users *acl.Users
	// Audit is told of commands and logins; nil = none.
	Audit *Audit
	// Forward leaves it to the backend to refuse commands that the table does not know or finds wrong: it has a server
	// behind it, which may know more. Filters do not see commands that the table does not know.
	Forward bool
	// BaseID is what the IDs of clients lie above. Where clients may also name those of a server behind this one, it is more
	// than any ID there.
	BaseID int64

	maxClients atomic.Int64 // 0 means Redis' default
	usersOnce  sync.Once
	registry   registry
	pause      Pause
	idle       idleLimit
	counters   counters
	lobby      lobby
	memory     memory
	origins    origins
	handshakes handshakes
	suspension suspension

	mu        sync.Mutex
	listeners []net.Listener
	clients   sync.WaitGroup
	loops     loops
	portable  bool        // package net serves every client, whatever the system has
	draining  atomic.Bool // set under mu
}

// SetMaxClients changes how many clients are served at a time. Who is connected stays.
func (v *Server) SetMaxClients(n int64) { v.maxClients.Store(n) }

// Addr returns where the server listens, nil before Serve.
func (v *Server) Addr() net.Addr {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.listeners) == 0 {
		return nil
	}
	return v.listeners[0].Addr()
}

// ErrClosed is what Serve returns after Drain.
var ErrClosed = errors.New("server closed")

// ServeOn accepts clients on l until Drain; front says what holds for them. An accept that fails for want of file
// descriptors is tried again with back-off.
func (v *Server) ServeOn(l net.Listener, front *Front) error {
	v.mu.Lock()
	if v.draining.Load() || v.suspension.begun {
		v.mu.Unlock()
		return ErrClosed
	}
	v.listeners = append(v.listeners, l)
	v.suspension.accepting.Add(1)
	defer v.suspension.accepting.Done()
	v.mu.Unlock()
	const shortest, longest = 5 * time.Millisecond, time.Second
	for pause := shortest; ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = shortest
			v.receive(nc, front)
		case errors.Is(err, net.ErrClosed):
			return ErrClosed
		default:
			if v.Events.AcceptFailed != nil {
				v.Events.AcceptFailed(err)
			}
			time.Sleep(pause)
			pause = min(2*pause, longest)
		}
	}
}

// defaultMaxClients is Redis' maxclients.
const defaultMaxClients = 10000

// carrier is a transport as the server sees it.
type carrier interface {
	transport
	carry(s *Session) // before anybody else knows the session
	start()           // begins to read
}

// connect starts a session, unless there are too many or the server is going.
func (v *Server) connect(nc net.Conn, front *Front) {
	c := v.carrier(nc)
	s, err := v.admit(c, peerOf(nc), front)
	if err != nil {
		refuse(nc, err)
		return
	}
	if v.Events.Connected != nil {
		v.Events.Connected(s.String())
	}
	c.start()
}

// carrier chooses the transport of a connection.
func (v *Server) carrier(nc net.Conn) (c carrier) {
	if !v.portable {
		c = v.loops.carrier(v, nc)
	}
	if c == nil {
		c = &netConn{nc: nc}
	}
	return c
}

// admit makes a session, or returns why there is none.
func (v *Server) admit(c carrier, p peer, front *Front) (*Session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.draining.Load() {
		return nil, wire.ErrRestarting
	}
	if v.crowded() {
		v.counters.rejected.Add(1)
		return nil, errMaxClients
	}
	s := newSession(v, front, c, p)
	c.carry(s)
	s.leaves.Store(v.suspension.begun && !c.movable())
	v.registry.add(s)
	v.clients.Add(1)
	s.register()
	if pause := v.origins.pause(p.origin); pause > 0 {
		s.slowDown(pause)
	}
	return s, nil
}

// crowded reports whether there is no room for another client. A stranger who has waited long makes room; while it is on
// its way out there may be a few more than the limit says. The caller holds mu.
func (v *Server) crowded() bool {
	now, _ := v.registry.counts()
	now += v.handshakes.underWay
	most := int(cmp.Or(v.maxClients.Load(), defaultMaxClients))
	return now >= most && (now >= most+most/8+16 || !v.lobby.makeRoom())
}

// goodbye is a transport's last word about a session.
func (v *Server) goodbye(s *Session) {
	if v.Events.Disconnected != nil {
		v.Events.Disconnected(s.String())
	}
	v.clients.Done()
}

const errMaxClients wire.Error = "ERR max number of clients reached"

// refuse tells a client why it is not served, as far as that needs no waiting.
func refuse(nc net.Conn, err error) {
	var w wire.Writer
	w.Error(err)
	nc.SetWriteDeadline(time.Now().Add(time.Second))
	nc.Write(w.Bytes())
	nc.Close()
}

// Drain stops accepting and lets clients go without cutting one that could still be told: what is outstanding gets its
// timeout reply, a pause is over, a transaction goes on to its end, whatever a client sends next -LOADING, and then it is
// closed. Clients that send nothing
// are cut when ctx ends. Drain returns when every client has gone. (redis-py takes -LOADING for a busy server and connects
// again; a closed connection stops OmniDaemon's loops.)
func (v *Server) Drain(ctx context.Context) {
	v.mu.Lock()
	v.draining.Store(true)
	for _, l := range v.listeners {
		l.Close()
	}
	v.mu.Unlock()
	v.pause.end()
	v.Backend.Drain()
	left := make(chan struct{})
	go func() { v.clients.Wait(); close(left) }()
	select {
	case <-left:
	case <-ctx.Done():
		v.lobby.close()
		for _, s := range v.registry.all() {
			s.Kill()
		}
		<-left
	}
	v.loops.stop()
}
