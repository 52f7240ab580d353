package lens

import (
	"io"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// resultsView is the view of results.json. Of all files it grows with what OmniDaemon does, and most of its records say just
// what their keys do: of those no text is kept.
type resultsView struct {
	*flatFile
	results results
}

// word words a result as [results.encode] does where no record stood, if it is as RedisStore saves it; else the words mean
// nothing.
func (results) word(dst []byte, e *engine.Entry) []byte {
	s, ok := e.Value.(*value.Str)
	if !ok {
		return dst
	}
	dst = pyjson.Respace(dst, s.B, 1)
	if end := len(dst) - len("\n  }"); e.Expire != 0 && end > 0 {
		dst = append(dst[:end], ",\n    \"expires_at\": "...)
		dst = append(append(dst, seconds(e.Expire)...), "\n  }"...)
	}
	return dst
}

// Read implements [Streamed].
func (v *resultsView) Read(r io.Reader, now *engine.View) error {
	records := make([]record, 1)
	var hash summer
	list, err := pyjson.ReadObject(r, func(_ pyjson.Ref, m pyjson.Member) (forget bool) {
		rec := v.recordOf(m, &hash)
		forget = rec.sum != 0 && v.letGo(&rec, now.Get(v.db, v.key(rec.id)), m.Value)
		records = append(records, rec)
		return forget
	})
	if err == nil {
		v.reset(list, records, v.parse)
	}
	return err
}

// Commands implements [Streamed]. A record that stands for no key takes back what an earlier one of the same name did: of
// those only the last counts.
func (v *resultsView) Commands(r io.Reader, at int64, do func(engine.Edit) error) error {
	none := &engine.View{At: at}
	return pyjson.ReadMembers(r, func(m pyjson.Member) error {
		id := name(m.Key)
		var edits []engine.Edit
		if expires, ok := v.check(id, m.Value); ok && !over(expires, at) {
			edits = v.decode(id, m.Value, none)
		} else {
			edits = []engine.Edit{edit(v.db, "DEL", v.key(id)), edit(v.db, "ZREM", v.results.layout.ResultsIndex(), id)}
		}
		for _, e := range edits {
			if err := do(e); err != nil {
				return err
			}
		}
		return nil
	})
}
