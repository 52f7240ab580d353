package passthrough

import (
	"io"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// ending is a Redis with which transactions do not end as they should, and a client who tries to end one.
type ending struct {
	redis    []string // arguments of redis-server
	user     string   // what the default user may do
	commands []string
}

// endings are Redises that lack a command of transactions, users who may not say one, and clients who say them wrong.
func endings() map[string]ending {
	all := map[string]ending{
		"DISCARD with arguments":      {commands: []string{"MULTI", "SET a 1", "DISCARD foo", "EXEC"}},
		"EXEC with arguments":         {commands: []string{"MULTI", "SET a 1", "EXEC foo", "DISCARD"}},
		"MULTI with arguments":        {commands: []string{"MULTI foo", "SET a 1", "EXEC"}},
		"a MULTI too many":            {commands: []string{"MULTI", "MULTI", "EXEC", "EXEC"}},
		"a SUBSCRIBE of another name": {redis: []string{"--rename-command", "SUBSCRIBE", "LISTEN"}, commands: []string{"MULTI", "LISTEN c", "EXEC"}},
	}
	for name, commands := range map[string][]string{
		"EXEC":    {"MULTI", "SELECT 3", "SET a 1", "EXEC"},
		"MULTI":   {"MULTI", "SELECT 3", "SET a 1", "EXEC"},
		"DISCARD": {"MULTI", "SELECT 3", "SET a 1", "DISCARD"},
		"UNWATCH": {"WATCH a", "UNWATCH"},
		"WATCH":   {"WATCH a", "MULTI", "SET a 1", "EXEC"},
	} {
		all[name+" of another name"] = ending{redis: []string{"--rename-command", name, "OTHER"}, commands: commands}
		all["a user without "+name] = ending{user: "-" + name, commands: commands}
		all["a user of whom "+name+" is all of transactions"] = ending{user: "-@transaction +" + name, commands: commands}
	}
	return all
}

// Whatever a client leaves unfinished, the next one on the same connection finds nothing of it.
func TestTheNextClientFindsNothingOfAnUnfinishedTransaction(t *testing.T) {
	for name, e := range endings() {
		for way, send := range map[string]func(c *client, lines []string){
			"one by one": func(c *client, lines []string) {
				for _, line := range lines {
					c.send(line)
					c.anything(1)
				}
			},
			"in one write": func(c *client, lines []string) {
				c.send(lines...)
				c.anything(len(lines))
			},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				redis := redistest.Start(t, e.redis...)
				if e.user != "" {
					connect(t, redis).do("ACL SETUSER default "+e.user, "+OK")
				}
				addr, _ := serve(t, redis, shared)
				first := connect(t, addr)
				send(first, e.commands)
				nextIsClean(t, addr, redis)
			})
		}
	}
}

// nextIsClean has new clients use lanes and private wires that others had before.
func nextIsClean(t *testing.T, addr, redis string) {
	t.Helper()
	direct := connect(t, redis)
	direct.send("SET probe here", "SET a changed", "PUBLISH c x", "RPUSH q x")
	direct.anything(4)
	for range 3 {
		c := connect(t, addr)
		c.do("GET probe", "$4 here")
		c.do("BLMOVE q q LEFT LEFT 0", "$1 x") // on a private wire
		c.do("GET probe", "$4 here")
		c.do("BLMOVE q q LEFT LEFT 0", "$1 x")
		c.send("CLIENT NO-EVICT off") // does nothing
		c.anything(1)
		c.send("MULTI")
		if got, _ := c.reply(); got != "+OK\r\n" {
			continue
		}
		c.do("GET probe", "+QUEUED")
		c.send("EXEC")
		if got, _ := c.reply(); got != "*1\r\n$4\r\nhere\r\n" && got[0] != '-' {
			t.Fatalf("EXEC: %q", got)
		}
	}
}

// anything reads replies of any kind.
func (c *client) anything(n int) {
	c.t.Helper()
	for range n {
		if _, err := c.reply(); err != nil {
			c.t.Fatal(err)
		}
	}
}

// lane is the next connection of the upstream that a test plays, which clients share.
func (s *script) lane() *client {
	s.t.Helper()
	up := s.next()
	up.expect("*1 $5 MULTI", "*1 $4 EXEC")
	io.WriteString(up, "+OK\r\n*0\r\n")
	return up
}

// What comes behind a transaction that did not end is not the answer of the next client: its command was queued.
func TestRepliesBehindAPoisonedTransactionAreNobodys(t *testing.T) {
	s := newScript(t)
	addr, _ := serve(t, s.addr, shared)
	a, b := connect(t, addr), connect(t, addr)
	a.send("PING")
	up := s.lane()
	up.expect("*1 $4 PING")
	a.send("MULTI", "SET a 1", "EXEC")
	up.expect("*1 $5 MULTI", "*3 $3 SET $1 a $1 1", "*1 $4 EXEC")
	b.send("GET b")
	up.expect("*2 $3 GET $1 b")
	io.WriteString(up, "+PONG\r\n+OK\r\n+QUEUED\r\n-NOPERM no EXEC\r\n+QUEUED\r\n")
	a.expect("+PONG", "+OK", "+QUEUED", "-NOPERM no EXEC")
	b.expect(unanswered)
	b.send("GET b")
	up = s.lane()
	up.expect("*2 $3 GET $1 b")
	io.WriteString(up, "$1\r\nb\r\n")
	b.expect("$1 b")
}

// A long reply of EXEC does not look like the end of none.
func TestALongTransactionLeavesTheLaneOpen(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), shared)
	c := connect(t, addr)
	c.do("SETRANGE big 3000000 x", ":3000001")
	for range 3 {
		c.send("MULTI", "GET big", "EXEC", "PING")
		c.expect("+OK", "+QUEUED")
		if got, err := c.reply(); err != nil || len(got) != 3000001+len("*1\r\n$3000001\r\n\r\n") {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		c.expect("+PONG")
	}
	if n := c.losses(); n != "0" {
		t.Errorf("%s connections are lost", n)
	}
}

// What a transaction changes holds, however long its reply is.
func TestALongTransactionChangesItsConnection(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), shared)
	c := connect(t, addr)
	c.do("SETRANGE big 3000000 x", ":3000001")
	c.send("MULTI", "GET big", "SELECT 3", "EXEC")
	c.expect("+OK", "+QUEUED", "+QUEUED")
	c.anything(1)
	c.do("GET big", "$-1")
	c.do("SELECT 0", "+OK")
	c.do("STRLEN big", ":3000001")
}

// losses is how many connections to Redis the proxy has lost.
func (c *client) losses() string {
	c.t.Helper()
	c.send("INFO omniproxy")
	info, err := c.reply()
	if err != nil {
		c.t.Fatal(err)
	}
	return field([]byte(info), "connections_lost")
}
