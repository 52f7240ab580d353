package aof

import (
	"fmt"
	"sync"
	"time"
)

// syncEvery is the period of EverySec.
const syncEvery = time.Second

// join syncs for unit seq and all that was appended before; where others sync or are about to, it queues r for the next
// sync instead. One goroutine that serves many clients syncs for all of them, as Redis does; goroutines of one client each
// leave it to the syncer, who knows how many there are. It reports whether the unit is synced.
func (l *Log) join(seq uint64, r Releaser) bool {
	if l.mark.synced.Load() < seq {
		if !l.syncer.turn.TryLock() {
			l.queue(seq, r)
			return false
		}
		defer l.syncer.turn.Unlock()
		if l.syncer.expected > 1 {
			l.queue(seq, r)
			return false
		}
		if err := l.syncForAll(1); l.mark.synced.Load() < seq {
			r.Fail(seq, err)
			return false
		}
	}
	l.mark.waited.Add(1)
	return true
}

// queue makes r wait for the next sync.
func (l *Log) queue(seq uint64, r Releaser) {
	l.mu.Lock()
	err := l.Err()
	if err == nil {
		l.pending.waiters = append(l.pending.waiters, waiter{seq, r})
	}
	l.mu.Unlock()
	if err != nil {
		r.Fail(seq, err)
		return
	}
	l.wakeSyncer()
}

// Sync returns when every unit appended so far is on the disk, whatever the policy. What could be written is synced even
// if something could not.
func (l *Log) Sync() error {
	l.mu.Lock()
	seq := l.pending.seq
	l.mu.Unlock()
	failed := l.flush(seq)
	l.syncing.Lock()
	defer l.syncing.Unlock()
	written := l.mark.written.Load()
	if l.mark.synced.Load() >= written {
		return failed
	}
	if err := l.syncTail(); err != nil {
		return err
	}
	l.mark.synced.Store(written)
	return failed
}

// syncTail syncs the last increment. A sync that failed is never tried again: the next one would succeed without the
// pages that were lost. The caller holds syncing.
func (l *Log) syncTail() error {
	if f := l.fault.Load(); f != nil && (f.lost || f.closed) {
		return f.err
	}
	begun := time.Now()
	if err := l.tail.Sync(); err != nil {
		return l.fail(&fault{err: fmt.Errorf("sync append-only file: %w", err), lost: true})
	}
	l.mark.syncs.Add(1)
	if l.syncer.told != nil {
		l.syncer.told(time.Since(begun))
	}
	return nil
}

// wakeSyncer makes the syncer look at the waiters.
func (l *Log) wakeSyncer() {
	select {
	case l.syncer.wake <- struct{}{}:
	default:
	}
}

// syncer is the goroutine that syncs for all who wait.
type syncer struct {
	wake chan struct{}
	stop func()                   // ends it, after a last look at who waits
	told func(took time.Duration) // of each sync, whoever does it; nil: nobody is

	turn     sync.Mutex    // held by the one who syncs for others; taken before any lock of the log
	took     time.Duration // the last sync
	expected int           // how many it was for, or waited on
}

// startSyncer starts the syncer, which also syncs once per period for those who do not wait.
func (l *Log) startSyncer() {
	l.syncer.wake = make(chan struct{}, 1)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		every := time.NewTicker(syncEvery)
		defer every.Stop()
		for {
			select {
			case <-l.syncer.wake:
			case <-every.C:
				l.tick()
			case <-quit:
				l.release()
				return
			}
			l.release()
		}
	}()
	l.syncer.stop = sync.OnceFunc(func() {
		close(quit)
		<-done
	})
}

// tick does what the policy promises without anybody waiting: units that no client caused are written, too. The next
// unit is preceded by a line that says how far the log is synced.
func (l *Log) tick() {
	if l.Policy() != No {
		l.Sync() // an error stays in the log
	} else {
		l.mu.Lock()
		seq := l.pending.seq
		l.mu.Unlock()
		l.flush(seq)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending.proven = l.mark.synced.Load()
}

// release syncs for all who wait, and those who are about to.
func (l *Log) release() {
	if _, rest := l.tell(nil); rest == 0 {
		return
	}
	l.syncer.turn.Lock()
	defer l.syncer.turn.Unlock()
	l.gather()
	l.syncForAll(0)
}

// syncForAll syncs once for the caller, if callers is 1, and for all who wait, whom it tells. Who came during the sync and
// had been written before it is told, too; the others are for the next one. The caller holds the syncer's turn.
func (l *Log) syncForAll(callers int) error {
	begun := time.Now()
	err := l.Sync()
	told, rest := l.tell(err)
	l.syncer.took, l.syncer.expected = time.Since(begun), callers+told+rest
	if rest > 0 {
		l.wakeSyncer()
	}
	return err
}

// gather waits for those who were told of the last sync, and who waited on then: most write again at once. Without it
// clients fall into groups that sync by turns. It waits no longer than that sync took.
func (l *Log) gather() {
	if l.syncer.expected < 2 {
		return
	}
	over := time.NewTimer(l.syncer.took)
	defer over.Stop()
	for l.waiting() < l.syncer.expected {
		select {
		case <-l.syncer.wake:
		case <-over.C:
			return
		}
	}
}

func (l *Log) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending.waiters)
}

// tell releases those who wait for what is synced, and fails the others if err is not nil. It returns how many were told
// and how many wait on.
func (l *Log) tell(err error) (told, rest int) {
	synced := l.mark.synced.Load()
	l.mu.Lock()
	now, later := l.pending.waiters, []waiter(nil)
	if err == nil {
		now, later = split(now, synced)
	}
	l.pending.waiters = later
	l.mu.Unlock()
	for _, w := range now {
		if w.seq <= synced {
			l.mark.waited.Add(1)
			w.r.Release(w.seq)
		} else {
			w.r.Fail(w.seq, err)
		}
	}
	return len(now), len(later)
}

// split separates those who wait for what is synced from the rest.
func split(waiters []waiter, synced uint64) (now, later []waiter) {
	for _, w := range waiters {
		if w.seq <= synced {
			now = append(now, w)
		} else {
			later = append(later, w)
		}
	}
	return now, later
}
