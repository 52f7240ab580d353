package lens

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// Reading a document into an empty keyspace and showing the keyspace in it changes nothing.
func TestWhatWasReadShowsAsItWasWritten(t *testing.T) {
	for file, doc := range map[int]func(*rapid.T) string{
		agentsFile:  func(t *rapid.T) string { return agentsDoc(t, true) },
		resultsFile: func(t *rapid.T) string { return flatDoc(t, resultsFile) },
		metricsFile: func(t *rapid.T) string { return metricsDoc(t, 12) },
		configFile:  func(t *rapid.T) string { return flatDoc(t, configFile) },
		otherFile:   func(t *rapid.T) string { return flatDoc(t, otherFile) },
	} {
		t.Run(Views(layout, 0)[file].File(), rapid.MakeCheck(func(t *rapid.T) {
			w, doc := newWorld(t), doc(t)
			w.read(file, []byte(doc))
			says(t, text(t, w.views[file]), doc)
			w.settled(file)
		}))
	}
}

// A record that changes and changes back leaves every other byte as it was.
func TestChangesAreConfinedToTheirRecord(t *testing.T) {
	for _, file := range []int{resultsFile, configFile, otherFile} {
		t.Run(Views(layout, 0)[file].File(), rapid.MakeCheck(func(t *rapid.T) {
			w := newWorld(t)
			w.read(file, []byte(flatDoc(t, file)))
			passing := keyOf(file, "passing")
			w.do(setTo(file, passing, "passing")...)
			w.publish(file)
			w.do("DEL", passing)
			before := w.publish(file) // and what had expired is gone
			if len(w.keysOf(0)) == 0 {
				return
			}
			key := rapid.SampledFrom(w.keysOf(0)).Draw(t, "key")
			if IndexOf(layout, 0, Key{0, key}) != file {
				return // the index of results
			}
			e := w.now().Get(0, key)
			w.do(setTo(file, key, "changed")...)
			outside(t, file, key, before, w.publish(file))
			w.settled(file)
			w.do("DEL", key)
			undo := []engine.Edit{}
			for args := range engine.Commands(e) {
				undo = append(undo, engine.Edit{Args: args})
			}
			w.apply(undo)
			outside(t, file, key, before, w.publish(file))
			w.settled(file)
		}))
	}
}

// keyOf is the key for which a record stands.
func keyOf(file int, id string) string {
	switch file {
	case resultsFile:
		return layout.Result(id)
	case configFile:
		return layout.Config(id)
	}
	return id
}

// setTo is a command that gives a key another value that its file has words for.
func setTo(file int, key, value string) []any {
	lit, _ := pyjson.Quote(nil, []byte(value))
	switch file {
	case resultsFile:
		task, _ := pyjson.Quote(nil, []byte(layout.Parse(key).Rest))
		return []any{"SET", key, `{"task_id":` + string(task) + `,"result":` + string(lit) + `,"saved_at":1e9}`}
	case configFile:
		return []any{"SET", key, lit}
	}
	return []any{"SET", key, value}
}

// outside fails if two documents differ elsewhere than in the record of a key.
func outside(t tb, file int, key string, before, after []byte) {
	t.Helper()
	doc, from := before, 0
	if file == otherFile {
		list, err := pyjson.ParseList(before, 0)
		if err != nil {
			t.Fatalf("%v", err)
		}
		ref, _ := list.Find([]byte(`"0"`))
		m := list.Member(ref)
		doc, from = m.Value, m.Offset+3+bytes.Index(before[m.Offset+3:], m.Value)
	}
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, m := range list.All() {
		id := name(m.Key)
		if file == otherFile {
			b, err := pyjson.UnquoteBytes(nil, m.Key)
			if err != nil {
				continue
			}
			id = string(b)
		}
		if keyOf(file, id) != key {
			continue
		}
		start := from + m.Offset
		end := start + len(m.Key) + bytes.Index(before[start+len(m.Key):], m.Value) + len(m.Value)
		if !bytes.HasPrefix(after, before[:start]) || !bytes.HasSuffix(after, before[end:]) {
			t.Fatalf("more changed than %q: %s", before[start:end], cmp.Diff(string(before), string(after)))
		}
		return
	}
	t.Fatalf("no record of %q in %s", key, before)
}

// recordsOf are the records that stand for keys, by id, as what they mean; those of other.json by "db:key". Those that
// expired before an instant are left out.
func recordsOf(t tb, file int, doc []byte, at int64) map[string]string {
	t.Helper()
	v := Views(layout, 0)[file]
	if err := v.Load(doc); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	all := map[string]string{}
	add := func(prefix string, f *flat) {
		for ref, m := range f.list.All() {
			r := f.records[ref]
			if expires, ok := f.check(r.id, m.Value); r.sum != 0 && ok && !over(expires, at) {
				all[prefix+r.id] = normal(t, f, r.id, m.Value)
			}
		}
	}
	switch v := v.(type) {
	case *flatFile:
		add("", v.flat)
	case *other:
		for db, d := range v.dbs {
			if d != nil {
				add(strconv.Itoa(db)+":", d.flat)
			}
		}
	}
	return all
}

func baseOf(t tb, file int, doc string) Base {
	t.Helper()
	v := Views(layout, 0)[file]
	if err := v.Load([]byte(doc)); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return v.Base()
}

// normal is what a record means: two that mean the same have the same.
func normal(t tb, f *flat, id string, record []byte) string {
	t.Helper()
	switch c := f.codec.(type) {
	case keyRecords:
		e, ok := readKeyRecord(id, record)
		if !ok {
			t.Fatalf("no key record: %s", record)
		}
		return string(c.render(e))
	case results:
		expires, _ := c.check(id, record)
		return string(sortedMembers(t, withoutExpiry(record))) + seconds(expires)
	}
	return canonical(t, record)
}

// sortedMembers is an object in the order of its keys.
func sortedMembers(t tb, object []byte) []byte {
	t.Helper()
	all := members(t, object)
	var items []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		items = append(items, key+"="+all[key])
	}
	return []byte(strings.Join(items, ","))
}

// The merge is three-way by record: what changed only in memory stays, what changed in the file wins.
func TestEditsMergeByRecord(t *testing.T) {
	for _, file := range []int{resultsFile, configFile, otherFile} {
		t.Run(Views(layout, 0)[file].File(), rapid.MakeCheck(func(t *rapid.T) {
			w := newWorld(t)
			w.read(file, []byte(flatDoc(t, file)))
			at := w.now().At
			w.publish(file)
			base := w.seen[file].Named
			ids := drawFlat[file].ids
			for range rapid.IntRange(0, 4).Draw(t, "changes in memory") {
				b, _ := pyjson.UnquoteBytes(nil, []byte(rapid.SampledFrom(ids).Draw(t, "key")))
				if file != otherFile {
					b, _ = pyjson.Unquote(nil, []byte(rapid.SampledFrom(ids).Draw(t, "key")))
				}
				if key := keyOf(file, string(b)); chance(t, 3) {
					w.do("DEL", key)
				} else {
					w.do(setTo(file, key, "from memory")...)
				}
			}
			memory := recordsOf(t, file, w.fresh(file), at)

			doc := editedDoc(t, file, text(t, w.views[file]))
			edited, live := baseOf(t, file, doc).Named, recordsOf(t, file, []byte(doc), at)
			want := map[string]string{}
			for _, id := range slices.Concat(slices.Collect(maps.Keys(base)), slices.Collect(maps.Keys(edited)), slices.Collect(maps.Keys(memory))) {
				from := live
				if edited[id] == base[id] {
					from = memory
				}
				if record, ok := from[id]; ok {
					want[id] = record
				}
			}
			w.read(file, []byte(doc))
			after := text(t, w.views[file])
			if diff := cmp.Diff(want, recordsOf(t, file, after, at)); diff != "" {
				t.Fatalf("the document (-want +got):\n%s\nread %s\nbecame %s", diff, doc, after)
			}
			if diff := cmp.Diff(want, recordsOf(t, file, w.fresh(file), at)); diff != "" {
				t.Fatalf("the keyspace (-want +got):\n%s\nread %s", diff, doc)
			}
			w.settled(file)
		}))
	}
}

// editedDoc is what somebody makes of a document: records deleted, moved, spelled otherwise, replaced, added.
func editedDoc(t *rapid.T, file int, doc []byte) string {
	object := func(text []byte) string {
		old := map[string]string{}
		list, err := pyjson.ParseList(text, 0)
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, m := range list.All() {
			old[name(m.Key)] = string(m.Value)
		}
		var items []string
		for _, id := range someOf(t, append(drawFlat[file].ids, `"passing"`)) {
			record, there := old[name([]byte(id))]
			switch {
			case there && !chance(t, 3):
				if canon, err := pyjson.Dumps(nil, []byte(record)); err == nil && chance(t, 3) {
					record = string(canon)
				}
			case id == `"passing"`:
				continue
			default:
				record = drawFlat[file].record(t, id)
			}
			items = append(items, id, record)
		}
		return dict(t, items)
	}
	if file != otherFile {
		return object(doc)
	}
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var items []string
	for _, db := range someOf(t, []string{`"0"`, `"3"`, `"15"`}) {
		old := []byte("{}")
		if ref, ok := list.Find([]byte(db)); ok {
			old = list.Member(ref).Value
		}
		items = append(items, db, object(old))
	}
	return dict(t, items)
}
