package engine

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestSortedSetsAnswerLikeRedis(t *testing.T) { answersLikeRedis(t, zaddCommand, zsetCommand) }
func TestRangesOfSortedSetsAnswerLikeRedis(t *testing.T) {
	answersLikeRedis(t, zaddCommand, zrangeCommand, lexCommand)
}
func TestCombinedSortedSetsAnswerLikeRedis(t *testing.T) {
	answersLikeRedis(t, zaddCommand, zcombineCommand)
}
func TestPopsOfSortedSetsAnswerLikeRedis(t *testing.T) { answersLikeRedis(t, zaddCommand, zpopCommand) }

func score(r *rand.Rand) string {
	return pick(r, "0", "0", "1", "1", "2", "3", "-1", "1.5", "0.1", "1e17", "inf", "-inf", "4611686018427387904", "3e-7", strconv.FormatFloat(r.NormFloat64(), 'g', -1, 64))
}

func bound(r *rand.Rand) string {
	return pick(r, "-inf", "-inf", "+inf", "+inf", "(1", "(inf", "", "x", score(r), score(r), score(r), "("+score(r), "("+score(r))
}

func rank(r *rand.Rand) string {
	return pick(r, "0", "-1", "x", "-9223372036854775808", "9223372036854775807", strconv.Itoa(r.IntN(12)-6), strconv.Itoa(r.IntN(12)-6))
}

func zmember(r *rand.Rand) string { return pick(r, "a", "b", "c", "d", "longer", "", "1", "-2") }

func zaddCommand(r *rand.Rand) trial {
	args := []string{"ZADD", anyKey(r)}
	for _, option := range []string{"NX", "XX", "GT", "lt", "CH"} {
		if r.IntN(6) == 0 {
			args = append(args, option)
		}
	}
	pairs := 1 + r.IntN(4)
	if r.IntN(4) == 0 {
		args, pairs = append(args, "INCR"), 1+r.IntN(10)/9
	}
	for range pairs {
		args = append(args, score(r), zmember(r))
	}
	return trial{args: args}
}

func zsetCommand(r *rand.Rand) trial {
	key := anyKey(r)
	switch r.IntN(10) {
	case 0:
		return trial{args: []string{"ZINCRBY", key, score(r), zmember(r)}}
	case 1:
		return trial{args: []string{"ZREM", key, zmember(r), zmember(r)}}
	case 2:
		return trial{args: []string{pick(r, "ZSCORE", "ZRANK", "ZREVRANK"), key, zmember(r)}}
	case 3:
		return trial{args: []string{"ZMSCORE", key, zmember(r), zmember(r)}}
	case 4:
		return trial{args: []string{"ZCARD", key}}
	case 5:
		return trial{args: []string{"ZCOUNT", key, bound(r), bound(r)}}
	case 6:
		return trial{args: []string{"ZREMRANGEBYRANK", key, rank(r), rank(r)}}
	case 7:
		return trial{args: []string{"ZREMRANGEBYSCORE", key, bound(r), bound(r)}}
	case 8:
		return pick(r,
			trial{args: []string{"ZRANDMEMBER", key}, compare: asShape},
			trial{args: []string{"ZRANDMEMBER", key, strconv.Itoa(r.IntN(12) - 6)}, compare: asShape},
			trial{args: []string{"ZRANDMEMBER", key, strconv.Itoa(r.IntN(12) - 6), "withscores"}, compare: asShape},
			trial{args: []string{"ZRANDMEMBER", key, pick(r, "50", "x", "-9223372036854775808"), "WITHSCORES"}, compare: asPairs, intact: true})
	default:
		return scanCommand(r, "ZSCAN", key, asSmallPairs)
	}
}

// zrangeCommand makes ranges by rank and score; what Redis answers to a range by name is open unless all scores are equal.
func zrangeCommand(r *rand.Rand) trial {
	key := anyKey(r)
	var args []string
	switch byRank := r.IntN(2) == 0; r.IntN(4) {
	case 0:
		args = []string{"ZREVRANGE", key, rank(r), rank(r)}
	case 1:
		args = []string{pick(r, "ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), key, bound(r), bound(r)}
	default:
		args = []string{"ZRANGE", key}
		if r.IntN(3) == 0 {
			args = []string{"ZRANGESTORE", anyKey(r), key}
		}
		if byRank {
			args = append(args, rank(r), rank(r))
		} else {
			args = append(args, bound(r), bound(r), "BYSCORE")
		}
		if r.IntN(3) == 0 {
			args = append(args, "REV")
		}
	}
	if ranked := strings.HasSuffix(args[0], "RANGE") && !slices.Contains(args, "BYSCORE"); r.IntN(3) == 0 && !ranked || r.IntN(20) == 0 {
		args = append(args, "LIMIT", pick(r, "0", "1", "2", "-1"), pick(r, "0", "1", "3", "-1", "-2"))
	}
	if stored := args[0] == "ZRANGESTORE"; r.IntN(3) == 0 && !stored || r.IntN(20) == 0 {
		args = append(args, "WITHSCORES")
	}
	return trial{args: args}
}

func zcombineCommand(r *rand.Rand) trial {
	keys := someKeys(r)
	name := pick(r, "ZUNION", "ZINTER", "ZDIFF", "ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE", "ZINTERCARD")
	args := []string{name}
	if name[len(name)-1] == 'E' {
		args = append(args, anyKey(r))
	}
	args = append(append(args, strconv.Itoa(len(keys))), keys...)
	takes := func(suits string) bool { return r.IntN(40) == 0 || strings.Contains(suits, name) && r.IntN(3) == 0 }
	if takes("ZUNIONSTORE ZINTERSTORE") {
		args = append(args, "WEIGHTS")
		for range keys { // above zero, for Redis keeps the sign of -0 only while a set is not compact
			args = append(args, pick(r, "1", "2", "0.1", "1e17", "inf", "3e-7"))
		}
	}
	if takes("ZUNIONSTORE ZINTERSTORE") {
		args = append(args, "AGGREGATE", pick(r, "SUM", "min", "max"))
	}
	if takes("ZUNION ZINTER ZDIFF") {
		args = append(args, "WITHSCORES")
	}
	if takes("ZINTERCARD") {
		args = append(args, "LIMIT", pick(r, "0", "1", "2", "-1"))
	}
	return trial{args: args, intact: slices.Contains(args, "WEIGHTS")}
}

func zpopCommand(r *rand.Rand) trial {
	switch keys := someKeys(r); r.IntN(3) {
	case 0:
		args := []string{pick(r, "ZPOPMIN", "ZPOPMAX"), anyKey(r)}
		if r.IntN(2) == 0 {
			args = append(args, pick(r, "0", "1", "2", "100", "-1", "x"))
		}
		return trial{args: args}
	case 1:
		args := append(append([]string{"ZMPOP", strconv.Itoa(len(keys))}, keys...), pick(r, "MIN", "max", "MID"))
		if r.IntN(2) == 0 {
			args = append(args, "COUNT", pick(r, "1", "2", "0", "9223372036854775807"))
		}
		return trial{args: args}
	default: // the shortest timeout: nothing else may be waited for
		args := append(append([]string{pick(r, "BZPOPMIN", "BZPOPMAX")}, keys...), pick(r, "0.001", "0.001", "-1", "x", "1e400", "-inf"))
		if r.IntN(2) == 0 {
			args = append(append([]string{"BZMPOP", pick(r, "0.0001", "0.0001", "-1", "nan"), strconv.Itoa(len(keys))}, keys...), "MIN")
		}
		return trial{args: args, intact: true}
	}
}

// lexCommand works on a key of its own, whose members all have the same score.
func lexCommand(r *rand.Rand) trial {
	lex := func() string {
		return pick(r, "-", "+", "-", "+", "["+zmember(r), "("+zmember(r), "["+zmember(r), "("+zmember(r), "["+zmember(r), "("+zmember(r), "-x", "+\x00x")
	}
	switch r.IntN(6) {
	case 0, 1:
		return trial{args: []string{"ZADD", "lex", "0", zmember(r), "0", zmember(r)}, intact: true}
	case 2:
		return trial{args: []string{"ZLEXCOUNT", "lex", lex(), lex()}}
	case 3:
		return trial{args: []string{"ZREMRANGEBYLEX", "lex", lex(), lex()}}
	case 4:
		args := []string{"ZRANGE", "lex", lex(), lex(), "BYLEX"}
		if r.IntN(2) == 0 {
			args = append(args, "LIMIT", pick(r, "0", "1", "-1"), pick(r, "0", "2", "-1"))
		}
		if r.IntN(2) == 0 {
			args = append(args, pick(r, "REV", "WITHSCORES"))
		}
		return trial{args: args}
	default:
		args := []string{pick(r, "ZRANGEBYLEX", "ZREVRANGEBYLEX"), "lex", lex(), lex()}
		if r.IntN(2) == 0 {
			args = append(args, "LIMIT", pick(r, "0", "1", "-1"), pick(r, "0", "2", "-1"))
		}
		return trial{args: args}
	}
}

// parked waits until so many clients wait for the key.
func parked(e *Engine, key string, waiters int) {
	for {
		n := 0
		e.Locked(func() {
			if q := e.dbs[0].blocked[key]; q != nil {
				n = q.waiters.Len()
			}
		})
		if n == waiters {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestBlockedPopsAreServedInTheirOrder(t *testing.T) {
	log := &recorder{}
	e := New(Options{Log: log})
	addr, stop := serve(t, e)
	defer stop()
	first, second, third, writer := dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)
	first.send("BZPOPMIN", "other", "z", "0")
	parked(e, "z", 1)
	second.send("BZPOPMAX", "z", "0")
	parked(e, "z", 2)
	third.send("BZMPOP", "0", "2", "z", "other", "MIN", "COUNT", "5")
	parked(e, "z", 3)

	writer.do("SET", "other", "of a type that nobody waits for")
	writer.do("ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d")
	for i, got := range []struct {
		c    *client
		want string
	}{
		{first, `*3($"z", $"a", $"1")`},
		{second, `*3($"z", $"d", $"4")`},
		{third, `*2($"z", *2(*2($"b", $"2"), *2($"c", $"3")))`},
	} {
		if s := got.c.read().canonical(exactly); s != got.want {
			t.Errorf("client %d got %s, want %s", i+1, s, got.want)
		}
	}
	if n := writer.do("EXISTS", "z").text; n != "0" {
		t.Errorf("EXISTS after the last pop: %s", n)
	}
	if diff := log.replayed(t, e); diff != "" {
		t.Error(diff)
	}
}

func TestBlockedPopOfAClientThatLeftTakesNothing(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	gone, writer := dial(t, addr), dial(t, addr)
	gone.send("BZPOPMIN", "z", "0")
	parked(e, "z", 1)
	gone.conn.Close()
	parked(e, "z", 0)
	writer.do("ZADD", "z", "1", "a")
	if n := writer.do("ZCARD", "z").text; n != "1" {
		t.Errorf("ZCARD: %s", n)
	}
}

// Sums of doubles depend on their order, products and sums of infinities on conventions, and -0 on the comparison.
func TestCombinedScoresAreThoseOfRedis(t *testing.T) {
	trials := []trial{
		{args: []string{"ZADD", "x", "0.1", "a", "1e16", "b", "inf", "c", "0", "d", "-1", "only"}},
		{args: []string{"ZADD", "y", "0.2", "a", "1", "b", "-inf", "c", "-2", "d"}},
		{args: []string{"ZADD", "z", "0.3", "a", "1", "b", "inf", "c", "5", "d", "1", "e", "1", "f"}},
		{args: []string{"SADD", "s", "a", "b", "c", "d"}},
	}
	for _, name := range []string{"ZUNION", "ZINTER"} {
		for _, keys := range [][]string{{"x", "y", "z"}, {"z", "y", "x"}, {"y", "s", "x"}, {"x", "y", "s"}, {"x", "x", "y"}} {
			for _, weights := range [][]string{{"1", "1", "1"}, {"0", "1", "1"}, {"1", "0", "-0"}, {"-1", "-1", "0.1"}, {"inf", "-inf", "3"}} {
				for _, aggregate := range []string{"SUM", "MIN", "MAX"} {
					args := append(append([]string{"3"}, keys...), "AGGREGATE", aggregate, "WEIGHTS")
					args = append(args, weights...)
					trials = append(trials,
						trial{args: append(append([]string{name}, args...), "WITHSCORES")},
						trial{args: append([]string{name + "STORE", "stored"}, args...)},
						trial{args: []string{"ZRANGE", "stored", "0", "-1", "WITHSCORES"}})
				}
			}
		}
	}
	setting{proto: 2}.compare(t, dial(t, redistest.Start(t)), trials)
}

// inf-inf is an error only where the options let it happen.
func TestIncrementsOfInfinitiesAreThoseOfRedis(t *testing.T) {
	trials := []trial{{args: []string{"ZADD", "z", "inf", "a", "-inf", "b"}}}
	for _, option := range []string{"NX", "XX", "GT", "LT", "CH"} {
		for _, m := range []string{"a", "b", "new"} {
			for _, by := range []string{"inf", "-inf", "0", "nan"} {
				trials = append(trials, trial{args: []string{"ZADD", "z", option, "INCR", by, m}}, trial{args: []string{"ZINCRBY", "z", by, m}})
			}
			trials = append(trials, trial{args: []string{"ZREM", "z", "new"}})
		}
	}
	setting{proto: 3}.compare(t, dial(t, redistest.Start(t)), trials)
}

// Effects leave nothing to chance, clocks or the printing of floats.
func TestEffectsAreDeterministic(t *testing.T) {
	for _, c := range []struct {
		args, effects []string
	}{
		{[]string{"HINCRBYFLOAT", "h", "f", "0.1"}, []string{"HSET h f 3.1"}},
		{[]string{"SPOP", "s"}, []string{"DEL s"}},
		{[]string{"SPOP", "s", "0"}, nil},
		{[]string{"ZPOPMIN", "z", "2"}, []string{"ZREMRANGEBYRANK z 0 1"}},
		{[]string{"ZPOPMAX", "z", "9"}, []string{"DEL z"}},
		{[]string{"ZMPOP", "2", "none", "z", "MAX"}, []string{"ZREMRANGEBYRANK z 2 2"}},
		{[]string{"BZPOPMAX", "none", "z", "0"}, []string{"ZREMRANGEBYRANK z 2 2"}},
		{[]string{"ZADD", "z", "INCR", "1", "a"}, []string{"ZADD z INCR 1 a"}},
		{[]string{"ZUNIONSTORE", "z", "1", "s"}, []string{"ZUNIONSTORE z 1 s"}},
		{[]string{"SINTERSTORE", "none", "none"}, nil},
		{[]string{"SMOVE", "s", "new", "m"}, []string{"SMOVE s new m"}},
	} {
		log := &recorder{}
		addr, stop := serve(t, New(Options{Log: log}))
		client := dial(t, addr)
		client.do("HSET", "h", "f", "3")
		client.do("SADD", "s", "m")
		client.do("ZADD", "z", "1", "a", "2", "b", "3", "c")
		before := log.len()
		client.do(c.args...)
		var effects []string
		for _, u := range log.all()[before:] {
			for _, cmd := range commands(t, u.effects) {
				effects = append(effects, string(bytes.Join(cmd, []byte(" "))))
			}
		}
		if !slices.Equal(effects, c.effects) {
			t.Errorf("%q logged %q, want %q", c.args, effects, c.effects)
		}
		stop()
	}
}
