package glob

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/redis/go-redis/v9"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, s string
		fold, want bool
	}{
		{"", "", false, true},
		{"", "a", false, false},
		{"*", "a", false, true},
		{"*", "", false, false}, // Redis asks for at least one byte
		{"a*", "a", false, true},
		{"a**", "a", false, true},
		{"*a", "ba", false, true},
		{"*a", "ab", false, false},
		{"a*b*c", "a-b-b-c", false, true},
		{"a*b*c", "a-c-b", false, false},
		{"*ab", "aab", false, true},
		{"?", "a", false, true},
		{"?", "ab", false, false},
		{"a?", "a", false, false},
		{"omni:agent:*:*", "omni:agent:t:n", false, true},
		{"omni:agent:*", "omni:agents:t", false, false},
		{"abc", "ABC", false, false},
		{"abc", "ABC", true, true},
		{"é", "É", true, false},
		{`\*`, "*", false, true},
		{`\*`, "a", false, false},
		{`a\`, `a\`, false, true},
		{`\a`, "A", true, true},
		{"[ab]", "b", false, true},
		{"[ab]", "c", false, false},
		{"[^ab]", "c", false, true},
		{"[^ab]", "a", false, false},
		{"[a-c]x", "bx", false, true},
		{"[c-a]x", "bx", false, true},
		{"[a-c]", "B", true, true},
		{"[Z-a]", "z", true, false},
		{`[\]]`, "]", false, true},
		{`[\a]`, "A", true, false},
		{`[\`, `\`, false, true},
		{"[ab", "b", false, true},
		{"[", "[", false, false},
		{"[^", "x", false, true},
		{"[]", "]", false, false},
		{"[^]x", "ax", false, true},
		{"[a-]", "]", false, true},
		{"[a-]x]", "a", false, true},
		{"[\xff-a]", "A", false, true},
		{"[a-\xff]", "b", false, false},
		{"a]", "a]", false, true},
	}
	for _, tt := range tests {
		if got := Match([]byte(tt.pattern), []byte(tt.s), tt.fold); got != tt.want {
			t.Errorf("Match(%q, %q, fold=%v) = %v", tt.pattern, tt.s, tt.fold, got)
		}
	}
}

func TestStarsAreLimitedAsInRedis(t *testing.T) {
	s := strings.Repeat("a", 2*maxStars)
	tests := []struct {
		pattern string
		want    bool
	}{
		{strings.Repeat("*a", maxStars), true},
		{strings.Repeat("*a", maxStars+1), false},
		{strings.Repeat("a*", maxStars+1), true},
		{strings.Repeat("a*", maxStars+2), false},
	}
	rdb := dial(t)
	set(t, rdb, s)
	for _, tt := range tests {
		got := Match([]byte(tt.pattern), []byte(s), false)
		live := len(matchingKeys(t, rdb, tt.pattern)) == 1
		if got != tt.want || live != tt.want {
			t.Errorf("%.4s... of %d bytes: Match %v, Redis %v, want %v", tt.pattern, len(tt.pattern), got, live, tt.want)
		}
	}
}

// A matcher that tries every star against every length needs 5000^500 steps.
func TestHostilePatternEnds(t *testing.T) {
	pattern := strings.Repeat("a*", 500) + "b"
	if Match([]byte(pattern), []byte(strings.Repeat("a", 5000)), false) {
		t.Fatal("matched without a b")
	}
}

func TestMatchAgreesWithKeys(t *testing.T) {
	rdb := dial(t)
	r := rand.New(rand.NewPCG(1, 2))
	names := map[string]bool{"": true}
	for len(names) < 300 {
		names[randomText(r, "aabbcAZ]^-\\\xe9\x00", 6)] = true
	}
	keys := slices.Sorted(maps.Keys(names))
	set(t, rdb, keys...)
	for range 3000 {
		pattern := randomText(r, "aabbAZ**?[[]^-\\\xe9\x00", 9)
		if pattern == "*" {
			continue // KEYS answers this one without matching
		}
		if diff := cmp.Diff(matchingKeys(t, rdb, pattern), filter(keys, pattern, false)); diff != "" {
			t.Fatalf("pattern %q (-Redis +Match):\n%s", pattern, diff)
		}
	}
}

// Redis folds case for the names of commands, libraries and options.
func TestMatchAgreesWithCommandList(t *testing.T) {
	rdb := dial(t)
	names := commandNames(t, rdb)
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		pattern := "*" + randomText(r, "eEtTgGZ*?[[]^-\\|", 8)
		want := commandNames(t, rdb, "FILTERBY", "PATTERN", pattern)
		if diff := cmp.Diff(want, filter(names, pattern, true)); diff != "" {
			t.Fatalf("pattern %q (-Redis +Match):\n%s", pattern, diff)
		}
	}
}

// FuzzMatch compares with a matcher that tries every length for every star.
func FuzzMatch(f *testing.F) {
	f.Add([]byte("a*[^b-d]?*\\"), []byte("abcdef"), false)
	f.Add([]byte("[Z-a]*["), []byte("zz"), true)
	f.Fuzz(func(t *testing.T, pattern, s []byte, fold bool) {
		got := Match(pattern, s, fold)
		if bytes.Count(pattern, []byte("*")) > 5 || len(s) > 40 {
			return // the naive matcher is exponential
		}
		if want := matchNaively(pattern, s, fold) && (len(s) > 0 || len(pattern) == 0); got != want {
			t.Errorf("Match(%q, %q, %v) = %v", pattern, s, fold, got)
		}
	})
}

func matchNaively(pattern, s []byte, fold bool) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	if pattern[0] == '*' {
		for i := range len(s) + 1 {
			if matchNaively(pattern[1:], s[i:], fold) {
				return true
			}
		}
		return false
	}
	if len(s) == 0 {
		return false
	}
	n, ok := matchOne(pattern, s[0], fold)
	return ok && matchNaively(pattern[n:], s[1:], fold)
}

func dial(t *testing.T) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: redistest.Start(t)})
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

func set(t *testing.T, rdb *redis.Client, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if err := rdb.Set(t.Context(), k, "", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func matchingKeys(t *testing.T, rdb *redis.Client, pattern string) []string {
	t.Helper()
	keys, err := rdb.Keys(t.Context(), pattern).Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// commandNames is COMMAND LIST with a filter, sorted.
func commandNames(t *testing.T, rdb *redis.Client, filter ...any) []string {
	t.Helper()
	names, err := rdb.Do(t.Context(), append([]any{"COMMAND", "LIST"}, filter...)...).StringSlice()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func filter(names []string, pattern string, fold bool) []string {
	matching := []string{}
	for _, n := range names {
		if Match([]byte(pattern), []byte(n), fold) {
			matching = append(matching, n)
		}
	}
	return matching
}

// randomText draws words in which patterns and names meet often.
func randomText(r *rand.Rand, alphabet string, maxLen int) string {
	b := make([]byte, r.IntN(maxLen+1))
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}
