// Package aof remembers what happened to a keyspace, in the files of a Redis 7 append-only file: a manifest, a base
// and increments, which a real Redis loads and redis-check-aof accepts.
//
// What happens under one lock is a unit: deterministic Redis commands of one instant, followed by a line with the
// unit's number and checksum, which Redis skips. [Open] replays the units, [Log.Append] buffers new ones without ever
// touching a file, [Log.Synced] tells when one is as durable as the [Policy] asks, and a [Rewrite] replaces the past by
// a base that says the same in fewer bytes. When the disk fails, [Log.Resume] and a rewrite mend the log. [Check], [Repair]
// and [Copy] are for logs that nobody serves, or somebody else does. The format is described in docs/format/aof.md.
//
// The package must never know what a command means, beyond SELECT, MULTI and EXEC.
//
// Its invariant: what a replay yields is a prefix of the units appended, each whole, in order, and long enough to hold
// every unit that was released.
package aof
