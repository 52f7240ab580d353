// Package tool does the work of omniproxy's tools on what package source opens: copy it, compare it, clear it, show it,
// judge it, mend it.
//
// The package must never know the command line. Its invariant: a tool says what it did or changes nothing, and a key is at no
// time seen with a part of its value.
package tool
