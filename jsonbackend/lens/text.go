package lens

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// parse reads a document whose outermost container is of one kind. An empty one is an empty container.
func parse(doc []byte, open byte) (*pyjson.List, error) {
	if len(doc) == 0 {
		doc = []byte{open, open + 2} // '{' and '}', '[' and ']' are two apart
	}
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		return nil, err
	}
	if list.IsObject() != (open == '{') {
		kind := map[byte]string{'{': "an object", '[': "an array"}[open]
		return nil, misplaced(doc, bytes.IndexAny(doc, "{["), "Expecting "+kind)
	}
	return list, nil
}

// misplaced is the error of a document that is JSON but not of the shape it must have.
func misplaced(doc []byte, offset int, msg string) error {
	line, column := pyjson.Position(doc, offset)
	return &pyjson.SyntaxError{Offset: offset, Line: line, Column: column, Msg: msg}
}

// name is what a string literal of a parsed document spells.
func name(lit []byte) string {
	var room [64]byte
	b, _ := pyjson.Unquote(room[:0], lit)
	return string(b)
}

// spells reports whether a string literal of a parsed document spells text.
func spells(lit []byte, text string) bool {
	var room [64]byte
	b, _ := pyjson.Unquote(room[:0], lit)
	return string(b) == text
}

// dumps is what json.dumps prints for a text that was parsed.
func dumps(parsed []byte) []byte {
	text, _ := pyjson.Dumps(make([]byte, 0, len(parsed)), parsed)
	return text
}

// indent is what json.dump(indent=2) prints for a text inside level containers; nil if it is no JSON or nests too deep.
func indent(text []byte, level int) []byte {
	out, err := pyjson.Indent(make([]byte, 0, len(text)+len(text)/8+16), text, level)
	if err != nil {
		return nil
	}
	return out
}

// sum is the hash of a record's canonical text: what json.dumps prints.
func sum(record []byte) uint64 {
	s := summer{make([]byte, 0, len(record))}
	return s.sum(record)
}

// summer hashes many records, in the room that the largest took.
type summer struct{ canon []byte }

func (s *summer) sum(record []byte) uint64 {
	s.canon, _ = pyjson.Dumps(s.canon[:0], record) // the record was parsed
	return max(xxhash.Sum64(s.canon), 1)
}

// same reports whether two texts are JSON and say the same to Python.
func same(a, b []byte) bool {
	var roomA, roomB [1024]byte
	x, err := pyjson.Dumps(roomA[:0], a)
	if err != nil {
		return false
	}
	y, err := pyjson.Dumps(roomB[:0], b)
	return err == nil && bytes.Equal(x, y)
}

// identical reports whether b is a itself: the same bytes at the same place.
func identical(a, b []byte) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// member is one member of an object as it should read.
type member struct {
	key   []byte                // string literal
	value []byte                // JSON text
	holds func(old []byte) bool // whether the literal that stands there already says the same
}

// object writes an object of these members, whose keys differ, inside level containers. Where old, the text it had
// before, says the same, its literals, its order and its white space stay; spare says which members of old that nobody
// asks for may stay too. It returns nil if the members nest too deep.
func object(old []byte, level int, members []member, spare func(key, value []byte) bool) []byte {
	if old == nil {
		return fresh(level, members)
	}
	list, err := pyjson.ParseList(old, level)
	if err != nil || !list.IsObject() {
		return fresh(level, members)
	}
	wanted := make(map[pyjson.Ref]bool, len(members))
	changed := false
	for _, m := range members {
		ref, there := list.Find(m.key)
		if !there || !m.holds(list.Member(ref).Value) {
			text := indent(m.value, level+1)
			if text == nil {
				return nil
			}
			ref = list.Insert(pyjson.End, m.key, text)
			changed = true
		}
		wanted[ref] = true
	}
	for ref, m := range list.All() {
		if !wanted[ref] && !spare(m.Key, m.Value) {
			list.Remove(ref)
			changed = true
		}
	}
	if !changed {
		return old
	}
	return list.Bytes()
}

func fresh(level int, members []member) []byte {
	compact := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			compact = append(compact, ',')
		}
		compact = append(append(append(compact, m.key...), ':'), m.value...)
	}
	return indent(append(compact, '}'), level)
}

// millis is a number of seconds as whole milliseconds. What is finer than they are is cut off as Python prints the number,
// so that writing a document again changes no time. What is not finer is exact, even where a float is not.
func millis(lit []byte) (ms int64, ok bool) {
	if point := bytes.IndexByte(lit, '.'); point < 0 || len(lit)-point <= len(".000") {
		return pyjson.MillisTrunc(lit)
	}
	var room [32]byte
	canon, err := pyjson.Dumps(room[:0], lit)
	if err != nil {
		return 0, false
	}
	return pyjson.MillisTrunc(canon)
}

// deadline is when an expires_at stands for, in Unix milliseconds; 0 is never. lit is nil if there is no expires_at.
// OmniDaemon's JSON store takes a zero for none.
func deadline(lit []byte) (ms int64, ok bool) {
	if lit == nil {
		return 0, true
	}
	ms, ok = millis(lit)
	if f, _ := pyjson.Float(lit); ms == 0 && f != 0 {
		ms = 1 // within the first millisecond of 1970
	}
	return ms, ok
}

// seconds words Unix milliseconds, not negative, as Python prints a float of seconds, but exactly also where a float is
// not.
func seconds(ms int64) string {
	whole := strconv.FormatInt(ms/1000, 10)
	part := strconv.FormatInt(1000+ms%1000, 10)[1:]
	return whole + "." + part[:1] + strings.TrimRight(part[1:], "0")
}
