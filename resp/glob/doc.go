// Package glob matches names against the patterns of KEYS, SCAN, PSUBSCRIBE and
// CONFIG GET the way Redis 7.0 does, oddities included. It knows bytes only: no
// paths, no runes, no locale.
//
//	?        any one byte
//	*        any bytes, also none
//	[ab0-9]  one byte of a class; [^ab] one byte outside it
//	\x       the byte x itself, also inside a class
//
// Invariant: the time is at most len(pattern) * len(s), whatever a client sends.
package glob
