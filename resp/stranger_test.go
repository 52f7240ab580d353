package resp

import (
	"strings"
	"testing"
)

func TestStrangersAreRefusedUntilTheyLogIn(t *testing.T) {
	h, _ := connect(t, withPassword)
	h.turn(requests("GET a", "EXEC", "NOPE", "PING", "AUTH wrong", "GET a", "AUTH secret", "GET a"))
	h.expect(t, noAuth+"-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n"+
		"-ERR unknown command 'NOPE', with args beginning with: \r\n"+noAuth+
		"-WRONGPASS invalid username-password pair or user is disabled.\r\n"+noAuth+"+OK\r\n$1\r\na\r\n")
}

func TestLimitsOfStrangersEndWithTheLogin(t *testing.T) {
	large := request("GET", strings.Repeat("x", 16385))
	many := request("DEL", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"large": {large, "-ERR Protocol error: unauthenticated bulk length\r\n"},
		"many":  {many, "-ERR Protocol error: unauthenticated multibulk length\r\n"},
		"logged in in the same packet": {
			append(requests("AUTH secret"), large...), "+OK\r\n$16385\r\n" + strings.Repeat("x", 16385) + "\r\n"},
		"not logged in in the same packet": {
			append(requests("AUTH wrong"), large...),
			"-WRONGPASS invalid username-password pair or user is disabled.\r\n-ERR Protocol error: unauthenticated bulk length\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := connect(t, withPassword)
			h.turn(c.stream)
			h.expect(t, c.want)
		})
	}
}

func TestWhoResetsInAPipelineIsAStrangerAgain(t *testing.T) {
	h, _ := connect(t, withPassword)
	h.turn(requests("AUTH secret", "GET a", "RESET", "GET b"))
	h.expect(t, "+OK\r\n$1\r\na\r\n+RESET\r\n"+noAuth)
}
