package jsonbackend

import (
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
)

// Options of a directory that is served.
type Options struct {
	Dir        string // the data directory, made if it is missing
	Prefix     string // of OmniDaemon's keys
	DB         int    // the database that the documented files show
	Fsync      aof.Policy
	MetricsCap int  // how many metrics an XADD leaves; 0 = as many as it asks for itself
	ReadOnly   bool // serve the files and follow edits; never write
	Ephemeral  bool // load the files, keep writes in memory
	Events     Events
}

// Events are what a backend reports; nil functions are not called. They come from several goroutines and must not call
// the backend.
type Events struct {
	Loading     func(done, total int64)                // bytes of the append-only file, while it is replayed
	Torn        func(file string, offset, bytes int64) // the end of a unit that was being written was cut off
	Published   func(file string, bytes int64, took time.Duration)
	Unpublished func(file string, err error)    // told once; it is tried again, and nothing is lost
	Edited      func(file string, commands int) // somebody else wrote it, and it was read
	Refused     func(file string, err error)    // a part of that could not be done, and is published over
	Ignored     func(file string)               // somebody else wrote it, but nothing that is an edit: it is published over
	Broken      func(file string, err error)    // somebody else wrote it, and it cannot be read: it is left alone
	Mended      func(file string)               // it can be read again, or is gone
	Rewritten   func(bytes int64, took time.Duration)
	Unrewritten func(err error) // the append-only file stays as it is, complete; it is tried again
	LogFailed   func(err error) // nothing is kept any more: no client is told that a write happened
}
