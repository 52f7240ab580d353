package value

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

type zsetModel struct {
	items []zsetItem // in order
	big   bool
}

func compareZSetItems(a, b zsetItem) int {
	return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.member, b.member))
}

func (m *zsetModel) index(member string) int {
	return slices.IndexFunc(m.items, func(it zsetItem) bool { return it.member == member })
}

func (m *zsetModel) add(l *Limits, member string, score float64) (added, changed bool) {
	if i := m.index(member); i >= 0 {
		changed = m.items[i].score != score
		if !changed {
			return false, false
		}
		m.items = slices.Delete(m.items, i, i+1)
	} else {
		added = true
	}
	at, _ := slices.BinarySearchFunc(m.items, zsetItem{score, member}, compareZSetItems)
	m.items = slices.Insert(m.items, at, zsetItem{score, member})
	m.big = m.big || added && (len(m.items) > l.ZSetEntries || len(member) > l.ZSetValue)
	return added, changed
}

func collectZSet(seq iter.Seq2[string, float64]) []zsetItem {
	var items []zsetItem
	for member, score := range seq {
		items = append(items, zsetItem{score, member})
	}
	return items
}

func (m *zsetModel) check(t *rapid.T, z *ZSet) {
	checkTree(t, &z.order)
	if got := collectZSet(z.All()); !slices.Equal(got, m.items) || z.Len() != len(m.items) {
		t.Fatalf("have %v (%d), want %v", got, z.Len(), m.items)
	}
	var scanned []zsetItem
	scanAll(t, 3, func(cursor uint64, count int) uint64 {
		return z.Scan(cursor, count, func(member string, score float64) {
			scanned = append(scanned, zsetItem{score, member})
		})
	})
	if m.big {
		scanned = sorted(scanned, compareZSetItems)
	}
	if !slices.Equal(scanned, m.items) {
		t.Fatalf("scanned %v, want %v", scanned, m.items)
	}
	if big := z.Encoding() == EncodingSkiplist; big != m.big {
		t.Fatalf("big %v, want %v", big, m.big)
	}
}

func (m *zsetModel) checkMember(t *rapid.T, z *ZSet, member string) {
	i := m.index(member)
	score, ok := z.Score(member)
	rank, ok1 := z.Rank(member)
	rev, ok2 := z.RevRank(member)
	if ok != (i >= 0) || ok1 != ok || ok2 != ok {
		t.Fatalf("%q: Score %v, Rank %v, RevRank %v, want %v", member, ok, ok1, ok2, i >= 0)
	}
	if !ok {
		return
	}
	if score != m.items[i].score || rank != i || rev != len(m.items)-1-i {
		t.Fatalf("%q: score %v, rank %d, from behind %d; want %v, %d", member, score, rank, rev, m.items[i].score, i)
	}
	if at, atScore := z.At(rank); at != member || atScore != score {
		t.Fatalf("At(%d) = %q, %v, want %q, %v", rank, at, atScore, member, score)
	}
}

func drawScore(t *rapid.T) float64 {
	return rapid.SampledFrom([]float64{math.Inf(-1), -1.5, math.Copysign(0, -1), 0, 1, 2, 1e300, math.Inf(1)}).Draw(t, "score")
}

func TestZSetIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := tightLimits()
		zsets := copies[*ZSet, *zsetModel]{{NewZSet(limits), &zsetModel{}}}
		add := func(t *rapid.T, c *copied[*ZSet, *zsetModel], member string, score float64) {
			added, changed := c.val.Add(member, score)
			if wantAdded, wantChanged := c.model.add(limits, member, score); added != wantAdded || changed != wantChanged {
				t.Fatalf("Add(%q, %v) = %v, %v, want %v, %v", member, score, added, changed, wantAdded, wantChanged)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) { add(t, zsets.pick(t), word(t, "member"), drawScore(t)) },
			"add many": func(t *rapid.T) {
				c := zsets.pick(t)
				for i := range 90 {
					add(t, c, strconv.Itoa(i), float64(i*7%10))
				}
			},
			"member": func(t *rapid.T) {
				c := zsets.pick(t)
				c.model.checkMember(t, c.val, word(t, "member"))
			},
			"remove range": func(t *rapid.T) {
				c := zsets.pick(t)
				from := rapid.SampledFrom([]int{0, rapid.IntRange(0, len(c.model.items)).Draw(t, "front")}).Draw(t, "from")
				to := rapid.SampledFrom([]int{len(c.model.items), rapid.IntRange(from, len(c.model.items)).Draw(t, "back")}).Draw(t, "to")
				c.val.RemoveRange(from, to)
				c.model.items = slices.Delete(slices.Clone(c.model.items), from, to)
			},
			"remove": func(t *rapid.T) {
				c := zsets.pick(t)
				member := word(t, "member")
				i := c.model.index(member)
				if got := c.val.Remove(member); got != (i >= 0) {
					t.Fatalf("Remove(%q) = %v", member, got)
				}
				if i >= 0 {
					c.model.items = slices.Delete(c.model.items, i, i+1)
				}
			},
			"range": func(t *rapid.T) {
				c := zsets.pick(t)
				from := rapid.IntRange(-2, len(c.model.items)+2).Draw(t, "from")
				to := rapid.IntRange(-2, len(c.model.items)+2).Draw(t, "to")
				low := max(0, min(from, len(c.model.items)))
				want := slices.Clone(c.model.items[low:max(low, min(to, len(c.model.items)))])
				if got := collectZSet(c.val.Range(from, to)); !slices.Equal(got, want) {
					t.Fatalf("Range(%d, %d) = %v, want %v", from, to, got, want)
				}
				slices.Reverse(want)
				if got := collectZSet(c.val.RevRange(from, to)); !slices.Equal(got, want) {
					t.Fatalf("RevRange(%d, %d) = %v, want %v", from, to, got, want)
				}
			},
			"score range": func(t *rapid.T) {
				c := zsets.pick(t)
				low := ScoreBound{drawScore(t), rapid.Bool().Draw(t, "low exclusive")}
				high := ScoreBound{drawScore(t), rapid.Bool().Draw(t, "high exclusive")}
				var want []zsetItem
				for _, it := range c.model.items {
					if (it.score > low.Score || it.score == low.Score && !low.Exclusive) &&
						(it.score < high.Score || it.score == high.Score && !high.Exclusive) {
						want = append(want, it)
					}
				}
				from, to := c.val.ScoreRange(low, high)
				if got := collectZSet(c.val.Range(from, to)); !slices.Equal(got, want) || to-from != len(want) {
					t.Fatalf("ScoreRange(%v, %v) = [%d, %d) = %v, want %v", low, high, from, to, got, want)
				}
			},
			"clone": func(t *rapid.T) {
				c := zsets.pick(t)
				zsets.add(t, c.val.Clone().(*ZSet), &zsetModel{slices.Clone(c.model.items), c.model.big})
			},
			"": func(t *rapid.T) {
				for _, c := range zsets {
					c.model.check(t, c.val)
				}
			},
		})
	})
}

func TestZSetLexRange(t *testing.T) {
	bound := rapid.Custom(func(t *rapid.T) LexBound {
		return LexBound{word(t, "member"), rapid.Bool().Draw(t, "exclusive"), rapid.IntRange(-1, 1).Draw(t, "end")}
	})
	rapid.Check(t, func(t *rapid.T) {
		z := NewZSet(tightLimits())
		members := rapid.SliceOf(rapid.Custom(func(t *rapid.T) string { return word(t, "member") })).Draw(t, "members")
		for _, m := range members {
			z.Add(m, 1)
		}
		slices.Sort(members)
		low, high := bound.Draw(t, "low"), bound.Draw(t, "high")
		var want []string
		for _, m := range slices.Compact(members) {
			above := low.End < 0 || low.End == 0 && (m > low.Member || m == low.Member && !low.Exclusive)
			below := high.End > 0 || high.End == 0 && (m < high.Member || m == high.Member && !high.Exclusive)
			if above && below {
				want = append(want, m)
			}
		}
		from, to := z.LexRange(low, high)
		var got []string
		for m := range z.Range(from, to) {
			got = append(got, m)
		}
		if !slices.Equal(got, want) || to-from != len(want) {
			t.Fatalf("LexRange(%+v, %+v) = %q, want %q", low, high, got, want)
		}
	})
}

func TestZSetHoldsOneStringPerMember(t *testing.T) {
	z := NewZSet(&Limits{})
	z.Add("member", 1)
	z.Add(strings.Clone("member"), 2)
	ordered, _ := z.At(0)
	if keyed := z.scores.items.at(0).key; unsafe.StringData(ordered) != unsafe.StringData(keyed) {
		t.Error("a new score brought a second string")
	}
}
