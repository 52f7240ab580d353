package passthrough

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// id is what a client is called.
func (c *client) id() string {
	c.t.Helper()
	c.send("CLIENT ID")
	id, err := c.reply()
	if err != nil || id[0] != ':' {
		c.t.Fatal(id, err)
	}
	return strings.TrimSpace(id[1:])
}

// Clients name each other by the proxy's IDs, and those of Redis by Redis'.
func TestTrackingIsRedirectedToAClientOfTheProxy(t *testing.T) {
	redis := redistest.Start(t)
	k := newCutter(t, redis)
	addr, _ := serve(t, k.addr, func(o *Options, s *resp.Server) { o.Pool, s.BaseID = Shared, 1<<40 })
	ear, a, writer := connect(t, addr), connect(t, addr), connect(t, addr)
	direct := connect(t, redis)
	id := ear.id()
	a.do("CLIENT TRACKING ON REDIRECT "+id, "+OK") // before the other one hears
	ear.do("SUBSCRIBE __redis__:invalidate", "*3 $9 subscribe $20 __redis__:invalidate :1")
	heard := func(key string) {
		t.Helper()
		a.send("GET " + key)
		a.expect("$-1")
		writer.do("SET "+key+" 1", "+OK")
		ear.expect(fmt.Sprintf("*3 $7 message $20 __redis__:invalidate *1 $%d %s", len(key), key))
	}
	heard("k")
	a.do("CLIENT GETREDIR", ":"+id)
	a.do("CLIENT TRACKINGINFO", "*6 $5 flags *1 $2 on $8 redirect :"+id+" $8 prefixes *0")

	k.cut(true) // Redis' IDs are others then
	ear.do("SUBSCRIBE __redis__:invalidate", "*3 $9 subscribe $20 __redis__:invalidate :1")
	a.until("CLIENT GETREDIR", ":"+id)
	heard("l")

	a.do("CLIENT TRACKING ON REDIRECT 1234567890123456", "-ERR The client ID you want redirect to does not exist")
	a.do("CLIENT TRACKING OFF", "+OK")
	a.do("CLIENT GETREDIR", ":-1")
	a.do("CLIENT TRACKING ON REDIRECT "+direct.id(), "+OK")
	direct.do("SUBSCRIBE __redis__:invalidate", "*3 $9 subscribe $20 __redis__:invalidate :1")
	a.do("GET m", "$-1")
	writer.do("SET m 1", "+OK")
	direct.expect("*3 $7 message $20 __redis__:invalidate *1 $1 m")

	self := connect(t, addr)
	self.do("CLIENT TRACKING ON REDIRECT "+self.id(), "+OK")
	self.do("SUBSCRIBE __redis__:invalidate", "*3 $9 subscribe $20 __redis__:invalidate :1")
}

// A client in RESP3 learns that whom it named has left.
func TestARedirectionThatIsBroken(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), func(o *Options, s *resp.Server) { o.Pool, s.BaseID = Shared, 1<<40 })
	ear, a := connect(t, addr), connect(t, addr)
	id := ear.id()
	ear.do("SUBSCRIBE __redis__:invalidate", "*3 $9 subscribe $20 __redis__:invalidate :1")
	a.send("HELLO 3")
	a.reply()
	a.do("CLIENT TRACKING ON REDIRECT "+id, "+OK")
	a.do("GET k", "_")
	ear.Close()
	for {
		a.send("GET k", "SET k 1")
		got, err := a.reply()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(got, ">2") {
			if want := ">2\r\n$21\r\ntracking-redir-broken\r\n:" + id + "\r\n"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
			return
		}
	}
}
