package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// The documents of a data directory.
const (
	AgentsFile  = "agents.json"
	ResultsFile = "results.json"
	MetricsFile = "metrics.json"
	ConfigFile  = "config.json"
	BusFile     = "bus.json"
	OtherFile   = "other.json"
)

// Document is a JSON file of a data directory as it stands on the disk. What a server has not published yet is not in it.
type Document struct {
	Name string // "agents.json"
	Path string // as the source was named, with the name
	Text []byte

	lines []int              // where they begin
	at    map[string]place   // by key
	items map[string][]place // of metrics.json, by what json.dumps prints of them
}

// place is where a record stands in a text.
type place struct{ start, value, end int }

// Position is a place in a file.
type Position struct {
	File         string
	Line, Column int // from 1; the column in characters
}

// String returns FILE:LINE:COLUMN.
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Documents returns the JSON files of the source's directory that are there: none if it has no directory.
func (s *Source) Documents() ([]*Document, error) {
	if s.Dir == "" || s.documents != nil {
		return s.documents, nil
	}
	all := []*Document{}
	for _, name := range []string{AgentsFile, ResultsFile, MetricsFile, ConfigFile, BusFile, OtherFile} {
		text, err := os.ReadFile(filepath.Join(s.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, &Document{Name: name, Path: filepath.Join(s.Name, name), Text: text})
	}
	s.documents = all
	return all, nil
}

// Position returns where the directory's files show a key or, if they do, an element of it: a field of an agent or result, a
// member of a set or of the index, the ID of an entry. ok is false if they do not show the key.
func (s *Source) Position(ctx context.Context, key, element string) (p Position, ok bool) {
	d, record := s.document(key, element)
	if d == nil {
		return Position{}, false
	}
	at, ok := d.find(s.Layout, record)
	if !ok && s.Layout.Family(key) == keyspace.MetricsStream {
		at, ok = d.metric(s.item(ctx, key, element))
	}
	if !ok {
		return Position{}, false
	}
	offset := at.start
	if i := d.element(at, element); i >= 0 {
		offset = i
	}
	return d.Position(offset), true
}

// document returns the file that shows a key and, of an element of it, the key of the record.
func (s *Source) document(key, element string) (d *Document, record string) {
	k := s.Layout.Parse(key)
	name := map[keyspace.Family]string{
		keyspace.Agent: AgentsFile, keyspace.AgentsOfTopic: AgentsFile, keyspace.Topics: AgentsFile, keyspace.Result: ResultsFile,
		keyspace.ResultsIndex: ResultsFile, keyspace.MetricsStream: MetricsFile, keyspace.Config: ConfigFile, keyspace.BusStream: BusFile,
		keyspace.DeadLetters: BusFile, keyspace.RetryCounts: BusFile, keyspace.Other: OtherFile,
	}[k.Family]
	all, err := s.Documents()
	if err != nil {
		return nil, ""
	}
	for _, d := range all {
		if d.Name != name {
			continue
		}
		switch {
		case k.Family == keyspace.AgentsOfTopic && element != "":
			return d, s.Layout.Agent(k.Rest, element)
		case k.Family == keyspace.Topics && element != "":
			return d, s.Layout.AgentsOfTopic(element)
		case k.Family == keyspace.ResultsIndex && element != "":
			return d, s.Layout.Result(element)
		}
		return d, key
	}
	return nil, ""
}

// item is what an entry of the stream of metrics holds; nil if it is not there.
func (s *Source) item(ctx context.Context, key, id string) []byte {
	items, err := s.Items(ctx, key, id, id, 1)
	if err != nil || len(items) == 0 || len(items[0].Fields) == 0 {
		return nil
	}
	return []byte(items[0].Fields[0].Value)
}

// Position is where an offset is in the file.
func (d *Document) Position(offset int) Position {
	if d.lines == nil {
		d.lines = []int{0}
		for i, c := range d.Text {
			if c == '\n' {
				d.lines = append(d.lines, i+1)
			}
		}
	}
	line := sort.SearchInts(d.lines, offset+1)
	start := d.lines[line-1]
	_, column := pyjson.Position(d.Text[start:], offset-start)
	return Position{d.Path, line, column}
}

// find returns where the record of a key stands.
func (d *Document) find(l keyspace.Layout, key string) (at place, ok bool) {
	if d.at == nil {
		d.at = map[string]place{}
		d.index(l)
	}
	at, ok = d.at[key]
	return at, ok
}

// index notes where records stand. A document that cannot be read has none.
func (d *Document) index(l keyspace.Layout) {
	switch d.Name {
	case AgentsFile:
		d.at[l.Topics()] = place{0, 0, len(d.Text)}
		for topic, at := range members(d.Text, 0) {
			d.at[l.AgentsOfTopic(topic)] = at
			for _, agent := range members(d.Text[:at.end], at.value) {
				name, _ := pyjson.Field(d.Text[agent.value:agent.end], "name")
				if text, err := pyjson.Unquote(nil, name); err == nil {
					d.note(l.Agent(topic, string(text)), agent)
				}
			}
		}
	case ResultsFile:
		d.at[l.ResultsIndex()] = place{0, 0, len(d.Text)}
		for id, at := range members(d.Text, 0) {
			d.at[l.Result(id)] = at
		}
	case ConfigFile:
		for key, at := range members(d.Text, 0) {
			d.at[l.Config(key)] = at
		}
	case BusFile:
		for key, at := range members(d.Text, 0) {
			d.at[key] = at
		}
	case OtherFile:
		for _, db := range members(d.Text, 0) {
			for key, at := range members(d.Text[:db.end], db.value) {
				d.note(key, at)
			}
		}
	}
}

// note keeps the first record of a key.
func (d *Document) note(key string, at place) {
	if _, ok := d.at[key]; !ok {
		d.at[key] = at
	}
}

// metric returns where a metric stands.
func (d *Document) metric(text []byte) (at place, ok bool) {
	if d.items == nil {
		d.items = map[string][]place{}
		for _, at := range members(d.Text, 0) {
			if text, err := pyjson.Dumps(nil, d.Text[at.value:at.end]); err == nil {
				d.items[string(text)] = append(d.items[string(text)], at)
			}
		}
	}
	text, err := pyjson.Dumps(nil, text)
	if all := d.items[string(text)]; err == nil && len(all) > 0 {
		return all[0], true
	}
	return place{}, false
}

// element returns where a member of a record stands, at any depth; -1 if it is not found.
func (d *Document) element(at place, element string) int {
	if element == "" {
		return -1
	}
	for name, member := range members(d.Text[:at.end], at.value) {
		if name == element {
			return member.start
		}
		if name == "id" && string(d.Text[member.value:member.end]) == `"`+element+`"` { // an entry of a stream
			return at.start
		}
		if inner := d.element(member, element); inner >= 0 {
			return inner
		}
	}
	return -1
}
