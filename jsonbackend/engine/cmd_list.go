package engine

import (
	"bytes"
	"iter"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Lists: https://redis.io/commands/?group=list
var listHandlers = handlers{
	"BLMOVE":     blmove,
	"BLMPOP":     blmpop,
	"BLPOP":      func(c *Call) error { return blpop(c, left) },
	"BRPOP":      func(c *Call) error { return blpop(c, right) },
	"BRPOPLPUSH": brpoplpush,
	"LINDEX":     lindex,
	"LINSERT":    linsert,
	"LLEN":       llen,
	"LMOVE":      lmove,
	"LMPOP":      lmpop,
	"LPOP":       func(c *Call) error { return lpop(c, left) },
	"LPOS":       lpos,
	"LPUSH":      func(c *Call) error { return lpush(c, left) },
	"LPUSHX":     func(c *Call) error { return lpushx(c, left) },
	"LRANGE":     lrange,
	"LREM":       lrem,
	"LSET":       lset,
	"LTRIM":      ltrim,
	"RPOP":       func(c *Call) error { return lpop(c, right) },
	"RPOPLPUSH":  rpoplpush,
	"RPUSH":      func(c *Call) error { return lpush(c, right) },
	"RPUSHX":     func(c *Call) error { return lpushx(c, right) },
}

// side is an end of a list.
type side int

const (
	left side = iota
	right
)

// side reads the i-th word: LEFT or RIGHT.
func (c *Call) side(i int) (side, error) {
	switch {
	case c.Is(i, "LEFT"):
		return left, nil
	case c.Is(i, "RIGHT"):
		return right, nil
	}
	return 0, wire.ErrSyntax
}

// What is done at either side: commands and events.
var (
	popCommands    = [2]string{left: "LPOP", right: "RPOP"}
	listPopEvents  = [2]string{left: "lpop", right: "rpop"}
	listPushEvents = [2]string{left: "lpush", right: "rpush"}
)

func (s side) push(l *value.List, element string) {
	if s == left {
		l.PushFront(element)
	} else {
		l.PushBack(element)
	}
}

// pop takes out an element of a list that has one.
func (s side) pop(l *value.List) (element string) {
	if s == left {
		element, _ = l.PopFront()
	} else {
		element, _ = l.PopBack()
	}
	return element
}

// list returns the list at the first key for reading, nil if there is none.
func (c *Call) list() (*value.List, error) {
	l, err := c.Tx.List(c.Args[1])
	c.lookedUp(c.Args[1], l != nil || err != nil)
	return l, err
}

func lpush(c *Call, at side) error {
	l, err := c.Tx.EditList(c.Args[1])
	if err != nil {
		return err
	}
	for _, element := range c.Args[2:] {
		at.push(l, string(element))
	}
	c.Tx.Changed(c.Args[1])
	c.Tx.Notify(listEvent, listPushEvents[at], c.Args[1])
	c.Reply.Int(int64(l.Len()))
	return nil
}

// lpushx pushes to a list that exists.
func lpushx(c *Call, at side) error {
	l, err := c.Tx.List(c.Args[1])
	if err != nil {
		return err
	}
	if l == nil {
		c.Reply.Int(0)
		return nil
	}
	return lpush(c, at)
}

func lpop(c *Call, from side) error {
	if len(c.Args) > 3 {
		return wire.WrongArity(c.Spec.FullName)
	}
	n, counted := int64(1), len(c.Args) == 3
	if counted {
		var err error
		if n, err = c.atLeast(2, 0, wire.ErrNotPositive); err != nil {
			return err
		}
	}
	key := c.Args[1]
	l, err := c.Tx.List(key)
	switch {
	case err != nil:
		return err
	case l == nil && counted:
		c.Reply.NullArray()
	case l == nil:
		c.Reply.Null()
	case !counted:
		c.popElement(key, from)
	case n == 0:
		c.Reply.Array(0)
	default:
		c.popElements(key, l, n, from)
	}
	return nil
}

// popElement takes an element out of a list that is there, and replies with it.
func (c *Call) popElement(key []byte, from side) {
	l, _ := c.Tx.EditList(key)
	element := from.pop(l)
	c.Tx.Changed(key)
	c.Tx.NotifyRemoved(listEvent, listPopEvents[from], key)
	c.Reply.BulkString(element)
}

// popElements takes up to n elements out of a list that is there, and replies with an array of them. It returns how many
// they are.
func (c *Call) popElements(key []byte, l *value.List, n int64, from side) (count int) {
	size := l.Len()
	count = int(min(n, int64(size)))
	popped, keptFrom, keptTo := listSpan{l: l, from: 0, to: count}, count, size
	if from == right {
		popped, keptFrom, keptTo = listSpan{l, size - count, size, true}, 0, size-count
	}
	c.elements(key, popped) // while they are there
	l, _ = c.Tx.EditList(key)
	l.Trim(keptFrom, keptTo)
	c.Tx.Changed(key)
	c.Tx.NotifyRemoved(listEvent, listPopEvents[from], key)
	return count
}

// listSpan is the elements [from, to) of a list.
type listSpan struct {
	l         *value.List
	from, to  int
	backwards bool
}

// elements replies with an array of elements of the list at key.
func (c *Call) elements(key []byte, s listSpan) {
	c.Reply.Array(s.to - s.from)
	many(c, s.to-s.from, s, replyElements, key)
}

func replyElements(c *Call, s listSpan) {
	if s.backwards {
		c.texts(s.l.RevRange(s.from, s.to))
	} else {
		c.texts(s.l.Range(s.from, s.to))
	}
}

// texts replies with strings.
func (c *Call) texts(list iter.Seq[string]) {
	for text := range list {
		c.Reply.BulkString(text)
	}
}

func lmpop(c *Call) error {
	p, err := c.parseMPop(1, "LEFT", "RIGHT")
	if err != nil {
		return err
	}
	return serveFirst(c, p.keys, func(key []byte, l *value.List) { c.lmpopFrom(p, key, l) })
}

// lmpopFrom is what LMPOP and BLMPOP do to the list that they found.
func (c *Call) lmpopFrom(p mpop, key []byte, l *value.List) {
	from := side(p.end)
	c.Reply.Array(2)
	c.Reply.Bulk(key)
	count := c.popElements(key, l, p.count, from)
	c.Tx.Effect(popCommands[from], key, count)
}

func lmove(c *Call) error {
	from, to, err := c.sides()
	if err != nil {
		return err
	}
	return c.move(from, to)
}

func rpoplpush(c *Call) error { return c.move(right, left) }

// sides reads where LMOVE and BLMOVE pop and push.
func (c *Call) sides() (from, to side, err error) {
	if from, err = c.side(3); err != nil {
		return 0, 0, err
	}
	to, err = c.side(4)
	return from, to, err
}

// move takes an element out of the list at the first key, puts it into the list at the second one, which may be the same,
// and replies with it.
func (c *Call) move(from, to side) error {
	source, target := c.Args[1], c.Args[2]
	l, err := c.Tx.List(source)
	if err != nil {
		return err
	}
	if l == nil { // then the target may be anything
		c.Reply.Null()
		return nil
	}
	if _, err = c.Tx.List(target); err != nil {
		return err
	}
	l, _ = c.Tx.EditList(source)
	element := from.pop(l)
	l, _ = c.Tx.EditList(target)
	to.push(l, element)
	c.Tx.Changed(target)
	c.Tx.Notify(listEvent, listPushEvents[to], target)
	if !bytes.Equal(source, target) {
		c.Tx.Changed(source)
	}
	c.Tx.NotifyRemoved(listEvent, listPopEvents[from], source)
	c.Reply.BulkString(element)
	return nil
}

func llen(c *Call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	n := 0
	if l != nil {
		n = l.Len()
	}
	c.Reply.Int(int64(n))
	return nil
}

func lindex(c *Call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	if l == nil { // then the index may be anything
		c.Reply.Null()
		return nil
	}
	index, err := c.Int(2)
	if err != nil {
		return err
	}
	if i, ok := position(index, l); ok {
		c.Reply.BulkString(l.At(i))
	} else {
		c.Reply.Null()
	}
	return nil
}

// position is what an index means that counts from the end if negative; ok is false if it is outside the list.
func position(index int64, l *value.List) (i int, ok bool) {
	if index < 0 {
		index += int64(l.Len())
	}
	return int(index), index >= 0 && index < int64(l.Len())
}

func lset(c *Call) error {
	key := c.Args[1]
	l, err := c.Tx.List(key)
	if err != nil {
		return err
	}
	if l == nil {
		return wire.ErrNoSuchKey
	}
	index, err := c.Int(2)
	if err != nil {
		return err
	}
	i, ok := position(index, l)
	if !ok {
		return wire.ErrOutOfRange
	}
	l, _ = c.Tx.EditList(key)
	l.Set(i, string(c.Args[3]))
	c.Tx.Changed(key)
	c.Tx.Notify(listEvent, "lset", key)
	c.Reply.OK()
	return nil
}

func linsert(c *Call) error {
	after := c.Is(2, "AFTER")
	if !after && !c.Is(2, "BEFORE") {
		return wire.ErrSyntax
	}
	key := c.Args[1]
	l, err := c.Tx.List(key)
	if err != nil {
		return err
	}
	if l == nil {
		c.Reply.Int(0)
		return nil
	}
	i := l.Index(string(c.Args[3]), 0)
	if i < 0 {
		c.Reply.Int(-1)
		return nil
	}
	if after {
		i++
	}
	l, _ = c.Tx.EditList(key)
	l.Insert(i, string(c.Args[4]))
	c.Tx.Changed(key)
	c.Tx.Notify(listEvent, "linsert", key)
	c.Reply.Int(int64(l.Len()))
	return nil
}

func lrem(c *Call) error {
	count, err := c.Int(2)
	if err != nil {
		return err
	}
	key := c.Args[1]
	l, err := c.Tx.List(key)
	if err != nil {
		return err
	}
	if l == nil {
		c.Reply.Int(0)
		return nil
	}
	l, _ = c.Tx.EditList(key)
	all := int64(l.Len())
	removed := l.Remove(string(c.Args[3]), int(max(min(count, all), -all)))
	if removed > 0 {
		c.Tx.Changed(key)
		c.Tx.NotifyRemoved(listEvent, "lrem", key)
	}
	c.Reply.Int(int64(removed))
	return nil
}

// indices reads the second and third word of LRANGE and LTRIM.
func (c *Call) indices() (start, stop int64, err error) {
	if start, err = c.Int(2); err != nil {
		return 0, 0, err
	}
	stop, err = c.Int(3)
	return start, stop, err
}

// span returns the positions [from, to) that a range covers in a sequence of size elements. Both its ends belong to it;
// one that is negative counts from the end: -1 is the last.
func span(start, stop int64, size int) (from, to int) {
	n := int64(size)
	if start < 0 {
		start = max(n+start, 0)
	}
	if stop < 0 {
		stop += n
	}
	stop = min(stop, n-1)
	if start > stop {
		return 0, 0
	}
	return int(start), int(stop) + 1
}

func lrange(c *Call) error {
	start, stop, err := c.indices()
	if err != nil {
		return err
	}
	l, err := c.list()
	if err != nil {
		return err
	}
	if l == nil {
		c.Reply.Array(0)
		return nil
	}
	from, to := span(start, stop, l.Len())
	c.elements(c.Args[1], listSpan{l: l, from: from, to: to})
	return nil
}

func ltrim(c *Call) error {
	start, stop, err := c.indices()
	if err != nil {
		return err
	}
	key := c.Args[1]
	l, err := c.Tx.List(key)
	if err != nil {
		return err
	}
	c.Reply.OK()
	if l == nil {
		return nil
	}
	size := l.Len()
	from, to := span(start, stop, size)
	l, _ = c.Tx.EditList(key)
	l.Trim(from, to)
	c.Tx.Changed(key)
	c.Tx.NotifyRemoved(listEvent, "ltrim", key)
	if from == 0 && to == size { // a WATCH fails, yet Redis counts no change
		c.Tx.NoEffect()
	}
	return nil
}
