package resp

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// suspension is how far a server is on the way to being taken over by another process.
type suspension struct {
	stage     atomic.Int32
	begun     bool           // guarded by Server.mu
	accepting sync.WaitGroup // those who accept clients
}

// The stages of a suspension, which never goes back.
const (
	notSuspended int32 = iota
	betweenCommands
	insideTransactions
)

const (
	// restLook is how often Suspend looks whether everybody has come to rest.
	restLook = time.Millisecond
	// lastGrace is how much longer it waits for what is under way still, but not for transactions to end.
	lastGrace = 2 * time.Second
)

// Suspend brings every client to rest, so that [Server.HandOver] finds it between two commands: what it sends from now on
// stays unread. What is outstanding gets its timeout reply, a pause is over, a transaction goes on to its end while patience
// lasts, and what was answered is written. The listeners are closed: who wants to keep their sockets has duplicates.
//
// Clients whose connection cannot go to another process, as with TLS, are let go first, for as long, and while the others go on:
// with the reply to what they send next the connection ends, in order. So a client that is told of the end together with a reply
// knows before its next command that it has to connect again, and no command is in doubt.
func (v *Server) Suspend(patience time.Duration) {
	v.mu.Lock()
	v.suspension.begun = true
	for _, l := range v.listeners {
		l.Close()
	}
	v.mu.Unlock()
	v.suspension.accepting.Wait()
	v.letGo(patience)
	v.mu.Lock() // handshakes end before or after
	v.suspension.stage.Store(betweenCommands)
	v.mu.Unlock()
	v.pause.end()
	v.Backend.Drain()
	v.wakeAll()
	if v.settle(patience) {
		return
	}
	v.suspension.stage.Store(insideTransactions)
	for _, s := range v.registry.all() {
		s.Out.hasten()
	}
	v.wakeAll()
	v.settle(lastGrace)
}

// letGo has clients leave that cannot go to another process. Those that send nothing leave when the time is over.
func (v *Server) letGo(patience time.Duration) {
	left, coming := v.unmovable()
	if len(left)+coming == 0 {
		return
	}
	for _, s := range left {
		s.leaves.Store(true)
	}
	v.pause.end()
	v.Backend.Drain()
	for over := time.Now().Add(patience); len(left)+coming > 0 && time.Now().Before(over); left, coming = v.unmovable() {
		time.Sleep(restLook)
	}
	for _, s := range left {
		s.closing.Store(true)
		s.transport.wake()
	}
	for over := time.Now().Add(lastGrace); len(left) > 0 && time.Now().Before(over); left, _ = v.unmovable() {
		time.Sleep(restLook)
	}
	for _, s := range left {
		s.Kill()
	}
}

// ofData reports whether a command is what the client connected for: libraries ask before it who is there, log in and choose a
// database, and look only before all that whether the connection has ended.
func ofData(c Command) bool { return c.Spec == nil || c.Spec.Group != "connection" }

// mayLeave reports whether a client that leaves has been answered, and nothing is open: what it has sent in part, a transaction,
// keys that it watches. It is called with the turn.
func (s *Session) mayLeave() bool {
	c := &s.Client
	return s.leaves.Load() && s.served && s.reader.Pending() == 0 && c.Multi.Load() < 0 && c.Watch.Load() == 0
}

// unmovable returns the clients that cannot go to another process, and how many are about to become such clients.
func (v *Server) unmovable() (here []*Session, coming int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.DeleteFunc(v.registry.all(), func(s *Session) bool { return s.transport.movable() }), v.handshakes.underWay
}

func (v *Server) wakeAll() {
	for _, s := range v.registry.all() {
		s.transport.wake()
	}
}

// settle waits until everybody has come to rest, and reports whether that was so before the time was over.
func (v *Server) settle(patience time.Duration) bool {
	for over := time.Now().Add(patience); ; time.Sleep(restLook) {
		moving := slices.DeleteFunc(v.registry.all(), func(s *Session) bool { return s.resting.Load() })
		if len(moving) == 0 || time.Now().After(over) {
			return len(moving) == 0
		}
		for _, s := range moving {
			s.transport.halt()
		}
	}
}

// suspended reports whether this process is to do no further command of the client. It is called with the turn.
func (s *Session) suspended() bool {
	switch s.server.suspension.stage.Load() {
	case notSuspended:
		return false
	case betweenCommands:
		return s.Client.Multi.Load() < 0
	}
	return true
}

// rest notes whether the client is where another process can take it over: the transport calls it at the end of each turn,
// and says whether it may still bring bytes. In the last stage replies that the client does not read go with it.
func (s *Session) rest(quiet bool) {
	if stage := s.server.suspension.stage.Load(); stage != notSuspended {
		written := s.Out.empty() || stage == insideTransactions && s.Out.whole()
		s.resting.Store(quiet && s.suspended() && !s.waiting && !s.Closing() && written)
	}
}
