package lens

import (
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Other is the view of other.json, {database: {key: key record}}: every key that no other file is about.
func Other(l keyspace.Layout, db int) View {
	o := &other{layout: l, home: db}
	if err := o.Load(nil); err != nil {
		panic(err)
	}
	return o
}

type other struct {
	layout keyspace.Layout
	home   int // the database of the documented files
	list   *pyjson.List
	dbs    [engine.Databases]*database // nil if the document has no such member

	removed int // databases removed since the list was parsed
}

// database is one member of the document.
type database struct {
	*flat
	ref pyjson.Ref
}

func (o *other) File() string { return "other.json" }

func (o *other) Hidden() int { return 0 } // every key has words

func (o *other) Unkeyed() (n int) {
	for _, d := range o.dbs {
		if d != nil {
			n += d.strange
		}
	}
	return n
}

func (o *other) WriteTo(w io.Writer) (int64, error) { return o.list.WriteTo(w) }

func (o *other) Load(doc []byte) error {
	list, err := parse(doc, '{')
	if err != nil {
		return err
	}
	var dbs [engine.Databases]*database
	for ref, m := range list.All() {
		db, ok := databaseNumber(name(m.Key))
		if !ok || m.Value[0] != '{' {
			return misplaced(doc, m.Offset, "Expecting a database from 0 to "+strconv.Itoa(engine.Databases-1)+" and an object of its keys")
		}
		dbs[db] = o.database(list, ref, db)
	}
	o.list, o.dbs = list, dbs
	return nil
}

func databaseName(db int) []byte { return []byte(strconv.Quote(strconv.Itoa(db))) }

func databaseNumber(text string) (db int, ok bool) {
	db, err := strconv.Atoi(text)
	return db, err == nil && db >= 0 && db < engine.Databases && strconv.Itoa(db) == text
}

// database reads a member of list that is an object.
func (o *other) database(list *pyjson.List, ref pyjson.Ref, db int) *database {
	d := &database{newFlat(keyRecords{layout: o.layout, home: o.home, db: db, file: otherFile, level: 2}, db, true), ref}
	inner, err := list.Nest(ref)
	if err != nil {
		panic("lens: member of a parsed document: " + err.Error())
	}
	d.read(inner, func(doc []byte) (*pyjson.List, error) {
		list.Replace(ref, doc)
		return list.Nest(ref)
	})
	return d
}

func (o *other) Base() Base {
	b := Base{Named: map[string]uint64{}}
	for db, d := range o.dbs {
		if d == nil {
			continue
		}
		for id, sum := range d.base().Named {
			b.Named[strconv.Itoa(db)+":"+id] = sum
		}
	}
	return b.with(o.Loose())
}

func (o *other) Update(now *engine.View, keys []Key) (changed bool) {
	var byDB [engine.Databases][]string
	for _, k := range keys {
		byDB[k.DB] = append(byDB[k.DB], k.Name)
	}
	for db := range o.dbs {
		if len(byDB[db]) == 0 && keys != nil {
			continue
		}
		if o.update(now, db, byDB[db]) {
			changed = true
		}
	}
	return changed
}

// update brings one database in line with the keyspace. It comes with its first key and goes with its last.
func (o *other) update(now *engine.View, db int, keys []string) (changed bool) {
	d := o.dbs[db]
	if d == nil {
		if !o.needed(now, db, keys) {
			return false
		}
		d = o.insert(db)
	}
	changed = d.update(now, keys)
	if changed && d.list.Len() == 0 {
		o.list.Remove(d.ref)
		o.dbs[db] = nil
		o.compact()
	}
	return changed
}

// needed reports whether a database has keys to be shown, among keys if they are not nil.
func (o *other) needed(now *engine.View, db int, keys []string) bool {
	shown := func(key string) bool { return IndexOf(o.layout, o.home, Key{db, key}) == otherFile }
	if keys == nil {
		for e := range now.All(db) {
			if shown(e.Key) {
				return true
			}
		}
	}
	return slices.ContainsFunc(keys, func(key string) bool { return shown(key) && now.Get(db, key) != nil })
}

// insert adds a database before the next higher one.
func (o *other) insert(db int) *database {
	before := pyjson.End
	for higher := engine.Databases - 1; higher > db; higher-- {
		if d := o.dbs[higher]; d != nil {
			before = d.ref
		}
	}
	ref := o.list.Insert(before, databaseName(db), []byte("{}"))
	o.dbs[db] = o.database(o.list, ref, db)
	return o.dbs[db]
}

// compact parses the document anew when the list remembers many databases that are gone.
func (o *other) compact() {
	if o.removed++; o.removed > 1000 {
		o.removed = 0
		_ = o.Load(o.list.Bytes()) // where it has outgrown what can be parsed, it stays
	}
}

func (o *other) Edits(read Base, now *engine.View, at int64) iter.Seq[engine.Edit] {
	var byDB [engine.Databases]map[string]uint64
	for name, sum := range read.Named {
		number, id, _ := strings.Cut(name, ":")
		db, ok := databaseNumber(number)
		if !ok {
			continue
		}
		if byDB[db] == nil {
			byDB[db] = map[string]uint64{}
		}
		byDB[db][id] = sum
	}
	return func(yield func(engine.Edit) bool) {
		for db, read := range byDB {
			for e := range o.dbs[db].editsIn(db, read, now, at) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// editsIn are the edits in one database; d is nil if the document has it no more.
func (d *database) editsIn(db int, read map[string]uint64, now *engine.View, at int64) iter.Seq[engine.Edit] {
	if d != nil {
		return d.edits(read, now, at)
	}
	return func(yield func(engine.Edit) bool) {
		for _, id := range slices.Sorted(maps.Keys(read)) {
			if !yield(edit(db, "DEL", id)) {
				return
			}
		}
	}
}
