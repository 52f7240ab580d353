package lens

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// Loose are records of another shape than the documented one: they stand for no key, and nothing but the document holds
// them. The name says where a record stands: in an object that is its key as json.dumps prints it, in an array the hash
// of its text.
type Loose map[string][]byte

// looseMark begins the name of such a record in a Base: no other name there begins with that byte.
const looseMark = "\xff"

// with adds the records that stand for no key.
func (b Base) with(l Loose) Base {
	if b.Named == nil && len(l) > 0 {
		b.Named = make(map[string]uint64, len(l))
	}
	for name, text := range l {
		b.Named[looseMark+name] = sum(text)
	}
	return b
}

// Keyed is the base without the records that stand for no key.
func (b Base) Keyed() Base {
	k := Base{Named: maps.Clone(b.Named), Order: b.Order}
	maps.DeleteFunc(k.Named, func(name string, _ uint64) bool { return isLoose(name) })
	return k
}

func isLoose(name string) bool { return strings.HasPrefix(name, looseMark) }

// Merge merges l, what stood last, with what stands in somebody's document, who most plausibly started from read, by record:
// what he did not know stays, what he left as it was is as it stood last, all else is as he has it.
func (l Loose) Merge(theirs Loose, read Base) Loose {
	merged := Loose{}
	for name, text := range l {
		his, has := theirs[name]
		was, knew := read.Named[looseMark+name]
		if has && was != sum(his) {
			text = his
		}
		if has || !knew {
			merged[name] = text
		}
	}
	for name, text := range theirs {
		if _, have := l[name]; !have && read.Named[looseMark+name] != sum(text) {
			merged[name] = text
		}
	}
	return merged
}

// Without returns the records that the others do not have, or otherwise.
func (l Loose) Without(others Loose) Loose {
	gone := Loose{}
	for name, text := range l {
		if other, ok := others[name]; !ok || sum(other) != sum(text) {
			gone[name] = text
		}
	}
	return gone
}

// Names returns the names of the records, sorted.
func (l Loose) Names() []string { return slices.Sorted(maps.Keys(l)) }

// JSON is an object of the records, to be read by [ParseLoose]; nil if there are none.
func (l Loose) JSON() []byte {
	if len(l) == 0 {
		return nil
	}
	var text []byte
	for _, name := range l.Names() {
		text = append(pyjson.QuoteBytes(append(text, ','), []byte(name)), ':')
		text = append(text, l[name]...)
	}
	text[0] = '{'
	return append(text, '}')
}

// ParseLoose reads what JSON returns; nil is no records.
func ParseLoose(text []byte) (Loose, error) {
	list, err := parse(text, '{')
	if err != nil {
		return nil, fmt.Errorf("records that stand for no key: %w", err)
	}
	l := Loose{}
	for _, m := range list.All() {
		name, err := pyjson.UnquoteBytes(nil, m.Key)
		if err != nil {
			return nil, fmt.Errorf("records that stand for no key: %w", err)
		}
		l[string(name)] = m.Value
	}
	return l, nil
}

// elementName is the name of a record in an array.
func elementName(record []byte) string { return fmt.Sprintf("%016x", sum(record)) }

func (f *flat) loose() Loose {
	l := Loose{}
	if f.strange == 0 {
		return l
	}
	for ref := range f.list.Refs() {
		if f.records[ref].sum == 0 {
			m := f.list.Member(ref)
			l[string(dumps(m.Key))] = bytes.Clone(m.Value)
		}
	}
	return l
}

func (f *flat) setLoose(l Loose) (changed bool) {
	if f.strange == 0 && len(l) == 0 {
		return false
	}
	for ref := range f.list.Refs() {
		if _, wanted := l[string(dumps(f.list.Key(ref)))]; !wanted && f.records[ref].sum == 0 {
			f.drop(ref)
			changed = true
		}
	}
	for _, name := range l.Names() {
		ref, there := f.list.Find([]byte(name))
		switch {
		case there && (f.records[ref].sum != 0 || same(f.list.Member(ref).Value, l[name])):
			continue
		case !there:
			f.strange++
		}
		f.note(f.list.Insert(pyjson.End, []byte(name), l[name]), record{})
		changed = true
	}
	return changed
}

func (f *flatFile) Loose() Loose { return f.loose() }

func (f *flatFile) SetLoose(l Loose) bool { return f.setLoose(l) }

// Loose implements [View]: what somebody writes there does not count.
func (bus) Loose() Loose { return Loose{} }

// SetLoose implements [View].
func (bus) SetLoose(Loose) bool { return false }

func (o *other) Loose() Loose {
	all := Loose{}
	for db, d := range o.dbs {
		if d == nil {
			continue
		}
		for name, text := range d.loose() {
			all[fmt.Sprint(db, ":", name)] = text
		}
	}
	return all
}

func (o *other) SetLoose(l Loose) (changed bool) {
	byDB := map[int]Loose{}
	for name, text := range l {
		number, name, _ := strings.Cut(name, ":")
		if db, ok := databaseNumber(number); ok {
			if byDB[db] == nil {
				byDB[db] = Loose{}
			}
			byDB[db][name] = text
		}
	}
	for db, d := range o.dbs {
		if d == nil && len(byDB[db]) > 0 {
			d = o.insert(db)
		}
		if d != nil && d.setLoose(byDB[db]) {
			changed = true
		}
	}
	return changed
}

func (m *metrics) Loose() Loose {
	l := Loose{}
	for _, r := range m.records {
		if r.sum == 0 {
			text := m.list.Member(r.ref).Value
			l[elementName(text)] = bytes.Clone(text)
		}
	}
	return l
}

// SetLoose adds what is missing at the end.
func (m *metrics) SetLoose(l Loose) (changed bool) {
	missing := maps.Clone(l)
	m.records = slices.DeleteFunc(m.records, func(r metric) bool {
		if r.sum != 0 {
			return false
		}
		name := elementName(m.list.Member(r.ref).Value)
		if _, wanted := l[name]; wanted {
			delete(missing, name)
			return false
		}
		m.list.Remove(r.ref)
		m.dropped++
		changed = true
		return true
	})
	for _, name := range missing.Names() {
		m.records = append(m.records, metric{ref: m.list.Insert(pyjson.End, nil, l[name])})
		changed = true
	}
	return changed
}
