package engine

import (
	"math"
	"strings"

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

// leastFrequent reports whether maxmemory-policy is one by which Redis counts how often keys are used.
func (c *Call) leastFrequent() bool {
	return strings.HasSuffix(c.engine.config.text["maxmemory-policy"], "-lfu")
}

// newFrequency is how often a key was used that Redis made just now. Nothing is evicted here, so nothing is counted.
const newFrequency = 5

func frequency(c *Call, _ *Entry) error {
	if !c.leastFrequent() {
		return wire.ErrObjectFreq
	}
	c.Reply.Int(newFrequency)
	return nil
}

func idleTime(c *Call, e *Entry) error {
	if c.leastFrequent() {
		return wire.ErrObjectIdle
	}
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
