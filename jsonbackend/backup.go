package jsonbackend

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// Backup copies a directory, which may be served meanwhile, to one that is empty or not there yet. The copy starts, and
// holds everything that was acknowledged before.
//
// The JSON files come first, then what is remembered of them, last the append-only file: so no file of the copy is newer
// than what the copy remembers, and none is taken for an edit.
func Backup(opts Options, to string) error {
	b, err := New(opts)
	if err != nil {
		return err
	}
	if to, err = filepath.Abs(to); err != nil {
		return fmt.Errorf("back up to %s: %w", to, err)
	}
	if names, err := b.disk.List(to); err == nil && len(names) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("back up to %s: it is there and not empty; choose another directory", to), err)
	}
	from := filepath.Join(b.opts.Dir, own)
	if err := b.checkFormat(from); err != nil {
		return err
	}
	if _, err := b.disk.Stat(from); err != nil {
		return fmt.Errorf("back up %s: omniproxy has never served it: %w", b.opts.Dir, err)
	}
	if err := disk.MakeDir(b.disk, filepath.Join(to, own), 0o700); err != nil {
		return fmt.Errorf("back up to %s: %w", to, err)
	}
	for _, f := range b.files {
		if err := b.copyFile(f.path, filepath.Join(to, f.File())); err != nil {
			return err
		}
	}
	if err := b.copyOwn(from, filepath.Join(to, own)); err != nil {
		return err
	}
	if err := aof.Copy(b.disk, filepath.Join(from, "aof"), filepath.Join(to, own, "aof")); err != nil {
		return err
	}
	return b.disk.SyncDir(to)
}

// notCopied are names in our folder that belong to a process or are copied otherwise.
var notCopied = []string{"aof", "lock", "owner"}

// copyOwn copies a folder of ours and what is in it. What goes meanwhile is passed over.
func (b *Backend) copyOwn(from, to string) error {
	if err := disk.MakeDir(b.disk, to, 0o700); err != nil {
		return fmt.Errorf("back up to %s: %w", to, err)
	}
	names, err := b.disk.List(from)
	if err != nil {
		return fmt.Errorf("back up %s: %w", from, err)
	}
	for _, name := range names {
		if slices.Contains(notCopied, name) {
			continue
		}
		from, to := filepath.Join(from, name), filepath.Join(to, name)
		info, err := b.disk.Stat(from)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err == nil && info.Mode.IsDir():
			err = b.copyOwn(from, to)
		case err == nil:
			err = b.copyFile(from, to)
		}
		if err != nil {
			return err
		}
	}
	return b.disk.SyncDir(to)
}

// copyFile copies a file with its permissions, if it is there.
func (b *Backend) copyFile(from, to string) error {
	info, err := b.disk.Stat(from)
	var content []byte
	if err == nil {
		content, err = disk.ReadFile(b.disk, from)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = disk.WriteFile(b.disk, to, content, info.Mode.Perm())
	}
	if err != nil {
		return fmt.Errorf("back up %s: %w", from, err)
	}
	return nil
}
