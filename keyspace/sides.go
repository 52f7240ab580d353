package keyspace

import "strings"

// sides tells what an entry says of others.
func (a *Audit) sides(e *Entry, tell func(side)) {
	l, k := a.Layout, a.Layout.Parse(e.Key)
	if e.First && k.Family == Agent {
		tell(side{relation: memberHasKey, right: true, about: e.Key, key: e.Key})
	}
	if e.First && k.Family == Result && e.Type != String {
		tell(side{relation: resultIndexed, about: k.Rest, key: e.Key, other: l.ResultsIndex()})
	}
	if k.Family == Other || e.Type != families[k.Family].Type {
		return
	}
	switch k.Family {
	case Agent:
		if topic, name, ok := a.agent.who(k); ok && e.Last {
			tell(side{relation: agentInSet, about: topic, more: name, key: e.Key, other: l.AgentsOfTopic(topic)})
		}
	case AgentsOfTopic:
		if e.First {
			tell(side{relation: topicListed, about: k.Rest, key: e.Key, other: l.Topics()})
		}
		for _, m := range e.Members {
			key := l.Agent(k.Rest, m.Text)
			tell(side{relation: agentInSet, right: true, about: k.Rest, more: m.Text, key: e.Key})
			tell(side{relation: memberHasKey, about: key, key: e.Key, member: m.Text, other: key})
		}
	case Topics:
		for _, m := range e.Members {
			tell(side{relation: topicListed, right: true, about: m.Text, key: e.Key, member: m.Text, other: l.AgentsOfTopic(m.Text)})
		}
	case Result:
		tell(side{relation: resultIndexed, about: k.Rest, at: savedAt([]byte(e.Text)), key: e.Key, other: l.ResultsIndex()})
	case ResultsIndex:
		for _, m := range e.Members {
			tell(side{relation: resultIndexed, right: true, about: m.Text, at: m.Score, key: e.Key, member: m.Text, other: l.Result(m.Text)})
		}
	case Config:
		a.configSides(k.Rest, e, tell)
	case BusStream:
		busSides(l, e, tell)
	case RetryCounts:
		for _, f := range e.Fields {
			tell(side{relation: retryCounted, right: true, about: k.Rest, more: f.Name, key: e.Key})
		}
	}
}

// who returns the topic and the name of the agent at k. They are not known if the hash does not say them, or says others than
// the key.
func (s agentSeen) who(k Key) (topic, name string, ok bool) {
	for t, n := range k.Splits() {
		if s.fields["topic"] && t != s.topic || s.fields["name"] && n != s.name {
			continue
		}
		if ok {
			return "", "", false
		}
		topic, name, ok = t, n, true
	}
	return topic, name, ok
}

// savedAt is when a result was saved, in seconds; 0 if it does not say.
func savedAt(result []byte) float64 {
	if !valid(result) || first(result) != '{' {
		return 0
	}
	at, _ := number(field(result, "saved_at"))
	return at
}

func (a *Audit) configSides(name string, e *Entry, tell func(side)) {
	v := []byte(e.Text)
	if !valid(v) {
		return
	}
	if group, ok := strings.CutPrefix(name, flagPrefix); ok && first(v) == 't' {
		tell(side{relation: flagHasGroup, about: group, key: e.Key, other: group})
	}
	if supervisor, ok := strings.CutPrefix(name, supervisorPrefix); ok && first(v) != 'n' {
		tell(side{relation: supervisorListed, about: supervisor, key: e.Key, other: a.Layout.Config(registry)})
	}
	if name == registry && first(v) == '[' {
		for element := range elements(v) {
			if element[0] == '"' {
				supervisor := textOf(element)
				tell(side{relation: supervisorListed, right: true, about: supervisor, key: e.Key, member: supervisor, other: a.Layout.Config(supervisorPrefix + supervisor)})
			}
		}
	}
}

func busSides(l Layout, e *Entry, tell func(side)) {
	if e.Stream == nil {
		return
	}
	for _, g := range e.Stream.Groups {
		tell(side{relation: flagHasGroup, right: true, about: g.Name, key: e.Key})
		for _, p := range g.Pending {
			if p.Count > deliveries {
				tell(side{relation: retryCounted, about: g.Name, more: p.ID, key: e.Key, member: p.ID, other: l.RetryCounts(g.Name)})
			}
		}
	}
}
