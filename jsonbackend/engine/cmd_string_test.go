package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestStringsAnswerLikeRedis(t *testing.T) { answersLikeRedis(t, stringCommand) }

// text is what a string may hold: numbers and nearly numbers, binary, longer than a compact string, long.
func text(r *rand.Rand) string {
	return pick(r, "", "a", "abc", "a\x00\xff\r\n", "0", "1", "-1", "9999", "10000", "007", "-0", " 1", "1.5", "-2.50", "1e3", "0x1f", "inf", "nan",
		"9223372036854775807", "-9223372036854775808", "9223372036854775808", strings.Repeat("x", 44), strings.Repeat("x", 45),
		strings.Repeat("ab", 1500), letters(r, r.IntN(40)), letters(r, r.IntN(40)))
}

// letters is a text that has much in common with others of its kind.
func letters(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abc"[r.IntN(3)]
	}
	return string(b)
}

// fixed are instants that both servers agree on.
func fixed(r *rand.Rand) []string {
	return pick(r, []string{"EXAT", "4000000000"}, []string{"exat", strconv.Itoa(4_000_000_000 + r.IntN(9))}, []string{"PXAT", "4000000000123"})
}

func stringCommand(r *rand.Rand) trial {
	key := anyKey(r)
	switch r.IntN(24) {
	case 0, 1, 2:
		return trial{args: []string{"SET", key, text(r)}}
	case 3, 4:
		if r.IntN(3) == 0 { // and not broken, or it might be an instant in the past
			return trial{args: slices.Concat([]string{"SET", key, text(r)}, fixed(r)), intact: true}
		}
		args := []string{"SET", key, text(r)}
		for range 1 + r.IntN(2) {
			args = append(args, pick(r, []string{"EX", "100000"}, []string{"PX", "100000000"}, []string{"KEEPTTL"}, []string{"NX"}, []string{"XX"},
				[]string{"GET"}, []string{"get"}, []string{"EX"}, []string{"EX", "0"}, []string{"PX", "9223372036854775807"}, []string{"PERSIST"})...)
		}
		return trial{args: args}
	case 5:
		return trial{args: []string{pick(r, "SETNX", "GETSET"), key, text(r)}}
	case 6:
		return trial{args: []string{pick(r, "SETEX", "PSETEX"), key, pick(r, "100000000", "0", "-1", "x", "9223372036854775807"), text(r)}}
	case 7:
		args := []string{pick(r, "MSET", "MSET", "MSETNX")}
		for range 1 + r.IntN(3) {
			args = append(args, anyKey(r), text(r))
		}
		return trial{args: args}
	case 8:
		return trial{args: []string{"MGET", key, anyKey(r), "none"}}
	case 9, 10:
		return trial{args: []string{pick(r, "GET", "GET", "GETDEL", "STRLEN"), key}}
	case 11:
		args := []string{"GETEX", key}
		if r.IntN(4) > 0 {
			args = append(args, pick(r, fixed(r), []string{"EX", "100000"}, []string{"PX", "100000000"}, []string{"persist"}, []string{"PXAT", "1"}, []string{"EXAT", "1"},
				[]string{"EX", "0"}, []string{"PX", "-1"}, []string{"KEEPTTL"}, []string{"EX", "5", "PERSIST"}, []string{"EX", "100000", "EX", "x"}, []string{"PERSIST", "PERSIST"})...)
		}
		return trial{args: args}
	case 12:
		return trial{args: []string{pick(r, "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"), key}, compare: asLifetime}
	case 13, 14:
		return trial{args: []string{"APPEND", key, text(r)}}
	case 15:
		return trial{args: []string{pick(r, "GETRANGE", "SUBSTR"), key, index(r), index(r)}}
	case 16:
		return trial{args: []string{"SETRANGE", key, pick(r, index(r), "0", "3", "44", "5000", "536870912", "9223372036854775807"), text(r)}}
	case 17:
		return trial{args: []string{pick(r, "INCR", "DECR"), key}}
	case 18, 19:
		return trial{args: []string{pick(r, "INCRBY", "DECRBY"), key, increment(r)}}
	case 20:
		return trial{args: []string{"INCRBYFLOAT", key, increment(r)}}
	case 21:
		args := []string{"LCS", key, anyKey(r)}
		for range r.IntN(3) {
			args = append(args, pick(r, []string{"LEN"}, []string{"IDX"}, []string{"idx"}, []string{"WITHMATCHLEN"}, []string{"MINMATCHLEN", index(r)}, []string{"MINMATCHLEN"})...)
		}
		return trial{args: args}
	case 22:
		return trial{args: []string{"SET", key, letters(r, r.IntN(40))}}
	default:
		return trial{args: []string{"OBJECT", "ENCODING", key}}
	}
}

func index(r *rand.Rand) string {
	return pick(r, strconv.Itoa(r.IntN(60)-30), strconv.Itoa(r.IntN(8)-4), "0", "-1", "5000", "-5000", "9223372036854775807", "-9223372036854775808")
}

// What INCRBYFLOAT makes of numbers is kept to the last digit.
func TestFloatsOfStringsHaveTheDigitsOfRedis(t *testing.T) {
	var trials []trial
	for _, n := range numbers {
		trials = append(trials,
			trial{args: []string{"DEL", "k"}},
			trial{args: []string{"INCRBYFLOAT", "k", n}},
			trial{args: []string{"OBJECT", "ENCODING", "k"}},
			trial{args: []string{"SET", "k", n}},
			trial{args: []string{"INCRBYFLOAT", "k", "1"}},
			trial{args: []string{"INCRBYFLOAT", "k", "-1"}},
			trial{args: []string{"INCRBY", "k", "1"}})
		for _, m := range []string{"0.1", "inf", "-inf", "1e4932", "-1e4932"} {
			trials = append(trials, trial{args: []string{"INCRBYFLOAT", "k", m}})
		}
	}
	setting{proto: 2}.compare(t, dial(t, redistest.Start(t)), trials)
}

// Two long strings have many longest common subsequences; both servers must find the same.
func TestLCSIsTheOneOfRedis(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var trials []trial
	add := func(args ...string) { trials = append(trials, trial{args: args}) }
	for i := range 60 {
		long := 1 + r.IntN(400)
		for _, key := range []string{"a", "b"} {
			n := r.IntN(long)
			if i%2 == 0 {
				n = max(64*(n/64)+r.IntN(3)-1, 0) // at the border of a machine word
			}
			add("SET", key, letters(r, n))
			if i%5 == 0 { // any byte
				b := make([]byte, n)
				for j := range b {
					b[j] = byte(r.Uint32())
				}
				add("SET", key, string(b))
			}
		}
		add("LCS", "a", "b")
		add("LCS", "a", "b", "LEN")
		add("LCS", "b", "a", "IDX", "MINMATCHLEN", strconv.Itoa(r.IntN(5)), "WITHMATCHLEN")
	}
	setting{proto: 2}.compare(t, dial(t, redistest.Start(t)), trials)
}

// Strings grow to the limit and not beyond, and an LCS whose table Redis could not have is refused.
func TestStringsGrowNoLongerThanTheLimit(t *testing.T) {
	const limit = 1 << 20
	var trials []trial
	add := func(args ...string) { trials = append(trials, trial{args: args}) }
	for _, offset := range []int64{limit - 2, limit - 1, limit, limit + 1, 1 << 31, 1<<63 - 2, 1<<63 - 1, -1, -1 << 63} {
		add("SETRANGE", "none", strconv.FormatInt(offset, 10), "")
		add("SETRANGE", "none", strconv.FormatInt(offset, 10), "x")
		add("STRLEN", "none")
		add("SET", "k", "text")
		add("SETRANGE", "k", strconv.FormatInt(offset, 10), "")
		add("SETRANGE", "k", strconv.FormatInt(offset, 10), "xy")
		add("STRLEN", "k")
		add("APPEND", "k", "x")
		add("APPEND", "k", "xy")
		add("APPEND", "k", "")
		add("DEL", "none", "k")
	}
	for _, n := range []int{510, 511, 512} { // (n+1)(n+1) entries of 4 bytes
		add("SET", "a", strings.Repeat("a", n))
		add("SET", "b", strings.Repeat("ab", n/2))
		add("LCS", "a", "b", "LEN")
		add("LCS", "a", "a", "LEN")
		add("LCS", "a", "none", "LEN")
	}
	add("SET", "a", strings.Repeat("a", limit/4-1))
	add("LCS", "a", "none")
	add("LCS", "none", "a")
	add("APPEND", "a", "a")
	add("LCS", "a", "none")
	add("LCS", "none", "a")
	add("CONFIG", "GET", "proto-max-bulk-len")
	trials = append([]trial{{args: []string{"CONFIG", "SET", "proto-max-bulk-len", fmt.Sprint(limit)}}}, trials...)
	setting{proto: 2}.compare(t, dial(t, redistest.Start(t)), trials)
}
