package keyspace

import (
	"slices"
	"strings"
)

// DefaultPrefix is OmniDaemon's prefix when REDIS_KEY_PREFIX is not set.
const DefaultPrefix = "omni"

// Type is a Redis value type.
type Type uint8

// The types of Redis. Any stands for "no particular one".
const (
	Any Type = iota
	String
	List
	Set
	ZSet
	Hash
	Stream
)

// String returns the word that Redis' TYPE command answers, and "any" for Any.
func (t Type) String() string {
	return [...]string{"any", "string", "list", "set", "zset", "hash", "stream"}[t]
}

// Expiry says whether keys of a family have a time to live.
type Expiry uint8

// What OmniDaemon does about the TTL of a family's keys.
const (
	NeverExpires Expiry = iota // OmniDaemon sets none
	MayExpire                  // some have one
	Expires                    // all have one
)

// String returns "none", "optional" or "always".
func (e Expiry) String() string { return [...]string{"none", "optional", "always"}[e] }

// Family is a kind of key. The zero Family is Other.
type Family uint8

// The families of OmniDaemon. Agent to Config stand under the prefix; the rest is the event bus.
const (
	Other Family = iota // any key that is not OmniDaemon's
	Agent
	AgentsOfTopic
	Topics
	Result
	ResultsIndex
	MetricsStream
	Config
	BusStream
	DeadLetters
	RetryCounts
	BusMetrics
)

// Facts is what is known of a family.
type Facts struct {
	Family  Family
	Name    string // its short name: "agents:topic"
	Pattern string // how its keys are made: "{prefix}:agents:topic:{topic}"
	Type    Type   // the type of its keys
	Expiry  Expiry // whether its keys have a TTL
	Holds   string // content and encoding
	Doc     string // what OmniDaemon does with it

	fixed string // what stands before the variable part, without the prefix
	whole bool   // there is no variable part
}

// families is indexed by Family. A prefixed family's fixed text begins after "{prefix}:".
var families = [...]Facts{
	Other: {},
	Agent: {
		Name: "agent", Pattern: "{prefix}:agent:{topic}:{name}", fixed: "agent:", Type: Hash,
		Holds: "name, callback_name, description, topic: text; tools (array), config (object): JSON; created_at: seconds",
		Doc:   "One registered agent, rewritten as a whole whenever it registers.",
	},
	AgentsOfTopic: {
		Name: "agents:topic", Pattern: "{prefix}:agents:topic:{topic}", fixed: "agents:topic:", Type: Set,
		Holds: "names of the topic's agents",
		Doc:   "Which agents a topic has; deleted with the last of them.",
	},
	Topics: {
		Name: "topics", Pattern: "{prefix}:topics", fixed: "topics", whole: true, Type: Set,
		Holds: "names of topics",
		Doc:   "Which topics have agents.",
	},
	Result: {
		Name: "result", Pattern: "{prefix}:result:{task_id}", fixed: "result:", Type: String, Expiry: MayExpire,
		Holds: `JSON {"task_id", "result", "saved_at"}`,
		Doc:   "The result of one task, kept for a day by the agent runner and for ever by other callers unless they say how long.",
	},
	ResultsIndex: {
		Name: "results:index", Pattern: "{prefix}:results:index", fixed: "results:index", whole: true, Type: ZSet,
		Holds: "task ids, scored by the seconds at which they were saved",
		Doc:   "Results by age. The id of an expired result stays until somebody asks for that result.",
	},
	MetricsStream: {
		Name: "metrics:stream", Pattern: "{prefix}:metrics:stream", fixed: "metrics:stream", whole: true, Type: Stream,
		Holds: "field data: JSON of one metric with saved_at",
		Doc:   "What agents measured, trimmed to about 100,000 entries.",
	},
	Config: {
		Name: "config", Pattern: "{prefix}:config:{key}", fixed: "config:", Type: String,
		Holds: "JSON of any value",
		Doc:   "Settings, and the notes that runner, supervisors and subscriptions keep for each other.",
	},
	BusStream: {
		Name: "omni-stream", Pattern: "omni-stream:{topic}", fixed: "omni-stream:", Type: Stream,
		Holds: "field data: JSON of one task; consumer groups group:{topic}:{agent}",
		Doc:   "Published tasks of a topic, trimmed to about 10,000.",
	},
	DeadLetters: {
		Name: "omni-dlq", Pattern: "omni-dlq:{group}", fixed: "omni-dlq:", Type: Stream,
		Holds: "field data: JSON of one failed task, with its error and retry_count",
		Doc:   "Tasks that a consumer group gave up, trimmed to about 10,000.",
	},
	RetryCounts: {
		Name: "retry_counts", Pattern: "retry_counts:{group}", fixed: "retry_counts:", Type: Hash, Expiry: Expires,
		Holds: "message id, number of retries",
		Doc:   "How often a consumer group retried its pending messages; forgotten an hour after the last retry.",
	},
	BusMetrics: {
		Name: "omni-metrics", Pattern: "omni-metrics", fixed: "omni-metrics", whole: true, Type: Stream,
		Holds: "field data: JSON {topic, event, msg_id, group, consumer, timestamp}",
		Doc:   "What the event bus did, trimmed to about 1,000,000 entries.",
	},
}

// Families returns the facts of every family but Other, those under the prefix first.
func Families() []Facts {
	all := slices.Clone(families[Agent:])
	for i := range all {
		all[i].Family = Agent + Family(i)
	}
	return all
}

// String returns the family's short name, and "other" for Other.
func (f Family) String() string {
	if f == Other {
		return "other"
	}
	return families[f].Name
}

// Bus reports whether the family belongs to the event bus, whose keys ignore the prefix.
func (f Family) Bus() bool { return f >= BusStream }

// cut returns what follows the family's fixed text in s. ok is false when s is not of the family.
func (f Family) cut(s string) (rest string, ok bool) {
	facts := &families[f]
	rest, ok = strings.CutPrefix(s, facts.fixed)
	switch {
	case !ok:
		return "", false
	case facts.whole:
		return rest, rest == ""
	case f == Agent:
		return rest, strings.IndexByte(rest, ':') >= 0
	}
	return rest, true
}
