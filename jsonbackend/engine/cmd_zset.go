package engine

import (
	"math"
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Sorted sets: https://redis.io/commands/?group=sorted-set
var zsetHandlers = handlers{
	"BZMPOP":           bzmpop,
	"BZPOPMAX":         func(c *Call) error { return bzpop(c, highest) },
	"BZPOPMIN":         func(c *Call) error { return bzpop(c, lowest) },
	"ZADD":             func(c *Call) error { return zadd(c, zaddOptions{}) },
	"ZCARD":            zcard,
	"ZCOUNT":           func(c *Call) error { return zcount(c, byScore) },
	"ZDIFF":            func(c *Call) error { return combineZSets(c, zdifference) },
	"ZDIFFSTORE":       func(c *Call) error { return storeZSets(c, zdifference) },
	"ZINCRBY":          func(c *Call) error { return zadd(c, zaddOptions{incr: true}) },
	"ZINTER":           func(c *Call) error { return combineZSets(c, zintersection) },
	"ZINTERCARD":       zintercard,
	"ZINTERSTORE":      func(c *Call) error { return storeZSets(c, zintersection) },
	"ZLEXCOUNT":        func(c *Call) error { return zcount(c, byLex) },
	"ZMPOP":            zmpop,
	"ZMSCORE":          zmscore,
	"ZPOPMAX":          func(c *Call) error { return zpop(c, highest) },
	"ZPOPMIN":          func(c *Call) error { return zpop(c, lowest) },
	"ZRANDMEMBER":      zrandmember,
	"ZRANGE":           func(c *Call) error { return zrange(c, zquery{}) },
	"ZRANGEBYLEX":      func(c *Call) error { return zrange(c, zquery{by: byLex, fixed: true}) },
	"ZRANGEBYSCORE":    func(c *Call) error { return zrange(c, zquery{by: byScore, fixed: true}) },
	"ZRANGESTORE":      zrangestore,
	"ZRANK":            func(c *Call) error { return zrank(c, (*value.ZSet).Rank) },
	"ZREM":             zrem,
	"ZREMRANGEBYLEX":   func(c *Call) error { return zremrange(c, byLex) },
	"ZREMRANGEBYRANK":  func(c *Call) error { return zremrange(c, byRank) },
	"ZREMRANGEBYSCORE": func(c *Call) error { return zremrange(c, byScore) },
	"ZREVRANGE":        func(c *Call) error { return zrange(c, zquery{by: byRank, reverse: true, fixed: true}) },
	"ZREVRANGEBYLEX":   func(c *Call) error { return zrange(c, zquery{by: byLex, reverse: true, fixed: true}) },
	"ZREVRANGEBYSCORE": func(c *Call) error { return zrange(c, zquery{by: byScore, reverse: true, fixed: true}) },
	"ZREVRANK":         func(c *Call) error { return zrank(c, (*value.ZSet).RevRank) },
	"ZSCAN":            zscan,
	"ZSCORE":           zscore,
	"ZUNION":           func(c *Call) error { return combineZSets(c, zunion) },
	"ZUNIONSTORE":      func(c *Call) error { return storeZSets(c, zunion) },
}

var noZSet = value.NewZSet(nil) // what a key that is not there holds; never edited

// zset returns the sorted set at the i-th word for reading, an empty one if there is none.
func (c *Call) zset(i int) (*value.ZSet, error) {
	z, err := c.Tx.ZSet(c.Args[i])
	c.lookedUp(c.Args[i], z != nil || err != nil)
	if z == nil {
		z = noZSet
	}
	return z, err
}

// zaddOptions are what may stand before the scores of ZADD, and of ZINCRBY, which Redis reads in the same way.
type zaddOptions struct{ nx, xx, gt, lt, ch, incr bool }

// parse reads the options from the third word on and returns where the first score stands.
func (o *zaddOptions) parse(c *Call) (first int, err error) {
	first = 2
	for o.option(c, first) {
		first++
	}
	words := len(c.Args) - first
	switch {
	case words == 0 || words%2 != 0:
		return first, wire.ErrSyntax
	case o.nx && o.xx:
		return first, wire.ErrZAddNXXX
	case o.gt && o.nx || o.lt && o.nx || o.gt && o.lt:
		return first, wire.ErrZAddGTLT
	case o.incr && words > 2:
		return first, wire.ErrZAddIncr
	}
	return first, nil
}

// option reads the i-th word if it is an option.
func (o *zaddOptions) option(c *Call, i int) bool {
	switch {
	case c.Is(i, "NX"):
		o.nx = true
	case c.Is(i, "XX"):
		o.xx = true
	case c.Is(i, "GT"):
		o.gt = true
	case c.Is(i, "LT"):
		o.lt = true
	case c.Is(i, "CH"):
		o.ch = true
	case c.Is(i, "INCR"):
		o.incr = true
	default:
		return false
	}
	return true
}

// score returns what the score of a member becomes, which is there with the score old or is new, and whether the options
// allow it.
func (o *zaddOptions) score(old, given float64, isNew bool) (score float64, allowed bool) {
	if isNew {
		return given, !o.xx
	}
	if o.incr {
		given += old
	}
	return given, !(o.nx || o.gt && given <= old || o.lt && given >= old)
}

func zadd(c *Call, o zaddOptions) error {
	first, err := o.parse(c)
	if err != nil {
		return err
	}
	pairs := c.Args[first:]
	scores := make([]float64, len(pairs)/2)
	for i := range scores {
		score, ok := parseDouble(pairs[2*i])
		if !ok {
			return wire.ErrNotFloat
		}
		scores[i] = score
	}
	key := c.Args[1]
	z, err := c.Tx.ZSet(key)
	if err != nil {
		return err
	}
	if z != nil && o.incr {
		old, exists := z.Score(string(pairs[1]))
		if exists && !o.nx && math.IsNaN(old+scores[0]) {
			return wire.ErrScoreNaN
		}
	}
	var done zadded
	if z != nil || !o.xx { // a set that is new here keeps its first member: without XX, any new member is allowed
		z, _ = c.Tx.EditZSet(key)
		for i, score := range scores {
			o.apply(z, string(pairs[2*i+1]), score, &done)
		}
	}
	if done.added+done.changed > 0 {
		c.Tx.Changed(key)
		c.Tx.Notify(zsetEvent, o.event(), key)
	}
	switch {
	case o.incr && done.allowed:
		c.Reply.Double(done.score)
	case o.incr:
		c.Reply.Null()
	case o.ch:
		c.Reply.Int(done.added + done.changed)
	default:
		c.Reply.Int(done.added)
	}
	return nil
}

func (o *zaddOptions) event() string {
	if o.incr {
		return "zincr"
	}
	return "zadd"
}

// zadded is what a ZADD did.
type zadded struct {
	added, changed int64
	allowed        bool    // the options let the last member have
	score          float64 // this score
}

// apply gives a member its score, if the options allow it.
func (o *zaddOptions) apply(z *value.ZSet, member string, given float64, done *zadded) {
	old, exists := z.Score(member)
	done.score, done.allowed = o.score(old, given, !exists)
	if !done.allowed || exists && done.score == old {
		return
	}
	switch added, changed := addTo(z, member, done.score); {
	case added:
		done.added++
	case changed:
		done.changed++
	}
}

// addTo gives a member a score in a set that is, or will be, stored. While it is compact, Redis keeps -0 as 0.
func addTo(z *value.ZSet, member string, score float64) (added, changed bool) {
	if score == 0 && z.Encoding() == value.EncodingListpack {
		score = 0
	}
	return z.Add(member, score)
}

func zrem(c *Call) error {
	key := c.Args[1]
	z, err := c.Tx.ZSet(key)
	if err != nil {
		return err
	}
	if z == nil {
		c.Reply.Int(0)
		return nil
	}
	z, _ = c.Tx.EditZSet(key)
	removed := int64(0)
	for _, member := range c.Args[2:] {
		if z.Remove(string(member)) {
			removed++
		}
	}
	if removed > 0 {
		c.Tx.Changed(key)
		c.Tx.NotifyRemoved(zsetEvent, "zrem", key)
	}
	c.Reply.Int(removed)
	return nil
}

func zcard(c *Call) error {
	z, err := c.zset(1)
	if err != nil {
		return err
	}
	c.Reply.Int(int64(z.Len()))
	return nil
}

func zscore(c *Call) error {
	z, err := c.zset(1)
	if err != nil {
		return err
	}
	c.score(z, c.Args[2])
	return nil
}

// score replies with the score of a member.
func (c *Call) score(z *value.ZSet, member []byte) {
	if score, ok := z.Score(string(member)); ok {
		c.Reply.Double(score)
	} else {
		c.Reply.Null()
	}
}

func zmscore(c *Call) error {
	z, err := c.zset(1)
	if err != nil {
		return err
	}
	members := c.Args[2:]
	c.Reply.Array(len(members))
	for _, member := range members {
		c.score(z, member)
	}
	return nil
}

func zrank(c *Call, rank func(z *value.ZSet, member string) (int, bool)) error {
	z, err := c.zset(1)
	if err != nil {
		return err
	}
	if n, ok := rank(z, string(c.Args[2])); ok {
		c.Reply.Int(int64(n))
	} else {
		c.Reply.Null()
	}
	return nil
}

func zrandmember(c *Call) error {
	n, paired, err := c.randomCount("WITHSCORES")
	if err != nil {
		return err
	}
	z, err := c.zset(1)
	if err != nil {
		return err
	}
	count, positions, err := draw(n, z.Len())
	if err != nil {
		return err
	}
	c.drawn(count, paired)
	many(c, count, drawing[*value.ZSet]{z, positions, paired}, func(c *Call, d drawing[*value.ZSet]) {
		for i := range d.positions {
			member, score := d.from.At(i)
			c.member(member, score, d.paired)
		}
	}, c.Args[1])
	return nil
}

// member replies with an element of an array, or of pairs.
func (c *Call) member(member string, score float64, paired bool) {
	if !paired {
		c.Reply.BulkString(member)
		return
	}
	c.pair()
	c.Reply.BulkString(member)
	c.Reply.Double(score)
}

func zscan(c *Call) error {
	z, s, err := beginScan(c, c.zset)
	if err != nil {
		return err
	}
	compact := z.Encoding() == value.EncodingListpack
	s.run(c, z, func(s *elementScan) uint64 {
		return z.Scan(s.cursor, s.count, func(member string, score float64) {
			if s.wants(member) {
				s.found = append(s.found, member, scannedScore(score, compact))
			}
		})
	})
	return nil
}

// scannedScore is a score as ZSCAN prints it, in RESP3 too a text. Redis shows how a compact set stores it: whole numbers
// up to 2^62 as integers, with all their digits.
func scannedScore(score float64, compact bool) string {
	if compact && math.Abs(score) <= 1<<62 && score == math.Trunc(score) {
		return strconv.FormatInt(int64(score), 10)
	}
	return string(wire.AppendDouble(nil, score))
}
