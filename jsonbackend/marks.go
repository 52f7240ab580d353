package jsonbackend

import (
	"maps"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

// marks are keys that a file has to look at.
type marks struct {
	all  bool // every key
	keys map[lens.Key]struct{}
}

// mostMarks is how many keys are marked one by one: a file that cannot be published for long marks no more than that.
const mostMarks = 1 << 18

func (m *marks) add(key lens.Key) {
	if m.all {
		return
	}
	if len(m.keys) == mostMarks {
		*m = marks{all: true}
		return
	}
	if m.keys == nil {
		m.keys = map[lens.Key]struct{}{}
	}
	m.keys[key] = struct{}{}
}

// merge adds the marks of o, which is not used afterwards.
func (m *marks) merge(o marks) {
	switch {
	case o.all:
		*m = o
	case len(m.keys) == 0 && !m.all:
		*m = o
	default:
		for key := range o.keys {
			m.add(key)
		}
	}
}

func (m *marks) empty() bool { return !m.all && len(m.keys) == 0 }

// list is the keys as [lens.View.Update] takes them: nil means every key.
func (m *marks) list() []lens.Key {
	if m.all {
		return nil
	}
	return slices.Collect(maps.Keys(m.keys))
}
