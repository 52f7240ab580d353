package engine

import (
	"math"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// Values change their place whole, whatever their size: RENAME and MOVE hand them over, COPY shares them.

// in runs f with another database at hand.
func (tx *Tx) in(d *db, f func()) {
	here := tx.db
	tx.db = d
	f()
	tx.db = here
}

// existsIn reports whether a key is in some database.
func (tx *Tx) existsIn(d *db, key []byte) (exists bool) {
	tx.in(d, func() { exists = tx.peek(key) != nil })
	return exists
}

// place gives a key, whatever was there, the value and expiry of an entry that was removed or copied; Changed must follow.
func (tx *Tx) place(key []byte, from Entry) {
	tx.Delete(key)
	tx.create(key, from.Value)
	e := tx.db.keys[string(key)]
	e.epoch = from.epoch // a value that a view has seen is edited as little at its new place
	tx.db.setExpire(e, from.Expire)
}

func rename(c *Call, overwrite bool) error {
	tx, from, to := c.Tx, c.Args[1], c.Args[2]
	e := tx.get(from)
	if e == nil {
		return wire.ErrNoSuchKey
	}
	same := string(from) == string(to)
	done := overwrite || !same && tx.peek(to) == nil
	if done && !same {
		tx.db.remove(e)
		tx.place(to, *e)
		tx.Changed(from)
		tx.Changed(to)
		tx.Notify(genericEvent, "rename_from", from)
		tx.Notify(genericEvent, "rename_to", to)
	}
	if overwrite {
		c.Reply.OK()
	} else {
		c.yesNo(done)
	}
	return nil
}

func move(c *Call) error {
	tx, key := c.Tx, c.Args[1]
	target, err := c.database(2)
	if err != nil {
		return err
	}
	if target == tx.db {
		return wire.ErrSameObject
	}
	e := tx.get(key)
	if e == nil || tx.existsIn(target, key) {
		c.Reply.Int(0)
		return nil
	}
	tx.db.remove(e)
	tx.in(target, func() {
		tx.place(key, *e)
		tx.Changed(key)
	})
	tx.Changed(key)
	tx.Notify(genericEvent, "move_from", key)
	tx.in(target, func() { tx.Notify(genericEvent, "move_to", key) })
	c.Reply.Int(1)
	return nil
}

func copyKey(c *Call) error {
	tx, from, to := c.Tx, c.Args[1], c.Args[2]
	target, replace := tx.db, false
	for i := 3; i < len(c.Args); i++ {
		switch {
		case c.Is(i, "REPLACE"):
			replace = true
		case c.Is(i, "DB") && i+1 < len(c.Args):
			i++
			d, err := c.database(i)
			if err != nil {
				return err
			}
			target = d
		default:
			return wire.ErrSyntax
		}
	}
	if target == tx.db && string(from) == string(to) {
		return wire.ErrSameObject
	}
	e := tx.get(from)
	c.lookedUp(from, e != nil)
	if e == nil || tx.existsIn(target, to) && !replace {
		c.Reply.Int(0)
		return nil
	}
	tx.in(target, func() {
		tx.place(to, Entry{Value: e.Value.Clone(), Expire: e.Expire, epoch: tx.e.epoch})
		tx.Changed(to)
		tx.Notify(genericEvent, "copy_to", to)
	})
	c.Reply.Int(1)
	return nil
}

func swapDB(c *Call) error {
	a, ok := c.int32(1)
	if !ok {
		return wire.ErrSwapFirst
	}
	b, ok := c.int32(2)
	if !ok {
		return wire.ErrSwapSecond
	}
	if min(a, b) < 0 || max(a, b) >= Databases {
		return wire.ErrDBIndex
	}
	if a != b {
		c.Tx.Swap(c.engine.dbs[a], c.engine.dbs[b])
	}
	c.Reply.OK()
	return nil
}

// int32 reads the i-th word as an integer that Redis keeps in a C int.
func (c *Call) int32(i int) (int64, bool) {
	n, ok := integer(c.Args[i])
	return n, ok && n >= math.MinInt32 && n <= math.MaxInt32
}

// database reads the i-th word as the number of a database.
func (c *Call) database(i int) (*db, error) {
	id, err := c.Int(i)
	switch {
	case err != nil:
		return nil, err
	case id < math.MinInt32 || id > math.MaxInt32:
		return nil, wire.OutsideRange(math.MinInt32, math.MaxInt32)
	case id < 0 || id >= Databases:
		return nil, wire.ErrDBIndex
	}
	return c.engine.dbs[id], nil
}
