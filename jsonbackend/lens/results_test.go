package lens

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

func readResults(t testing.TB, doc string) *world {
	t.Helper()
	w := newWorld(t)
	w.read(resultsFile, []byte(doc))
	return w
}

// str returns a string with its expiry in milliseconds.
func (w *world) str(key string) (text string, expires int64) {
	e := w.now().Get(0, key)
	if e == nil {
		return "", 0
	}
	return string(e.Value.(*value.Str).B), e.Expire
}

// scores are the index of results.
func (w *world) scores() map[string]float64 {
	all := map[string]float64{}
	if e := w.now().Get(0, layout.ResultsIndex()); e != nil {
		for member, score := range e.Value.(*value.ZSet).All() {
			all[member] = score
		}
	}
	return all
}

func TestAResultOfRedisStoreLooksLikeOneOfJSONStore(t *testing.T) {
	w := newWorld(t)
	w.do("SET", layout.Result("t:1"), `{"task_id": "t:1", "result": {"a": [1, "\ud800"]}, "saved_at": 1795402102.6334777}`, "PXAT", "4102444800500")
	w.do("SET", layout.Result("t:2"), `{"task_id":"t:2","saved_at":1,"result":NaN}`)
	says(t, w.publish(resultsFile), `{
  "t:1": {
    "task_id": "t:1",
    "result": {
      "a": [
        1,
        "\ud800"
      ]
    },
    "saved_at": 1795402102.6334777,
    "expires_at": 4102444800.5
  },
  "t:2": {
    "task_id": "t:2",
    "saved_at": 1,
    "result": NaN
  }
}`)
}

func TestAResultIsLoadedAsRedisStoreWouldHaveSavedIt(t *testing.T) {
	w := readResults(t, `{"a": { "saved_at": 1700000000.50, "task_id":"a", "expires_at": 4102444800.1239, "result": {"é": 1e2} , "more": null},
		"b": {"task_id": "b", "result": null, "saved_at": Infinity, "expires_at": 0}}`)
	text, expires := w.str(layout.Result("a"))
	if text != `{"saved_at": 1700000000.5, "task_id": "a", "result": {"\u00e9": 100.0}, "more": null}` || expires != 4102444800123 {
		t.Errorf("a is %s, expires at %d", text, expires)
	}
	text, expires = w.str(layout.Result("b"))
	if text != `{"task_id": "b", "result": null, "saved_at": Infinity}` || expires != 0 {
		t.Errorf("b is %s, expires at %d", text, expires)
	}
	if got := fmt.Sprint(w.scores()); got != "map[a:1.7000000005e+09 b:+Inf]" {
		t.Errorf("index: %s", got)
	}
}

func TestResultsOfAnotherShapeStayAndHaveNoKey(t *testing.T) {
	doc := `{
  "shape": {"task_id": "other", "result": 1, "saved_at": 1},
  "list": [1], "null": null, "text": "x",
  "no task": {"result": 1, "saved_at": 1}, "number": {"task_id": 5, "result": 1, "saved_at": 1},
  "no result": {"task_id": "no result", "saved_at": 1},
  "no time": {"task_id": "no time", "result": 1},
  "time": {"task_id": "time", "result": 1, "saved_at": "now"},
  "expired": {"task_id": "other", "result": 1, "saved_at": 1, "expires_at": 1},
  "expires": {"task_id": "expires", "result": 1, "saved_at": 1, "expires_at": "soon"},
  "null time": {"task_id": "null time", "result": 1, "saved_at": 1, "expires_at": null}
}`
	w := readResults(t, doc)
	if keys := w.keysOf(0); keys != nil {
		t.Errorf("keys: %q", keys)
	}
	unkeyed := func(want int) {
		t.Helper()
		if n := w.views[resultsFile].Unkeyed(); n != want {
			t.Errorf("%d records are reported to have no key, want %d", n, want)
		}
	}
	unkeyed(12)
	w.do("SET", layout.Result("r"), `{"task_id": "r", "result": 1, "saved_at": 1}`)
	w.publish(resultsFile)
	w.do("SET", layout.Result("shape"), "of another shape too")
	w.publish(resultsFile)
	w.do("DEL", layout.Result("r"), layout.Result("shape"))
	says(t, w.publish(resultsFile), doc)
	w.do("SET", layout.Result("list"), `{"task_id": "list", "result": 1, "saved_at": 1}`) // the key is there, so it shows
	if got := members(t, w.publish(resultsFile))["list"]; got != `{"task_id": "list", "result": 1, "saved_at": 1}` {
		t.Errorf("list is %s", got)
	}
	unkeyed(11)
}

func TestExpiredResultsAreNotLoadedAndGoWithTheNextChange(t *testing.T) {
	const doc = `{"old": {"task_id": "old", "result": 1, "saved_at": 1, "expires_at": 2},
  "ancient": {"task_id": "ancient", "result": 1, "saved_at": 1, "expires_at": -5},
  "new": {"task_id": "new", "result": 1, "saved_at": 1}}`
	w := readResults(t, doc)
	if keys := w.keysOf(0); !slices.Equal(keys, []string{layout.Result("new"), layout.ResultsIndex()}) {
		t.Errorf("keys: %q", keys)
	}
	now := newWorld(t).now()
	if edits := slices.Collect(w.views[resultsFile].Edits(Base{}, now, now.At)); len(edits) != 2 {
		t.Errorf("%d edits for one result", len(edits))
	}
	says(t, text(t, w.views[resultsFile]), doc)
	w.do("SET", layout.Result("old"), `{"task_id": "old", "result": 2, "saved_at": 3}`)
	says(t, w.publish(resultsFile), `{"old": {"task_id": "old", "result": 2, "saved_at": 3},
  "new": {"task_id": "new", "result": 1, "saved_at": 1}}`)
}

func TestSomebodyLetsAResultExpire(t *testing.T) {
	w := readResults(t, `{"r": {"task_id": "r", "result": 1, "saved_at": 1}}`)
	w.read(resultsFile, []byte(`{"r": {"task_id": "r", "result": 1, "saved_at": 1, "expires_at": 2}}`))
	if keys := w.keysOf(0); !slices.Equal(keys, []string{layout.ResultsIndex()}) { // as when Redis expires it
		t.Errorf("keys: %q", keys)
	}
}

func TestAnExpiryThatSaysTheSameMillisecondKeepsItsLiteral(t *testing.T) {
	const doc = `{"r": {"task_id": "r", "result": 1, "saved_at": 1, "expires_at": %s}}`
	for _, lit := range []string{"4102444800", "4102444800.0", "4102444800.00049", "41024448e2", "0", "0.0"} {
		w := readResults(t, fmt.Sprintf(doc, lit))
		key := layout.Result("r")
		text, expires := w.str(key)
		set := []any{"SET", key, strings.Replace(text, `"result": 1`, `"result": 2`, 1)}
		if expires != 0 {
			set = append(set, "PXAT", fmt.Sprint(expires))
		}
		w.do(set...)
		says(t, w.publish(resultsFile), strings.Replace(fmt.Sprintf(doc, lit), `"result": 1`, `"result": 2`, 1))
	}
	w := readResults(t, fmt.Sprintf(doc, "4102444800"))
	w.do("PERSIST", layout.Result("r"))
	says(t, w.publish(resultsFile), `{"r": {"task_id": "r", "result": 1, "saved_at": 1}}`)
	w.do("PEXPIREAT", layout.Result("r"), "4102444800001")
	says(t, w.publish(resultsFile), `{"r": {"task_id": "r", "result": 1, "saved_at": 1,
    "expires_at": 4102444800.001}}`)
}

func TestANullInAResultIsNoAbsence(t *testing.T) {
	w := readResults(t, `{"r": {"task_id": "r", "result": 1, "saved_at": 1, "more": null}}`)
	w.do("SET", layout.Result("r"), `{"task_id": "r", "result": 1, "saved_at": 1}`)
	says(t, w.publish(resultsFile), `{"r": {"task_id": "r", "result": 1, "saved_at": 1}}`)
}

func TestTheIndexKeepsTheClockOfRedisStore(t *testing.T) {
	w := newWorld(t)
	w.do("SET", layout.Result("r"), `{"task_id": "r", "result": 1, "saved_at": 5.0}`)
	w.do("ZADD", layout.ResultsIndex(), "5.25", "r")
	doc := string(w.publish(resultsFile))
	w.read(resultsFile, []byte(strings.Replace(doc, `"result": 1`, `"result": 2`, 1)))
	if got := w.scores()["r"]; got != 5.25 {
		t.Errorf("the result changed, and its score became %v", got)
	}
	w.read(resultsFile, []byte(strings.Replace(doc, "5.0", "6.0", 1)))
	if got := w.scores()["r"]; got != 6 {
		t.Errorf("it was saved at 6, and its score is %v", got)
	}
	w.do("ZADD", layout.ResultsIndex(), "1", "another")
	w.do("ZREM", layout.ResultsIndex(), "r")
	w.read(resultsFile, []byte(strings.NewReplacer("5.0", "6.0", `"result": 1`, `"result": 3`).Replace(doc)))
	if got, ok := w.scores()["r"]; !ok || got != 6 {
		t.Errorf("it was not in the index, and its score is %v", got)
	}
	w.read(resultsFile, []byte(`{"r": {"task_id": "r", "result": 1, "saved_at": NaN}}`))
	if got := w.scores()["r"]; got != 6 {
		t.Errorf("it was saved at no time, and its score is %v", got)
	}
	w.read(resultsFile, []byte("{}"))
	if got := fmt.Sprint(w.scores()); got != "map[another:1]" {
		t.Errorf("it was deleted, and the index is %s", got)
	}
}

func TestAnIndexOfAnotherTypeIsNotDestroyed(t *testing.T) {
	w := newWorld(t)
	w.do("SET", layout.ResultsIndex(), "mine")
	w.read(resultsFile, []byte(`{"r": {"task_id": "r", "result": 1, "saved_at": 5}}`))
	w.read(resultsFile, []byte("{}"))
	if text, _ := w.str(layout.ResultsIndex()); text != "mine" {
		t.Errorf("index: %q", text)
	}
}

func TestStringsThatAreNoResultAreHidden(t *testing.T) {
	w := newWorld(t)
	for id, text := range map[string]string{
		"json":    `{"task_id": "json"`,
		"task":    `{"task_id": "other", "result": 1, "saved_at": 1}`,
		"expires": `{"task_id": "expires", "result": 1, "saved_at": 1, "expires_at": 5}`,
		"deep":    `{"task_id": "deep", "saved_at": 1, "result": ` + strings.Repeat("[", 511) + strings.Repeat("]", 511) + `}`,
		"utf8":    "{\"task_id\": \"utf8\", \"result\": \"\xff\", \"saved_at\": 1}",
		"\xff":    `{"task_id": "\udcff", "result": 1, "saved_at": 1}`,
	} {
		w.do("SET", layout.Result(id), text)
	}
	w.do("SADD", layout.Result("set"), "x")
	says(t, w.publish(resultsFile), "{}")
	if n := w.views[resultsFile].Hidden(); n != 7 {
		t.Errorf("%d hidden, want 7", n)
	}
	w.settled(resultsFile)
	w.do("DEL", layout.Result("json"))
	w.publish(resultsFile)
	w.do("DEL", layout.Result("set"))
	w.marks[resultsFile] = nil // as after FLUSHALL
	w.views[resultsFile].Update(w.now(), nil)
	if n := w.views[resultsFile].Hidden(); n != 5 {
		t.Errorf("%d hidden, want 5", n)
	}
}

// The exact text of a key is the append-only file's; a file that says the same is no reason to change it.
func TestReadingWhatIsTrueAlreadyWritesNothing(t *testing.T) {
	w := newWorld(t)
	compact := `{"task_id":"r","result":{"b":1,"a":2.50},"saved_at":1}`
	w.do("SET", layout.Result("r"), compact)
	doc := string(w.publish(resultsFile))
	w.seen[resultsFile] = Base{} // as if what was seen were lost
	now := w.now()
	if err := w.views[resultsFile].Load([]byte("\n" + doc)); err != nil {
		t.Fatal(err)
	}
	if edits := slices.Collect(w.views[resultsFile].Edits(Base{}, now, now.At)); edits != nil {
		t.Errorf("edits: %s", edits[0].Args)
	}
}

func TestResultsComeAndGoInBoundedMemory(t *testing.T) {
	const kept = `{"kept" : {"task_id": "kept", "result": 1, "saved_at": 1}, "strange": 5, "more": {"task_id": "more", "result": 1, "saved_at": 1}}`
	w := readResults(t, kept)
	f := w.views[resultsFile].(*resultsView)
	for n := range 1500 {
		id := fmt.Sprint(n)
		w.do("SET", layout.Result(id), `{"task_id": "`+id+`", "result": 1, "saved_at": 1}`)
		w.publish(resultsFile)
		w.do("DEL", layout.Result(id))
		w.publish(resultsFile)
	}
	if f.removed > 1100 || len(f.records) > 1200 {
		t.Errorf("%d removed records are remembered, of %d", f.removed, len(f.records))
	}
	says(t, text(t, f), kept)
	if diff := cmp.Diff(baseOf(t, resultsFile, kept), w.seen[resultsFile]); diff != "" {
		t.Errorf("base (-want +got):\n%s", diff)
	}
	for _, id := range []string{"kept", "more"} {
		w.do("SET", layout.Result(id), `{"task_id": "`+id+`", "result": 2, "saved_at": 1}`)
	}
	says(t, w.publish(resultsFile), strings.ReplaceAll(kept, `"result": 1`, `"result": 2`))
}
