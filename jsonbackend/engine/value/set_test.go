package value

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

type setModel struct {
	members map[string]bool
	big     bool
}

func (m *setModel) add(l *Limits, member string) bool {
	if _, isInt := parseInt(member); !isInt {
		m.big = true
	}
	created := !m.members[member]
	m.members[member] = true
	m.big = m.big || len(m.members) > l.SetInts
	return created
}

func (m *setModel) check(t *rapid.T, s *Set) {
	all := slices.Collect(s.All())
	var byAt, scanned []string
	for i := range s.Len() {
		byAt = append(byAt, s.At(i))
	}
	scanAll(t, 3, func(cursor uint64, count int) uint64 {
		return s.Scan(cursor, count, func(member string) { scanned = append(scanned, member) })
	})
	if !slices.Equal(all, byAt) || !slices.Equal(all, scanned) {
		t.Fatalf("All %q, At %q, Scan %q", all, byAt, scanned)
	}
	want := slices.Collect(maps.Keys(m.members))
	if m.big {
		slices.Sort(all)
		slices.Sort(want)
	} else {
		slices.SortFunc(want, func(a, b string) int {
			m, _ := strconv.Atoi(a)
			n, _ := strconv.Atoi(b)
			return m - n
		})
	}
	if !slices.Equal(all, want) {
		t.Fatalf("have %q, want %q", all, want)
	}
	if big := s.Encoding() == EncodingHashtable; big != m.big {
		t.Fatalf("big %v, want %v", big, m.big)
	}
}

func TestSetIsLikeItsModel(t *testing.T) {
	// Mostly integers, so that half of the runs stay compact.
	member := rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
			return word(t, "member")
		}
		return strconv.Itoa(rapid.IntRange(-9, 9).Draw(t, "member"))
	})
	rapid.Check(t, func(t *rapid.T) {
		limits := tightLimits()
		sets := copies[*Set, *setModel]{{NewSet(limits), &setModel{members: map[string]bool{}}}}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				c := sets.pick(t)
				m := member.Draw(t, "member")
				if got, want := c.val.Add(m), c.model.add(limits, m); got != want {
					t.Fatalf("Add(%q) = %v, want %v", m, got, want)
				}
			},
			"add many": func(t *rapid.T) {
				c := sets.pick(t)
				for i := range rapid.SampledFrom([]int{3, 90}).Draw(t, "n") {
					m := strconv.Itoa(i)
					if got, want := c.val.Add(m), c.model.add(limits, m); got != want {
						t.Fatalf("Add(%q) = %v, want %v", m, got, want)
					}
				}
			},
			"has": func(t *rapid.T) {
				c := sets.pick(t)
				if m := member.Draw(t, "member"); c.val.Has(m) != c.model.members[m] {
					t.Fatalf("Has(%q) = %v", m, c.val.Has(m))
				}
			},
			"remove": func(t *rapid.T) {
				c := sets.pick(t)
				m := member.Draw(t, "member")
				if got := c.val.Remove(m); got != c.model.members[m] {
					t.Fatalf("Remove(%q) = %v", m, got)
				}
				delete(c.model.members, m)
			},
			"clone": func(t *rapid.T) {
				c := sets.pick(t)
				sets.add(t, c.val.Clone().(*Set), &setModel{maps.Clone(c.model.members), c.model.big})
			},
			"": func(t *rapid.T) {
				for _, c := range sets {
					c.model.check(t, c.val)
				}
			},
		})
	})
}
