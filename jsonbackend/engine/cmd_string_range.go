package engine

import "github.com/omniproxy/omniproxy/resp/wire"

func strLen(c *Call) error {
	b, err := c.str(1)
	if err != nil {
		return err
	}
	c.Reply.Int(int64(len(b)))
	return nil
}

func appendString(c *Call) error {
	key, more := c.Args[1], c.Args[2]
	b, err := c.Tx.String(key)
	switch {
	case err != nil:
		return err
	case b == nil:
		c.Tx.SetString(key, more, false)
	case len(b)+len(more) > c.engine.longest:
		return wire.ErrStringTooLong
	default:
		s, _ := c.Tx.EditString(key)
		s.Append(more)
	}
	c.Tx.Changed(key)
	c.Tx.Notify(stringEvent, "append", key)
	c.Reply.Int(int64(len(b) + len(more)))
	return nil
}

// getRange answers the bytes between two positions, both included; a negative one counts from the end
// (https://redis.io/commands/getrange).
func getRange(c *Call) error {
	from, err := c.Int(2)
	if err != nil {
		return err
	}
	to, err := c.Int(3)
	if err != nil {
		return err
	}
	b, err := c.str(1)
	if err != nil {
		return err
	}
	n := int64(len(b))
	if from < 0 && to < 0 && from > to {
		n = 0
	}
	from, to = fromStart(from, n), fromStart(to, n)
	if to = min(to, n-1); from > to {
		c.Reply.Bulk(nil)
	} else {
		c.text(c.Args[1], b[from:to+1])
	}
	return nil
}

// fromStart counts a negative index from the end of n bytes; what would be before the first is the first.
func fromStart(i, n int64) int64 {
	if i < 0 {
		i += n
	}
	return max(i, 0)
}

// setRange overwrites a part of a string, which zeros make long enough (https://redis.io/commands/setrange).
func setRange(c *Call) error {
	offset, err := c.Int(2)
	if err != nil {
		return err
	}
	if offset < 0 {
		return wire.ErrOffset
	}
	key, part := c.Args[1], c.Args[3]
	b, err := c.Tx.String(key)
	switch {
	case err != nil:
		return err
	case len(part) == 0:
		c.Reply.Int(int64(len(b)))
		return nil
	case offset > int64(c.engine.longest-len(part)):
		return wire.ErrStringTooLong
	}
	s, _ := c.Tx.EditString(key)
	end := int(offset) + len(part)
	copy(s.Edit(end)[offset:], part)
	c.Tx.Changed(key)
	c.Tx.Notify(stringEvent, "setrange", key)
	c.Reply.Int(int64(s.Len()))
	return nil
}
