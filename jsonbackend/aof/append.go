package aof

import (
	"fmt"
	"runtime"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

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
	proven   uint64   // the last unit that is known to be synced, as the clock last looked
	noted    uint64   // what the last line said that says so
}

// rotation is the change to a new increment, asked for and not yet done.
type rotation struct {
	at    int // the first byte of pending.buf that belongs into it
	file  disk.File
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
	if f := l.fault.Load(); f != nil && (f.closed || f.lost && p.rotation == nil) {
		return p.seq // a base will say what it did, or nobody
	}
	p.buf = p.appendProof(p.buf)
	if p.db != db {
		p.buf = appendSelect(p.buf, db)
		p.db = db
	}
	p.buf = appendUnit(p.buf, p.seq, effects, n, note)
	return p.seq
}

// appendProof appends a line that says what is synced, if that is news.
func (p *pending) appendProof(dst []byte) []byte {
	if p.proven <= p.noted {
		return dst
	}
	p.noted = p.proven
	return appendSynced(dst, p.proven)
}

// Policy returns the policy in force.
func (l *Log) Policy() Policy { return Policy(l.policy.Load()) }

// SetPolicy changes the policy for the calls of Synced that follow.
func (l *Log) SetPolicy(p Policy) { l.policy.Store(int32(p)) }

// Synced makes unit seq as durable as the policy asks, and reports whether it is. The caller's goroutine writes the unit,
// or joins a write that carries it; under Always it syncs, too, unless others do: then r is told when the unit is synced.
// If the unit may be lost, r is told that.
func (l *Log) Synced(seq uint64, r Releaser) bool {
	if l.Policy() == Always {
		return l.join(seq, r)
	}
	if err := l.flush(seq); err != nil {
		r.Fail(seq, err)
		return false
	}
	return true
}

// flush returns when unit seq is written. Callers that come during a write share the next one.
func (l *Log) flush(seq uint64) error {
	if l.mark.written.Load() >= seq {
		return nil
	}
	l.yield()
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.mark.written.Load() >= seq {
		return nil
	}
	return l.write()
}

// yield lets those run who are about to append, so that they share the write: a factor of 1.9 with 50 goroutines on 2
// cores. Where it brought nothing for a while, as with one goroutine for all clients, it is tried now and then: it costs a
// tenth of what a command does.
func (l *Log) yield() {
	if n := l.alone.Add(1); n > yieldsInVain && n%yieldAgain != 0 {
		return
	}
	before := l.appended()
	runtime.Gosched()
	if l.appended() > before {
		l.alone.Store(0)
	}
}

const (
	yieldsInVain = 64
	yieldAgain   = 8
)

// appended is the last unit.
func (l *Log) appended() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending.seq
}

// write writes all that is buffered, and does the rotation that waits. The caller holds writing.
func (l *Log) write() error {
	if err := l.Err(); err != nil {
		return err
	}
	return l.drain()
}

// drain is write, whether or not a write has failed before. What it cannot write stays buffered.
func (l *Log) drain() error {
	l.mu.Lock()
	p := &l.pending
	buf, seq, turn := p.buf, p.seq, p.rotation
	p.buf, p.spare, p.rotation = p.spare[:0], nil, nil
	l.mu.Unlock()

	rest := buf
	if turn != nil {
		if err := l.put(buf[:turn.at]); err != nil {
			return l.stall(err, rest, turn)
		}
		rest = buf[turn.at:]
		if err := l.rotate(turn); err != nil {
			return err
		}
	}
	if err := l.put(rest); err != nil {
		return l.stall(err, rest, nil)
	}
	l.mark.written.Store(seq)
	if cap(buf) <= keptBuffer {
		l.mu.Lock()
		p.spare = buf
		l.mu.Unlock()
	}
	return nil
}

// put writes b to the last increment. What a failed write leaves of b is removed, as far as that succeeds: else Resume
// does it, or the next start.
func (l *Log) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := l.tail.Write(b); err != nil {
		l.tail.Truncate(l.tail.length)
		return fmt.Errorf("write append-only file: %w", err)
	}
	l.mark.writes.Add(1)
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
