package lens

import (
	"bytes"
	"math"
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Results is the view of results.json, {task_id: {"task_id", "result", "saved_at"[, "expires_at"]}}, kept as strings
// P:result:{task_id} of the same JSON without expires_at, which is the key's TTL (JSONStore.save_result,
// RedisStore.save_result).
func Results(l keyspace.Layout, db int) View {
	r := results{l, db}
	f := newFlat(r, db, false)
	f.word = r.word
	return &resultsView{newFlatFile("results.json", f), r}
}

type results struct {
	layout keyspace.Layout
	db     int
}

func (r results) key(id string) string { return r.layout.Result(id) }

func (r results) id(key string) (string, bool) {
	k := r.layout.Parse(key)
	return k.Rest, k.Family == keyspace.Result
}

// taskResult is what OmniDaemon knows of a record: its members, nil for those that are absent.
type taskResult struct{ task, result, saved, expires []byte }

// readResult takes a record apart. The last member of a name counts, as in Python.
func readResult(record []byte) (t taskResult) {
	var room [32]byte
	for key, v := range pyjson.Members(record) {
		field, _ := pyjson.Unquote(room[:0], key)
		switch string(field) {
		case "task_id":
			t.task = v
		case "result":
			t.result = v
		case "saved_at":
			t.saved = v
		case "expires_at":
			t.expires = v
		}
	}
	return t
}

// check: a record names its own task, has a result and the time it was saved; expires_at is a time if it is there.
func (results) check(id string, record []byte) (expires int64, ok bool) {
	if record[0] != '{' {
		return 0, false
	}
	t := readResult(record)
	if t.task == nil || t.task[0] != '"' || !spells(t.task, id) || t.result == nil || t.saved == nil {
		return 0, false
	}
	if _, ok := pyjson.Float(t.saved); !ok {
		return 0, false
	}
	return deadline(t.expires)
}

func (r results) encode(id string, e *engine.Entry, old []byte) []byte {
	s, ok := e.Value.(*value.Str)
	if !ok {
		return nil
	}
	text, was := s.B, []byte(nil)
	if old != nil {
		was = withoutExpiry(old)
	}
	if was == nil || !bytes.Equal(text, was) {
		var err error
		if text, err = pyjson.Dumps(make([]byte, 0, len(s.B)), s.B); err != nil {
			return nil
		}
	}
	if bytes.Equal(text, was) {
		if expires, _ := r.check(id, old); expires == e.Expire {
			return old
		}
	}
	if _, ok := r.check(id, text); !ok || readResult(text).expires != nil {
		return nil
	}
	var members []member
	for key, v := range pyjson.Members(text) {
		members = append(members, member{key, v, func(old []byte) bool { return same(old, v) }})
	}
	if e.Expire != 0 {
		members = append(members, member{[]byte(`"expires_at"`), []byte(seconds(e.Expire)), func(old []byte) bool {
			at, ok := deadline(old)
			return ok && at == e.Expire
		}})
	}
	return object(old, 1, members, func(key, v []byte) bool {
		at, ok := deadline(v)
		return spells(key, "expires_at") && ok && at == e.Expire
	})
}

func (r results) decode(id string, record []byte, now *engine.View) []engine.Edit {
	t, text := readResult(record), withoutExpiry(record)
	set := edit(r.db, "SET", r.key(id), text)
	if at, _ := deadline(t.expires); at != 0 {
		set = edit(r.db, "SET", r.key(id), text, "PXAT", strconv.FormatInt(at, 10))
	}
	score, _ := pyjson.Float(t.saved)
	if math.IsNaN(score) || r.indexed(id, t.saved, now) {
		return []engine.Edit{set}
	}
	return []engine.Edit{set, edit(r.db, "ZADD", r.layout.ResultsIndex(), strconv.FormatFloat(score, 'g', -1, 64), id)}
}

// indexed reports whether the index needs no change for a result saved at the time that lit says: RedisStore's score is
// slightly larger than saved_at, and stays while saved_at does.
func (r results) indexed(id string, lit []byte, now *engine.View) bool {
	index := now.Get(r.db, r.layout.ResultsIndex())
	if index == nil {
		return false
	}
	z, ok := index.Value.(*value.ZSet)
	if !ok {
		return true // it is no index, and not ours to destroy
	}
	if _, ok := z.Score(id); !ok {
		return false
	}
	e := now.Get(r.db, r.key(id))
	if e == nil {
		return false
	}
	s, ok := e.Value.(*value.Str)
	if !ok || pyjson.Check(s.B) != nil {
		return false
	}
	saved := readResult(s.B).saved
	return saved != nil && same(saved, lit)
}

// withoutExpiry is a record as RedisStore would have written it.
func withoutExpiry(record []byte) []byte {
	var room [2048]byte
	compact := append(room[:0], '{')
	for key, v := range pyjson.Members(record) {
		if spells(key, "expires_at") {
			continue
		}
		if len(compact) > 1 {
			compact = append(compact, ", "...)
		}
		compact = append(append(append(compact, key...), ": "...), v...)
	}
	return dumps(append(compact, '}'))
}

func (r results) remove(id string, now *engine.View) []engine.Edit {
	edits := []engine.Edit{edit(r.db, "DEL", r.key(id))}
	if e := now.Get(r.db, r.layout.ResultsIndex()); e != nil {
		if _, ok := e.Value.(*value.ZSet); ok {
			edits = append(edits, edit(r.db, "ZREM", r.layout.ResultsIndex(), id))
		}
	}
	return edits
}
