package resp

import (
	"time"

	"golang.org/x/time/rate"
)

// allowed returns how many commands may be done now, at most a batch; if none may, it begins a pause: what comes too fast is
// not read, so the client's own sending slows down, and nothing is refused.
func (s *Session) allowed() int {
	asked := rate.Limit(s.Listener().Rate)
	b := &s.bounds
	switch {
	case asked <= 0:
		b.pace = nil
		return batchCommands
	case b.pace == nil:
		b.pace = rate.NewLimiter(asked, max(1, int(asked))) // a second's worth may come at once
	case b.pace.Limit() != asked:
		b.pace.SetLimit(asked)
		b.pace.SetBurst(max(1, int(asked)))
	}
	tokens := b.pace.Tokens()
	if tokens < 1 {
		s.slowDown(time.Duration((1 - tokens) / float64(asked) * float64(time.Second)))
		return 0
	}
	return min(int(tokens), batchCommands)
}

// spend counts commands that were done.
func (s *Session) spend(commands int) {
	if s.bounds.pace != nil {
		s.bounds.pace.AllowN(time.Now(), commands)
	}
}

// slowDown keeps the session from doing, and the transport from reading, what the client sends next. It is called with the
// turn, or before anybody else knows the session.
func (s *Session) slowDown(pause time.Duration) {
	s.bounds.slowed.Store(true)
	s.bounds.timer = time.AfterFunc(pause, func() {
		s.bounds.slowed.Store(false)
		s.transport.wake()
	})
}

// strangerBatches is how many batches, of one command each, a stranger gets done in a turn: many of them sending without end
// do not keep those waiting who have logged in.
const strangerBatches = 64

// yield lets others go first. What came is not read on until the session has had its next turn.
func (s *Session) yield() {
	s.bounds.yielded = true
	s.transport.wake()
}
