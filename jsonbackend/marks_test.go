package jsonbackend

import (
	"fmt"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

func TestMarksMerge(t *testing.T) {
	some := func(names ...string) (m marks) {
		for _, n := range names {
			m.add(lens.Key{Name: n})
		}
		return m
	}
	for _, tt := range []struct {
		name string
		a, b marks
		want int // keys; -1 = all
	}{
		{"nothing", marks{}, marks{}, 0},
		{"into nothing", marks{}, some("a", "b"), 2},
		{"of nothing", some("a"), marks{}, 1},
		{"each key once", some("a", "b"), some("b", "c"), 3},
		{"all wins", some("a"), marks{all: true}, -1},
		{"all stays", marks{all: true}, some("a"), -1},
	} {
		tt.a.merge(tt.b)
		switch keys := tt.a.list(); {
		case tt.want < 0 && keys != nil, tt.want >= 0 && len(keys) != tt.want:
			t.Errorf("%s: %v, want %d keys", tt.name, keys, tt.want)
		case tt.a.empty() != (tt.want == 0):
			t.Errorf("%s: empty is %v", tt.name, tt.a.empty())
		}
	}
}

func TestMarksDoNotGrowForEver(t *testing.T) {
	var m marks
	for i := range mostMarks + 1 {
		m.add(lens.Key{Name: fmt.Sprint(i)})
	}
	if !m.all || m.keys != nil {
		t.Errorf("after %d keys %d are marked one by one", mostMarks+1, len(m.keys))
	}
}
