package integration

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Random commands of several clients to a Redis and, through the proxy, to another one: whatever they hear is the same, to
// the byte. `make soak` runs a long one.

var soakCommands = flag.Int("commands", 2000, "how many random commands are sent through the proxy and to Redis, in each pool and protocol")

const (
	soakWorkers = 5
	soakEpisode = 500 // turns from one empty keyspace to the next
)

// soakLines are what workers say: $k is a key, $v a value, $i a number, $f a field, $s a stream's ID, $db a database. What
// comes by chance or in no order of its own is left out.
var soakLines = strings.Split(strings.TrimSpace(`
SET $k $v
SET $k $v NX GET
SET $k $v EXAT 99999999999
GET $k
GETSET $k $v
GETDEL $k
GETRANGE $k $i $i
SETRANGE $k $i $v
APPEND $k $v
STRLEN $k
INCR $k
INCRBYFLOAT $k $i.5
DECRBY $k $i
MSET $k $v $k $v
MSETNX $k $v $k $v
MGET $k $k $k
SETBIT $k $i 1
BITCOUNT $k
BITFIELD $k SET u8 $i $i OVERFLOW FAIL INCRBY u2 1 1
LCS $k $k LEN
DEL $k $k
EXISTS $k $k $k
TYPE $k
RENAME $k $k
COPY $k $k REPLACE
EXPIREAT $k 99999999999
EXPIRETIME $k
PERSIST $k
OBJECT ENCODING $k
HSET $k $f $i $f $i
HGET $k $f
HMGET $k $f $f
HGETALL $k
HDEL $k $f
HINCRBY $k $f $i
HLEN $k
RPUSH $k $v $v
LPUSH $k $v
LPOP $k
RPOP $k $i
LRANGE $k 0 -1
LINSERT $k BEFORE $v $v
LMOVE $k $k LEFT RIGHT
LMPOP 2 $k $k LEFT COUNT 2
LPOS $k $v
SADD $k $i $i $i
SREM $k $i
SISMEMBER $k $i
SCARD $k
ZADD $k $i $f $i $f
ZADD $k GT CH $i $f
ZINCRBY $k $i $f
ZRANGE $k 0 -1 WITHSCORES
ZRANGEBYSCORE $k $i +inf LIMIT 0 3
ZPOPMIN $k 2
ZSCORE $k $f
ZUNIONSTORE $k 2 $k $k
ZDIFF 2 $k $k WITHSCORES
GEOADD $k 13.3 38.1 $f
GEOPOS $k $f
XADD $k $s f $v
XADD $k MAXLEN 5 $s f $v
XRANGE $k - + COUNT 5
XLEN $k
XDEL $k $s
XREAD COUNT 2 STREAMS $k $k 0 0
XGROUP CREATE $k g 0 MKSTREAM
XREADGROUP GROUP g $f COUNT 2 STREAMS $k >
XREADGROUP GROUP g $f BLOCK 1 STREAMS $k >
XACK $k g $s $s
XINFO GROUPS $k
PFADD $k $v $v
PFCOUNT $k $k
SORT $k ALPHA
EVAL return(redis.call('get',KEYS[1])) 1 $k
EVAL return({KEYS[1],ARGV[1],{1,2}}) 1 $k $v
EVAL redis.setresp(3);return(redis.call('zrange',KEYS[1],0,-1,'withscores')) 1 $k
EVALSHA ffffffffffffffffffffffffffffffffffffffff 0
DBSIZE
SWAPDB 0 1
PING
PING $v
ECHO $v
PUBLISH news $v
SPUBLISH shard $v
PUBSUB NUMSUB news
CONFIG GET maxmemory
BLPOP $k 0.001
BLMOVE $k $k LEFT RIGHT 0.001
BZPOPMIN $k 0.001
WAIT 0 1
NOPE $v
GET
SET $k
OBJECT NOPE $k
CLIENT NOPE
XGROUP CREATE $k
`), "\n")

// soakState are lines that leave something on their connection.
var soakState = strings.Split(strings.TrimSpace(`
MULTI
MULTI
MULTI
EXEC
EXEC
EXEC
DISCARD
WATCH $k
WATCH $k $k
UNWATCH
SELECT $db
SELECT $db
SELECT x
HELLO $p
HELLO 4
RESET
CLIENT TRACKING ON NOLOOP OPTIN
CLIENT TRACKING OFF
CLIENT CACHING YES
READONLY
EXEC x
DISCARD x
MULTI x
`), "\n")

func TestRandomCommandsAreAnsweredAsWithoutTheProxy(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for _, pool := range []string{"session", "shared"} {
		for proto := 2; proto <= 3; proto++ {
			t.Run(fmt.Sprintf("%s/RESP%d", pool, proto), func(t *testing.T) {
				t.Parallel()
				t.Logf("seed %d", seed)
				s := &soak{t: t, r: rand.New(rand.NewPCG(seed, uint64(proto))), proto: proto}
				debug := []string{"--enable-debug-command", "yes", "--busy-reply-threshold", "60000"}
				redis, behind := redistest.Start(t, debug...), redistest.Start(t, debug...)
				s.sides[0] = s.side(redis, redis)
				s.sides[1] = s.side(behind, proxy(t, "redis://"+behind, "--pool", pool).Addr)
				for s.done < *soakCommands {
					s.episode()
				}
				t.Logf("%d commands, no difference", s.done)
			})
		}
	}
}

// soak is the same clients before either server.
type soak struct {
	t     *testing.T
	r     *rand.Rand
	proto int
	sides [2]side
	done  int // commands
	said  []string
}

type side struct {
	addr    string
	server  *rawClient // asks the Redis itself
	workers [soakWorkers]*rawClient
	ear     *rawClient
}

func (s *soak) side(server, addr string) side {
	at := side{addr: addr, server: dialRaw(s.t, server), ear: dialRaw(s.t, addr)}
	for i := range at.workers {
		at.workers[i] = dialRaw(s.t, addr)
	}
	return at
}

// rawClient is a connection of which every byte counts.
type rawClient struct {
	t testing.TB
	net.Conn
	frame wire.Frame
	rest  []byte
}

func dialRaw(t testing.TB, addr string) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &rawClient{t: t, Conn: nc}
}

// replies reads so many, and drops what Redis says between them.
func (c *rawClient) replies(n int) (all []string) {
	c.t.Helper()
	for len(all) < n {
		if one := c.next(); one[0] != '>' {
			all = append(all, one)
		}
	}
	return all
}

// next reads a reply or a push.
func (c *rawClient) next() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	var one []byte
	for buf := make([]byte, 16<<10); ; {
		size, whole, err := c.frame.Next(c.rest)
		if err != nil {
			c.t.Fatal(err)
		}
		one = append(one, c.rest[:size]...)
		if c.rest = c.rest[size:]; whole {
			return string(one)
		}
		got, err := c.Read(buf)
		if err != nil {
			c.t.Fatalf("after %.100q: %v", one, err)
		}
		c.rest = append(c.rest, buf[:got]...)
	}
}

func (c *rawClient) ask(words ...string) string {
	c.t.Helper()
	var w wire.Writer
	command(&w, words...)
	if _, err := c.Write(w.Bytes()); err != nil {
		c.t.Fatal(err)
	}
	return c.replies(1)[0]
}

func (s *soak) episode() {
	for i := range s.sides {
		at := &s.sides[i]
		at.server.ask("FLUSHALL")
		for _, c := range append(at.workers[:], at.ear) {
			c.ask("RESET")
			c.ask("HELLO", strconv.Itoa(s.proto))
		}
		at.ear.ask("HELLO", "3")
	}
	s.said = nil
	for range soakEpisode {
		switch s.r.IntN(20) {
		case 0:
			s.block()
		case 1:
			s.listen()
		default:
			s.work()
		}
	}
	s.same("DEBUG DIGEST", func(at *side) string { return at.server.ask("DEBUG", "DIGEST") })
}

// same fails the test unless both sides do the same.
func (s *soak) same(what string, do func(at *side) string) {
	s.t.Helper()
	s.said = append(s.said, what)
	if diff := cmp.Diff(do(&s.sides[0]), do(&s.sides[1])); diff != "" {
		s.t.Fatalf("the last turns:\n%s\n-redis +proxy\n%s", strings.Join(s.said[max(0, len(s.said)-40):], "\n"), diff)
	}
}

// work has a worker send commands, in one write or two.
func (s *soak) work() {
	who := s.r.IntN(soakWorkers)
	var said []string
	var w wire.Writer
	for range 1 + s.r.IntN(1+s.r.IntN(12)) {
		words := s.words(s.line())
		if s.r.IntN(40) == 0 && len(words) > 1 {
			words = words[:len(words)-1]
		}
		command(&w, words...)
		said = append(said, fmt.Sprintf("%.60q", words))
	}
	s.done += len(said)
	cut := s.r.IntN(w.Len())
	if s.r.IntN(3) > 0 {
		cut = 0
	}
	s.same(fmt.Sprintf("%d: %s", who, strings.Join(said, " ")), func(at *side) string {
		c := at.workers[who]
		go func() {
			c.Write(w.Bytes()[:cut])
			c.Write(w.Bytes()[cut:])
		}()
		return helloID.ReplaceAllString(strings.Join(c.replies(len(said)), ""), "id")
	})
}

var helloID = regexp.MustCompile(`\$2\r\nid\r\n:\d+`)

// block has a worker wait for what another one brings, or for CLIENT UNBLOCK.
func (s *soak) block() {
	key := fmt.Sprint("wait", s.r.IntN(3))
	line := []string{"BLPOP", key, "0"}
	bring := []string{"RPUSH", key, s.value()}
	if s.r.IntN(2) == 0 {
		line, bring = []string{"XREAD", "BLOCK", "0", "STREAMS", key + "s", "$"}, []string{"XADD", key + "s", fmt.Sprint(s.done, "-1"), "f", s.value()}
	}
	unblocked := s.r.IntN(4) == 0
	s.done += 2
	s.same(fmt.Sprint("block ", line), func(at *side) string {
		who := dialRaw(s.t, at.addr)
		defer who.Close()
		who.ask("HELLO", strconv.Itoa(s.proto))
		id := strings.Trim(who.ask("CLIENT", "ID"), ":\r\n")
		var w wire.Writer
		command(&w, line...)
		command(&w, "PING")
		who.Write(w.Bytes())
		for !strings.Contains(at.server.ask("INFO", "clients"), "blocked_clients:1\r\n") {
			time.Sleep(time.Millisecond)
		}
		other := dialRaw(s.t, at.addr)
		defer other.Close()
		if unblocked {
			return other.ask("CLIENT", "UNBLOCK", id, "ERROR") + strings.Join(who.replies(2), "")
		}
		other.ask(bring...)
		return strings.Join(who.replies(2), "")
	})
}

// listen has the ear subscribe or unsubscribe, and hear what was published until then.
func (s *soak) listen() {
	line := strings.Fields(pickLine(s.r, "SUBSCRIBE news", "SUBSCRIBE news news", "PSUBSCRIBE n*", "SSUBSCRIBE shard", "UNSUBSCRIBE", "UNSUBSCRIBE news", "PUNSUBSCRIBE", "SUNSUBSCRIBE shard", "GET k1"))
	s.done++
	end := "end" + strconv.Itoa(s.done)
	s.same(fmt.Sprint("ear ", line), func(at *side) string {
		var w wire.Writer
		command(&w, line...)
		command(&w, "ECHO", end)
		at.ear.Write(w.Bytes())
		for heard := ""; ; {
			heard += at.ear.next()
			if strings.HasSuffix(heard, "\r\n"+end+"\r\n") {
				return heard
			}
		}
	})
}

func pickLine(r *rand.Rand, lines ...string) string { return lines[r.IntN(len(lines))] }

func (s *soak) line() string {
	if s.r.IntN(5) == 0 {
		return pickLine(s.r, soakState...)
	}
	return pickLine(s.r, soakLines...)
}

// words fills a line in.
func (s *soak) words(line string) []string {
	words := strings.Fields(line)
	for i, word := range words {
		switch word {
		case "$k":
			word = fmt.Sprint("k", s.r.IntN(6))
		case "$v":
			word = s.value()
		case "$i", "$i.5":
			word = strings.Replace(word, "$i", strconv.Itoa(s.r.IntN(30)), 1)
		case "$f":
			word = pickLine(s.r, "a", "b", "c", "")
		case "$s":
			word = fmt.Sprintf("%d-%d", s.r.IntN(100), 1+s.r.IntN(9))
		case "$db":
			word = pickLine(s.r, "0", "0", "1", "2")
		case "$p":
			word = pickLine(s.r, "2", "3")
		}
		words[i] = word
	}
	if s.r.IntN(4) == 0 {
		words[0] = strings.ToLower(words[0])
	}
	return words
}

// value is short, but for some.
func (s *soak) value() string {
	switch s.r.IntN(40) {
	case 0:
		return string(bytes.Repeat([]byte("long\r\n"), 1+s.r.IntN(30_000)))
	case 1:
		return "\x00\r\n$5\r\n*\xff"
	case 2:
		return ""
	}
	return strconv.Itoa(s.r.IntN(50))
}
