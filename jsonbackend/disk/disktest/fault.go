package disktest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// Torn is a write that fails after N bytes.
type Torn struct {
	N   int
	Err error
}

func (t Torn) Error() string { return fmt.Sprintf("%v after %d bytes", t.Err, t.N) }

// Unwrap returns the cause.
func (t Torn) Unwrap() error { return t.Err }

// ErrCrashed is what a process sees that does not know yet that it is dead.
var ErrCrashed = errors.New("the process is dead")

// Count returns a hook for [Disk.Before] that lets everything happen, and how many changes did.
func Count() (hook func(Op) error, changes func() int) {
	var n atomic.Int64
	return func(op Op) error {
		if op.Change {
			n.Add(1)
		}
		return nil
	}, func() int { return int(n.Load()) }
}

// FailAt returns a hook that makes the n-th change fail, counted from 1, and no other. A write fails in its middle.
func FailAt(n int, err error) func(Op) error {
	count, changes := Count()
	return func(op Op) error {
		count(op)
		if !op.Change || changes() != n {
			return nil
		}
		return halfway(op, err)
	}
}

// CrashAt returns a hook that ends the process at its n-th change: that fails, a write in its middle, and then everything.
func CrashAt(n int) func(Op) error {
	count, changes := Count()
	return func(op Op) error {
		if changes() >= n {
			return ErrCrashed
		}
		if count(op); changes() < n {
			return nil
		}
		return halfway(op, ErrCrashed)
	}
}

func halfway(op Op, err error) error {
	if op.Name == "write" {
		return Torn{op.Size / 2, err}
	}
	return err
}

// Some returns how much survives a power cut: nothing (seed 0), everything (seed 1), else by chance.
func Some(seed int) func(n int) int {
	chance := rand.New(rand.NewPCG(uint64(seed), 0))
	return func(n int) int {
		switch seed {
		case 0:
			return 0
		case 1:
			return n
		}
		return chance.IntN(n + 1)
	}
}

// Kill returns the disk as the next process finds it after kill -9: everything is there, and no more of it is durable
// than before. What the old process does meanwhile does not show there.
func (d *Disk) Kill() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := copier{to: d.emptyCopy(), nodes: map[*node]*node{}}
	c.to.root = c.node(d.root)
	for _, e := range d.since {
		next := slices.Clone(e)
		for i := range next {
			next[i].dir, next[i].node = c.node(next[i].dir), c.node(next[i].node)
		}
		c.to.since = append(c.to.since, next)
	}
	return &Disk{files: c.to}
}

// emptyCopy is a disk without a root. It goes on counting where this one is, so that no file is taken for another.
func (f *files) emptyCopy() *files {
	return &files{clock: f.clock, nodes: f.nodes, capacity: f.capacity}
}

// copier copies nodes, each once.
type copier struct {
	to    *files
	nodes map[*node]*node
}

func (c *copier) node(n *node) *node {
	if n == nil || c.nodes[n] != nil {
		return c.nodes[n]
	}
	next := *n
	c.nodes[n] = &next
	next.data, next.synced, next.lost = bytes.Clone(n.data), bytes.Clone(n.synced), slices.Clone(n.lost)
	next.names, next.kept = c.names(n.names), c.names(n.kept)
	return &next
}

func (c *copier) names(names map[string]*node) map[string]*node {
	if names == nil {
		return nil
	}
	next := map[string]*node{}
	for name, n := range names {
		next[name] = c.node(n)
	}
	return next
}

// PowerCut returns the disk as the next process finds it after a power cut. keep chooses, from 0 to n, how much of what
// was not synced survives (see [Some]). Changes of names survive one without the other; so do sectors of a file.
func (d *Disk) PowerCut(keep func(n int) int) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := map[*node]map[string]*node{}
	names := func(dir *node) map[string]*node {
		if kept[dir] == nil {
			kept[dir] = maps.Clone(dir.kept)
		}
		return kept[dir]
	}
	for _, e := range d.since {
		if keep(1) == 0 {
			continue
		}
		for _, c := range e {
			put(names(c.dir), c.name, c.node)
		}
	}
	to, cut := d.emptyCopy(), map[*node]*node{}
	var left func(n *node) *node
	left = func(n *node) *node {
		if cut[n] != nil {
			return cut[n]
		}
		next := &node{id: n.id, mode: n.mode, uid: n.uid, gid: n.gid, changed: n.changed}
		cut[n] = next
		if !n.isDir() {
			next.data = n.afterCut(keep)
			next.sync()
			return next
		}
		next.names = map[string]*node{}
		for _, name := range slices.Sorted(maps.Keys(names(n))) {
			next.names[name] = left(names(n)[name])
		}
		next.kept = maps.Clone(next.names)
		return next
	}
	to.root = left(d.root)
	return &Disk{files: to}
}
