package aof

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// disk is the directory of a log. Names have no path.
type disk interface {
	open(name string, flag int) (file, error) // flag: os.O_...
	rename(from, to string) error
	remove(name string) error
	names() ([]string, error)
	sync() error // makes creations, renames and removals durable
}

// file is what a log needs of an *os.File.
type file interface {
	io.ReadWriteSeeker
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// osDisk is a directory of the operating system, by its path.
type osDisk string

func (d osDisk) open(name string, flag int) (file, error) {
	f, err := os.OpenFile(filepath.Join(string(d), name), flag, 0o644)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d osDisk) rename(from, to string) error {
	return os.Rename(filepath.Join(string(d), from), filepath.Join(string(d), to))
}

func (d osDisk) remove(name string) error {
	return os.Remove(filepath.Join(string(d), name))
}

func (d osDisk) names() ([]string, error) {
	list, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d osDisk) sync() error { return syncDir(string(d)) }

// syncDir makes the entries of a directory durable. Windows cannot sync a directory; its file systems journal entries.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// makeDir creates a directory durably, if it is missing.
func makeDir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("create append-only directory: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("create append-only directory %s: %w", path, err)
	}
	return nil
}

// sizeOf returns the length of a file in bytes.
func sizeOf(d disk, name string) (int64, error) {
	f, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return size(f)
}

// size returns the length of f in bytes and leaves the position at its start.
func size(f file) (int64, error) {
	n, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return n, err
}
