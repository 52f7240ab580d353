package engine

import (
	"iter"
	"math"
	"math/rand/v2"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// maxRepeats bounds how many elements a command may draw with repetition.
const maxRepeats = 1 << 20

// randomCount reads the words behind the key of HRANDFIELD and ZRANDMEMBER: [count [with]].
func (c *Call) randomCount(with string) (n int64, paired bool, err error) {
	if len(c.Args) == 2 {
		return 1, false, nil
	}
	n, err = c.Int(2)
	switch {
	case err != nil:
		return 0, false, err
	case n == math.MinInt64:
		return 0, false, wire.OutsideRange(-math.MaxInt64, math.MaxInt64)
	case len(c.Args) > 4 || len(c.Args) == 4 && !c.Is(3, with):
		return 0, false, wire.ErrSyntax
	case len(c.Args) == 3:
		return n, false, nil
	case n < -math.MaxInt64/2 || n > math.MaxInt64/2:
		return 0, false, wire.ErrValueRange
	}
	return n, true, nil
}

// draw chooses among size positions at random: n different ones, or all there are; for a negative n, -n independent
// ones. It returns how many they are.
func draw(n int64, size int) (count int, positions iter.Seq[int], err error) {
	switch {
	case n < -maxRepeats:
		return 0, nil, wire.ErrValueRange
	case size == 0:
		return 0, func(func(int) bool) {}, nil
	case n < 0:
		return int(-n), repeated(int(-n), size), nil
	case n < int64(size):
		return int(n), distinct(int(n), size), nil
	}
	return size, func(yield func(int) bool) {
		for i := 0; i < size && yield(i); i++ {
		}
	}, nil
}

// drawing is elements that were drawn from a value.
type drawing[V value.Value] struct {
	from      V
	positions iter.Seq[int]
	paired    bool
}

func repeated(n, size int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for range n {
			if !yield(rand.IntN(size)) {
				return
			}
		}
	}
}

// distinct yields n of size positions. Every choice is equally likely (Floyd's algorithm); not so its order.
func distinct(n, size int) iter.Seq[int] {
	return func(yield func(int) bool) {
		chosen := make(map[int]struct{}, n)
		for last := size - n; last < size; last++ {
			i := rand.IntN(last + 1)
			if _, again := chosen[i]; again {
				i = last
			}
			chosen[i] = struct{}{}
			if !yield(i) {
				return
			}
		}
	}
}
