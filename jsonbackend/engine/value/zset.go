package value

import "iter"

// ZSet is a set of members with a score each, ordered by score and then by the member's bytes. A member's rank is its
// position in that order, from 0. Every range, by rank, score or name, is an interval of ranks [from, to), so that
// finding or counting it is O(log n). Scores are never NaN: callers refuse it.
type ZSet struct {
	limits *Limits
	order  tree[zsetItem]
	scores *dict[float64] // score of each member; nil in the compact form, which is small enough to search
}

type zsetItem struct {
	score  float64
	member string
}

// NewZSet returns an empty sorted set.
func NewZSet(limits *Limits) *ZSet { return &ZSet{limits: limits} }

// Clone implements [Value].
func (z *ZSet) Clone() Value {
	c := &ZSet{limits: z.limits, order: z.order.clone()}
	if z.scores != nil {
		c.scores = z.scores.clone()
	}
	return c
}

// Len is the number of members.
func (z *ZSet) Len() int { return z.order.count }

// Encoding is listpack (compact) or skiplist.
func (z *ZSet) Encoding() string {
	if z.scores != nil {
		return EncodingSkiplist
	}
	return EncodingListpack
}

// Score returns the score of member.
func (z *ZSet) Score(member string) (score float64, ok bool) {
	if z.scores != nil {
		return z.scores.get(hashOf(member), member)
	}
	var c treeCursor[zsetItem]
	for z.order.seekAt(&c, 0); c.valid(); c.next() {
		if c.item().member == member {
			return c.item().score, true
		}
	}
	return 0, false
}

// Add gives member a score. added: the member is new. changed: it was there with another score.
func (z *ZSet) Add(member string, score float64) (added, changed bool) {
	var c treeCursor[zsetItem]
	old, found := z.Score(member)
	if found {
		if old == score {
			return false, false
		}
		z.find(&c, old, member)
		member = c.item().member // the string that both trees already hold
		z.order.delete(&c)
	} else if z.scores == nil && (z.Len() >= z.limits.ZSetEntries || len(member) > z.limits.ZSetValue) {
		z.grow()
	}
	z.find(&c, score, member)
	z.order.insert(&c, zsetItem{score, member})
	if z.scores != nil {
		z.scores.set(hashOf(member), member, score)
	}
	return !found, found
}

// Remove takes member out and reports whether it was in.
func (z *ZSet) Remove(member string) bool {
	score, ok := z.Score(member)
	if !ok {
		return false
	}
	var c treeCursor[zsetItem]
	z.find(&c, score, member)
	z.order.delete(&c)
	if z.scores != nil {
		z.scores.delete(hashOf(member), member)
	}
	return true
}

// RemoveRange takes out the members of the ranks [from, to), which exist. It takes time for the smaller of what is kept
// and what is taken out.
func (z *ZSet) RemoveRange(from, to int) {
	if z.scores != nil && to-from <= z.Len()/2 {
		for member := range z.Range(from, to) {
			z.scores.delete(hashOf(member), member)
		}
	}
	rebuild := z.scores != nil && to-from > z.Len()/2
	if from == 0 {
		z.order.keep(to, z.Len())
	} else if to == z.Len() {
		z.order.keep(0, from)
	} else {
		for range to - from {
			z.order.deleteAt(from)
		}
	}
	if rebuild {
		z.grow()
	}
}

// Rank is the number of members before member.
func (z *ZSet) Rank(member string) (rank int, ok bool) {
	score, ok := z.Score(member)
	if !ok {
		return 0, false
	}
	var c treeCursor[zsetItem]
	z.find(&c, score, member)
	return c.pos(), true
}

// RevRank is the number of members after member.
func (z *ZSet) RevRank(member string) (rank int, ok bool) {
	rank, ok = z.Rank(member)
	if !ok {
		return 0, false
	}
	return z.Len() - 1 - rank, true
}

// At returns the member of a rank, 0 <= rank < Len.
func (z *ZSet) At(rank int) (member string, score float64) {
	it := z.order.at(rank)
	return it.member, it.score
}

// Range yields the members of the ranks [from, to) in ascending order. Ranks that do not exist are left out.
func (z *ZSet) Range(from, to int) iter.Seq2[string, float64] {
	return func(yield func(member string, score float64) bool) {
		from, to := max(from, 0), min(to, z.Len())
		if from >= to {
			return
		}
		var c treeCursor[zsetItem]
		z.order.seekAt(&c, from)
		for n := to - from; n > 0 && yield(c.item().member, c.item().score); n-- {
			c.next()
		}
	}
}

// RevRange yields the members of the ranks [from, to), ranks counted as in Range, in descending order.
func (z *ZSet) RevRange(from, to int) iter.Seq2[string, float64] {
	return func(yield func(member string, score float64) bool) {
		from, to := max(from, 0), min(to, z.Len())
		if from >= to {
			return
		}
		var c treeCursor[zsetItem]
		z.order.seekAt(&c, to)
		for n := to - from; n > 0 && c.prev() && yield(c.item().member, c.item().score); n-- {
		}
	}
}

// All yields all members in order.
func (z *ZSet) All() iter.Seq2[string, float64] { return z.Range(0, z.Len()) }

// ScoreBound is one end of a range by score. Infinities are scores like others.
type ScoreBound struct {
	Score     float64
	Exclusive bool
}

// ScoreRange returns the ranks [from, to) of the members within two bounds; from == to if there are none.
func (z *ZSet) ScoreRange(low, high ScoreBound) (from, to int) {
	from = z.rankOf(func(it *zsetItem) bool {
		return it.score > low.Score || it.score == low.Score && !low.Exclusive
	})
	to = z.rankOf(func(it *zsetItem) bool {
		return it.score > high.Score || it.score == high.Score && high.Exclusive
	})
	return from, max(from, to)
}

// LexBound is one end of a range by name. The name counts only if End is 0.
type LexBound struct {
	Member    string
	Exclusive bool
	End       int // -1: before every member, +1: behind every member
}

// LexRange returns the ranks [from, to) of the members within two bounds; from == to if there are none. It is defined
// only where all members have the same score.
func (z *ZSet) LexRange(low, high LexBound) (from, to int) {
	from = z.rankOf(func(it *zsetItem) bool { return low.passed(it.member, !low.Exclusive) })
	to = z.rankOf(func(it *zsetItem) bool { return high.passed(it.member, high.Exclusive) })
	return from, max(from, to)
}

// passed reports whether member is behind the bound; at says so for the bound's own name.
func (b LexBound) passed(member string, at bool) bool {
	if b.End != 0 {
		return b.End < 0
	}
	return member > b.Member || member == b.Member && at
}

// Scan is like [Hash.Scan], for members and scores. The compact form comes in order of score.
func (z *ZSet) Scan(cursor uint64, count int, yield func(member string, score float64)) (next uint64) {
	if z.scores != nil {
		return z.scores.scan(cursor, count, yield)
	}
	for member, score := range z.All() {
		yield(member, score)
	}
	return 0
}

// find moves c to where the member with that score is, or would be.
func (z *ZSet) find(c *treeCursor[zsetItem], score float64, member string) {
	z.order.seek(c, func(it *zsetItem) bool {
		return it.score > score || it.score == score && it.member >= member
	})
}

// rankOf is the rank of the first item for which reached is true, or Len.
func (z *ZSet) rankOf(reached func(*zsetItem) bool) int {
	var c treeCursor[zsetItem]
	z.order.seek(&c, reached)
	return c.pos()
}

// grow leaves the compact form.
func (z *ZSet) grow() {
	z.scores = new(dict[float64])
	for member, score := range z.All() {
		z.scores.set(hashOf(member), member, score)
	}
}
