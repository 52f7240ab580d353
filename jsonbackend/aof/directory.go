package aof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// directory is the files of a log and the manifest in force.
type directory struct {
	folder
	self uint64 // folder.id

	mu       sync.Mutex
	manifest manifest
	lastBase int64 // highest numbers given to a file, so that no name is used twice
	lastIncr int64
	closed   bool
}

// newDirectory knows the files in names and m.
func newDirectory(d folder, m manifest, names []string) *directory {
	dir := &directory{folder: d, self: d.id(), manifest: m}
	for _, e := range slices.Concat(m.files(), m.history) {
		names = append(names, e.name)
	}
	for _, name := range names {
		dir.lastBase = max(dir.lastBase, numberIn(name, baseInfix))
		dir.lastIncr = max(dir.lastIncr, numberIn(name, incrInfix))
	}
	dir.lastBase = max(dir.lastBase, m.base.seq)
	for _, e := range m.incrs {
		dir.lastIncr = max(dir.lastIncr, e.seq)
	}
	return dir
}

// numberIn returns the number in a name such as appendonly.aof.7.incr.aof; 0 if it is none.
func numberIn(name, infix string) int64 {
	rest, ok := strings.CutPrefix(name, fileName+".")
	number, _, found := strings.Cut(rest, infix)
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || !found || err != nil {
		return 0
	}
	return n
}

// nextBase names a base that never was.
func (d *directory) nextBase() entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lastBase++
	return baseEntry(d.lastBase)
}

// createIncr creates an increment that never was, durably. No manifest mentions it yet.
func (d *directory) createIncr() (disk.File, entry, error) {
	d.mu.Lock()
	d.lastIncr++
	name := incrEntry(d.lastIncr)
	d.mu.Unlock()
	f, err := d.open(name.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, name, fmt.Errorf("create append-only file: %w", err)
	}
	if err := d.sync(); err != nil {
		f.Close()
		d.remove(name.name) // or the next start does
		return nil, name, fmt.Errorf("sync append-only directory: %w", err)
	}
	return f, name, nil
}

// change puts a new manifest in force, durably. After an error the one in force may be the old or the new (see inForce),
// and a power cut may yet bring the old one back.
func (d *directory) change(edit func(m *manifest)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changeLocked(edit)
}

func (d *directory) changeLocked(edit func(m *manifest)) error {
	if d.closed {
		return ErrClosed
	}
	next := d.manifest
	next.history, next.incrs = slices.Clone(next.history), slices.Clone(next.incrs)
	edit(&next)
	next.dir = d.self
	const temp = tempPrefix + manifestName
	err := d.write(temp, next.String())
	if err == nil {
		err = d.rename(temp, manifestName)
	}
	if err != nil {
		d.remove(temp) // or the next start does
		return fmt.Errorf("replace append-only manifest: %w", err)
	}
	d.manifest = next
	if err := d.sync(); err != nil {
		return fmt.Errorf("sync append-only directory: %w", err)
	}
	return nil
}

// inForce reports whether the manifest in force mentions a file.
func (d *directory) inForce(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.manifest.names(name)
}

// forgetAfter removes what is history now once keep has passed: a copy of the directory that is under way still finds
// the files its manifest names.
func (d *directory) forgetAfter(keep time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := slices.Clone(d.manifest.history)
	if len(old) == 0 || d.closed {
		return
	}
	time.AfterFunc(keep, func() { d.forget(old) })
}

// forget removes files of the history. What cannot be removed stays in the manifest, for the next start to try again.
func (d *directory) forget(old []entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	gone := make(map[string]bool)
	for _, e := range old {
		if err := d.remove(e.name); err == nil || errors.Is(err, fs.ErrNotExist) {
			gone[e.name] = true
		}
	}
	d.changeLocked(func(m *manifest) {
		m.history = slices.DeleteFunc(m.history, func(e entry) bool { return gone[e.name] })
	})
}

// close stops the removals; what they left waits for the next start.
func (d *directory) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}
