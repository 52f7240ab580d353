package aof

import (
	"fmt"
)

// fault is why nothing is acknowledged. It is one of three.
//
// A write that failed has left the file as it was, or can be made to: what is buffered is written when the disk takes it
// again ([Log.Resume]). A sync that failed has lost what nobody knows, and only new files can be trusted: a rewrite, which
// says what memory says. A log that is closed stays closed.
type fault struct {
	err    error
	lost   bool
	closed bool
}

// worse reports whether f replaces an earlier fault.
func (f *fault) worse(than *fault) bool {
	switch {
	case than == nil:
		return true
	case than.closed:
		return false
	}
	return f.closed || f.lost || !than.lost
}

// Err returns why units are not kept; nil while all is well. A caller refuses writes meanwhile. Units that it appends
// nevertheless are kept when the fault is over.
func (l *Log) Err() error {
	if f := l.fault.Load(); f != nil {
		return f.err
	}
	return nil
}

// fail notes a fault and returns the one that counts.
func (l *Log) fail(f *fault) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failLocked(f)
}

func (l *Log) failLocked(f *fault) error {
	if f.worse(l.fault.Load()) {
		l.fault.Store(f)
		if f.lost || f.closed {
			l.pending.buf, l.pending.spare, l.pending.rotation = nil, nil, nil
		}
	}
	l.wakeSyncer()
	return l.Err()
}

// stall notes that a write failed, and puts what it was to write before what was appended meanwhile.
func (l *Log) stall(err error, rest []byte, turn *rotation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.fault.Load(); f != nil && (f.lost || f.closed) {
		return f.err
	}
	p := &l.pending
	if p.rotation != nil {
		p.rotation.at += len(rest)
	} else {
		p.rotation = turn
	}
	p.buf = append(rest, p.buf...)
	return l.failLocked(&fault{err: err})
}

// Resume tries once more to write what a failed write left buffered. nil means that the log goes on: units are kept
// again, in their order, also those whose clients were told that they may be lost. After a failed sync it returns that
// error: then a rewrite is what helps.
func (l *Log) Resume() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	f := l.fault.Load()
	switch {
	case f == nil:
		return nil
	case f.lost || f.closed:
		return f.err
	}
	if err := l.tail.Truncate(l.tail.length); err != nil {
		return l.fail(&fault{err: fmt.Errorf("cut append-only file: %w", err)})
	}
	if err := l.drain(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f = l.fault.Load(); f != nil && (f.lost || f.closed) {
		return f.err
	}
	l.fault.Store(nil)
	return nil
}

// heal makes the increment of a rewrite the one that is written, after the manifest has left everything behind that a
// failed sync may have spoiled. What was appended since Rotate is written there.
func (l *Log) heal(r *Rewrite) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.syncing.Lock()
	l.mu.Lock()
	p := &l.pending
	if f := l.fault.Load(); f.closed {
		l.mu.Unlock()
		l.syncing.Unlock()
		return f.err
	}
	l.tail.Close() // what is lost there is in the base
	l.tail, r.turn.done, p.rotation = tail{r.turn.file, 0}, true, nil
	l.mark.written.Store(r.seq)
	l.mark.synced.Store(r.seq)
	l.fault.Store(nil)
	l.mu.Unlock()
	l.syncing.Unlock()
	return l.drain()
}
