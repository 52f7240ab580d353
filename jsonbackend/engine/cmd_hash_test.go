package engine

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestHashesAnswerLikeRedis(t *testing.T) { answersLikeRedis(t, hashCommand) }

func field(r *rand.Rand) string { return pick(r, "a", "b", "c", "d", "e", "f", "longer", "1", "") }

// fieldValue is a text that may be a number.
func fieldValue(r *rand.Rand) string {
	return pick(r, "", "x", "0", "1", "-5", "007", "3.25", "-0", "1e3", "0x1F", "inf", "nan", " 2", "9223372036854775806", strconv.Itoa(r.IntN(100)))
}

func increment(r *rand.Rand) string {
	return pick(r, "1", "-1", "0", "0.1", "2.5e-3", "1e20", "9223372036854775807", "-9223372036854775808", strconv.Itoa(r.IntN(100)))
}

func hashCommand(r *rand.Rand) trial {
	key := anyKey(r)
	switch r.IntN(18) {
	case 0, 1, 2, 3:
		args := []string{pick(r, "HSET", "HMSET"), key}
		for range 1 + r.IntN(3) {
			args = append(args, field(r), fieldValue(r))
		}
		return trial{args: args}
	case 4:
		return trial{args: []string{"HSETNX", key, field(r), fieldValue(r)}}
	case 5:
		return trial{args: []string{pick(r, "HGET", "HEXISTS", "HSTRLEN"), key, field(r)}}
	case 6:
		return trial{args: []string{"HMGET", key, field(r), field(r), field(r)}}
	case 7:
		return trial{args: []string{"HGETALL", key}, compare: asSmallPairs}
	case 8:
		return trial{args: []string{pick(r, "HKEYS", "HVALS"), key}, compare: asSmallSet}
	case 9:
		return trial{args: []string{"HLEN", key}}
	case 10, 11:
		return trial{args: []string{"HDEL", key, field(r), field(r)}}
	case 12, 13:
		return trial{args: []string{"HINCRBY", key, field(r), increment(r)}}
	case 14:
		return trial{args: []string{"HINCRBYFLOAT", key, field(r), increment(r)}}
	case 15:
		return trial{args: []string{"HRANDFIELD", key, pick(r, "0", "100", "x", "-9223372036854775808"), "withvalues"}, compare: asPairs, intact: true}
	case 16:
		return pick(r,
			trial{args: []string{"HRANDFIELD", key}, compare: asShape},
			trial{args: []string{"HRANDFIELD", key, strconv.Itoa(r.IntN(12) - 6)}, compare: asShape},
			trial{args: []string{"HRANDFIELD", key, strconv.Itoa(r.IntN(12) - 6), "WITHVALUES"}, compare: asShape})
	default:
		return scanCommand(r, "HSCAN", key, asSmallPairs)
	}
}

// scanCommand makes a scan that is over at once, or is wrong.
func scanCommand(r *rand.Rand, name, key string, compare comparison) trial {
	args := []string{name, key, "0", "COUNT", "100"}
	if r.IntN(2) == 0 {
		args = append(args, "match", pick(r, "*", "?", "lo*", "[a-c]", ""))
	}
	if r.IntN(4) == 0 {
		args[2] = pick(r, "0", "x", " 0")
		args = append(args, pick(r, []string{"COUNT", "0"}, []string{"COUNT", "x"}, []string{"TYPE", "hash"}, []string{"MATCH"}, []string{"junk"})...)
	}
	return trial{args: args, compare: compare, intact: true}
}

// What is printed after sums of long doubles is kept to the last digit.
func TestFloatsOfHashesHaveTheDigitsOfRedis(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	number := func() string {
		return pick(r,
			strconv.FormatFloat(r.NormFloat64(), 'g', -1, 64),
			strconv.FormatFloat(r.NormFloat64()*1e9, 'f', r.IntN(12), 64),
			fmt.Sprintf("%d.%d", r.IntN(1000), r.IntN(1e9)),
			fmt.Sprintf("%de%d", r.Int64(), r.IntN(80)-60),
			strconv.FormatInt(r.Int64()-r.Int64(), 10),
			strconv.FormatFloat(r.Float64(), 'x', -1, 64))
	}
	var trials []trial
	for range 2000 {
		trials = append(trials, trial{args: []string{"HINCRBYFLOAT", "h", strconv.Itoa(r.IntN(50)), number()}})
	}
	setting{proto: 2}.compare(t, dial(t, redistest.Start(t)), trials)
}

// numbers are texts at the borders of what C takes for a number.
var numbers = []string{
	"", "0", "-0", "+0", "00", "+1", "1.", ".5", ".", "-.5e1", "1e", "1e+", "1e5", "1E-5", "e5", "1_000", "1,5", "1 ", " 1", "\t1", "1\x00", "\x00",
	"0x", "0x1", "0X1F", "0x.8", "0x1.8p1", "0x1p", "0xep1", "-0x10", "0b1", "0o7", "1p5", "(", "((1", "1(",
	"inf", "INF", "+inf", "-inf", "infinity", "-Infinity", "infinit", "nan", "NaN", "-nan", "nan(1)",
	"1e308", "1e309", "-1e400", "1e-308", "4.9e-324", "2e-324", "1e-400", "0e999999999", "0x0p-99999999999", "1e999999999", "1e-999999999",
	"1e4932", "1.2e4932", "1e-4940", "1e-4951", "1e-5000", "1e5000", "0.1", "123456789012345678901234567890",
	"3.14159265358979323846264338327950288", "1e16", "1e17", "1e18", "1e21", "0.00001", "0.000000000000000001", "0.000000000000000005",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
	"4611686018427387904", "4611686018427388928", "9007199254740993", "0.30000000000000004", "5e-1", "1e-17", "-1e-18",
}

func TestNumbersAreReadAndPrintedLikeRedis(t *testing.T) {
	var trials []trial
	add := func(args ...string) { trials = append(trials, trial{args: args}) }
	for _, n := range numbers {
		add("DEL", "h", "z")
		add("HINCRBYFLOAT", "h", "f", n)
		add("HSET", "h", "g", n)
		add("HINCRBYFLOAT", "h", "g", "1")
		add("HINCRBYFLOAT", "h", "g", "-1")
		add("HINCRBY", "h", "g", "1")
		add("HINCRBY", "h", "i", n)
		add("ZADD", "z", n, "a")
		add("ZINCRBY", "z", n, "a")
		add("ZADD", "z", "0", "zero", "1", "one", "inf", "inf", "-inf", "-inf")
		add("ZCOUNT", "z", n, "+inf")
		add("ZCOUNT", "z", "-inf", "("+n)
		add("ZUNION", "1", "z", "WEIGHTS", n, "WITHSCORES")
		add("ZSCAN", "z", "0")
	}
	oracle := dial(t, redistest.Start(t))
	setting{proto: 2}.compare(t, oracle, trials)
	setting{proto: 3}.compare(t, oracle, trials)
}
