package jsonbackend

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
	"github.com/omniproxy/omniproxy/resp/command"
)

// Checked is what was found out about a directory.
type Checked struct {
	Problems []string    // a line each: a start fails, or leaves a file alone
	Notes    []string    // a line each
	Damage   *aof.Damage // of the append-only file, if that is what stops a start
}

func (c *Checked) problem(format string, a ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, a...))
}

func (c *Checked) note(format string, a ...any) { c.Notes = append(c.Notes, fmt.Sprintf(format, a...)) }

// Check reads a directory as a start would, and changes nothing. The directory may be served meanwhile. Of the options
// those count that say what the files mean.
func Check(opts Options) (c Checked, err error) {
	b, err := New(opts)
	if err != nil {
		return c, err
	}
	if _, err := b.disk.Stat(b.opts.Dir); err != nil {
		return c, fmt.Errorf("data directory: %w", err)
	}
	own := filepath.Join(b.opts.Dir, own)
	if err := b.checkFormat(own); err != nil {
		return c, err
	}
	logged := b.checkLog(&c, filepath.Join(own, "aof"))
	for _, f := range b.files {
		doc, _, err := f.read()
		if err == nil && doc != nil {
			err = f.load(doc)
		}
		switch {
		case errors.Is(err, errMoving):
			c.note("%s is just being written", f.path)
		case err != nil:
			c.problem("%v", err)
		case doc != nil:
			c.note("%s is well: %d bytes", f.path, len(doc))
		}
		if logged {
			b.checkSeen(&c, f, doc)
		}
	}
	if err := b.readLoose(); err != nil {
		c.problem("%v", err)
	}
	return c, nil
}

// checkSeen reads what is remembered of a file, which holds doc, nil if that is not known.
func (b *Backend) checkSeen(c *Checked, f *file, doc []byte) {
	path := b.historyPath(f)
	h, torn, err := seen.Check(b.disk, path)
	switch {
	case err != nil:
		c.problem("%v", err)
		return
	case torn.Versions > 0:
		c.problem("%s cannot be read at offset %d: a start forgets %d versions behind it, and may merge edits with what nobody had read", path, torn.Offset, torn.Versions)
	case torn.Bytes > 0:
		c.note("%s ends in what was being written: a start cuts off %d bytes", path, torn.Bytes)
	case h.Len() > 0:
		c.note("%s is well: %d versions", path, h.Len())
	}
	last := h.Last(seen.Newest)
	if doc != nil {
		switch id := seen.IDOf(doc); {
		case last != nil && last.ID == id:
		case h.Find(id, seen.Newest) != nil:
			c.note("%s is an earlier version of itself: a start takes that for no edit", f.path)
		default:
			c.note("%s was written by somebody else since it was last seen: a start reads the edits", f.path)
		}
	}
	if last == nil {
		return
	}
	said, err := h.Base(*last)
	if err != nil {
		c.problem("%v", err)
		return
	}
	keys := lens.Views(b.layout, b.opts.DB)[f.index]
	keys.Update(b.Freeze(nil), nil)
	if now := keys.Base(); len(said.Keyed().Named)+len(said.Order) > 0 && len(now.Named)+len(now.Order) == 0 {
		c.note("no key shows in %s, whose last version had some: is it served with another --prefix or --db?", f.File())
	}
}

// checkLog replays the append-only file, and reports whether there is one.
func (b *Backend) checkLog(c *Checked, dir string) bool {
	if names, err := b.disk.List(dir); errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
		c.note("%s is not there: a start loads the JSON files", dir)
		return false
	}
	report, err := aof.Check(b.disk, dir, aof.Replay{Effect: b.Engine.Replay})
	if err != nil {
		c.problem("%s: %v", dir, err)
		c.Damage, _ = errors.AsType[*aof.Damage](err)
		return true
	}
	c.note("%s is well: %d bytes, %d units since the last rewrite, %d commands", dir, report.Bytes, report.Units, report.Effects)
	if cut := report.Cut; cut.Bytes > 0 {
		c.note("%s ends in what was being written: a start cuts off %d bytes at offset %d", filepath.Join(dir, cut.File), cut.Bytes, cut.Offset)
	}
	if report.Copied {
		c.note("%s is a copy that was made while it was written: it ends where the copy began, or later", dir)
	}
	for _, name := range report.Strays {
		c.note("%s belongs to nothing", filepath.Join(dir, name))
	}
	return true
}

// Loss is what a repair takes away.
type Loss struct {
	aof.Loss
	Keys []string // that it concerns, sorted, as far as they can be read
}

// Behind tells what Repair would take away.
func Behind(opts Options, damage *aof.Damage) (loss Loss, err error) {
	b, err := New(opts)
	if err != nil {
		return loss, err
	}
	keys := map[string]bool{}
	loss.Loss, err = aof.Behind(b.disk, filepath.Join(b.opts.Dir, own, "aof"), damage, func(args [][]byte) {
		spec, err := command.Check(args)
		if err != nil {
			return
		}
		positions, _ := spec.Keys(args)
		for _, i := range positions {
			keys[string(args[i])] = true
		}
	})
	loss.Keys = slices.Sorted(maps.Keys(keys))
	return loss, err
}

// Repair lets the append-only file end where the damage begins. It returns the paths of files that hold what it held. A
// directory that is served is refused.
func Repair(opts Options, damage *aof.Damage) (kept []string, err error) {
	b, err := New(opts)
	if err != nil {
		return nil, err
	}
	own := filepath.Join(b.opts.Dir, own)
	lock, err := takeLock(own)
	if err != nil {
		return nil, err
	}
	defer lock.release()
	dir := filepath.Join(own, "aof")
	kept, err = aof.Repair(b.disk, dir, damage)
	for i, name := range kept {
		kept[i] = filepath.Join(dir, name)
	}
	return kept, err
}
