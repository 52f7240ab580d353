// Package command holds what is known about every Redis command: one [Spec]
// for each command and subcommand. What a live redis-server says of itself
// (names, arity, flags, ACL categories, key specs, argument grammar) is recorded
// into facts.json by the program in record/; what it does not say stands by
// hand, one row per command, in rows.go. Redis' sentences (summary, history,
// complexity, notes) are not recorded: the descriptions are our own.
//
// The package knows how commands are called, never what they do: no sessions,
// storage or upstreams.
//
// Invariant: facts and rows name the same commands, and a Spec never changes,
// so all of it may be shared without locks.
package command
