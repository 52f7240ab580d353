package engine

import (
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// lposOptions are what LPOS is told behind the element.
type lposOptions struct {
	rank    int64 // which match is the first to count; a negative one counts from the end
	count   int64 // how many matches; 0 = all
	counted bool
	maxLen  int64 // how many elements are looked at; 0 = all
}

func (o *lposOptions) parse(c *Call) (err error) {
	o.rank = 1
	for i := 3; i < len(c.Args); i += 2 {
		if i+1 == len(c.Args) {
			return wire.ErrSyntax
		}
		switch {
		case c.Is(i, "RANK"):
			if o.rank, err = c.Int(i + 1); err == nil && o.rank == 0 {
				err = wire.ErrRankZero
			}
		case c.Is(i, "COUNT"):
			o.counted = true
			o.count, err = c.atLeast(i+1, 0, wire.ErrLPosCount)
		case c.Is(i, "MAXLEN"):
			o.maxLen, err = c.atLeast(i+1, 0, wire.ErrLPosMaxLen)
		default:
			return wire.ErrSyntax
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns where the matches are.
func (o *lposOptions) find(l *value.List, element string) (positions []int64) {
	size := l.Len()
	rank, list := o.rank, l.All()
	if rank < 0 {
		rank, list = -rank, l.RevRange(0, size)
	}
	index, matches := int64(0), int64(0)
	for e := range list {
		if o.maxLen != 0 && index == o.maxLen {
			break
		}
		if e == element {
			matches++
		}
		if e == element && matches >= rank {
			at := index
			if o.rank < 0 {
				at = int64(size) - 1 - index
			}
			positions = append(positions, at)
			if !o.counted || o.count != 0 && matches-rank+1 >= o.count {
				break
			}
		}
		index++
	}
	return positions
}

// lpos does LPOS (https://redis.io/commands/lpos).
func lpos(c *Call) error {
	var o lposOptions
	if err := o.parse(c); err != nil {
		return err
	}
	l, err := c.list()
	if err != nil {
		return err
	}
	if l == nil {
		l = noList
	}
	many(c, l.Len(), lposSearch{o, l, string(c.Args[2])}, replyPositions, c.Args[1])
	return nil
}

var noList = value.NewList() // what a key that is not there holds; never edited

// lposSearch is a call of LPOS.
type lposSearch struct {
	lposOptions
	l       *value.List
	element string
}

func replyPositions(c *Call, o lposSearch) {
	positions := o.find(o.l, o.element)
	switch {
	case o.counted:
		c.Reply.Array(len(positions))
		for _, at := range positions {
			c.Reply.Int(at)
		}
	case len(positions) == 0:
		c.Reply.Null()
	default:
		c.Reply.Int(positions[0])
	}
}
