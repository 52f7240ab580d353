package jsonbackend

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// A file is published by exchanging it, at one instant, with what was staged beside it. What comes out is looked at only
// then, so nothing that somebody wrote in the last moment is overwritten unseen; and it is looked at again for a while,
// for a program that had opened the file before may still write to it.
//
//	.NAME.omniproxy      being written: ours, and nobody's loss
//	.NAME.omniproxy-N    complete and in the history as version N; after the exchange what N was published over

// stageName is the name under which a file is written before it takes the place of target.
func stageName(target string) string {
	return filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".omniproxy")
}

// outName is the name of what is exchanged with target to publish a version.
func outName(target string, version int) string {
	return stageName(target) + "-" + strconv.Itoa(version)
}

// publish writes the view's document over the file, so that a reader finds the old or the new document at any instant.
// Mode and owner stay. A symbolic link stays one: what it points to is replaced.
func (b *Backend) publishFile(f *file) (size int64, err error) {
	target, err := f.disk.Resolve(f.path)
	if err != nil {
		return 0, err
	}
	if err := b.looseTaken(f); err != nil {
		return 0, err
	}
	stage := stageName(target)
	made, size, id, err := f.stage(target)
	if err != nil {
		f.disk.Remove(stage)
		return size, err
	}
	if f.seen.IsLast(id) && f.known != (stamp{}) {
		return size, f.disk.Remove(stage) // it stands there already
	}
	v, err := f.seen.Stage(seen.Published, id, f.Base())
	if err != nil {
		f.disk.Remove(stage)
		return size, err
	}
	if now, err := f.look(); err != nil || now != f.known {
		if err == nil {
			err = errMoving
		}
		f.disk.Remove(stage)
		return size, errors.Join(err, f.seen.Drop())
	}
	if f.known == (stamp{}) {
		err = f.create(stage, target)
		if err == nil {
			f.stands(made)
		}
	} else {
		err = b.exchange(f, v, stage, target, made)
	}
	if err != nil {
		return size, err
	}
	return size, f.disk.SyncDir(filepath.Dir(target))
}

// stage writes the view's document to the file that will replace target, with its mode and, where that is permitted, its
// owner, and syncs it.
func (f *file) stage(target string) (made stamp, size int64, id seen.ID, err error) {
	like, err := f.disk.Stat(target)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return made, 0, id, err
	}
	perm := fs.FileMode(0o600) // until it is as private as it must be
	if missing {
		perm = 0o644
	}
	f.disk.Remove(stageName(target)) // what a crash left
	stage, err := f.disk.Open(stageName(target), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return made, 0, id, err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	if !missing {
		if err := stage.Resemble(like); err != nil {
			return made, 0, id, err
		}
	}
	hash := sha256.New()
	buffered := bufio.NewWriterSize(f.pace.through(io.MultiWriter(stage, hash)), 1<<16)
	if size, err = f.WriteTo(buffered); err != nil {
		return made, size, id, err
	}
	if err := buffered.Flush(); err != nil {
		return made, size, id, err
	}
	if err := stage.Sync(); err != nil {
		return made, size, id, err
	}
	info, err := stage.Stat()
	return stampOf(info), size, seen.ID(hash.Sum(nil)), err
}

// create puts the staged file where there is none.
func (f *file) create(stage, target string) error {
	err := f.disk.Link(stage, target)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
		err = f.disk.Rename(stage, target)
	}
	f.disk.Remove(stage)
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = errMoving
		}
		return errors.Join(err, f.seen.Drop())
	}
	return f.seen.Keep()
}

// exchange puts the staged file in the place of target, and judges what comes out.
func (b *Backend) exchange(f *file, v seen.Version, stage, target string, made stamp) error {
	o := &out{path: outName(target, v.Number), version: v.Number}
	err := f.disk.Rename(stage, o.path)
	if err == nil {
		err = f.swap(stage, o.path, target)
	}
	if err != nil {
		f.disk.Remove(stage)
		f.disk.Remove(o.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = errMoving // the file is gone since it was looked at
		case errors.Is(err, syscall.EBUSY):
			err = fmt.Errorf("%w: it is mounted by itself; mount its directory instead", err)
		}
		return errors.Join(err, f.seen.Drop())
	}
	return b.cameOut(f, o, target, made)
}

// swap lets staged, which is ours, and target swap names. Where that is not possible at one instant, what stands at target
// gets its second name first. Only on a file system that has no links either, what came there since it was looked at would
// go unseen.
func (f *file) swap(stage, staged, target string) error {
	err := f.disk.Exchange(staged, target)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := f.disk.Rename(staged, stage); err != nil {
		return err
	}
	if err := f.disk.Link(target, staged); err != nil {
		if now, err := f.look(); err != nil || now != f.known {
			return errors.Join(err, errMoving)
		}
	}
	return f.disk.Rename(stage, target)
}

// cameOut decides about a publication by what it was exchanged for. What cannot be read goes back to its place.
func (b *Backend) cameOut(f *file, o *out, target string, made stamp) error {
	info, err := f.disk.Stat(o.path) // before the content is looked at: what changes meanwhile is judged again
	id := seen.ID{}
	if err == nil {
		id, err = f.idOf(o.path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.stands(made)
		return f.seen.Keep() // where there are no links it has no name any more
	case err != nil:
	case b.judge(f, id, o.version) != edited:
		o.judged(stampOf(info), id, time.Now())
	default:
		if doc, err := o.read(f.disk); err == nil && !b.readable(f, doc) {
			return b.putBack(f, o, target, made)
		}
	}
	f.stands(made)
	if err := f.seen.Keep(); err != nil {
		return err
	}
	b.watch(f, o)
	return nil
}

// readable reports whether a content is a document, and leaves the view alone.
func (b *Backend) readable(f *file, doc []byte) bool {
	other := &file{View: lens.Views(b.layout, b.opts.DB)[f.index], path: f.path}
	return other.load(doc) == nil
}

// putBack exchanges once more, for a file that cannot be read is not overwritten: whoever is writing it may not be done.
func (b *Backend) putBack(f *file, o *out, target string, made stamp) error {
	ours := f.seen.Staged().ID
	err := f.disk.Exchange(o.path, target)
	if errors.Is(err, errors.ErrUnsupported) {
		err = f.disk.Rename(o.path, target)
	} else if id, readErr := f.idOf(o.path); err == nil && (readErr != nil || id != ours) {
		// Somebody wrote the file in between: that is what belongs there.
		err = f.disk.Exchange(o.path, target)
		f.stands(made)
		b.watch(f, o)
		return errors.Join(err, f.seen.Keep())
	}
	if err != nil {
		return errors.Join(err, f.seen.Drop())
	}
	f.disk.Remove(o.path)
	return errors.Join(errMoving, f.seen.Drop())
}
