// Package disk is the few operations that durability rests on: those of a file system that a crash can fall between.
//
// [OS] does them on the operating system. Package disktest does them in memory and knows what a power cut would leave,
// so that whoever builds on a [Disk] can be tested at every operation. What decides nothing about durability (locks, file
// watching) goes past it.
//
// The package must never know what files hold. Its invariant: an operation means the same on every Disk, and promises no
// more than POSIX does: a write is durable after Sync of its file, an entry of a directory after SyncDir of that.
package disk
