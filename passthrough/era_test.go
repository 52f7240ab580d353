package passthrough

import (
	"testing"

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
