package resp

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// pauseKind is which commands CLIENT PAUSE holds back. A greater kind holds back more.
type pauseKind int32

const (
	pauseNone pauseKind = iota
	pauseWrites
	pauseAll
)

// Pause is CLIENT PAUSE (https://redis.io/commands/client-pause): until it is over, commands wait where they would be
// done next. The zero value is over.
type Pause struct {
	kind atomic.Int32 // a pauseKind; written under mu

	mu    sync.Mutex
	until time.Time
	timer *time.Timer
	held  list.List // of *Session, in the order they came
}

// On reports whether there is a pause. A nil Pause never is.
func (p *Pause) On() bool { return p != nil && pauseKind(p.kind.Load()) != pauseNone }

// Waiting returns how many clients it holds back, 0 for a nil Pause.
func (p *Pause) Waiting() int {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held.Len()
}

// begin starts a pause, or makes one that is on longer and stricter: it never gets shorter or milder.
func (p *Pause) begin(kind pauseKind, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.until) {
		p.until = until
	}
	left := time.Until(p.until)
	if left <= 0 {
		return
	}
	p.kind.Store(max(p.kind.Load(), int32(kind)))
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(left, p.timeout)
}

// timeout ends the pause, unless it was made longer.
func (p *Pause) timeout() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !time.Now().Before(p.until) {
		p.release()
	}
}

// end ends the pause.
func (p *Pause) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release()
}

// release ends the pause: who came first goes on. The caller holds mu.
func (p *Pause) release() {
	p.kind.Store(int32(pauseNone))
	p.until = time.Time{}
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.next()
}

// next lets the first of those who wait go on. When it has, it is called again: they go on in the order they came, on
// whatever loops and goroutines they are served. The caller holds mu.
func (p *Pause) next() {
	first := p.held.Front()
	if first == nil || p.On() {
		return
	}
	s := p.held.Remove(first).(*Session)
	s.held = nil
	s.first = true
	s.Client.Blocked.Store(false)
	s.Resume()
}

// passed tells that a client has gone on, or left.
func (p *Pause) passed(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.first {
		s.first = false
		p.next()
	}
}

// leave forgets a client.
func (p *Pause) leave(s *Session) {
	p.mu.Lock()
	if s.held != nil {
		p.held.Remove(s.held)
		s.held = nil
	}
	p.mu.Unlock()
	p.passed(s)
}

// Pause is what CLIENT PAUSE says.
func (v *Server) Pause() *Pause { return &v.pause }

// Hold reports whether CLIENT PAUSE keeps the next command from being done now. A backend asks during Do, before each
// command that nothing else refuses, and returns [Later] without the command when it is held: the session goes on by
// itself, with this command, when the pause is over. mayWrite is asked whether the command may change data: see
// [MayWrite].
func (s *Session) Hold(mayWrite func() bool) bool {
	p := &s.server.pause
	if !p.On() {
		return false
	}
	writes := mayWrite()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch kind := pauseKind(p.kind.Load()); {
	case kind == pauseNone, kind == pauseWrites && !writes, s.Draining():
		return false
	}
	s.held = p.held.PushBack(s)
	s.Client.Blocked.Store(true)
	return true
}

// MayWrite reports whether CLIENT PAUSE WRITE holds a command back: those with the flag "write", and those that
// replicas must hear of, which no flag tells. An EXEC writes if one of its commands does.
func MayWrite(spec *command.Spec) bool {
	if spec.Flags.Has(command.Write) {
		return true
	}
	switch spec.Name {
	case "PFCOUNT", "PUBLISH", "SPUBLISH", "EVAL", "EVALSHA", "FCALL":
		return true
	}
	return false
}

func clientPause(s *Session, w *wire.Writer, args [][]byte) error {
	kind := pauseAll
	switch {
	case len(args) > 4:
		return wire.BadSubcommand(args[0], args[1])
	case len(args) == 4 && fold(args[3], "WRITE"):
		kind = pauseWrites
	case len(args) == 4 && !fold(args[3], "ALL"):
		return wire.ErrPauseMode
	}
	ms, ok := integer(args[2])
	switch {
	case !ok:
		return wire.ErrTimeoutNotInteger
	case ms < 0:
		return wire.ErrTimeoutNegative
	}
	s.server.pause.begin(kind, time.Now().Add(milliseconds(ms)))
	w.OK()
	return nil
}

func clientUnpause(s *Session, w *wire.Writer, _ [][]byte) error {
	s.server.pause.end()
	w.OK()
	return nil
}
