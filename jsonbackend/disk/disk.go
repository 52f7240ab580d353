package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Disk is a file system. Paths are those of the operating system. Errors can be asked for with [errors.Is]:
// [fs.ErrNotExist], [fs.ErrExist], [syscall.ENOSPC] and so on.
type Disk interface {
	// Open opens or creates a file; flag is made of os.O_..., perm is for a new file, before umask.
	Open(path string, flag int, perm fs.FileMode) (File, error)
	// Stat tells what stands at path, symbolic links followed.
	Stat(path string) (Info, error)
	// List returns the names in a directory, sorted.
	List(dir string) ([]string, error)
	// Resolve returns the path with symbolic links followed, also where nothing stands at their end yet.
	Resolve(path string) (string, error)

	Mkdir(path string, perm fs.FileMode) error
	// Rename gives a file another name at one instant, in place of what had that name.
	Rename(from, to string) error
	// Exchange lets two files swap names at one instant. Where the system has no such thing the error is
	// [errors.ErrUnsupported], and nothing has changed.
	Exchange(a, b string) error
	// Link gives a file a second name, which must not be there.
	Link(from, to string) error
	// Remove removes a file, or an empty directory.
	Remove(path string) error
	// SyncDir makes durable what happened to the names in a directory.
	SyncDir(dir string) error
}

// File is an open file.
type File interface {
	io.ReadWriteSeeker
	io.Closer
	// Sync makes the content durable. After an error that is not so, and a second Sync that succeeds does not change it:
	// pages that could not be written may have been forgotten.
	Sync() error
	Truncate(size int64) error
	Stat() (Info, error)
	// Resemble takes over permissions and, as far as this process may, the owner.
	Resemble(Info) error
}

// Info is what is known of a file without reading it.
type Info struct {
	Size    int64
	Changed time.Time   // the content
	Mode    fs.FileMode // with type bits
	ID      uint64      // tells files of one file system apart; 0 = the system does not say
	UID     int         // -1 = the system does not say
	GID     int
}

// ReadFile returns what a file holds.
func ReadFile(d Disk, path string) ([]byte, error) {
	f, err := d.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	content := bytes.NewBuffer(make([]byte, 0, info.Size+bytes.MinRead)) // room that need not grow
	_, err = content.ReadFrom(f)
	return content.Bytes(), err
}

// WriteFile makes path a file that holds content, synced. Its name is not: see SyncDir. A crash may leave a part of it,
// so it is for files that nobody reads before they were renamed, or before another names them.
func WriteFile(d Disk, path string, content []byte, perm fs.FileMode) error {
	return writeFrom(d, path, bytes.NewReader(content), perm)
}

func writeFrom(d Disk, path string, content io.Reader, perm fs.FileMode) error {
	f, err := d.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ReplaceFile makes path a file that holds content, durably and at one instant: it is staged under the name temp, in the
// same directory, which it takes over.
func ReplaceFile(d Disk, path, temp string, content []byte, perm fs.FileMode) error {
	return ReplaceFrom(d, path, temp, bytes.NewReader(content), perm)
}

// ReplaceFrom is ReplaceFile of what content gives.
func ReplaceFrom(d Disk, path, temp string, content io.Reader, perm fs.FileMode) error {
	if err := writeFrom(d, temp, content, perm); err != nil {
		return err
	}
	if err := d.Rename(temp, path); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(path))
}

// MakeDir creates a directory and those above it durably, where they are missing.
func MakeDir(d Disk, path string, perm fs.FileMode) error {
	if _, err := d.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(path)
	if above != path {
		if err := MakeDir(d, above, perm); err != nil {
			return err
		}
	}
	if err := d.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.SyncDir(above)
}
