package lens

import (
	"bytes"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Metrics is the view of metrics.json, [metric, ...] oldest first, kept as the stream P:metrics:stream whose entries have
// one field, data, the metric as JSON (JSONStore.save_metric, RedisStore.save_metric). A metric has no name of its own:
// entries and records are matched in order.
func Metrics(l keyspace.Layout, db int) View {
	m := &metrics{key: l.MetricsStream(), db: db}
	if err := m.Load(nil); err != nil {
		panic(err)
	}
	return m
}

type metrics struct {
	key     string
	db      int
	list    *pyjson.List
	records []metric // the document's members in order
	aligned bool     // records have their ids
	dropped int      // members removed since the list was parsed
	hidden  int
}

// metric is one member of the document. One without an id stands for no entry: it is of another shape.
type metric struct {
	ref pyjson.Ref
	id  value.StreamID
	sum uint64 // of its canonical text; 0 = of another shape
	raw uint64 // hash of the entry's data as it is; 0 = not known
}

func (m *metrics) File() string { return "metrics.json" }

func (m *metrics) Hidden() int { return m.hidden }

func (m *metrics) Unkeyed() (n int) {
	for _, r := range m.records {
		if r.sum == 0 {
			n++
		}
	}
	return n
}

func (m *metrics) WriteTo(w io.Writer) (int64, error) { return m.list.WriteTo(w) }

func (m *metrics) Load(doc []byte) error {
	list, err := parse(doc, '[')
	if err != nil {
		return err
	}
	m.list, m.records, m.aligned, m.dropped = list, make([]metric, 0, list.Len()), false, 0
	var hash summer
	for ref, r := range list.All() {
		rec := metric{ref: ref}
		if documentedMetric(r.Value) {
			rec.sum = hash.sum(r.Value)
		}
		m.records = append(m.records, rec)
	}
	return nil
}

// documentedMetric: an object with the time it was saved.
func documentedMetric(record []byte) bool {
	if record[0] != '{' {
		return false
	}
	saved, ok := pyjson.Field(record, "saved_at")
	if !ok {
		return false
	}
	_, ok = millis(saved)
	return ok
}

// data is the metric in an entry, nil if the entry holds none.
func data(e value.StreamEntry) []byte {
	if e.Len() != 1 {
		return nil
	}
	for field, v := range e.Fields() {
		if text := bytes.Trim(v, " \t\r\n"); string(field) == "data" && pyjson.Check(text) == nil && documentedMetric(text) {
			return text
		}
	}
	return nil
}

// stream returns the stream, nil if there is none.
func (m *metrics) stream(now *engine.View) *value.Stream {
	e := now.Get(m.db, m.key)
	if e == nil {
		return nil
	}
	s, _ := e.Value.(*value.Stream)
	return s
}

// entries are those of the stream that hold metrics: their ids and the hashes of their metrics.
func (m *metrics) entries(now *engine.View) (ids []value.StreamID, sums []uint64) {
	s := m.stream(now)
	if s == nil {
		return nil, nil
	}
	var hash summer
	for e := range s.All() {
		if text := data(e); text != nil {
			ids, sums = append(ids, e.ID), append(sums, hash.sum(text))
		}
	}
	return ids, sums
}

func (m *metrics) Base() Base {
	b := Base{Order: make([]uint64, 0, len(m.records))}
	for _, r := range m.records {
		if r.sum != 0 {
			b.Order = append(b.Order, r.sum)
		}
	}
	return b.with(m.Loose())
}

// documented returns the indexes into records of those that stand for entries.
func (m *metrics) documented() (at []int) {
	for i, r := range m.records {
		if r.sum != 0 {
			at = append(at, i)
		}
	}
	return at
}

// align gives the records of a document that was loaded the ids of the entries that say the same, in order.
func (m *metrics) align(now *engine.View) {
	if m.aligned {
		return
	}
	ids, sums := m.entries(now)
	documented := m.documented()
	for i, at := range matches(m.Base().Order, sums) {
		if at >= 0 {
			m.records[documented[i]].id = ids[at]
		}
	}
	m.aligned = true
}

// Update walks the stream and the document side by side, both ascending by id.
func (m *metrics) Update(now *engine.View, _ []Key) (changed bool) {
	m.align(now)
	w := metricsWalk{metrics: m, old: m.records}
	m.records, m.hidden = make([]metric, 0, len(w.old)), 0
	s := m.stream(now)
	if s != nil {
		for e := range s.All() {
			w.entry(e)
		}
	} else if now.Get(m.db, m.key) != nil {
		m.hidden = 1
	}
	for len(w.old) > 0 {
		w.passOver()
	}
	m.compact()
	return w.changed
}

// metricsWalk goes through the document, entry by entry.
type metricsWalk struct {
	*metrics
	old     []metric // the members that are still ahead
	changed bool
}

// passOver leaves a member of another shape where it is, and takes out one whose entry is gone.
func (w *metricsWalk) passOver() {
	r := w.old[0]
	w.old = w.old[1:]
	if r.sum == 0 {
		w.records = append(w.records, r)
		return
	}
	w.list.Remove(r.ref)
	w.dropped++
	w.changed = true
}

// entry shows one entry of the stream.
func (w *metricsWalk) entry(e value.StreamEntry) {
	for len(w.old) > 0 && (w.old[0].sum == 0 || w.old[0].id.Less(e.ID)) {
		w.passOver()
	}
	there := len(w.old) > 0 && w.old[0].id == e.ID
	r := metric{id: e.ID, raw: rawSum(e)}
	if there && w.old[0].raw == r.raw {
		w.records, w.old = append(w.records, w.old[0]), w.old[1:]
		return
	}
	text := data(e)
	var shown []byte
	if text != nil {
		shown = indent(text, 1)
	}
	if shown == nil {
		w.hidden++
		return // what stood there goes with the next entry
	}
	r.sum = sum(text)
	switch {
	case !there:
		at := pyjson.End
		if len(w.old) > 0 {
			at = w.old[0].ref
		}
		r.ref = w.list.Insert(at, nil, shown)
		w.changed = true
	case w.old[0].sum == r.sum:
		r.ref, w.old = w.old[0].ref, w.old[1:]
	default:
		r.ref, w.old = w.old[0].ref, w.old[1:]
		w.list.Replace(r.ref, shown)
		w.changed = true
	}
	w.records = append(w.records, r)
}

// rawSum hashes an entry's fields as they are.
func rawSum(e value.StreamEntry) uint64 {
	h := uint64(e.Len())
	for field, v := range e.Fields() {
		h = h*31 + xxhash.Sum64(field)
		h = h*31 + xxhash.Sum64(v)
	}
	return h | 1
}

// compact parses the document anew when most of what the list remembers is gone.
func (m *metrics) compact() {
	if m.dropped <= len(m.records)+1000 {
		return
	}
	list, err := pyjson.ParseList(m.list.Bytes(), 0)
	if err != nil {
		return // it has outgrown what can be parsed
	}
	i := 0
	for ref := range list.All() {
		m.records[i].ref = ref
		i++
	}
	m.list, m.dropped = list, 0
}
