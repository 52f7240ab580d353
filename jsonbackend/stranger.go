package jsonbackend

import (
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

// stranger is another program that keeps writing the directory and never reads again: OmniDaemon's JSON store, in the
// first place. It betrays itself by the names it uses, or by writing again what it once read.
type stranger struct {
	seen  atomic.Int64 // when there was a sign of it, in Unix nanoseconds; 0 = never
	told  bool
	stale int // versions that were written from an older one than the last
}

// strangerStays is how long after a sign of it the stranger is taken to be there.
const strangerStays = 10 * time.Minute

// Names that OmniDaemon's JSON store gives to files for a moment.
var strangerNames = [...]string{".health_check", "agents.tmp", "results.tmp", "metrics.tmp", "config.tmp"}

// known reports whether there is such a program.
func (s *stranger) known() bool {
	at := s.seen.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < strangerStays
}

// lookForStranger looks for the names of another program's files.
func (b *Backend) lookForStranger() {
	if b.transient() {
		return // whoever only looks on is in nobody's way
	}
	for _, name := range strangerNames {
		if _, err := b.disk.Stat(filepath.Join(b.opts.Dir, name)); err == nil {
			b.meetStranger()
			return
		}
	}
}

// staleVersion notes that a version was written by who had not read the last one. That happens to people, once.
func (b *Backend) staleVersion() {
	if b.stranger.stale++; b.stranger.stale > 1 && !b.transient() {
		b.meetStranger()
	}
}

// meetStranger notes a sign of another program. Expired results then stay in the file: it would only write them again.
func (b *Backend) meetStranger() {
	b.stranger.seen.Store(time.Now().UnixNano())
	b.keepExpired(true)
	if !b.stranger.told {
		b.stranger.told = true
		if b.opts.Events.Stranger != nil {
			b.opts.Events.Stranger(b.opts.Dir)
		}
	}
}

func (b *Backend) keepExpired(on bool) {
	for _, f := range b.files {
		if v, ok := f.View.(lens.Expiring); ok {
			v.KeepExpired(on)
		}
	}
}
