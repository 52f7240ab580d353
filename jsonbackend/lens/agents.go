package lens

import (
	"io"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Agents is the view of agents.json, {topic: [agent, ...]}, kept as a hash P:agent:{topic}:{name} for each agent, a set
// P:agents:topic:{topic} of names and a set P:topics (JSONStore.add_agent, RedisStore.add_agent).
//
// Where names have a ':', two agents may share one key. The topic and the name in the hash say whose it is; the record
// of the other one stays as it was until the key is deleted, which deletes both.
func Agents(l keyspace.Layout, db int) View {
	a := &agents{layout: l, db: db, hidden: map[string]bool{}}
	if err := a.Load(nil); err != nil {
		panic(err)
	}
	return a
}

type agents struct {
	layout  keyspace.Layout
	db      int
	list    *pyjson.List
	topics  map[string]*topic
	byKey   map[string][]agentID // whose records stand for a key
	hidden  map[string]bool
	strange int // records of another shape, topics that are no arrays, and agents that come again in their topic
	removed int // records and topics removed since the list was parsed
}

// topic is one member of the document.
type topic struct {
	name   string
	ref    pyjson.Ref
	list   *pyjson.List            // nil if the member is no array: then it is nobody's
	agents map[string][]pyjson.Ref // by name; JSONStore.get_agent finds the first, delete_agent deletes all
}

type agentID struct{ topic, name string }

// literal is the id as it stands in a Base: a JSON array of both names.
func (id agentID) literal() string {
	lit, _ := pyjson.Quote([]byte{'['}, []byte(id.topic))
	lit, _ = pyjson.Quote(append(lit, ','), []byte(id.name))
	return string(append(lit, ']'))
}

// topicLiteral is a topic as it stands in a Base: a JSON array of its name.
func topicLiteral(topic string) string {
	lit, _ := pyjson.Quote([]byte{'['}, []byte(topic))
	return string(append(lit, ']'))
}

// parseAgentID reads what literal and topicLiteral return.
func parseAgentID(lit string) (id agentID, isTopic bool) {
	var parts []string
	for _, v := range pyjson.Members([]byte(lit)) {
		parts = append(parts, name(v))
	}
	if len(parts) == 2 {
		return agentID{parts[0], parts[1]}, false
	}
	return agentID{topic: parts[0]}, true
}

func (a *agents) File() string { return "agents.json" }

func (a *agents) Hidden() int { return len(a.hidden) }

func (a *agents) Unkeyed() int {
	n := a.strange
	for _, ids := range a.byKey {
		n += len(ids) - 1
	}
	return n
}

func (a *agents) WriteTo(w io.Writer) (int64, error) { return a.list.WriteTo(w) }

func (a *agents) Load(doc []byte) error {
	list, err := parse(doc, '{')
	if err != nil {
		return err
	}
	topics, byKey, strange := map[string]*topic{}, map[string][]agentID{}, 0
	for ref, m := range list.All() {
		t := &topic{name: name(m.Key), ref: ref, agents: map[string][]pyjson.Ref{}}
		topics[t.name] = t
		if m.Value[0] != '[' {
			strange++
			continue
		}
		if t.list, err = list.Nest(ref); err != nil {
			return err
		}
		for ref, r := range t.list.All() {
			n, ok := agentName(r.Value)
			if ok && t.agents[n] == nil {
				key := a.layout.Agent(t.name, n)
				byKey[key] = append(byKey[key], agentID{t.name, n})
			} else {
				strange++
			}
			if ok {
				t.agents[n] = append(t.agents[n], ref)
			}
		}
	}
	a.list, a.topics, a.byKey, a.strange, a.removed = list, topics, byKey, strange, 0
	return nil
}

// records iterates over the records that stand for keys, as they were loaded in the document's order.
func (a *agents) records(visit func(id agentID, record []byte)) {
	for _, t := range a.arrays() {
		for ref, r := range t.list.All() {
			if n, ok := agentName(r.Value); ok && t.agents[n][0] == ref {
				visit(agentID{t.name, n}, r.Value)
			}
		}
	}
}

// arrays are the topics that are arrays, in the order of records.
func (a *agents) arrays() (all []*topic) {
	for _, t := range a.topics {
		if t.list != nil {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *topic) int { return int(a.ref - b.ref) })
	return all
}

// Base has a record's sum by its id, and 0 for each topic.
func (a *agents) Base() Base {
	b := Base{Named: map[string]uint64{}}
	for _, t := range a.arrays() {
		b.Named[topicLiteral(t.name)] = 0
	}
	a.records(func(id agentID, record []byte) { b.Named[id.literal()] = sum(record) })
	return b.with(a.Loose())
}

func (a *agents) Update(now *engine.View, keys []Key) (changed bool) {
	topicsToo := keys == nil
	mine := names(keys)
	if keys == nil {
		clear(a.hidden)
		mine = a.all(now)
	}
	byBirth(now, a.db, mine)
	for _, key := range mine {
		switch a.layout.Family(key) {
		case keyspace.Topics:
			topicsToo = true
		case keyspace.Agent:
			if a.show(key, now.Get(a.db, key)) {
				changed, topicsToo = true, true
			}
		}
	}
	if topicsToo && a.showTopics(now) {
		changed = true
	}
	a.compact()
	return changed
}

// all returns every key that has a record or should have one.
func (a *agents) all(now *engine.View) (keys []string) {
	for key := range a.byKey {
		keys = append(keys, key)
	}
	for e := range now.All(a.db) {
		if a.layout.Family(e.Key) == keyspace.Agent && a.byKey[e.Key] == nil {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// show brings the records of one key in line with it.
func (a *agents) show(key string, e *engine.Entry) (changed bool) {
	delete(a.hidden, key)
	if e == nil {
		return a.removeAll(key)
	}
	if h, id, ok := a.owner(e); ok {
		if shown, changed := a.showAgent(key, id, h); shown {
			return changed
		}
	}
	a.hidden[key] = true
	return a.removeAll(key)
}

// owner returns the hash of an entry and whose it is, as its own fields say.
func (a *agents) owner(e *engine.Entry) (h *value.Hash, id agentID, ok bool) {
	if h, ok = e.Value.(*value.Hash); !ok {
		return nil, id, false
	}
	id.topic, _ = h.Get("topic")
	id.name, _ = h.Get("name")
	return h, id, id.name != "" && a.layout.Agent(id.topic, id.name) == e.Key && pyjson.ValidWTF8([]byte(id.topic))
}

// showAgent brings one record in line with its hash; shown is false if there are no words for it.
func (a *agents) showAgent(key string, id agentID, h *value.Hash) (shown, changed bool) {
	t := a.topics[id.topic]
	if t != nil && t.list == nil {
		return false, false
	}
	var old []byte
	there := t != nil && t.agents[id.name] != nil
	if there {
		old = t.list.Member(t.agents[id.name][0]).Value
	}
	text := agentRecord(h, old)
	switch {
	case text == nil:
		return false, false
	case identical(text, old):
		return true, false
	case there:
		t.list.Replace(t.agents[id.name][0], text)
	default:
		t = a.topic(id.topic)
		t.agents[id.name] = []pyjson.Ref{t.list.Insert(pyjson.End, nil, text)}
		a.byKey[key] = append(a.byKey[key], id)
	}
	return true, true
}

// removeAll takes out every record of a key.
func (a *agents) removeAll(key string) (changed bool) {
	for _, id := range a.byKey[key] {
		t := a.topics[id.topic]
		for _, ref := range t.agents[id.name] {
			t.list.Remove(ref)
			a.removed++
		}
		a.strange -= len(t.agents[id.name]) - 1
		delete(t.agents, id.name)
		changed = true
	}
	delete(a.byKey, key)
	return changed
}

// topic returns the member of a topic, made if it is not there.
func (a *agents) topic(name string) *topic {
	if t := a.topics[name]; t != nil {
		return t
	}
	lit, _ := pyjson.Quote(nil, []byte(name))
	t := &topic{name: name, agents: map[string][]pyjson.Ref{}}
	t.ref = a.list.Insert(pyjson.End, lit, []byte("[]"))
	t.list, _ = a.list.Nest(t.ref) // "[]" parses
	a.topics[name] = t
	return t
}

// showTopics shows a topic without agents as [] while P:topics has it, and takes it out when it has not.
func (a *agents) showTopics(now *engine.View) (changed bool) {
	listed := a.set(now, a.layout.Topics())
	if listed != nil {
		for _, name := range slices.Sorted(listed.All()) {
			if a.topics[name] == nil && pyjson.ValidWTF8([]byte(name)) {
				a.topic(name)
				changed = true
			}
		}
	}
	for name, t := range a.topics {
		if t.list != nil && t.list.Len() == 0 && (listed == nil || !listed.Has(name)) {
			a.list.Remove(t.ref)
			a.removed++
			delete(a.topics, name)
			changed = true
		}
	}
	return changed
}

// set returns the set at a key, nil if there is none.
func (a *agents) set(now *engine.View, key string) *value.Set {
	e := now.Get(a.db, key)
	if e == nil {
		return nil
	}
	s, _ := e.Value.(*value.Set)
	return s
}

// compact parses the document anew when most of what the lists remember is gone.
func (a *agents) compact() {
	if a.removed > len(a.byKey)+len(a.topics)+1000 {
		_ = a.Load(a.list.Bytes()) // where it has outgrown what can be parsed, it stays
	}
}
