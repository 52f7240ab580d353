// Package source opens what the tools read and write: a Redis, a running omniproxy, or a data directory that is served by
// one or by nobody. Every one of them answers Redis commands, so a tool is written once: for a directory that nobody serves
// this process answers, in memory.
//
// The package must never know what a tool makes of what it reads, nor anything about flags and terminals. Its invariant:
// a directory that was not opened to be written stays as it is, to the byte, and no error shows a password.
package source
