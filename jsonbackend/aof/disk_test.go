package aof

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
)

var errCrash = errors.New("the machine is gone")

// memDisk is a disk that remembers what would be left after a crash.
type memDisk struct {
	mu      sync.Mutex
	live    map[string]*memFile // what the process sees
	safe    map[string]*memFile // entries as of the last sync of the directory
	since   []func(map[string]*memFile)
	ops     int // changes so far
	failAt  int // the change that fails, counted from 1; 0 = none
	crash   bool
	crashed bool // after failAt, if crash
	syncs   int  // of files
}

// memFile is the content of a file. The first synced bytes of data are on the disk; before, if set, is what was there
// before it was shortened, and still may be.
type memFile struct {
	data   []byte
	synced int
	before []byte
}

func newMemDisk() *memDisk {
	return &memDisk{live: map[string]*memFile{}, safe: map[string]*memFile{}}
}

// step counts a change. The caller holds mu.
func (d *memDisk) step() error {
	d.ops++
	if d.ops == d.failAt || d.crashed {
		d.crashed = d.crash
		return errCrash
	}
	return nil
}

func (d *memDisk) entries(edit func(map[string]*memFile)) {
	edit(d.live)
	d.since = append(d.since, edit)
}

func (d *memDisk) open(name string, flag int) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.live[name]
	switch {
	case !ok && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case ok && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case !ok:
		if err := d.step(); err != nil {
			return nil, err
		}
		f = &memFile{}
		d.entries(func(m map[string]*memFile) { m[name] = f })
	case flag&os.O_TRUNC != 0:
		if err := d.step(); err != nil {
			return nil, err
		}
		f.before, f.data, f.synced = f.data[:f.synced], nil, 0
	}
	return &memHandle{disk: d, f: f}, nil
}

func (d *memDisk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	f := d.live[from]
	d.entries(func(m map[string]*memFile) {
		m[to] = f
		delete(m, from)
	})
	return nil
}

func (d *memDisk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.live[name]; !ok {
		return fs.ErrNotExist
	}
	if err := d.step(); err != nil {
		return err
	}
	d.entries(func(m map[string]*memFile) { delete(m, name) })
	return nil
}

func (d *memDisk) names() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.live)), nil
}

func (d *memDisk) sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.safe, d.since = maps.Clone(d.live), nil
	return nil
}

// revive is the disk as the next process finds it after kill -9: all that was written is there, but not safe.
func (d *memDisk) revive() *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failAt, d.crash, d.crashed = 0, false, false
	return d
}

// copy is another disk in the same state.
func (d *memDisk) copy() *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, files := newMemDisk(), map[*memFile]*memFile{}
	clone := func(from map[string]*memFile) map[string]*memFile {
		to := map[string]*memFile{}
		for name, f := range from {
			if files[f] == nil {
				files[f] = &memFile{bytes.Clone(f.data), f.synced, bytes.Clone(f.before)}
			}
			to[name] = files[f]
		}
		return to
	}
	next.live, next.safe = clone(d.live), clone(d.safe)
	live := maps.Clone(next.live)
	next.since = []func(map[string]*memFile){func(m map[string]*memFile) {
		clear(m)
		maps.Copy(m, live)
	}}
	return next
}

// powerCut is the disk after a power cut. keep chooses, from 0 to n, how much of what was not synced survives. Changes
// of the directory survive one without the other. Zeros fill the rest of a file when an odd number of bytes is left.
func (d *memDisk) powerCut(keep func(n int) int) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries := maps.Clone(d.safe)
	for _, edit := range d.since {
		if keep(1) == 1 {
			edit(entries)
		}
	}
	next := newMemDisk()
	for name, f := range entries {
		n := f.synced + keep(len(f.data)-f.synced)
		left := bytes.Clone(f.data[:n])
		switch {
		case f.before != nil && keep(1) == 0:
			left = f.before
		case n%2 == 1:
			left = append(left, make([]byte, len(f.data)-n)...)
		}
		next.live[name] = &memFile{data: left, synced: len(left)}
	}
	next.safe = maps.Clone(next.live)
	return next
}

// syncCount returns how many times a file was synced.
func (d *memDisk) syncCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// content returns every file.
func (d *memDisk) content() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]string{}
	for name, f := range d.live {
		all[name] = string(f.data)
	}
	return all
}

// memHandle is an open file. Writes append.
type memHandle struct {
	disk   *memDisk
	f      *memFile
	pos    int
	closed bool
}

func (h *memHandle) Read(b []byte) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.pos >= len(h.f.data) {
		return 0, io.EOF
	}
	n := copy(b, h.f.data[h.pos:])
	h.pos += n
	return n, nil
}

func (h *memHandle) Seek(offset int64, whence int) (int64, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.pos = int(offset)
	if whence == io.SeekEnd {
		h.pos = len(h.f.data) + int(offset)
	}
	return int64(h.pos), nil
}

func (h *memHandle) Write(b []byte) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.closed {
		return 0, fs.ErrClosed
	}
	if err := h.disk.step(); err != nil {
		n := len(b) / 2
		if h.disk.ops > h.disk.failAt {
			n = 0
		}
		h.f.data = append(h.f.data, b[:n]...)
		return n, err
	}
	h.f.data = append(h.f.data, b...)
	return len(b), nil
}

func (h *memHandle) Sync() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.closed {
		return fs.ErrClosed
	}
	if err := h.disk.step(); err != nil {
		return err
	}
	h.f.synced, h.f.before = len(h.f.data), nil
	h.disk.syncs++
	return nil
}

func (h *memHandle) Truncate(size int64) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.disk.step(); err != nil {
		return err
	}
	if int(size) < h.f.synced {
		h.f.before = bytes.Clone(h.f.data[:h.f.synced])
		h.f.synced = int(size)
	}
	h.f.data = h.f.data[:size]
	return nil
}

func (h *memHandle) Close() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.closed = true
	return nil
}
