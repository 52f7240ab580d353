package command

import (
	"bytes"
	"strconv"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// Key is an argument that names a key.
type Key struct {
	Pos   int // into the arguments, the command's name being 0
	Flags KeyFlags
}

// Keys returns the positions of the keys of a call of s, as COMMAND GETKEYS
// finds them; nil when the call has none. The error is that of COMMAND GETKEYS:
// wire.ErrGetKeysArity for a wrong number of arguments, wire.ErrGetKeysArgs for
// a call that lacks keys it must have, or counts them wrongly.
func (s *Spec) Keys(args [][]byte) (positions []int, err error) {
	keys, err := s.AppendKeys(nil, args)
	if len(keys) == 0 {
		return nil, err
	}
	positions = make([]int, len(keys))
	for i, k := range keys {
		positions[i] = k.Pos
	}
	return positions, nil
}

// AppendKeys is Keys for callers that keep a slice and want the flags of
// COMMAND GETKEYSANDFLAGS: it appends to dst. On an error it returns dst as it
// was.
func (s *Spec) AppendKeys(dst []Key, args [][]byte) ([]Key, error) {
	if !s.HasKeys() {
		return dst, nil
	}
	if !s.ArityOK(len(args)) {
		return dst, wire.ErrGetKeysArity
	}
	keys, ok := s.appendSpecified(dst, args)
	if !ok && s.findKeys != nil {
		keys, ok = s.findKeys(dst, args), true
	}
	switch {
	case ok && len(keys) > len(dst):
		return keys, nil
	case s.Flags.Has(NoMandatoryKeys):
		return dst, nil
	}
	return dst, wire.ErrGetKeysArgs
}

// appendSpecified finds keys by the key specs; ok is false when they do not
// tell all, or when the call is wrong.
func (s *Spec) appendSpecified(dst []Key, args [][]byte) (keys []Key, ok bool) {
	for i := range s.KeySpecs {
		k := &s.KeySpecs[i]
		switch {
		case k.Flags.Has(KeyNotKey):
			continue
		case k.Begin.Type == "unknown", k.Find.Type == "unknown", k.Flags.Has(KeyVariableFlags):
			return nil, false
		}
		begin := k.Begin.find(args)
		if begin == 0 {
			continue // an optional keyword that is not there
		}
		first, last, ok := k.Find.bounds(begin, args)
		if !ok || first > last || last >= len(args) || k.Flags.Has(KeyIncomplete) {
			return nil, false
		}
		for pos := first; pos <= last; pos += k.Find.KeyStep {
			dst = append(dst, Key{pos, k.Flags})
		}
	}
	return dst, true
}

// find returns the position at which keys begin, or 0. The last argument is no
// keyword, for nothing follows it; nor is, looking backwards, the first.
func (b *BeginSearch) find(args [][]byte) int {
	if b.Type == "index" {
		return b.Index
	}
	if b.StartFrom < 0 {
		for i := len(args) + b.StartFrom; i > 1; i-- {
			if is(args[i], b.Keyword) {
				return i + 1
			}
		}
		return 0
	}
	for i := b.StartFrom; i < len(args)-1; i++ {
		if is(args[i], b.Keyword) {
			return i + 1
		}
	}
	return 0
}

// bounds returns the positions of the first and the last key of those that
// begin at begin; ok is false when what should be their number is not.
func (f *FindKeys) bounds(begin int, args [][]byte) (first, last int, ok bool) {
	if f.Type == "keynum" {
		at := begin + f.KeyNumIdx
		if at >= len(args) {
			return 0, 0, false
		}
		n, err := strconv.Atoi(string(args[at]))
		if err != nil || n < 0 || n > len(args) {
			return 0, 0, false
		}
		first = begin + f.FirstKey
		return first, first + n - 1, true
	}
	switch {
	case f.LastKey >= 0:
		last = begin + f.LastKey
	case f.Limit > 0:
		last = begin + (len(args)-begin)/f.Limit - 1
	default:
		last = len(args) + f.LastKey
	}
	return begin, last, true
}

// keyFinder appends the keys of a call whose arity is right.
type keyFinder func(dst []Key, args [][]byte) []Key

// keyFinderOf returns the finder of a command whose key specs do not tell all, or
// whose key flags depend on its other arguments; nil for all others.
func keyFinderOf(fullName string) keyFinder {
	switch fullName {
	case "set":
		return setKeys
	case "bitfield":
		return bitfieldKeys
	case "sort":
		return sortKeys
	case "sort_ro":
		return sortROKeys
	case "migrate":
		return migrateKeys
	}
	return nil
}

// SET key value [options]: GET makes it a read as well.
func setKeys(dst []Key, args [][]byte) []Key {
	for _, a := range args[3:] {
		if is(a, "GET") {
			return append(dst, Key{1, KeyRW | KeyAccess | KeyUpdate})
		}
	}
	return append(dst, Key{1, KeyOW | KeyUpdate})
}

// BITFIELD key, then GET type offset, SET type offset value, INCRBY type offset
// increment, OVERFLOW how: it only reads while all are GET and OVERFLOW.
func bitfieldKeys(dst []Key, args [][]byte) []Key {
	rest := args[2:]
	for len(rest) > 0 {
		switch {
		case is(rest[0], "GET") && len(rest) >= 3:
			rest = rest[3:]
		case is(rest[0], "OVERFLOW") && len(rest) >= 2:
			rest = rest[2:]
		default: // a change, or an error
			return append(dst, Key{1, KeyRW | KeyAccess | KeyUpdate})
		}
	}
	return append(dst, Key{1, KeyRO | KeyAccess})
}

// SORT key [options] [STORE destination]: of several destinations the last one
// counts. The keys that BY and GET patterns lead to depend on the data; no
// rule can name them.
func sortKeys(dst []Key, args [][]byte) []Key {
	dst = sortROKeys(dst, args)
	store := 0
	for i := 2; i < len(args); i++ {
		switch {
		case is(args[i], "LIMIT"):
			i += 2
		case is(args[i], "BY"), is(args[i], "GET"):
			i++
		case is(args[i], "STORE") && i+1 < len(args):
			store = i + 1
		}
	}
	if store > 0 {
		dst = append(dst, Key{store, KeyOW | KeyUpdate})
	}
	return dst
}

func sortROKeys(dst []Key, _ [][]byte) []Key {
	return append(dst, Key{1, KeyRO | KeyAccess})
}

// MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2
// user password] [KEYS key ...]: KEYS needs the empty key before it, else the
// call is an error and has no keys.
func migrateKeys(dst []Key, args [][]byte) []Key {
	first, after := 3, 4
	for i := 6; i < len(args); i++ {
		switch {
		case is(args[i], "AUTH"):
			i++
		case is(args[i], "AUTH2"):
			i += 2
		case is(args[i], "KEYS"):
			if len(args[3]) > 0 {
				return dst
			}
			first, after = i+1, len(args)
			i = len(args)
		}
	}
	for pos := first; pos < after; pos++ {
		dst = append(dst, Key{pos, KeyRW | KeyAccess | KeyDelete})
	}
	return dst
}

// is reports whether arg is the word, in any case of letters.
func is(arg []byte, word string) bool {
	return len(arg) == len(word) && bytes.EqualFold(arg, []byte(word))
}
