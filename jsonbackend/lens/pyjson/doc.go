// Package pyjson is JSON as Python's json module reads and writes it, as text
// to text: OmniDaemon keeps its records as json.dumps text in Redis and as
// json.dump(indent=2) text in files, and both are honoured byte for byte.
//
// Dumps and Indent rewrite one JSON text into those two layouts. List holds a
// document as its members and the text between them, so that one record can
// be changed while every other byte stays. Members and Field look into a
// record. Quote, Unquote and the functions of number.go convert one literal.
//
// Accepted is what json.loads accepts (strict, UTF-8 without a BOM), NaN and
// the infinities included, with three deliberate differences:
//
//   - containers nest at most MaxDepth deep, where Python stops at its
//     recursion limit, somewhere below 1,000;
//   - integers have any length, where Python 3.11 stops at 4,300 digits;
//   - a string may hold surrogates encoded in three bytes (WTF-8), which Python
//     reads only with errors="surrogatepass". A lead and a trail surrogate that
//     meet are one character, however either is spelled.
//
// The package never decodes into Go values and must never know what a record
// means, where its text comes from or where it goes.
//
// Invariant: no function changes a byte that it was not asked to change, and
// what Dumps or Indent returns is a fixed point of the same function.
package pyjson
