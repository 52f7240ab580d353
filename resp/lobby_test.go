package resp

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// strangers connects to a server that asks for a password, and reports whom it drops.
func strangers(t testing.TB, limits Limits, l *Listener) (v *Server, dial func() *client, dropped chan error) {
	dropped = make(chan error, 1000)
	v = &Server{Backend: newStub(t), Events: Events{Dropped: func(_ string, err error) { dropped <- err }}}
	v.SetPassword("secret")
	v.SetLimits(limits)
	return v, serveFront(t, v, NewFront(l), "tcp", "127.0.0.1:0"), dropped
}

func (c *client) logIn() *client {
	c.t.Helper()
	c.send(requests("AUTH secret"))
	c.expect("+OK\r\n")
	return c
}

// settle waits until there are n strangers.
func (v *Server) awaitStrangers(t testing.TB, n int) {
	t.Helper()
	for over := time.Now().Add(patience); v.lobby.size() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(over) {
			t.Fatalf("%d strangers, want %d", v.lobby.size(), n)
		}
	}
}

func TestTheStrangerWhoCameFirstMakesRoom(t *testing.T) {
	v, dial, dropped := strangers(t, Limits{Strangers: 2}, &Listener{})
	known := dial().logIn()
	first := dial()
	v.awaitStrangers(t, 1)
	dial()
	v.awaitStrangers(t, 2)
	dial().logIn()
	first.expectEnd()
	if err := await(t, dropped, "report"); err != errCrowded {
		t.Errorf("reported: %v", err)
	}
	known.send(requests("GET a"))
	known.expect("$1\r\na\r\n")
}

func TestAStrangerMakesRoomWhereThereAreTooManyClients(t *testing.T) {
	v, dial, _ := strangers(t, Limits{}, &Listener{})
	v.SetMaxClients(2)
	dial().logIn()
	stranger := dial()
	v.awaitStrangers(t, 1)
	dial().logIn()
	stranger.expectEnd()
	dial().expect("-ERR max number of clients reached\r\n")
}

func TestWhoDoesNotLogInInTimeIsEnded(t *testing.T) {
	v, dial, dropped := strangers(t, Limits{}, &Listener{AuthTimeout: time.Second})
	known := dial().logIn()
	slow := dial()
	slow.send([]byte("*2\r\n$4\r\nAU")) // and a byte now and then would not help
	slow.expectEnd()
	if err := await(t, dropped, "report"); !errors.Is(err, errAuthTimeout) {
		t.Errorf("reported: %v", err)
	}
	v.awaitStrangers(t, 0)
	known.send(requests("RESET")) // a stranger again
	known.expect("+RESET\r\n")
	known.expectEnd()
}

func TestStrangersMayMakeTheServerHoldLittle(t *testing.T) {
	v, dial, dropped := strangers(t, Limits{StrangerMemory: 20 << 10}, &Listener{})
	part := []byte("*2\r\n$16000\r\n" + strings.Repeat("x", 15<<10))
	first := dial()
	first.send(part)
	for over := time.Now().Add(patience); v.Buffers().Total < 15<<10 && time.Now().Before(over); {
		time.Sleep(time.Millisecond)
	}
	second := dial()
	second.send(part)
	second.expectEnd()
	if err := await(t, dropped, "report"); err != errStrangerMemory {
		t.Errorf("reported: %v", err)
	}
	dial().logIn()
	first.Close()
	v.awaitStrangers(t, 0)
	if v.lobby.memory != 0 {
		t.Errorf("%d bytes are counted though nobody is there", v.lobby.memory)
	}
}

func TestAStrangerWhoReadsNothingIsEnded(t *testing.T) {
	h, _ := connect(t, withPassword)
	h.stuck = true
	commands := requests(repeat(1000, "GET a")...)
	for !h.s.Gone() {
		h.turn(commands)
		if n := h.s.Out.Len(); n > 2*h.s.limits.strangerOut {
			t.Fatalf("%d bytes wait", n)
		}
	}
}
