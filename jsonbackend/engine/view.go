package engine

import (
	"iter"
	"time"
)

// View is the keyspace at one instant. It may be read by any goroutine while the engine goes on.
type View struct {
	At  int64                // the instant, in Unix milliseconds
	dbs [Databases]*keyIndex // nil = empty
}

// Freeze returns a view of this instant, in time that does not depend on how much there is. also runs at the same
// instant, under the engine's lock.
func (e *Engine) Freeze(also func()) *View {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.freeze()
	if also != nil {
		also()
	}
	return v
}

func (e *Engine) freeze() *View {
	e.epoch++
	v := &View{At: time.Now().UnixMilli()}
	for i, d := range e.dbs {
		if len(d.keys) > 0 {
			v.dbs[i] = d.index.Copy()
		}
	}
	return v
}

// All iterates over the entries of a database, in no useful order.
func (v *View) All(db int) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		if t := v.dbs[db]; t != nil {
			t.Scan(func(e indexed) bool { return yield(e.Entry) })
		}
	}
}

// Len returns how many keys a database has.
func (v *View) Len(db int) int {
	if t := v.dbs[db]; t != nil {
		return t.Len()
	}
	return 0
}

// Get returns the entry of a key, or nil.
func (v *View) Get(db int, key string) *Entry {
	if t := v.dbs[db]; t != nil {
		e, _ := t.Get((&Entry{Key: key}).indexed())
		return e.Entry
	}
	return nil
}

// version changes whenever the key does; 0 = no such key.
func (v *View) version(db int, key string) uint64 {
	if e := v.Get(db, key); e != nil {
		return e.Seq
	}
	return 0
}

func (d *db) version(key string) uint64 {
	if e := d.keys[key]; e != nil {
		return e.Seq
	}
	return 0
}
