package passthrough

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

const (
	unavailable = "-" + string(errUnavailable)
	unanswered  = "-" + string(errUnanswered)
)

func TestCommandsWaitForARedisThatIsNotThereYet(t *testing.T) {
	k := newCutter(t, redistest.Start(t))
	k.down(false)
	addr, _ := serve(t, k.addr, nil)
	c := connect(t, addr)
	c.send("SET a 1", "GET a")
	k.up(t)
	c.expect("+OK", "$1 1")
}

func TestCommandsWaitOnlySoLong(t *testing.T) {
	k := newCutter(t, redistest.Start(t))
	k.down(false)
	addr, _ := serve(t, k.addr, func(o *Options, _ *resp.Server) { o.QueueTimeout = 50 * time.Millisecond })
	c := connect(t, addr)
	c.send("SET a 1", "MULTI", "SET a 2")
	c.expect(unavailable, unavailable, unavailable)
	k.up(t)
	c.do("SET a 3", "-"+string(errTransaction))
	c.do("EXEC", "-"+string(errExecLost))
	for got := unavailable; got == unavailable; {
		c.send("GET a")
		got, _ = c.reply()
		if got = strings.TrimSpace(got); got != unavailable && got != "$-1" {
			t.Fatal(got)
		}
	}
}

func TestWrittenCommandsAreNeverWrittenAgain(t *testing.T) {
	s := newScript(t)
	addr, _ := serve(t, s.addr, nil)
	c := connect(t, addr)
	c.send("INCR a", "INCR b", "INCR c")
	up := s.next()
	up.expect("*2 $4 INCR $1 a", "*2 $4 INCR $1 b", "*2 $4 INCR $1 c")
	io.WriteString(up, ":1\r\n:")
	up.Close()
	c.expect(":1", unanswered, unanswered)
	c.send("GET d")
	up = s.next()
	up.expect("*2 $3 GET $1 d")
	io.WriteString(up, "+x\r\n")
	c.expect("+x")
}

func TestNonsenseOfAnUpstreamIsNoReply(t *testing.T) {
	s := newScript(t)
	addr, _ := serve(t, s.addr, nil)
	c := connect(t, addr)
	c.send("GET a")
	io.WriteString(s.next(), "HTTP/1.1 400 Bad Request\r\n\r\n")
	c.expect(unanswered)
	c.send("GET a")
	io.WriteString(s.next(), "$1\r\na\r\n")
	c.expect("$1 a")
}

// A reply of which the client has a part cannot be taken back: it is the only one that costs the connection.
func TestALongReplyThatEndsTooSoonEndsTheClient(t *testing.T) {
	s := newScript(t)
	addr, _ := serve(t, s.addr, nil)
	c := connect(t, addr)
	c.send("GET a")
	up := s.next()
	fmt.Fprintf(up, "$%d\r\n%s", 3<<20, strings.Repeat("x", 2<<20))
	up.Close()
	if got, err := c.reply(); err == nil || strings.Contains(got, "-ERR") {
		t.Errorf("%.80q, %v", got, err)
	}
}

// What OmniDaemon's consumers take for the end must not stand in an error.
func TestABlockedClientSurvivesTheLoss(t *testing.T) {
	redis := redistest.Start(t)
	for _, reset := range []bool{false, true} {
		k := newCutter(t, redis)
		addr, _ := serve(t, k.addr, nil)
		c := connect(t, addr)
		c.do("PING", "+PONG")
		c.send("XREADGROUP GROUP g c BLOCK 0 STREAMS s >")
		c.expect("-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option")
		c.send("BLPOP q 0")
		direct := connect(t, redis)
		waitFor(t, direct, "blocked_clients:1")
		k.down(reset)
		c.expect(unanswered)
		for _, word := range []string{"connection closed", "connection reset", "NOGROUP"} {
			if strings.Contains(strings.ToLower(unanswered+unavailable), strings.ToLower(word)) {
				t.Errorf("the errors say %q", word)
			}
		}
		k.up(t)
		c.do("PING", "+PONG")
	}
}

// waitFor waits until INFO says something.
func waitFor(t testing.TB, c *client, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c.send("INFO")
		info, err := c.reply()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, text) {
			return
		}
	}
	t.Fatalf("INFO does not say %s", text)
}

func TestATransactionThatLostItsRedisIsOver(t *testing.T) {
	redis := redistest.Start(t)
	k := newCutter(t, redis)
	addr, _ := serve(t, k.addr, nil)
	for _, end := range []struct{ command, reply string }{{"EXEC", "-" + string(errExecLost)}, {"DISCARD", "+OK"}} {
		c := connect(t, addr)
		c.do("MULTI", "+OK")
		c.do("SET a 1", "+QUEUED")
		k.cut(true)
		waitLost(t, c)
		c.do("SET b 1", "-"+string(errTransaction))
		c.do(end.command, end.reply)
		c.do("EXISTS a b", ":0")
	}
}

// waitLost sends commands inside a transaction until the proxy has seen the loss.
func waitLost(t testing.TB, c *client) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c.send("PING")
		reply, err := c.reply()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(reply, string(errTransaction)) {
			return
		}
	}
	t.Fatal("the loss is not seen")
}

func TestAWatchThatLostItsRedisFails(t *testing.T) {
	for proto, null := range map[string]string{"2": "*-1", "3": "_"} {
		redis := redistest.Start(t)
		k := newCutter(t, redis)
		addr, _ := serve(t, k.addr, nil)
		c := connect(t, addr)
		c.send("HELLO " + proto)
		c.reply()
		c.do("WATCH a", "+OK")
		k.cut(false)
		for n := 0; n < 3; n++ { // the first may find the wire before or after it is lost
			c.send("GET x")
			c.reply()
		}
		connect(t, redis).do("SET a 2", "+OK")
		c.send("MULTI", "SET a 1", "EXEC")
		c.expect("+OK", "+QUEUED", null)
		c.do("GET a", "$1 2")
		c.send("MULTI", "SET a 3", "EXEC")
		c.expect("+OK", "+QUEUED", "*1 +OK")
	}
}

func TestWhatAConnectionKnewItsSuccessorKnows(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "secret")
	k := newCutter(t, redis)
	addr, _ := serve(t, k.addr, nil)
	direct := connect(t, redis)
	direct.do("AUTH secret", "+OK")
	c, sub, mon := connect(t, addr), connect(t, addr), connect(t, addr)
	c.do("GET a", "-NOAUTH Authentication required.")
	for _, c := range []*client{c, sub, mon} {
		c.do("AUTH secret", "+OK")
	}
	c.send("HELLO 3 SETNAME me")
	c.reply()
	c.do("SELECT 5", "+OK")
	sub.send("SUBSCRIBE one two", "PSUBSCRIBE p*")
	sub.expect("*3 $9 subscribe $3 one :1", "*3 $9 subscribe $3 two :2", "*3 $10 psubscribe $2 p* :3")
	sub.do("UNSUBSCRIBE one", "*3 $11 unsubscribe $3 one :2")
	mon.do("MONITOR", "+OK")

	k.cut(false)
	for got := ""; !strings.HasPrefix(got, "+OK"); {
		c.send("SET a 1")
		got, _ = c.reply()
	}
	c.do("CLIENT GETNAME", "$2 me")
	c.do("HGETALL none", "%0")
	direct.do("SELECT 5", "+OK")
	direct.do("GET a", "$1 1")
	for _, channel := range []string{"two", "pattern"} {
		for n := 0; n == 0; {
			direct.send("PUBLISH " + channel + " x")
			reply, _ := direct.reply()
			fmt.Sscanf(reply, ":%d", &n)
		}
	}
	sub.expect("*3 $7 message $3 two $1 x", "*4 $8 pmessage $2 p* $7 pattern $1 x")
	for list := ""; !strings.Contains(list, "flags=O "); {
		direct.send("CLIENT LIST")
		list, _ = direct.reply()
	}
	for line := ""; !strings.Contains(line, `"last"`); {
		direct.do("ECHO last", "$4 last")
		mon.SetReadDeadline(time.Now().Add(patience))
		var err error
		if line, err = mon.reply(); err != nil {
			t.Fatal(err)
		}
	}
}

// Over many losses no reply reaches a wrong client or comes out of order, and no command is done twice.
func TestFaultsNeverMixUpRepliesOrRepeatCommands(t *testing.T) {
	redis := redistest.Start(t)
	k := newCutter(t, redis)
	addr, _ := serve(t, k.addr, nil)
	stop := make(chan struct{})
	var cutting, clients sync.WaitGroup
	cutting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(rand.N(20 * time.Millisecond)):
				k.cut(rand.N(2) == 0)
			}
		}
	})
	const many, rounds = 20, 60
	told := make([]map[int]bool, many)
	for i := range many {
		c := connect(t, addr)
		told[i] = map[int]bool{}
		clients.Go(func() {
			for round := range rounds {
				if err := c.round(i, round*10, told[i]); err != nil {
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
	for i := range many {
		direct.send(fmt.Sprintf("LRANGE log:%d 0 -1", i))
		list, err := direct.reply()
		if err != nil {
			t.Fatal(err)
		}
		last, done := -1, map[int]bool{}
		words := strings.Fields(list)
		for _, word := range words[1:] {
			var n int
			if word[0] == '$' {
				continue
			}
			fmt.Sscan(word, &n)
			if n <= last {
				t.Errorf("client %d: %d was done after %d", i, n, last)
			}
			last = n
			done[n] = true
		}
		for n := range told[i] {
			if !done[n] {
				t.Errorf("client %d: %d was answered and not done", i, n)
			}
		}
	}
}

// round pipelines ten commands, each with an echo, and remembers which were answered.
func (c *client) round(client, from int, told map[int]bool) error {
	c.SetDeadline(time.Now().Add(patience))
	var lines []string
	for n := from; n < from+10; n++ {
		lines = append(lines, fmt.Sprintf("RPUSH log:%d %d", client, n), fmt.Sprintf("ECHO %d:%d", client, n))
	}
	c.send(lines...)
	for n := from; n < from+10; n++ {
		pushed, err := c.reply()
		if err != nil {
			return err
		}
		if told[n] = pushed[0] == ':'; !told[n] {
			delete(told, n)
			if !strings.HasPrefix(pushed, "-ERR omniproxy: ") {
				return fmt.Errorf("RPUSH: %q", pushed)
			}
		}
		echo, err := c.reply()
		if err != nil {
			return err
		}
		if !strings.Contains(echo, fmt.Sprintf("\r\n%d:%d\r\n", client, n)) && !strings.HasPrefix(echo, "-ERR omniproxy: ") {
			return fmt.Errorf("echo of %d: %q", n, echo)
		}
	}
	return nil
}
