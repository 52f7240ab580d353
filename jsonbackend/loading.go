package jsonbackend

import (
	"sync/atomic"
	"time"
)

// loading is how far Load is.
type loading struct {
	began       time.Time
	done, total atomic.Int64 // bytes of the append-only file; 0 if the JSON files are loaded
}

// Loading reports whether Load is still to be done: then nothing but what Redis allows while it loads may be asked, as
// [resp.RefuseWhile] sees to.
func (b *Backend) Loading() bool { return b.loading.Load() != nil }

// progress notes and reports how much of the append-only file is replayed.
func (b *Backend) progress(done, total int64) {
	if l := b.loading.Load(); l != nil {
		l.done.Store(done)
		l.total.Store(total)
	}
	if b.opts.Events.Loading != nil {
		b.opts.Events.Loading(done, total)
	}
}
