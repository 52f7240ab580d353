package value

import (
	"bytes"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

var (
	_ Value = (*Str)(nil)
	_ Value = (*List)(nil)
	_ Value = (*Hash)(nil)
	_ Value = (*Set)(nil)
	_ Value = (*ZSet)(nil)
)

// tightLimits lets small tests cross every limit.
func tightLimits() *Limits {
	return &Limits{HashEntries: 6, HashValue: 5, SetInts: 6, ZSetEntries: 6, ZSetValue: 5}
}

// word draws strings that are often equal and sometimes longer than the limits.
func word(t *rapid.T, label string) string {
	return rapid.StringMatching(`[a-e]{1,2}|[a-c]{6}|-?[0-9]{1,2}|\x00?`).Draw(t, label)
}

// strModel is a string as nobody would optimize it, and how it was made last.
type strModel struct {
	text []byte
	made making
}

func (m *strModel) encoding() string {
	n, err := strconv.ParseInt(string(m.text), 10, 64)
	switch {
	case m.made == madeInPlace || len(m.text) > 44:
		return EncodingRaw
	case m.made == madeWhole && err == nil && strconv.FormatInt(n, 10) == string(m.text):
		return EncodingInt
	}
	return EncodingEmbstr
}

// Copies are edited apart, and what somebody kept of a copy that is edited no more stays as it was.
func TestStrLikeItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type pair struct {
			s *Str
			m strModel
		}
		all := []*pair{{s: &Str{B: append(make([]byte, 0, 64), "12"...)}, m: strModel{text: []byte("12")}}}
		one := func(t *rapid.T) *pair { return rapid.SampledFrom(all).Draw(t, "string") }
		bytesOf := func(t *rapid.T) []byte {
			return []byte(rapid.StringMatching(`-?[0-9]{0,3}|[a-z]{40,50}`).Draw(t, "bytes"))
		}
		type kept struct {
			bytes []byte
			text  string
		}
		var memory []kept
		t.Repeat(map[string]func(*rapid.T){
			"Append": func(t *rapid.T) {
				p, b := one(t), bytesOf(t)
				p.s.Append(b)
				p.m = strModel{append(slices.Clone(p.m.text), b...), madeInPlace}
			},
			"Edit": func(t *rapid.T) {
				p, b, at := one(t), bytesOf(t), rapid.IntRange(0, 60).Draw(t, "at")
				text := slices.Clone(p.m.text)
				for len(text) < at+len(b) {
					text = append(text, 0)
				}
				copy(text[at:], b)
				copy(p.s.Edit(at + len(b))[at:], b)
				p.m = strModel{text, madeInPlace}
			},
			"Set": func(t *rapid.T) {
				p, b := one(t), bytesOf(t)
				p.s.Set(b)
				p.m = strModel{b, madeWhole}
			},
			"SetFloat": func(t *rapid.T) {
				p, b := one(t), bytesOf(t)
				p.s.SetFloat(b)
				p.m = strModel{b, madeFloat}
			},
			"Clone": func(t *rapid.T) {
				p := one(t)
				all = append(all, &pair{p.s.Clone().(*Str), p.m})
			},
			"Freeze": func(t *rapid.T) { // the original is not edited any more
				p := one(t)
				memory = append(memory, kept{p.s.B, string(p.s.B)})
				p.s = p.s.Clone().(*Str)
			},
			"": func(t *rapid.T) {
				for _, p := range all {
					if !bytes.Equal(p.s.B, p.m.text) || p.s.Len() != len(p.m.text) {
						t.Fatalf("%q, want %q", p.s.B, p.m.text)
					}
					if got, want := p.s.Encoding(), p.m.encoding(); got != want {
						t.Fatalf("%q is %s, want %s", p.s.B, got, want)
					}
				}
				for _, k := range memory {
					if string(k.bytes) != k.text {
						t.Fatalf("what was kept is now %q, and was %q", k.bytes, k.text)
					}
				}
			},
		})
	})
}

// What is appended after a copy was made is not a reason to copy what was there before.
func TestStrIsNotCopiedToAppend(t *testing.T) {
	s := &Str{}
	s.Edit(1000)
	s.Append([]byte("room"))
	frozen, room := s.B, cap(s.B)-len(s.B)
	c := s.Clone().(*Str)
	c.Append(bytes.Repeat([]byte("c"), room))
	if &c.B[0] != &frozen[0] {
		t.Error("the copy that was made last had no room")
	}
	s.Append([]byte("s"))
	if &s.B[0] == &frozen[0] {
		t.Error("both copies append in one place")
	}
}

// Strings grow at their end without being copied each time, and not by more than a quarter more than they need.
func TestStrGrowsByAQuarter(t *testing.T) {
	var s Str
	copies := 0
	for n := 1; n <= 1<<20; n++ {
		room := cap(s.B)
		s.Edit(n)[n-1] = 'x'
		if cap(s.B) != room {
			copies++
		}
		if cap(s.B) > n+n/4+1 {
			t.Fatalf("room for %d bytes where %d are needed", cap(s.B), n)
		}
	}
	if copies > 100 {
		t.Errorf("%d copies", copies)
	}
}

func TestStrEncoding(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    EncodingEmbstr,
		"0":                                   EncodingInt,
		"-0":                                  EncodingEmbstr,
		"-":                                   EncodingEmbstr,
		"+1":                                  EncodingEmbstr,
		"01":                                  EncodingEmbstr,
		"1.0":                                 EncodingEmbstr,
		" 1":                                  EncodingEmbstr,
		"-17":                                 EncodingInt,
		"9223372036854775807":                 EncodingInt,
		"9223372036854775808":                 EncodingEmbstr,
		"-9223372036854775808":                EncodingInt,
		"-9223372036854775809":                EncodingEmbstr,
		"-92233720368547758080":               EncodingEmbstr,
		string(bytes.Repeat([]byte("x"), 44)): EncodingEmbstr,
		string(bytes.Repeat([]byte("x"), 45)): EncodingRaw,
	} {
		if got := (&Str{B: []byte(text)}).Encoding(); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestParseIntTakesOnlyWhatPrintsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`[-+]?[0-9]{0,21}`),
			rapid.Map(rapid.Int64(), func(n int64) string { return strconv.FormatInt(n, 10) }),
		).Draw(t, "s")
		want, err := strconv.ParseInt(s, 10, 64)
		canonical := err == nil && strconv.FormatInt(want, 10) == s
		if got, ok := parseInt(s); ok != canonical || ok && got != want {
			t.Fatalf("parseInt(%q) = %d, %v; want %d, %v", s, got, ok, want, canonical)
		}
	})
}

// TestEncodings pins the limits of Redis 7.0.15: the last size that is compact and the first that is not.
func TestEncodings(t *testing.T) {
	limits := DefaultLimits()
	long := func(n int) string { return string(bytes.Repeat([]byte("m"), n)) }
	hash := func(n int, value string) string {
		h := NewHash(&limits)
		for i := range n {
			h.Set(strconv.Itoa(i), value)
		}
		return h.Encoding()
	}
	set := func(n int, more ...string) string {
		s := NewSet(&limits)
		for i := range n {
			s.Add(strconv.Itoa(i))
		}
		for _, m := range more {
			s.Add(m)
		}
		return s.Encoding()
	}
	zset := func(n int, more ...string) string {
		z := NewZSet(&limits)
		for i := range n {
			z.Add(strconv.Itoa(i), 0)
		}
		for _, m := range more {
			z.Add(m, 1)
		}
		return z.Encoding()
	}
	for _, c := range []struct{ what, got, want string }{
		{"hash of 512", hash(512, long(64)), EncodingListpack},
		{"hash of 513", hash(513, ""), EncodingHashtable},
		{"hash with a value of 65", hash(1, long(65)), EncodingHashtable},
		{"set of 512 integers", set(512), EncodingIntset},
		{"set of 513 integers", set(513), EncodingHashtable},
		{"set with 03", set(1, "03"), EncodingHashtable},
		{"set of one name", set(0, "a"), EncodingHashtable},
		{"sorted set of 128", zset(128), EncodingListpack},
		{"sorted set of 128, one again", zset(128, "0"), EncodingListpack},
		{"sorted set of 129", zset(129), EncodingSkiplist},
		{"sorted set with a member of 64", zset(0, long(64)), EncodingListpack},
		{"sorted set with a member of 65", zset(0, long(65)), EncodingSkiplist},
		{"list", NewList().Encoding(), EncodingQuicklist},
	} {
		if c.got != c.want {
			t.Errorf("%s is %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestLimitsMayChangeAtRunTime(t *testing.T) {
	limits := DefaultLimits()
	h := NewHash(&limits)
	h.Set("a", "1")
	limits.HashEntries = 1
	if h.Encoding() != EncodingListpack {
		t.Error("a hash left its compact form without an edit")
	}
	h.Set("b", "2")
	if h.Encoding() != EncodingHashtable {
		t.Error("an edit did not see the new limit")
	}
	h.Delete("b")
	if h.Encoding() != EncodingHashtable {
		t.Error("a hash went back to its compact form")
	}
}

// scanAll runs scan with the count until the end.
func scanAll(t rapid.TB, count int, scan func(cursor uint64, count int) uint64) {
	t.Helper()
	for cursor := scan(0, count); cursor != 0; {
		next := scan(cursor, count)
		if next != 0 && next <= cursor || cursor >= 1<<53 {
			t.Fatalf("cursor %d after %d", next, cursor)
		}
		cursor = next
	}
}

func sorted[E any](s []E, cmp func(a, b E) int) []E {
	s = slices.Clone(s)
	slices.SortFunc(s, cmp)
	return s
}

func TestIteratorsStopWhenAsked(t *testing.T) {
	limits := DefaultLimits()
	for _, size := range []int{5, 600} { // compact and not
		hash, set, zset, list := NewHash(&limits), NewSet(&limits), NewZSet(&limits), NewList()
		for i := range size {
			s := strconv.Itoa(i)
			hash.Set(s, s)
			set.Add(s)
			zset.Add(s, 0)
			list.PushBack(s)
		}
		n := 0
		for range hash.All() {
			n++
			break
		}
		for range set.All() {
			n++
			break
		}
		for range zset.RevRange(0, size) {
			n++
			break
		}
		for range list.All() {
			n++
			break
		}
		if n != 4 {
			t.Errorf("%d elements from 4 iterators stopped at once", n)
		}
	}
}
