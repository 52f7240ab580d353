package lens

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// deleteAgent is what RedisStore.delete_agent does.
func (w *world) deleteAgent(topic, agent string) {
	w.t.Helper()
	w.do("DEL", layout.Agent(topic, agent))
	w.do("SREM", layout.AgentsOfTopic(topic), agent)
	if w.set(layout.AgentsOfTopic(topic)) == nil {
		w.do("SREM", layout.Topics(), topic)
		w.do("DEL", layout.AgentsOfTopic(topic))
	}
}

func (w *world) addAgent(topic, agent, description string) {
	w.t.Helper()
	for _, words := range addAgent(topic, agent, description, "1795402102.5") {
		w.do(words...)
	}
}

// set returns the members of a set in order.
func (w *world) set(key string) []string {
	e := w.now().Get(0, key)
	if e == nil {
		return nil
	}
	return slices.Sorted(e.Value.(*value.Set).All())
}

// hash returns the fields of a hash, JSON in its canonical form; nil if there is none.
func (w *world) hash(key string) map[string]string {
	w.t.Helper()
	e := w.now().Get(0, key)
	if e == nil {
		return nil
	}
	all := maps.Collect(e.Value.(*value.Hash).All())
	for field, text := range all {
		if isJSON(field) {
			all[field] = canonical(w.t, []byte(text))
		}
	}
	return all
}

// agentsIn are the hashes for which the records of a document stand, by topic and name.
func agentsIn(t tb, doc []byte) map[agentID]map[string]string {
	t.Helper()
	a := Agents(layout, 0).(*agents)
	if err := a.Load(doc); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	all := map[agentID]map[string]string{}
	a.records(func(id agentID, record []byte) {
		all[id] = map[string]string{}
		for _, f := range agentHash(id.topic, record) {
			all[id][f.name] = f.text
		}
	})
	return all
}

func TestEditsOfAgentsMergeByRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.read(agentsFile, []byte(agentsDoc(t, false)))
		before := w.publish(agentsFile)
		base := w.seen[agentsFile].Named
		ids := slices.Collect(maps.Keys(agentsIn(t, before)))
		ids = append(ids, agentID{"t", "n"}, agentID{"new", "n"}, agentID{"t", "new"})
		slices.SortFunc(ids, func(a, b agentID) int { return strings.Compare(a.literal(), b.literal()) })
		for range rapid.IntRange(0, 4).Draw(t, "changes in memory") {
			id := rapid.SampledFrom(ids).Draw(t, "agent")
			switch key := layout.Agent(id.topic, id.name); rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				w.deleteAgent(id.topic, id.name)
			case 1:
				if w.hash(key) != nil {
					w.do("HSET", key, "description", "from memory")
				}
			default:
				w.addAgent(id.topic, id.name, "from memory")
			}
		}
		memory := agentsIn(t, w.fresh(agentsFile))
		doc := editedAgents(t, before)
		edited, sums := agentsIn(t, []byte(doc)), baseOf(t, agentsFile, doc).Named
		want := map[agentID]map[string]string{}
		for _, all := range []map[agentID]map[string]string{edited, memory} {
			for id := range all {
				from := edited
				if sums[id.literal()] == base[id.literal()] {
					from = memory
				}
				if agent, ok := from[id]; ok {
					want[id] = agent
				}
			}
		}

		w.read(agentsFile, []byte(doc))
		after := text(t, w.views[agentsFile])
		if diff := cmp.Diff(want, agentsIn(t, w.fresh(agentsFile)), cmp.AllowUnexported(agentID{})); diff != "" {
			t.Fatalf("the keyspace (-want +got):\n%s\nread %s", diff, doc)
		}
		if diff := cmp.Diff(want, agentsIn(t, after), cmp.AllowUnexported(agentID{})); diff != "" {
			t.Fatalf("the document (-want +got):\n%s\nread %s\nbecame %s", diff, doc, after)
		}
		for id := range want {
			if !slices.Contains(w.set(layout.AgentsOfTopic(id.topic)), id.name) || !slices.Contains(w.set(layout.Topics()), id.topic) {
				t.Fatalf("%v is not in the sets %q, %q", id, w.set(layout.AgentsOfTopic(id.topic)), w.set(layout.Topics()))
			}
		}
		for _, topic := range w.set(layout.Topics()) {
			if _, ok := members(t, after)[topic]; !ok {
				t.Fatalf("topic %q is not shown in %s", topic, after)
			}
		}
		w.settled(agentsFile)
	})
}

// editedAgents is what somebody makes of a document: topics and agents deleted, moved, replaced, added.
func editedAgents(t *rapid.T, doc []byte) string {
	old := map[string]map[string]string{}
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, m := range list.All() {
		agents := map[string]string{}
		for _, record := range pyjson.Members(m.Value) {
			if n, ok := agentName(record); ok && agents[n] == "" {
				agents[n] = string(record)
			}
		}
		old[name(m.Key)] = agents
	}
	var items []string
	for _, topic := range someOf(t, []string{`"t"`, `"t.u"`, `"\ud800"`, `""`, `"new"`}) {
		var agents []string
		for _, agent := range someOf(t, []string{`"n"`, `"\u0436"`, `"n*"`, `"日"`, `"new"`}) {
			record, there := old[name([]byte(topic))][name([]byte(agent))]
			if !there || chance(t, 3) {
				record = drawAgent(t, topic, agent)
			}
			agents = append(agents, record)
		}
		items = append(items, topic, array(t, agents))
	}
	return dict(t, items)
}

// readAgents returns a world whose agents.json somebody wrote.
func readAgents(t testing.TB, doc string) *world {
	t.Helper()
	w := newWorld(t)
	w.read(agentsFile, []byte(doc))
	return w
}

func TestAnAgentOfRedisStoreLooksLikeOneOfJSONStore(t *testing.T) {
	w := newWorld(t)
	w.addAgent("file.uploaded", "ж", "multi\nline <b>")
	w.addAgent("file.uploaded", "b", "")
	says(t, w.publish(agentsFile), `{
  "file.uploaded": [
    {
      "name": "\u0436",
      "callback_name": "cb",
      "tools": [
        "x",
        {
          "a": 1.0
        }
      ],
      "description": "multi\nline <b>",
      "config": {},
      "topic": "file.uploaded",
      "created_at": 1795402102.5
    },
    {
      "name": "b",
      "callback_name": "cb",
      "tools": [
        "x",
        {
          "a": 1.0
        }
      ],
      "description": "",
      "config": {},
      "topic": "file.uploaded",
      "created_at": 1795402102.5
    }
  ]
}`)
	w.deleteAgent("file.uploaded", "ж")
	w.deleteAgent("file.uploaded", "b")
	says(t, w.publish(agentsFile), "{}")
}

// The fields of a hash with a long text are in no order.
func TestFieldsComeInTheOrderOfRedisStore(t *testing.T) {
	w := newWorld(t)
	w.addAgent("t", "n", strings.Repeat("long ", 20))
	w.do("HSET", layout.Agent("t", "n"), "y", "", "x", "", "z", "")
	list, err := pyjson.ParseList(w.publish(agentsFile), 0)
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, agents := range list.All() {
		for _, record := range pyjson.Members(agents.Value) {
			for lit := range pyjson.Members(record) {
				fields = append(fields, name(lit))
			}
		}
	}
	if want := append(agentFields[:], "x", "y", "z"); !slices.Equal(fields, want) {
		t.Errorf("fields: %q, want %q", fields, want)
	}
}

func TestAFieldIsWordedAsItWasBefore(t *testing.T) {
	for _, tt := range []struct{ name, before, field, text, after string }{
		{"an integer time stays one", `{"t":[{ "name":"n", "created_at":  5 }]}`, "created_at", "5", `{"t":[{ "name":"n", "created_at":  5 }]}`},
		{"a float time", `{"t":[{ "name":"n", "created_at":  5 }]}`, "created_at", "6.5", `{"t":[{ "name":"n", "created_at":  6.5 }]}`},
		{"a time that is text stays text", `{"t":[{ "name":"n", "created_at":  "5" }]}`, "created_at", "6.5", `{"t":[{ "name":"n", "created_at":  "6.5" }]}`},
		{"a time that was absent", `{"t":[{"name":"n"}]}`, "created_at", "6.5", "{\"t\":[{\"name\":\"n\",\n      \"created_at\": 6.5}]}"},
		{"a time no json.dumps prints", `{"t":[{"name":"n"}]}`, "created_at", "6.50", "{\"t\":[{\"name\":\"n\",\n      \"created_at\": \"6.50\"}]}"},
		{"a time that is none", `{"t":[{"name":"n"}]}`, "created_at", "null", "{\"t\":[{\"name\":\"n\",\n      \"created_at\": \"null\"}]}"},
		{"a null", `{"t":[{"name":"n", "description":null}]}`, "description", "d", `{"t":[{"name":"n", "description":"d"}]}`},
		{"JSON of any spacing in a field of JSON", `{"t":[{"name":"n", "tools": [1, 2.50]}]}`, "tools", "[1,2.5]", `{"t":[{"name":"n", "tools": [1, 2.50]}]}`},
		{"a string that looks like JSON", `{"t":[{"name":"n", "x": "1"}]}`, "x", "[2]", `{"t":[{"name":"n", "x": "[2]"}]}`},
		{"a number becomes JSON", `{"t":[{"name":"n", "x": 1}]}`, "x", "true", `{"t":[{"name":"n", "x": true}]}`},
		{"a number becomes text", `{"t":[{"name":"n", "x": 1}]}`, "x", "more", `{"t":[{"name":"n", "x": "more"}]}`},
		{"a number becomes the text null", `{"t":[{"name":"n", "x": 1}]}`, "x", "null", `{"t":[{"name":"n", "x": "null"}]}`},
		{"a number becomes a quoted text", `{"t":[{"name":"n", "x": 1}]}`, "x", ` "y"`, `{"t":[{"name":"n", "x": " \"y\""}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := readAgents(t, tt.before)
			w.do("HSET", layout.Agent("t", "n"), tt.field, tt.text)
			says(t, w.publish(agentsFile), tt.after)
			w.settled(agentsFile)
			again := newWorld(t)
			again.read(agentsFile, []byte(tt.after))
			got := again.hash(layout.Agent("t", "n"))[tt.field]
			if isJSON(tt.field) {
				tt.text = canonical(t, []byte(tt.text))
			}
			if got != tt.text {
				t.Errorf("read again the field is %q, want %q", got, tt.text)
			}
		})
	}
}

func TestANullIsAnAbsentField(t *testing.T) {
	const doc = `{"t": [{"name": "n", "description": null, "tools": null, "topic": null}]}`
	w := readAgents(t, doc)
	if diff := cmp.Diff(map[string]string{"name": "n", "topic": "t"}, w.hash(layout.Agent("t", "n"))); diff != "" {
		t.Errorf("hash (-want +got):\n%s", diff)
	}
	w.do("HSET", layout.Agent("t", "n"), "callback_name", "cb")
	says(t, w.publish(agentsFile), `{"t": [{"name": "n", "description": null, "tools": null, "topic": null,
      "callback_name": "cb"}]}`)
	w.do("HDEL", layout.Agent("t", "n"), "callback_name")
	says(t, w.publish(agentsFile), doc)
}

func TestTheTopicIsThatOfThePlace(t *testing.T) {
	const doc = `{"t": [{"name": "a"}, {"name": "b", "topic": "elsewhere"}, {"name": "c", "topic": 5}]}`
	w := readAgents(t, doc)
	for _, n := range []string{"a", "b", "c"} {
		if got := w.hash(layout.Agent("t", n))["topic"]; got != "t" {
			t.Errorf("agent %s has topic %q", n, got)
		}
	}
	w.do("HSET", layout.Agent("t", "b"), "description", "d")
	says(t, w.publish(agentsFile), `{"t": [{"name": "a"}, {"name": "b", "topic": "elsewhere",
      "description": "d"}, {"name": "c", "topic": 5}]}`)
}

func TestTwoAgentsOfOneKey(t *testing.T) {
	const doc = `{"p:q": [{"name": "r", "description": "first"}], "p": [{"name": "q:r", "description": "second"}]}`
	key := layout.Agent("p", "q:r")
	shared := func() *world {
		w := readAgents(t, doc)
		says(t, text(t, w.views[agentsFile]), doc)
		if n := w.views[agentsFile].Unkeyed(); n != 1 {
			t.Fatalf("%d records are reported to have no key", n)
		}
		if h := w.hash(key); h["topic"] != "p" || h["description"] != "second" {
			t.Fatalf("the key is not that of the last one: %v", h)
		}
		return w
	}
	t.Run("the hash says whose a change is", func(t *testing.T) {
		w := shared()
		w.do("HSET", key, "description", "third")
		says(t, w.publish(agentsFile), strings.Replace(doc, "second", "third", 1))
		w.addAgent("p:q", "r", "fourth")
		got := agentsIn(t, w.publish(agentsFile))
		if got[agentID{"p", "q:r"}]["description"] != "third" || got[agentID{"p:q", "r"}]["description"] != "fourth" {
			t.Errorf("agents: %v", got)
		}
		w.settled(agentsFile)
	})
	t.Run("DEL removes both", func(t *testing.T) {
		w := shared()
		w.do("DEL", key)
		says(t, w.publish(agentsFile), `{"p:q": [], "p": []}`) // delete_agent sees to P:topics
		w.settled(agentsFile)
	})
	t.Run("an edit of the other one takes the key", func(t *testing.T) {
		w := shared()
		edited := strings.Replace(doc, "first", "1st", 1)
		w.read(agentsFile, []byte(edited))
		if diff := cmp.Diff(map[string]string{"name": "r", "description": "1st", "topic": "p:q"}, w.hash(key)); diff != "" {
			t.Errorf("hash (-want +got):\n%s", diff)
		}
		says(t, text(t, w.views[agentsFile]), edited)
	})
	t.Run("edits of both do not mix", func(t *testing.T) {
		w := shared()
		w.read(agentsFile, []byte(`{"p": [{"name": "q:r", "x": "2"}], "p:q": [{"name": "r", "description": "1st"}]}`))
		if diff := cmp.Diff(map[string]string{"name": "r", "description": "1st", "topic": "p:q"}, w.hash(key)); diff != "" {
			t.Errorf("hash (-want +got):\n%s", diff)
		}
	})
	t.Run("edits of both do not mix, the other way round", func(t *testing.T) {
		w := shared()
		w.read(agentsFile, []byte(`{"p:q": [{"name": "r", "x": "1"}], "p": [{"name": "q:r", "description": "second", "y": "2"}]}`))
		if diff := cmp.Diff(map[string]string{"name": "q:r", "description": "second", "y": "2", "topic": "p"}, w.hash(key)); diff != "" {
			t.Errorf("hash (-want +got):\n%s", diff)
		}
	})
	t.Run("deleting the one that has not the key leaves the other", func(t *testing.T) {
		w := shared()
		w.read(agentsFile, []byte(`{"p": [{"name": "q:r", "description": "second"}]}`))
		if h := w.hash(key); h["description"] != "second" {
			t.Errorf("hash: %v", h)
		}
		if topics := w.set(layout.Topics()); !slices.Equal(topics, []string{"p"}) {
			t.Errorf("topics: %q", topics)
		}
	})
	t.Run("an agent that moves to the other name keeps the key", func(t *testing.T) {
		w := readAgents(t, `{"p:q": [{"name": "r", "description": "d"}]}`)
		w.read(agentsFile, []byte(`{"p": [{"name": "q:r", "description": "d"}]}`))
		if diff := cmp.Diff(map[string]string{"name": "q:r", "description": "d", "topic": "p"}, w.hash(key)); diff != "" {
			t.Errorf("hash (-want +got):\n%s", diff)
		}
		if topics := w.set(layout.Topics()); !slices.Equal(topics, []string{"p"}) {
			t.Errorf("topics: %q", topics)
		}
	})
}

func TestTopicsWithoutAgents(t *testing.T) {
	w := readAgents(t, `{"empty": [], "t": [{"name": "n"}], "junk": [5], "more": {}}`)
	if topics := w.set(layout.Topics()); !slices.Equal(topics, []string{"empty", "t"}) {
		t.Fatalf("topics: %q", topics)
	}
	if n := w.views[agentsFile].Unkeyed(); n != 2 {
		t.Errorf("%d records are reported to have no key, want junk and more", n)
	}
	w.do("SADD", layout.Topics(), "z", "new", "\xff")
	says(t, w.publish(agentsFile), `{"empty": [], "t": [{"name": "n"}], "junk": [5], "more": {},
  "new": [],
  "z": []}`)
	w.do("SREM", layout.Topics(), "empty", "t", "z")
	says(t, w.publish(agentsFile), `{"t": [{"name": "n"}], "junk": [5], "more": {},
  "new": []}`)
	w.do("DEL", layout.Agent("t", "n"))
	says(t, w.publish(agentsFile), `{"junk": [5], "more": {},
  "new": []}`)
	w.read(agentsFile, []byte(`{"kept": [], "new": []}`))
	if topics := w.set(layout.Topics()); !slices.Equal(topics, []string{"kept", "new", "\xff"}) {
		t.Errorf("topics: %q", topics)
	}
}

func TestATopicThatSomebodyDeletedKeepsAgentsThatHeDidNotKnow(t *testing.T) {
	w := readAgents(t, `{"t": [{"name": "old"}], "u": [{"name": "old"}]}`)
	w.addAgent("t", "young", "")
	w.read(agentsFile, []byte(`{}`))
	if got := w.set(layout.AgentsOfTopic("t")); !slices.Equal(got, []string{"young"}) {
		t.Errorf("agents of t: %q", got)
	}
	if got := w.set(layout.AgentsOfTopic("u")); got != nil {
		t.Errorf("agents of u: %q", got)
	}
	if got := w.set(layout.Topics()); !slices.Equal(got, []string{"t"}) {
		t.Errorf("topics: %q", got)
	}
	got := agentsIn(t, text(t, w.views[agentsFile]))
	if len(got) != 1 || got[agentID{"t", "young"}] == nil {
		t.Errorf("document: %v", got)
	}
}

func TestAnAgentTwiceInItsTopic(t *testing.T) {
	const doc = `{"t": [{"name": "n", "x": "first"}, {"name": "m"}, {"name": "n", "x": "second"}]}`
	w := readAgents(t, doc)
	if x := w.hash(layout.Agent("t", "n"))["x"]; x != "first" { // JSONStore.get_agent finds the first
		t.Errorf("x is %q", x)
	}
	w.do("HSET", layout.Agent("t", "n"), "x", "third")
	says(t, w.publish(agentsFile), strings.Replace(doc, "first", "third", 1))
	if n := w.views[agentsFile].Unkeyed(); n != 1 {
		t.Errorf("%d records are reported to have no key", n)
	}
	w.do("DEL", layout.Agent("t", "n")) // JSONStore.delete_agent deletes both
	says(t, w.publish(agentsFile), `{"t": [{"name": "m"}]}`)
	if n := w.views[agentsFile].Unkeyed(); n != 0 {
		t.Errorf("%d records are reported to have no key", n)
	}
}

func TestHashesWithoutWordsAreHidden(t *testing.T) {
	for what, words := range map[string][]any{
		"a field that is no text":   {"x", "\xff"},
		"a field's name is no text": {"\xff", "x"},
		"tools that are no JSON":    {"tools", "[1"},
		"tools that nest too deep":  {"tools", strings.Repeat("[", 511) + strings.Repeat("]", 511)},
		"the name of another key":   {"name", "m"},
		"no name":                   {"name", ""},
		"the topic of another key":  {"topic", "u"},
		"a topic that is no text":   {"topic", "\xff"},
	} {
		t.Run(what, func(t *testing.T) {
			w := readAgents(t, `{"t": [{"name": "m"}, {"name": "n"}]}`)
			key := layout.Agent("t", "n")
			w.do(append([]any{"HSET", key}, words...)...)
			says(t, w.publish(agentsFile), `{"t": [{"name": "m"}]}`)
			if n := w.views[agentsFile].Hidden(); n != 1 {
				t.Errorf("%d hidden", n)
			}
			w.settled(agentsFile)
			if n := w.views[agentsFile].Hidden(); n != 1 {
				t.Errorf("%d hidden after a full update", n)
			}
			w.do("DEL", key)
			w.marks[agentsFile] = nil // as after FLUSHALL
			w.views[agentsFile].Update(w.now(), nil)
			if n := w.views[agentsFile].Hidden(); n != 0 {
				t.Errorf("%d hidden after DEL", n)
			}
		})
	}
	t.Run("no hash", func(t *testing.T) {
		w := readAgents(t, `{"t": [{"name": "n"}]}`)
		w.do("SET", layout.Agent("t", "n"), "x")
		says(t, w.publish(agentsFile), `{"t": []}`)
		if n := w.views[agentsFile].Hidden(); n != 1 {
			t.Errorf("%d hidden", n)
		}
	})
}

func TestASetOfAnotherTypeIsNotDestroyed(t *testing.T) {
	w := newWorld(t)
	w.do("SET", layout.Topics(), "mine")
	w.do("SET", layout.AgentsOfTopic("t"), "mine")
	w.read(agentsFile, []byte(`{"t": [{"name": "n"}], "u": []}`))
	w.read(agentsFile, []byte(`{}`))
	if keys := w.keysOf(0); !slices.Equal(keys, []string{layout.AgentsOfTopic("t"), layout.Topics()}) {
		t.Errorf("keys: %q", keys)
	}
}

func TestAgentsComeAndGoInBoundedMemory(t *testing.T) {
	w := readAgents(t, `{"kept": [ {"name":"n"} ]}`)
	a := w.views[agentsFile].(*agents)
	for range 1500 {
		w.do("HSET", layout.Agent("t", "n"), "name", "n", "topic", "t")
		w.publish(agentsFile)
		w.do("DEL", layout.Agent("t", "n"))
		w.publish(agentsFile)
	}
	if a.removed > 1100 {
		t.Errorf("%d removed records are remembered", a.removed)
	}
	says(t, text(t, a), `{"kept": [ {"name":"n"} ]}`)
}
