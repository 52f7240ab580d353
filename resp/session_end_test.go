package resp

import (
	"strings"
	"testing"
)

func TestWhoHangsUpIsAnsweredFirst(t *testing.T) {
	h, _ := connect(t)
	h.turn(requests("SET a 1", "GET b"))
	h.s.hangUp()
	h.turn(nil)
	h.atEnd(t, false)
	h.s.Out.Release(1)
	h.turn(nil)
	h.expect(t, "+OK\r\n$1\r\nb\r\n")
	h.atEnd(t, true)
}

func TestWhoHangsUpHasAllHisCommandsAnswered(t *testing.T) {
	h, b := connect(t)
	b.atOnce = 1
	h.turn(requests("SET a 1", "GET b"))
	h.s.hangUp()
	h.turn(nil)
	h.atEnd(t, false) // the replies wait behind the gate
	h.s.Out.Release(1)
	h.turn(nil)
	if said := h.said(); !strings.HasSuffix(said, "$1\r\nb\r\n") {
		t.Errorf("last words: %q", said[max(0, len(said)-20):])
	}
	h.atEnd(t, true)
}

func TestWhoHangsUpDoesNotWait(t *testing.T) {
	h, b := connect(t)
	h.turn(requests("BLPOP k 0"))
	await(t, b.parked, "outstanding command")
	h.s.hangUp()
	if !h.s.Gone() || !h.isCut {
		t.Error("still there")
	}
}

func TestAKilledClientDoesNothingMore(t *testing.T) {
	h, b := connect(t)
	h.turn(requests("BLPOP k 0", "GET a"))
	h.s.Kill()
	await(t, b.parked, "outstanding command").answer("x")
	h.s.feed(requests("GET b"))
	h.s.resume()
	if h.s.Out.Len() != len("$1\r\nx\r\n") {
		t.Error("it went on")
	}
	h.atEnd(t, true)
}

func TestWhoIsKilledIsNotListed(t *testing.T) {
	a, _ := connect(t)
	b := &hand{}
	b.s = newSession(a.s.server, plain, b, peer{addr: "peer:2", local: "here:2"})
	a.s.server.registry.add(b.s)
	a.turn(requests("CLIENT KILL ID 2", "CLIENT KILL ID 2", "CLIENT KILL peer:2", "CLIENT LIST ID 2", "CLIENT LIST TYPE normal"))
	said := a.said()
	if want := ":1\r\n:0\r\n-ERR No such client\r\n$0\r\n\r\n"; !strings.HasPrefix(said, want) || strings.Count(said, "addr=peer:") != 1 {
		t.Errorf("%s", said)
	}
	if !b.isCut || !b.s.Gone() {
		t.Error("not killed")
	}
	if now, _ := a.s.server.registry.counts(); now != 2 {
		t.Errorf("%d clients, though the backend still knows both", now)
	}
}

// Draining.

func TestADrainTellsWhateverComesNext(t *testing.T) {
	h, b := connect(t)
	h.turn(requests("GET a", "BLPOP k 0", "GET b"))
	h.s.server.draining.Store(true)
	h.turn(requests("PING", "NOPE"))
	h.expect(t, "$1\r\na\r\n")
	h.atEnd(t, false)
	await(t, b.parked, "outstanding command").answer("timeout")
	h.turn(nil)
	h.expect(t, "$7\r\ntimeout\r\n"+restarting+restarting+restarting)
	h.atEnd(t, true)
}

func TestADrainLetsATransactionComeToItsEnd(t *testing.T) {
	h, _ := connect(t)
	h.s.Client.Multi.Store(1) // as the backend does with MULTI
	h.s.server.draining.Store(true)
	h.turn(requests("GET a"))
	h.expect(t, "$1\r\na\r\n")
	h.atEnd(t, false)
	h.s.Client.Multi.Store(-1)
	h.turn(requests("GET a"))
	h.expect(t, restarting)
	h.atEnd(t, true)
}

func TestADrainLetsASilentClientBe(t *testing.T) {
	h, _ := connect(t)
	h.turn(requests("GET a"))
	h.s.server.draining.Store(true)
	h.turn(nil)
	h.turn([]byte("*1\r\n$4\r\nPI"))
	h.atEnd(t, false)
	h.turn([]byte("NG\r\n"))
	h.expect(t, "$1\r\na\r\n"+restarting)
	h.atEnd(t, true)
}

func TestADrainTellsStrangersToo(t *testing.T) {
	h, _ := connect(t, withPassword)
	h.s.server.draining.Store(true)
	h.turn(requests("AUTH secret", "EXEC"))
	h.expect(t, restarting+restarting)
	h.atEnd(t, true)
}

// CLIENT REPLY.
