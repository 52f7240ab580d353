package integration

import (
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// sessionDiffers are the dialogs in which a client of the pool "session" can tell, with the reason.
var sessionDiffers = map[string]string{
	"pubsub/gone": "Redis hears a moment later that a client has left, and then others may be there already",
}

// sharedDiffers are the dialogs in which a client of the pool "shared" can tell, with the reason.
var sharedDiffers = map[string]string{
	"pause":                     "CLIENT PAUSE holds up the proxy's clients, who are not among Redis' blocked_clients",
	"server/monitor":            "MONITOR shows the proxy's own connections being made",
	"pubsub/gone":               sessionDiffers["pubsub/gone"],
	"server/latency":            "CLIENT is answered by the proxy, so Redis does not count it",
	"server/acl_ends":           "the connection of a user who is deleted is one that clients share: who is idle learns of it with its next command",
	"server/slowlog":            "the name of a client is known to the proxy only",
	"connection/client_unblock": "CLIENT UNBLOCK is for the proxy's clients, and not possible inside a transaction",
}

// proxy starts omniproxy in front of a Redis, on a free port, until the test is over.
func proxy(t testing.TB, upstream string, args ...string) *omniproxy {
	t.Helper()
	o, _ := launch(t, append([]string{"--backend", "redis", "--upstream", upstream, "--listen", "127.0.0.1:0"}, args...)...)
	return o
}

// proxied starts a Redis with a proxy in front of it, which has found it.
func proxied(t testing.TB, args ...string) *omniproxy {
	t.Helper()
	o := proxy(t, "redis://"+redistest.Start(t), args...)
	o.logs(" (Redis 7.0")
	return o
}

func TestTheProxySaysWhatItFound(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--requirepass", "secret")
	o := proxy(t, "redis://:secret@"+redis)
	p := port(t, o.Addr)
	want := "proxying redis://" + redis + " (Redis 7.0.15, role master, mode standalone) on 127.0.0.1:" + p + "; redis-cli -p " + p +
		"; OmniDaemon: STORAGE_BACKEND=redis REDIS_URL=redis://127.0.0.1:" + p + "; "
	o.logs(want)
	o.must("OK", "SET", "a", "1")
	if log := o.stop(); strings.Contains(log, "secret") {
		t.Errorf("a password is logged:\n%s", log)
	}
}

func TestTheProxyWaitsForARedisThatIsNotThere(t *testing.T) {
	t.Parallel()
	o := proxy(t, "redis://127.0.0.1:1", "--queue-timeout", "10ms")
	o.logs("proxying redis://127.0.0.1:1 (not there yet) on ")
	o.must("ERR omniproxy: the upstream Redis is not there; the command was not sent", "GET", "a")
}

func TestTheProxyRefusesToProxyToItself(t *testing.T) {
	t.Parallel()
	code, _, errs := runToEnd(t, "--backend", "redis", "--upstream", "redis://localhost:7999", "--listen", "127.0.0.1:7999")
	if code != 2 || !strings.Contains(errs, "is this very listener") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestTheProxyDoesNotLendItsPasswordToStrangers(t *testing.T) {
	t.Parallel()
	code, _, errs := runToEnd(t, "--backend", "redis", "--upstream", "redis://:secret@127.0.0.1:1", "--listen", "0.0.0.0:0")
	if code != 2 || !strings.Contains(errs, "protected mode") || strings.Contains(errs, "secret") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
