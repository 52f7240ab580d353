package engine

import (
	"math"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// object answers a question about what a key holds, without using it. As in Redis, nobody is told of a miss.
func object(c *Call, answer func(*Call, *Entry) error) error {
	e := c.Tx.peek(c.Args[2])
	c.found(e != nil)
	if e == nil {
		c.Reply.Null()
		return nil
	}
	return answer(c, e)
}

func encoding(c *Call, e *Entry) error {
	c.Reply.BulkString(e.Value.Encoding())
	return nil
}

// frequency refuses, as Redis does unless it evicts the keys that are used least often.
func frequency(*Call, *Entry) error { return wire.ErrObjectFreq }

func idleTime(c *Call, e *Entry) error {
	c.Reply.Int(max(int64(c.Tx.second())-int64(e.used), 0))
	return nil
}

// sharedIntegers is how many integers, from 0 on, Redis has one object of for all keys. It does not count references to
// them.
const sharedIntegers = 10_000

func refCount(c *Call, e *Entry) error {
	n := int64(1)
	if s, ok := e.Value.(*value.Str); ok && s.Encoding() == value.EncodingInt {
		if i, _ := integer(s.B); i >= 0 && i < sharedIntegers {
			n = math.MaxInt32
		}
	}
	c.Reply.Int(n)
	return nil
}
