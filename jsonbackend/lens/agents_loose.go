package lens

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// Loose names what is no agent after its topic: a topic that is no array as topicLiteral does, an element of one with a
// space and elementName behind that.
func (a *agents) Loose() Loose {
	l := Loose{}
	if a.strange == 0 {
		return l
	}
	for topic, t := range a.topics {
		if t.list == nil {
			l[topicLiteral(topic)] = bytes.Clone(a.list.Member(t.ref).Value)
			continue
		}
		for ref, m := range t.list.All() {
			if t.loose(ref, m.Value) {
				l[topicLiteral(topic)+" "+elementName(m.Value)] = bytes.Clone(m.Value)
			}
		}
	}
	return l
}

// loose reports whether a record of the topic stands for no key: it is no agent, or the agent comes again.
func (t *topic) loose(ref pyjson.Ref, record []byte) bool {
	n, ok := agentName(record)
	return !ok || t.agents[n][0] != ref
}

// SetLoose adds what is missing at the end of its topic.
func (a *agents) SetLoose(l Loose) (changed bool) {
	if a.strange == 0 && len(l) == 0 {
		return false
	}
	missing := maps.Clone(l)
	for topic, t := range a.topics {
		if t.list == nil {
			if a.keepTopic(t, l[topicLiteral(topic)]) {
				delete(missing, topicLiteral(topic))
			} else {
				changed = true
			}
			continue
		}
		for ref, m := range t.list.All() {
			if !t.loose(ref, m.Value) {
				continue
			}
			lit := topicLiteral(topic) + " " + elementName(m.Value)
			if _, wanted := l[lit]; wanted {
				delete(missing, lit)
				continue
			}
			a.dropLoose(t, ref, m.Value)
			changed = true
		}
	}
	for _, lit := range missing.Names() {
		if a.addLoose(lit, l[lit]) {
			changed = true
		}
	}
	return changed
}

// keepTopic keeps a topic that is no array if it is as wanted, else takes it out.
func (a *agents) keepTopic(t *topic, wanted []byte) bool {
	if wanted != nil && same(a.list.Member(t.ref).Value, wanted) {
		return true
	}
	a.list.Remove(t.ref)
	delete(a.topics, t.name)
	a.strange--
	a.removed++
	return false
}

func (a *agents) dropLoose(t *topic, ref pyjson.Ref, record []byte) {
	if n, ok := agentName(record); ok {
		t.agents[n] = slices.DeleteFunc(t.agents[n], func(r pyjson.Ref) bool { return r == ref })
	}
	t.list.Remove(ref)
	a.strange--
	a.removed++
}

// addLoose adds a record under its name. An agent that came again is added only where its first record is.
func (a *agents) addLoose(lit string, record []byte) bool {
	place, element := lit, !strings.HasSuffix(lit, "]")
	if element {
		place = lit[:strings.LastIndexByte(lit, ' ')]
	}
	id, _ := parseAgentID(place)
	t := a.topics[id.topic]
	n, named := agentName(record)
	switch {
	case !element && t != nil, element && t != nil && t.list == nil, element && named && (t == nil || t.agents[n] == nil):
		return false
	case element:
		t = a.topic(id.topic)
		ref := t.list.Insert(pyjson.End, nil, record)
		if named {
			t.agents[n] = append(t.agents[n], ref)
		}
	default:
		ref := a.list.Insert(pyjson.End, []byte(place[1:len(place)-1]), record)
		a.topics[id.topic] = &topic{name: id.topic, ref: ref, agents: map[string][]pyjson.Ref{}}
	}
	a.strange++
	return true
}
