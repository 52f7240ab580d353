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
	"strings"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// file is one JSON file of the directory: its view, and what is known of what stands on the disk. But for fresh and
// status it belongs to the publisher once that runs.
type file struct {
	lens.View
	index int // in lens.Views
	disk  disk.Disk
	path  string
	seen  *seen.History
	loose lens.Loose // what stands there for no key; nil = not known

	fresh  marks // since they were last taken; guarded by the engine's lock
	marked atomic.Bool
	marks  marks         // taken, not yet shown
	stale  bool          // the file says something else than the view: publish
	took   time.Duration // by the last publication
	next   time.Time     // not to be published before
	pace   pace

	known   stamp     // as it was when it was last published or read; zero = it was not there
	suspect stamp     // as it was at the last look
	since   time.Time // since when it looks like that
	differs time.Time // since when it differs from known
	certain bool      // a change since it was last published or read would have changed the stamp
	broken  error     // why what stands there cannot be read: it is left alone
	outs    []*out    // what was published over, while somebody may still write to it

	published   time.Time // when it last was; zero = not since the start
	unpublished error     // why it cannot be
	status      atomic.Pointer[fileStatus]
}

// fileStatus is what INFO says of a file.
type fileStatus struct {
	hidden      int // keys that it has no words for
	unkeyed     int // records that stand for no key, or for one that another record stands for
	published   time.Time
	broken      error
	unpublished error
}

// report publishes the file's status.
func (f *file) report() {
	f.status.Store(&fileStatus{f.Hidden(), f.Unkeyed(), f.published, f.broken, f.unpublished})
}

// stamp tells whether a file may have changed.
type stamp struct {
	size  int64
	mtime int64 // nanoseconds
	id    uint64
}

func stampOf(info disk.Info) stamp {
	return stamp{info.Size, info.Changed.UnixNano(), info.ID}
}

// unknown is the stamp of what could not be read.
var unknown = stamp{size: -1}

// coarse is how long a file system may show the same time for two changes: FAT counts in steps of two seconds.
const coarse = 2 * time.Second

// settled reports whether every change from now on shows in the stamp.
func (s stamp) settled(now time.Time) bool { return now.Sub(time.Unix(0, s.mtime)) > coarse }

// look returns the stamp of what stands on the disk; zero if there is nothing.
func (f *file) look() (stamp, error) {
	info, err := f.disk.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return stamp{}, nil
	case err != nil:
		return stamp{}, fmt.Errorf("look at %s: %w", f.File(), err)
	}
	return stampOf(info), nil
}

// steady lets read read the file, unless there is none, and returns its stamp, before as after. errMoving means that it is
// being written.
func (f *file) steady(read func() error) (stands stamp, err error) {
	if stands, err = f.look(); err != nil || stands == (stamp{}) {
		return stands, err
	}
	err = read()
	if again, lost := f.look(); lost != nil || again != stands || errors.Is(err, fs.ErrNotExist) {
		return stands, fmt.Errorf("%s: %w", f.path, errMoving)
	}
	return stands, err
}

// read returns the file's content and stamp; nil if there is none.
func (f *file) read() (doc []byte, stands stamp, err error) {
	stands, err = f.steady(func() error {
		if doc, err = disk.ReadFile(f.disk, f.path); err != nil {
			return fmt.Errorf("read %s: %w", f.File(), err)
		}
		return nil
	})
	if err != nil {
		return nil, stands, err
	}
	return doc, stands, nil
}

// stream lets read have the file's content, which need not be in memory as a whole, and returns its version and stamp. The
// stamp is zero if there is no file.
func (f *file) stream(read func(io.Reader) error) (id seen.ID, stands stamp, err error) {
	stands, err = f.steady(func() error {
		from, err := f.disk.Open(f.path, os.O_RDONLY, 0)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.File(), err)
		}
		defer from.Close()
		hash := sha256.New()
		in := io.TeeReader(from, hash)
		if err := read(in); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, in) // what read did not need
		id = seen.ID(hash.Sum(nil))
		return err
	})
	return id, stands, err
}

// version returns which content stands there.
func (f *file) version() (id seen.ID, stands stamp, err error) {
	return f.stream(func(io.Reader) error { return nil })
}

// streamDoc is stream for who reads a document. Errors are those of load.
func (f *file) streamDoc(read func(io.Reader) error) (id seen.ID, stands stamp, err error) {
	return f.stream(func(from io.Reader) error {
		in := bufio.NewReader(from)
		if start, err := in.Peek(in.Size()); err == io.EOF && isBlank(start) {
			return f.blank()
		}
		return f.located(read(in))
	})
}

// patiently does what reads files even if somebody is just writing them.
func patiently(read func() error) (err error) {
	for range 20 {
		if err = read(); !errors.Is(err, errMoving) {
			break
		}
		time.Sleep(tick)
	}
	return err
}

// readNow is read even if somebody is just writing the file.
func (f *file) readNow() (doc []byte, stands stamp, err error) {
	err = patiently(func() (err error) {
		doc, stands, err = f.read()
		return err
	})
	return doc, stands, err
}

// stands notes what the file looks like whose content was just published or read.
func (f *file) stands(as stamp) {
	f.known, f.suspect, f.certain = as, as, false
}

// errMoving stops reading a file that is being written, and publishing over one that was written meanwhile.
var errMoving = errors.New("another program is writing the file")

// load makes doc the view's document. The error names file, line and column.
func (f *file) load(doc []byte) error {
	if isBlank(doc) {
		return f.blank()
	}
	return f.located(f.View.Load(doc))
}

func isBlank(doc []byte) bool { return len(bytes.TrimSpace(doc)) == 0 }

// blank is the error of a file without a word in it. That is no document: it is one that is being written, or was lost.
func (f *file) blank() error {
	return fmt.Errorf("%s:1:1: the file is empty; without records it would hold {} or []", f.path)
}

// located names file, line and column in an error that a view reports.
func (f *file) located(err error) error {
	var syntax *pyjson.SyntaxError
	if errors.As(err, &syntax) {
		return &syntaxErrorIn{f.path, syntax}
	}
	return err
}

// syntaxErrorIn is a syntax error with the file that it is in.
type syntaxErrorIn struct {
	path string
	*pyjson.SyntaxError
}

// Error returns FILE:LINE:COLUMN: what. Where Python's words expect the place behind them, it is in front here.
func (e *syntaxErrorIn) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.path, e.Line, e.Column, strings.TrimSuffix(e.Msg, " at"))
}

func (e *syntaxErrorIn) Unwrap() error { return e.SyntaxError }

// keepOriginal keeps, in a folder, what the file was before omniproxy ever saw it.
func keepOriginal(dir string, f *file, doc io.Reader) error {
	to := filepath.Join(dir, f.File())
	_, err := f.disk.Stat(to)
	if err == nil {
		return nil
	}
	if err = disk.MakeDir(f.disk, dir, 0o700); err == nil {
		err = disk.ReplaceFrom(f.disk, to, to+".part", doc, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep original of %s: %w", f.File(), err)
	}
	return nil
}
