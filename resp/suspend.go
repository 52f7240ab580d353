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
// Clients whose connection cannot go to another process, as with TLS, are let go first, as by [Server.Drain], for as long, and
// while the others go on.
func (v *Server) Suspend(patience time.Duration) {
	v.mu.Lock()
	v.suspension.begun = true
	for _, l := range v.listeners {
		l.Close()
	}
	v.mu.Unlock()
	v.suspension.accepting.Wait()
	v.letGo(patience, func(s *Session) bool { return !s.transport.movable() })

	v.suspension.stage.Store(betweenCommands)
	v.pause.end()
	v.Backend.Drain()
	v.wakeAll()
	if v.settle(patience) {
		return
	}
	v.suspension.stage.Store(insideTransactions)
	v.wakeAll()
	v.settle(lastGrace)
}

// letGo drains some clients while the others are served, and cuts those who are left when the time is over.
func (v *Server) letGo(patience time.Duration, whom func(*Session) bool) {
	left := func() []*Session {
		return slices.DeleteFunc(v.registry.all(), func(s *Session) bool { return !whom(s) })
	}
	all := left()
	if len(all) == 0 {
		return
	}
	for _, s := range all {
		s.dismissed.Store(true)
	}
	v.pause.end()
	v.Backend.Drain()
	for over := time.Now().Add(patience); len(left()) > 0 && time.Now().Before(over); {
		time.Sleep(restLook)
	}
	for _, s := range left() {
		s.Kill()
	}
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
