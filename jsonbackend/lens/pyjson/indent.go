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
