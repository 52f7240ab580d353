package engine

import (
	"iter"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// order is what the two ends of a range mean.
type order int

const (
	byRank order = iota
	byScore
	byLex
)

// interval is a range that two words describe: ranks from start to stop, scores or names between two bounds.
type interval struct {
	by          order
	start, stop int64 // a negative rank counts from the end: -1 is the last
	low, high   value.ScoreBound
	first, last value.LexBound
}

// parseInterval reads a range whose lower end is the i-th word and whose upper end is the j-th.
func (c *Call) parseInterval(by order, i, j int) (v interval, err error) {
	v.by = by
	low, high := c.Args[i], c.Args[j]
	switch by {
	case byRank:
		if v.start, err = parseInt(low); err == nil {
			v.stop, err = parseInt(high)
		}
	case byScore:
		var lowOK, highOK bool
		v.low, lowOK = parseScoreBound(low)
		v.high, highOK = parseScoreBound(high)
		if !lowOK || !highOK {
			err = wire.ErrMinMaxFloat
		}
	case byLex:
		var lowOK, highOK bool
		v.first, lowOK = parseLexBound(low)
		v.last, highOK = parseLexBound(high)
		if !lowOK || !highOK {
			err = wire.ErrMinMaxLex
		}
	}
	return v, err
}

// parseLexBound reads one end of a range by name: "(name" without it, "[name" with it, "-" and "+" beyond all names. Like
// Redis it looks no further than a NUL behind a sign.
func parseLexBound(b []byte) (bound value.LexBound, ok bool) {
	if len(b) == 0 {
		return bound, false
	}
	signAlone := len(b) == 1 || b[1] == 0
	switch b[0] {
	case '-':
		bound.End = -1
		return bound, signAlone
	case '+':
		bound.End = +1
		return bound, signAlone
	case '(', '[':
		return value.LexBound{Member: string(b[1:]), Exclusive: b[0] == '('}, true
	}
	return bound, false
}

// ranks returns the ranks [from, to) that the interval covers; reverse counts ranks from the highest score.
func (v *interval) ranks(z *value.ZSet, reverse bool) (from, to int) {
	switch v.by {
	case byScore:
		return z.ScoreRange(v.low, v.high)
	case byLex:
		return z.LexRange(v.first, v.last)
	}
	from, to = span(v.start, v.stop, z.Len())
	if reverse {
		from, to = z.Len()-to, z.Len()-from
	}
	return from, to
}

func zcount(c *Call, by order) error {
	v, err := c.parseInterval(by, 2, 3)
	if err != nil {
		return err
	}
	z, err := c.zset(1)
	if err != nil {
		return err
	}
	from, to := v.ranks(z, false)
	c.Reply.Int(int64(to - from))
	return nil
}

func zremrange(c *Call, by order) error {
	v, err := c.parseInterval(by, 2, 3)
	if err != nil {
		return err
	}
	key := c.Args[1]
	z, err := c.Tx.ZSet(key)
	if err != nil {
		return err
	}
	if z == nil {
		c.Reply.Int(0)
		return nil
	}
	from, to := v.ranks(z, false)
	if from < to {
		c.takeOut(key, z, from, to)
		c.Tx.Changed(key)
		c.Tx.NotifyRemoved(zsetEvent, c.Spec.FullName, key)
	}
	c.Reply.Int(int64(to - from))
	return nil
}

// takeOut removes the ranks [from, to) from a sorted set that is there; Changed must follow.
func (c *Call) takeOut(key []byte, z *value.ZSet, from, to int) {
	if to-from == z.Len() {
		c.Tx.Delete(key)
		return
	}
	z, _ = c.Tx.EditZSet(key)
	z.RemoveRange(from, to)
}

// zquery is what ZRANGE and its older forms ask for.
type zquery struct {
	interval   interval
	by         order
	reverse    bool
	fixed      bool // by and reverse are given by the command's name, not by options
	withScores bool
	offset     int64
	limit      int64 // negative = none
}

// parse reads the key's range and options; key is the place of the key.
func (q *zquery) parse(c *Call, key int, store bool) (err error) {
	if err := q.parseOptions(c, key+3, store); err != nil {
		return err
	}
	switch {
	case q.limit != -1 && q.by == byRank:
		return wire.ErrRangeLimit
	case q.withScores && q.by == byLex:
		return wire.ErrRangeWithScores
	}
	low, high := key+1, key+2
	if q.reverse && q.by != byRank {
		low, high = high, low
	}
	q.interval, err = c.parseInterval(q.by, low, high)
	return err
}

func (q *zquery) parseOptions(c *Call, i int, store bool) (err error) {
	q.limit = -1
	for ; i < len(c.Args); i++ {
		switch {
		case !store && c.Is(i, "WITHSCORES"):
			q.withScores = true
		case c.Is(i, "LIMIT") && i+2 < len(c.Args):
			if q.offset, err = c.Int(i + 1); err != nil {
				return err
			}
			if q.limit, err = c.Int(i + 2); err != nil {
				return err
			}
			i += 2
		case !q.fixed && !q.reverse && c.Is(i, "REV"):
			q.reverse = true
		case !q.fixed && q.by == byRank && c.Is(i, "BYSCORE"):
			q.by = byScore
		case !q.fixed && q.by == byRank && c.Is(i, "BYLEX"):
			q.by = byLex
		default:
			return wire.ErrSyntax
		}
	}
	return nil
}

// run returns what the query finds.
func (q *zquery) run(z *value.ZSet) zsetSpan {
	from, to := q.interval.ranks(z, q.reverse)
	if q.by != byRank {
		from, to = q.window(from, to)
	}
	return zsetSpan{z, from, to, q.reverse}
}

// zsetSpan is the members of the ranks [from, to), which count from the lowest also where the highest comes first.
type zsetSpan struct {
	z        *value.ZSet
	from, to int
	reverse  bool
}

func (s zsetSpan) len() int { return s.to - s.from }

func (s zsetSpan) members() iter.Seq2[string, float64] {
	if s.reverse {
		return s.z.RevRange(s.from, s.to)
	}
	return s.z.Range(s.from, s.to)
}

// window applies LIMIT to the ranks [from, to).
func (q *zquery) window(from, to int) (int, int) {
	count := int64(to - from)
	if q.offset < 0 || q.offset >= count {
		return 0, 0
	}
	skip, keep := int(q.offset), int(count-q.offset)
	if q.limit >= 0 {
		keep = int(min(q.limit, int64(keep)))
	}
	if q.reverse {
		return to - skip - keep, to - skip
	}
	return from + skip, from + skip + keep
}

func zrange(c *Call, q zquery) error {
	if err := q.parse(c, 1, false); err != nil {
		return err
	}
	z, err := c.zset(1)
	if err != nil {
		return err
	}
	found := q.run(z)
	if q.withScores {
		c.pairs(found.len())
		many(c, found.len(), found, replyScored, c.Args[1])
	} else {
		c.Reply.Array(found.len())
		many(c, found.len(), found, replyMembers, c.Args[1])
	}
	return nil
}

func replyMembers(c *Call, s zsetSpan) {
	for member := range s.members() {
		c.Reply.BulkString(member)
	}
}

func replyScored(c *Call, s zsetSpan) {
	for member, score := range s.members() {
		c.member(member, score, true)
	}
}

func zrangestore(c *Call) error {
	var q zquery
	if err := q.parse(c, 2, true); err != nil {
		return err
	}
	z, err := c.zset(2)
	if err != nil {
		return err
	}
	c.storeZSet(c.Args[1], q.run(z).members())
	return nil
}

// storeZSet puts members in place of whatever is at key.
func (c *Call) storeZSet(key []byte, members iter.Seq2[string, float64]) {
	z := value.NewZSet(&c.engine.limits)
	for member, score := range members {
		addTo(z, member, score)
	}
	c.store(key, z, zsetEvent)
}
