package keyspace

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
)

// Audit judges a whole store, given as entries in any order. It reads the store once, and once more if that leaves doubts:
//
//	for e := range entries { findings = append(findings, a.First(e)...) }
//	if a.Doubts() > 0 {
//		for e := range entries { a.Again(e) } // those that a.Concerns
//	}
//	findings = append(findings, a.Rest()...)
//
// What takes two keys to say is only a doubt at first: the store may have changed between the two, as when a result is saved
// and then indexed. A finding is what does not fit together either time. In memory is a number for each agent, result and
// index member, and a name for each doubt.
type Audit struct {
	Checker
	Now int64 // in Unix milliseconds

	seed    maphash.Seed
	marks   map[uint64]mark
	doubts  map[uint64]*doubt // since Doubts was called
	agent   agentSeen
	bus     bool // there are streams of tasks
	results int64
	index   int64    // members
	strange []string // keys that show other prefixes
}

// strangers is how many other prefixes are remembered.
const strangers = 100

// NewAudit returns an audit of a store as it is now, in Unix milliseconds.
func NewAudit(c Checker, now int64) *Audit {
	return &Audit{Checker: c, Now: now, seed: maphash.MakeSeed(), marks: map[uint64]mark{}}
}

// relation is something that takes two keys to say. It has a left side and a right side, which agree if both are there.
type relation uint8

const (
	agentInSet       relation = iota // an agent's hash; the set of its topic has its name
	memberHasKey                     // a set of a topic has a name; the agent's key is there
	topicListed                      // a topic has a set; the set of topics has it
	resultIndexed                    // a result; the index has its id
	supervisorListed                 // a supervisor left its state; the registry names it
	flagHasGroup                     // a subscription is active; its group is there
	retryCounted                     // a task was delivered too often; its retries are counted
)

// relations says which rule is broken where a side stands alone; 0 = none.
var relations = [...]struct{ left, right ID }{
	agentInSet:       {left: AgentNotIndexed},
	memberHasKey:     {left: MemberOrphan},
	topicListed:      {left: TopicNotListed, right: TopicOrphan},
	resultIndexed:    {left: ResultNotIndexed, right: ResultIndexOrphan},
	supervisorListed: {left: SupervisorRegistry, right: SupervisorRegistry},
	flagHasGroup:     {left: FlagWithoutGroup},
	retryCounted:     {left: RetryCounterLost},
}

// side is one side of a relation, as a key says it.
type side struct {
	relation    relation
	right       bool
	about, more string  // what is related: a result's id; a topic and a name
	at          float64 // when it was saved, in seconds; 0 = that does not matter
	key, member string  // where it stands
	other       string  // the key that should be on the other side
}

// mark is what is remembered of a relation at first.
type mark struct {
	at       int32 // of the side that came first, in whole seconds; 0 = not known
	relation relation
	has      uint8
}

const (
	hasLeft = 1 << iota
	hasRight
	drifted // the two sides may say different times
	twice   // the left side came twice
	hasBoth = hasLeft | hasRight
)

// doubt is what is known of a relation at second sight.
type doubt struct {
	relation relation
	left     []side // more than one where different keys say the same
	right    *side
}

// First judges an entry by itself and remembers what it says of others.
func (a *Audit) First(e *Entry) []Finding {
	found := a.stored(e)
	if e.First {
		a.count(e)
	}
	a.sides(e, func(s side) {
		h := a.hash(s)
		m := a.marks[h]
		m.relation = s.relation
		bit := uint8(hasLeft)
		if s.right {
			bit = hasRight
		}
		if m.has&bit != 0 && !s.right {
			m.has |= twice
		}
		m.has |= bit
		at := int32(max(min(s.at, math.MaxInt32), math.MinInt32))
		switch {
		case m.at == 0:
			m.at = at
		case at != 0 && (at-m.at >= 5 || m.at-at >= 5):
			m.has |= drifted
		}
		a.marks[h] = m
	})
	return found
}

// count takes in what is said about the store as a whole.
func (a *Audit) count(e *Entry) {
	k := a.Layout.Parse(e.Key)
	switch {
	case k.Family == Result:
		a.results++
	case k.Family == ResultsIndex && e.Type == ZSet:
		a.index = e.Size
	case k.Family == BusStream && e.Type == Stream:
		a.bus = true
	case k.Family == Other && len(a.strange) < strangers && !strings.HasPrefix(e.Key, a.Layout.Prefix+":"):
		for _, f := range [...]Family{Topics, ResultsIndex, MetricsStream} {
			if facts := families[f]; e.Type == facts.Type && strings.HasSuffix(e.Key, ":"+facts.fixed) {
				a.strange = append(a.strange, e.Key)
			}
		}
	}
}

func (a *Audit) hash(s side) uint64 {
	var h maphash.Hash
	h.SetSeed(a.seed)
	h.WriteByte(byte(s.relation))
	h.WriteString(s.about)
	h.WriteByte(0xff) // in no text of OmniDaemon's
	h.WriteString(s.more)
	return h.Sum64()
}

// Doubts ends the first look, and returns how many things did not fit together.
func (a *Audit) Doubts() int {
	if a.doubts != nil {
		return len(a.doubts)
	}
	a.doubts = map[uint64]*doubt{}
	for h, m := range a.marks {
		r := relations[m.relation]
		switch m.has &^ (drifted | twice) {
		case hasLeft:
			if r.left == 0 || m.relation == flagHasGroup && !a.bus {
				continue
			}
		case hasRight:
			if r.right == 0 {
				continue
			}
		case hasBoth:
			if m.has&drifted == 0 && (m.has&twice == 0 || m.relation != memberHasKey) {
				continue
			}
		}
		a.doubts[h] = &doubt{relation: m.relation}
	}
	a.marks = nil
	return len(a.doubts)
}

// Concerns reports, after Doubts, whether what a key holds may settle one: others need not be looked at again.
func (a *Audit) Concerns(key string) bool {
	switch k := a.Layout.Parse(key); k.Family {
	case Result:
		return a.doubts[a.hash(side{relation: resultIndexed, about: k.Rest})] != nil
	case Agent, AgentsOfTopic, Topics, ResultsIndex, Config, BusStream, RetryCounts:
		return true
	}
	return false
}

// Again looks at an entry for the second time, after Doubts.
func (a *Audit) Again(e *Entry) {
	if e.Family == Agent && e.Type == Hash {
		a.readAgent(e)
	}
	a.sides(e, func(s side) {
		d := a.doubts[a.hash(s)]
		switch {
		case d == nil:
		case s.right:
			d.right = &s
		case !slices.Contains(d.left, s) && len(d.left) < 2:
			d.left = append(d.left, s)
		}
	})
}

// Rest returns what does not fit together, and what is said about the store as a whole, by key.
func (a *Audit) Rest() []Finding {
	var found []Finding
	for _, d := range a.doubts {
		found = append(found, a.decide(d)...)
	}
	if a.index > 2*a.results && a.index-a.results >= 10 {
		j := a.about(a.Layout.ResultsIndex())
		j.add(IndexBloat, Finding{}, "has %d ids, and there are %d results", a.index, a.results)
		found = append(found, j.found...)
	}
	for _, key := range a.strange {
		j := a.about(key)
		j.add(ForeignPrefix, Finding{}, "is another OmniDaemon's")
		if a.bus {
			j.add(SharedBus, Finding{}, "is another OmniDaemon's, which uses the same event bus")
		}
		found = append(found, j.found...)
	}
	slices.SortFunc(found, func(x, y Finding) int {
		return strings.Compare(x.Key+"\x00"+x.Member+x.Text, y.Key+"\x00"+y.Member+y.Text)
	})
	return found
}

func (a *Audit) about(key string) *judge {
	j := &judge{Checker: a.Checker}
	j.at(key)
	return j
}

// decide says what is wrong with what was in doubt; nothing, if it fits together by now.
func (a *Audit) decide(d *doubt) []Finding {
	switch {
	case len(d.left) == 0 && d.right == nil:
		return nil
	case len(d.left) == 0:
		return a.alone(relations[d.relation].right, *d.right)
	case d.right == nil:
		return a.alone(relations[d.relation].left, d.left[0])
	}
	left := d.left[0]
	switch {
	case d.relation == memberHasKey && len(d.left) > 1:
		one, two := min(left.key, d.left[1].key), max(left.key, d.left[1].key)
		j := a.about(d.right.key)
		j.add(SharedKey, Finding{Other: one}, "is the key of two agents, which stand in %s and %s", Show(one), Show(two))
		return j.found
	case d.relation == resultIndexed && left.at != 0 && math.Abs(left.at-d.right.at) > 5:
		j := a.about(d.right.key)
		j.add(IndexScoreDrift, Finding{Member: d.right.member, Other: left.key}, "has a score that is not the time the result was saved")
		return j.found
	}
	return nil
}

// alone reports a side that has no other.
func (a *Audit) alone(rule ID, s side) []Finding {
	if rule == 0 {
		return nil
	}
	j := a.about(s.key)
	what := map[ID]string{
		AgentNotIndexed:    "is missing from %s",
		MemberOrphan:       "has no agent %s",
		TopicNotListed:     "has agents, and its topic is missing from %s",
		TopicOrphan:        "has no agents in %s",
		ResultNotIndexed:   "is missing from %s",
		ResultIndexOrphan:  "has no result %s",
		SupervisorRegistry: "is missing from %s",
		FlagWithoutGroup:   "is true, and there is no group %s",
		RetryCounterLost:   "was delivered more than " + fmt.Sprint(deliveries) + " times, and %s does not count it",
	}[rule]
	if rule == SupervisorRegistry && s.right {
		what = "names a supervisor without %s"
	}
	f := Finding{Member: s.member, Other: s.other}
	if rule == RetryCounterLost {
		f.Member, f.Entry = "", s.member
	}
	j.add(rule, f, what, Show(s.other))
	return j.found
}
