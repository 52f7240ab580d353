package jsonbackend

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// file is one JSON file of the directory: its view, and what is known of what stands on the disk. But for fresh and
// status it belongs to the publisher once that runs.
type file struct {
	lens.View
	path string
	seen *seen

	fresh  marks // since they were last taken; guarded by the engine's lock
	marked atomic.Bool
	marks  marks         // taken, not yet shown
	stale  bool          // the file says something else than the view: publish
	took   time.Duration // by the last publication
	next   time.Time     // not to be published before

	disk    stamp     // as it was when it was last published or read; zero = it was not there
	suspect stamp     // as it was at the last look
	since   time.Time // since when it looks like that
	differs time.Time // since when it differs from disk
	broken  error     // why what stands there cannot be read: it is left alone

	published   time.Time // when it last was; zero = not since the start
	unpublished error     // why it cannot be
	status      atomic.Pointer[fileStatus]
}

// fileStatus is what INFO says of a file.
type fileStatus struct {
	hidden      int // keys that it has no words for
	published   time.Time
	broken      error
	unpublished error
}

// report publishes the file's status.
func (f *file) report() {
	f.status.Store(&fileStatus{f.Hidden(), f.published, f.broken, f.unpublished})
}

// stamp tells whether a file may have changed.
type stamp struct {
	size  int64
	mtime int64 // nanoseconds
	inode uint64
}

func stampOf(info os.FileInfo) stamp {
	return stamp{info.Size(), info.ModTime().UnixNano(), inode(info)}
}

// unknown is the stamp of what could not be read.
var unknown = stamp{size: -1}

// look returns the stamp of what stands on the disk; zero if there is nothing.
func (f *file) look() (stamp, error) {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return stamp{}, nil
	case err != nil:
		return stamp{}, fmt.Errorf("look at %s: %w", f.File(), err)
	}
	return stampOf(info), nil
}

// read returns the file's content and stamp; nil if there is none. errMoving means that it is being written.
func (f *file) read() (doc []byte, stands stamp, err error) {
	if stands, err = f.look(); err != nil || stands == (stamp{}) {
		return nil, stands, err
	}
	doc, err = os.ReadFile(f.path)
	if err != nil {
		return nil, stands, fmt.Errorf("read %s: %w", f.File(), err)
	}
	if again, err := f.look(); err != nil || again != stands {
		return nil, stands, errMoving
	}
	return doc, stands, nil
}

// errMoving stops reading a file that is being written, and publishing over one that was written meanwhile.
var errMoving = errors.New("another program is writing the file")

// load makes doc the view's document. The error names file, line and column. A file without a word in it is no document:
// it is one that is being written, or was lost.
func (f *file) load(doc []byte) error {
	if len(bytes.TrimSpace(doc)) == 0 {
		return fmt.Errorf("%s:1:1: the file is empty; without records it would hold {} or []", f.path)
	}
	err := f.View.Load(doc)
	var syntax *pyjson.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s:%d:%d: %s", f.path, syntax.Line, syntax.Column, syntax.Msg)
	}
	return err
}

// stageName is the name under which a file is written before it takes the place of path.
func stageName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".omniproxy")
}

// publish writes the view's document over the file: staged beside it, synced, and renamed, so that a reader finds the old
// or the new document at any instant. Mode and owner stay. A symbolic link stays one: what it points to is replaced.
func (f *file) publish() (size int64, err error) {
	target, err := resolve(f.path)
	if err != nil {
		return 0, err
	}
	stage, err := createStage(target)
	if err != nil {
		return 0, err
	}
	defer func() {
		stage.Close()
		os.Remove(stage.Name()) // unless it was renamed
		f.seen.drop()           // unless it was kept
	}()
	hash := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(stage, hash), 1<<20)
	if size, err = f.WriteTo(buffered); err != nil {
		return 0, err
	}
	if err := buffered.Flush(); err != nil {
		return 0, err
	}
	if err := stage.Sync(); err != nil {
		return 0, err
	}
	if err := f.seen.stage(versionID(hash.Sum(nil)), true, f.Base()); err != nil {
		return 0, err
	}
	return size, f.replace(stage, target)
}

// replace puts the staged file in the place of target, unless that is not what was last seen.
func (f *file) replace(stage *os.File, target string) error {
	info, err := stage.Stat()
	if err != nil {
		return err
	}
	stage.Close() // it is synced; some systems rename no open file
	if now, err := f.look(); err != nil {
		return err
	} else if now != f.disk {
		return errMoving
	}
	switch err := os.Rename(stage.Name(), target); {
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%w: it is mounted by itself; mount its directory instead", err)
	case err != nil:
		return err
	}
	f.disk = stampOf(info)
	f.suspect = f.disk
	if err := f.seen.keep(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(target))
}

// createStage creates the file that will replace target, with its mode and, where that is permitted, its owner.
func createStage(target string) (*os.File, error) {
	name := stageName(target)
	os.Remove(name) // what a crash left
	info, err := os.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		return nil, err
	}
	stage, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = chown(stage, info)
	if err == nil {
		err = stage.Chmod(info.Mode().Perm())
	}
	if err != nil {
		stage.Close()
		os.Remove(name)
		return nil, err
	}
	return stage, nil
}

// resolve follows symbolic links, also one whose target is not there yet.
func resolve(path string) (string, error) {
	const mostLinks = 40
	for range mostLinks {
		target, err := filepath.EvalSymlinks(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return target, err
		}
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(path), link)
		}
		path = link
	}
	return "", &fs.PathError{Op: "resolve", Path: path, Err: syscall.ELOOP}
}

// keepOriginal keeps, in a folder, what the file was before omniproxy ever saw it.
func keepOriginal(dir string, f *file, doc []byte) error {
	to := filepath.Join(dir, f.File())
	_, err := os.Lstat(to)
	if err == nil {
		return nil
	}
	if err = os.MkdirAll(dir, 0o700); err == nil {
		err = writeFile(to, doc, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep original of %s: %w", f.File(), err)
	}
	return nil
}
