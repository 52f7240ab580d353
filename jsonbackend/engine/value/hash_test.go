package value

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// hashModel is a hash as Redis' listpack keeps it, in order of insertion.
type hashModel struct {
	pairs []hashPair
	big   bool
}

func (m *hashModel) index(field string) int {
	return slices.IndexFunc(m.pairs, func(p hashPair) bool { return p.field == field })
}

func (m *hashModel) set(l *Limits, field, value string) (created bool) {
	m.big = m.big || len(field) > l.HashValue || len(value) > l.HashValue
	if i := m.index(field); i >= 0 {
		m.pairs[i].value = value
		return false
	}
	m.pairs = append(m.pairs, hashPair{field, value})
	m.big = m.big || len(m.pairs) > l.HashEntries
	return true
}

func comparePairs(a, b hashPair) int { return strings.Compare(a.field, b.field) }

func (m *hashModel) check(t *rapid.T, h *Hash) {
	var all, byAt, scanned []hashPair
	for f, v := range h.All() {
		all = append(all, hashPair{f, v})
	}
	for i := range h.Len() {
		f, v := h.At(i)
		byAt = append(byAt, hashPair{f, v})
	}
	scanAll(t, 3, func(cursor uint64, count int) uint64 {
		return h.Scan(cursor, count, func(f, v string) { scanned = append(scanned, hashPair{f, v}) })
	})
	if !slices.Equal(all, byAt) || !slices.Equal(all, scanned) {
		t.Fatalf("All %q, At %q, Scan %q", all, byAt, scanned)
	}
	want := m.pairs
	if m.big {
		all, want = sorted(all, comparePairs), sorted(want, comparePairs)
	}
	if !slices.Equal(all, want) {
		t.Fatalf("have %q, want %q", all, want)
	}
	if big := h.Encoding() == EncodingHashtable; big != m.big {
		t.Fatalf("big %v, want %v", big, m.big)
	}
}

func TestHashIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := tightLimits()
		hashes := copies[*Hash, *hashModel]{{NewHash(limits), &hashModel{}}}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				c := hashes.pick(t)
				f, v := word(t, "field"), word(t, "value")
				if got, want := c.val.Set(f, v), c.model.set(limits, f, v); got != want {
					t.Fatalf("Set(%q) = %v, want %v", f, got, want)
				}
			},
			"set many": func(t *rapid.T) {
				c := hashes.pick(t)
				for i := range 90 {
					f := strconv.Itoa(i)
					if got, want := c.val.Set(f, ""), c.model.set(limits, f, ""); got != want {
						t.Fatalf("Set(%q) = %v, want %v", f, got, want)
					}
				}
			},
			"get": func(t *rapid.T) {
				c := hashes.pick(t)
				f := word(t, "field")
				v, ok := c.val.Get(f)
				i := c.model.index(f)
				if ok != (i >= 0) || ok && v != c.model.pairs[i].value {
					t.Fatalf("Get(%q) = %q, %v", f, v, ok)
				}
			},
			"delete": func(t *rapid.T) {
				c := hashes.pick(t)
				f := word(t, "field")
				i := c.model.index(f)
				if got := c.val.Delete(f); got != (i >= 0) {
					t.Fatalf("Delete(%q) = %v", f, got)
				}
				if i >= 0 {
					c.model.pairs = slices.Delete(c.model.pairs, i, i+1)
				}
			},
			"clone": func(t *rapid.T) {
				c := hashes.pick(t)
				hashes.add(t, c.val.Clone().(*Hash), &hashModel{slices.Clone(c.model.pairs), c.model.big})
			},
			"": func(t *rapid.T) {
				for _, c := range hashes {
					c.model.check(t, c.val)
				}
			},
		})
	})
}

func TestHashScanWhileOthersAreDeleted(t *testing.T) {
	h := NewHash(tightLimits())
	var want []string
	for i := range 1000 {
		f := strconv.Itoa(i)
		h.Set(f, "")
		if i%2 == 0 {
			want = append(want, f)
		}
	}
	var got []string
	i := 1
	scanAll(t, 10, func(cursor uint64, count int) uint64 {
		next := h.Scan(cursor, count, func(f, _ string) {
			if n, _ := strconv.Atoi(f); n%2 == 0 {
				got = append(got, f)
			}
		})
		for range 7 {
			h.Delete(strconv.Itoa(i))
			h.Set("new"+strconv.Itoa(i), "")
			i += 2
		}
		return next
	})
	got, want = sorted(got, strings.Compare), sorted(want, strings.Compare)
	got = slices.DeleteFunc(got, func(f string) bool { return strings.HasPrefix(f, "new") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
