package passthrough

import (
	"testing"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// renamed are commands that the table does not know and Redis does: one that leaves nothing, one that blocks, one that lasts.
func renamed(t *testing.T) string {
	return redistest.Start(t, "--rename-command", "INCR", "COUNT", "--rename-command", "BLPOP", "AWAIT", "--rename-command", "SUBSCRIBE", "LISTEN")
}

// What Redis says of a command that is not known here decides where it goes.
func TestCommandsThatAreNotKnownAreLookedUp(t *testing.T) {
	redis := renamed(t)
	addr, _ := serve(t, redis, shared)
	for i, line := range []string{"COUNT n", "count n", "Count n"} {
		c := connect(t, addr)
		c.do(line, []string{":1", ":2", ":3"}[i])
		told(t, c, "pins:0")
	}
	c := connect(t, addr)
	c.send("COUNT n", "COUNT n", "NONE", "GET n", "NONE", "COUNT n")
	c.expect(":4", ":5", "-ERR unknown command 'NONE', with args beginning with:", "$1 5", "-ERR unknown command 'NONE', with args beginning with:", ":6")
	told(t, c, "pins:1")
	a, b := connect(t, addr), connect(t, addr)
	a.send("AWAIT q 0")
	waitFor(t, connect(t, redis), "blocked_clients:1")
	b.do("LISTEN c", "*3 $9 subscribe $1 c :1")
	c = connect(t, addr)
	c.do("COUNT n", ":7")
	c.do("RPUSH q x", ":1")
	c.do("PUBLISH c y", ":1")
	a.expect("*2 $1 q $1 x")
	b.expect("*3 $7 message $1 c $1 y")
	c.send("MULTI", "COUNT n", "EXEC")
	c.expect("+OK", "+QUEUED", "*1 :8")
	told(t, c, "pins_idle:1")
}

// A user who may not ask what Redis knows gets a private wire.
func TestWhoMayNotLookUpGetsAPrivateWire(t *testing.T) {
	redis := renamed(t)
	connect(t, redis).do("ACL SETUSER default -command", "+OK")
	addr, _ := serve(t, redis, shared)
	c := connect(t, addr)
	c.do("COUNT n", ":1")
	c.do("COUNT n", ":2")
	told(t, c, "pins:1")
}

// What was learnt of one Redis does not hold for the next.
func TestWhatIsLearntIsForgottenWithTheRedis(t *testing.T) {
	b := &Backend{}
	b.health.found = &Found{life: "1"}
	b.learns("1", "X", true)
	if lanes, known := b.hasLearnt("X"); !lanes || !known {
		t.Error("not learnt")
	}
	b.health.found = &Found{life: "2"}
	if _, known := b.hasLearnt("X"); known {
		t.Error("not forgotten")
	}
	for i := range 2 * mostLearnt {
		b.learns("2", string(rune(i)), true)
	}
	if len(b.learnt.lanes) > mostLearnt {
		t.Error("learns without a bound")
	}
}

// Where Redis is not there a command that is not known waits as others do.
func TestALookUpInVain(t *testing.T) {
	addr, _ := serve(t, "127.0.0.1:1", func(o *Options, _ *resp.Server) { o.Pool, o.QueueTimeout = Shared, 1 })
	connect(t, addr).do("COUNT n", "-"+string(errUnavailable))
}
