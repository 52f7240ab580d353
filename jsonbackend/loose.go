package jsonbackend

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// Records of another shape than the documented one stand for no key: nothing holds them but their file, which anybody may
// write from an older one, also while no omniproxy runs. So they are kept in loose.json, too, and merged by record as keys
// are. Before one goes from there it stands in replaced/.

func (b *Backend) loosePath() string { return filepath.Join(b.opts.Dir, own, "loose.json") }

// readLoose reads what an earlier process kept. Without it the documents say which records there are.
func (b *Backend) readLoose() error {
	path := b.loosePath()
	text, err := disk.ReadFile(b.disk, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = b.parseLoose(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; without it a start takes the records from the JSON files", path, err)
	}
	return nil
}

// parseLoose reads what writeLoose writes.
func (b *Backend) parseLoose(text []byte) error {
	list, err := pyjson.ParseList(text, 0)
	if err != nil {
		return err
	}
	for _, f := range b.files {
		var records []byte
		if ref, ok := list.Find(quoted(f.File())); ok {
			records = list.Member(ref).Value
		}
		if f.loose, err = lens.ParseLoose(records); err != nil {
			return err
		}
	}
	return nil
}

// writeLoose keeps, durably, the records of all files that stand for no key.
func (b *Backend) writeLoose() error {
	text := []byte("{")
	for _, f := range b.files {
		if records := f.loose.JSON(); records != nil {
			if len(text) > 1 {
				text = append(text, ',')
			}
			text = append(append(append(text, quoted(f.File())...), ':'), records...)
		}
	}
	path := b.loosePath()
	if err := disk.ReplaceFile(b.disk, path, path+".part", append(text, "}\n"...), 0o600); err != nil {
		return fmt.Errorf("keep records that stand for no key: %w", err)
	}
	return nil
}

// mergeLoose merges what is in a version that the view has loaded, whose writer started from read, with what stood last.
// To do it again changes nothing.
func (b *Backend) mergeLoose(f *file, id seen.ID, read lens.Base) error {
	b.setLoose(f, f.loose.Merge(f.Loose(), read))
	return b.keepLoose(f, id, "somebody else wrote "+f.File()+": these records, which stood for no key, were removed or overwritten by that version")
}

// restoreLoose puts into the view, which has loaded a version that is no edit, what stood last.
func (b *Backend) restoreLoose(f *file, id seen.ID) error {
	switch {
	case f.loose == nil:
	case b.copied: // either may be the older one
		b.setLoose(f, f.loose.Merge(f.Loose(), lens.Base{}))
	default:
		b.setLoose(f, f.loose)
	}
	return b.keepLoose(f, id, "keys took the places of these records, which stood for none")
}

func (b *Backend) setLoose(f *file, l lens.Loose) {
	f.stale = f.SetLoose(l) && !b.transient() || f.stale
}

// keepLoose keeps what the view has of such records, and first, with a reason, what it has no more.
func (b *Backend) keepLoose(f *file, id seen.ID, reason string) error {
	before, now := f.loose, f.Loose()
	gone, come := before.Without(now), now.Without(before)
	if len(gone)+len(come) == 0 {
		return nil
	}
	if b.transient() {
		f.loose = now
		return nil
	}
	if len(gone) > 0 {
		path, err := b.keepAway(f, id, reason, part{"loose", gone.JSON()})
		if err != nil {
			return err
		}
		if b.opts.Events.Replaced != nil {
			b.opts.Events.Replaced(f.File(), gone.Names(), path)
		}
	}
	f.loose = now
	err := b.writeLoose()
	if err != nil {
		f.loose = before
	}
	return err
}

// looseTaken keeps what keys took the places of since the view was loaded. It runs before that is published.
func (b *Backend) looseTaken(f *file) error {
	if f.Unkeyed() == len(f.loose) {
		return nil
	}
	id := seen.ID{}
	if last := f.seen.Last(seen.Newest); last != nil {
		id = last.ID
	}
	return b.keepLoose(f, id, "keys took the places of these records, which stood for none")
}
