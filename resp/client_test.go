package resp

import (
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/command"
)

func TestFlagsStandInRedisOrder(t *testing.T) {
	h, _ := connect(t)
	c := &h.s.Client
	if got := h.s.flags(); got != "N" {
		t.Errorf("a new client has %s", got)
	}
	c.Multi.Store(0)
	c.Lost.Store(true)
	if got := h.s.flags(); got != "xd" {
		t.Errorf("in a transaction that will fail: %s", got)
	}
	c.Monitor.Store(true)
	c.SSub.Store(1)
	c.Blocked.Store(true)
	c.unix = true
	c.noEvict.Store(true)
	h.s.CloseAfterReply()
	if got := h.s.flags(); got != "OPxbdcUe" {
		t.Errorf("all at once: %s", got)
	}
}

func TestALineTellsWhatIsHeld(t *testing.T) {
	h, b := connect(t)
	h.turn(requests("BLPOP k 0", "GET a"))
	h.s.Out.Push(make([]byte, 1000))
	h.s.Client.Last.Store(command.Find("client|list"))
	await(t, b.parked, "outstanding command")
	line := h.s.line(h.s.Client.Created, 0)
	for _, want := range []string{
		"id=1 addr=peer:1 laddr=here:2 fd=7 name= age=0 idle=0 ", " qbuf=20 ", " rbs=1024 ", " obl=1000 oll=0 omem=0 ", " events=r cmd=client|list ", " resp=2",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
	h.s.Out.take()
	if line := h.s.line(h.s.Client.Created, 0); !strings.Contains(line, " obl=1000 ") || !strings.Contains(line, " events=rw ") {
		t.Errorf("while it is written: %s", line)
	}
}

// A name outlives its command, in logs, too: it must not be as long as a command may be.
func TestANameHasABound(t *testing.T) {
	h, _ := connect(t)
	longest := strings.Repeat("n", longestName)
	h.turn(requests("CLIENT SETNAME "+longest, "CLIENT SETNAME "+longest+"n", "HELLO 2 SETNAME "+longest+"n"))
	h.expect(t, "+OK\r\n"+strings.Repeat("-ERR Client names cannot have more than 1024 bytes\r\n", 2))
	if h.s.Client.Name() != longest {
		t.Error("another name")
	}
}

func TestTheVersionIsThatOfTheFacts(t *testing.T) {
	if Version != command.RedisVersion() {
		t.Errorf("HELLO tells %s, the command table is of %s", Version, command.RedisVersion())
	}
}
