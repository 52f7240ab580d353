package engine

import "time"

// Process is what INFO tells of the process and its machine. What is not known is zero.
type Process struct {
	ID         int
	System     string // "Linux 6.1.0 x86_64"
	Executable string // path

	UserTime, SystemTime                 time.Duration // of processors
	ChildrenUserTime, ChildrenSystemTime time.Duration

	Resident uint64 // bytes of memory that the process occupies
	Memory   uint64 // bytes of memory that the machine has
}

// Persistence is what INFO tells of the disk.
type Persistence struct {
	Changes    int64     // keys written since the last save
	LastSave   time.Time // that succeeded
	SaveFailed bool      // the last one
	SaveTook   time.Duration
	Saving     time.Time // when the one under way began; zero: there is none
	Saves      int64     // that succeeded

	Log     *LogState // nil: no log is kept
	Loading *Loading  // nil: all is loaded
}

// Loading is what INFO tells of a start that has not come to its end.
type Loading struct {
	Began       time.Time
	Done, Total int64 // bytes of the append-only file
}

// LogState is what INFO tells of the append-only file.
type LogState struct {
	Size, BaseSize int64 // bytes: now, and after the last rewrite
	Buffered       int   // bytes that are not written yet
	Unsynced       bool  // bytes are written that are not on the disk yet
	Failed         bool  // nothing is kept at present

	Rewriting       bool
	RewriteBegan    time.Time     // the one under way; zero: not yet
	RewriteKeys     int64         // that the one under way has written
	RewriteKeysAll  int64         // that it has to write
	RewriteBytes    int64         // that it has written
	RewriteTook     time.Duration // the last one; negative: there was none
	RewriteFailures int64         // since the last that succeeded
	Rewrites        int64         // that were begun
}
