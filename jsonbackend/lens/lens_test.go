package lens

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

var layout = keyspace.Layout{Prefix: "omni"}

// tb is what *testing.T and *rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is an engine with every file, and what a publisher keeps beside: which keys changed, and what each file said
// when it was last read or written.
type world struct {
	t      tb
	engine *engine.Engine
	views  []View
	marks  []map[Key]bool
	seen   []Base
}

func newWorld(t tb) *world {
	w := &world{t: t, views: Views(layout, 0)}
	w.marks, w.seen = make([]map[Key]bool, len(w.views)), make([]Base, len(w.views))
	w.engine = engine.New(engine.Options{
		Changed: func(db int, name string) {
			key := Key{db, name}
			if i := IndexOf(layout, 0, key); i >= 0 {
				if w.marks[i] == nil {
					w.marks[i] = map[Key]bool{}
				}
				w.marks[i][key] = true
			}
		},
		StreamCap: func(int, []byte) (int64, bool) { return 1, true }, // for clients only
	})
	return w
}

func (w *world) now() *engine.View { return w.engine.Freeze(nil) }

// do does a command of a client in database 0. Words are strings or byte slices.
func (w *world) do(words ...any) { w.t.Helper(); w.doIn(0, words...) }

func (w *world) doIn(db int, words ...any) {
	w.t.Helper()
	w.apply([]engine.Edit{edit(db, words...)})
}

func (w *world) apply(edits []engine.Edit) {
	w.t.Helper()
	if err := w.engine.Edit(edits, w.now(), "", nil); err != nil {
		w.t.Fatalf("%v", err)
	}
}

// read is what happens when somebody wrote a file.
func (w *world) read(file int, doc []byte) {
	w.t.Helper()
	v := w.views[file]
	if err := v.Load(doc); err != nil {
		w.t.Fatalf("load %s: %v\n%s", v.File(), err, doc)
	}
	now := w.now()
	w.apply(slices.Collect(v.Edits(w.seen[file], now, now.At)))
	v.Update(w.now(), nil)
	w.seen[file] = v.Base()
}

// publish returns what a file says once it was brought in line with the keys that changed.
func (w *world) publish(file int) []byte {
	w.t.Helper()
	var keys []Key
	for k := range w.marks[file] {
		keys = append(keys, k)
	}
	w.marks[file] = nil
	v := w.views[file]
	if len(keys) > 0 {
		v.Update(w.now(), keys)
	}
	doc := text(w.t, v)
	w.seen[file] = v.Base()
	return doc
}

// fresh returns what a file would say if it were made from the keyspace alone.
func (w *world) fresh(file int) []byte {
	w.t.Helper()
	v := Views(layout, 0)[file]
	v.Update(w.now(), nil)
	return text(w.t, v)
}

// settled fails if a file does not say what the keyspace says.
func (w *world) settled(file int) {
	w.t.Helper()
	v := w.views[file]
	before := text(w.t, v)
	if v.Update(w.now(), nil) {
		w.t.Fatalf("a second update of %s changed it: %s", v.File(), cmp.Diff(string(before), string(text(w.t, v))))
	}
	if _, err := pyjson.ParseList(before, 0); err != nil {
		w.t.Fatalf("%s does not parse: %v\n%s", v.File(), err, before)
	}
}

func text(t tb, v View) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := v.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo = %d, %v; wrote %d", n, err, b.Len())
	}
	return b.Bytes()
}

// says fails unless a document is want, byte for byte.
func says(t tb, got []byte, want string) {
	t.Helper()
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Fatalf("document (-want +got):\n%s", diff)
	}
}

// members are the members of an object by name as canonical text.
func members(t tb, doc []byte) map[string]string {
	t.Helper()
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	all := map[string]string{}
	for _, m := range list.All() {
		all[name(m.Key)] = canonical(t, m.Value)
	}
	return all
}

func canonical(t tb, text []byte) string {
	t.Helper()
	canon, err := pyjson.Dumps(nil, text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return string(canon)
}

var fixtures = []string{"omnidaemon_data", "nasty_data"}

// fixture reads a file as OmniDaemon's JSON store, or somebody with an editor, left it.
func fixture(t testing.TB, dir string, v View) []byte {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("testdata", dir, v.File()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// load returns a world that has read all files of a fixture.
func load(t testing.TB, dir string) *world {
	t.Helper()
	w := newWorld(t)
	for i, v := range w.views[:busFile] {
		w.read(i, fixture(t, dir, v))
	}
	return w
}

func TestViewsAreWhereIndexOfSays(t *testing.T) {
	views := Views(layout, 3)
	for _, tt := range []struct {
		key  Key
		file string // "" for none
	}{
		{Key{3, "omni:agent:t:n"}, "agents.json"},
		{Key{3, "omni:topics"}, "agents.json"},
		{Key{3, "omni:agents:topic:t"}, ""},
		{Key{3, "omni:result:1"}, "results.json"},
		{Key{3, "omni:results:index"}, ""},
		{Key{3, "omni:metrics:stream"}, "metrics.json"},
		{Key{3, "omni:config:k"}, "config.json"},
		{Key{3, "omni-stream:t"}, "bus.json"},
		{Key{3, "omni-dlq:g"}, "bus.json"},
		{Key{3, "retry_counts:g"}, "bus.json"},
		{Key{3, "omni-metrics"}, ""},
		{Key{3, "session"}, "other.json"},
		{Key{3, "omni:agent:unfinished"}, "other.json"},
		{Key{0, "omni:result:1"}, "other.json"},
		{Key{0, "omni-stream:t"}, "other.json"},
		{Key{0, "omni-metrics"}, ""},
	} {
		got := ""
		if i := IndexOf(layout, 3, tt.key); i >= 0 {
			got = views[i].File()
		}
		if got != tt.file {
			t.Errorf("IndexOf(%v) is %q, want %q", tt.key, got, tt.file)
		}
	}
}

func TestADocumentThatDoesNotParseChangesNothing(t *testing.T) {
	w := load(t, "nasty_data")
	for i, v := range w.views {
		before := text(t, v)
		for _, doc := range []string{"{", "[", "5", `{"a": }`, `["x"`, " \n{\"0\": [", "\xff"} {
			if v.Load([]byte(doc)) == nil {
				t.Errorf("%s takes %q", v.File(), doc)
			}
		}
		says(t, text(t, v), string(before))
		w.settled(i)
	}
}

func TestTheWrongContainerIsASyntaxErrorWithAPosition(t *testing.T) {
	for _, v := range Views(layout, 0) {
		doc := "\n  []"
		if v.File() == "metrics.json" {
			doc = "\n  {}"
		}
		err, ok := v.Load([]byte(doc)).(*pyjson.SyntaxError)
		if !ok || err.Line != 2 || err.Column != 3 || err.Offset != 3 {
			t.Errorf("%s: %v, want a syntax error at line 2 column 3", v.File(), err)
		}
	}
}

func TestAnEmptyDocumentIsAnEmptyContainer(t *testing.T) {
	for _, v := range Views(layout, 0) {
		if err := v.Load(nil); err != nil {
			t.Fatal(err)
		}
		if doc := string(text(t, v)); doc != "{}" && doc != "[]" {
			t.Errorf("%s is %q", v.File(), doc)
		}
	}
}

// keysOf are the names of the keys in a database.
func (w *world) keysOf(db int) (keys []string) {
	for e := range w.now().All(db) {
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	return keys
}
