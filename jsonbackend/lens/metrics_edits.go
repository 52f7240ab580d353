package lens

import (
	"iter"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// metricsEdit is what somebody did to the document, in terms of the entries that hold metrics.
type metricsEdit struct {
	source  []int  // for each metric of the document the entry it was read from, ascending; -1 for none
	added   []bool // for each metric of the document whether he added it
	deleted []bool // for each entry whether he deleted its metric
}

// compare finds out what happened between read and the document, and where that is among the entries with these sums.
func (m *metrics) compare(read, sums []uint64) metricsEdit {
	file := m.Base().Order
	e := metricsEdit{make([]int, len(file)), make([]bool, len(file)), make([]bool, len(sums))}
	for i := range file {
		e.source[i], e.added[i] = -1, true
	}
	younger := make([]bool, len(sums)) // entries that he did not know
	for i := range younger {
		younger[i] = true
	}
	kept, here := matches(read, file), matches(read, sums)
	trimmed := map[uint64]int{} // what he moved or deleted, and is gone here: how often
	for i := range read {
		switch {
		case kept[i] >= 0:
			e.source[kept[i]], e.added[kept[i]] = here[i], false
		case here[i] < 0:
			trimmed[read[i]]++
		}
		if here[i] >= 0 {
			younger[here[i]], e.deleted[here[i]] = false, kept[i] < 0
		}
	}
	for i, h := range file {
		if e.added[i] && trimmed[h] > 0 {
			e.added[i] = false
			trimmed[h]--
		}
	}
	// What came to both sides alike came once.
	ours, at := pick(file, e.added)
	theirs, _ := pick(sums, younger)
	for i, match := range matches(ours, theirs) {
		if match >= 0 {
			e.added[at[i]] = false
		}
	}
	return e
}

// pick returns the picked elements of sums, and where they were.
func pick(sums []uint64, picked []bool) (some []uint64, at []int) {
	for i, yes := range picked {
		if yes {
			some, at = append(some, sums[i]), append(at, i)
		}
	}
	return some, at
}

// between reports whether a metric was added before another that was kept.
func (e metricsEdit) between() bool {
	added := false
	for i := range e.source {
		added = added || e.added[i]
		if added && e.source[i] >= 0 {
			return true
		}
	}
	return false
}

// Edits puts metrics that were added behind all others, and makes the stream anew where one was added between others: a
// stream only grows at its end.
func (m *metrics) Edits(read Base, now *engine.View, _ int64) iter.Seq[engine.Edit] {
	return slices.Values(m.edits(read, now))
}

func (m *metrics) edits(read Base, now *engine.View) (edits []engine.Edit) {
	ids, sums := m.entries(now)
	e := m.compare(read.Order, sums)
	if e.between() {
		return m.rebuild(e, ids, now)
	}
	for i, gone := range e.deleted {
		if gone {
			edits = append(edits, edit(m.db, "XDEL", m.key, ids[i].String()))
		}
	}
	s, last := m.stream(now), value.StreamID{}
	if s != nil {
		last = s.LastID()
	}
	for i, at := range m.documented() {
		if !e.added[i] {
			continue
		}
		if s == nil && len(edits) == 0 && now.Get(m.db, m.key) != nil {
			edits = append(edits, edit(m.db, "DEL", m.key)) // it is no stream
		}
		record := m.list.Member(m.records[at].ref).Value
		if id, ok := nextID(record, last); ok {
			edits, last = append(edits, edit(m.db, "XADD", m.key, id.String(), "data", dumps(record))), id
		}
	}
	return edits
}

// nextID derives an entry's id from when the metric was saved; it is above last. It is not ok if there is none.
func nextID(record []byte, last value.StreamID) (id value.StreamID, ok bool) {
	if id = savedID(record); last.Less(id) {
		return id, true
	}
	return last.Next()
}

func savedID(record []byte) value.StreamID {
	saved, _ := pyjson.Field(record, "saved_at")
	ms, _ := millis(saved)
	return value.StreamID{Ms: uint64(max(ms, 0))}
}

// rebuild returns the commands that make the stream anew, with its groups. Entries keep their ids where order allows.
func (m *metrics) rebuild(e metricsEdit, ids []value.StreamID, now *engine.View) []engine.Edit {
	old := m.stream(now)
	limits := value.DefaultStreamLimits()
	s := value.NewStream(&limits)
	added, maxDeleted := int64(old.EntriesAdded()), old.MaxDeletedID()
	deleted := map[value.StreamID]bool{}
	for i, gone := range e.deleted {
		if id := ids[i]; gone {
			deleted[id] = true
			if maxDeleted.Less(id) {
				maxDeleted = id
			}
		}
	}
	for _, p := range m.order(e, ids, old, deleted) {
		id := p.id
		if !s.LastID().Less(id) || !p.before.IsZero() && !id.Less(p.before) {
			id, _ = s.LastID().Next()
		}
		if s.Append(id, p.pairs) == nil && p.added {
			added++
		}
	}
	last := old.LastID()
	if last.Less(s.LastID()) {
		last = s.LastID()
	}
	_ = s.SetID(last, added, maxDeleted) // all three have only grown
	copyGroups(s, old)
	key := now.Get(m.db, m.key)
	return keyCommands(m.db, &engine.Entry{Key: m.key, Value: s, Expire: key.Expire}, now)
}

// place is an entry of the stream to be made.
type place struct {
	id     value.StreamID // the one it should have
	pairs  [][]byte
	added  bool
	before value.StreamID // of an added entry: the one that follows it and was there, 0-0 if none does
}

// order returns what the stream is to hold: the document's metrics in its order, and among them, where they were, the
// entries of which it does not speak.
func (m *metrics) order(e metricsEdit, ids []value.StreamID, old *value.Stream, deleted map[value.StreamID]bool) (places []place) {
	var rest []value.StreamEntry
	for entry := range old.All() {
		if !deleted[entry.ID] {
			rest = append(rest, entry)
		}
	}
	keep := func(to value.StreamID) {
		for len(rest) > 0 && !to.Less(rest[0].ID) {
			p := place{id: rest[0].ID}
			for field, v := range rest[0].Fields() {
				p.pairs = append(p.pairs, field, v)
			}
			places, rest = append(places, p), rest[1:]
		}
	}
	for i, at := range m.documented() {
		if e.source[i] >= 0 {
			keep(ids[e.source[i]])
		}
		if e.added[i] {
			record := m.list.Member(m.records[at].ref).Value
			places = append(places, place{id: savedID(record), pairs: [][]byte{[]byte("data"), dumps(record)}, added: true})
		}
	}
	keep(value.MaxStreamID())
	var next value.StreamID
	for i := len(places) - 1; i >= 0; i-- {
		if places[i].added {
			places[i].before = next
		} else {
			next = places[i].id
		}
	}
	return places
}

func copyGroups(to, from *value.Stream) {
	for g := range from.Groups() {
		c, _ := to.CreateGroup(g.Name(), g.LastID(), g.EntriesRead())
		for consumer := range g.Consumers() {
			c.CreateConsumer(consumer.Name(), consumer.SeenTime())
		}
		for n := range g.Pending(value.StreamID{}, value.MaxStreamID()) {
			c.SetPending(n)
		}
	}
}
