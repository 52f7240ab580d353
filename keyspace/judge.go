package keyspace

import (
	"math"
	"strings"
	"unicode/utf8"
)

// judge collects what is wrong with one key. Its methods take what a write writes, or what is stored.
type judge struct {
	Checker
	command []byte
	key     string
	k       Key
	found   []Finding
}

// at turns to a key.
func (j *judge) at(key string) { j.key, j.k = key, j.Layout.Parse(key) }

// add reports a finding about the key.
func (j *judge) add(rule ID, f Finding, format string, a ...any) {
	f.Rule, f.Key = rule, j.key
	j.found = append(j.found, f.Say(format, a...))
}

// name judges the key's name.
func (j *judge) name() {
	if j.k.Family == Other {
		if meant := j.Layout.meant(j.key); meant != "" {
			rule := NearMissKey
			if strings.HasPrefix(j.key, "dlq:") {
				rule = DLQName
			}
			j.add(rule, Finding{}, "is no key of OmniDaemon's; did you mean %s?", meant)
		} else if strings.HasPrefix(j.key, j.Layout.Prefix+":") {
			j.add(UnknownFamily, Finding{}, "is of no family of OmniDaemon's")
		}
		return
	}
	if what := badName(j.k.Rest); what != "" && (j.k.Rest != "" || !families[j.k.Family].whole) {
		j.add(BadSegment, Finding{}, "%s", what)
	} else if j.k.Family == Agent && j.emptyName() {
		j.add(BadSegment, Finding{}, "has an empty topic or name")
	}
	if j.k.Family == DeadLetters && !strings.HasPrefix(j.k.Rest, "group:") {
		j.add(DLQName, Finding{}, "is found by no reader: dead letters stand in omni-dlq:group:TOPIC:AGENT")
	}
}

// emptyName reports whether the key of an agent has an empty part, however it is read.
func (j *judge) emptyName() bool {
	for topic, name := range j.k.Splits() {
		if topic != "" && name != "" {
			return false
		}
	}
	return true
}

// badName says what is wrong with a topic, a name or an id; "" if nothing is.
func badName(name string) string {
	if name == "" {
		return "ends where a name should stand"
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] == 0x7f {
			return "has a control character"
		}
	}
	if !utf8.ValidString(name) {
		return "is no UTF-8"
	}
	return ""
}

// member judges a member of a set of names, or of the index.
func (j *judge) member(m []byte) {
	switch what := badName(string(m)); {
	case len(m) == 0:
		j.add(BadSegment, Finding{}, "has an empty member")
	case what != "":
		j.add(BadSegment, Finding{Member: string(m)}, "%s", what)
	}
}

// lasting reports a time to live where OmniDaemon sets none.
func (j *judge) lasting() {
	switch j.k.Family {
	case Agent, AgentsOfTopic, Topics, ResultsIndex:
		j.add(RegistryTTL, Finding{}, "has a time to live; OmniDaemon's never end")
	}
}

// text judges a string.
func (j *judge) text(v []byte) {
	switch j.k.Family {
	case Result:
		j.result(v)
	case Config:
		j.config(v)
	}
}

func (j *judge) result(v []byte) {
	most := j.ResultBytes
	if most == 0 {
		most = DefaultResultBytes
	}
	if len(v) > most {
		j.add(ResultTooLarge, Finding{}, "has %d bytes, more than %d", len(v), most)
	}
	if !valid(v) || first(v) != '{' {
		j.add(ResultShape, Finding{}, "is not a JSON object")
		return
	}
	id := field(v, "task_id")
	switch {
	case id == nil:
		j.add(ResultShape, Finding{Field: "task_id"}, "is missing")
	case id[0] != '"' || !spells(id, j.k.Rest):
		j.add(ResultShape, Finding{Field: "task_id"}, "is not that of the key")
	}
	if field(v, "result") == nil {
		j.add(ResultShape, Finding{Field: "result"}, "is missing")
	}
	switch saved := field(v, "saved_at"); {
	case saved == nil:
		j.add(ResultShape, Finding{Field: "saved_at"}, "is missing")
	case !isNumber(saved):
		j.add(ResultShape, Finding{Field: "saved_at"}, "is not a number")
	}
}

func isNumber(v []byte) bool {
	_, ok := number(v)
	return ok
}

const (
	flagPrefix       = "_subscription_active:"
	supervisorPrefix = "supervisor:"
	registry         = "_supervisor_registry"
)

func (j *judge) config(v []byte) {
	switch {
	case !valid(v):
		j.add(ConfigJSON, Finding{}, "is not JSON")
	case strings.HasPrefix(j.k.Rest, flagPrefix) && first(v) != 't' && first(v) != 'f':
		j.add(SubscriptionFlag, Finding{}, "is neither true nor false")
	}
}

// Seconds since 1970 from which a time is taken for milliseconds: the year 5138.
const tooLate = 1e11

func (j *judge) agentField(name, v []byte) {
	switch string(name) {
	case "tools":
		if !valid(v) || first(v) != '[' && first(v) != 'n' {
			j.add(AgentJSON, Finding{Field: "tools"}, "is not a JSON array")
		}
	case "config":
		if !valid(v) || first(v) != '{' && first(v) != 'n' {
			j.add(AgentJSON, Finding{Field: "config"}, "is not a JSON object")
		}
	case "created_at":
		j.createdAt(v)
	case "name", "callback_name", "description", "topic":
	default:
		j.add(AgentOtherField, Finding{Field: string(name)}, "is none that OmniDaemon's Redis store knows")
	}
}

// createdAt judges what Python's float reads: a number, perhaps with white space around it, but none of its other spellings.
func (j *judge) createdAt(v []byte) {
	f, ok := number(v)
	switch {
	case !ok || math.IsInf(f, 0):
		j.add(AgentCreatedAt, Finding{Field: "created_at"}, "is not a number of seconds")
	case math.Abs(f) >= tooLate:
		j.add(AgentCreatedAt, Finding{Field: "created_at"}, "is not in seconds; in milliseconds, perhaps")
	}
}

// agentKey compares an agent's topic and name with its key; nil is what is not known.
func (j *judge) agentKey(topic, name []byte) {
	if topic == nil && name == nil {
		return
	}
	for t, n := range j.k.Splits() {
		if (topic == nil || t == string(topic)) && (name == nil || n == string(name)) {
			return
		}
	}
	field := "topic"
	if topic == nil {
		field = "name"
	} else if name != nil && strings.HasPrefix(j.k.Rest, string(topic)+":") {
		field = "name"
	}
	j.add(AgentKey, Finding{Field: field}, "is not that of the key")
}

// entry judges an entry of a stream: its fields are names and values in turn. id is "" for one that is just written.
func (j *judge) entry(id string, words [][]byte) {
	at := func(field string) Finding { return Finding{Entry: id, Field: field} }
	rule := MetricsEntry
	if j.k.Family == BusStream || j.k.Family == DeadLetters {
		rule = BusEnvelope
	}
	if len(words) != 2 || string(words[0]) != "data" {
		j.add(rule, at(""), "has not the single field data")
		return
	}
	v := words[1]
	if !valid(v) || first(v) != '{' {
		j.add(rule, at("data"), "is not a JSON object")
		return
	}
	for _, name := range needed(j.k.Family) {
		if field(v, name) == nil {
			j.add(rule, at(name), "is missing")
		}
	}
	switch j.k.Family {
	case BusStream:
		if topic := field(v, "topic"); topic != nil && (topic[0] != '"' || !spells(topic, j.k.Rest)) {
			j.add(BusTopic, at("topic"), "is not that of the stream")
		}
		if n := field(v, "delivery_attempts"); n != nil && !isNumber(n) {
			j.add(BusEnvelope, at("delivery_attempts"), "is not a number")
		}
	case MetricsStream:
		if saved := field(v, "saved_at"); saved != nil && !isNumber(saved) {
			j.add(MetricsEntry, at("saved_at"), "is not a number")
		}
		for _, name := range [...]string{"event_type", "processing_time_ms"} {
			if field(v, name) != nil {
				j.add(MetricsDocFields, at(name), "is read by nobody")
			}
		}
	}
}

// needed are the members without which the readers of a stream fail.
func needed(f Family) []string {
	switch f {
	case BusStream:
		return []string{"topic", "task_id", "delivery_attempts"}
	case DeadLetters:
		return []string{"topic", "failed_message", "error"}
	case MetricsStream:
		return []string{"saved_at"}
	}
	return []string{"topic", "event", "timestamp"}
}
