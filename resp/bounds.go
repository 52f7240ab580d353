package resp

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// bounds is what a session knows of the bounds that it lives in. What is no atomic belongs to who has the turn.
type bounds struct {
	visit *visit        // its stay in the lobby; nil if it is no stranger
	pace  *rate.Limiter // of its commands; nil until its listener asks for one
	timer *time.Timer   // of its last pause

	yielded bool // it goes on in another turn, which is wished for

	slowed  atomic.Bool  // it pauses
	heavy   atomic.Bool  // it holds much memory
	reading atomic.Int64 // bytes of its reader's buffer
}

// release is called with the turn, when the session is over.
func (s *Session) release() {
	s.server.lobby.leave(s.bounds.visit)
	s.server.memory.note(s, 0)
	if s.bounds.timer != nil {
		s.bounds.timer.Stop()
	}
}
