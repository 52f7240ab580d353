package engine

import (
	"cmp"
	"iter"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Sets: https://redis.io/commands/?group=set
var setHandlers = handlers{
	"SADD":        sadd,
	"SCARD":       scard,
	"SDIFF":       func(c *Call) error { return combineSets(c, difference) },
	"SDIFFSTORE":  func(c *Call) error { return storeSets(c, difference) },
	"SINTER":      func(c *Call) error { return combineSets(c, intersection) },
	"SINTERCARD":  sintercard,
	"SINTERSTORE": func(c *Call) error { return storeSets(c, intersection) },
	"SISMEMBER":   sismember,
	"SMEMBERS":    smembers,
	"SMISMEMBER":  smismember,
	"SMOVE":       smove,
	"SPOP":        spop,
	"SRANDMEMBER": srandmember,
	"SREM":        srem,
	"SSCAN":       sscan,
	"SUNION":      func(c *Call) error { return combineSets(c, union) },
	"SUNIONSTORE": func(c *Call) error { return storeSets(c, union) },
}

var noSet = value.NewSet(nil) // what a key that is not there holds; never edited

// set returns the set at the i-th word for reading, an empty one if there is none.
func (c *Call) set(i int) (*value.Set, error) {
	s, err := c.Tx.Set(c.Args[i])
	c.lookedUp(c.Args[i], s != nil || err != nil)
	if s == nil {
		s = noSet
	}
	return s, err
}

func sadd(c *Call) error {
	s, err := c.Tx.EditSet(c.Args[1])
	if err != nil {
		return err
	}
	added := int64(0)
	for _, member := range c.Args[2:] {
		if s.Add(string(member)) {
			added++
		}
	}
	if added > 0 {
		c.Tx.Changed(c.Args[1])
		c.Tx.Notify(setEvent, "sadd", c.Args[1])
	}
	c.Reply.Int(added)
	return nil
}

func srem(c *Call) error {
	key := c.Args[1]
	s, err := c.Tx.Set(key)
	if err != nil {
		return err
	}
	if s == nil {
		c.Reply.Int(0)
		return nil
	}
	s, _ = c.Tx.EditSet(key)
	removed := int64(0)
	for _, member := range c.Args[2:] {
		if s.Remove(string(member)) {
			removed++
		}
	}
	if removed > 0 {
		c.Tx.Changed(key)
		c.Tx.NotifyRemoved(setEvent, "srem", key)
	}
	c.Reply.Int(removed)
	return nil
}

func smove(c *Call) error {
	from, to, member := c.Args[1], c.Args[2], string(c.Args[3])
	source, err := c.Tx.Set(from)
	if err != nil {
		return err
	}
	if source == nil { // then the target may be anything
		c.Reply.Int(0)
		return nil
	}
	target, err := c.Tx.Set(to)
	if err != nil {
		return err
	}
	has := source.Has(member)
	if has && source != target {
		source, _ = c.Tx.EditSet(from)
		source.Remove(member)
		c.Tx.Changed(from)
		c.Tx.NotifyRemoved(setEvent, "srem", from)
		target, _ = c.Tx.EditSet(to)
		if target.Add(member) {
			c.Tx.Changed(to)
			c.Tx.Notify(setEvent, "sadd", to)
		}
	}
	c.yesNo(has)
	return nil
}

func scard(c *Call) error {
	s, err := c.set(1)
	if err != nil {
		return err
	}
	c.Reply.Int(int64(s.Len()))
	return nil
}

func sismember(c *Call) error {
	s, err := c.set(1)
	if err != nil {
		return err
	}
	c.yesNo(s.Has(string(c.Args[2])))
	return nil
}

func smismember(c *Call) error {
	s, err := c.set(1)
	if err != nil {
		return err
	}
	members := c.Args[2:]
	c.Reply.Array(len(members))
	for _, member := range members {
		c.yesNo(s.Has(string(member)))
	}
	return nil
}

func smembers(c *Call) error {
	s, err := c.set(1)
	if err != nil {
		return err
	}
	c.members(c.Args[1], s)
	return nil
}

// members replies with all members of the set at key.
func (c *Call) members(key []byte, s *value.Set) {
	c.Reply.Set(s.Len())
	many(c, s.Len(), s, func(c *Call, s *value.Set) { c.texts(s.All()) }, key)
}

func spop(c *Call) error {
	if len(c.Args) > 3 {
		return wire.ErrSyntax
	}
	n, counted := int64(1), len(c.Args) == 3
	if counted {
		var err error
		if n, err = c.atLeast(2, 0, wire.ErrNotPositive); err != nil {
			return err
		}
	}
	key := c.Args[1]
	s, err := c.Tx.Set(key)
	if err != nil {
		return err
	}
	if s == nil {
		s = noSet
	}
	if counted && s.Len() > 0 && n >= int64(s.Len()) {
		c.members(key, s)
		c.Tx.Delete(key)
		c.Tx.Changed(key)
		c.Tx.NotifyRemoved(setEvent, "spop", key)
		c.Tx.Effect("DEL", key)
		return nil
	}
	count, positions, err := draw(n, s.Len())
	if err != nil {
		return err
	}
	popped := make([]string, 0, count)
	for i := range positions {
		popped = append(popped, s.At(i))
	}
	if count > 0 {
		s, _ = c.Tx.EditSet(key)
		for _, member := range popped {
			s.Remove(member)
		}
		c.Tx.Changed(key)
		c.Tx.NotifyRemoved(setEvent, "spop", key)
		c.Tx.removed("SREM", key, popped)
	}
	switch {
	case counted:
		c.Reply.Set(count)
	case count == 0:
		c.Reply.Null()
	}
	many(c, count, popped, func(c *Call, popped []string) { c.texts(slices.Values(popped)) })
	return nil
}

// removedAtOnce is how many members an effect names at most.
const removedAtOnce = 1024

// removed says that members are gone from key, after Changed. An aggregate that was emptied is gone itself.
func (tx *Tx) removed(command string, key []byte, members []string) {
	if tx.Entry(key) == nil {
		tx.Effect("DEL", key)
		return
	}
	for chunk := range slices.Chunk(members, removedAtOnce) {
		words := []any{command, key}
		for _, member := range chunk {
			words = append(words, member)
		}
		tx.Effect(words...)
	}
}

func srandmember(c *Call) error {
	if len(c.Args) > 3 {
		return wire.ErrSyntax
	}
	n, _, err := c.randomCount("")
	if err != nil {
		return err
	}
	s, err := c.set(1)
	if err != nil {
		return err
	}
	count, positions, err := draw(n, s.Len())
	if err != nil {
		return err
	}
	c.drawn(count, false)
	many(c, count, drawing[*value.Set]{from: s, positions: positions}, func(c *Call, d drawing[*value.Set]) {
		for i := range d.positions {
			c.Reply.BulkString(d.from.At(i))
		}
	}, c.Args[1])
	return nil
}

func sscan(c *Call) error {
	v, s, err := beginScan(c, c.set)
	if err != nil {
		return err
	}
	s.run(c, v, func(s *elementScan) uint64 {
		return v.Scan(s.cursor, s.count, func(member string) {
			if s.wants(member) {
				s.found = append(s.found, member)
			}
		})
	})
	return nil
}

// sets returns the sets at the words [i, j) for reading.
func (c *Call) sets(i, j int) ([]*value.Set, error) {
	sets := make([]*value.Set, 0, j-i)
	for ; i < j; i++ {
		s, err := c.set(i)
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// setOperation combines sets, at least one.
type setOperation struct {
	members func(sets []*value.Set) iter.Seq[string]
	work    func(sets []*value.Set) int // how many members are looked at, at most
}

var (
	intersection = setOperation{intersect, func(sets []*value.Set) int { return len(sets) * smallest(sets) }}
	difference   = setOperation{subtract, func(sets []*value.Set) int { return len(sets) * sets[0].Len() }}
	union        = setOperation{unite, total[*value.Set]}
)

func smallest(sets []*value.Set) int {
	return slices.MinFunc(sets, func(a, b *value.Set) int { return cmp.Compare(a.Len(), b.Len()) }).Len()
}

// total is how many elements the values have together.
func total[V interface{ Len() int }](values []V) (n int) {
	for _, v := range values {
		n += v.Len()
	}
	return n
}

// intersect goes through the smallest set and asks the others.
func intersect(sets []*value.Set) iter.Seq[string] {
	slices.SortStableFunc(sets, func(a, b *value.Set) int { return cmp.Compare(a.Len(), b.Len()) })
	return func(yield func(string) bool) {
		for member := range sets[0].All() {
			lacks := func(s *value.Set) bool { return !s.Has(member) }
			if !slices.ContainsFunc(sets[1:], lacks) && !yield(member) {
				return
			}
		}
	}
}

func subtract(sets []*value.Set) iter.Seq[string] {
	return func(yield func(string) bool) {
		for member := range sets[0].All() {
			has := func(s *value.Set) bool { return s.Has(member) }
			if !slices.ContainsFunc(sets[1:], has) && !yield(member) {
				return
			}
		}
	}
}

func unite(sets []*value.Set) iter.Seq[string] {
	limits := value.DefaultLimits()
	all := value.NewSet(&limits)
	for _, s := range sets {
		for member := range s.All() {
			all.Add(member)
		}
	}
	return all.All()
}

func combineSets(c *Call, combine setOperation) error {
	sets, err := c.sets(1, len(c.Args))
	if err != nil {
		return err
	}
	many(c, combine.work(sets), sets, func(c *Call, sets []*value.Set) {
		members := slices.Collect(combine.members(sets))
		c.Reply.Set(len(members))
		c.texts(slices.Values(members))
	}, c.Args[1:]...)
	return nil
}

func storeSets(c *Call, combine setOperation) error {
	sets, err := c.sets(2, len(c.Args))
	if err != nil {
		return err
	}
	result := value.NewSet(&c.engine.limits)
	for member := range combine.members(sets) {
		result.Add(member)
	}
	c.store(c.Args[1], result, setEvent)
	return nil
}

// store puts v in place of whatever is at key, an empty one as nothing, and replies with its length: the end of every
// command that stores a combination or a range. The event is called like the command.
func (c *Call) store(key []byte, v value.Value, class eventClass) {
	replaced := c.Tx.Delete(key)
	switch {
	case v.Len() > 0:
		if replaced {
			c.Tx.put(key, v)
		} else {
			c.Tx.create(key, v)
		}
		c.Tx.Changed(key)
		c.Tx.Notify(class, c.Spec.FullName, key)
	case replaced:
		c.Tx.Changed(key)
		c.Tx.Notify(genericEvent, "del", key)
	}
	c.Reply.Int(int64(v.Len()))
}

func sintercard(c *Call) error {
	keys, err := c.atLeast(1, 1, wire.ErrNumKeys)
	if err != nil {
		return err
	}
	if keys > int64(len(c.Args)-2) {
		return wire.ErrNumKeysArgs
	}
	end := 2 + int(keys)
	limit := int64(0)
	for i := end; i < len(c.Args); i += 2 {
		if !c.Is(i, "LIMIT") || i+1 == len(c.Args) {
			return wire.ErrSyntax
		}
		if limit, err = c.atLeast(i+1, 0, wire.ErrLimit); err != nil {
			return err
		}
	}
	sets, err := c.sets(2, end)
	if err != nil {
		return err
	}
	many(c, intersection.work(sets), sets, func(c *Call, sets []*value.Set) {
		n := int64(0)
		for range intersect(sets) {
			if n++; n == limit {
				break
			}
		}
		c.Reply.Int(n)
	}, c.Args[2:end]...)
	return nil
}
