package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everyType fills a server with keys of every type, in two databases.
const everyType = `
	SET string text
	SET integer 12
	HSET hash f v g w
	SADD ints 1 2 3
	SADD set a b c 1
	ZADD zset 1 a 2.5 b -inf c
	RPUSH list a b c a
	XADD stream 1-1 f v
	XADD stream 2-1 f w g x
	XGROUP CREATE stream g 0
	XREADGROUP GROUP g alice COUNT 1 STREAMS stream >
	XGROUP CREATE stream h $
	XDEL stream 1-1
	SET lives v PX 100000000
	SELECT 3
	SET other v
	SELECT 0
`

func tell(c *client, script string) {
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		c.do(strings.Fields(line)...)
	}
}

// A reload leaves the same keyspace, of new entries, and nothing for the log; what is edited then keeps to the limits.
func TestReloadKeepsTheKeyspace(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	tell(c, everyType)
	for i := range 600 {
		c.do("HSET", "big", fmt.Sprint("field", i), "v")
	}
	before, digest := keyspace(e), c.do("DEBUG", "DIGEST").text
	if r := c.do("DEBUG", "RELOAD"); r.text != "OK" {
		t.Fatal(r.text)
	}
	if diff := cmp.Diff(before, keyspace(e)); diff != "" {
		t.Errorf("-before +after\n%s", diff)
	}
	if again := c.do("DEBUG", "DIGEST").text; again != digest {
		t.Errorf("the digest was %s and is %s", digest, again)
	}
	c.do("CONFIG", "SET", "hash-max-listpack-entries", "2")
	c.do("HSET", "hash", "h", "x")
	if got := c.do("OBJECT", "ENCODING", "hash").text; got != "hashtable" {
		t.Errorf("a hash beyond the limit is a %s", got)
	}
}

// A digest is the same for the same content, in whatever order it came, and another one for any other.
func TestDigestTellsContentApart(t *testing.T) {
	addr, stop := serve(t, New(Options{}))
	defer stop()
	c := dial(t, addr)
	value := func(script string) string {
		c.do("FLUSHALL")
		tell(c, script)
		return c.do("DEBUG", "DIGEST-VALUE", "k").items[0].text
	}
	same := [][2]string{
		{"HSET k a 1 b 2", "HSET k b 2 a 1"},
		{"SADD k a b 1", "SADD k 1 b a"},
		{"ZADD k 1 a 2 b", "ZADD k 2 b 1 a"},
	}
	for _, s := range same {
		if value(s[0]) != value(s[1]) {
			t.Errorf("%q and %q have two digests", s[0], s[1])
		}
	}
	seen := map[string]string{}
	for _, script := range []string{
		"DEL k", "SET k a", "SET k b", "RPUSH k a", "RPUSH k a b", "RPUSH k b a", "RPUSH k ab", "SADD k a", "SADD k a b", "HSET k a b", "HSET k b a", "HSET k a b b a",
		"HSET k ab c", "HSET k a bc", "ZADD k 1 a", "ZADD k 2 a", "ZADD k 1 a 2 b", "XADD k 1-1 a b", "XADD k 1-2 a b", "XADD k 1-1 a b\nXGROUP CREATE k g 0", "SET k a\nPEXPIREAT k 9000000000000",
	} {
		d := value(script)
		if other, twice := seen[d]; twice {
			t.Errorf("%q and %q have one digest", script, other)
		}
		seen[d] = script
	}
}
