package pyjson

import (
	"bytes"
	"iter"
)

// Members iterates the members of one object or array in source order, as
// slices of doc: key literal (nil in arrays) and value. Duplicate keys come as
// often as they stand there. doc must be JSON (Check, or a value out of a List
// or of Members): elsewhere the iteration just stops where the text stops being
// one. It allocates nothing.
func Members(doc []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		s := scanner{src: doc}
		s.space()
		open := s.peek()
		if open != '{' && open != '[' {
			return
		}
		more, err := s.open()
		for more && err == nil {
			var key []byte
			if open == '{' {
				if key, _, err = s.key(); err != nil {
					return
				}
			}
			start := s.pos
			if s.value() != nil || !yield(key, s.src[start:s.pos]) {
				return
			}
			more, err = s.next(closer(open))
		}
	}
}

// Field is the value of the object's member with this name, the last one if
// there are several, as Python has it. The name is what a key literal spells;
// obj is as for Members.
func Field(obj []byte, name string) (value []byte, ok bool) {
	for key, v := range Members(obj) {
		if key != nil && spells(key, name) {
			value, ok = v, true
		}
	}
	return value, ok
}

// spells reports whether a scanned string literal spells text.
func spells(lit []byte, text string) bool {
	body := lit[1 : len(lit)-1]
	if bytes.IndexByte(body, '\\') < 0 && bytes.IndexByte(body, 0xed) < 0 {
		return string(body) == text // no escapes, no surrogates
	}
	var room [64]byte
	decoded, _ := Unquote(room[:0], lit)
	return string(decoded) == text
}
