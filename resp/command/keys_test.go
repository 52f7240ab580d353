package command

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// keyCalls has at least one call of every command with keys.
var keyCalls = strings.Split(strings.TrimSpace(`
APPEND k v
BITCOUNT k
BITFIELD k GET u8 0
BITFIELD k OVERFLOW SAT GET u8 0
BITFIELD k GET u8 0 SET u8 0 1
BITFIELD k INCRBY u8 0 1
BITFIELD k GET u8
BITFIELD_RO k GET u8 0
BITOP AND dst a b
BITPOS k 1
BLMOVE a b LEFT RIGHT 0
BLMPOP 0 2 a b LEFT
BLPOP a b 0
BRPOP a 0
BRPOPLPUSH a b 0
BZMPOP 0 1 a MIN
BZPOPMAX a b 0
BZPOPMIN a 0
COPY a b
DECR k
DECRBY k 1
DEL a
DEL a b c
DUMP k
EVAL script 0
EVAL script 2 a b arg
EVAL script 3 a b
EVAL script x a b
EVALSHA sha 1 a
EVALSHA_RO sha 1 a
EVAL_RO script 1 a arg
EXISTS a b
EXPIRE k 1
EXPIREAT k 1
EXPIRETIME k
FCALL f 2 a b
FCALL_RO f 0 arg
GEOADD k 1 2 m
GEODIST k a b
GEOHASH k m
GEOPOS k m
GEORADIUS k 1 2 3 km
GEORADIUS k 1 2 3 km STORE dst
GEORADIUS k 1 2 3 km STORE a STOREDIST b
GEORADIUS k 1 2 3 km STORE
GEORADIUSBYMEMBER k m 3 km COUNT 1 STOREDIST dst
GEORADIUSBYMEMBER_RO k m 3 km
GEORADIUS_RO k 1 2 3 km
GEOSEARCH k FROMMEMBER m BYRADIUS 1 km
GEOSEARCHSTORE dst src FROMMEMBER m BYRADIUS 1 km
GET k
GETBIT k 0
GETDEL k
GETEX k
GETRANGE k 0 1
GETSET k v
HDEL k f
HEXISTS k f
HGET k f
HGETALL k
HINCRBY k f 1
HINCRBYFLOAT k f 1
HKEYS k
HLEN k
HMGET k f
HMSET k f v
HRANDFIELD k
HSCAN k 0
HSET k f v
HSETNX k f v
HSTRLEN k f
HVALS k
INCR k
INCRBY k 1
INCRBYFLOAT k 1
LCS a b
LINDEX k 0
LINSERT k BEFORE p e
LLEN k
LMOVE a b LEFT LEFT
LMPOP 2 a b LEFT
LMPOP 0 a b LEFT
LMPOP -1 a LEFT
LPOP k
LPOS k e
LPUSH k e
LPUSHX k e
LRANGE k 0 1
LREM k 0 e
LSET k 0 e
LTRIM k 0 1
MEMORY USAGE k
MGET a b c
MIGRATE h 1 k 0 5
MIGRATE h 1 "" 0 5 COPY REPLACE AUTH2 KEYS KEYS KEYS a b
MIGRATE h 1 "" 0 5 AUTH KEYS KEYS a
MIGRATE h 1 k 0 5 KEYS a
MIGRATE h 1 "" 0 5 KEYS
MOVE k 1
MSET a 1 b 2
MSET a 1 b
MSETNX a 1 b 2
OBJECT ENCODING k
OBJECT FREQ k
OBJECT IDLETIME k
OBJECT REFCOUNT k
PERSIST k
PEXPIRE k 1
PEXPIREAT k 1
PEXPIRETIME k
PFADD k e
PFCOUNT a b
PFDEBUG GETREG k
PFMERGE dst a b
PSETEX k 1 v
PTTL k
RENAME a b
RENAMENX a b
RESTORE k 0 v
RESTORE-ASKING k 0 v
RPOP k
RPOPLPUSH a b
RPUSH k e
RPUSHX k e
SADD k m
SCARD k
SDIFF a b
SDIFFSTORE dst a b
SET k v
SET k v PX 1 get
SET k get
SETBIT k 0 1
SETEX k 1 v
SETNX k v
SETRANGE k 0 v
SINTER a b
SINTERCARD 2 a b
SINTERSTORE dst a b
SISMEMBER k m
SMEMBERS k
SMISMEMBER k m
SMOVE a b m
SORT k
SORT k BY STORE GET STORE LIMIT STORE STORE
SORT k DESC STORE a STORE b
SORT k STORE STORE dst
SORT k STORE
SORT_RO k BY w_*
SPOP k
SRANDMEMBER k
SREM k m
SSCAN k 0
STRLEN k
SUBSTR k 0 1
SUNION a b
SUNIONSTORE dst a b
TOUCH a b
TTL k
TYPE k
UNLINK a b
WATCH a b
XACK k g 1
XADD k * f v
XAUTOCLAIM k g c 0 0
XCLAIM k g c 0 1
XDEL k 1
XGROUP CREATE k g $
XGROUP CREATECONSUMER k g c
XGROUP DELCONSUMER k g c
XGROUP DESTROY k g
XGROUP SETID k g $
XINFO CONSUMERS k g
XINFO GROUPS k
XINFO STREAM k
XLEN k
XPENDING k g
XRANGE k - +
XREAD STREAMS a 0
XREAD COUNT 2 BLOCK 0 streams a b 0 0
XREAD STREAMS STREAMS 0
XREAD STREAMS a b 0
XREAD COUNT 2 STREAMS
XREADGROUP GROUP STREAMS c STREAMS k >
XREADGROUP GROUP g c NOACK STREAMS a b > >
XREVRANGE k + -
XSETID k 1
XTRIM k MAXLEN 1
ZADD k 1 m
ZCARD k
ZCOUNT k 0 1
ZDIFF 2 a b
ZDIFFSTORE dst 2 a b
ZINCRBY k 1 m
ZINTER 2 a b WITHSCORES
ZINTERCARD 1 a
ZINTERSTORE dst 1 a
ZLEXCOUNT k - +
ZMPOP 1 a MIN
ZMSCORE k m
ZPOPMAX k
ZPOPMIN k
ZRANDMEMBER k
ZRANGE k 0 1
ZRANGEBYLEX k - +
ZRANGEBYSCORE k 0 1
ZRANGESTORE dst src 0 1
ZRANK k m
ZREM k m
ZREMRANGEBYLEX k - +
ZREMRANGEBYRANK k 0 1
ZREMRANGEBYSCORE k 0 1
ZREVRANGE k 0 1
ZREVRANGEBYLEX k + -
ZREVRANGEBYSCORE k 1 0
ZREVRANK k m
ZSCAN k 0
ZSCORE k m
ZUNION 2 a b WEIGHTS 1 2
ZUNION 3 a b
ZUNIONSTORE dst 2 a b
ZUNIONSTORE dst 0 a
`), "\n")

func TestKeysAreThoseOfCommandGetkeys(t *testing.T) {
	l := dialBoth(t)
	covered := map[*Spec]bool{}
	for _, line := range keyCalls {
		args := call(strings.Fields(strings.ReplaceAll(line, `""`, "\x00"))...)
		for i, a := range args {
			if string(a) == "\x00" {
				args[i] = nil // strings.Fields drops empty words
			}
		}
		covered[Lookup(args)] = true
		expect(t, l, append(call("COMMAND", "GETKEYS"), args...))
		expect(t, l, append(call("COMMAND", "GETKEYSANDFLAGS"), args...))
	}
	for s := range All() {
		if s.HasKeys() != covered[s] {
			t.Errorf("%s: has keys: %v, has an example: %v", s.Name, s.HasKeys(), covered[s])
		}
	}
}

// Arguments that mean something to one command or another, in any order.
func TestKeysOfRandomCallsAreThoseOfRedis(t *testing.T) {
	words := strings.Fields("k k2 a 0 1 2 3 -1 x STREAMS STORE STOREDIST KEYS GET SET OVERFLOW BY LIMIT COUNT BLOCK GROUP AUTH AUTH2 INCRBY")
	var withKeys []*Spec
	for s := range All() {
		if s.HasKeys() {
			withKeys = append(withKeys, s)
		}
	}
	l := map[int]*live{3: dial(t, 3)}
	r := rand.New(rand.NewPCG(5, 6))
	for range 4000 {
		s := withKeys[r.IntN(len(withKeys))]
		if moving := r.IntN(2) == 0; moving != s.Flags.Has(MovableKeys) && s.findKeys == nil {
			continue // else most calls would be of the simple kind
		}
		args := call(strings.Split(s.Name, " ")...)
		for n := max(s.Arity, -s.Arity+r.IntN(8)); len(args) < n; {
			args = append(args, []byte(words[r.IntN(len(words))]))
		}
		expect(t, l, append(call("COMMAND", "GETKEYSANDFLAGS"), args...))
	}
}

// A step of zero would never end.
func TestKeySpecsStepForward(t *testing.T) {
	for s := range All() {
		for _, k := range s.KeySpecs {
			if k.Find.Type != "unknown" && k.Find.KeyStep < 1 {
				t.Errorf("%s: step %d", s.Name, k.Find.KeyStep)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	tests := []struct {
		args []string
		want []int
		err  error
	}{
		{[]string{"MSET", "a", "1", "b", "2"}, []int{1, 3}, nil},
		{[]string{"ZUNIONSTORE", "dst", "2", "a", "b"}, []int{1, 3, 4}, nil},
		{[]string{"XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"}, []int{4, 5}, nil},
		{[]string{"PING"}, nil, nil},
		{[]string{"CONFIG", "GET", "x"}, nil, nil},
		{[]string{"SPUBLISH", "ch", "m"}, nil, nil},
		{[]string{"EVAL", "s", "0"}, nil, nil},
		{[]string{"ZUNION", "5", "a"}, nil, wire.ErrGetKeysArgs},
		{[]string{"ZUNION", "9223372036854775807", "a"}, nil, wire.ErrGetKeysArgs},
		{[]string{"ZUNION", strconv.Itoa(1 << 32), "a"}, nil, wire.ErrGetKeysArgs},
		{[]string{"GET"}, nil, wire.ErrGetKeysArity},
		{[]string{"SET", "k"}, nil, wire.ErrGetKeysArity},
	}
	for _, tt := range tests {
		args := call(tt.args...)
		got, err := Lookup(args).Keys(args)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != tt.err {
			t.Errorf("%q: error %v, keys (-want +got):\n%s", tt.args, err, diff)
		}
	}
}

func TestAppendKeysAppends(t *testing.T) {
	before := []Key{{7, KeyRM}}
	args := call("MGET", "a", "b")
	got, err := Lookup(args).AppendKeys(slices.Clone(before), args)
	want := append(before, Key{1, KeyRO | KeyAccess}, Key{2, KeyRO | KeyAccess})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v: %s", err, diff)
	}
	for _, words := range [][]string{
		{"ZUNIONSTORE", "dst", "9", "a"}, // fails after its first key
		{"MIGRATE", "h", "1", "k", "0", "5", "KEYS", "a"},
		{"PING"},
	} {
		args := call(words...)
		got, _ := Lookup(args).AppendKeys(slices.Clone(before), args)
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("%q: %s", words, diff)
		}
	}
}

func TestAppendKeysDoesNotAllocate(t *testing.T) {
	dst := make([]Key, 0, 8)
	for _, args := range [][][]byte{
		call("GET", "k"), call("SORT", "k", "STORE", "d"), call("EVAL", "s", "1", "k"), call("XREAD", "STREAMS", "k", "0"),
	} {
		s := Lookup(args)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := s.AppendKeys(dst, args); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", s.Name, n)
		}
	}
}

// FuzzKeys looks for calls that reach outside their arguments.
func FuzzKeys(f *testing.F) {
	for _, line := range keyCalls {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := call(strings.Split(line, " ")...)
		s := Lookup(args)
		if s == nil {
			return
		}
		positions, _ := s.Keys(args)
		for _, p := range positions {
			if p < 1 || p >= len(args) {
				t.Errorf("%q: key at %d", args, p)
			}
		}
	})
}
