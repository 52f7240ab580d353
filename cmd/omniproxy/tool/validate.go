package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Validate judges what sources hold by the rules of the layout.
type Validate struct {
	Options  source.Options
	Rules    RuleSet
	Families *Families     // of the user's own; nil = none
	Baseline Baseline      // what is known already; nil = nothing
	Settle   time.Duration // before what did not fit together is looked at again, where others may write meanwhile
	Most     int           // findings that are kept, of a rule and in all; 0 = all
	Now      time.Time     // of the judgement
	Fix      *Fix          // nil = nothing is mended
	// Progress, if set, is told what is done at present and how many keys of all were looked at.
	Progress func(doing string, done, total int64)
}

// Problem is a finding and where it is.
type Problem struct {
	keyspace.Finding
	Source string          // as it was named
	At     source.Position // in a file; Line is 0 if it stands in none
}

// Severity is that of the rule.
func (p Problem) Severity() keyspace.Severity { return p.Rule.Rule().Severity }

// Validated tells what was found in a source.
type Validated struct {
	Source   string
	Keys     int64 // that were judged
	Problems []Problem
	Found    map[keyspace.ID]int64 // how many there are of a rule, those included that were not kept
	Fixed    int64                 // changes that were made
	Known    int64                 // findings of the baseline, which are not among the others
	Err      error                 // why the source could not be judged, or only in part; nil if it was
}

// Count is how many findings there are of a severity or a worse one.
func (v Validated) Count(least keyspace.Severity) (n int64) {
	for id, count := range v.Found {
		if id.Rule().Severity >= least {
			n += count
		}
	}
	return n
}

// rounds is how often a source is judged and mended: the last agent of a topic that goes leaves a topic without agents.
const rounds = 5

// keptToFix is how many findings of a rule are kept, at least, to be mended.
const keptToFix = 100_000

// Run judges a source, and mends it if that is asked for. What it found until it failed is in the answer, too; after mending,
// what is left.
func (v *Validate) Run(ctx context.Context, name string) Validated {
	var fixed int64
	for round := 1; ; round++ {
		r := &validation{Validate: v, seen: map[string]bool{}, most: v.Most}
		r.result = Validated{Source: source.Redact(name), Found: map[keyspace.ID]int64{}}
		if v.Fix != nil && r.most > 0 {
			r.most = max(r.most, keptToFix)
		}
		r.result.Err = r.run(ctx, name)
		fixed += r.result.Fixed
		if r.result.Fixed > 0 && r.result.Err == nil && round < rounds {
			continue
		}
		r.result.Fixed = fixed
		slices.SortStableFunc(r.result.Problems, compareProblems)
		if v.Most > 0 && len(r.result.Problems) > v.Most {
			r.result.Problems = r.result.Problems[:v.Most]
		}
		return r.result
	}
}

func compareProblems(a, b Problem) int {
	return cmp.Or(
		cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column),
		cmp.Compare(a.Key, b.Key), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Field+a.Member+a.Entry, b.Field+b.Member+b.Entry),
		cmp.Compare(a.Text, b.Text),
	)
}

// validation is a Run under way.
type validation struct {
	*Validate
	source *source.Source
	result Validated
	seen   map[string]bool // findings that were reported: a SCAN may bring a key twice
	most   int             // findings of a rule that are kept; 0 = all
}

func (r *validation) run(ctx context.Context, name string) error {
	unreadable := r.files(name)
	s, err := source.Open(ctx, name, r.Options)
	if err != nil {
		return cmp.Or(unreadable, err)
	}
	err = r.judge(ctx, s)
	if err == nil && unreadable == nil && r.Fix != nil {
		r.result.Fixed, err = r.fix(ctx, s, r.result.Problems)
	}
	return cmp.Or(errors.Join(err, s.Close()), unreadable)
}

// judge judges what is open.
func (r *validation) judge(ctx context.Context, s *source.Source) error {
	r.source = s
	audit := keyspace.NewAudit(keyspace.Checker{Layout: s.Layout}, r.Now.UnixMilli())
	s.Progress = r.progress("judging")
	for e, err := range s.Entries(ctx, nil) {
		if err != nil {
			return err
		}
		if e.First {
			r.result.Keys++
		}
		entry := keyspace.Entry(*e)
		if own := r.Families.of(e.Key); own != nil && e.Family == keyspace.Other {
			r.report(ctx, own.judge(&entry)...)
			continue
		}
		r.report(ctx, audit.First(&entry)...)
	}
	if audit.Doubts() > 0 {
		if err := r.settle(ctx); err != nil {
			return err
		}
		if err := r.again(ctx, audit); err != nil {
			return err
		}
	}
	r.report(ctx, audit.Rest()...)
	return r.lookForWriter(ctx)
}

// again looks at what may settle a doubt.
func (r *validation) again(ctx context.Context, audit *keyspace.Audit) error {
	r.source.Progress = r.progress("comparing")
	var batch []string
	load := func() error {
		for e, err := range r.source.Load(ctx, batch...) {
			if err != nil {
				return err
			}
			entry := keyspace.Entry(*e)
			audit.Again(&entry)
		}
		batch = batch[:0]
		return nil
	}
	for key, err := range r.source.Keys(ctx, nil) {
		if err != nil {
			return err
		}
		if !audit.Concerns(key) {
			continue
		}
		if batch = append(batch, key); len(batch) == batchEntries {
			if err := load(); err != nil {
				return err
			}
		}
	}
	return load()
}

func (r *validation) progress(doing string) func(done, total int64) {
	if r.Progress == nil {
		return nil
	}
	return func(done, total int64) { r.Progress(doing, done, total) }
}

// settle waits until what others were just doing is done.
func (r *validation) settle(ctx context.Context) error {
	if r.source.Address() == "" { // nobody else writes
		return nil
	}
	t := time.NewTimer(r.Settle)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report takes findings in.
func (r *validation) report(ctx context.Context, found ...keyspace.Finding) {
	for _, f := range found {
		p := Problem{Finding: f, Source: r.result.Source}
		if r.wanted(p) {
			if at, ok := r.source.Position(ctx, f.Key, cmp.Or(f.Entry, f.Field, f.Member)); ok {
				p.At = at
			}
			r.result.Problems = append(r.result.Problems, p)
		}
	}
}

// wanted counts a finding, and reports whether it is to be kept.
func (r *validation) wanted(p Problem) bool {
	identity := p.Identity()
	switch {
	case !r.Rules.Has(p.Rule) || r.seen[identity]:
		return false
	case r.Baseline[identity]:
		r.seen[identity] = true
		r.result.Known++
		return false
	}
	r.result.Found[p.Rule]++
	if r.most > 0 && r.result.Found[p.Rule] > int64(r.most) {
		return false
	}
	r.seen[identity] = true
	return true
}

// lookForWriter says so if an omniproxy knows that another program writes its directory.
func (r *validation) lookForWriter(ctx context.Context) error {
	known, err := r.source.Info(ctx, "omniproxy", "another_writer")
	if err != nil {
		return err
	}
	if known == "1" {
		r.report(ctx, keyspace.Finding{Rule: keyspace.AnotherWriter, Text: "another program writes the directory, and never reads it again"})
	}
	return nil
}

// RuleSet is a choice of rules; nil is all of them.
type RuleSet map[keyspace.ID]bool

// Has reports whether the choice has a rule.
func (s RuleSet) Has(id keyspace.ID) bool { return s == nil || s[id] }

// ParseRules reads a choice of rules: IDs or names with commas between them. One with a minus is left out of all others, one
// with a plus is added to the rest.
func ParseRules(text string) (RuleSet, error) {
	if text == "" {
		return nil, nil
	}
	set := RuleSet{}
	words := strings.Split(text, ",")
	if strings.HasPrefix(words[0], "-") || strings.HasPrefix(words[0], "+") {
		for _, r := range keyspace.Rules() {
			set[r.ID] = true
		}
	}
	for _, word := range words {
		name := strings.TrimSpace(word)
		off := strings.HasPrefix(name, "-")
		rule, ok := keyspace.FindRule(strings.TrimLeft(name, "+-"))
		if !ok {
			return nil, fmt.Errorf("%q is no rule; omniproxy rules lists them", name)
		}
		set[rule.ID] = !off
	}
	return set, nil
}
