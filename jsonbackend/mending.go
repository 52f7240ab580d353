package jsonbackend

import "time"

const (
	mendSoon   = 100 * time.Millisecond
	mendLater  = 2 * time.Second
	mendFactor = 10 // trying takes at most one part in so many of the time
)

// mending is what happens about an append-only file that fails, until it takes units again.
type mending struct {
	began time.Time // zero: all is well
	next  time.Time
	pause time.Duration
}

// mend tries again, now and then, to write what could not be written. A file whose sync failed is given up: what memory
// holds is written to new ones.
func (b *Backend) mend(m *mending, failed error) {
	now := time.Now()
	if m.began.IsZero() {
		*m = mending{began: now, pause: mendSoon}
		if b.opts.Events.LogFailed != nil {
			b.opts.Events.LogFailed(failed)
		}
	}
	if now.Before(m.next) {
		return
	}
	if b.log.Stats().Lost {
		if b.rewriting.CompareAndSwap(false, true) {
			b.rewrite() // an error stays in the log
			b.rewriting.Store(false)
		}
	} else {
		b.log.Resume()
	}
	if b.log.Err() == nil {
		b.mended(m)
		return
	}
	m.next = time.Now().Add(max(m.pause, mendFactor*time.Since(now)))
	m.pause = min(2*m.pause, mendLater)
}

// mended notes that the append-only file is well.
func (b *Backend) mended(m *mending) {
	if m.began.IsZero() {
		return
	}
	if b.opts.Events.LogResumed != nil {
		b.opts.Events.LogResumed(time.Since(m.began))
	}
	*m = mending{}
}
