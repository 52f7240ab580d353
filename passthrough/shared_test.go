package passthrough

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

func shared(o *Options, _ *resp.Server) { o.Pool = Shared }

// connected is how many clients Redis sees, whoever asks not counted.
func connected(t testing.TB, direct *client) (n int) {
	t.Helper()
	direct.send("INFO clients")
	info, err := direct.reply()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscan(field([]byte(info), "connected_clients"), &n)
	return n - 1
}

func TestClientsShareOneConnection(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, shared)
	direct := connect(t, redis)
	for i := range 50 {
		c := connect(t, addr)
		c.do(fmt.Sprint("SET k ", i), "+OK")
		c.send("MULTI", "INCR n", "EXEC") // in one write
		c.expect("+OK", "+QUEUED", fmt.Sprintf("*1 :%d", i+1))
	}
	if n := connected(t, direct); n != 1 {
		t.Errorf("Redis sees %d clients", n)
	}
}

// A client that has state has it alone, and the wire is used again when it has none.
func TestStateIsTheClientsOwn(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, shared)
	direct := connect(t, redis)
	for range 10 {
		a, b := connect(t, addr), connect(t, addr)
		a.do("SELECT 3", "+OK")
		a.do("SET k three", "+OK")
		b.do("GET k", "$-1")
		a.do("WATCH k", "+OK")
		a.do("MULTI", "+OK")
		a.do("SET k four", "+QUEUED")
		b.do("SET x 1", "+OK")
		b.do("EXEC", "-ERR EXEC without MULTI")
		a.do("EXEC", "*1 +OK")
		a.do("GET k", "$4 four")
		b.do("GET k", "$-1")
		a.do("DEL k", ":1")
		b.do("DEL x", ":1")
	}
	if n := connected(t, direct); n > 4 {
		t.Errorf("Redis sees %d clients", n)
	}
}

// What a transaction leaves on its connection stays with the client.
func TestASubscriptionInATransactionIsTheClientsOwn(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), shared)
	a := connect(t, addr)
	a.do("MULTI", "+OK")
	a.do("SUBSCRIBE c", "+QUEUED")
	a.do("EXEC", "*1 *3 $9 subscribe $1 c :1")
	b := connect(t, addr)
	b.do("MULTI", "+OK")
	b.do("PUBLISH c x", "+QUEUED")
	b.do("EXEC", "*1 :1")
	a.expect("*3 $7 message $1 c $1 x")
}

func TestBlockedClientsHoldUpNobody(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, shared)
	direct := connect(t, redis)
	var blocked []*client
	for range 5 {
		c := connect(t, addr)
		c.send("BLPOP q 0", "PING")
		blocked = append(blocked, c)
	}
	waitFor(t, direct, "blocked_clients:5")
	other := connect(t, addr)
	for range 5 {
		other.send("RPUSH q x")
		other.reply()
	}
	for _, c := range blocked {
		c.expect("*2 $1 q $1 x", "+PONG")
	}
}

func TestTheErrorOfPinsThatRunOutNamesTheSetting(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) { o.Pool, o.Pins = Shared, 1 })
	a, b := connect(t, addr), connect(t, addr)
	a.do("WATCH k", "+OK")
	b.do("WATCH k", "-ERR omniproxy: all 1 upstream connections for clients with state are in use; raise --pins")
	b.do("PING", "+PONG")
	a.do("UNWATCH", "+OK")
	b.do("WATCH k", "+OK")
}

// A lane that a transaction left where it should not be is not used again.
func TestAPoisonedLaneIsClosed(t *testing.T) {
	s := newScript(t)
	addr, _ := serve(t, s.addr, shared)
	c := connect(t, addr)
	c.send("PING")
	up := s.next()
	up.expect("*1 $5 MULTI", "*1 $4 EXEC")
	fmt.Fprint(up, "+OK\r\n*0\r\n")
	up.expect("*1 $4 PING")
	fmt.Fprint(up, "+PONG\r\n")
	c.expect("+PONG")
	c.send("MULTI", "SET a 1", "EXEC")
	up.expect("*1 $5 MULTI", "*3 $3 SET $1 a $1 1", "*1 $4 EXEC")
	fmt.Fprint(up, "+OK\r\n+QUEUED\r\n-NOPERM no EXEC\r\n")
	c.expect("+OK", "+QUEUED", "-NOPERM no EXEC")
	up.expectEnd()
}

// Where a probe shows that MULTI or EXEC are not what they were, transactions are pinned.
func TestALaneThatCannotTransactIsNotAskedTo(t *testing.T) {
	redis := redistest.Start(t, "--rename-command", "EXEC", "")
	addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) { o.Pool = Shared })
	c := connect(t, addr)
	c.send("MULTI", "SET a 1", "DISCARD")
	c.expect("+OK", "+QUEUED", "+OK")
	c.do("SET a 2", "+OK")
	c.do("GET a", "$1 2")
}

func TestFaultsOnSharedConnectionsNeverMixUpReplies(t *testing.T) {
	redis := redistest.Start(t)
	k := newCutter(t, redis)
	addr, _ := serve(t, k.addr, shared)
	var clients sync.WaitGroup
	stop := make(chan struct{})
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				k.cut(false)
			}
		}
	})
	for i := range 20 {
		c := connect(t, addr)
		clients.Go(func() {
			for round := range 60 {
				if err := c.round(i, round*10, map[int]bool{}); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	cutting.Wait()
	direct := connect(t, redis)
	for i := range 20 {
		direct.send(fmt.Sprintf("LRANGE log:%d 0 -1", i))
		list, err := direct.reply()
		if err != nil {
			t.Fatal(err)
		}
		last := -1
		for _, word := range strings.Fields(list)[1:] {
			var n int
			if word[0] == '$' {
				continue
			}
			if fmt.Sscan(word, &n); n <= last {
				t.Errorf("client %d: %d was done after %d", i, n, last)
			}
			last = n
		}
	}
}

// Who was killed while it waited is given nothing any more once its killer knows.
func TestAKilledWaiterTakesNothing(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, shared)
	direct := connect(t, redis)
	a := connect(t, addr)
	for i := range 50 {
		victim := connect(t, addr)
		id := victim.id()
		victim.send("BLPOP q 0")
		waitFor(t, direct, "blocked_clients:1")
		a.send("CLIENT KILL ID "+id, "RPUSH q x", "LPOP q")
		a.expect(":1", ":1", "$1 x")
		if i == 0 {
			victim.expectEnd()
		}
	}
}

// Two who unblock each other do not wait for each other.
func TestClientsUnblockEachOther(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), shared)
	a, b := connect(t, addr), connect(t, addr)
	ofA, ofB := a.id(), b.id()
	for range 200 {
		a.send("CLIENT UNBLOCK " + ofB)
		b.send("CLIENT UNBLOCK " + ofA)
		a.expect(":0")
		b.expect(":0")
	}
}
