package jsonbackend

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

const (
	quiet      = 100 * time.Millisecond  // a file is read when it has not changed for so long
	restless   = 1500 * time.Millisecond // or when it has been changing for so long
	missingFor = 2 * time.Second         // a file that is missing so long is published again
)

// note is what the log keeps with an edit: the file and the version that was read.
func note(f *file, id seen.ID) string { return "read " + f.File() + " " + id.String() }

func parseNote(note string) (file string, id seen.ID, ok bool) {
	words := strings.Split(note, " ")
	if len(words) != 3 || words[0] != "read" {
		return "", id, false
	}
	id, ok = seen.ParseID(words[2])
	return words[1], id, ok
}

// lookAt notices what somebody else did to a file. It waits until he is done, unless this is the last look.
func (b *Backend) lookAt(f *file, now time.Time, last bool) {
	b.lookAtOuts(f, now)
	stands, err := f.look()
	if err != nil {
		return // whoever publishes hears of it
	}
	if stands == f.known {
		f.suspect = stands
		if !f.certain && stands.settled(now) {
			b.makeCertain(f, stands)
		}
		return
	}
	if f.suspect == f.known {
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
		f.stands(stands)
		f.stale = !b.transient()
		b.showAll(f)
		b.isWhole(f)
		return
	}
	b.readAgain(f)
}

// makeCertain looks into a file that was changed, if at all, so soon after it was published or read that its time need
// not show it.
func (b *Backend) makeCertain(f *file, stands stamp) {
	f.certain = true
	if f.broken != nil || stands == (stamp{}) {
		return
	}
	if id, err := f.idOf(f.path); err == nil && !f.seen.IsLast(id) {
		b.readAgain(f)
	}
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
		f.known = unknown
		b.isBroken(f, err)
		return
	}
	if f.broken == nil { // else the view may hold nothing
		switch id := seen.IDOf(doc); b.judge(f, id, seen.Newest) {
		case unchanged:
			f.stands(stands)
			return
		case outdated:
			if err := b.restore(f, id); err != nil {
				b.isBroken(f, err)
				return
			}
			f.stands(stands)
			f.stale = !b.transient()
			return
		}
	}
	b.adopt(f, doc, stands)
}

// restore makes an earlier version, which stands on the disk again, the last one.
func (b *Backend) restore(f *file, id seen.ID) error {
	b.staleVersion()
	base, err := f.seen.Base(*f.seen.Find(id, seen.Newest))
	if err != nil {
		return err
	}
	if _, err := f.seen.Stage(seen.Published, id, base); err != nil {
		return err
	}
	return f.seen.Keep()
}

// adopt makes what stands on the disk the document: edits in it are done, then it is brought in line with the keys. What
// cannot be read is left alone.
func (b *Backend) adopt(f *file, doc []byte, stands stamp) {
	if err := f.load(doc); err != nil {
		f.stands(stands)
		b.isBroken(f, err)
		return
	}
	commands, err := -1, error(nil)
	switch id := seen.IDOf(doc); b.judge(f, id, seen.Newest) {
	case unchanged:
		err = b.restoreLoose(f, id)
	case outdated:
		if err = b.restoreLoose(f, id); err == nil {
			err = b.restore(f, id)
		}
	default:
		commands, err = b.consume(f, id, doc, seen.Read, seen.Newest)
	}
	b.adopted(f, stands, commands, err)
}

// adopted ends adopt: the view holds what stands on the disk, which came to so many commands, or to an error.
func (b *Backend) adopted(f *file, stands stamp, commands int, err error) {
	if err != nil {
		f.marks = marks{all: true} // the view holds what was not done
		b.isBroken(f, err)
		return
	}
	f.stands(stands)
	b.isWhole(f)
	b.tell(f, commands, b.showAll(f))
}

// adoptAside does the edits of a document, which the view has loaded, that was published over by a version.
func (b *Backend) adoptAside(f *file, id seen.ID, doc []byte, version int) error {
	f.stale = true // the file says something else than the document
	commands, err := b.consume(f, id, doc, seen.Aside, version)
	if err != nil {
		f.marks = marks{all: true}
		return err
	}
	b.tell(f, commands, b.showAll(f))
	return nil
}

// tell reports what somebody's version came to.
func (b *Backend) tell(f *file, commands int, over bool) {
	switch e := b.opts.Events; {
	case commands > 0 && e.Edited != nil:
		e.Edited(f.File(), commands)
	case commands == 0 && over && e.Ignored != nil:
		e.Ignored(f.File())
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

// attempts is how often an edit is thought out beside clients that write the same keys, before they have to wait for it.
const attempts = 8

// consume turns what somebody else did to the document, which the view has loaded, into one unit of work, and returns
// how many commands that took. Whatever the policy, the unit is synced: its file is about to be replaced.
func (b *Backend) consume(f *file, id seen.ID, doc []byte, kind seen.Kind, before int) (commands int, err error) {
	if f.seen.Last(before) == nil && !b.transient() {
		if err := keepOriginal(filepath.Join(b.opts.Dir, own, "originals"), f, bytes.NewReader(doc)); err != nil {
			return 0, err
		}
	}
	base := f.Base()
	read, old, err := b.startedFrom(f, base, before)
	if err != nil {
		return 0, err
	}
	if old {
		b.staleVersion()
	}
	if f.index == lens.BusFile && !b.transient() {
		if err := b.keepBus(f, id, doc); err != nil {
			return 0, err
		}
	}
	if err := b.mergeLoose(f, id, read); err != nil {
		return 0, err
	}
	if _, err := f.seen.Stage(kind, id, base); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.seen.Drop()) }() // unless it was kept
	for attempt := 1; ; attempt++ {
		var edits []engine.Edit
		var lost []string
		var kept string
		var failed error
		think := func(now *engine.View) ([]engine.Edit, bool) {
			edits = slices.Collect(f.Edits(read, now, now.At))
			lost, kept, failed = b.replace(f, id, edits, now)
			return edits, failed == nil
		}
		err := b.edit(think, attempt > attempts, note(f, id))
		switch {
		case failed != nil:
			return 0, failed
		case errors.Is(err, engine.ErrStale):
			b.unreplace(kept)
			continue
		case errors.Is(err, errLost):
			return 0, err
		case err != nil && b.opts.Events.Refused != nil:
			b.opts.Events.Refused(f.File(), err)
		}
		if kept != "" && b.opts.Events.Replaced != nil {
			b.opts.Events.Replaced(f.File(), lost, kept)
		}
		if err := b.Sync(); err != nil {
			return 0, errors.Join(errLost, err)
		}
		return len(edits), f.seen.Keep()
	}
}

// errLost means that the log did not take an edit: the file still holds it.
var errLost = errors.New("the append-only file cannot be written")

// edit does the commands that think comes to as one unit, and returns when the log has it. Clients go on meanwhile, and may
// outdate it, unless they are to wait.
func (b *Backend) edit(think func(now *engine.View) ([]engine.Edit, bool), wait bool, note string) (err error) {
	kept := make(fate, 1)
	if wait {
		err = b.EditNow(think, note, kept)
	} else {
		now := b.Freeze(nil)
		edits, ok := think(now)
		if !ok {
			return engine.ErrStale
		}
		err = b.Edit(edits, now, note, kept)
	}
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
