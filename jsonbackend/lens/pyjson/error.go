package pyjson

import (
	"bytes"
	"fmt"
)

// SyntaxError says where a text stops being JSON and why. Messages are those
// of Python's json.JSONDecodeError (3.13) where Python has one.
type SyntaxError struct {
	Offset int // bytes before the error
	Line   int // from 1
	Column int // from 1, in characters
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s: line %d column %d", e.Msg, e.Line, e.Column)
}

func syntaxError(doc []byte, offset int, msg string) *SyntaxError {
	line, column := Position(doc, offset)
	return &SyntaxError{Offset: offset, Line: line, Column: column, Msg: msg}
}

// Position returns the line and the column of a byte offset in doc, both from
// 1, the column in characters. A byte that is not part of UTF-8 counts as one.
func Position(doc []byte, offset int) (line, column int) {
	before := doc[:offset]
	line = 1 + bytes.Count(before, []byte{'\n'})
	column = 1
	for rest := before[bytes.LastIndexByte(before, '\n')+1:]; len(rest) > 0; column++ {
		_, n := decodeChar(rest)
		rest = rest[max(n, 1):]
	}
	return line, column
}
