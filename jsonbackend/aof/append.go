package aof

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// syncEvery is the period of EverySec.
const syncEvery = time.Second

// keptBuffer is the largest buffer that is used again: one large unit shall not hold memory for ever.
const keptBuffer = 4 << 20

// pending is what was appended and not yet written; guarded by Log.mu.
type pending struct {
	buf      []byte
	spare    []byte // the buffer written last: appenders fill one while the other is written
	seq      uint64 // the last unit
	db       int    // which the file has SELECTed after buf; -1 = unknown
	rotation *rotation
	waiters  []waiter // for a sync, under Always
}

// rotation is the change to a new increment, asked for and not yet done.
type rotation struct {
	at    int // the first byte of pending.buf that belongs into it
	file  file
	entry entry
	done  bool  // read under Log.writing
	err   error // why it could not be done; read under Log.writing
}

// Releaser learns what became of a unit. Its methods must not block. It is an alias, so that an interface elsewhere can
// ask for the same methods of a log.
type Releaser = interface {
	Release(seq uint64)         // it is as durable as the policy asks
	Fail(seq uint64, err error) // it may be lost: nobody may be told that it happened
}

// waiter waits for a sync.
type waiter struct {
	seq uint64
	r   Releaser
}

// Append takes a unit: n effects of one instant in database db, encoded as RESP (see [AppendCommand]). They may include
// SELECTs if the last one leads back to db; n = 0 keeps a note alone. Units are numbered from 1, across restarts and
// rewrites.
//
// note is kept with the unit and given to [Replay]; it is text: control characters become '?', and what exceeds MaxNote
// bytes is lost.
//
// Append copies, never does I/O and never waits for a write, so it may be called under the caller's own lock.
func (l *Log) Append(db int, effects []byte, n int, note string) (seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.pending
	p.seq++
	if l.err != nil {
		return p.seq
	}
	if p.db != db {
		p.buf = appendSelect(p.buf, db)
		p.db = db
	}
	p.buf = appendUnit(p.buf, p.seq, effects, n, note)
	return p.seq
}

// Synced tells r when unit seq is as durable as the policy asks. Under EverySec and No it writes the unit in the
// caller's goroutine, or joins a write that carries it, and tells r before it returns; under Always it returns at once.
func (l *Log) Synced(seq uint64, r Releaser) {
	if l.policy == Always {
		l.wait(seq, r)
		return
	}
	if err := l.flush(seq); err != nil {
		r.Fail(seq, err)
		return
	}
	r.Release(seq)
}

// wait queues r for the next sync.
func (l *Log) wait(seq uint64, r Releaser) {
	if l.mark.synced.Load() >= seq {
		r.Release(seq)
		return
	}
	l.mu.Lock()
	err := l.err
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

// flush returns when unit seq is written. Callers that come during a write share the next one.
func (l *Log) flush(seq uint64) error {
	if l.mark.written.Load() >= seq {
		return nil
	}
	runtime.Gosched() // who is about to append shall share this write: a factor of 1.9 with 50 clients on 2 cores
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.mark.written.Load() >= seq {
		return nil
	}
	return l.write()
}

// write writes all that is buffered, and does the rotation that waits. The caller holds writing.
func (l *Log) write() error {
	l.mu.Lock()
	p := &l.pending
	buf, seq, turn, err := p.buf, p.seq, p.rotation, l.err
	p.buf, p.spare, p.rotation = p.spare[:0], nil, nil
	l.mu.Unlock()
	if err != nil {
		return err
	}

	here, there := buf, []byte(nil)
	if turn != nil {
		here, there = buf[:turn.at], buf[turn.at:]
	}
	err = l.put(here)
	if err == nil && turn != nil {
		if err = l.rotate(turn); err == nil {
			err = l.put(there)
		}
	}
	if err != nil {
		return l.fail(err)
	}
	l.mark.written.Store(seq)
	if cap(buf) <= keptBuffer {
		l.mu.Lock()
		p.spare = buf
		l.mu.Unlock()
	}
	return nil
}

// put writes b to the last increment. What a failed write leaves of b is removed, as far as that succeeds.
func (l *Log) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := l.tail.Write(b); err != nil {
		l.tail.Truncate(l.tail.length)
		return fmt.Errorf("write append-only file: %w", err)
	}
	l.tail.length += int64(len(b))
	l.mark.size.Add(int64(len(b)))
	return nil
}

// rotate makes the prepared increment the last one. The units before it must be durable before the first one in it is
// written, or a power cut could leave a gap. If the manifest cannot be changed the log goes on in the old increment, and
// only the rewrite fails. The caller holds writing.
func (l *Log) rotate(turn *rotation) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if err := l.syncTail(); err != nil {
		return err
	}
	turn.err = l.dir.change(func(m *manifest) { m.incrs = append(m.incrs, turn.entry) })
	if turn.err == nil {
		l.tail.Close() // it is synced: nothing can be lost
		l.tail, turn.done = tail{turn.file, 0}, true
	}
	return nil
}

// Sync returns when every unit appended so far is on the disk, whatever the policy.
func (l *Log) Sync() error {
	l.mu.Lock()
	seq := l.pending.seq
	l.mu.Unlock()
	if err := l.flush(seq); err != nil {
		return err
	}
	l.syncing.Lock()
	defer l.syncing.Unlock()
	written := l.mark.written.Load()
	if l.mark.synced.Load() >= written {
		return nil
	}
	if err := l.syncTail(); err != nil {
		return err
	}
	l.mark.synced.Store(written)
	return nil
}

// syncTail syncs the last increment. A sync that failed is never tried again: the next one would succeed without the
// pages that were lost. The caller holds syncing.
func (l *Log) syncTail() error {
	if err := l.Err(); err != nil {
		return err
	}
	if err := l.tail.Sync(); err != nil {
		return l.fail(fmt.Errorf("sync append-only file: %w", err))
	}
	return nil
}

// fail ends all writing, for only a new base and a new increment could be trusted now. It returns the first error.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		l.pending.buf, l.pending.spare = nil, nil
	}
	l.wakeSyncer()
	return l.err
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
	stop func() // ends it, after a last look at who waits
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

// tick does what the policy promises without anybody waiting: units that no client caused are written, too.
func (l *Log) tick() {
	if l.policy != No {
		l.Sync() // an error stays in l.err
		return
	}
	l.mu.Lock()
	seq := l.pending.seq
	l.mu.Unlock()
	l.flush(seq)
}

// release syncs once for all who wait and tells them.
func (l *Log) release() {
	l.mu.Lock()
	waiters := l.pending.waiters
	l.pending.waiters = nil
	l.mu.Unlock()
	if len(waiters) == 0 {
		return
	}
	err := l.Sync()
	for _, w := range waiters {
		if w.seq <= l.mark.synced.Load() {
			w.r.Release(w.seq)
		} else {
			w.r.Fail(w.seq, err)
		}
	}
}
