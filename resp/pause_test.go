package resp

import (
	"fmt"
	"testing"
	"time"
)

// company connects clients to one server.
func company(t *testing.T, n int) (v *Server, clients []*hand) {
	b := newStub(t)
	v = &Server{Backend: b}
	for range n {
		h := &hand{}
		h.s = newSession(v, plain, h, peer{addr: "peer:1", local: "here:2", fd: 7})
		v.registry.add(h.s)
		clients = append(clients, h)
	}
	return v, clients
}

func TestPausedClientsGoOnOneAfterTheOther(t *testing.T) {
	v, all := company(t, 5)
	v.pause.begin(pauseWrites, time.Now().Add(time.Hour))
	for i, h := range all {
		h.turn(requests("GET a", fmt.Sprint("SET x ", i+1), "GET b"))
		h.expect(t, "$1\r\na\r\n")
		if !h.s.Client.Blocked.Load() {
			t.Fatal("it does not look blocked")
		}
	}
	if n := v.pause.Waiting(); n != len(all) {
		t.Fatalf("%d clients wait, not %d", n, len(all))
	}
	all[2].s.leaving()
	all[2].s.left()
	v.pause.end()
	for _, i := range []int{0, 1, 3, 4} {
		for other, h := range all {
			if (h.woken.Load() > 0) != (other == i) {
				t.Fatalf("client %d was woken, or not, in the turn of client %d", other, i)
			}
		}
		all[i].turn(nil)
		all[i].s.Out.Release(uint64(i + 1))
		all[i].turn(nil)
		all[i].expect(t, "+OK\r\n$1\r\nb\r\n")
	}
}

func TestWhoLeavesInItsTurnLetsTheNextGoOn(t *testing.T) {
	v, all := company(t, 2)
	v.pause.begin(pauseAll, time.Now().Add(time.Hour))
	for _, h := range all {
		h.turn(requests("GET a"))
	}
	v.pause.end()
	all[0].s.leaving()
	all[0].s.left()
	all[1].turn(nil)
	all[1].expect(t, "$1\r\na\r\n")
}

func TestAPausedClientThatHangsUpIsDropped(t *testing.T) {
	v, all := company(t, 1)
	v.pause.begin(pauseAll, time.Now().Add(time.Hour))
	all[0].turn(requests("GET a"))
	all[0].s.hangUp()
	if !all[0].s.finished() {
		t.Fatal("it waits on")
	}
	all[0].s.leaving()
	all[0].s.left()
	if n := v.pause.Waiting(); n != 0 {
		t.Fatalf("%d clients wait", n)
	}
	v.pause.end()
}

func TestADrainEndsThePause(t *testing.T) {
	v, all := company(t, 3)
	v.pause.begin(pauseAll, time.Now().Add(time.Hour))
	for _, h := range all {
		h.turn(requests("GET a"))
	}
	v.draining.Store(true)
	v.pause.end()
	for _, h := range all {
		h.turn(nil)
		h.expect(t, "-LOADING omniproxy is restarting\r\n")
	}
}

func TestAPauseIsTheLongerAndTheStricterOfTwo(t *testing.T) {
	var p Pause
	begin := func(kind pauseKind, left time.Duration) { p.begin(kind, time.Now().Add(left)) }
	begin(pauseWrites, 0)
	if p.On() {
		t.Fatal("a pause of no time is on")
	}
	begin(pauseWrites, time.Hour)
	until := p.until
	begin(pauseAll, time.Minute)
	if pauseKind(p.kind.Load()) != pauseAll || p.until != until {
		t.Fatalf("kind %d until %v, want %d until %v", p.kind.Load(), p.until, pauseAll, until)
	}
	begin(pauseWrites, 2*time.Hour)
	if pauseKind(p.kind.Load()) != pauseAll || !p.until.After(until) {
		t.Fatalf("kind %d until %v, want %d later than %v", p.kind.Load(), p.until, pauseAll, until)
	}
	p.timeout() // of a timer that was too late to be stopped
	if !p.On() {
		t.Fatal("an old timer ended the pause")
	}
	p.end()
	if p.On() {
		t.Fatal("it is not over")
	}
}
