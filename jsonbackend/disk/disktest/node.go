package disktest

import (
	"bytes"
	"io/fs"
	"time"
)

// sector is how many bytes a disk writes whole or not at all.
const sector = 512

// node is a file or a directory.
type node struct {
	id       uint64
	mode     fs.FileMode
	uid, gid int

	names map[string]*node // of a directory, as processes see them
	kept  map[string]*node // as of its last sync

	data    []byte // of a file, as processes see it
	synced  []byte // as of its last sync
	dirty   int    // before it data is what is synced, but for what is lost
	short   int    // the least length since then, at most that of synced
	lost    []span // what a failed sync was to write: later ones pass over it
	changed time.Time
}

// span is a range of bytes.
type span struct{ from, to int }

func (n *node) isDir() bool { return n.mode.IsDir() }

// write puts b at from.
func (n *node) write(b []byte, from int) {
	to := from + len(b)
	if to > len(n.data) {
		n.data = append(n.data, make([]byte, to-len(n.data))...)
	}
	copy(n.data[from:], b)
	n.dirty = min(n.dirty, from)
	n.found(from, to)
}

// truncate makes the file size bytes long.
func (n *node) truncate(size int) {
	n.dirty, n.short = min(n.dirty, size, len(n.data)), min(n.short, size)
	if size > len(n.data) {
		n.data = append(n.data, make([]byte, size-len(n.data))...)
	}
	n.data = n.data[:size:size]
	n.found(size, 1<<62)
}

// found notes that what is in a range now is not lost.
func (n *node) found(from, to int) {
	var left []span
	for _, s := range n.lost {
		if s.from < from {
			left = append(left, span{s.from, min(s.to, from)})
		}
		if s.to > to {
			left = append(left, span{max(s.from, to), s.to})
		}
	}
	n.lost = left
}

// sync makes the content durable, but for what is lost.
func (n *node) sync() {
	next := bytes.Clone(n.data)
	for _, s := range n.lost {
		for i := s.from; i < min(s.to, len(next)); i++ {
			next[i] = byteAt(n.synced, i)
		}
	}
	n.synced, n.dirty, n.short = next, len(n.data), len(n.data)
}

// failSync is a sync that fails: what was to be written is lost.
func (n *node) failSync() { n.lost = append(n.lost, span{n.dirty, len(n.data)}) }

// afterCut is what a power cut leaves. keep chooses from 0 to n.
func (n *node) afterCut(keep func(n int) int) []byte {
	if n.short < len(n.synced) && keep(1) == 0 {
		return bytes.Clone(n.synced) // it was not shortened
	}
	size := n.short + keep(len(n.data)-n.short)
	left := append(bytes.Clone(n.synced[:n.dirty]), n.data[n.dirty:size]...)
	for from := n.dirty; from < size; {
		to := min(size, from/sector*sector+sector)
		if keep(2) == 0 {
			for i := from; i < to; i++ {
				left[i] = byteAt(n.synced, i)
			}
		}
		from = to
	}
	if keep(3) == 2 { // the length was written, the data was not
		left = append(left, make([]byte, len(n.data)-size)...)
	}
	return left
}

// byteAt is what the disk has at i: zero behind the end.
func byteAt(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}
