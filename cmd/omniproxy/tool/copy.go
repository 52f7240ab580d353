package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/keyspace"
)

// IfExists says what a copy does with a key that is there already and holds something else.
type IfExists string

// The choices of IfExists.
const (
	Fail    IfExists = "fail" // nothing is copied
	Skip    IfExists = "skip" // it stays
	Replace IfExists = "replace"
)

// Copy copies keys of some families from one source to another. It can be done again after it was cut short: then it ends in
// the same.
type Copy struct {
	From, To string
	Options  source.Options // of both
	Families source.Families
	IfExists IfExists
	DryRun   bool
	// Progress, if set, is told what is done at present and how many keys of all were looked at.
	Progress func(doing string, done, total int64)
}

// Copied tells what a copy did, or would do.
type Copied struct {
	Keys     map[string]int64 `json:"keys"`     // by family, all that were looked at
	Written  int64            `json:"written"`  // of which were written
	Same     int64            `json:"same"`     // were there already
	Skipped  int64            `json:"skipped"`  // were there with something else, and stay
	Replaced int64            `json:"replaced"` // were there with something else
	Removed  int64            `json:"removed"`  // that were in the kept files, or of an interrupted copy, and are not at the source
	Left     int64            `json:"left"`     // keys of the source that are not OmniDaemon's, and were not chosen
	Verified int64            `json:"verified"` // keys compared at the end
	Conflict []string         `json:"conflict,omitempty"`
	Differ   []Difference     `json:"differ,omitempty"`
}

// Difference is a key that does not hold the same in both sources.
type Difference struct {
	Key string `json:"key"`
	Why string `json:"why"`
}

// ErrConflict means that keys exist that hold something else, and nothing was done.
var ErrConflict = errors.New("keys exist there and hold something else")

// ErrDiffer means that source and copy are not the same.
var ErrDiffer = errors.New("the keys are not the same")

// copying is a copy under way.
type copying struct {
	Copy
	from, to *source.Source
	resumed  bool // the directory was made by this copy, perhaps one that was cut short: what it holds is ours
	ordered  bool // the destination has an order of its own
	done     Copied
	skipped  map[string]bool
	conflict map[string]bool
}

// Run copies. Of the errors ErrConflict and ErrDiffer, what is returned has the keys.
func (c Copy) Run(ctx context.Context) (_ Copied, err error) {
	r := copying{Copy: c, skipped: map[string]bool{}, conflict: map[string]bool{}}
	r.done.Keys = map[string]int64{}
	if r.from, err = source.Open(ctx, c.From, c.Options); err != nil {
		return Copied{}, err
	}
	defer r.from.Close()
	if err := r.openDestination(ctx); err != nil {
		return Copied{}, err
	}
	err = r.run(ctx)
	if r.to != nil {
		err = errors.Join(err, r.to.Close())
	}
	if err == nil && r.resumed {
		err = finish(c.To)
	}
	return r.done, err
}

// openDestination opens where the keys go. A dry run touches nothing: where there is nothing yet, to stays nil.
func (c *copying) openDestination(ctx context.Context) (err error) {
	o := c.Options
	o.Rate, o.Write, o.Create = 0, !c.DryRun, !c.DryRun
	if !source.IsURL(c.To) {
		if dir, err := filepath.Abs(c.To); err == nil && dir == c.from.Dir {
			return fmt.Errorf("%s is the source", c.To)
		}
		fresh, err := source.Fresh(c.To)
		if err != nil {
			return err
		}
		if fresh && c.DryRun {
			return nil
		}
		if c.resumed, err = c.begin(ctx, fresh); err != nil {
			return err
		}
	}
	if c.to, err = source.Open(ctx, c.To, o); err != nil {
		return err
	}
	same, err := sameServer(ctx, c.from, c.to)
	if err == nil && same {
		err = fmt.Errorf("%s and %s are the same", c.from.Name, c.to.Name)
	}
	if err != nil {
		return errors.Join(err, c.to.Close())
	}
	c.ordered = c.to.Dir != "" || servesJSON(ctx, c.to)
	return nil
}

func (c *copying) run(ctx context.Context) error {
	if err := c.survey(ctx); err != nil || c.DryRun {
		return err
	}
	c.done.Same = 0 // it is counted again
	if err := c.clean(ctx); err != nil {
		return err
	}
	if err := c.write(ctx); err != nil {
		return err
	}
	if c.resumed {
		if err := c.prune(ctx); err != nil {
			return err
		}
	}
	if err := c.keepFiles(ctx); err != nil {
		return err
	}
	return c.verify(ctx)
}

// doing says what the copy does from now on.
func (c *copying) doing(what string) {
	if c.Progress == nil {
		return
	}
	c.from.Progress = func(done, total int64) { c.Progress(what, done, total) }
}

// survey looks at all keys, counts what there is to do, and finds those that are in the way.
func (c *copying) survey(ctx context.Context) error {
	c.doing("looking")
	seen := map[string]bool{}
	for batch, err := range batched(c.from.Keys(ctx, nil), func(string) int { return 1 }) {
		if err != nil {
			return err
		}
		var chosen []string
		for _, key := range batch {
			family := c.from.Layout.Family(key)
			switch {
			case isOurs(key):
			case !c.Families.Has(family):
				if family == keyspace.Other {
					c.done.Left++
				}
			default:
				chosen = append(chosen, key)
				c.done.Keys[family.String()]++
			}
		}
		if err := c.compareExisting(ctx, chosen, seen); err != nil {
			return err
		}
	}
	for key := range seen {
		c.done.Conflict = append(c.done.Conflict, key)
	}
	slices.Sort(c.done.Conflict)
	if len(c.done.Conflict) > 0 && c.IfExists == Fail && !c.resumed {
		return fmt.Errorf("%s: %w (%d): %s; choose --if-exists skip or replace", c.to.Name, ErrConflict, len(c.done.Conflict), few(c.done.Conflict))
	}
	if c.DryRun {
		c.predict()
	}
	c.done.Conflict = nil
	return nil
}

// predict says what a copy would do.
func (c *copying) predict() {
	var all int64
	for _, n := range c.done.Keys {
		all += n
	}
	n := int64(len(c.done.Conflict))
	if c.IfExists == Skip {
		c.done.Skipped, n = n, 0
	}
	c.done.Replaced = n
	c.done.Written = all - c.done.Same - c.done.Skipped
}

// compareExisting adds to conflict those keys that the destination has with another value.
func (c *copying) compareExisting(ctx context.Context, keys []string, conflict map[string]bool) error {
	if c.to == nil || len(keys) == 0 {
		return nil
	}
	there, err := existing(ctx, c.to, keys)
	if err != nil || len(there) == 0 {
		return err
	}
	differ, err := compare(ctx, c.from.Load(ctx, there...), c.to)
	if err != nil {
		return err
	}
	c.done.Same += int64(len(there) - len(differ))
	for _, d := range differ {
		conflict[d.Key] = true
	}
	return nil
}

// few names the first of some keys.
func few(keys []string) string {
	const most = 10
	shown := make([]string, 0, most)
	for _, key := range keys[:min(len(keys), most)] {
		shown = append(shown, fmt.Sprintf("%q", key))
	}
	text := strings.Join(shown, ", ")
	if more := len(keys) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// entries are those that are copied, in an order that makes sense where the destination keeps one.
func (c *copying) entries(ctx context.Context) iter.Seq2[*source.Entry, error] {
	if !c.ordered {
		return without(c.from.Entries(ctx, c.Families), isOurs)
	}
	return func(yield func(*source.Entry, error) bool) {
		keys, err := c.sortedKeys(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		for e, err := range c.from.LoadAll(ctx, keys) {
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// without leaves out keys.
func without(entries iter.Seq2[*source.Entry, error], out func(key string) bool) iter.Seq2[*source.Entry, error] {
	return func(yield func(*source.Entry, error) bool) {
		for e, err := range entries {
			if err == nil && out(e.Key) {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// sortedKeys are the chosen keys, each once, by family and name, but results by their age, as far as the index has them. A
// destination that keeps an order has all of them in memory anyway.
func (c *copying) sortedKeys(ctx context.Context) ([]string, error) {
	var keys []string
	for key, err := range c.from.Keys(ctx, c.Families) {
		if err != nil {
			return nil, err
		}
		if !isOurs(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	ages := map[string]float64{}
	if c.Families.Has(keyspace.Result) {
		index := c.from.Layout.ResultsIndex()
		for e, err := range c.from.Load(ctx, index) {
			if err != nil {
				return nil, err
			}
			for _, m := range e.Members {
				ages[c.from.Layout.Result(m.Text)] = m.Score
			}
		}
	}
	rank := func(key string) float64 {
		if score, ok := ages[key]; ok {
			return score
		}
		return math.Inf(1)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(c.from.Layout.Family(a), c.from.Layout.Family(b)), cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
	return keys, nil
}

// verify compares every key once more.
func (c *copying) verify(ctx context.Context) error {
	c.doing("verifying")
	counted := func(yield func(*source.Entry, error) bool) {
		for e, err := range without(c.from.Entries(ctx, c.Families), func(key string) bool { return isOurs(key) || c.skipped[key] }) {
			if err == nil && e.First {
				c.done.Verified++
			}
			if !yield(e, err) {
				return
			}
		}
	}
	differ, err := compare(ctx, counted, c.to)
	if err != nil {
		return err
	}
	c.done.Differ = differ
	if len(differ) > 0 {
		return fmt.Errorf("%s: %w as %s: %d differ", c.to.Name, ErrDiffer, c.from.Name, len(differ))
	}
	return nil
}
