package metrics

import (
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	mostPairs    = 200 // topics with an agent or group that are told apart
	mostEvents   = 20  // kinds of report
	longestLabel = 128 // bytes
	other        = "other"
)

// label makes a label of text that somebody else chose: Prometheus takes nothing but UTF-8.
func label(text string) string {
	if len(text) > longestLabel {
		text = text[:longestLabel]
	}
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// pair are two labels that belong together.
type pair struct{ topic, member string }

// bounded lets only so many different labels through. What comes later is "other".
type bounded[T comparable] struct {
	most  int
	other T

	mu   sync.Mutex
	seen map[T]bool
}

func newBounded[T comparable](most int, other T) *bounded[T] {
	return &bounded[T]{most: most, other: other, seen: map[T]bool{}}
}

func (b *bounded[T]) of(x T) T {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.seen[x]:
		return x
	case len(b.seen) >= b.most:
		return b.other
	}
	b.seen[x] = true
	return x
}

// all returns what was let through.
func (b *bounded[T]) all() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]T, 0, len(b.seen))
	for x := range b.seen {
		list = append(list, x)
	}
	return list
}
