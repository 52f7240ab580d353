package jsonbackend

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// out is a file that was published over. A program that had opened it before may still write to it: it is looked at for a
// while, kept in the folder out/ meanwhile, and nothing of it is lost if the process dies.
type out struct {
	path    string
	version int     // what was published over it
	looks   stamp   // as it was when it was judged; zero = it is to be judged
	id      seen.ID // its content then
	certain bool    // a change since then would have changed the stamp
	suspect stamp   // as it was at the last look
	since   time.Time
	until   time.Time // it is watched
	over    time.Time // not longer, even if it cannot be read yet
}

const (
	watchFor = 2 * time.Second // from the exchange, and from the last change
	waitFor  = 5 * watchFor    // for who is writing to it
)

// read returns the content.
func (o *out) read(d disk.Disk) ([]byte, error) { return disk.ReadFile(d, o.path) }

// outDir is where files are kept that were published over.
func (b *Backend) outDir() string { return filepath.Join(b.opts.Dir, own, "out") }

// watch begins to look after a file that was published over, and looks at it for the first time.
func (b *Backend) watch(f *file, o *out) {
	kept := filepath.Join(b.outDir(), f.File()+"-"+strconv.Itoa(o.version))
	if f.disk.Rename(o.path, kept) == nil { // else it is on another file system, and stays where it is
		o.path = kept
	}
	now := time.Now()
	o.until, o.over = now.Add(watchFor), now.Add(waitFor)
	f.outs = append(f.outs, o)
	if info, err := f.disk.Stat(o.path); err == nil {
		if o.suspect = stampOf(info); o.suspect != o.looks {
			b.judgeOut(f, o, now)
		}
	}
}

// lookAtOuts looks at the files that were published over.
func (b *Backend) lookAtOuts(f *file, now time.Time) {
	f.outs = slices.DeleteFunc(f.outs, func(o *out) bool { return b.lookAtOut(f, o, now) })
}

// lookAtOut reports whether a file that was published over need not be looked at any more; then it is gone.
func (b *Backend) lookAtOut(f *file, o *out, now time.Time) (done bool) {
	info, err := f.disk.Stat(o.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return false
	}
	if looks := stampOf(info); looks != o.suspect {
		o.suspect, o.since = looks, now
		o.until = now.Add(watchFor)
	}
	if (o.suspect != o.looks || !o.certain && now.After(o.until)) && now.Sub(o.since) >= quiet {
		b.judgeOut(f, o, now)
	}
	if o.suspect == o.looks && now.After(o.until) {
		f.disk.Remove(o.path)
		return true
	}
	return false
}

// judgeOut does the edits that are in a file that was published over.
func (b *Backend) judgeOut(f *file, o *out, now time.Time) {
	id, err := f.idOf(o.path)
	if err != nil {
		return
	}
	if id != o.id && b.judge(f, id, o.version) == edited {
		if id, err = b.readOut(f, o, now); err != nil {
			return // it is tried again
		}
	}
	o.judged(o.suspect, id, now)
}

// judged notes what is known of the content of a file that looks so.
func (o *out) judged(looks stamp, id seen.ID, now time.Time) {
	o.looks, o.id, o.certain = looks, id, looks.settled(now)
}

// readOut does the edits in a file that was published over, and returns its version.
func (b *Backend) readOut(f *file, o *out, now time.Time) (id seen.ID, err error) {
	doc, err := o.read(f.disk)
	if err != nil {
		return id, err
	}
	id = seen.IDOf(doc)
	switch err := f.load(doc); {
	case err == nil:
		return id, b.adoptAside(f, id, doc, o.version)
	case now.Before(o.over):
		return id, errMoving
	default:
		return id, b.keepBroken(f, id, doc, err)
	}
}

// leftOut are the files that an earlier process had published over when it ended, oldest first. What it had staged is ours,
// and goes.
func (b *Backend) leftOut(f *file) (outs []*out, err error) {
	target, err := f.disk.Resolve(f.path)
	if err != nil {
		return nil, err
	}
	f.disk.Remove(stageName(target))
	for prefix, dir := range map[string]string{
		filepath.Base(stageName(target)) + "-": filepath.Dir(target),
		f.File() + "-":                         b.outDir(),
	} {
		names, err := f.disk.List(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("what was published over: %w", err)
		}
		for _, name := range names {
			number, ok := strings.CutPrefix(name, prefix)
			if n, err := strconv.Atoi(number); ok && err == nil {
				outs = append(outs, &out{path: filepath.Join(dir, name), version: n})
			}
		}
	}
	slices.SortFunc(outs, func(a, b *out) int { return a.version - b.version })
	return outs, nil
}

// settle decides what a crash left open of a file: whether the version that was staged took effect, and what is in the
// files that were published over.
func (b *Backend) settle(f *file, now seen.ID, logged map[string]seen.ID) error {
	outs, err := b.leftOut(f)
	if err != nil {
		return err
	}
	if s := f.seen.Staged(); s != nil {
		took := s.Kind == seen.Published && s.ID == now || s.Kind != seen.Published && s.ID == logged[f.File()]
		for _, o := range outs {
			if o.version != s.Number {
				continue
			}
			id, err := f.idOf(o.path)
			if err != nil {
				return fmt.Errorf("what was published over: %w", err)
			}
			took = took || id != s.ID
			if id == s.ID { // it was not exchanged yet
				f.disk.Remove(o.path)
				o.path = ""
			}
		}
		decide := f.seen.Drop
		if took {
			decide = f.seen.Keep
		}
		if err := decide(); err != nil {
			return err
		}
	}
	over := time.Now()
	for _, o := range outs {
		if o.path == "" {
			continue
		}
		o.until, o.over = over.Add(watchFor), over
		if info, err := f.disk.Stat(o.path); err == nil {
			o.suspect = stampOf(info)
		}
		b.judgeOut(f, o, over)
		f.outs = append(f.outs, o)
	}
	return nil
}
