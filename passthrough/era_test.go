package passthrough

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// Who comes after a password was set must give it; who was there need not, as with Redis.
func TestAPasswordThatIsSetHoldsForThoseToCome(t *testing.T) {
	for name, change := range map[string][]string{
		"CONFIG SET":                  {"CONFIG SET maxmemory 0 requirepass secret"},
		"ACL SETUSER":                 {"ACL SETUSER default resetpass >secret"},
		"CONFIG SET in a transaction": {"MULTI", "CONFIG SET requirepass secret", "EXEC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, redistest.Start(t), shared)
			before, pinned, boss := connect(t, addr), connect(t, addr), connect(t, addr)
			before.do("SET k 1", "+OK")
			before.do("BLPOP none 0.001", "*-1") // a private wire waits for the next
			pinned.do("SUBSCRIBE c", "*3 $9 subscribe $1 c :1")
			boss.send(change...)
			boss.anything(len(change))
			late := connect(t, addr)
			late.do("GET k", "-NOAUTH Authentication required.")
			late.do("BLPOP none 0.001", "-NOAUTH Authentication required.")
			before.do("GET k", "$1 1")
			boss.do("MULTI", "+OK")   // on the private wire that waited for the next
			before.do("MULTI", "+OK") // on one that is made for it
			before.do("GET k", "+QUEUED")
			before.do("EXEC", "*1 $1 1")
			boss.do("EXEC", "*0")
			late.do("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.")
			late.do("AUTH secret", "+OK")
			late.do("GET k", "$1 1")
			before.do("RESET", "+RESET")
			before.do("GET k", "-NOAUTH Authentication required.")
			late.do("CONFIG SET requirepass ", "-ERR wrong number of arguments for 'config|set' command")
		})
	}
}

// What is done here about other clients is for those only to whom Redis allows it.
func TestWhoMayNotKillClientsMayNotKillThoseOfTheProxy(t *testing.T) {
	redis := redistest.Start(t)
	direct := connect(t, redis)
	direct.do("ACL SETUSER guest on >guest +@all -client|kill -client|pause", "+OK")
	addr, _ := serve(t, redis, shared)
	victim, guest := connect(t, addr), connect(t, addr)
	victim.do("PING", "+PONG")
	guest.do("AUTH guest guest", "+OK")
	guest.do("CLIENT KILL SKIPME yes", "-NOPERM this user has no permissions to run the 'client|kill' command")
	guest.do("CLIENT PAUSE 100000", "-NOPERM this user has no permissions to run the 'client|pause' command")
	guest.do("CLIENT UNBLOCK 1", ":0")
	victim.do("CLIENT UNPAUSE", "+OK")
	direct.do("CONFIG SET requirepass secret", "+OK")
	direct.send("CLIENT KILL TYPE normal")
	direct.anything(1)
	stranger := connect(t, addr)
	stranger.do("CLIENT KILL TYPE normal", "-NOAUTH Authentication required.")
	stranger.do("CLIENT LIST", "-NOAUTH Authentication required.")
	stranger.do("GET k", "-NOAUTH Authentication required.")
	stranger.Write([]byte("*11\r\n"))
	stranger.expect("-ERR Protocol error: unauthenticated multibulk length")
	victim.do("CLIENT ID", ":1")
}

// Nor does the proxy tell anything of itself, or of the client, to whom Redis would not.
func TestAStrangerLearnsNothing(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "secret")
	for _, pool := range []Pool{Session, Shared} {
		addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) { o.Pool = pool })
		c := connect(t, addr)
		c.do("GET k", "-NOAUTH Authentication required.")
		for _, command := range []string{"INFO pools", "INFO omniproxy", "OMNIPROXY HELP", "OMNIPROXY VIOLATIONS", "CLIENT ID", "CLIENT INFO", "CLIENT GETNAME", "CLIENT SETNAME me"} {
			c.do(command, "-NOAUTH Authentication required.")
		}
		c.do("AUTH secret", "+OK")
		c.do("CLIENT GETNAME", "$-1")
		c.do("CLIENT SETNAME me", "+OK")
		c.do("CLIENT GETNAME", "$2 me")
	}
}

// HELLO logs in and then says what is wrong with it. Who shares connections must not find one on which another is logged in.
func TestAHelloThatFailsInATransactionLogsNobodyElseIn(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "secret")
	direct := connect(t, redis)
	direct.do("AUTH secret", "+OK")
	direct.do("ACL SETUSER guest on >guest ~* +@all", "+OK")
	addr, _ := serve(t, redis, shared)
	boss, guest := connect(t, addr), connect(t, addr)
	guest.do("AUTH guest guest", "+OK")
	boss.do("AUTH guest guest", "+OK")
	boss.do("MULTI", "+OK")
	boss.do("HELLO 2 AUTH default secret NONSENSE", "+QUEUED")
	boss.do("ACL WHOAMI", "+QUEUED")
	boss.do("EXEC", "*2 -ERR Syntax error in HELLO option 'NONSENSE' $7 default")
	guest.do("MULTI", "+OK")
	guest.do("ACL WHOAMI", "+QUEUED")
	guest.do("EXEC", "*1 $5 guest")
}

// Redis checks the passwords; the audit says all the same who asked for what, also where it is asked in one breath.
func TestTheAuditKnowsWhoLoggedInWithRedis(t *testing.T) {
	redis := redistest.Start(t)
	connect(t, redis).do("ACL SETUSER boss on >secret ~* +@all", "+OK")
	for _, pool := range []Pool{Session, Shared} {
		var out bytes.Buffer
		audit, err := resp.NewAudit(&out, keyspace.Layout{}, []string{"auth", "get"}, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		addr, _ := serve(t, redis, func(o *Options, v *resp.Server) { o.Pool, v.Audit = pool, audit })
		c := connect(t, addr)
		c.send("AUTH boss wrong", "GET k", "AUTH boss secret", "GET k", "RESET", "GET k", "HELLO 2 AUTH boss secret", "GET k")
		c.anything(8)
		audit.Close()
		var got []string
		for line := range strings.Lines(out.String()) {
			var e struct{ Event, User, Outcome, Why string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.TrimSpace(fmt.Sprintln(e.Event, e.User, e.Outcome, e.Why)))
		}
		want := []string{
			"auth boss failure WRONGPASS", "command default allowed", "auth boss success", "command boss allowed",
			"command default allowed", "auth boss success", "command boss allowed",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pool %v (-want +got):\n%s", pool, diff)
		}
	}
}
