package jsonbackend

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// openSnapshot makes the keys what a start would serve. Whatever that would decide about the files on disk it decides in
// memory.
func (b *Backend) openSnapshot() error {
	own := filepath.Join(b.opts.Dir, own)
	if err := b.checkFormat(own); err != nil {
		return err
	}
	log := filepath.Join(own, "aof")
	if names, err := b.disk.List(log); errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
		return b.openTransient()
	}
	logged := map[string]seen.ID{}
	report, err := aof.Check(b.disk, log, b.replayed(logged))
	if err != nil {
		return b.unreplayed(log, err)
	}
	b.copied = report.Copy
	if report.Seq == 0 && report.Effects == 0 {
		return b.openTransient()
	}
	return b.reopen(logged)
}

// readOnly is a disk on which nothing can be changed.
type readOnly struct{ disk.Disk }

func (d readOnly) Open(path string, flag int, perm fs.FileMode) (disk.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND) != 0 {
		return nil, unwritable("open", path)
	}
	return d.Disk.Open(path, flag, perm)
}

func (readOnly) Mkdir(path string, _ fs.FileMode) error { return unwritable("mkdir", path) }
func (readOnly) Rename(_, to string) error              { return unwritable("rename", to) }
func (readOnly) Exchange(_, to string) error            { return unwritable("exchange", to) }
func (readOnly) Link(_, to string) error                { return unwritable("link", to) }
func (readOnly) Remove(path string) error               { return unwritable("remove", path) }
func (readOnly) SyncDir(dir string) error               { return unwritable("sync", dir) }

func unwritable(op, path string) error { return &fs.PathError{Op: op, Path: path, Err: syscall.EROFS} }
