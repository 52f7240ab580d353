package keyspace

import (
	"iter"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// What OmniDaemon reads with json.loads: JSON in UTF-8, and NaN, Infinity and -Infinity. The views of the json backend have a
// reader of their own, which also rewrites; this one only looks, and must not allocate.

// maxDepth is how deep containers may nest. Python stops near 990.
const maxDepth = 512

// valid reports whether json.loads reads text.
func valid(text []byte) bool {
	end := pass(text, space(text, 0), 0)
	return end >= 0 && space(text, end) == len(text) && utf8.Valid(text)
}

// first is the first byte of the value in a valid text: it tells what it is.
func first(text []byte) byte { return text[space(text, 0)] }

// The functions below go past something in b that begins at i, and return where it ends: -1 if it is not there.

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// pass goes past a value.
func pass(b []byte, i, depth int) int {
	switch {
	case i == len(b):
		return -1
	case b[i] == '"':
		return passString(b, i)
	case b[i] == '{' || b[i] == '[':
		return passContainer(b, i, depth)
	}
	for _, word := range [...]string{"null", "true", "false", "NaN", "Infinity", "-Infinity"} {
		if end := i + len(word); end <= len(b) && string(b[i:end]) == word {
			return end
		}
	}
	return passNumber(b, i)
}

func passContainer(b []byte, i, depth int) int {
	object, end := b[i] == '{', b[i]+2
	if i = space(b, i+1); i < len(b) && b[i] == end {
		return i + 1
	}
	for depth < maxDepth {
		if object {
			if i = passKey(b, i); i < 0 {
				return -1
			}
		}
		if i = pass(b, i, depth+1); i < 0 {
			return -1
		}
		switch i = space(b, i); {
		case i == len(b):
			return -1
		case b[i] == end:
			return i + 1
		case b[i] != ',':
			return -1
		}
		i = space(b, i+1)
	}
	return -1
}

// passKey goes past the key of a member, to its value.
func passKey(b []byte, i int) int {
	if i == len(b) || b[i] != '"' {
		return -1
	}
	if i = passString(b, i); i < 0 {
		return -1
	}
	if i = space(b, i); i == len(b) || b[i] != ':' {
		return -1
	}
	return space(b, i+1)
}

func passString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if _, n := escaped(b[i:]); n == 0 {
				return -1
			} else {
				i += n - 1
			}
		}
	}
	return -1
}

// escaped returns the UTF-16 unit that the escape sequence at the beginning of b stands for, and its length; 0 if it is none.
func escaped(b []byte) (r rune, n int) {
	if len(b) < 2 || b[0] != '\\' {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		if len(b) < 6 {
			return 0, 0
		}
		for _, c := range b[2:6] {
			switch {
			case '0' <= c && c <= '9':
				r = r<<4 | rune(c-'0')
			case 'a' <= c|0x20 && c|0x20 <= 'f':
				r = r<<4 | rune(c|0x20-'a'+10)
			default:
				return 0, 0
			}
		}
		return r, 6
	}
	return 0, 0
}

// character is escaped, with the two halves of a surrogate pair as one.
func character(b []byte) (r rune, n int) {
	r, n = escaped(b)
	if utf16.IsSurrogate(r) {
		if low, m := escaped(b[n:]); utf16.DecodeRune(r, low) != utf8.RuneError {
			return utf16.DecodeRune(r, low), n + m
		}
	}
	return r, n
}

func passNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := digits(b, i)
	if whole == i || b[i] == '0' && whole > i+1 {
		return -1
	}
	i = whole
	if i < len(b) && b[i] == '.' {
		end := digits(b, i+1)
		if end == i+1 {
			return -1
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		e := i + 1
		if e < len(b) && (b[e] == '+' || b[e] == '-') {
			e++
		}
		end := digits(b, e)
		if end == e {
			return -1
		}
		i = end
	}
	return i
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

// fields iterates over the members of the object that a valid text is: the literal of the key, and the value.
func fields(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		i := space(object, space(object, 0)+1)
		for object[i] != '}' {
			key := passString(object, i)
			at := passKey(object, i)
			end := pass(object, at, 0)
			if !yield(object[i:key], object[at:end]) {
				return
			}
			if i = space(object, end); object[i] == ',' {
				i = space(object, i+1)
			}
		}
	}
}

// elements iterates over the elements of the array that a valid text is.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := space(array, space(array, 0)+1)
		for array[i] != ']' {
			end := pass(array, i, 0)
			if !yield(array[i:end]) {
				return
			}
			if i = space(array, end); array[i] == ',' {
				i = space(array, i+1)
			}
		}
	}
}

// field returns the value of the last member of that name, as Python does; nil if there is none.
func field(object []byte, name string) (found []byte) {
	for key, v := range fields(object) {
		if spells(key, name) {
			found = v
		}
	}
	return found
}

// spells reports whether a string literal stands for s. Lone surrogates stand for no UTF-8, and so for nothing here.
func spells(literal []byte, s string) bool {
	b := literal[1 : len(literal)-1]
	for len(b) > 0 {
		if b[0] != '\\' {
			if s == "" || s[0] != b[0] {
				return false
			}
			b, s = b[1:], s[1:]
			continue
		}
		r, n := character(b)
		got, size := utf8.DecodeRuneInString(s)
		if size == 0 || got != r || r == utf8.RuneError && size == 1 {
			return false
		}
		b, s = b[n:], s[size:]
	}
	return s == ""
}

// textOf returns what a string literal stands for.
func textOf(literal []byte) string {
	b := literal[1 : len(literal)-1]
	var out []byte
	for len(b) > 0 {
		if b[0] != '\\' {
			out, b = append(out, b[0]), b[1:]
			continue
		}
		r, n := character(b)
		out, b = utf8.AppendRune(out, r), b[n:]
	}
	return string(out)
}

// number returns the value of a number literal. It is not ok if the value is no number, or none that is finite.
func number(v []byte) (f float64, ok bool) {
	if len(v) == 0 || passNumber(v, 0) != len(v) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}
