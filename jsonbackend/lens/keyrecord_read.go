package lens

import (
	"iter"
	"math"
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// readKeyRecord returns the entry that a key record says. It is not ok if the record is of another shape or stands for
// nothing, as an empty list does. Members that mean nothing are passed over.
func readKeyRecord(key string, record []byte) (e *engine.Entry, ok bool) {
	var r recordReader
	var kind string
	var content, expires []byte
	for lit, v := range r.members(record, '{') {
		switch name(lit) {
		case "type":
			kind = r.str(v)
		case "value":
			content = v
		case "expires_at":
			expires = v
		}
	}
	e = &engine.Entry{Key: key}
	if e.Expire, ok = deadline(expires); !ok || content == nil {
		return nil, false
	}
	limits := value.DefaultLimits()
	switch kind {
	case "string":
		e.Value = &value.Str{B: []byte(r.str(content))}
	case "list":
		l := value.NewList()
		for _, v := range r.members(content, '[') {
			l.PushBack(r.str(v))
		}
		e.Value = l
	case "set":
		s := value.NewSet(&limits)
		for _, v := range r.members(content, '[') {
			s.Add(r.str(v))
		}
		e.Value = s
	case "zset":
		z := value.NewZSet(&limits)
		for member, v := range r.members(content, '{') {
			score := r.score(v)
			if z.Encoding() == value.EncodingListpack {
				score += 0 // a small one keeps -0 as 0, as in Redis
			}
			z.Add(r.str(member), score)
		}
		e.Value = z
	case "hash":
		h := value.NewHash(&limits)
		for field, v := range r.members(content, '{') {
			h.Set(r.str(field), r.str(v))
		}
		e.Value = h
	case "stream":
		e.Value = r.stream(content)
	default:
		return nil, false
	}
	switch e.Value.(type) {
	case *value.Str, *value.Stream:
		return e, !r.failed
	}
	return e, !r.failed && e.Value.Len() > 0
}

// recordReader reads JSON that was parsed, and remembers if something was not what it should be.
type recordReader struct{ failed bool }

func (r *recordReader) check(ok bool) {
	if !ok {
		r.failed = true
	}
}

// members iterates over an object or array.
func (r *recordReader) members(text []byte, open byte) iter.Seq2[[]byte, []byte] {
	r.check(len(text) > 0 && text[0] == open)
	return pyjson.Members(text)
}

func (r *recordReader) str(lit []byte) string {
	b, err := pyjson.UnquoteBytes(nil, lit)
	r.check(err == nil)
	return string(b)
}

// count reads an integer that is not negative.
func (r *recordReader) count(lit []byte) int64 {
	n, err := strconv.ParseInt(string(lit), 10, 64)
	r.check(err == nil && n >= 0)
	return n
}

func (r *recordReader) score(lit []byte) float64 {
	f, ok := pyjson.Float(lit)
	if math.IsNaN(f) {
		f, ok = 0, false
	}
	r.check(ok)
	return f
}

// time reads seconds, not negative, as milliseconds.
func (r *recordReader) time(lit []byte) int64 {
	ms, ok := millis(lit)
	r.check(ok && ms >= 0)
	return ms
}

func (r *recordReader) id(lit []byte) value.StreamID {
	text := r.str(lit)
	id, ok := value.ParseStreamID([]byte(text), 0)
	r.check(ok && id.String() == text)
	return id
}

// keyCommands returns what makes a key what e says, whatever it held before.
func keyCommands(db int, e *engine.Entry, now *engine.View) (edits []engine.Edit) {
	if s, ok := e.Value.(*value.Str); ok {
		set := edit(db, "SET", e.Key, s.B)
		if e.Expire != 0 {
			set = edit(db, "SET", e.Key, s.B, "PXAT", strconv.FormatInt(e.Expire, 10))
		}
		return []engine.Edit{set}
	}
	if now.Get(db, e.Key) != nil {
		edits = append(edits, edit(db, "DEL", e.Key))
	}
	for args := range engine.Commands(e) {
		edits = append(edits, engine.Edit{DB: db, Args: args})
	}
	return edits
}
