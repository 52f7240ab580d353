package pyjson

import (
	"bytes"
	"errors"
)

// Dumps appends what json.dumps(json.loads(src)) prints: one line, ", " and
// ": " between, ASCII only, floats as Python's repr, of duplicate keys the last
// value at the place of the first. On error, a *SyntaxError, dst is returned as
// it was. A text that is printed so already is copied without allocation, if dst
// has room and no object more than 16 members.
func Dumps(dst, src []byte) ([]byte, error) {
	return encode(dst, scanner{src: src}, false)
}

// encode appends the document that s stands before.
func encode(dst []byte, s scanner, indent bool) ([]byte, error) {
	e := encoder{scanner: s, dst: dst, indent: indent}
	err := e.begin()
	if err == nil {
		err = e.value()
	}
	if err == nil {
		err = e.end()
	}
	if err != nil {
		return dst, err
	}
	return e.dst, nil
}

// encoder copies values from src to dst in the layout of json.dumps.
type encoder struct {
	scanner
	dst    []byte
	indent bool // indent=2; else one line
	index  index
	spare  []byte
}

// errShadowed is the end of indenting a text with duplicate keys: every object
// around another would be rewritten, indentation and all, so Indent has the text
// rewritten in one line first.
var errShadowed = errors.New("duplicate keys")

// piece is where in dst a member of an object stands.
type piece struct{ key, colon, end int }

// fewPieces are kept without allocation, and comparing every key with every
// other beats hashing.
const fewPieces = 16

func (e *encoder) value() error {
	switch c := e.peek(); c {
	case '"':
		start := e.pos
		canonical, err := e.string()
		if err == nil {
			e.literal(e.src[start:e.pos], canonical)
		}
		return err
	case '{':
		return e.object()
	case '[':
		return e.array()
	default:
		start := e.pos
		k, err := e.scalar()
		if err == nil {
			e.dst = appendScalar(e.dst, e.src[start:e.pos], k)
		}
		return err
	}
}

func (e *encoder) literal(lit []byte, canonical bool) {
	if canonical {
		e.dst = append(e.dst, lit...)
	} else {
		e.dst = appendCanonical(e.dst, lit)
	}
}

func (e *encoder) array() error {
	e.dst = append(e.dst, '[')
	more, err := e.open()
	empty := !more
	for first := true; more && err == nil; first = false {
		e.separate(first)
		if err = e.value(); err == nil {
			more, err = e.next(']')
		}
	}
	if err != nil {
		return err
	}
	e.close(']', empty)
	return nil
}

func (e *encoder) object() error {
	var room [fewPieces]piece
	pieces := room[:0]
	start := len(e.dst)
	e.dst = append(e.dst, '{')
	more, err := e.open()
	for more && err == nil {
		e.separate(len(pieces) == 0)
		var p piece
		if p, err = e.member(); err == nil {
			pieces = append(pieces, p)
			more, err = e.next('}')
		}
	}
	if err != nil {
		return err
	}
	if e.shadow(pieces) {
		if e.indent {
			return errShadowed
		}
		e.rewrite(start, pieces)
	}
	e.close('}', len(pieces) == 0)
	return nil
}

func (e *encoder) member() (p piece, err error) {
	p.key = len(e.dst)
	lit, canonical, err := e.key()
	if err != nil {
		return p, err
	}
	e.literal(lit, canonical)
	p.colon = len(e.dst)
	e.dst = append(e.dst, ": "...)
	err = e.value()
	p.end = len(e.dst)
	return p, err
}

// separate writes what stands before a member.
func (e *encoder) separate(first bool) {
	switch {
	case e.indent && first:
		e.dst = appendLine(e.dst, e.depth)
	case e.indent:
		e.dst = appendLine(append(e.dst, ','), e.depth)
	case !first:
		e.dst = append(e.dst, ", "...)
	}
}

func (e *encoder) close(end byte, empty bool) {
	if e.indent && !empty {
		e.dst = appendLine(e.dst, e.depth)
	}
	e.dst = append(e.dst, end)
}

// shadow gives the last member with a key the place of the first, and leaves
// the places of the others with end 0. It reports whether there were any.
func (e *encoder) shadow(pieces []piece) (any bool) {
	if len(pieces) > fewPieces {
		e.index.reset(len(pieces))
	}
	for i, p := range pieces {
		if j := e.first(pieces, i); j < i {
			pieces[j], pieces[i].end = p, 0
			any = true
		}
	}
	return any
}

// first is the number of the first piece with the key of piece i. It is called
// for each i in turn.
func (e *encoder) first(pieces []piece, i int) int {
	key := e.keyOf(pieces[i])
	if len(pieces) <= fewPieces {
		for j, p := range pieces[:i] {
			if p.colon-p.key == len(key) && bytes.Equal(e.keyOf(p), key) {
				return j
			}
		}
		return i
	}
	slot := e.index.slot(key, func(n int32) bool {
		return bytes.Equal(e.keyOf(pieces[n-1]), key)
	})
	if *slot == 0 {
		*slot = int32(i + 1)
	}
	return int(*slot - 1)
}

func (e *encoder) keyOf(p piece) []byte { return e.dst[p.key:p.colon] }

// rewrite writes the object at start, in one line, again without the vacated
// places.
func (e *encoder) rewrite(start int, pieces []piece) {
	e.spare = append(e.spare[:0], e.dst[start:]...)
	e.dst = e.dst[:start+1]
	for i, p := range pieces {
		if p.end > 0 {
			e.separate(i == 0)
			e.dst = append(e.dst, e.spare[p.key-start:p.end-start]...)
		}
	}
}
