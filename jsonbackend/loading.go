package jsonbackend

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// loading is how far Load is.
type loading struct {
	began       time.Time
	done, total atomic.Int64 // bytes of the append-only file or, at a first load, of the JSON files
}

// Loading reports whether Load is still to be done: then nothing but what Redis allows while it loads may be asked, as
// [resp.RefuseWhile] sees to.
func (b *Backend) Loading() bool { return b.loading.Load() != nil }

// progress notes and reports how much is loaded.
func (b *Backend) progress(done, total int64) {
	if l := b.loading.Load(); l != nil {
		l.done.Store(done)
		l.total.Store(total)
	}
	if b.opts.Events.Loading != nil {
		b.opts.Events.Loading(done, total)
	}
}

// A first load makes the keys from the files, one file after the other. Only then a view that can do so reads its file piece
// by piece, as at every start, and keeps no text of what the keys say: no large file is in memory as a whole.

// contents are the versions of the files that the keys were made from. A file that is not there has none.
type contents map[*file]seen.ID

// fill makes the keys from the files.
func (b *Backend) fill() (filled contents, err error) {
	err = patiently(func() (err error) {
		filled, err = b.fillOnce()
		return err
	})
	return filled, err
}

func (b *Backend) fillOnce() (contents, error) {
	if err := b.Engine.Replay(0, [][]byte{[]byte("FLUSHALL")}); err != nil { // of an attempt that found a file moving
		return nil, err
	}
	var done, total int64
	for _, f := range b.files {
		stands, err := f.look()
		if err != nil {
			return nil, err
		}
		total += stands.size
	}
	b.progress(0, total)
	filled := contents{}
	for _, f := range b.files {
		id, stands, err := b.fillFrom(f, func(bytes int) {
			done += int64(bytes)
			b.progress(done, total)
		})
		if err != nil {
			return nil, err
		}
		if f.stands(stands); stands != (stamp{}) {
			filled[f] = id
		}
	}
	return filled, nil
}

// fillFrom makes the keys from one file. progress is told of the bytes that were read.
func (b *Backend) fillFrom(f *file, progress func(bytes int)) (id seen.ID, stands stamp, err error) {
	now := b.Freeze(nil)
	do := func(e engine.Edit) error {
		if err := b.Engine.Replay(e.DB, e.Args); err != nil {
			return fmt.Errorf("load %s: %s %q: %w", f.path, e.Args[0], e.Args[1], err)
		}
		return nil
	}
	if v, ok := f.View.(lens.Streamed); ok {
		return f.streamDoc(func(from io.Reader) error { return v.Commands(progressing{from, progress}, now.At, do) })
	}
	doc, stands, err := f.read()
	if err == nil && doc != nil {
		err = f.load(doc)
	}
	if err != nil || doc == nil {
		return id, stands, err
	}
	for e := range f.Edits(lens.Base{}, now, now.At) {
		if err := do(e); err != nil {
			return id, stands, err
		}
	}
	progress(len(doc))
	return seen.IDOf(doc), stands, nil
}

// progressing tells of what is read.
type progressing struct {
	io.Reader
	progress func(bytes int)
}

func (p progressing) Read(to []byte) (n int, err error) {
	n, err = p.Reader.Read(to)
	p.progress(n)
	return n, err
}

// firstLoad keeps what the files say: the originals, what was read, and last the append-only file, whose base appears at one
// instant. Until then the log is empty, and the next start loads the files again. filled is nil if they are not loaded yet.
func (b *Backend) firstLoad(own string, filled contents) (err error) {
	if filled == nil { // the first load before this one did not come to its end
		if filled, err = b.fill(); err != nil {
			return err
		}
	}
	for _, f := range b.files {
		if err := b.disk.Remove(b.historyPath(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("first load: %w", err)
		}
		if err := b.openHistory(f); err != nil {
			return err
		}
		if _, _, err := f.stream(func(from io.Reader) error { return keepOriginal(filepath.Join(own, "originals"), f, from) }); err != nil {
			return err
		}
	}
	if err := b.remember(filled); err != nil {
		return err
	}
	if err := b.writeLoose(); err != nil {
		return err
	}
	if len(filled) == 0 {
		return nil
	}
	return b.rewrite()
}

// remember notes contents as read, and brings the views in line with the keys.
func (b *Backend) remember(filled contents) error {
	for _, f := range b.files {
		if id, ok := filled[f]; ok {
			if err := b.loadFilled(f, id); err != nil {
				return err
			}
			if _, err := f.seen.Stage(seen.Read, id, f.Base()); err != nil {
				return err
			}
			if err := f.seen.Keep(); err != nil {
				return err
			}
		}
		f.loose = f.Loose()
		b.showAll(f)
	}
	return nil
}

// loadFilled makes the content from which the keys were made the document of a view that has not loaded it yet.
func (b *Backend) loadFilled(f *file, id seen.ID) error {
	v, ok := f.View.(lens.Streamed)
	if !ok {
		return nil
	}
	now, _, err := f.streamDoc(func(from io.Reader) error { return v.Read(from, b.Freeze(nil)) })
	if err == nil && now != id {
		err = fmt.Errorf("%s: %w", f.path, errMoving)
	}
	return err
}
