package jsonbackend

import (
	"fmt"
	"maps"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// A directory may be copied file by file while it is served. Then a JSON file of the copy may be one that was published
// after what is remembered was copied: nobody edited it, and the log, copied later, may be ahead of it. It looks like an
// edit, but that it is one can only be told where the log says what is remembered. So where it says more, the keys win,
// and the file is kept in replaced/.

// ahead reports whether this is a copy, and the keys are not what the last version of a file that is remembered says.
func (b *Backend) ahead(f *file) (bool, error) {
	if !b.copied {
		return false, nil
	}
	last := f.seen.Last(seen.Newest)
	if last == nil {
		return true, nil
	}
	said, err := f.seen.Base(*last)
	if err != nil {
		return false, err
	}
	said = said.Keyed()
	v := lens.Views(b.layout, b.opts.DB)[f.index]
	v.Update(b.Freeze(nil), nil)
	now := v.Base()
	return !maps.Equal(said.Named, now.Named) || !slices.Equal(said.Order, now.Order), nil
}

// keysWin settles a file of a copy whose log is ahead.
func (b *Backend) keysWin(f *file, logged map[string]seen.ID) error {
	doc, _, _ := f.readNow() // of what cannot be read the caller hears
	outs, err := b.leftOut(f)
	if err != nil {
		return err
	}
	for _, o := range outs {
		published, err := o.read(f.disk)
		if err == nil {
			_, err = b.keepPublished(f, published)
		}
		if err == nil {
			err = f.disk.Remove(o.path)
		}
		if err != nil {
			return fmt.Errorf("what was published over: %w", err)
		}
	}
	id := seen.IDOf(doc)
	if err := b.settle(f, id, logged); err != nil || doc == nil {
		return err
	}
	base, err := b.keepPublished(f, doc)
	if err != nil || base == nil {
		return err
	}
	if _, err := f.seen.Stage(seen.Published, id, *base); err != nil {
		return err
	}
	return f.seen.Keep()
}

// keepPublished keeps a content that is not remembered, and returns what it says; nil if it is remembered, or broken.
func (b *Backend) keepPublished(f *file, doc []byte) (*lens.Base, error) {
	id := seen.IDOf(doc)
	v := lens.Views(b.layout, b.opts.DB)[f.index]
	if f.seen.Find(id, seen.Newest) != nil || v.Load(doc) != nil {
		return nil, nil
	}
	kept, err := b.keepAway(f, id, "the append-only file of this directory, which is a copy, was ahead of "+f.File()+
		": that was published while the copy was made, or edited in it later", part{"document", doc})
	if err == nil && b.opts.Events.Outrun != nil {
		b.opts.Events.Outrun(f.File(), kept)
	}
	base := v.Base()
	return &base, err
}
