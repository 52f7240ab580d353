package engine

import (
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// What a blocking command does is in the log as the command that does not block.

// blpop does BLPOP and BRPOP.
func blpop(c *Call, from side) error {
	last := len(c.Args) - 1
	timeout, err := c.timeout(last)
	if err != nil {
		return err
	}
	return serveOrBlock(c, c.Args[1:last], timeout, func(key []byte, _ *value.List) {
		c.Reply.Array(2)
		c.Reply.Bulk(key)
		c.popElement(key, from)
		c.Tx.Effect(popCommands[from], key)
	})
}

func blmpop(c *Call) error {
	p, err := c.parseMPop(2, "LEFT", "RIGHT")
	if err != nil {
		return err
	}
	timeout, err := c.timeout(1)
	if err != nil {
		return err
	}
	return serveOrBlock(c, p.keys, timeout, func(key []byte, l *value.List) { c.lmpopFrom(p, key, l) })
}

func blmove(c *Call) error {
	from, to, err := c.sides()
	if err != nil {
		return err
	}
	timeout, err := c.timeout(5)
	if err != nil {
		return err
	}
	return c.moveOrBlock(from, to, timeout, "LMOVE", c.Args[1], c.Args[2], c.Args[3], c.Args[4])
}

func brpoplpush(c *Call) error {
	timeout, err := c.timeout(3)
	if err != nil {
		return err
	}
	return c.moveOrBlock(right, left, timeout, "RPOPLPUSH", c.Args[1], c.Args[2])
}

// moveOrBlock does move, with that effect, or waits for the source. The target is looked at only when there is something
// to move.
func (c *Call) moveOrBlock(from, to side, timeout time.Duration, effect ...any) error {
	source := c.Args[1]
	l, err := c.Tx.List(source)
	switch {
	case err != nil:
		return err
	case l == nil && !c.mayBlock():
		c.Reply.Null() // not what a timeout is told
	case l == nil:
		c.Block(Wait{Keys: [][]byte{source}, Type: holds[*value.List], Args: c.Args, Timeout: timeout, TimedOut: (*wire.Writer).NullArray})
	default:
		if err := c.move(from, to); err != nil {
			return err
		}
		c.Tx.Effect(effect...)
	}
	return nil
}
