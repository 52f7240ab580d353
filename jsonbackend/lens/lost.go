package lens

import (
	"bytes"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Loss is what edits remove or overwrite.
type Loss struct {
	Keys  []Key  // in the order of the edits; sets and indexes that follow from records are not among them
	Doc   []byte // the records as they were, a document of the file's own shape; nil if there are none
	Other []byte // keys that the file had no words for, as other.json would show them; nil if there are none
}

// Lost returns what edits of the file at an index in [Views] remove from the keyspace or overwrite there.
func Lost(l keyspace.Layout, db, file int, edits []engine.Edit, now *engine.View) (lost Loss) {
	seen := map[Key]bool{}
	for _, e := range edits {
		key := Key{e.DB, string(e.Args[1])}
		if !seen[key] && l.Family(key.Name) != keyspace.Topics && IndexOf(l, db, key) == file && now.Get(key.DB, key.Name) != nil {
			seen[key] = true
			lost.Keys = append(lost.Keys, key)
		}
	}
	if len(lost.Keys) == 0 {
		return Loss{}
	}
	if m := (&metrics{key: l.MetricsStream(), db: db}); file == metricsFile && m.stream(now) != nil {
		if lost.Doc = m.lost(edits, now); lost.Doc == nil {
			return Loss{}
		}
		return lost
	}
	view := Views(l, db)[file]
	var wordless []Key
	for _, k := range lost.Keys {
		before := view.Hidden()
		if a, ok := view.(*agents); ok {
			a.show(k.Name, now.Get(db, k.Name)) // and no topic but its own
		} else {
			view.Update(now, []Key{k})
		}
		if file == metricsFile || view.Hidden() > before {
			wordless = append(wordless, k)
		}
	}
	if len(wordless) < len(lost.Keys) {
		lost.Doc = document(view)
	}
	lost.Other = keyRecordsOf(wordless, now)
	return lost
}

func document(v View) []byte {
	var b bytes.Buffer
	v.WriteTo(&b) // a buffer takes everything
	return b.Bytes()
}

// keyRecordsOf words keys as other.json does, whosever they are; nil of none.
func keyRecordsOf(keys []Key, now *engine.View) []byte {
	byDB := map[int]*pyjson.List{}
	for _, k := range keys {
		if byDB[k.DB] == nil {
			byDB[k.DB], _ = pyjson.ParseList([]byte("{}"), 1)
		}
		byDB[k.DB].Insert(pyjson.End, pyjson.QuoteBytes(nil, []byte(k.Name)), keyRecord(now.Get(k.DB, k.Name), 2, false))
	}
	if len(byDB) == 0 {
		return nil
	}
	doc, _ := pyjson.ParseList([]byte("{}"), 0)
	for db := range engine.Databases {
		if byDB[db] != nil {
			doc.Insert(pyjson.End, databaseName(db), byDB[db].Bytes())
		}
	}
	return doc.Bytes()
}

// lost words the metrics that edits take out of the stream; nil if there are none.
func (m *metrics) lost(edits []engine.Edit, now *engine.View) []byte {
	gone, again, all := map[string]bool{}, map[string]int{}, false
	for _, e := range edits {
		switch string(e.Args[0]) {
		case "XDEL":
			for _, id := range e.Args[2:] {
				gone[string(id)] = true
			}
		case "DEL":
			all = true // the stream is made anew
		case "XADD":
			again[string(e.Args[len(e.Args)-1])]++
		}
	}
	doc, _ := pyjson.ParseList([]byte("[]"), 0)
	for e := range m.stream(now).All() {
		if !all && !gone[e.ID.String()] || takenAgain(e, again) {
			continue
		}
		if text := data(e); text != nil {
			doc.Insert(pyjson.End, nil, indent(text, 1))
		}
	}
	if doc.Len() == 0 {
		return nil
	}
	return doc.Bytes()
}

// takenAgain reports whether an entry is one of those that come again; each comes once.
func takenAgain(e value.StreamEntry, again map[string]int) bool {
	var last string
	for _, v := range e.Fields() {
		last = string(v)
	}
	if again[last] == 0 {
		return false
	}
	again[last]--
	return true
}
