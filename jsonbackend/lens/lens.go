package lens

import (
	"cmp"
	"io"
	"iter"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/keyspace"
)

// View is one file's picture of the keyspace. It is not safe for concurrent use.
type View interface {
	// File is the file's name: "agents.json".
	File() string
	// Load makes doc the document. The error is a [pyjson.SyntaxError]; then nothing has changed. doc must not change
	// afterwards. An empty doc is an empty document.
	Load(doc []byte) error
	// Update brings the document in line with the keyspace and reports whether it changed. keys are those of this file
	// (see [IndexOf]) that may have changed; nil means any may have.
	Update(now *engine.View, keys []Key) (changed bool)
	// WriteTo writes the document.
	WriteTo(w io.Writer) (int64, error)
	// Base is what the document says, by record, to be remembered as what a later writer may have read.
	Base() Base
	// Edits compares the document, which somebody else wrote, with the one he most plausibly read, and iterates over the
	// commands that do to the keyspace what he did to the document. at is the time in Unix milliseconds.
	Edits(read Base, now *engine.View, at int64) iter.Seq[engine.Edit]
	// Hidden is how many keys, in metrics.json entries, the file has no words for.
	Hidden() int
	// Unkeyed is how many records of the document stand for no key: they are of another shape than the documented one,
	// or their key is another record's.
	Unkeyed() int
	// Loose returns those of another shape, never nil.
	Loose() Loose
	// SetLoose makes these the records of another shape, but for those whose place another record has, and reports
	// whether the document changed.
	SetLoose(l Loose) (changed bool)
}

// Expiring is a view whose records may have a time at which they are over.
type Expiring interface {
	// KeepExpired says whether records stay in the document whose time is over. Else they go at its next change.
	KeepExpired(on bool)
}

// Streamed is a view whose document need not be in memory as a whole.
type Streamed interface {
	// Commands does what Load of what r gives and, for a first load, Edits would come to. It leaves the document alone.
	Commands(r io.Reader, at int64, do func(engine.Edit) error) error
	// Read is Load of what r gives. It keeps no text of records that say just what the keyspace does.
	Read(r io.Reader, now *engine.View) error
}

// Key names a key in one of the databases.
type Key struct {
	DB   int
	Name string
}

// Base is a document reduced to hashes of its records' canonical text: by name in objects, in order in arrays. Records of
// another shape than the documented one are in Named, with a mark (see [Base.Keyed]).
type Base struct {
	Named map[string]uint64
	Order []uint64
}

// BusFile is the index in Views of the file whose edits do not count.
const BusFile = busFile

// What IndexOf returns.
const (
	agentsFile = iota
	resultsFile
	metricsFile
	configFile
	busFile
	otherFile
	noFile = -1
)

// Views returns a view of every file, each of the empty document. db is the database that all but other.json show.
func Views(l keyspace.Layout, db int) []View {
	return []View{
		agentsFile:  Agents(l, db),
		resultsFile: Results(l, db),
		metricsFile: Metrics(l, db),
		configFile:  Config(l, db),
		busFile:     Bus(l, db),
		otherFile:   Other(l, db),
	}
}

// IndexOf returns the index in Views of the view to be updated when a key changed; -1 if none shows it: what it holds
// is told by other keys, or nobody reads it.
func IndexOf(l keyspace.Layout, db int, key Key) int {
	family := l.Family(key.Name)
	switch {
	case family == keyspace.BusMetrics:
		return noFile
	case key.DB != db:
		return otherFile
	}
	switch family {
	case keyspace.Agent, keyspace.Topics:
		return agentsFile
	case keyspace.Result:
		return resultsFile
	case keyspace.MetricsStream:
		return metricsFile
	case keyspace.Config:
		return configFile
	case keyspace.BusStream, keyspace.DeadLetters, keyspace.RetryCounts:
		return busFile
	case keyspace.Other:
		return otherFile
	}
	return noFile
}

// byBirth orders keys by when they came to be; keys that are gone come first.
func byBirth(now *engine.View, db int, keys []string) {
	born := make(map[string]uint64, len(keys))
	for _, k := range keys {
		if e := now.Get(db, k); e != nil {
			born[k] = e.Born
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(born[a], born[b]), cmp.Compare(a, b)) })
}

// edit turns a command into an edit. Words are strings or byte slices.
func edit(db int, words ...any) engine.Edit {
	size := 0
	for _, w := range words {
		if s, ok := w.(string); ok {
			size += len(s)
		}
	}
	text := make([]byte, 0, size) // of all strings: a first load makes hundreds of thousands of edits
	e := engine.Edit{DB: db, Args: make([][]byte, len(words))}
	for i, w := range words {
		switch w := w.(type) {
		case string:
			start := len(text)
			text = append(text, w...)
			e.Args[i] = text[start:len(text):len(text)]
		case []byte:
			e.Args[i] = w
		}
	}
	return e
}
