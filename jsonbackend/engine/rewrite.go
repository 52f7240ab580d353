package engine

import (
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// perCommand is how many elements one command of a rewrite carries, as Redis' AOF_REWRITE_ITEMS_PER_CMD.
const perCommand = 64

// Commands yields the commands that make an entry anew on an empty server: Redis' own AOF rewrite, type by type. A command
// may be kept.
func Commands(e *Entry) iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		if !contents(e, yield) || e.Expire == 0 {
			return
		}
		yield([][]byte{[]byte("PEXPIREAT"), []byte(e.Key), strconv.AppendInt(nil, e.Expire, 10)})
	}
}

func contents(e *Entry, yield func([][]byte) bool) bool {
	key := []byte(e.Key)
	switch v := e.Value.(type) {
	case *value.Str:
		return yield([][]byte{[]byte("SET"), key, v.B})
	case *value.Hash:
		b := bulk{name: "HSET", key: key, yield: yield}
		for field, text := range fieldsOf(v) {
			if !b.add([]byte(field), []byte(text)) {
				return false
			}
		}
		return b.flush()
	case *value.Set:
		b := bulk{name: "SADD", key: key, yield: yield}
		for member := range v.All() {
			if !b.add([]byte(member)) {
				return false
			}
		}
		return b.flush()
	case *value.ZSet:
		b := bulk{name: "ZADD", key: key, yield: yield}
		for member, score := range v.All() {
			if !b.add(strconv.AppendFloat(nil, score, 'g', -1, 64), []byte(member)) {
				return false
			}
		}
		return b.flush()
	case *value.List:
		b := bulk{name: "RPUSH", key: key, yield: yield}
		for element := range v.All() {
			if !b.add([]byte(element)) {
				return false
			}
		}
		return b.flush()
	case *value.Stream:
		for cmd := range streamCommands(e.Key, v) {
			if !yield(cmd) {
				return false
			}
		}
	}
	return true
}

// fieldsOf are those of a hash in its order. A hash without one may have one when it is made anew, for it was big once and is
// not now: it gets the order in which it is shown until then, sorted by bytes.
func fieldsOf(h *value.Hash) iter.Seq2[string, string] {
	if h.Encoding() == value.EncodingListpack || h.Len() > value.DefaultLimits().HashEntries {
		return h.All()
	}
	all := maps.Collect(h.All())
	return func(yield func(field, text string) bool) {
		for _, field := range slices.Sorted(maps.Keys(all)) {
			if !yield(field, all[field]) {
				return
			}
		}
	}
}

// bulk gathers elements into commands of a bounded number of them.
type bulk struct {
	name  string
	key   []byte
	yield func([][]byte) bool
	args  [][]byte
	n     int
}

func (b *bulk) add(words ...[]byte) bool {
	if b.args == nil {
		b.args = [][]byte{[]byte(b.name), b.key}
	}
	b.args = append(b.args, words...)
	if b.n++; b.n < perCommand {
		return true
	}
	return b.flush()
}

func (b *bulk) flush() bool {
	args := b.args
	b.args, b.n = nil, 0
	return args == nil || b.yield(args)
}
