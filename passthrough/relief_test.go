package passthrough

import (
	"strings"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// told waits until INFO omniproxy says something.
func told(t testing.TB, c *client, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c.send("INFO omniproxy")
		info, err := c.reply()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, text+"\r\n") {
			return
		}
	}
	t.Fatalf("INFO omniproxy does not say %s", text)
}

func onePin(o *Options, _ *resp.Server) {
	o.Pool, o.Pins, o.PinTime = Shared, 1, 20*time.Millisecond
}

func TestAPinThatIsHeldIdlyIsTakenBack(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, onePin)
	a, b := connect(t, addr), connect(t, addr)
	a.do("MULTI", "+OK")
	a.do("SET k 1", "+QUEUED")
	told(t, b, "pins_taken_back:1")
	told(t, b, "pins:0")
	b.do("BLPOP none 0.001", "*-1")
	a.do("SET k 2", "-"+string(errIdle))
	a.do("EXEC", "-"+string(errExecIdle))
	a.do("EXISTS k", ":0")
	a.send("MULTI", "SET k 3")
	a.expect("+OK", "+QUEUED")
	a.do("EXEC", "*1 +OK")
	told(t, b, "pins:1")
}

// EXEC after a WATCH that was forgotten does nothing, as if a watched key had changed.
func TestAWatchThatIsForgottenFails(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), onePin)
	a, b := connect(t, addr), connect(t, addr)
	a.do("WATCH k", "+OK")
	told(t, b, "pins_taken_back:1")
	b.do("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
	a.do("GET k", "-ERR omniproxy: all 1 upstream connections for clients with state are in use; raise --pins")
	b.Close()
	for got := "-"; got[0] == '-'; {
		a.send("MULTI", "SET k 1", "EXEC")
		got, _ = a.reply()
		a.reply()
		last, _ := a.reply()
		if got[0] != '-' && last != "*-1\r\n" {
			t.Fatalf("EXEC: %q", last)
		}
	}
	a.do("EXISTS k", ":0")
	a.do("BLPOP none 0.001", "*-1")
}

// Who is subscribed sends nothing for long, and keeps its connection.
func TestASubscriberKeepsItsPin(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) { o.Pool, o.Pins, o.PinTime = Shared, 2, 20*time.Millisecond })
	a, b, sub := connect(t, addr), connect(t, addr), connect(t, addr)
	sub.send("HELLO 3")
	sub.reply()
	sub.send("SUBSCRIBE c", "MULTI")
	sub.expect(">3 $9 subscribe $1 c :1", "+OK")
	a.do("WATCH k", "+OK")
	told(t, b, "pins_taken_back:1")
	told(t, b, "pins:1")
	connect(t, redis).do("PUBLISH c x", ":1")
	sub.expect(">3 $7 message $1 c $1 x")
	sub.do("EXEC", "*0")
}
