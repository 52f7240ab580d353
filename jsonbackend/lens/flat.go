package lens

import (
	"bytes"
	"cmp"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// codec is what distinguishes the objects that have a member for each key of a kind.
type codec interface {
	key(id string) string
	id(key string) (id string, ok bool) // ok is false for keys of another kind
	// check reports whether a record is of the documented shape, and so stands for a key, and when it expires, in Unix
	// milliseconds, 0 for never.
	check(id string, record []byte) (expires int64, ok bool)
	// encode returns the record of an entry: old if that still says the same, nil if there are no words for it.
	encode(id string, e *engine.Entry, old []byte) []byte
	// decode returns the commands that make the key say what record says, which is of the documented shape.
	decode(id string, record []byte, now *engine.View) []engine.Edit
	// remove returns the commands that delete the record.
	remove(id string, now *engine.View) []engine.Edit
}

// flat is one object with a member for each key of a kind in one database.
type flat struct {
	codec
	db      int
	binary  bool // key records: ids are bytes (pyjson.QuoteBytes), else text (pyjson.Quote)
	list    *pyjson.List
	parse   func(doc []byte) (*pyjson.List, error) // makes doc the object's text
	records []record                               // by pyjson.Ref
	strange int                                    // records of another shape
	removed int                                    // records removed since the list was parsed
	hidden  map[string]bool                        // keys without words
	past    []pyjson.Ref                           // records that are over and were left there: they go at the next change
	purging bool                                   // what is over goes from the object

	// word words an entry, as if there had been no record, fast enough that a text which says just that is not worth
	// keeping; nil if that cannot be done fast.
	word func(dst []byte, e *engine.Entry) []byte
	room []byte // of comparisons
}

// record is what is known of one member of the object.
type record struct {
	id  string
	sum uint64 // of its canonical text; 0 = of another shape, it stands for no key

	entry *engine.Entry // whose words are the record, which the list has forgotten; nil = the list has it

	ours bool // it is a key record that we worded: nothing of its wording is worth keeping
}

func newFlat(c codec, db int, binary bool) *flat {
	return &flat{codec: c, db: db, binary: binary, hidden: map[string]bool{}, purging: true}
}

// read makes list, of which parse makes another one, the object's text.
func (f *flat) read(list *pyjson.List, parse func(doc []byte) (*pyjson.List, error)) {
	records := make([]record, 1, list.Len()+1)
	var hash summer
	for ref, m := range list.All() {
		for len(records) <= int(ref) { // what is shadowed is no record
			records = append(records, record{})
		}
		records[ref] = f.recordOf(m, &hash)
	}
	f.reset(list, records, parse)
}

// reset makes list, whose records are these, the object's text.
func (f *flat) reset(list *pyjson.List, records []record, parse func(doc []byte) (*pyjson.List, error)) {
	f.list, f.records, f.parse, f.past, f.strange, f.removed = list, records, parse, nil, 0, 0
	f.list.Recall = f.recall
	for ref := range list.Refs() {
		if records[ref].sum == 0 {
			f.strange++
		}
	}
}

// recordOf is what is known of a member that was read.
func (f *flat) recordOf(m pyjson.Member, hash *summer) (r record) {
	if id, ok := f.unquote(m.Key); ok {
		r.id = id
		if _, ok := f.check(id, m.Value); ok {
			r.sum = hash.sum(m.Value)
		}
	}
	return r
}

// recall words a record that the list has forgotten.
func (f *flat) recall(dst []byte, ref pyjson.Ref) []byte { return f.word(dst, f.records[ref].entry) }

// letGo notes that a record's text is just what e says, and reports whether it is: then the list may forget it.
func (f *flat) letGo(r *record, e *engine.Entry, text []byte) bool {
	if f.word == nil || e == nil {
		return false
	}
	if f.room = f.word(f.room[:0], e); !bytes.Equal(f.room, text) {
		return false
	}
	r.entry = e
	r.id, _ = f.id(e.Key) // one string for both
	return true
}

// quote spells an id as a member's key. It is not ok if JSON cannot spell it.
func (f *flat) quote(id string) (lit []byte, ok bool) {
	if f.binary {
		return pyjson.QuoteBytes(nil, []byte(id)), true
	}
	return pyjson.Quote(nil, []byte(id))
}

// unquote is the id that a member's key spells. Of the texts that stand for the same bytes only the one that quote
// chooses is an id.
func (f *flat) unquote(lit []byte) (id string, ok bool) {
	if !f.binary {
		return name(lit), true
	}
	b, err := pyjson.UnquoteBytes(nil, lit)
	if err != nil || !same(lit, pyjson.QuoteBytes(nil, b)) {
		return "", false
	}
	_, ok = f.id(string(b))
	return string(b), ok
}

// note remembers what is known of a member.
func (f *flat) note(ref pyjson.Ref, r record) {
	for len(f.records) <= int(ref) {
		f.records = append(f.records, record{})
	}
	f.records[ref] = r
}

func (f *flat) base() Base {
	b := Base{Named: make(map[string]uint64, f.list.Len())}
	for ref := range f.list.Refs() {
		if r := f.records[ref]; r.sum != 0 {
			b.Named[r.id] = r.sum
		}
	}
	return b
}

// update brings the records of keys, nil for all, in line with the keyspace.
func (f *flat) update(now *engine.View, keys []string) (changed bool) {
	if keys == nil {
		changed = f.showAll(now)
	} else {
		byBirth(now, f.db, keys)
		for _, key := range keys {
			if id, ok := f.id(key); ok && f.show(key, id, now.Get(f.db, key), now.At) {
				changed = true
			}
		}
	}
	if changed {
		if f.purging {
			f.forgetPast(now)
		}
		f.compact()
	}
	return changed
}

// showAll brings every record in line with its key, and notes those that were never loaded because they were over.
func (f *flat) showAll(now *engine.View) (changed bool) {
	clear(f.hidden)
	f.past = nil
	live := map[string]*engine.Entry{}
	for e := range now.All(f.db) {
		if _, ok := f.id(e.Key); ok {
			live[e.Key] = e
		}
	}
	for ref := range f.list.Refs() {
		r := f.records[ref]
		if r.sum == 0 {
			continue
		}
		key := f.key(r.id)
		e := live[key]
		delete(live, key)
		if e == nil {
			if expires, _ := f.check(r.id, f.list.Value(ref)); over(expires, now.At) {
				f.past = append(f.past, ref)
				continue
			}
		}
		if f.put(ref, f.list.Key(ref), key, r.id, e, now.At) {
			changed = true
		}
	}
	f.list.Shed()
	young := slices.SortedFunc(maps.Values(live), func(a, b *engine.Entry) int { return cmp.Compare(a.Born, b.Born) })
	for _, e := range young {
		if id, _ := f.id(e.Key); f.show(e.Key, id, e, now.At) {
			changed = true
		}
	}
	return changed
}

func over(expires, at int64) bool { return expires != 0 && expires <= at }

// show brings one record in line with its key.
func (f *flat) show(key, id string, e *engine.Entry, at int64) (changed bool) {
	lit, ok := f.quote(id)
	if ok {
		ref, there := f.list.Find(lit)
		if !there {
			ref = pyjson.End
		}
		return f.put(ref, lit, key, id, e, at)
	}
	f.hide(key, e != nil)
	return false
}

// put brings the record at ref, End if there is none, in line with its key.
func (f *flat) put(ref pyjson.Ref, lit []byte, key, id string, e *engine.Entry, at int64) (changed bool) {
	if e != nil && f.records[ref].entry == e {
		return false
	}
	var old, text []byte
	if ref != pyjson.End && f.records[ref].sum != 0 {
		old = f.list.Value(ref)
	}
	if e == nil && old != nil && !f.purging {
		if expires, _ := f.check(id, old); over(expires, at) {
			f.hide(key, false)
			f.past = append(f.past, ref)
			return false
		}
	}
	if e != nil {
		was := old
		if f.records[ref].ours {
			was = nil
		}
		if text = f.encode(id, e, was); bytes.Equal(text, old) {
			text = old
		}
	}
	f.hide(key, e != nil && text == nil)
	switch {
	case text == nil && old == nil:
		return false
	case identical(text, old):
		if f.letGo(&f.records[ref], e, text) {
			f.list.Forget(ref)
		}
		return false
	case text == nil:
		f.drop(ref)
	default:
		if ref != pyjson.End && old == nil {
			f.strange--
		}
		ref = f.list.Insert(pyjson.End, lit, text)
		f.note(ref, record{id: id, sum: sum(text), ours: f.binary})
		if f.letGo(&f.records[ref], e, text) {
			f.list.Forget(ref)
		}
	}
	return true
}

// hide notes whether there are words for a key.
func (f *flat) hide(key string, hidden bool) {
	if hidden {
		f.hidden[key] = true
	} else {
		delete(f.hidden, key)
	}
}

func (f *flat) drop(ref pyjson.Ref) {
	if f.records[ref].sum == 0 {
		f.strange--
	}
	f.list.Remove(ref)
	f.records[ref] = record{}
	f.removed++
}

// forgetPast takes out what was over before it was ever loaded.
func (f *flat) forgetPast(now *engine.View) {
	for _, ref := range f.past {
		if f.records[ref].sum != 0 && now.Get(f.db, f.key(f.records[ref].id)) == nil {
			f.drop(ref)
		}
	}
	f.past = nil
}

// compact parses the object anew when most of what the list remembers is gone.
func (f *flat) compact() {
	if f.removed <= f.list.Len()+1000 {
		return
	}
	list, err := f.parse(f.list.Bytes())
	if err != nil {
		return // it has outgrown what can be parsed
	}
	old := make([]record, 0, f.list.Len())
	for ref := range f.list.Refs() {
		old = append(old, f.records[ref])
	}
	f.list, f.records, f.removed, f.past = list, make([]record, 1, len(old)+1), 0, nil
	f.list.Recall = f.recall
	for ref := range list.Refs() {
		f.note(ref, old[0])
		if old[0].entry != nil {
			list.Forget(ref)
		}
		old = old[1:]
	}
	f.list.Shed()
}

// edits makes them one by one: those of a first load are as large as the file.
func (f *flat) edits(read map[string]uint64, now *engine.View, at int64) iter.Seq[engine.Edit] {
	return func(yield func(engine.Edit) bool) {
		left := maps.Clone(read) // what was read and has not been found again
		for ref, m := range f.list.All() {
			r := f.records[ref]
			if r.sum == 0 {
				continue
			}
			delete(left, r.id)
			if read[r.id] != r.sum && !each(f.editsOf(r.id, m.Value, now, at), yield) {
				return
			}
		}
		for _, id := range slices.Sorted(maps.Keys(left)) {
			if !isLoose(id) && !each(f.remove(id, now), yield) {
				return
			}
		}
	}
}

// each yields edits until yield has enough.
func each(edits []engine.Edit, yield func(engine.Edit) bool) bool {
	for _, e := range edits {
		if !yield(e) {
			return false
		}
	}
	return true
}

// editsOf returns what somebody's record means for its key, nothing if the key says so already.
func (f *flat) editsOf(id string, record []byte, now *engine.View, at int64) []engine.Edit {
	e := now.Get(f.db, f.key(id))
	switch expires, _ := f.check(id, record); {
	case over(expires, at) && e == nil:
		return nil
	case over(expires, at):
		return []engine.Edit{edit(f.db, "DEL", f.key(id))}
	case e != nil && identical(f.encode(id, e, record), record):
		return nil
	}
	return f.decode(id, record, now)
}

// flatFile is the view of a file that is one such object.
type flatFile struct {
	*flat
	file string
}

func newFlatFile(file string, f *flat) *flatFile {
	v := &flatFile{f, file}
	if err := v.Load(nil); err != nil {
		panic(err)
	}
	return v
}

func (f *flatFile) File() string { return f.file }

func (f *flatFile) Hidden() int { return len(f.hidden) }

func (f *flatFile) Unkeyed() int { return f.strange }

func (f *flatFile) WriteTo(w io.Writer) (int64, error) { return f.list.WriteTo(w) }

func (f *flatFile) Base() Base { return f.base().with(f.loose()) }

// KeepExpired implements [Expiring].
func (f *flatFile) KeepExpired(on bool) { f.purging = !on }

func (f *flatFile) Load(doc []byte) error {
	whole := func(doc []byte) (*pyjson.List, error) { return parse(doc, '{') }
	list, err := whole(doc)
	if err == nil {
		f.flat.read(list, whole)
	}
	return err
}

func (f *flatFile) Update(now *engine.View, keys []Key) bool { return f.update(now, names(keys)) }

func (f *flatFile) Edits(read Base, now *engine.View, at int64) iter.Seq[engine.Edit] {
	return f.edits(read.Named, now, at)
}

// names are the names of keys in one database; nil of nil.
func names(keys []Key) []string {
	if keys == nil {
		return nil
	}
	n := make([]string, len(keys))
	for i, k := range keys {
		n[i] = k.Name
	}
	return n
}
