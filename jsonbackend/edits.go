package jsonbackend

import (
	"crypto/sha256"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

const (
	quiet      = 100 * time.Millisecond  // a file is read when it has not changed for so long
	restless   = 1500 * time.Millisecond // or when it has been changing for so long
	missingFor = 2 * time.Second         // a file that is missing so long is published again
)

// note is what the log keeps with an edit: the file and the version that was read.
func note(f *file, id versionID) string { return "read " + f.File() + " " + id.String() }

func parseNote(note string) (file string, id versionID, ok bool) {
	words := strings.Split(note, " ")
	if len(words) != 3 || words[0] != "read" {
		return "", id, false
	}
	id, ok = parseVersionID(words[2])
	return words[1], id, ok
}

// lookAt notices what somebody else did to a file. It waits until he is done, unless this is the last look.
func (b *Backend) lookAt(f *file, now time.Time, last bool) {
	stands, err := f.look()
	if err != nil {
		return // whoever publishes hears of it
	}
	if stands == f.disk {
		f.suspect = stands
		return
	}
	if f.suspect == f.disk {
		f.differs = now
	}
	if stands != f.suspect {
		f.suspect, f.since = stands, now
	}
	missing := stands == (stamp{})
	switch waited := now.Sub(f.since); {
	case last:
	case missing && waited < missingFor:
		return
	case waited < quiet && now.Sub(f.differs) < restless:
		return
	}
	if missing { // no edit: clearing a file is {} or []
		f.disk, f.stale = stands, !b.transient()
		b.showAll(f)
		b.isWhole(f)
		return
	}
	b.readAgain(f)
}

// readAgain reads a file that is not as it was.
func (b *Backend) readAgain(f *file) {
	if b.log != nil && b.log.Err() != nil {
		return // the edit would be lost
	}
	doc, stands, err := f.read()
	switch {
	case errors.Is(err, errMoving) || err == nil && doc == nil:
		return
	case err != nil:
		f.disk = unknown
		b.isBroken(f, err)
		return
	}
	switch id := versionID(sha256.Sum256(doc)); {
	case f.broken != nil: // the view may hold nothing
	case f.seen.isLast(id):
		f.disk, f.suspect = stands, stands
		return
	case f.seen.isStale(id):
		if err := f.seen.restore(id); err != nil {
			b.isBroken(f, err)
			return
		}
		f.disk, f.suspect, f.stale = stands, stands, true
		return
	}
	b.adopt(f, doc, stands)
}

// adopt makes what stands on the disk the document: edits in it are done, then it is brought in line with the keys. What
// cannot be read is left alone.
func (b *Backend) adopt(f *file, doc []byte, stands stamp) {
	if err := f.load(doc); err != nil {
		f.disk, f.suspect = stands, stands
		b.isBroken(f, err)
		return
	}
	commands, err := -1, error(nil)
	switch id := versionID(sha256.Sum256(doc)); {
	case f.seen.isLast(id):
	case f.seen.isStale(id):
		err = f.seen.restore(id)
	default:
		commands, err = b.consume(f, id, doc)
	}
	if err != nil {
		f.marks = marks{all: true} // the view holds what was not done
		if !errors.Is(err, errBusy) {
			b.isBroken(f, err)
		}
		return
	}
	f.disk, f.suspect = stands, stands
	b.isWhole(f)
	if b.showAll(f) && commands == 0 && b.opts.Events.Ignored != nil {
		b.opts.Events.Ignored(f.File())
	}
	if commands > 0 && b.opts.Events.Edited != nil {
		b.opts.Events.Edited(f.File(), commands)
	}
}

// showAll brings a file's view in line with the keyspace, and reports whether it was not.
func (b *Backend) showAll(f *file) (changed bool) {
	changed = f.Update(b.Freeze(nil), nil)
	f.stale = f.stale || changed && !b.transient()
	f.report()
	return changed
}

// isBroken notes that a file cannot be read.
func (b *Backend) isBroken(f *file, err error) {
	if told := f.broken; (told == nil || told.Error() != err.Error()) && b.opts.Events.Broken != nil {
		b.opts.Events.Broken(f.File(), err)
	}
	f.broken = err
	f.report()
}

// isWhole notes that a file could be read, or is gone.
func (b *Backend) isWhole(f *file) {
	if f.broken != nil && b.opts.Events.Mended != nil {
		b.opts.Events.Mended(f.File())
	}
	f.broken = nil
	f.report()
}

// errBusy ends an attempt to read an edit while clients write the same keys; the next look tries again.
var errBusy = errors.New("the keyspace moves on too fast")

// consume turns what somebody else did to the document, which the view has loaded, into one unit of work, and returns
// how many commands that took.
func (b *Backend) consume(f *file, id versionID, doc []byte) (commands int, err error) {
	if f.seen.last() == nil && !b.transient() {
		if err := keepOriginal(filepath.Join(b.opts.Dir, own, "originals"), f, doc); err != nil {
			return 0, err
		}
	}
	read, err := f.seen.lastBase()
	if err != nil {
		return 0, err
	}
	if err := f.seen.stage(id, false, f.Base()); err != nil {
		return 0, err
	}
	defer f.seen.drop() // unless it was kept
	for range 100 {
		now := b.Freeze(nil)
		edits := f.Edits(read, now, now.At)
		switch err := b.edit(edits, now, note(f, id)); {
		case errors.Is(err, engine.ErrStale):
			continue
		case errors.Is(err, errLost):
			return 0, err
		case err != nil && b.opts.Events.Refused != nil:
			b.opts.Events.Refused(f.File(), err)
		}
		return len(edits), f.seen.keep()
	}
	return 0, errBusy
}

// errLost means that the log did not take an edit: the file still holds it.
var errLost = errors.New("the append-only file cannot be written")

// edit does commands as one unit, and returns when the log has it.
func (b *Backend) edit(edits []engine.Edit, basis *engine.View, note string) error {
	kept := make(fate, 1)
	err := b.Edit(edits, basis, note, kept)
	if b.log == nil || errors.Is(err, engine.ErrStale) {
		return err
	}
	if lost := <-kept; lost != nil {
		return errors.Join(errLost, lost)
	}
	return err
}

// fate is what became of a unit.
type fate chan error

// Release implements [engine.Releaser].
func (f fate) Release(uint64) { f <- nil }

// Fail implements [engine.Releaser].
func (f fate) Fail(_ uint64, err error) { f <- err }
