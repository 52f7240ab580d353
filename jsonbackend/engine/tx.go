package engine

import (
	"strconv"

	"github.com/tidwall/redcon"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Tx is a unit of work: typed access to the keys of one database, and the effects that the log will keep. A handler
// checks first and edits then; after its first edit it returns no error.
type Tx struct {
	Now int64 // Unix milliseconds: the same for the whole unit

	e      *Engine
	db     *db
	replay bool // nothing expires, nothing is logged
	paused bool // CLIENT PAUSE is on: what has expired is not seen, and stays

	unit    []byte // effects so far, as RESP
	effects int
	unitDB  int // where the unit began
	atDB    int // where its effects are now

	changed  bool // the command in hand changed something
	explicit bool // and said itself what its effects are
}

// begin starts a unit in d.
func (tx *Tx) begin(d *db) {
	tx.db, tx.unitDB, tx.atDB = d, d.id, d.id
	tx.unit, tx.effects = tx.unit[:0], 0
	tx.changed, tx.explicit, tx.paused = false, false, false
}

// finish ends the command in hand: a change without explicit effects has the command itself as its effect.
func (tx *Tx) finish(args [][]byte, raw []byte) {
	if tx.changed && !tx.explicit && !tx.replay {
		tx.selectDB()
		if raw != nil && raw[0] == '*' {
			tx.unit = append(tx.unit, raw...)
		} else {
			tx.unit = appendCommand(tx.unit, args)
		}
		tx.effects++
	}
	tx.changed, tx.explicit = false, false
}

// commit hands the unit to the log and its mail to who hears of it. It returns the unit's sequence number; 0 if there is
// nothing to keep.
func (tx *Tx) commit(note string) uint64 {
	seq := tx.keep(note)
	tx.e.tracking.seq = max(tx.e.tracking.seq, seq)
	tx.e.post(seq)
	return seq
}

// keep hands the unit to the log.
func (tx *Tx) keep(note string) uint64 {
	if tx.effects == 0 && note == "" || tx.replay {
		return 0
	}
	if tx.atDB != tx.unitDB {
		tx.db = tx.e.dbs[tx.unitDB]
		tx.selectDB()
	}
	const large = 64 << 10
	seq := tx.e.log.Append(tx.unitDB, tx.unit, tx.effects, note)
	if len(tx.unit) > large {
		tx.e.stats.read() // or this would count to the next command
	}
	tx.unit, tx.effects = tx.unit[:0], 0
	if cap(tx.unit) > 1<<20 {
		tx.unit = nil
	}
	return seq
}

// selectDB makes sure that the next effect acts in the current database.
func (tx *Tx) selectDB() {
	if tx.atDB == tx.db.id {
		return
	}
	tx.atDB = tx.db.id
	tx.unit = appendCommand(tx.unit, [][]byte{[]byte("SELECT"), strconv.AppendInt(nil, int64(tx.atDB), 10)})
	tx.effects++
}

func appendCommand(dst []byte, args [][]byte) []byte {
	dst = redcon.AppendArray(dst, len(args))
	for _, a := range args {
		dst = redcon.AppendBulk(dst, a)
	}
	return dst
}

// Effect says what the command in hand did, in place of the command itself: a deterministic Redis command whose words
// are strings, byte slices, integers or stream IDs. It may be called several times.
func (tx *Tx) Effect(words ...any) {
	tx.explicit = true
	if !tx.replay {
		tx.append(words)
	}
}

// EffectWords is Effect for words that are byte slices.
func (tx *Tx) EffectWords(words [][]byte) {
	tx.explicit = true
	if !tx.replay {
		tx.selectDB()
		tx.unit = appendCommand(tx.unit, words)
		tx.effects++
	}
}

// NoEffect says that the command in hand leaves nothing to be replayed.
func (tx *Tx) NoEffect() { tx.explicit = true }

func (tx *Tx) append(words []any) {
	tx.selectDB()
	tx.unit = redcon.AppendArray(tx.unit, len(words))
	for _, w := range words {
		switch w := w.(type) {
		case string:
			tx.unit = redcon.AppendBulkString(tx.unit, w)
		case []byte:
			tx.unit = redcon.AppendBulk(tx.unit, w)
		case int64:
			tx.unit = redcon.AppendBulkInt(tx.unit, w)
		case int:
			tx.unit = redcon.AppendBulkInt(tx.unit, int64(w))
		case value.StreamID:
			var text [41]byte
			tx.unit = redcon.AppendBulk(tx.unit, w.Append(text[:0]))
		default:
			panic("an effect's word has a type that is not expected") // naming it would put every word on the heap
		}
	}
	tx.effects++
}

// get finds a live key for a command that uses what it holds.
func (tx *Tx) get(key []byte) *Entry {
	e := tx.peek(key)
	if e != nil {
		e.used = tx.second()
	}
	return e
}

// second is the present one, as entries remember it.
func (tx *Tx) second() uint32 { return uint32(tx.Now / 1000) }

// peek finds a live key for a command that only looks at it from outside. One that has expired is deleted first, which is
// an effect of its own.
func (tx *Tx) peek(key []byte) *Entry {
	e := tx.db.keys[string(key)]
	if e == nil || e.Expire == 0 || e.Expire > tx.Now || tx.replay {
		return e
	}
	if !tx.e.opts.ReadOnly && !tx.paused {
		tx.expire(e)
	}
	return nil
}

// expire deletes a key whose time is over, with a DEL for the log.
func (tx *Tx) expire(e *Entry) {
	tx.append([]any{"DEL", e.Key})
	tx.forget(e)
}

// forget is expire without the effect.
func (tx *Tx) forget(e *Entry) {
	tx.db.remove(e)
	tx.e.stats.expiredKeys++
	tx.touch(e.Key)
	if tx.e.tracking.active() {
		tx.e.invalidate(e.Key, nil) // it was not the client who came upon it
	}
	if tx.e.events != 0 {
		tx.Notify(expiredEvent, "expired", []byte(e.Key))
	}
}

// Entry returns what a key holds, or nil.
func (tx *Tx) Entry(key []byte) *Entry { return tx.get(key) }

func typed[T value.Value](tx *Tx, key []byte) (v T, err error) {
	e := tx.get(key)
	if e == nil {
		return v, nil
	}
	v, ok := e.Value.(T)
	if !ok {
		return v, wire.ErrWrongType
	}
	return v, nil
}

// first returns the first of the keys that is there, which must hold a T, and its index; -1 if there is none.
func first[T value.Value](tx *Tx, keys [][]byte) (i int, v T, err error) {
	for i, key := range keys {
		if tx.get(key) != nil {
			v, err := typed[T](tx, key)
			return i, v, err
		}
	}
	return -1, v, nil
}

// edit returns a value that may be edited: made by create when the key is absent, a copy when a view has seen it.
func edit[T value.Value](tx *Tx, key []byte, create func() T) (v T, err error) {
	e := tx.get(key)
	if e == nil {
		v = create()
		tx.create(key, v)
		return v, nil
	}
	if _, ok := e.Value.(T); !ok {
		return v, wire.ErrWrongType
	}
	return tx.own(e).Value.(T), nil
}

// create adds a key that is not there; Changed must follow.
func (tx *Tx) create(key []byte, v value.Value) {
	tx.put(key, v)
	if q := tx.db.blocked[string(key)]; q != nil {
		q.added = true
	}
	tx.Notify(newEvent, "new", key)
}

// put is create in place of a key that was deleted just now.
func (tx *Tx) put(key []byte, v value.Value) {
	tx.e.born++
	e := &Entry{Key: string(key), Value: v, Born: tx.e.born, epoch: tx.e.epoch, used: tx.second()}
	tx.db.put(e)
}

// own returns the entry itself, or its replacement if a view has seen it.
func (tx *Tx) own(e *Entry) *Entry {
	if e.epoch == tx.e.epoch {
		return e
	}
	mine := *e
	mine.Value, mine.epoch = e.Value.Clone(), tx.e.epoch
	tx.db.put(&mine)
	return &mine
}

// Hash returns the hash at key, nil if there is none.
func (tx *Tx) Hash(key []byte) (*value.Hash, error) { return typed[*value.Hash](tx, key) }

// EditHash returns the hash at key to be edited; Changed must follow.
func (tx *Tx) EditHash(key []byte) (*value.Hash, error) {
	return edit(tx, key, func() *value.Hash { return value.NewHash(&tx.e.limits) })
}

// Set returns the set at key, nil if there is none.
func (tx *Tx) Set(key []byte) (*value.Set, error) { return typed[*value.Set](tx, key) }

// EditSet returns the set at key to be edited; Changed must follow.
func (tx *Tx) EditSet(key []byte) (*value.Set, error) {
	return edit(tx, key, func() *value.Set { return value.NewSet(&tx.e.limits) })
}

// ZSet returns the sorted set at key, nil if there is none.
func (tx *Tx) ZSet(key []byte) (*value.ZSet, error) { return typed[*value.ZSet](tx, key) }

// EditZSet returns the sorted set at key to be edited; Changed must follow.
func (tx *Tx) EditZSet(key []byte) (*value.ZSet, error) {
	return edit(tx, key, func() *value.ZSet { return value.NewZSet(&tx.e.limits) })
}

// List returns the list at key, nil if there is none.
func (tx *Tx) List(key []byte) (*value.List, error) { return typed[*value.List](tx, key) }

// EditList returns the list at key to be edited; Changed must follow.
func (tx *Tx) EditList(key []byte) (*value.List, error) { return edit(tx, key, value.NewList) }

// Stream returns the stream at key, nil if there is none.
func (tx *Tx) Stream(key []byte) (*value.Stream, error) { return typed[*value.Stream](tx, key) }

// EditStream returns the stream at key to be edited; Changed must follow.
func (tx *Tx) EditStream(key []byte) (*value.Stream, error) {
	return edit(tx, key, func() *value.Stream { return value.NewStream(&tx.e.streamLimits) })
}

// String returns the string at key, nil if there is none. It is as it is until the key is edited, and must not be written
// to.
func (tx *Tx) String(key []byte) ([]byte, error) {
	s, err := typed[*value.Str](tx, key)
	if s == nil || err != nil {
		return nil, err
	}
	return s.B, nil
}

// EditString returns the string at key to be edited; Changed must follow.
func (tx *Tx) EditString(key []byte) (*value.Str, error) {
	return edit(tx, key, func() *value.Str { return new(value.Str) })
}

// SetString stores a copy of b at key, whatever was there before. The key's expiry stays only if keepTTL.
func (tx *Tx) SetString(key, b []byte, keepTTL bool) {
	e := tx.get(key)
	v := &value.Str{B: append(make([]byte, 0, len(b)), b...)}
	if e == nil {
		tx.create(key, v)
		return
	}
	e = tx.own(e)
	e.Value = v
	if !keepTTL {
		tx.db.setExpire(e, 0)
	}
}

// Delete removes a key and reports whether there was one; Changed must follow.
func (tx *Tx) Delete(key []byte) bool {
	e := tx.get(key)
	if e == nil {
		return false
	}
	tx.db.remove(e)
	return true
}

// SetExpire changes when a key that exists expires, in Unix milliseconds; 0 means never. Changed must follow.
func (tx *Tx) SetExpire(key []byte, at int64) {
	tx.db.setExpire(tx.own(tx.get(key)), at)
}

// Changed tells that the command in hand changed key, and whoever watches the key or waits for it: where Redis calls
// signalModifiedKey. An aggregate that was left empty goes.
func (tx *Tx) Changed(key []byte) {
	tx.touch(tx.settle(key))
}

// ChangedQuietly is Changed for what no blocked client waits for: entries of a stream that go, another time to expire.
func (tx *Tx) ChangedQuietly(key []byte) {
	name := tx.settle(key)
	tx.spoil(name)
	tx.show(name)
}

// ChangedWithin is Changed for what neither a WATCH nor a blocked client is told: what happens in a stream's groups,
// where Redis counts a change and calls signalModifiedKey not.
func (tx *Tx) ChangedWithin(key []byte) { tx.show(tx.settle(key)) }

// settle ends the edit of a key and returns its name.
func (tx *Tx) settle(key []byte) string {
	tx.changed = true
	e := tx.db.keys[string(key)]
	if e == nil {
		return string(key)
	}
	if e.Value.Len() == 0 {
		switch e.Value.(type) {
		case *value.Str, *value.Stream:
		default:
			tx.db.remove(e)
		}
	}
	tx.e.seq++
	e.Seq = tx.e.seq
	return e.Key
}

// touch tells everyone who looks at the key that it changed.
func (tx *Tx) touch(key string) {
	tx.spoil(key)
	tx.wake(key)
	tx.show(key)
}

// spoil makes the transactions fail that watch the key, and copies of it stale.
func (tx *Tx) spoil(key string) {
	tx.db.spoil(key, true, tx.Now)
	if tx.e.tracking.active() {
		tx.e.invalidate(key, tx.e.doing)
	}
}

// wake makes the commands that wait for the key be tried again. As in Redis they are told of a key that was not there
// before, of entries of a stream and of a stream that is gone; not of what takes the place of another value.
func (tx *Tx) wake(key string) {
	q, e := tx.db.blocked[key], tx.db.keys[key]
	if q != nil && (q.added || q.losers > 0 || e != nil && isStream(e.Value)) {
		q.added = false
		tx.e.wake(tx.db, key)
	}
}

// show tells the owner of the engine that the key changed.
func (tx *Tx) show(key string) {
	if tx.e.opts.Changed != nil && !tx.replay {
		tx.e.opts.Changed(tx.db.id, key)
	}
}

// Flush removes every key of a database. Changed keys are not told one by one.
func (tx *Tx) Flush(id int) {
	d := tx.e.dbs[id]
	tx.changed = true
	before := d.keys
	d.clear()
	tx.replaced(d, before)
}

// Swap exchanges the keys of two databases. Who watches a key or waits for one goes on doing so in the same database.
func (tx *Tx) Swap(a, b *db) {
	tx.changed = true
	a.keyset, b.keyset = b.keyset, a.keyset
	tx.replaced(a, b.keys)
	tx.replaced(b, a.keys)
}

// replaced tells everyone who looks at a database that its keys are others than before.
func (tx *Tx) replaced(d *db, before map[string]*Entry) {
	for key := range d.watched {
		if before[key] != nil || d.keys[key] != nil {
			d.spoil(key, before[key] != nil, tx.Now)
		}
	}
	for key := range d.blocked {
		if before[key] != nil || d.keys[key] != nil {
			tx.e.wake(d, key)
		}
	}
	if tx.e.opts.Flushed != nil && !tx.replay {
		tx.e.opts.Flushed(d.id)
	}
}
