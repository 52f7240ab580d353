// Package seen remembers which versions of a JSON file there were: those that were published, and those that somebody
// else wrote and that were read. Whoever writes the file next has started from one of them, and most plausibly from the
// one that differs from what he wrote in the fewest records.
//
// A [History] is one file's. It is kept as text, a version as its difference from the one before it, so that thousands of
// versions take no more room than what changed between them (docs/format/directory.md). Old versions are thinned out.
//
// The package must never know what a record means, nor read or write the JSON file itself. Its invariant: a version that
// took effect is remembered before its effect can be seen, so that after a crash nothing of ours is taken for somebody's
// edit, and no edit is done twice.
package seen
