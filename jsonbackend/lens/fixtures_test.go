package lens

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

func TestLoadingAFixtureChangesNoByteOfIt(t *testing.T) {
	for _, dir := range fixtures {
		w := load(t, dir)
		for i, v := range w.views[:busFile] {
			says(t, text(t, v), string(fixture(t, dir, v)))
			w.settled(i)
			if hidden := v.Hidden(); hidden != 0 {
				t.Errorf("%s/%s hides %d keys", dir, v.File(), hidden)
			}
		}
	}
}

// A file that was published once and then edited somewhere keeps every other record.
func TestAChangeLeavesEveryOtherRecordAsItWas(t *testing.T) {
	for _, dir := range fixtures {
		for file, changes := range map[int]func(*testing.T, *world) []change{
			agentsFile:  agentChanges,
			resultsFile: resultChanges,
			metricsFile: metricChanges,
			configFile:  configChanges,
		} {
			w := newWorld(t)
			w.read(file, fixture(t, dir, w.views[file]))
			t.Run(dir+"/"+w.views[file].File(), func(t *testing.T) {
				before := withoutExpired(t, w, file)
				for _, c := range changes(t, w) {
					for _, words := range c.do {
						w.do(words...)
					}
					changed := w.publish(file)
					if bytes.Equal(changed, before) {
						t.Fatalf("%v changed nothing", c.do)
					}
					c.confined(t, before, changed)
					w.settled(file)
					for _, words := range c.undo {
						w.do(words...)
					}
					undone := w.publish(file)
					if !c.loose {
						says(t, undone, string(before))
					}
					c.confined(t, before, undone)
					before = undone
					w.settled(file)
				}
			})
		}
	}
}

// change is what a client does to one record, and what undoes it.
type change struct {
	do, undo [][]any
	path     []string // of the record in the document: a topic and an agent, or a name; none for the end of an array
	loose    bool     // the record itself cannot come back as it was
}

// confined fails if two documents differ elsewhere than in the record.
func (c change) confined(t *testing.T, before, after []byte) {
	t.Helper()
	from, to := c.span(t, before)
	if !bytes.HasPrefix(after, before[:from]) || !bytes.HasSuffix(after, before[to:]) {
		t.Fatalf("%v changed more than %q: %s", c.do, before[from:to], cmp.Diff(string(before), string(after)))
	}
}

// span is where the record stands in doc.
func (c change) span(t *testing.T, doc []byte) (from, to int) {
	t.Helper()
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list.All() {
		start := m.Offset + len(m.Key) + bytes.Index(doc[m.Offset+len(m.Key):], m.Value)
		end := start + len(m.Value)
		switch {
		case len(c.path) == 0 && documentedMetric(m.Value):
			from, to = end, len(doc)
		case len(c.path) == 1 && name(m.Key) == c.path[0]:
			return m.Offset, end
		case len(c.path) == 2 && name(m.Key) == c.path[0]:
			agents, err := pyjson.ParseList(m.Value, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range agents.All() {
				if n, _ := agentName(a.Value); n == c.path[1] {
					return start + a.Offset, start + a.Offset + len(a.Value)
				}
			}
		}
	}
	return from, to
}

// withoutExpired makes the view forget what had expired when it was loaded, and returns the document.
func withoutExpired(t *testing.T, w *world, file int) []byte {
	t.Helper()
	v := w.views[file]
	list, err := pyjson.ParseList(text(t, v), 0)
	if err != nil {
		t.Fatal(err)
	}
	now := w.now()
	for ref, m := range list.All() {
		if file != resultsFile {
			break
		}
		var codec results
		if expires, ok := codec.check(name(m.Key), m.Value); ok && over(expires, now.At) {
			list.Remove(ref)
		}
	}
	w.do("SET", layout.Result("passing"), `{"task_id": "passing", "result": 1, "saved_at": 1.0}`)
	w.publish(file)
	w.do("DEL", layout.Result("passing"))
	doc := w.publish(file)
	says(t, doc, string(list.Bytes()))
	return doc
}

func agentChanges(t *testing.T, w *world) (changes []change) {
	doc := text(t, w.views[agentsFile])
	topics, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatal(err)
	}
	now := w.now()
	for _, topic := range topics.All() {
		agents, err := pyjson.ParseList(topic.Value, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range agents.All() {
			agent, _ := agentName(m.Value)
			key := layout.Agent(name(topic.Key), agent)
			h := now.Get(0, key).Value.(*value.Hash)
			if is, _ := h.Get("topic"); is != name(topic.Key) {
				continue // its key is another agent's
			}
			c := change{path: []string{name(topic.Key), agent}}
			c.do = addAgent(name(topic.Key), agent, "changed", "1795402102.5")
			c.undo = [][]any{{"HSET", key}}
			for field, text := range h.All() {
				c.undo[0] = append(c.undo[0], field, text)
			}
			for _, field := range agentFields {
				if _, ok := h.Get(field); !ok {
					c.undo = append(c.undo, []any{"HDEL", key, field})
				}
			}
			// A null is gone with the first text, and a field that comes again comes last.
			c.loose = bytes.Contains(m.Value, []byte(": null"))
			changes = append(changes, c)
		}
	}
	if len(changes) < 5 {
		t.Fatalf("only %d agents", len(changes))
	}
	return changes
}

// addAgent is what RedisStore.add_agent sends.
func addAgent(topic, agent, description, createdAt string) [][]any {
	return [][]any{
		{"HSET", layout.Agent(topic, agent), "name", agent, "callback_name", "cb", "tools", `["x", {"a": 1.0}]`, "description", description, "config", `{}`, "topic", topic, "created_at", createdAt},
		{"SADD", layout.AgentsOfTopic(topic), agent},
		{"SADD", layout.Topics(), topic},
	}
}

func resultChanges(t *testing.T, w *world) (changes []change) {
	doc := text(t, w.views[resultsFile])
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatal(err)
	}
	now := w.now()
	for ref, m := range list.All() {
		id := name(m.Key)
		e := now.Get(0, layout.Result(id))
		if e == nil || ref > 20 && ref%25 != 0 {
			continue
		}
		lit := canonical(t, m.Key)
		saved := `{"task_id": ` + lit + `, "result": {"changed": [1, 2]}, "saved_at": 1795402102.25}`
		back := []any{"SET", e.Key, e.Value.(*value.Str).B}
		if e.Expire != 0 {
			back = append(back, "PXAT", strconv.FormatInt(e.Expire, 10))
		}
		changes = append(changes, change{
			do:   [][]any{{"SETEX", e.Key, "86400", saved}, {"ZADD", layout.ResultsIndex(), "1795402102.26", id}},
			undo: [][]any{back},
			path: []string{id},
			// An expires_at that was finer than a millisecond comes back as the TTL, in milliseconds.
			loose: e.Expire != 0,
		})
	}
	if len(changes) < 20 {
		t.Fatalf("only %d results", len(changes))
	}
	return changes
}

func configChanges(t *testing.T, w *world) (changes []change) {
	doc := text(t, w.views[configFile])
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list.All() {
		key := layout.Config(name(m.Key))
		indented, err := pyjson.Indent(nil, m.Value, 1)
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, change{
			do:   [][]any{{"SET", key, `{"changed": true}`}},
			undo: [][]any{{"SET", key, canonical(t, m.Value)}},
			path: []string{name(m.Key)},
			// A layout made by hand goes with what it laid out.
			loose: string(m.Value) != string(indented),
		})
	}
	return changes
}

func metricChanges(*testing.T, *world) []change {
	return []change{{
		do:   [][]any{{"XADD", layout.MetricsStream(), "9999999999999-5", "data", `{"topic": "t", "saved_at": 9999999999.999}`}},
		undo: [][]any{{"XDEL", layout.MetricsStream(), "9999999999999-5"}},
	}}
}
