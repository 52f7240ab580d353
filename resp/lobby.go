package resp

import (
	"container/list"
	"errors"
	"sync"
	"time"
)

// Limits bound what all clients of a server may take together. 0 is no limit.
type Limits struct {
	Strangers      int   // who have not logged in though they must, or not ended their TLS handshake; at most all clients
	StrangerMemory int64 // bytes that these may let the server hold
	Memory         int64 // bytes that all clients may: of requests that have not come whole, transactions, unread replies, and what they have remembered
}

// SetLimits is for any time; who is connected stays.
func (v *Server) SetLimits(l Limits) {
	v.lobby.set(l)
	v.memory.limit.Store(l.Memory)
}

// Why strangers are sent away, besides protocol errors.
var (
	errAuthTimeout    = errors.New("did not log in in time")
	errHandshakeTime  = errors.New("did not end its TLS handshake in time")
	errCrowded        = errors.New("made room for a newer client, as it had not logged in and there were too many like it")
	errStrangerMemory = errors.New("sent much before it logged in, as did others")
)

// lobby is where strangers wait: connections in their TLS handshake and clients that must log in and have not. Where they
// are too many, the one that came first has to go: who logs in does so at once, who floods does not.
//
// Its lock is a leaf but for what visit.dismiss takes.
type lobby struct {
	mu     sync.Mutex
	limits Limits
	visits list.List // of *visit, in the order they came
	memory int64     // the sum of visit.held
	timer  *time.Timer
	closed bool
}

// visit is a stranger's stay in the lobby.
type visit struct {
	until   time.Time           // zero for ever
	late    error               // why it is dismissed then
	dismiss func(because error) // never blocks
	place   *list.Element       // nil when it is over
	held    int64
}

// freeOfCharge is how much a stranger may hold whatever others do: more than a login takes.
const freeOfCharge = 1 << 10

// lobbyLook is how often the lobby looks at the clock, so long may one stay too long.
const lobbyLook = time.Second

func (l *lobby) set(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits = limits
}

// enter begins a visit.
func (l *lobby) enter(v *visit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		v.dismiss(errCrowded)
		return
	}
	v.place = l.visits.PushBack(v)
	if most := l.limits.Strangers; most > 0 && l.visits.Len() > most {
		l.dismissFirst()
	}
	if l.timer == nil && !v.until.IsZero() {
		l.timer = time.AfterFunc(lobbyLook, l.look)
	}
}

// makeRoom sends away who has waited longest; it reports false if there is nobody.
func (l *lobby) makeRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dismissFirst()
}

func (l *lobby) dismissFirst() bool {
	first := l.visits.Front()
	if first == nil {
		return false
	}
	v := first.Value.(*visit)
	l.remove(v)
	v.dismiss(errCrowded)
	return true
}

// hold notes how many bytes a stranger lets the server hold; it reports false if that is too much.
func (l *lobby) hold(v *visit, n int) bool {
	held := int64(max(0, n-freeOfCharge))
	if held == v.held { // most often: both are 0
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.place == nil {
		return true // it is dismissed
	}
	more := held - v.held
	if most := l.limits.StrangerMemory; more > 0 && most > 0 && l.memory+more > most {
		return false
	}
	l.memory += more
	v.held = held
	return true
}

// leave ends a visit; nil is none.
func (l *lobby) leave(v *visit) {
	if v == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(v)
}

func (l *lobby) remove(v *visit) {
	if v.place != nil {
		l.visits.Remove(v.place)
		l.memory -= v.held
		v.place = nil
	}
}

// look dismisses who has stayed too long, and looks again later while there is somebody.
func (l *lobby) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for e := l.visits.Front(); e != nil; {
		v := e.Value.(*visit)
		e = e.Next()
		if !v.until.IsZero() && now.After(v.until) {
			l.remove(v)
			v.dismiss(v.late)
		}
	}
	if l.visits.Len() == 0 {
		l.timer = nil
		return
	}
	l.timer.Reset(lobbyLook)
}

// close dismisses everybody, and whoever comes later.
func (l *lobby) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for l.dismissFirst() {
	}
}

// size is how many strangers there are.
func (l *lobby) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.visits.Len()
}

// visitUntil is when a visit that begins now is over.
func (l *Listener) visitUntil() time.Time {
	if l.AuthTimeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(l.AuthTimeout)
}

// isStranger reports whether the client has to log in, here or with the server behind this one. It is called with the turn.
func (s *Session) isStranger() bool { return !s.Authenticated() || s.stranger.Load() }

// register makes the client a visitor of the lobby while it is a stranger. It is called with the turn, after whatever may
// have changed that; it reports false if the client had to be ended.
func (s *Session) register() bool {
	if !s.isStranger() {
		s.server.lobby.leave(s.bounds.visit)
		s.bounds.visit = nil
		return true
	}
	if s.bounds.visit == nil {
		s.bounds.visit = &visit{until: s.Listener().visitUntil(), late: errAuthTimeout, dismiss: s.dismiss}
		s.server.lobby.enter(s.bounds.visit)
	}
	if !s.server.lobby.hold(s.bounds.visit, s.reader.Pending()+s.Out.Len()) {
		s.fail(errStrangerMemory)
		return false
	}
	return true
}

// dismiss ends the client at once, from any goroutine.
func (s *Session) dismiss(because error) {
	s.server.Events.dropped(s, because)
	s.Kill()
}
