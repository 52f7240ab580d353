package pyjson

import "errors"

// Indent appends the value of src as json.dump(..., indent=2) prints it inside
// level containers: no white space before the first byte, 2*level more spaces
// after each newline than at the top. The level counts toward MaxDepth, so that
// what fits here fits there. Otherwise it is like Dumps. The result may be up to
// 2*MaxDepth bytes longer per element: a caller that takes texts from strangers
// and has a limit looks at its length.
//
// Law: Indent(file, 0) == file for every file that OmniDaemon's JSON store wrote.
func Indent(dst, src []byte, level int) ([]byte, error) {
	dst, err := encode(dst, scanner{src: src, depth: level}, true)
	if !errors.Is(err, errShadowed) {
		return dst, err
	}
	plain, err := encode(nil, scanner{src: src, depth: level}, false)
	if err != nil {
		return dst, err
	}
	return encode(dst, scanner{src: plain, depth: level}, true)
}

// appendLine starts a line at the given level.
func appendLine(dst []byte, level int) []byte {
	const spaces = "                                "
	dst = append(dst, '\n')
	n := 2 * level
	for ; n > len(spaces); n -= len(spaces) {
		dst = append(dst, spaces...)
	}
	return append(dst, spaces[:n]...)
}

// Respace is Indent for a text that Dumps printed, twice as fast: it only sets
// the white space. What it makes of other bytes says nothing, but is always the
// same.
//
// Law: Respace(Dumps(src)) == Indent(Dumps(src)).
func Respace(dst, src []byte, level int) []byte {
	from := 0 // what stands before is done
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '"':
			i += stringEnd(src[i:])
		case '{', '[':
			if i+1 < len(src) && src[i+1] == closer(c) {
				i++
				continue
			}
			level++
			dst = appendLine(append(dst, src[from:i+1]...), level)
			from = i + 1
		case ',':
			dst = appendLine(append(dst, src[from:i+1]...), level)
			i += min(len(", "), len(src)-i) - 1
			from = i + 1
		case '}', ']':
			level = max(level-1, 0)
			dst = appendLine(append(dst, src[from:i]...), level)
			from = i
		}
	}
	return append(dst, src[from:]...)
}

// stringEnd is where the string literal ends that b begins with: at its last
// quote, or with b.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch i += plainLen(b[i:]); {
		case i == len(b):
		case b[i] == '"':
			return i
		case b[i] == '\\':
			i++
		}
	}
	return len(b)
}
