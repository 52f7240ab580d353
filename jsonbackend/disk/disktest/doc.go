// Package disktest is a [disk.Disk] in memory that knows what is durable: the content a file had when it was last synced,
// and the names a directory had when that was.
//
// [Disk.Kill] is what the next process finds after kill -9, [Disk.PowerCut] what it finds after a power cut: of what was
// not synced any part, in any order, in whole sectors but for the last. [Disk.Before] is called before each operation and
// may make it fail, let another program act, or end the process: see [FailAt] and [CrashAt]. A sync that failed has lost
// what it was to write, as on Linux: a later one succeeds without it.
package disktest
