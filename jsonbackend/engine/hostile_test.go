package engine

import (
	"math/rand/v2"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// Arguments that are meant to break a server: every number of every command at its worst. Redis' answer is the right one,
// and none costs memory that depends on the number.

// hostileNumbers stand where # does in hostileCalls.
var hostileNumbers = []string{
	"9223372036854775807", "9223372036854775806", "9223372036854775808", "-9223372036854775807", "-9223372036854775808", "-9223372036854775809",
	"18446744073709551615", "18446744073709551616", "4611686018427387904", "-4611686018427387904", "9223372036854775", "9223372036854776", "-9223372036854775",
	"2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296", "-1", "0", "-0", "+1", "01", "1e400", "-1e400", "1e-400",
	"nan", "-nan", "inf", "-inf", "0x10", " 1", "1 ", "1.5", "", "\x00", "-", "(", strings.Repeat("9", 400), strings.Repeat("9", 70_000),
}

// prepared are the keys of hostileCalls, one of each type.
var prepared = strings.Split(`DEL str num hash set zset list stream dst
SET str some-text
SET num 10
HSET hash a 1 b 2 c x
SADD set a b c 1
ZADD zset 1 a 2 b 3 c
RPUSH list a b a c
XADD stream 1-1 f v
XADD stream 2-1 f v
XADD stream 3-1 f v
XGROUP CREATE stream g 0
XREADGROUP GROUP g c COUNT 2 STREAMS stream >`, "\n")

var hostileCalls = strings.Split(`SET str v EX #
SET str v PX #
SET str v EXAT #
SET str v PXAT #
SETEX str # v
PSETEX str # v
GETEX str EX #
GETEX str PX #
GETEX str EXAT #
GETEX str PXAT #
EXPIRE str #
EXPIRE str # GT
PEXPIRE str #
EXPIREAT str #
EXPIREAT str # LT
PEXPIREAT str #
INCRBY num #
DECRBY num #
INCRBYFLOAT num #
INCRBY none #
DECRBY none #
GETRANGE str # -1
GETRANGE str 0 #
SUBSTR str # #
SETRANGE str # x
SETRANGE none # x
SETRANGE none # ''
LCS str num IDX MINMATCHLEN #
SELECT #
MOVE str #
COPY str dst DB #
SWAPDB # 0
SWAPDB 0 #
SCAN #
SCAN 0 COUNT #
HSCAN hash #
HSCAN hash 0 COUNT #
SSCAN set 0 COUNT #
ZSCAN zset 0 COUNT #
HINCRBY hash a #
HINCRBYFLOAT hash a #
HINCRBY none a #
HRANDFIELD hash #
HRANDFIELD hash # WITHVALUES
SPOP set #
SRANDMEMBER set #
SINTERCARD # set
SINTERCARD 1 set LIMIT #
ZADD zset # a
ZADD zset INCR # a
ZADD zset GT # a
ZADD zset XX CH LT # a
ZINCRBY zset # a
ZCOUNT zset # +inf
ZCOUNT zset -inf (#
ZLEXCOUNT zset # +
ZRANGE zset # -1
ZRANGE zset 0 # REV
ZRANGE zset # # BYSCORE
ZRANGE zset -inf +inf BYSCORE LIMIT # 10
ZRANGE zset -inf +inf BYSCORE LIMIT 0 #
ZRANGE zset - + BYLEX LIMIT # #
ZRANGESTORE dst zset 0 #
ZRANGESTORE dst zset -inf +inf BYSCORE LIMIT # #
ZREVRANGE zset # #
ZRANGEBYSCORE zset # +inf
ZRANGEBYSCORE zset -inf +inf LIMIT # #
ZRANGEBYSCORE zset -inf +inf LIMIT 1 #
ZREVRANGEBYSCORE zset +inf -inf LIMIT # 1
ZRANGEBYLEX zset - + LIMIT # 1
ZREVRANGEBYLEX zset + - LIMIT 0 #
ZREMRANGEBYRANK zset # 0
ZREMRANGEBYRANK zset 0 #
ZREMRANGEBYSCORE zset # 1
ZPOPMIN zset #
ZPOPMAX zset #
ZRANDMEMBER zset #
ZRANDMEMBER zset # WITHSCORES
ZUNION # zset
ZUNION 1 zset WEIGHTS # WITHSCORES
ZINTER # zset
ZDIFF # zset
ZINTERCARD # zset
ZINTERCARD 1 zset LIMIT #
ZUNIONSTORE dst # zset
ZINTERSTORE dst # zset zset
ZDIFFSTORE dst # zset
ZMPOP # zset MIN
ZMPOP 1 zset MAX COUNT #
BZPOPMIN zset #
BZMPOP # 1 zset MIN
BZMPOP 0 # zset MIN
BZMPOP 0 1 zset MIN COUNT #
LINDEX list #
LSET list # x
LRANGE list # -1
LRANGE list 0 #
LRANGE list # #
LTRIM list # -1
LTRIM list 0 #
LREM list # a
LPOP list #
RPOP list #
LPOS list a RANK #
LPOS list a COUNT #
LPOS list a MAXLEN #
LPOS list a RANK # COUNT # MAXLEN #
LMPOP # list LEFT
LMPOP 1 list RIGHT COUNT #
BLPOP list #
BRPOP none list #
BLMOVE list dst LEFT LEFT #
BRPOPLPUSH list dst #
BLMPOP # 1 list LEFT
BLMPOP 0 # list LEFT
BLMPOP 0 1 list LEFT COUNT #
XADD stream # f v
XADD stream #-# f v
XADD stream 4-# f v
XADD stream MAXLEN # 9-1 f v
XADD stream MAXLEN ~ # LIMIT # 9-1 f v
XADD stream MINID # 9-1 f v
XTRIM stream MAXLEN #
XTRIM stream MAXLEN ~ 0 LIMIT #
XTRIM stream MINID #
XTRIM stream MINID #-#
XDEL stream # #-#
XRANGE stream # +
XRANGE stream - # COUNT #
XREVRANGE stream + # COUNT 1
XREVRANGE stream # - COUNT #
XREAD COUNT # STREAMS stream 0
XREAD COUNT 1 STREAMS stream #
XREAD BLOCK # STREAMS stream 0
XREADGROUP GROUP g c COUNT # STREAMS stream >
XREADGROUP GROUP g c STREAMS stream #
XREADGROUP GROUP g c BLOCK # STREAMS stream >
XACK stream g # #-#
XPENDING stream g - + #
XPENDING stream g # # 10
XPENDING stream g IDLE # - + 10
XCLAIM stream g d # 1-1
XCLAIM stream g d 0 #
XCLAIM stream g d 0 1-1 IDLE #
XCLAIM stream g d 0 1-1 TIME #
XCLAIM stream g d 0 1-1 RETRYCOUNT #
XCLAIM stream g d 0 1-1 LASTID #
XCLAIM stream g d 0 7-# FORCE
XAUTOCLAIM stream g d # 0
XAUTOCLAIM stream g d 0 #
XAUTOCLAIM stream g d 0 0 COUNT #
XGROUP CREATE stream h #
XGROUP CREATE stream h 0 ENTRIESREAD #
XGROUP SETID stream g #
XGROUP SETID stream g 0 ENTRIESREAD #
XSETID stream #
XSETID stream 9-1 ENTRIESADDED # MAXDELETEDID 1-1
XSETID stream 9-1 ENTRIESADDED 9 MAXDELETEDID #
XINFO STREAM stream FULL COUNT #
HELLO #
CLIENT KILL ID #
CLIENT LIST ID #
CLIENT UNBLOCK #
OBJECT # str`, "\n")

// uncounted are commands of which it is not compared whether they change something. Behind a SET whose lifetime is over at
// once, a key expires whenever a server looks.
var uncounted = []string{"XREADGROUP", "SWAPDB", "SET"}

// hostile makes the calls, each on fresh keys.
func hostile() (trials []trial) {
	for _, line := range hostileCalls {
		for _, prepare := range prepared {
			trials = append(trials, trial{args: strings.Fields(prepare), counted: true})
		}
		for _, number := range hostileNumbers {
			args := strings.Fields(line)
			for i := range args {
				args[i] = strings.ReplaceAll(strings.Trim(args[i], "'"), "#", number)
			}
			c := asUsual(trial{args: args, counted: slices.Contains(uncounted, args[0])})
			if c, ok := comparable(c, tolerated); ok && !waitsForEver(args) {
				trials = append(trials, c)
			}
		}
	}
	return trials
}

func TestHostileArgumentsAreAnsweredLikeRedis(t *testing.T) {
	t.Parallel()
	oracle := dial(t, redistest.Start(t))
	for _, proto := range []int{2, 3} {
		setting{proto: proto}.compare(t, oracle, hostile())
	}
}

// hostileBudget is in bytes.
const hostileBudget = 4 << 20

func TestHostileArgumentsCostNoMemory(t *testing.T) {
	budget(t, slices.Concat(hostile(), greedy()))
}

// budget does commands, and fails the test if one of them allocates too much, replies and log included.
func budget(t *testing.T, trials []trial) {
	t.Helper()
	c := newStage(t).client()
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	for _, next := range trials {
		metrics.Read(allocated)
		before := allocated[0].Value.Uint64()
		c.do(next.args...)
		metrics.Read(allocated)
		if cost := allocated[0].Value.Uint64() - before; cost > hostileBudget {
			t.Errorf("%.200q: %d bytes", next.args, cost)
		}
	}
}

// greedy are calls that ask for a lot and that Redis might even try: they are refused here, or answered from what is there.
func greedy() (trials []trial) {
	for _, prepare := range prepared {
		trials = append(trials, trial{args: strings.Fields(prepare)})
	}
	for _, line := range []string{
		"SETRANGE str 536870912 x", "SETRANGE none 536870911 xy", "SETRANGE none 9223372036854775807 x",
		"HRANDFIELD hash -9223372036854775807", "HRANDFIELD hash -1048577", "SRANDMEMBER set -9223372036854775807", "ZRANDMEMBER zset -4611686018427387904 WITHSCORES",
		"XAUTOCLAIM stream g d 0 0 COUNT 576460752303423487", "SPOP set 9223372036854775807", "XADD stream 18446744073709551615-18446744073709551615 f v", "XADD stream * f v",
	} {
		trials = append(trials, trial{args: strings.Fields(line)})
	}
	return trials
}

// What must be an error is one, whatever Redis says.
func TestTheWorstArgumentsAreErrors(t *testing.T) {
	s := newStage(t)
	c := s.client()
	for _, line := range prepared {
		c.line(line)
	}
	before := keyspace(s.e)
	for _, line := range []string{
		"SETRANGE str 9223372036854775807 x", "SETRANGE str -1 x", "ZADD zset nan a", "ZADD zset INCR nan a", "ZINCRBY zset nan a", "SPOP set -1", "LPOP list -1", "ZPOPMIN zset -1",
		"SPOP set 9223372036854775808", "HRANDFIELD hash -9223372036854775808", "LMPOP -1 list LEFT", "ZMPOP 1 zset MIN COUNT -1", "SINTERCARD 1 set LIMIT -1", "EXPIRE str 9223372036854775807",
		"SET str v EX 9223372036854775807", "SET str v PX -1", "EXPIREAT str 9223372036854775807", "PEXPIRE str 9223372036854775807", "XADD stream 0-0 f v", "XADD stream MAXLEN -1 9-1 f v",
		"XTRIM stream MAXLEN -1", "XTRIM stream MAXLEN ~ 1 LIMIT -1", "XPENDING stream g - + x", "SELECT -1", "BLPOP list -1", "LPOS list a COUNT -1", "LPOS list a MAXLEN -1",
		"LPOS list a RANK 0", "SCAN -x", "SCAN 0 COUNT -1", "INCRBY num 9223372036854775807", "DECRBY num -9223372036854775808", "HINCRBY hash a 9223372036854775807",
	} {
		if got := c.do(strings.Fields(line)...); got.kind != '-' {
			t.Errorf("%s: %s", line, got.plain())
		}
	}
	if after := keyspace(s.e); len(after) != len(before) {
		t.Errorf("keys are now %v", after)
	}
}

// What is wrong at random costs no memory either.
func TestRandomArgumentsCostNoMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	handled := handledCommands()
	var trials []trial
	for range 10_000 {
		c, ok := comparable(grammatical(r, pick(r, handled...)), slices.Concat(tolerated, unruly))
		if ok && !waitsForEver(c.args) {
			trials = append(trials, c)
		}
	}
	budget(t, trials)
}
