package engine

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// scored is what may be combined to a sorted set: a sorted set, or a set, whose members have the score 1.
type scored interface {
	Len() int
	Score(member string) (float64, bool)
	All() iter.Seq2[string, float64]
}

type scoredSet struct{ *value.Set }

func (s scoredSet) Score(member string) (float64, bool) { return 1, s.Has(member) }

func (s scoredSet) All() iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for member := range s.Set.All() {
			if !yield(member, 1) {
				return
			}
		}
	}
}

// source is one operand.
type source struct {
	scored
	weight float64
}

// weighted is a score as it enters a sum. The conversion keeps the product from being fused with the addition behind it,
// which would round differently on some machines.
func (s source) weighted(score float64) float64 { return float64(s.weight * score) }

// aggregate makes one score of two. Redis' comparisons are kept: they decide about NaN and -0.
type aggregate func(a, b float64) float64

func sum(a, b float64) float64 { return notNaN(a + b) }

func lower(a, b float64) float64 {
	if b < a {
		return b
	}
	return a
}

func higher(a, b float64) float64 {
	if b > a {
		return b
	}
	return a
}

// notNaN is Redis' convention that inf-inf and 0*inf are 0.
func notNaN(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}

// combination is a call of ZUNION, ZINTER, ZDIFF, a form of them that stores, or ZINTERCARD.
type combination struct {
	keys       [][]byte
	sources    []source
	aggregate  aggregate
	withScores bool
	limit      int64
}

// combinationWords says which options a command has.
type combinationWords struct{ weights, withScores, limit bool }

// parseCombination reads numkeys at the i-th word, the keys behind it and the options behind them. Redis looks at the keys
// before it reads the options.
func (c *Call) parseCombination(i int, words combinationWords) (*combination, error) {
	keys, err := c.Int(i)
	switch {
	case err != nil:
		return nil, err
	case keys < 1:
		return nil, wire.NoInputKey(c.Spec.FullName)
	case keys > int64(len(c.Args)-i-1):
		return nil, wire.ErrSyntax
	}
	p := &combination{aggregate: sum}
	i++
	p.keys = c.Args[i : i+int(keys)]
	for end := i + int(keys); i < end; i++ {
		s, err := c.operand(i)
		if err != nil {
			return nil, err
		}
		p.sources = append(p.sources, source{s, 1})
	}
	for i < len(c.Args) {
		if i, err = p.option(c, i, words); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// operand returns the set or sorted set at the i-th word.
func (c *Call) operand(i int) (scored, error) {
	e := c.Tx.Entry(c.Args[i])
	c.lookedUp(c.Args[i], e != nil)
	if e == nil {
		return noZSet, nil
	}
	switch v := e.Value.(type) {
	case *value.ZSet:
		return v, nil
	case *value.Set:
		return scoredSet{v}, nil
	}
	return nil, wire.ErrWrongType
}

// option reads the option at the i-th word and returns where the next one is.
func (p *combination) option(c *Call, i int, words combinationWords) (next int, err error) {
	left := len(c.Args) - i
	switch {
	case words.weights && left > len(p.sources) && c.Is(i, "WEIGHTS"):
		for k := range p.sources {
			i++
			weight, ok := parseDouble(c.Args[i])
			if !ok {
				return i, wire.ErrWeight
			}
			p.sources[k].weight = weight
		}
	case words.weights && left > 1 && c.Is(i, "AGGREGATE"):
		i++
		switch {
		case c.Is(i, "SUM"):
			p.aggregate = sum
		case c.Is(i, "MIN"):
			p.aggregate = lower
		case c.Is(i, "MAX"):
			p.aggregate = higher
		default:
			return i, wire.ErrSyntax
		}
	case words.withScores && c.Is(i, "WITHSCORES"):
		p.withScores = true
	case words.limit && left > 1 && c.Is(i, "LIMIT"):
		i++
		if p.limit, err = c.atLeast(i, 0, wire.ErrLimit); err != nil {
			return i, err
		}
	default:
		return i, wire.ErrSyntax
	}
	return i + 1, nil
}

// smallestFirst is the order in which Redis adds scores up, which shows in the last digits.
func (p *combination) smallestFirst() {
	slices.SortStableFunc(p.sources, func(a, b source) int { return cmp.Compare(a.Len(), b.Len()) })
}

// zsetOperation yields the members of a combination, in no useful order.
type zsetOperation func(p *combination) iter.Seq2[string, float64]

func zunion(p *combination) iter.Seq2[string, float64] {
	p.smallestFirst()
	scores := map[string]float64{}
	for _, s := range p.sources {
		for member, score := range s.All() {
			score = notNaN(s.weighted(score))
			if so, ok := scores[member]; ok {
				score = p.aggregate(so, score)
			}
			scores[member] = score
		}
	}
	return func(yield func(string, float64) bool) {
		for member, score := range scores {
			if !yield(member, score) {
				return
			}
		}
	}
}

func zintersection(p *combination) iter.Seq2[string, float64] {
	p.smallestFirst()
	smallest, others := p.sources[0], p.sources[1:]
	return func(yield func(string, float64) bool) {
		for member, score := range smallest.All() {
			total, everywhere := notNaN(smallest.weighted(score)), true
			for _, s := range others {
				var score float64
				if score, everywhere = s.Score(member); !everywhere {
					break
				}
				total = p.aggregate(total, s.weighted(score))
			}
			if everywhere && !yield(member, total) {
				return
			}
		}
	}
}

func zdifference(p *combination) iter.Seq2[string, float64] {
	first, others := p.sources[0], p.sources[1:]
	return func(yield func(string, float64) bool) {
		for member, score := range first.All() {
			has := func(s source) bool { _, ok := s.Score(member); return ok }
			if !slices.ContainsFunc(others, has) && !yield(member, score) {
				return
			}
		}
	}
}

func combineZSets(c *Call, combine zsetOperation) error {
	isDiff := c.Spec.Name == "ZDIFF"
	p, err := c.parseCombination(1, combinationWords{weights: !isDiff, withScores: true})
	if err != nil {
		return err
	}
	many(c, total(p.sources), p, func(c *Call, p *combination) {
		limits := value.DefaultLimits()
		z := value.NewZSet(&limits)
		for member, score := range combine(p) {
			z.Add(member, score)
		}
		all := zsetSpan{z: z, to: z.Len()}
		if p.withScores {
			c.pairs(z.Len())
			replyScored(c, all)
		} else {
			c.Reply.Array(z.Len())
			replyMembers(c, all)
		}
	}, p.keys...)
	return nil
}

func storeZSets(c *Call, combine zsetOperation) error {
	isDiff := c.Spec.Name == "ZDIFFSTORE"
	p, err := c.parseCombination(2, combinationWords{weights: !isDiff})
	if err != nil {
		return err
	}
	c.storeZSet(c.Args[1], combine(p))
	return nil
}

func zintercard(c *Call) error {
	p, err := c.parseCombination(1, combinationWords{limit: true})
	if err != nil {
		return err
	}
	many(c, total(p.sources), p, func(c *Call, p *combination) {
		n := int64(0)
		for range zintersection(p) {
			if n++; n == p.limit {
				break
			}
		}
		c.Reply.Int(n)
	}, p.keys...)
	return nil
}
