// Package value holds the data structures behind the keys: strings, lists, hashes, sets, sorted sets and streams.
//
// They are plain data: no clock, no chance, no I/O, no locks, and no word of any command or reply. A caller brings
// random indexes, times and checked arguments.
//
// Invariant: Clone never makes anybody wait. It takes constant time at any size, the first edit after it O(log n) (or
// the copying of one compact value, see [Limits]), and from then on the two copies are independent: one goroutine may
// read a frozen copy while another edits the original, or the other way round, without a lock. That is how files are
// published and the log is rewritten while clients keep writing.
//
// What holds each of them:
//   - tree is a persistent, counted B-tree: any item by position, the position of any item, both in O(log n).
//   - dict is a tree ordered by a hash of the key, so that a scan's cursor is simply the next hash.
//   - A hash or set that is small keeps the compact form that Redis gives it, because clients see its order.
//
// An iterator or scan over a value must end before that same copy is edited. Strings given to an edit are kept, so
// they must not be views of a buffer that is used again; strings given to a lookup are not kept.
package value
