package lens

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// A key record is a key of any type as an object: {"type": ..., "value": ...[, "expires_at": seconds]}. Names and
// strings are bytes, spelled as Python's errors="surrogateescape" decodes them. bus.json and other.json consist of key
// records; docs/format/other.md describes them.
//
//	string  "text"
//	list    ["element", ...]
//	set     ["member", ...], sorted
//	zset    {"member": score, ...}, by rank
//	hash    {"field": "value", ...}, in the hash's order if it has one, else sorted
//	stream  see streamrecord.go

// keyRecord is the record of an entry. With data, stream entries whose one field is data and holds JSON show that JSON.
func keyRecord(e *engine.Entry, level int, data bool) []byte {
	var w recordWriter
	switch v := e.Value.(type) {
	case *value.Str:
		w.begin("string")
		w.bytes(v.B)
	case *value.List:
		w.begin("list")
		w.array(slices.Collect(v.All()))
	case *value.Set:
		w.begin("set")
		w.array(slices.Sorted(v.All()))
	case *value.ZSet:
		w.begin("zset")
		w.zset(v)
	case *value.Hash:
		w.begin("hash")
		w.hash(v)
	case *value.Stream:
		w.begin("stream")
		w.stream(v, data)
	}
	if e.Expire != 0 {
		w.text(`, "expires_at": ` + seconds(e.Expire))
	}
	w.text("}")
	if text := indent(w.b, level); text != nil {
		return text
	}
	return keyRecord(e, level, false) // data nests too deep for its place
}

// recordWriter writes JSON in one line.
type recordWriter struct{ b []byte }

func (w *recordWriter) text(s string) { w.b = append(w.b, s...) }

func (w *recordWriter) begin(kind string) { w.text(`{"type": "` + kind + `", "value": `) }

func (w *recordWriter) str(s string) { w.bytes([]byte(s)) }

func (w *recordWriter) bytes(b []byte) { w.b = pyjson.QuoteBytes(w.b, b) }

func (w *recordWriter) int(n int64) { w.b = strconv.AppendInt(w.b, n, 10) }

// item begins another element of the array or object that began at start.
func (w *recordWriter) item(start int) {
	if len(w.b) > start+1 {
		w.b = append(w.b, ',')
	}
}

func (w *recordWriter) array(items []string) {
	start := len(w.b)
	w.text("[")
	for _, s := range items {
		w.item(start)
		w.str(s)
	}
	w.text("]")
}

func (w *recordWriter) zset(z *value.ZSet) {
	start := len(w.b)
	w.text("{")
	for member, score := range z.All() {
		w.item(start)
		w.str(member)
		w.text(": ")
		w.text(pyjson.FloatRepr(score))
	}
	w.text("}")
}

func (w *recordWriter) hash(h *value.Hash) {
	pairs := make([][2]string, 0, h.Len())
	for field, v := range h.All() {
		pairs = append(pairs, [2]string{field, v})
	}
	if h.Encoding() != value.EncodingListpack {
		slices.SortFunc(pairs, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	}
	w.pairs(pairs)
}

// pairs writes an object; keys must differ.
func (w *recordWriter) pairs(pairs [][2]string) {
	start := len(w.b)
	w.text("{")
	for _, p := range pairs {
		w.item(start)
		w.str(p[0])
		w.text(": ")
		w.str(p[1])
	}
	w.text("}")
}
