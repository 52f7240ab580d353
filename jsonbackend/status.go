package jsonbackend

import "github.com/omniproxy/omniproxy/jsonbackend/aof"

// Log returns the figures of the append-only file; ok is false where nothing is kept on disk, or not yet.
func (b *Backend) Log() (stats aof.Stats, ok bool) {
	if b.Loading() || b.log == nil {
		return aof.Stats{}, false
	}
	return b.log.Stats(), true
}

// FileStatus is how a JSON file is doing.
type FileStatus struct {
	File        string
	Broken      bool  // what somebody else wrote cannot be read
	Unpublished bool  // it could not be written, and is old
	Hidden      int   // values that are not of the shape that it shows
	Published   int64 // Unix seconds; 0 = not since the start
}

// Files returns the state of every file that was loaded.
func (b *Backend) Files() (all []FileStatus) {
	for _, f := range b.files {
		s := f.status.Load()
		if s == nil {
			continue
		}
		status := FileStatus{File: f.File(), Broken: s.broken != nil, Unpublished: s.unpublished != nil, Hidden: s.hidden}
		if !s.published.IsZero() {
			status.Published = s.published.Unix()
		}
		all = append(all, status)
	}
	return all
}
