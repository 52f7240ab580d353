package disktest

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// Op is an operation that is about to be done.
type Op struct {
	Name   string // "open", "create", "read", "write", "truncate", "sync", "stat", "list", "rename", ...
	Path   string // for rename, exchange and link: the first of both
	Size   int    // of a write, in bytes
	Change bool   // it changes something, or makes it durable
}

// Disk is a file system in memory. Its paths are absolute.
type Disk struct {
	*files
	before func(Op) error
}

// files is what several programs share.
type files struct {
	mu       sync.Mutex
	root     *node
	since    []edit // of names, that are not durable yet
	clock    int64
	nodes    uint64
	capacity int64
	syncs    int
}

// edit is a change of names at one instant. A node of nil is a name that goes.
type edit []struct {
	dir  *node
	name string
	node *node
}

// New returns an empty disk.
func New() *Disk {
	f := &files{}
	f.root = f.newNode(fs.ModeDir | 0o755)
	return &Disk{files: f}
}

// Before sets what is called before each operation; its error is the operation's. Nothing is locked meanwhile, so it may
// use [Disk.Aside]. It is called from whatever goroutine does the operation. A write that fails with [Torn] was begun.
func (d *Disk) Before(f func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

// Aside is the same files as another program sees them: nothing is called before its operations.
func (d *Disk) Aside() *Disk { return &Disk{files: d.files} }

// SetCapacity makes a write fail with ENOSPC that would leave more than so many bytes in all files, after writing what
// fits. Then nothing can be created either. 0 = unlimited.
func (d *Disk) SetCapacity(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = bytes
}

// Used is how many bytes all files have.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used()
}

// Files returns the content of every file, by path.
func (d *Disk) Files() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]string{}
	d.walk(d.root, "/", func(path string, n *node) { all[path] = string(n.data) })
	return all
}

// Syncs is how many times a file was synced.
func (d *Disk) Syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// call asks the hook.
func (d *Disk) call(op Op) error {
	d.mu.Lock()
	before := d.before
	d.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(op)
}

// Open implements [disk.Disk].
func (d *Disk) Open(path string, flag int, perm fs.FileMode) (disk.File, error) {
	op := Op{Name: "open", Path: path, Change: flag&os.O_TRUNC != 0}
	if flag&os.O_CREATE != 0 {
		if _, err := d.look(path); err != nil {
			op.Name, op.Change = "create", true
		}
	}
	if err := d.call(op); err != nil {
		return nil, &fs.PathError{Op: op.Name, Path: path, Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.open(path, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: op.Name, Path: path, Err: err}
	}
	return &handle{disk: d, node: n, path: path, flag: flag}, nil
}

func (f *files) open(path string, flag int, perm fs.FileMode) (*node, error) {
	dir, name, err := f.parent(path)
	if err != nil {
		return nil, err
	}
	n := dir.names[name]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case n == nil && f.full():
		return nil, syscall.ENOSPC
	case n == nil:
		n = f.newNode(perm)
		f.edit(edit{{dir, name, n}})
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case n.isDir():
		return nil, syscall.EISDIR
	case flag&os.O_TRUNC != 0:
		n.truncate(0)
		n.changed = f.now()
	}
	return n, nil
}

// Stat implements [disk.Disk].
func (d *Disk) Stat(path string) (disk.Info, error) {
	err := d.call(Op{Name: "stat", Path: path})
	if err == nil {
		var n *node
		if n, err = d.look(path); err == nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			return n.info(), nil
		}
	}
	return disk.Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
}

func (n *node) info() disk.Info {
	return disk.Info{Size: int64(len(n.data)), Changed: n.changed, Mode: n.mode, ID: n.id, UID: n.uid, GID: n.gid}
}

// List implements [disk.Disk].
func (d *Disk) List(dir string) ([]string, error) {
	err := d.call(Op{Name: "list", Path: dir})
	if err == nil {
		var n *node
		if n, err = d.look(dir); err == nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			return slices.Sorted(maps.Keys(n.names)), nil
		}
	}
	return nil, &fs.PathError{Op: "list", Path: dir, Err: err}
}

// Resolve implements [disk.Disk]: there are no symbolic links.
func (d *Disk) Resolve(path string) (string, error) { return path, nil }

// Mkdir implements [disk.Disk].
func (d *Disk) Mkdir(path string, perm fs.FileMode) error {
	return d.change(Op{Name: "mkdir", Path: path}, func(dir *node, name string) (edit, error) {
		switch {
		case dir.names[name] != nil:
			return nil, fs.ErrExist
		case d.full():
			return nil, syscall.ENOSPC
		}
		return edit{{dir, name, d.newNode(fs.ModeDir | perm)}}, nil
	})
}

// Rename implements [disk.Disk].
func (d *Disk) Rename(from, to string) error {
	return d.change(Op{Name: "rename", Path: from}, func(dir *node, name string) (edit, error) {
		toDir, toName, err := d.parent(to)
		switch n := dir.names[name]; {
		case err != nil:
			return nil, err
		case n == nil:
			return nil, fs.ErrNotExist
		case toDir.names[toName] == n:
			return nil, nil
		default:
			return edit{{toDir, toName, n}, {dir, name, nil}}, nil
		}
	})
}

// Exchange implements [disk.Disk].
func (d *Disk) Exchange(a, b string) error {
	return d.change(Op{Name: "exchange", Path: a}, func(dir *node, name string) (edit, error) {
		other, otherName, err := d.parent(b)
		switch {
		case err != nil:
			return nil, err
		case dir.names[name] == nil || other.names[otherName] == nil:
			return nil, fs.ErrNotExist
		}
		return edit{{dir, name, other.names[otherName]}, {other, otherName, dir.names[name]}}, nil
	})
}

// Link implements [disk.Disk].
func (d *Disk) Link(from, to string) error {
	return d.change(Op{Name: "link", Path: from}, func(dir *node, name string) (edit, error) {
		toDir, toName, err := d.parent(to)
		switch {
		case err != nil:
			return nil, err
		case dir.names[name] == nil:
			return nil, fs.ErrNotExist
		case toDir.names[toName] != nil:
			return nil, fs.ErrExist
		}
		return edit{{toDir, toName, dir.names[name]}}, nil
	})
}

// Remove implements [disk.Disk].
func (d *Disk) Remove(path string) error {
	return d.change(Op{Name: "remove", Path: path}, func(dir *node, name string) (edit, error) {
		switch n := dir.names[name]; {
		case n == nil:
			return nil, fs.ErrNotExist
		case len(n.names) > 0:
			return nil, syscall.ENOTEMPTY
		}
		return edit{{dir, name, nil}}, nil
	})
}

// SyncDir implements [disk.Disk].
func (d *Disk) SyncDir(dir string) error {
	err := d.call(Op{Name: "syncdir", Path: dir, Change: true})
	if err == nil {
		var n *node
		if n, err = d.look(dir); err == nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.keep(n)
			return nil
		}
	}
	return &fs.PathError{Op: "sync", Path: dir, Err: err}
}

// change changes names; about decides how, from where op.Path stands.
func (d *Disk) change(op Op, about func(dir *node, name string) (edit, error)) error {
	op.Change = true
	err := d.call(op)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		var dir *node
		var name string
		if dir, name, err = d.parent(op.Path); err == nil {
			var e edit
			if e, err = about(dir, name); err == nil {
				d.edit(e)
				return nil
			}
		}
	}
	return &fs.PathError{Op: op.Name, Path: op.Path, Err: err}
}

// edit does a change of names. The caller holds mu.
func (f *files) edit(e edit) {
	for _, c := range e {
		put(c.dir.names, c.name, c.node)
		c.dir.changed = f.now()
	}
	f.since = append(f.since, e)
}

// keep makes durable what happened to the names in dir: the whole of every change that touches it.
func (f *files) keep(dir *node) {
	f.since = slices.DeleteFunc(f.since, func(e edit) bool {
		touches := false
		for _, c := range e {
			touches = touches || c.dir == dir
		}
		if touches {
			for _, c := range e {
				put(c.dir.kept, c.name, c.node)
			}
		}
		return touches
	})
}

func put(names map[string]*node, name string, n *node) {
	if n == nil {
		delete(names, name)
	} else {
		names[name] = n
	}
}

// look finds what stands at path.
func (f *files) look(path string) (*node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.find(path)
}

func (f *files) find(path string) (*node, error) {
	n := f.root
	for _, name := range strings.FieldsFunc(filepath.ToSlash(path), func(r rune) bool { return r == '/' }) {
		if !n.isDir() {
			return nil, syscall.ENOTDIR
		}
		if n = n.names[name]; n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

// parent finds the directory of path, which need not be there, and its name in it.
func (f *files) parent(path string) (dir *node, name string, err error) {
	above, name := filepath.Split(path)
	if dir, err = f.find(above); err == nil && !dir.isDir() {
		err = syscall.ENOTDIR
	}
	return dir, name, err
}

func (f *files) newNode(mode fs.FileMode) *node {
	f.nodes++
	n := &node{id: f.nodes, mode: mode, changed: f.now()}
	if n.isDir() {
		n.names, n.kept = map[string]*node{}, map[string]*node{}
	}
	return n
}

// now is a clock that never shows the same time twice.
func (f *files) now() time.Time {
	f.clock++
	return time.Unix(1e9, f.clock*1000)
}

func (f *files) full() bool { return f.capacity > 0 && f.used() >= f.capacity }

func (f *files) used() (bytes int64) {
	counted := map[*node]bool{}
	f.walk(f.root, "/", func(_ string, n *node) {
		if !counted[n] {
			counted[n] = true
			bytes += int64(len(n.data))
		}
	})
	return bytes
}

// walk visits every file below dir in the order of names.
func (f *files) walk(dir *node, path string, visit func(path string, n *node)) {
	for _, name := range slices.Sorted(maps.Keys(dir.names)) {
		n, path := dir.names[name], filepath.Join(path, name)
		if n.isDir() {
			f.walk(n, path, visit)
		} else {
			visit(path, n)
		}
	}
}
