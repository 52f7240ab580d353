package engine

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestKeysAnswerLikeRedis(t *testing.T) { answersLikeRedis(t, keyCommand, keyCommand, anyValue) }

// anyValue makes, grows or reads a value of any type, so that copies are seen to be independent.
func anyValue(r *rand.Rand) trial {
	key, n := anyKey(r), strconv.Itoa(r.IntN(20))
	long := pick(r, n, n, n, strings.Repeat("x", 70))
	return pick(r,
		trial{args: []string{"SET", key, long}},
		trial{args: []string{"SET", key, n, "EXAT", "4000000000"}, intact: true},
		trial{args: []string{"SET", key, n, "KEEPTTL"}},
		trial{args: []string{"APPEND", key, n}},
		trial{args: []string{"SETRANGE", key, n, "x"}},
		trial{args: []string{"INCRBYFLOAT", key, n}},
		trial{args: []string{"GET", key}},
		trial{args: []string{"HSET", key, n, long}},
		trial{args: []string{"HDEL", key, n}},
		trial{args: []string{"HGETALL", key}, compare: asPairs},
		trial{args: []string{"SADD", key, n, strconv.Itoa(r.IntN(20)), long}},
		trial{args: []string{"SREM", key, n}},
		trial{args: []string{"SMEMBERS", key}, compare: asSet},
		trial{args: []string{"ZADD", key, n, long, "1", strconv.Itoa(r.IntN(20))}},
		trial{args: []string{"ZREM", key, n}},
		trial{args: []string{"ZRANGE", key, "0", "-1", "WITHSCORES"}},
		trial{args: []string{"RPUSH", key, n, long}},
		trial{args: []string{"LPOP", key}},
		trial{args: []string{"LRANGE", key, "0", "-1"}},
		trial{args: []string{"XADD", key, "NOMKSTREAM", "1-" + n, "f", long}},
		trial{args: []string{"XADD", key, "1-" + n, "f", long}},
		trial{args: []string{"XGROUP", "CREATE", key, "g", "0"}},
		trial{args: []string{"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", key, ">"}},
		trial{args: []string{"XPENDING", key, "g"}},
		trial{args: []string{"XRANGE", key, "-", "+"}})
}

func number(r *rand.Rand) string {
	return pick(r, "0", "1", "2", "2", "15", "16", "-1", "x", "", "2147483647", "2147483648", "-2147483649", "9223372036854775808")
}

func keyCommand(r *rand.Rand) trial {
	key := anyKey(r)
	switch r.IntN(26) {
	case 0, 1:
		return trial{args: []string{"RENAME", key, anyKey(r)}}
	case 2:
		return trial{args: []string{"RENAMENX", key, anyKey(r)}}
	case 3, 4, 5:
		args := []string{"COPY", key, anyKey(r)}
		for range r.IntN(3) {
			args = append(args, pick(r, []string{"REPLACE"}, []string{"replace"}, []string{"DB", number(r)}, []string{"DB", "1"}, []string{"DB"})...)
		}
		return trial{args: args}
	case 6, 7, 8:
		return trial{args: []string{"MOVE", key, pick(r, "0", "1", "2", number(r))}}
	case 9, 10, 11:
		return trial{args: []string{"SELECT", pick(r, "0", "1", "2", number(r))}}
	case 12:
		a, b := pick(r, "0", "1", "2", number(r)), pick(r, "0", "1", "2", number(r))
		return trial{args: []string{"SWAPDB", a, b}, counted: a == b, intact: true}
	case 13:
		return trial{args: []string{pick(r, "TOUCH", "EXISTS", "DEL", "UNLINK"), key, anyKey(r), key}}
	case 14:
		return pick(r, trial{args: []string{"DBSIZE"}, intact: true}, trial{args: []string{"DBSIZE"}, intact: true}, trial{args: []string{"FLUSHDB"}, intact: true, counted: true})
	case 15:
		return trial{args: []string{"RANDOMKEY"}, compare: asShape, intact: true}
	case 16:
		return trial{args: []string{"KEYS", pick(r, "*", "k*", "k[1-3]", "?2", "k\\2", "", "x*", "[^k]*")}, compare: asSet}
	case 17:
		return trial{args: slices.Concat([]string{"SCAN", "0", "COUNT", "100"}, pick(r, nil, []string{"TYPE", pick(r, "string", "HASH", "zset", "list", "stream", "nosuch", "")},
			[]string{"MATCH", "k[1-3]"}, []string{"TYPE", "set", "MATCH", "k*"}, []string{"TYPE"})), compare: asSet, intact: true}
	case 18:
		return trial{args: []string{"OBJECT", "ENCODING", key}}
	case 19:
		return trial{args: []string{"OBJECT", pick(r, "REFCOUNT", "IDLETIME", "FREQ", "freq", "nosuch"), pick(r, key, key, "none")}, compare: asShape}
	case 20, 21:
		return trial{args: slices.Concat([]string{pick(r, "EXPIREAT", "expireat"), key, pick(r, "4000000000", "4000000000", "4000000000", "4000000001", "1", "0", "-1", "x", "9223372036854775807")}, condition(r))}
	case 22:
		return trial{args: slices.Concat([]string{pick(r, "PEXPIREAT", "PEXPIREAT"), key, pick(r, "4000000000000", "3999999999999", "-9223372036854775808", "1")}, condition(r))}
	case 23:
		return trial{args: slices.Concat([]string{pick(r, "EXPIRE", "PEXPIRE"), key, pick(r, "100000000", "0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775")}, pick(r, nil, nil, []string{"NX"}, []string{"XX"}))}
	case 24:
		return trial{args: []string{pick(r, "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"), key}, compare: asLifetime}
	default:
		return trial{args: pick(r, []string{"PERSIST", key}, []string{"TYPE", key}, []string{"GETEX", key, "PERSIST"}, []string{"GETEX", key, "EXAT", "4000000000"})}
	}
}

// condition are options of EXPIRE, few of which go together.
func condition(r *rand.Rand) (options []string) {
	for range max(r.IntN(6)-3, 0) + r.IntN(2) {
		options = append(options, pick(r, "NX", "XX", "GT", "LT", "gt", "lt", "junk"))
	}
	return options
}

// What a command uses is not idle; to look at a key from outside is no use.
func TestIdleTimeIsSinceTheLastUse(t *testing.T) {
	s := newStage(t)
	c := s.client()
	for command, uses := range map[string]bool{
		"GET k": true, "STRLEN k": true, "MGET k": true, "TOUCH k": true, "SET k v NX": true, "APPEND k x": true, "COPY k copy REPLACE": true, "LPUSH k x": true, "EXPIRE k 100": true,
		"EXISTS k": false, "TYPE k": false, "TTL k": false, "PEXPIRETIME k": false, "OBJECT ENCODING k": false, "SCAN 0 TYPE string": false, "KEYS *": false, "RANDOMKEY": false,
	} {
		c.line("SET k v")
		s.e.Freeze(nil) // a view does not keep the entry from being used
		s.e.Locked(func() { s.e.dbs[0].keys["k"].used -= 1000 })
		c.line(command)
		idle, err := strconv.Atoi(c.line("OBJECT IDLETIME k"))
		if err != nil || (idle < 1000) != uses {
			t.Errorf("after %s: idle for %d s, %v", command, idle, err)
		}
	}
	c.line("SET k v")
	s.e.Locked(func() { s.e.dbs[0].keys["k"].used += 1000 })
	if idle := c.line("OBJECT IDLETIME k"); idle != "0" {
		t.Errorf("used in the future: idle for %s s", idle)
	}
}

// Where nothing may be deleted RANDOMKEY does not look for a live key for ever.
func TestRandomKeyOfKeysThatAllHaveExpired(t *testing.T) {
	e := New(Options{ReadOnly: true})
	if err := e.Replay(0, words([]string{"SET", "k", "v", "PXAT", "1"})); err != nil {
		t.Fatal(err)
	}
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	if got := c.line("RANDOMKEY"); got != "k" {
		t.Errorf("RANDOMKEY: %s", got)
	}
	if got := c.line("SCAN 0"); got != "[0 []]" {
		t.Errorf("SCAN: %s", got)
	}
}

// A key whose time is over is none for every command, whether it was deleted yet or not.
func TestExpiredKeysAreNone(t *testing.T) {
	oracle := dial(t, redistest.Start(t, "--enable-debug-command", "yes"))
	oracle.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
	for _, seed := range []uint64{1, 2, rand.Uint64()} {
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		for episode := range 8 {
			var trials []trial
			for range episodeLength {
				next := pick(r, keyCommand, stringCommand, anyValue)(r)
				switch {
				case next.args[0] == "RANDOMKEY" || next.args[0] == "SCAN": // they delete what they meet, in any order
					continue
				case r.IntN(3) == 0:
					next.args = pick(r, []string{"SET", anyKey(r), "gone", "PXAT", "1"}, []string{"SET", anyKey(r), "gone", "EXAT", "1", "GET"},
						[]string{"SET", anyKey(r), "gone", "NX", "PXAT", "1"})
				}
				next.counted = true // the engine logs a DEL, which Redis does not count
				trials = append(trials, next)
			}
			setting{proto: 2 + episode%2}.compare(t, oracle, trials)
		}
	}
}
