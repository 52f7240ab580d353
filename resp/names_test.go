package resp

import (
	"strings"
	"testing"
)

// connectTo is connect, at a listener.
func connectTo(t testing.TB, front *Listener, configure ...func(*Server)) *hand {
	h, _ := connect(t, configure...)
	h.s.front = NewFront(front)
	return h
}

func names(t *testing.T, denied, renamed string) *Names {
	t.Helper()
	n, err := NewNames(strings.Fields(denied), strings.Fields(renamed))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDeniedCommandsAreUnknown(t *testing.T) {
	for _, c := range []struct{ denied, line, want string }{
		{"flushall", "FLUSHALL", "-ERR unknown command 'FLUSHALL', with args beginning with: \r\n"},
		{"FLUSHALL", "flushall ASYNC", "-ERR unknown command 'flushall', with args beginning with: 'ASYNC' \r\n"},
		{"get", "GET", "-ERR unknown command 'GET', with args beginning with: \r\n"}, // whatever the number of arguments
		{"config", "CONFIG GET x", "-ERR unknown command 'CONFIG', with args beginning with: 'GET' 'x' \r\n"},
		{"client|list", "CLIENT LIST", "-ERR unknown subcommand 'LIST'. Try CLIENT HELP.\r\n"},
		{"client|list", "CLIENT GETNAME", "$-1\r\n"},
		{"@string", "GET a", "-ERR unknown command 'GET', with args beginning with: 'a' \r\n"},
		{"@dangerous", "CLIENT LIST", "-ERR unknown subcommand 'LIST'. Try CLIENT HELP.\r\n"},
		{"@dangerous", "CLIENT GETNAME", "$-1\r\n"},
		{"@dangerous", "GET a", "$1\r\na\r\n"},
		{"omniproxy", "OMNIPROXY VIOLATIONS", "-ERR unknown command 'OMNIPROXY', with args beginning with: 'VIOLATIONS' \r\n"},
	} {
		h := connectTo(t, &Listener{Names: names(t, c.denied, "")})
		h.turn(requests(c.line))
		h.expect(t, c.want)
	}
}

func TestWhatIsDeniedIsUnknownToStrangersAsWell(t *testing.T) {
	h := connectTo(t, &Listener{Names: names(t, "get", "")}, withPassword)
	h.turn(requests("GET a", "SET a 1"))
	h.expect(t, "-ERR unknown command 'GET', with args beginning with: 'a' \r\n"+noAuth)
}

func TestOnlyTheNewNameOfARenamedCommandWorks(t *testing.T) {
	h := connectTo(t, &Listener{Names: names(t, "", "get=fetch client=people")})
	h.turn(requests("GET a", "fetch a", "Fetch", "client getname", "PEOPLE GETNAME"))
	h.expect(t, "-ERR unknown command 'GET', with args beginning with: 'a' \r\n$1\r\na\r\n"+
		"-ERR wrong number of arguments for 'get' command\r\n"+
		"-ERR unknown command 'client', with args beginning with: 'getname' \r\n$-1\r\n")
}

func TestTwoCommandsMayExchangeTheirNames(t *testing.T) {
	h := connectTo(t, &Listener{Names: names(t, "", "get=echo echo=get")})
	h.turn(requests("ECHO a", "GET b", "GET b c"))
	h.expect(t, "$1\r\na\r\n$1\r\nb\r\n-ERR wrong number of arguments for 'echo' command\r\n")
}

func TestNamesThatMeanNothingAreRefused(t *testing.T) {
	for _, c := range []struct{ denied, renamed, want string }{
		{"nope", "", "nope: no such command"},
		{"@nope", "", "@nope: no such category"},
		{"config|nope", "", "config|nope: no such command"},
		{"", "get", "get: write COMMAND=NAME"},
		{"", "get=", "get=: write COMMAND=NAME"},
		{"", "nope=x", "nope: no such command; subcommands keep their names"},
		{"", "config|get=x", "config|get: no such command; subcommands keep their names"},
		{"", "get=x set=x", "set=x: renamed twice"},
		{"", "get=set", "set: a command has this name already"},
	} {
		_, err := NewNames(strings.Fields(c.denied), strings.Fields(c.renamed))
		if err == nil || err.Error() != c.want {
			t.Errorf("deny %q, rename %q: %v, want %s", c.denied, c.renamed, err, c.want)
		}
	}
}

func TestAListenerForReadersRefusesWhatMayWrite(t *testing.T) {
	const readOnly = "-READONLY You can't write against a read only replica.\r\n"
	h := connectTo(t, &Listener{Filters: []Filter{RefuseWrites}})
	for _, line := range []string{"SET a 1", "DEL a", "EVAL x 0", "FCALL f 0", "FLUSHALL", "SORT a", "XREADGROUP GROUP g c STREAMS s >", "DEBUG RELOAD", "REPLICAOF NO ONE"} {
		h.turn(requests(line))
		if got := h.said(); got != readOnly {
			t.Errorf("%s: %q", line, got)
		}
	}
	h.turn(requests("GET a", "PING"))
	h.expect(t, "$1\r\na\r\n+PONG\r\n")
}

func TestAStrictListenerRefusesWhatTheTableDoesNotKnow(t *testing.T) {
	forward := func(v *Server) { v.Forward = true }
	h := connectTo(t, &Listener{Strict: true}, forward)
	h.turn(requests("NEW.COMMAND a", "GET a"))
	h.expect(t, "-ERR unknown command 'NEW.COMMAND', with args beginning with: 'a' \r\n$1\r\na\r\n")
}
