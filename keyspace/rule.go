package keyspace

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad it is to break a rule.
type Severity uint8

// From what is worth knowing to what breaks a reader.
const (
	Info    Severity = iota // legal, but perhaps not what was meant
	Warning                 // works, and will surprise
	Error                   // a reader fails, or reads something else
)

// String returns "info", "warning" or "error".
func (s Severity) String() string { return [...]string{"info", "warning", "error"}[s] }

// ID is the number of a rule. Numbers are never used for anything else again.
type ID uint8

// The rules. What each one says stands in the table of [Rules].
const (
	UnknownFamily   ID = 1
	BadSegment      ID = 2
	KeyType         ID = 3
	AmbiguousName   ID = 4
	ForeignPrefix   ID = 5
	NearMissKey     ID = 6
	GlobInTopic     ID = 8
	SharedKey       ID = 9
	AgentFields     ID = 10
	AgentJSON       ID = 11
	AgentKey        ID = 12
	AgentNotIndexed ID = 13
	MemberOrphan    ID = 14
	TopicNotListed  ID = 15
	TopicOrphan     ID = 16
	AgentCreatedAt  ID = 17
	RegistryTTL     ID = 18
	AgentOtherField ID = 19

	ResultIndexOrphan ID = 20
	ResultNotIndexed  ID = 21
	ResultShape       ID = 22
	ResultNoTTL       ID = 23
	ResultTooLarge    ID = 24
	IndexScoreDrift   ID = 25
	IndexBloat        ID = 26
	ResultExpired     ID = 27

	ConfigJSON         ID = 30
	SubscriptionFlag   ID = 31
	SupervisorRegistry ID = 32
	FlagWithoutGroup   ID = 34

	BusEnvelope        ID = 40
	BusTopic           ID = 41
	DLQName            ID = 42
	DLQGrowing         ID = 43
	StreamNearMaxlen   ID = 44
	RetryCounterLost   ID = 45
	StreamWithoutGroup ID = 46
	DeadConsumer       ID = 47

	MetricsEntry     ID = 50
	MetricsTrim      ID = 51
	MetricsDocFields ID = 52

	SharedBus     ID = 60
	FileShape     ID = 70
	AnotherWriter ID = 71
	OwnFamily     ID = 80
)

// String returns the ID as people write it: "OMN011".
func (id ID) String() string { return fmt.Sprintf("OMN%03d", uint8(id)) }

// Rule returns what the table says of id; the zero Rule if there is none.
func (id ID) Rule() Rule {
	i, ok := slices.BinarySearchFunc(rules, id, func(r Rule, id ID) int { return int(r.ID) - int(id) })
	if !ok {
		return Rule{}
	}
	return rules[i]
}

// FindRule returns the rule of an ID or a name, in any case: "OMN011", "agent-json".
func FindRule(text string) (Rule, bool) {
	for _, r := range rules {
		if strings.EqualFold(text, r.ID.String()) || strings.EqualFold(text, r.Name) {
			return r, true
		}
	}
	return Rule{}, false
}

// Rules returns every rule, by ID.
func Rules() []Rule { return slices.Clone(rules) }

// Rule is one law of the layout.
type Rule struct {
	ID       ID
	Name     string
	Severity Severity
	Inline   bool   // it judges a single write by itself (see [Checker.Check]); every rule judges what is stored
	Text     string // what is wrong and whom it hurts, in sentences
	Fix      string // what omniproxy validate --fix does about it; "" if nothing
	Hint     string // what a person can do about it; "" if that is plain
	Good     string // an example that breaks no rule: redis-cli lines, or a file behind a line "# NAME.json"
	Bad      string // an example that breaks this rule
}

// Finding is a place where a rule is broken.
type Finding struct {
	Rule   ID
	Key    string
	Field  string // of a hash or an entry, or the member of the JSON that it holds; "" = all of it
	Member string // of a set or a sorted set; a stream's group, and with a space behind it its consumer
	Entry  string // the ID of a stream's entry
	Text   string // one line without any value: "field 'tools' of 'omni:agent:t:n' is not a JSON array"

	// Other names the key that Key disagrees with; "" if it takes one to break the rule.
	Other string
}

// Say returns the finding with a text: what it is about, and then the words given, in which there may be anything but values.
func (f Finding) Say(format string, a ...any) Finding {
	subject := Show(f.Key)
	if f.Entry != "" {
		subject = "entry " + f.Entry + " of " + subject
	}
	switch {
	case f.Field != "":
		subject = "field " + Show(f.Field) + " of " + subject
	case f.Member != "":
		subject = "member " + Show(f.Member) + " of " + subject
	}
	f.Text = subject + " " + fmt.Sprintf(format, a...)
	return f
}

// Reply is the error that refuses a write.
func (f Finding) Reply() string {
	return fmt.Sprintf("ERR %s %s (omniproxy explain %[1]s)", f.Rule, f.Text)
}

// shown is how much of a name an error shows.
const shown = 200

// Show quotes a name for a line of text: printable, and no longer than a line should be.
func Show(name string) string {
	cut := ""
	if len(name) > shown {
		name, cut = name[:shown], "..."
	}
	q := fmt.Sprintf("%q", name)
	return "'" + strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut + "'"
}
