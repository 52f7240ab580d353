package passthrough

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

const restarting = "-" + string(wire.ErrRestarting)

// drain begins to, and returns when the proxy refuses clients; it is over when every client has gone.
func drain(t testing.TB, server *resp.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	go server.Drain(ctx)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			return
		}
		c.Close()
	}
	t.Fatal("the proxy takes clients still")
}

// Elements are pushed while the proxy ends: each is in the list still, or somebody has got it. There are others between the
// proxy and Redis, or a unix socket; and clients with passwords of their own.
func TestWhatIsGivenAwayDuringADrainIsNotLost(t *testing.T) {
	for name, change := range map[string]func(o *Options, socket string){
		"session":                  func(*Options, string) {},
		"shared":                   func(o *Options, _ string) { o.Pool = Shared },
		"unix socket":              func(o *Options, socket string) { o.URL = "unix://" + socket },
		"unix socket, shared":      func(o *Options, socket string) { o.URL, o.Pool = "unix://"+socket, Shared },
		"passwords of their own":   func(o *Options, _ string) { o.Pool = Shared },
		"passwords of their own 2": func(*Options, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			var args []string
			if strings.HasPrefix(name, "passwords") {
				args = []string{"--requirepass", "secret"}
			}
			socket := filepath.Join(t.TempDir(), "s")
			redis := redistest.Start(t, append(args, "--unixsocket", socket)...)
			between := newCutter(t, redis)
			addr, server := serve(t, between.addr, func(o *Options, _ *resp.Server) { change(o, socket) })
			direct := connect(t, redis)
			const many = 30
			var clients []*client
			for range many {
				clients = append(clients, connect(t, addr))
			}
			for _, c := range append([]*client{direct}, clients...) {
				if args != nil {
					c.do("AUTH secret", "+OK")
				}
			}
			for _, c := range clients {
				c.send("BLPOP q 0")
			}
			waitFor(t, direct, fmt.Sprint("blocked_clients:", many))
			var pushing sync.WaitGroup
			pushing.Go(func() {
				for i := range many / 2 {
					direct.send(fmt.Sprint("RPUSH q ", i))
					direct.reply()
				}
			})
			drain(t, server)
			got := 0
			for _, c := range clients {
				reply, err := c.reply()
				switch {
				case err != nil:
					t.Fatal(err)
				case strings.HasPrefix(reply, "*2\r\n"):
					got++
				case reply != "*-1\r\n":
					t.Errorf("%q", reply)
				}
				c.do("PING", restarting)
				c.expectEnd()
			}
			pushing.Wait()
			direct.do("LLEN q", fmt.Sprint(":", many/2-got))
			direct.send("INFO commandstats")
			info, _ := direct.reply()
			var asked, micros int
			var each float64
			var rejected, failed int
			fmt.Sscanf(field([]byte(info), "cmdstat_client|unblock"), "calls=%d,usec=%d,usec_per_call=%f,rejected_calls=%d,failed_calls=%d",
				&asked, &micros, &each, &rejected, &failed)
			if asked < many/2 || rejected+failed > 0 {
				t.Errorf("Redis was asked to let %d of %d clients go, and refused %d", asked, many-got, rejected+failed)
			}
		})
	}
}

func TestATransactionUnderWayComesToItsEnd(t *testing.T) {
	for _, pool := range []Pool{Session, Shared} {
		redis := redistest.Start(t)
		addr, server := serve(t, redis, func(o *Options, v *resp.Server) {
			o.Pool = pool
			v.Filters = []resp.Filter{func(_ *resp.Session, c *resp.Command) {
				if c.Spec.Name == "FLUSHALL" {
					c.Refused = wire.Error("NOPERM not here")
				}
			}}
		})
		c, spoilt, watch := connect(t, addr), connect(t, addr), connect(t, addr)
		watch.do("WATCH k", "+OK")
		for _, c := range []*client{c, spoilt} {
			c.do("MULTI", "+OK")
			c.do("SET k 1", "+QUEUED")
		}
		drain(t, server)
		watch.do("GET k", restarting)
		watch.expectEnd()
		c.do("SET k 2", "+QUEUED")
		c.do("EXEC", "*2 +OK +OK")
		c.do("GET k", restarting)
		c.expectEnd()
		spoilt.do("FLUSHALL", "-NOPERM not here")
		spoilt.do("EXEC", "-EXECABORT Transaction discarded because of previous errors.")
		spoilt.do("GET k", restarting)
		spoilt.expectEnd()
		connect(t, redis).do("GET k", "$1 2")
	}
}

// As with Redis: whoever may not say EXEC is told that the transaction is over, and so it is.
func TestAnExecThatIsRefusedEndsTheTransaction(t *testing.T) {
	redis := redistest.Start(t)
	for _, pool := range []Pool{Session, Shared} {
		addr, _ := serve(t, redis, func(o *Options, v *resp.Server) {
			o.Pool = pool
			v.Filters = []resp.Filter{func(_ *resp.Session, c *resp.Command) {
				if c.Spec.Name == "EXEC" {
					c.Refused = wire.ExecAbort("NOPERM not here")
				}
			}}
		})
		c := connect(t, addr)
		for range 2 {
			c.do("MULTI", "+OK")
			c.do("SET k 1", "+QUEUED")
			c.do("EXEC", "-EXECABORT Transaction discarded because of: NOPERM not here")
			c.do("GET k", "$-1")
			c.do("EXEC", "-EXECABORT Transaction discarded because of: NOPERM not here")
		}
		c.do("DISCARD", "-ERR DISCARD without MULTI")
	}
}
