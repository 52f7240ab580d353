package passthrough

import "time"

// What holds a lane up holds up everybody behind it, where Redis would serve others, or tell them BUSY: a script that runs on
// and on, and a reply that is long. So what runs code has lanes of its own; and clients who have nothing under way go
// elsewhere while something holds theirs up, and come back when it is over. Long requests never go by a lane.

const (
	// patient is how long a script may run on a lane before those to come go elsewhere.
	patient = 10 * time.Millisecond
	// aLongReply is what strain is while a reply is under way of which heldBack has come and the end has not.
	aLongReply = 1
)

// runs tells that a command is about to be submitted that runs code of users or of modules, which may take long.
func (l *link) runs() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began()
}

// began is runs for who holds mu.
func (l *link) began() {
	l.running = append(l.running, time.Now())
	l.strained(false)
}

// ran tells that the first of them has ended.
func (l *link) ran() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.running) > 0 { // else it was submitted to a connection that is lost
		l.running = l.running[1:]
	}
	l.strained(false)
}

// lasts tells whether a long reply is under way.
func (l *link) lasts(long bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strained(long)
}

// strained takes in whether a long reply is under way. The caller holds mu.
func (l *link) strained(long bool) {
	switch {
	case long:
		l.strain.Store(aLongReply)
	case len(l.running) > 0:
		l.strain.Store(l.running[0].UnixNano())
	default:
		l.strain.Store(0)
	}
}

// relaxed forgets what held the connection up that is lost. The caller holds mu.
func (l *link) relaxed() {
	l.running = nil
	l.strained(false)
}

// heldUp reports whether commands submitted now would wait for something long.
func (l *link) heldUp() bool {
	since := l.strain.Load()
	return since != 0 && time.Now().UnixNano()-since > int64(patient)
}
