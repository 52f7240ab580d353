package resp

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// memory is what all clients let a server hold: requests that have not come whole, commands queued in transactions, replies
// that are not read, subscriptions, keys that are watched or waited for. Who wants more than there is goes, or who holds more than that: as with Redis' maxmemory-clients, it is
// the largest who is ended, and the others do not notice.
//
// Only clients that hold much are known here; its lock is a leaf but for those of their Outs.
type memory struct {
	limit atomic.Int64 // 0 is none

	mu   sync.Mutex
	held map[*Session]int64
	sum  int64
}

// heavy is the least that is much.
const heavy = wire.Roomy

// errMemory ends a client that held the most.
var errMemory = errors.New("held the most memory of all clients, and together they held too much")

// note tells that s holds n bytes; it reports false if s has to go.
func (m *memory) note(s *Session, n int64) bool {
	if n < heavy {
		n = 0
	}
	if n == 0 && !s.bounds.heavy.Load() {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(s, n)
	limit := m.limit.Load()
	if limit > 0 && m.sum > limit {
		m.recount(s)
	}
	for limit > 0 && m.sum > limit {
		largest := m.largest()
		m.set(largest, 0)
		if largest == s {
			return false
		}
		largest.dismiss(errMemory)
	}
	return true
}

func (m *memory) set(s *Session, n int64) {
	m.sum += n - m.held[s]
	s.bounds.heavy.Store(n > 0)
	if n == 0 {
		delete(m.held, s)
		return
	}
	if m.held == nil {
		m.held = map[*Session]int64{}
	}
	m.held[s] = n
}

// recount looks at everybody but s: replies may have been read since.
func (m *memory) recount(s *Session) {
	for o := range m.held {
		if o != s {
			m.set(o, min(m.held[o], o.holds(o.bounds.reading.Load())))
		}
	}
}

func (m *memory) largest() (largest *Session) {
	for s, n := range m.held {
		if largest == nil || n > m.held[largest] {
			largest = s
		}
	}
	return largest
}

// holds is how much the client lets the server hold, if its reader has a buffer of so many bytes. It may be called from any
// goroutine.
func (s *Session) holds(buffer int64) int64 {
	c := &s.Client
	return buffer + c.Queued.Load() + c.Kept.Load() + c.hears.bytes.Load() + int64(s.Out.Len())
}

// account notes what the client lets the server hold now. It is called with the turn; it reports false if the client was
// ended.
func (s *Session) account() bool {
	buffer := int64(s.reader.Held())
	s.bounds.reading.Store(buffer)
	if s.server.memory.note(s, s.holds(buffer)) {
		return true
	}
	s.fail(errMemory)
	return false
}

// room reports whether the reader may have a buffer of n bytes.
func (s *Session) room(n int) bool { return s.server.memory.note(s, s.holds(int64(n))) }
