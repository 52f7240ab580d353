package source

import (
	"iter"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// members iterates over the members of the object or array that begins at an offset of a text, with their names, as bytes,
// and places in the text. What cannot be read has none.
func members(text []byte, offset int) iter.Seq2[string, place] {
	return func(yield func(string, place) bool) {
		list, err := pyjson.ParseList(text[offset:], 0)
		if err != nil {
			return
		}
		for _, m := range list.All() {
			at := place{start: offset + m.Offset}
			at.value = at.start
			name := ""
			if m.Key != nil {
				b, _ := pyjson.UnquoteBytes(nil, m.Key)
				if b == nil {
					b, _ = pyjson.Unquote(nil, m.Key) // a lone surrogate
				}
				name = string(b)
				at.value = afterColon(text, at.start+len(m.Key))
			}
			at.end = at.value + len(m.Value)
			if !yield(name, at) {
				return
			}
		}
	}
}

// afterColon returns where a member's value begins whose key ends at an offset.
func afterColon(text []byte, offset int) int {
	for offset < len(text) {
		switch text[offset] {
		case ' ', '\t', '\r', '\n', ':':
			offset++
		default:
			return offset
		}
	}
	return offset
}
