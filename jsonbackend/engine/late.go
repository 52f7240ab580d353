package engine

import (
	"math"
	"runtime"
	"runtime/debug"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// Values are persistent, so what tells of many elements need not be said under the lock: the value is frozen, and the
// reply is written from it beside the other clients.

// manyElements is Engine.atOnce, but for tests.
const manyElements = 1000

// frozen is the epoch of an entry whose value somebody reads without the lock: its next edit replaces it.
const frozen = math.MaxUint64

// freeze makes what a key holds now stay as it is, for readers without the lock.
func (tx *Tx) freeze(key []byte) {
	if e := tx.db.keys[string(key)]; e != nil {
		e.epoch = frozen
	}
}

// many replies with what write makes of v, which is about n elements of what the keys hold. If they are many, that happens
// without the lock: write then gets a call that has nothing but a Reply.
func many[V any](c *Call, n int, v V, write func(c *Call, v V), keys ...[]byte) {
	if n <= c.engine.atOnce {
		write(c, v)
		return
	}
	later(c, v, write, keys...)
}

// later is many of no matter how few.
func later[V any](c *Call, v V, write func(c *Call, v V), keys ...[]byte) {
	if c.conn == nil {
		return // nobody reads it
	}
	for _, key := range keys {
		c.Tx.freeze(key)
	}
	c.Reply.Later(func(w *wire.Writer) { write(&Call{Reply: w}, v) })
}

// encoders is how many replies are written beside the clients at the same time: one processor is left to those.
func encoders() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// follow writes a reply of which parts were left for later, and lets the client go on. It waits for a slow reader, though
// not while it has a turn among the encoders.
func (c *Conn) follow(w wire.Writer) {
	turn := c.e.encoding
	whole := false
	defer func() {
		<-turn
		if whole {
			c.s.Out.End()
			c.s.Resume()
			return
		}
		if reason := recover(); reason != nil { // of something that only reads
			if c.e.opts.Panicked != nil {
				c.e.opts.Panicked("a reply", reason, debug.Stack())
			}
			c.s.Kill()
		}
	}()
	turn <- struct{}{}
	w.Stream(func(piece []byte) {
		<-turn
		wanted := c.s.Out.Piece(piece)
		turn <- struct{}{}
		if !wanted {
			runtime.Goexit()
		}
	})
	whole = true
}
