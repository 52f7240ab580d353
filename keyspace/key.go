package keyspace

import (
	"iter"
	"strings"
)

// Layout is OmniDaemon's naming scheme under one prefix. The zero Layout has the empty prefix, whose keys begin
// with ':' (":topics").
type Layout struct{ Prefix string }

// Key is a key taken apart.
type Key struct {
	Family Family
	// Rest is the variable part, taken as it stands: the topic, task id, config key or consumer group; for Agent
	// "{topic}:{name}" (see Splits); for Other the whole key; for families of one key nothing.
	Rest string
}

// Family returns the family that key belongs to. It does not allocate.
func (l Layout) Family(key string) Family { return l.Parse(key).Family }

// Parse takes key apart. Every byte string has a Key; what is not OmniDaemon's is of family Other. It does not allocate:
// Rest is a part of key.
func (l Layout) Parse(key string) Key {
	if n := len(l.Prefix); len(key) > n && key[n] == ':' && key[:n] == l.Prefix {
		for f := Agent; f <= Config; f++ {
			if rest, ok := f.cut(key[n+1:]); ok {
				return Key{f, rest}
			}
		}
	}
	for f := BusStream; f <= BusMetrics; f++ {
		if rest, ok := f.cut(key); ok {
			return Key{f, rest}
		}
	}
	return Key{Other, key}
}

// Format is the inverse of Parse: Format(Parse(k)) == k.
func (l Layout) Format(k Key) string {
	switch {
	case k.Family == Other:
		return k.Rest
	case k.Family.Bus():
		return families[k.Family].fixed + k.Rest
	}
	return l.Prefix + ":" + families[k.Family].fixed + k.Rest
}

// Ambiguous reports whether the key may name more than one agent: its topic, its name or both hold a ':'.
func (k Key) Ambiguous() bool { return k.Family == Agent && strings.Count(k.Rest, ":") > 1 }

// Splits returns every topic and name that the key of an agent may stand for, the shortest topic first: one pair unless
// the key is Ambiguous, none for other families.
func (k Key) Splits() iter.Seq2[string, string] {
	return func(yield func(topic, name string) bool) {
		if k.Family != Agent {
			return
		}
		for i := range len(k.Rest) {
			if k.Rest[i] == ':' && !yield(k.Rest[:i], k.Rest[i+1:]) {
				return
			}
		}
	}
}

// Agent returns the key of an agent.
func (l Layout) Agent(topic, name string) string { return l.Format(Key{Agent, topic + ":" + name}) }

// AgentsOfTopic returns the key of the set of a topic's agents.
func (l Layout) AgentsOfTopic(topic string) string { return l.Format(Key{AgentsOfTopic, topic}) }

// Topics returns the key of the set of topics.
func (l Layout) Topics() string { return l.Format(Key{Topics, ""}) }

// Result returns the key of a task's result.
func (l Layout) Result(taskID string) string { return l.Format(Key{Result, taskID}) }

// ResultsIndex returns the key of the index of results.
func (l Layout) ResultsIndex() string { return l.Format(Key{ResultsIndex, ""}) }

// MetricsStream returns the key of the stream of metrics.
func (l Layout) MetricsStream() string { return l.Format(Key{MetricsStream, ""}) }

// Config returns the key of a setting.
func (l Layout) Config(key string) string { return l.Format(Key{Config, key}) }

// BusStream returns the key of the stream of a topic's tasks.
func (l Layout) BusStream(topic string) string { return l.Format(Key{BusStream, topic}) }

// DeadLetters returns the key of the stream of tasks that a consumer group gave up.
func (l Layout) DeadLetters(group string) string { return l.Format(Key{DeadLetters, group}) }

// RetryCounts returns the key of a consumer group's retry counts.
func (l Layout) RetryCounts(group string) string { return l.Format(Key{RetryCounts, group}) }

// BusMetrics returns the key of the stream of bus events.
func (l Layout) BusMetrics() string { return l.Format(Key{BusMetrics, ""}) }
