package jsonbackend

import (
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// Options of a directory that is served.
type Options struct {
	Dir        string // the data directory, made if it is missing
	Prefix     string // of OmniDaemon's keys
	DB         int    // the database that the documented files show
	Fsync      aof.Policy
	MetricsCap int    // how many metrics an XADD leaves; 0 = as many as it asks for itself
	ReadOnly   bool   // serve the files and follow edits; never write
	Ephemeral  bool   // load the files, keep writes in memory
	Snapshot   bool   // load what a start would serve, edits made while nobody did included; nothing is written or followed
	Stop       func() // SHUTDOWN asks for the end of the process; it must not block. nil: SHUTDOWN is refused
	Events     Events
	LogLevel   LogLevel // what CONFIG SET loglevel changes; nil: nothing
	// Added is told of each XADD of a client to a stream of the database DB that was done: of the fields and their values in
	// turn, which die with the call. Everybody waits until it returns. It may be nil.
	Added func(key []byte, pairs [][]byte)

	disk disk.Disk // of a test; nil = the operating system's
}

// LogLevel is the level of the process' log by Redis' names: debug, verbose, notice, warning.
type LogLevel interface {
	Get() string
	Set(name string)
}

// Events are what a backend reports; nil functions are not called. They come from several goroutines and must not call
// the backend.
type Events struct {
	Loading     func(done, total int64)                // bytes of the append-only file or, at a first load, of the JSON files
	Torn        func(file string, offset, bytes int64) // the end of a unit that was being written was cut off
	Copied      func()                                 // the directory is a copy that was made while the original was written
	Published   func(file string, bytes int64, took time.Duration)
	Unpublished func(file string, err error)                  // told once; it is tried again, and nothing is lost
	Edited      func(file string, commands int)               // somebody else wrote it, and it was read
	Refused     func(file string, err error)                  // a part of that could not be done, and is published over
	Ignored     func(file string)                             // somebody else wrote it, but nothing that is an edit: it is published over
	Outrun      func(file, kept string)                       // of a copy: the log says more than the file, which is published over and kept there
	Replaced    func(file string, keys []string, kept string) // values of these keys were removed or overwritten by that, and are kept there
	Stranger    func(dir string)                              // another program keeps writing the directory, and never reads again; told once
	Broken      func(file string, err error)                  // somebody else wrote it, and it cannot be read: it is left alone
	Mended      func(file string)                             // it can be read again, or is gone
	Synced      func(took time.Duration)                      // what was written of the append-only file was forced to disk
	Rewritten   func(bytes int64, took time.Duration)
	Unrewritten func(err error)           // the append-only file stays as it is, complete; it is tried again
	LogFailed   func(err error)           // nothing is kept at present: writes are refused, and it is tried again
	LogResumed  func(after time.Duration) // writes are taken again, and nothing that was acknowledged is missing
}
