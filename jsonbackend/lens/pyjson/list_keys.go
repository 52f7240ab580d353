package pyjson

import "bytes"

// Find is the member of an object whose key spells the same as the literal
// given.
func (l *List) Find(key []byte) (r Ref, ok bool) {
	if !l.IsObject() {
		return End, false
	}
	r = Ref(*l.slot(key))
	return r, r != End && l.members[r].state == live
}

func (l *List) slot(key []byte) *int32 {
	var room, other [64]byte
	key = canonical(room[:0], key)
	return l.index.slot(key, func(n int32) bool {
		return bytes.Equal(canonical(other[:0], l.Key(Ref(n))), key)
	})
}

// canonical is the string literal as json.dumps spells it: itself, or in dst.
func canonical(dst, lit []byte) []byte {
	s := scanner{src: lit}
	if same, err := s.string(); same || err != nil {
		return lit
	}
	return appendCanonical(dst, lit)
}

// enter makes r the member with its key.
func (l *List) enter(r Ref) {
	if len(l.members) > l.index.room() {
		l.reindex()
		return
	}
	slot := l.slot(l.Key(r))
	if old := Ref(*slot); old != End && l.members[old].state == live {
		l.members[old].state = shadowed
		l.members[r].shadows = old
		l.live--
	}
	*slot = int32(r)
}

// reindex enters all members into an index that has room for them.
func (l *List) reindex() {
	l.index.reset(len(l.members))
	for r := l.members[End].next; r != End; r = l.members[r].next {
		if l.members[r].state == live {
			l.enter(r)
		}
	}
}
