package lens

import (
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// The value of a stream's key record:
//
//	{
//	  "last_id": "2-0", "entries_added": 2, "max_deleted_id": "0-0",
//	  "entries": [
//	    {"id": "1-0", "fields": {"field": "value", ...}},
//	    {"id": "1-1", "fields": [["field", "value"], ...]},  a field comes twice
//	    {"id": "2-0", "data": any JSON}                      bus.json: the one field data, which holds JSON
//	  ],
//	  "groups": {
//	    "name": {
//	      "last_delivered_id": "2-0", "entries_read": 2 or null,
//	      "consumers": ["name", ...],
//	      "pending": [{"id": "2-0", "consumer": "name", "delivered_at": seconds, "delivery_count": 1}, ...]
//	    }
//	  }
//	}
func (w *recordWriter) stream(s *value.Stream, data bool) {
	w.text(`{"last_id": `)
	w.id(s.LastID())
	w.text(`, "entries_added": `)
	w.int(int64(s.EntriesAdded()))
	w.text(`, "max_deleted_id": `)
	w.id(s.MaxDeletedID())
	w.text(`, "entries": `)
	start := len(w.b)
	w.text("[")
	for e := range s.All() {
		w.item(start)
		w.entry(e, data)
	}
	w.text(`], "groups": `)
	start = len(w.b)
	w.text("{")
	for g := range s.Groups() {
		w.item(start)
		w.str(g.Name())
		w.text(": ")
		w.group(g)
	}
	w.text("}}")
}

func (w *recordWriter) id(id value.StreamID) {
	w.b = append(w.b, '"')
	w.b = id.Append(w.b)
	w.b = append(w.b, '"')
}

func (w *recordWriter) entry(e value.StreamEntry, data bool) {
	w.text(`{"id": `)
	w.id(e.ID)
	for field, v := range e.Fields() {
		if data && e.Len() == 1 && string(field) == "data" && pyjson.Check(v) == nil {
			w.text(`, "data": `)
			w.b = append(w.b, v...)
			w.text("}")
			return
		}
	}
	w.text(`, "fields": `)
	w.fields(e)
	w.text("}")
}

// fields writes an object, or an array of pairs if a field comes twice.
func (w *recordWriter) fields(e value.StreamEntry) {
	var pairs [][2]string
	fields := map[string]bool{}
	for field, v := range e.Fields() {
		pairs = append(pairs, [2]string{string(field), string(v)})
		fields[string(field)] = true
	}
	if len(fields) == len(pairs) {
		w.pairs(pairs)
		return
	}
	start := len(w.b)
	w.text("[")
	for _, p := range pairs {
		w.item(start)
		w.array(p[:])
	}
	w.text("]")
}

func (w *recordWriter) group(g *value.Group) {
	w.text(`{"last_delivered_id": `)
	w.id(g.LastID())
	w.text(`, "entries_read": `)
	if n := g.EntriesRead(); n == value.UnknownReads {
		w.text("null")
	} else {
		w.int(n)
	}
	w.text(`, "consumers": `)
	var consumers []string
	for c := range g.Consumers() {
		consumers = append(consumers, c.Name())
	}
	w.array(consumers)
	w.text(`, "pending": `)
	start := len(w.b)
	w.text("[")
	for n := range g.Pending(value.StreamID{}, value.MaxStreamID()) {
		w.item(start)
		w.text(`{"id": `)
		w.id(n.ID)
		w.text(`, "consumer": `)
		w.str(n.Consumer)
		w.text(`, "delivered_at": ` + seconds(n.Time))
		w.text(`, "delivery_count": `)
		w.int(n.Count)
		w.text("}")
	}
	w.text("]}")
}
