package lens

import (
	"bytes"
	"iter"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Bus is the view of bus.json, {key: key record}: the event bus (omni-stream:*, omni-dlq:*, retry_counts:*) for people
// to read. It is read itself only by a first load; whatever else somebody does to the document is no edit, and undone
// by the next Update.
func Bus(l keyspace.Layout, db int) View {
	return bus{newFlatFile("bus.json", newFlat(keyRecords{layout: l, home: db, db: db, file: busFile, level: 1}, db, true))}
}

type bus struct{ *flatFile }

// Update takes out also what stands for no key.
func (b bus) Update(now *engine.View, keys []Key) (changed bool) {
	if keys == nil {
		for ref := range b.list.Refs() {
			if b.records[ref].sum == 0 {
				b.drop(ref)
				changed = true
			}
		}
	}
	return b.flatFile.Update(now, keys) || changed
}

// Edits restores keys at a first load. It never touches one that is there.
func (b bus) Edits(read Base, now *engine.View, at int64) iter.Seq[engine.Edit] {
	return func(yield func(engine.Edit) bool) {
		if len(read.Named) > 0 {
			return
		}
		for ref, m := range b.list.All() {
			if r := b.records[ref]; r.sum != 0 && now.Get(b.db, r.id) == nil && !each(b.editsOf(r.id, m.Value, now, at), yield) {
				return
			}
		}
	}
}

// keyRecords is the codec of objects of key records in one database.
type keyRecords struct {
	layout keyspace.Layout
	home   int // the database of the documented files
	db     int
	file   int // bus.json or other.json, as IndexOf has it
	level  int // how many containers a record stands in
}

func (k keyRecords) key(id string) string { return id }

func (k keyRecords) id(key string) (string, bool) {
	return key, IndexOf(k.layout, k.home, Key{k.db, key}) == k.file
}

func (k keyRecords) check(id string, record []byte) (expires int64, ok bool) {
	e, ok := readKeyRecord(id, record)
	if !ok {
		return 0, false
	}
	return e.Expire, true
}

// encode compares what old means, not how it is written: a set's order is nobody's.
func (k keyRecords) encode(id string, e *engine.Entry, old []byte) []byte {
	text := k.render(e)
	if old == nil {
		return text
	}
	if same(old, text) {
		return old
	}
	if was, ok := readKeyRecord(id, old); ok && bytes.Equal(k.render(was), text) {
		return old
	}
	return text
}

func (k keyRecords) render(e *engine.Entry) []byte { return keyRecord(e, k.level, k.file == busFile) }

func (k keyRecords) decode(id string, record []byte, now *engine.View) []engine.Edit {
	e, _ := readKeyRecord(id, record) // check has seen it
	return keyCommands(k.db, e, now)
}

func (k keyRecords) remove(id string, _ *engine.View) []engine.Edit {
	return []engine.Edit{edit(k.db, "DEL", id)}
}
