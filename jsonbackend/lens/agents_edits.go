package lens

import (
	"iter"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// Edits begins with deletions: what is deleted here may come again there, under the same key.
func (a *agents) Edits(read Base, now *engine.View, _ int64) iter.Seq[engine.Edit] {
	return slices.Values(a.edits(read, now))
}

func (a *agents) edits(read Base, now *engine.View) (edits []engine.Edit) {
	there := map[string]bool{}
	for _, t := range a.arrays() {
		there[topicLiteral(t.name)] = true
	}
	written := map[string]bool{} // keys that an edit has written
	a.records(func(id agentID, record []byte) {
		lit := id.literal()
		there[lit] = true
		if read.Named[lit] != sum(record) {
			edits = append(edits, a.decode(id, record, now, written)...)
		}
	})
	for _, t := range a.arrays() {
		if _, known := read.Named[topicLiteral(t.name)]; !known && t.list.Len() == 0 {
			edits = append(edits, a.addTo(now, a.layout.Topics(), t.name)...)
		}
	}
	var gone []engine.Edit
	for lit := range read.Named {
		if !there[lit] && !isLoose(lit) {
			gone = append(gone, a.remove(lit, read, now)...)
		}
	}
	slices.SortFunc(gone, func(a, b engine.Edit) int { return slices.CompareFunc(a.Args, b.Args, slices.Compare[[]byte]) })
	return append(gone, edits...)
}

// decode returns what makes the keys say what a record says: what add_agent would have sent, as far as it differs.
func (a *agents) decode(id agentID, record []byte, now *engine.View, written map[string]bool) (edits []engine.Edit) {
	key := a.layout.Agent(id.topic, id.name)
	have := a.agent(id, now)
	if written[key] {
		have = nil
	}
	if have == nil && (written[key] || now.Get(a.db, key) != nil) {
		edits = append(edits, edit(a.db, "DEL", key)) // it is somebody else's
	}
	written[key] = true
	set, drop := []any{"HSET", key}, []any{"HDEL", key}
	wanted := map[string]bool{}
	for _, f := range agentHash(id.topic, record) {
		wanted[f.name] = true
		if have != nil {
			if text, ok := have.Get(f.name); ok && f.holds(text) {
				continue
			}
		}
		set = append(set, f.name, f.text)
	}
	if have != nil {
		for field := range have.All() {
			if !wanted[field] {
				drop = append(drop, field)
			}
		}
	}
	for _, words := range [][]any{set, drop} {
		if len(words) > 2 {
			edits = append(edits, edit(a.db, words...))
		}
	}
	edits = append(edits, a.addTo(now, a.layout.AgentsOfTopic(id.topic), id.name)...)
	return append(edits, a.addTo(now, a.layout.Topics(), id.topic)...)
}

// addTo adds a member to the set at key if it is not in it. What is no set is not ours to destroy.
func (a *agents) addTo(now *engine.View, key, member string) []engine.Edit {
	if s := a.set(now, key); s == nil && now.Get(a.db, key) != nil || s != nil && s.Has(member) {
		return nil
	}
	return []engine.Edit{edit(a.db, "SADD", key, member)}
}

// remove returns what delete_agent, or the end of delete_topic, would have sent for a record that is gone. A topic stays
// that has agents whom the writer did not know.
func (a *agents) remove(lit string, read Base, now *engine.View) (edits []engine.Edit) {
	id, isTopic := parseAgentID(lit)
	names := a.layout.AgentsOfTopic(id.topic)
	members := a.set(now, names)
	if !isTopic {
		if members != nil {
			edits = append(edits, edit(a.db, "SREM", names, id.name))
		}
		if a.agent(id, now) != nil {
			edits = append(edits, edit(a.db, "DEL", a.layout.Agent(id.topic, id.name)))
		}
		return edits
	}
	if members != nil {
		for member := range members.All() {
			younger := agentID{id.topic, member}
			if _, known := read.Named[younger.literal()]; !known && a.agent(younger, now) != nil {
				return nil
			}
		}
		edits = append(edits, edit(a.db, "DEL", names))
	}
	if a.set(now, a.layout.Topics()) != nil {
		edits = append(edits, edit(a.db, "SREM", a.layout.Topics(), id.topic))
	}
	return edits
}

// agent returns the hash of an agent, nil if its key holds something else.
func (a *agents) agent(id agentID, now *engine.View) *value.Hash {
	e := now.Get(a.db, a.layout.Agent(id.topic, id.name))
	if e == nil {
		return nil
	}
	h, ok := e.Value.(*value.Hash)
	if !ok {
		return nil
	}
	if t, _ := h.Get("topic"); t != id.topic {
		return nil
	}
	return h
}
