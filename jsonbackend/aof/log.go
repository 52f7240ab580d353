package aof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// Policy says when a unit is durable enough to tell its client, as Redis' appendfsync does. A unit is always written
// to the file before that; so only a power cut makes a difference.
type Policy int

const (
	EverySec Policy = iota // synced within a second
	Always                 // synced before the client is told
	No                     // synced when the operating system likes
)

var policyNames = [...]string{EverySec: "everysec", Always: "always", No: "no"}

// String returns Redis' name of the policy.
func (p Policy) String() string { return policyNames[p] }

// UnmarshalText accepts Redis' names: always, everysec, no.
func (p *Policy) UnmarshalText(text []byte) error {
	for i, name := range policyNames {
		if strings.EqualFold(name, string(text)) {
			*p = Policy(i)
			return nil
		}
	}
	return fmt.Errorf("fsync policy %q is none of always, everysec, no", text)
}

// DefaultKeep is how long files stay that a rewrite has replaced.
const DefaultKeep = time.Minute

// Options of a log. The zero value is a good one.
type Options struct {
	Policy Policy
	Keep   time.Duration // how long files stay that a rewrite has replaced; 0 = DefaultKeep
	Disk   disk.Disk     // nil = the operating system's

	Synced func(took time.Duration) // is told of each sync of increments that succeeded; it must not block, and may be nil
}

// ErrClosed is the fate of units that come after Close.
var ErrClosed = errors.New("append-only file is closed")

// Log is an open append-only file.
//
// Locks are taken in this order: writing, syncing, then mu or the directory's. Append takes mu alone, and nothing is
// ever done with a file while mu is held.
type Log struct {
	policy atomic.Int32 // a Policy
	keep   time.Duration
	dir    *directory

	mu      sync.Mutex
	pending pending
	rewrite rewriteStats
	fault   atomic.Pointer[fault] // set under mu; nil = all is well

	alone   atomic.Uint32 // how many writes were begun since a yield brought a unit
	writing sync.Mutex    // held by the one who writes
	syncing sync.Mutex    // held by the one who syncs
	tail    tail
	mark    marks
	syncer  syncer
}

// tail is the last increment. The file is changed under writing and syncing, the length in bytes under writing.
type tail struct {
	disk.File
	length int64
}

// marks say how far a log is.
type marks struct {
	written atomic.Uint64 // the last unit in the file
	synced  atomic.Uint64 // the last unit on the disk
	size    atomic.Int64  // of base and increments, in bytes
	writes  atomic.Int64  // to increments
	syncs   atomic.Int64  // of increments
	waited  atomic.Int64  // units that were released by one
}

// Open replays the log in dir into r, or creates it, and makes it ready for appending. The caller sees to it that
// nobody else uses dir.
//
// A torn last unit is cut off and reported. Anything else that is wrong (no manifest beside files, a missing file, a
// bad unit before the last, an error from r) stops Open before it has changed any file; what Replay was given until
// then is to be thrown away. Where bytes are at fault, the error is a [*Damage].
func Open(dir string, o Options, r Replay) (*Log, Report, error) {
	if o.Disk == nil {
		o.Disk = disk.OS{}
	}
	if err := disk.MakeDir(o.Disk, dir, 0o755); err != nil {
		return nil, Report{}, fmt.Errorf("create append-only directory: %w", err)
	}
	return open(folder{o.Disk, dir}, o, r)
}

func open(d folder, o Options, r Replay) (*Log, Report, error) {
	names, err := d.names()
	if err != nil {
		return nil, Report{}, fmt.Errorf("list append-only directory: %w", err)
	}
	m, err := loadManifest(d)
	if errors.Is(err, fs.ErrNotExist) {
		m, err = create(d, names)
	}
	if err != nil {
		return nil, Report{}, err
	}
	dir := newDirectory(d, m, names)
	p := player{folder: d, to: r, copied: m.copied(dir.self)}
	p.report.Copy = p.copied || m.copy
	if p.copied {
		left := m.present(names)
		left.copy = true
		p.report.Copied = left.base != m.base || len(left.incrs) < len(m.incrs)
		m = left
	}
	if err := p.play(&m); err != nil {
		return nil, p.report, err
	}
	dir.manifest = m
	if p.report.Strays, err = tidy(dir, names); err != nil {
		return nil, p.report, err
	}
	if err := settle(d, m, p.report); err != nil {
		return nil, p.report, err
	}
	if p.copied {
		if err := dir.change(func(*manifest) {}); err != nil {
			return nil, p.report, err
		}
	}
	l := &Log{keep: o.Keep, dir: dir}
	l.syncer.told = o.Synced
	l.SetPolicy(o.Policy)
	if l.keep == 0 {
		l.keep = DefaultKeep
	}
	if err := l.start(p.report); err != nil {
		return nil, p.report, err
	}
	return l, p.report, nil
}

// Adopted notes that what is to be done with a copy that is opened for the first time has been done: from now on it is a
// directory like any other.
func (l *Log) Adopted() error {
	l.dir.mu.Lock()
	defer l.dir.mu.Unlock()
	if !l.dir.manifest.copy {
		return nil
	}
	return l.dir.changeLocked(func(m *manifest) { m.copy = false })
}

// start opens the last increment for appending.
func (l *Log) start(r Report) error {
	m := l.dir.manifest
	if len(m.incrs) == 0 {
		f, name, err := l.dir.createIncr()
		if err != nil {
			return err
		}
		if err := l.dir.change(func(m *manifest) { m.incrs = append(m.incrs, name) }); err != nil {
			return errors.Join(err, f.Close())
		}
		l.tail = tail{f, 0}
	} else {
		f, err := l.dir.open(m.incrs[len(m.incrs)-1].name, os.O_WRONLY|os.O_APPEND)
		if err != nil {
			return fmt.Errorf("open append-only file: %w", err)
		}
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("open append-only file: %w", errors.Join(err, f.Close()))
		}
		l.tail = tail{f, info.Size}
	}
	l.pending = pending{seq: r.Seq, db: -1, proven: r.Seq, noted: r.noted}
	l.mark.written.Store(r.Seq)
	l.mark.synced.Store(r.Seq)
	l.mark.size.Store(r.Bytes)
	l.rewrite = rewriteStats{baseSize: r.base, took: -1}
	l.dir.forgetAfter(l.keep)
	l.startSyncer()
	return nil
}

// create makes an empty log. Nothing of a log may be there, except what a creation that was interrupted leaves behind:
// files without a unit.
func create(d folder, names []string) (manifest, error) {
	m := manifest{base: baseEntry(1), incrs: []entry{incrEntry(1)}}
	empty := string(appendBaseEnd(appendBaseHead(nil, 0), 0))
	for _, name := range names {
		if numberIn(name, baseInfix) == 0 && numberIn(name, incrInfix) == 0 {
			continue
		}
		n, err := d.size(name)
		if err != nil {
			return m, err
		}
		if n > int64(len(empty)) {
			return m, fmt.Errorf("open append-only directory: %s is there, but no %s", name, manifestName)
		}
	}
	err := d.write(m.base.name, empty)
	if err == nil {
		err = d.write(m.incrs[0].name, "")
	}
	if err != nil {
		return m, fmt.Errorf("create append-only file: %w", err)
	}
	if err := d.sync(); err != nil {
		return m, fmt.Errorf("sync append-only directory: %w", err)
	}
	dir := newDirectory(d, manifest{}, nil)
	return m, dir.change(func(now *manifest) { *now = m })
}

// tidy removes what an interrupted rewrite leaves behind: temporary files, and an increment that was prepared. It
// returns the names of other files that the manifest does not mention.
func tidy(dir *directory, names []string) (strays []string, err error) {
	for _, name := range names {
		if name == manifestName || dir.inForce(name) {
			continue
		}
		rubbish := strings.HasPrefix(name, tempPrefix)
		if numberIn(name, incrInfix) > 0 {
			n, err := dir.size(name)
			if err != nil {
				return nil, err
			}
			rubbish = n == 0
		}
		if !rubbish {
			strays = append(strays, name)
		} else if err := dir.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove temporary file: %w", err)
		}
	}
	return strays, nil
}

// settle cuts a torn unit off and makes durable what was replayed: the process before may have died between a change
// and its sync, and whatever happens from now on relies on it.
func settle(d folder, m manifest, r Report) error {
	for _, e := range m.files() {
		f, err := d.open(e.name, os.O_RDWR)
		if err == nil {
			if e.name == r.Cut.File {
				err = f.Truncate(r.Cut.Offset)
			}
			if err == nil && e.name == r.last {
				err = writeAgain(f, r.proven)
			}
			if err == nil {
				err = f.Sync()
			}
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return fmt.Errorf("sync append-only file: %w", err)
		}
	}
	if err := d.sync(); err != nil {
		return fmt.Errorf("sync append-only directory: %w", err)
	}
	return nil
}

// Close writes and syncs what is buffered and closes the files. No rewrite may be under way.
func (l *Log) Close() error {
	l.syncer.stop()
	l.Resume() // or Sync says why not
	err := l.Sync()
	if err == nil {
		l.noteSynced()
	}
	l.fail(&fault{err: ErrClosed, closed: true})
	l.release()
	l.dir.close()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.syncing.Lock()
	defer l.syncing.Unlock()
	return errors.Join(err, l.tail.Close())
}

// noteSynced ends the log with a line that says that everything before it is durable.
func (l *Log) noteSynced() {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	p := &l.pending
	p.proven = l.mark.synced.Load()
	p.buf = p.appendProof(p.buf)
	l.mu.Unlock()
	l.write() // the line is worth no error
}

// Stats are the figures of INFO persistence.
type Stats struct {
	Size     int64 // aof_current_size: base and increments, in bytes
	BaseSize int64 // aof_base_size: Size after the last rewrite; after Open, of the base
	Buffered int   // aof_buffer_length: bytes that are not written yet
	Unsynced bool  // written, but not on the disk yet
	Err      error // aof_last_write_status
	Lost     bool  // a sync failed: only a rewrite helps

	Writes int64 // to increments
	Syncs  int64 // of increments
	Waited int64 // units whose release waited for one of them

	Rewriting       time.Time // when the rewrite under way began; zero = none
	RewriteCommands int64     // that the rewrite under way has written
	RewriteBytes    int64
	Rewrites        int           // that were begun
	RewriteFailures int           // since the last success
	LastRewrite     time.Duration // how long the last one took; -1 = there was none
}

// RewriteDue reports whether the log has grown enough since the last rewrite: Redis' auto-aof-rewrite-percentage (0 =
// never) and auto-aof-rewrite-min-size in bytes.
func (s Stats) RewriteDue(percentage, minSize int64) bool {
	base := max(s.BaseSize, 1)
	return percentage > 0 && s.Size > minSize && s.Size*100/base-100 >= percentage
}

// Stats returns the figures of now.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{
		Size:            l.mark.size.Load(),
		BaseSize:        l.rewrite.baseSize,
		Buffered:        len(l.pending.buf),
		Unsynced:        l.mark.synced.Load() < l.mark.written.Load(),
		Err:             l.Err(),
		Writes:          l.mark.writes.Load(),
		Syncs:           l.mark.syncs.Load(),
		Waited:          l.mark.waited.Load(),
		Rewrites:        l.rewrite.begun,
		RewriteFailures: l.rewrite.failures,
		LastRewrite:     l.rewrite.took,
	}
	if l.rewrite.now != nil {
		s.Rewriting = l.rewrite.now.begun
		s.RewriteCommands, s.RewriteBytes = l.rewrite.now.Written()
	}
	if f := l.fault.Load(); f != nil {
		s.Lost = f.lost
	}
	return s
}
