package aof

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

const (
	partSize = 1 << 20 // bytes of a base between two checksums; one command may exceed it
	syncSize = 8 << 20 // bytes of a base between two syncs: one sync of all would hold up those of the increment
)

// ErrRewriting is returned while another rewrite is under way.
var ErrRewriting = errors.New("append-only file rewriting already in progress")

// rewriteStats is what Stats says of rewrites; guarded by Log.mu.
type rewriteStats struct {
	now      *Rewrite // nil = none
	begun    int
	failures int
	took     time.Duration
	baseSize int64
}

// Rewrite replaces everything up to one instant by a base: commands that lead to the keyspace of that instant. The
// instant is that of Rotate. Whenever a rewrite ends early, the log is complete without it.
//
// Except for Rotate, its methods do I/O, and none but Written may be called concurrently.
type Rewrite struct {
	log   *Log
	begun time.Time
	turn  rotation

	entry   entry     // of the base
	file    disk.File // of the base, under a temporary name; nil once closed
	rotated bool
	seq     uint64 // the last unit that the base stands for
	heals   bool   // the log had lost something when it was rotated
	buf     []byte
	db      int   // which the base has SELECTed; -1 = none
	dirty   int64 // bytes since the last sync
	err     error

	commands, bytes atomic.Int64
}

// PrepareRewrite creates the files of a rewrite, so that Rotate need not. It must be followed by Commit or Abort.
func (l *Log) PrepareRewrite() (*Rewrite, error) {
	r := &Rewrite{log: l, begun: time.Now(), db: -1}
	if err := l.claim(r); err != nil {
		return nil, err
	}
	if err := r.prepare(); err != nil {
		err = fmt.Errorf("prepare rewrite: %w", err)
		r.end(err)
		return nil, err
	}
	return r, nil
}

// claim makes r the rewrite under way.
func (l *Log) claim(r *Rewrite) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch f := l.fault.Load(); {
	case f != nil && !f.lost:
		l.rewrite.begun++
		l.rewrite.failures++
		return f.err
	case l.rewrite.now != nil:
		return ErrRewriting
	}
	l.rewrite.now = r
	l.rewrite.begun++
	return nil
}

func (r *Rewrite) prepare() (err error) {
	dir := r.log.dir
	r.entry = dir.nextBase()
	if r.file, err = dir.open(r.temp(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC); err != nil {
		return err
	}
	if r.turn.file, r.turn.entry, err = dir.createIncr(); err != nil {
		return err
	}
	if r.log.Err() == nil {
		r.log.Sync() // so that little is left to sync when the increments change; an error shows again there
	}
	return nil
}

// temp is the name of the base until it is complete.
func (r *Rewrite) temp() string { return tempPrefix + r.entry.name }

// Rotate fixes the instant: units appended from now on go to a new increment, and the base is to say what those before
// amount to. It returns the last unit before. It does no I/O, so it may be called under the caller's own lock, once.
func (r *Rewrite) Rotate() (seq uint64) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &l.pending
	r.turn.at = len(p.buf)
	p.rotation, p.db = &r.turn, -1
	p.noted = p.seq // the base will say so
	f := l.fault.Load()
	r.rotated, r.seq, r.heals = true, p.seq, f != nil && f.lost
	r.buf = appendBaseHead(r.buf, p.seq)
	return p.seq
}

// Write adds a command of database db to the base. args are copied.
func (r *Rewrite) Write(db int, args ...[]byte) error {
	if r.err != nil {
		return r.err
	}
	if r.db != db {
		r.buf = AppendCommand(r.buf, "SELECT", strconv.Itoa(db))
		r.db = db
	}
	r.buf = AppendCommand(r.buf, args...)
	r.commands.Add(1)
	if len(r.buf) >= partSize {
		r.buf = appendCRC(append(r.buf, partTag...), 0)
		r.put()
	}
	return r.err
}

// put writes the part in buf.
func (r *Rewrite) put() {
	n, err := r.file.Write(r.buf)
	r.bytes.Add(int64(n))
	r.dirty += int64(n)
	if err == nil && r.dirty >= syncSize {
		r.dirty = 0
		err = r.file.Sync()
	}
	if err != nil {
		r.err = fmt.Errorf("write base: %w", err)
	}
	r.buf = r.buf[:0]
	if cap(r.buf) > keptBuffer {
		r.buf = nil
	}
}

// Written returns how far the rewrite is. It may be called at any time.
func (r *Rewrite) Written() (commands, bytes int64) { return r.commands.Load(), r.bytes.Load() }

// Commit makes the base the beginning of the log. What it replaces is removed after Options.Keep.
func (r *Rewrite) Commit() error {
	err := r.commit()
	if err != nil {
		err = fmt.Errorf("commit rewrite: %w", err)
	}
	r.end(err)
	return err
}

func (r *Rewrite) commit() error {
	if !r.rotated {
		return errors.New("it was not begun by Rotate")
	}
	if err := r.finish(); err != nil {
		return err
	}
	if !r.heals {
		if err := r.log.completeRotation(&r.turn); err != nil {
			return err
		}
	}
	dir := r.log.dir
	if err := dir.rename(r.temp(), r.entry.name); err != nil {
		return err
	}
	if err := dir.sync(); err != nil {
		return err
	}
	err := dir.change(func(m *manifest) {
		if m.base.name != "" {
			m.history = append(m.history, m.base)
		}
		m.base = r.entry
		for len(m.incrs) > 0 && m.incrs[0] != r.turn.entry {
			m.history = append(m.history, m.incrs[0])
			m.incrs = m.incrs[1:]
		}
		if r.heals {
			m.incrs = append(m.incrs, r.turn.entry)
		}
	})
	if err == nil && r.heals {
		r.log.heal(r) // an error of what is written then stays in the log
	}
	return err
}

// finish completes the base and makes it durable.
func (r *Rewrite) finish() error {
	r.buf = appendBaseEnd(r.buf, 0)
	if r.err == nil {
		r.put()
	}
	err := r.err
	if err == nil {
		err = r.file.Sync()
	}
	err = errors.Join(err, r.file.Close())
	r.file = nil
	return err
}

// completeRotation does the rotation now, if it is still to be done.
func (l *Log) completeRotation(turn *rotation) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if turn.done {
		return nil
	}
	if err := l.write(); err != nil {
		return err
	}
	return turn.err
}

// Abort gives the rewrite up. Units stay where they are: in the old increment and, after Rotate, in the new one.
func (r *Rewrite) Abort() { r.end(r.err) }

// end removes what came to nothing, and counts. err is why the rewrite failed; an Abort without is no failure.
func (r *Rewrite) end(err error) {
	l := r.log
	rotated := l.settleRotation(r)
	if r.file != nil {
		r.file.Close()
	}
	// What cannot be removed is removed, or reported as a stray, by the next Open.
	rubbish := []string{r.temp(), r.entry.name}
	if r.turn.file != nil && !rotated {
		r.turn.file.Close()
		rubbish = append(rubbish, r.turn.entry.name)
	}
	for _, name := range rubbish {
		if !l.dir.inForce(name) {
			l.dir.remove(name)
		}
	}
	size := int64(-1)
	if err == nil && l.dir.inForce(r.entry.name) {
		l.dir.forgetAfter(l.keep)
		l.writing.Lock()
		size = r.bytes.Load() + l.tail.length
		l.mark.size.Store(size)
		l.writing.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rewrite.now = nil
	l.rewrite.took = time.Since(r.begun)
	if size >= 0 {
		l.rewrite.baseSize, l.rewrite.failures = size, 0
	}
	if err != nil {
		l.rewrite.failures++
	}
}

// settleRotation does the rotation of a rewrite that ends, if it is still to be done and can be, or takes it back: then
// units go on in the increment that was the last. It reports whether they go to the new one.
func (l *Log) settleRotation(r *Rewrite) bool {
	l.writing.Lock()
	defer l.writing.Unlock()
	if r.rotated && !r.heals && !r.turn.done {
		l.write() // an error stays in the log
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := &l.pending; p.rotation == &r.turn {
		if p.rotation = nil; r.heals {
			p.buf = p.buf[:0] // the next base says what they did
		}
	}
	return r.turn.done
}

// appendBaseHead appends the first line of a base that stands for the units up to seq.
func appendBaseHead(dst []byte, seq uint64) []byte {
	return fmt.Appendf(dst, "%s%d\r\n", baseField, seq)
}

// appendBaseEnd appends the last line of a base, whose last part begins at from.
func appendBaseEnd(dst []byte, from int) []byte {
	return appendCRC(append(dst, endTag...), from)
}
