package resp

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Reaction is what becomes of a write that breaks a rule of OmniDaemon's key layout.
type Reaction int

// From what costs nothing to what lets nothing through.
const (
	Ignore  Reaction = iota
	Observe          // it is counted
	Warn             // and remembered, for OMNIPROXY VIOLATIONS, and reported
	Enforce          // and refused
)

var reactions = []string{"off", "observe", "warn", "enforce"}

// String returns "off", "observe", "warn" or "enforce".
func (r Reaction) String() string { return reactions[r] }

// ParseReaction is the reverse of String.
func ParseReaction(text string) (Reaction, bool) {
	i := slices.Index(reactions, text)
	return Reaction(max(i, 0)), i >= 0
}

// Validation judges writes by the rules of package keyspace, before they are done and each by itself: it never reads. What
// a client is told when its write is done stays as it is.
type Validation struct {
	checker keyspace.Checker
	now     atomic.Pointer[policy] // nil while everything is ignored
	report  func(v Violation, more int64)

	judged, refused, unchecked atomic.Int64 // writes to keys that may be OmniDaemon's, but for judged: those that broke a rule

	mu       sync.Mutex
	counts   map[keyspace.ID]int64
	recent   []*Violation // the last to happen stands last
	reported map[keyspace.ID]*reporting
}

// policy is what becomes of each rule.
type policy struct {
	general   Reaction
	reactions map[keyspace.ID]Reaction
}

// Violation is a rule broken at one place, once or more.
type Violation struct {
	keyspace.Finding
	Client      string // who did it last
	Refused     bool   // that was not done
	Count       int64
	First, Last time.Time
}

// reporting is what is known of the reports on one rule.
type reporting struct {
	next    time.Time // not before
	skipped int64
}

// NewValidation judges with checker and reacts as React is told. report, which may be nil, is told of what is warned of or refused, of each rule at most once in
// some seconds; more is how often the rule was broken and not reported since the last time.
func NewValidation(checker keyspace.Checker, general Reaction, own map[keyspace.ID]Reaction, report func(v Violation, more int64)) *Validation {
	v := &Validation{checker: checker, report: report, counts: map[keyspace.ID]int64{}, reported: map[keyspace.ID]*reporting{}}
	v.React(general, own)
	return v
}

// React changes what becomes of writes from now on. A rule's own reaction comes before the general one; where that is
// [Enforce], rules of the least severity warn.
func (v *Validation) React(general Reaction, own map[keyspace.ID]Reaction) {
	p, idle := &policy{general, map[keyspace.ID]Reaction{}}, true
	for _, rule := range keyspace.Rules() {
		reaction, ok := own[rule.ID]
		if !ok {
			if reaction = general; general == Enforce && rule.Severity == keyspace.Info {
				reaction = Warn
			}
		}
		p.reactions[rule.ID] = reaction
		idle = idle && reaction == Ignore
	}
	if idle {
		p = nil
	}
	v.now.Store(p)
}

// Filter is the [Filter] that judges.
func (v *Validation) Filter(s *Session, c *Command) {
	p := v.now.Load()
	if p == nil || !c.Spec.Flags.Has(command.Write) && c.Spec.Categories&command.CatScripting == 0 {
		return
	}
	found, unchecked := v.checker.Check(c.Args)
	if unchecked && !c.Again {
		v.unchecked.Add(1)
	}
	found = slices.DeleteFunc(found, func(f keyspace.Finding) bool { return p.reactions[f.Rule] == Ignore })
	if len(found) == 0 {
		return
	}
	for _, f := range found {
		if p.reactions[f.Rule] == Enforce {
			c.Refused = wire.Error(f.Reply())
			break
		}
	}
	if !c.Again {
		v.note(s, found, p, c.Refused != nil)
	}
}

// note counts, remembers and reports one write.
func (v *Validation) note(s *Session, found []keyspace.Finding, p *policy, refused bool) {
	v.judged.Add(1)
	if refused {
		v.refused.Add(1)
	}
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range found {
		v.counts[f.Rule]++
		if p.reactions[f.Rule] < Warn {
			continue
		}
		violation := v.remember(f, now)
		violation.Client, violation.Refused = s.String(), refused
		v.tell(*violation, now)
	}
}

// remembered is how many violations OMNIPROXY VIOLATIONS lists.
const remembered = 128

func (v *Validation) remember(f keyspace.Finding, now time.Time) *Violation {
	violation := &Violation{Finding: f, First: now}
	if i := slices.IndexFunc(v.recent, func(old *Violation) bool { return old.Finding == f }); i >= 0 {
		violation = v.recent[i]
		v.recent = slices.Delete(v.recent, i, i+1)
	} else if len(v.recent) == remembered {
		v.recent = slices.Delete(v.recent, 0, 1)
	}
	v.recent = append(v.recent, violation)
	violation.Count++
	violation.Last = now
	return violation
}

// reportPause lies between two reports on one rule.
const reportPause = 10 * time.Second

func (v *Validation) tell(violation Violation, now time.Time) {
	r := v.reported[violation.Rule]
	if r == nil {
		r = &reporting{}
		v.reported[violation.Rule] = r
	}
	if now.Before(r.next) {
		r.skipped++
		return
	}
	if v.report != nil {
		v.report(violation, r.skipped)
	}
	r.next, r.skipped = now.Add(reportPause), 0
}

// ValidationCounts are what a Validation has counted.
type ValidationCounts struct {
	Rules              map[keyspace.ID]int64 // how often each was broken
	Refused, Unchecked int64                 // writes
}

// Counts returns the counts of now.
func (v *Validation) Counts() ValidationCounts {
	v.mu.Lock()
	defer v.mu.Unlock()
	return ValidationCounts{maps.Clone(v.counts), v.refused.Load(), v.unchecked.Load()}
}

// violations answers OMNIPROXY VIOLATIONS: a map of the reaction, how many writes broke a rule, how many of them were
// refused, how many could not be judged, how often each rule was broken, and the last violations, the latest first.
func violations(s *Session, w *wire.Writer, _ [][]byte) error {
	v := s.server.Validation
	var p *policy
	if v != nil {
		p = v.now.Load()
	}
	if p == nil {
		return wire.Error("ERR writes are not judged: omniproxy runs with --validate off")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Map(6)
	w.BulkString("validate")
	w.BulkString(p.general.String())
	for _, count := range []struct {
		name string
		n    int64
	}{{"violating-writes", v.judged.Load()}, {"refused-writes", v.refused.Load()}, {"unchecked-writes", v.unchecked.Load()}} {
		w.BulkString(count.name)
		w.Int(count.n)
	}
	w.BulkString("rules")
	w.Map(len(v.counts))
	for _, rule := range keyspace.Rules() {
		if n := v.counts[rule.ID]; n > 0 {
			w.BulkString(rule.ID.String())
			w.Int(n)
		}
	}
	w.BulkString("recent")
	w.Array(len(v.recent))
	for _, violation := range slices.Backward(v.recent) {
		violation.write(w)
	}
	return nil
}

func (v *Violation) write(w *wire.Writer) {
	rule := v.Rule.Rule()
	done := "done"
	if v.Refused {
		done = "refused"
	}
	w.Map(8)
	for _, field := range [][2]string{
		{"rule", rule.ID.String()}, {"severity", rule.Severity.String()}, {"text", v.Text}, {"the-write-was", done}, {"client", v.Client},
	} {
		w.BulkString(field[0])
		w.BulkString(field[1])
	}
	w.BulkString("count")
	w.Int(v.Count)
	w.BulkString("first")
	w.Int(v.First.Unix())
	w.BulkString("last")
	w.Int(v.Last.Unix())
}
