package resp

import (
	"sync"
	"time"
)

// idleLimit ends clients that send nothing for long: Redis' timeout. The zero value ends none.
type idleLimit struct {
	mu    sync.Mutex
	limit time.Duration
	timer *time.Timer // of the next look; nil while there is no limit
}

// idleLook is how often clients are looked at, so long may one be late to be ended.
const idleLook = time.Second

// SetIdleTimeout changes how long a client may send nothing before it is ended; 0 is for ever. Who waits for an answer,
// for messages or for commands of others (MONITOR) may always.
func (v *Server) SetIdleTimeout(limit time.Duration) {
	v.idle.mu.Lock()
	defer v.idle.mu.Unlock()
	v.idle.limit = limit
	if v.idle.timer != nil {
		v.idle.timer.Stop()
		v.idle.timer = nil
	}
	if limit > 0 {
		v.idle.timer = time.AfterFunc(idleLook, v.endIdle)
	}
}

// endIdle ends who is idle now, and looks again later.
func (v *Server) endIdle() {
	v.idle.mu.Lock()
	defer v.idle.mu.Unlock()
	if v.idle.timer == nil || v.draining.Load() {
		return
	}
	now := time.Now()
	for _, s := range v.registry.all() {
		if s.idle(now) > v.idle.limit {
			s.Kill()
		}
	}
	v.idle.timer.Reset(idleLook)
}

// idle is how long the client has sent nothing though it was free to, in whole seconds as Redis counts.
func (s *Session) idle(now time.Time) time.Duration {
	c := &s.Client
	if c.Blocked.Load() || c.Monitor.Load() || c.subscribed() {
		return 0
	}
	return now.Truncate(time.Second).Sub(time.UnixMilli(c.active.Load()).Truncate(time.Second))
}
