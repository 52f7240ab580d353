// Package jsonbackend serves a directory of OmniDaemon's JSON files: it answers commands from memory, keeps what clients
// write in an append-only file, and shows it in the JSON files that people read and edit.
//
// The append-only file is the truth; the JSON files are views of it, published at their own pace and read back when
// somebody else has written them. Nothing durable depends on a JSON file.
//
// The package must never know about sockets or flags. Its invariant: what a client was told is in the append-only file,
// and a file that somebody else wrote is never overwritten before it was read.
package jsonbackend
