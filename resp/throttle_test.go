package resp

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCommandsThatComeTooFastWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connectTo(t, &Listener{Rate: 10})
		h.turn(requests(repeat(25, "GET a")...))
		done := func() int { return strings.Count(h.said(), "$1") }
		if n := done(); n != 10 {
			t.Errorf("%d were done at once", n)
		}
		if !h.s.full() {
			t.Error("the client is read meanwhile")
		}
		all := 10
		for begun := time.Now(); all < 25; {
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			h.turn(nil)
			all += done()
			if most := 10 + int(10*time.Since(begun).Seconds()+0.001); all > most {
				t.Fatalf("%d after %v", all, time.Since(begun))
			}
			if time.Since(begun) > 2*time.Second {
				t.Fatalf("only %d after %v", all, time.Since(begun))
			}
		}
		if h.s.full() {
			t.Error("the client is not read although all is done")
		}
	})
}

func TestWithoutALimitNothingWaits(t *testing.T) {
	h := connectTo(t, &Listener{})
	h.turn(requests(repeat(1000, "GET a")...))
	h.expect(t, strings.Repeat("$1\r\na\r\n", 1000))
}

func TestARateIsKeptOnBothTransports(t *testing.T) {
	v := &Server{Backend: newStub(t)}
	c := serveFront(t, v, NewFront(&Listener{Rate: 200}), "tcp", "127.0.0.1:0")()
	begun := time.Now()
	c.send(requests(repeat(300, "GET a")...))
	c.expect(strings.Repeat("$1\r\na\r\n", 300))
	if took := time.Since(begun); took < 400*time.Millisecond { // 200 at once, 100 in half a second
		t.Errorf("all were done after %v", took)
	}
}

func TestStrangersTakeTurns(t *testing.T) {
	h, _ := connect(t, withPassword)
	h.s.feed(requests(repeat(1000, "GET a")...))
	h.flush()
	h.expect(t, strings.Repeat(noAuth, strangerBatches))
	if !h.s.full() {
		t.Error("it is read meanwhile")
	}
	h.turn(nil) // and the turns that it wishes for
	h.expect(t, strings.Repeat(noAuth, 1000-strangerBatches))
	if h.s.full() {
		t.Error("it is not read although all is done")
	}
}

func TestWhoHasLoggedInIsDoneAtOnce(t *testing.T) {
	h, _ := connect(t, withPassword)
	h.s.feed(requests(append([]string{"AUTH secret"}, repeat(1000, "GET a")...)...))
	h.flush()
	h.expect(t, "+OK\r\n"+strings.Repeat("$1\r\na\r\n", 1000))
}

func TestAFilterSeesEachCommandOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := connect(t)
		b.atOnce = 1
		var fresh int
		slow := &Listener{Rate: 2} // from the first command on: fewer may be done than were read
		h.s.front = NewFront(&Listener{Filters: []Filter{func(s *Session, c *Command) {
			s.front.Exchange(slow)
			if !c.Again {
				fresh++
			}
		}}})
		slow.Filters = h.s.Listener().Filters
		h.turn(requests(repeat(10, "GET a")...))
		for !strings.HasSuffix(h.written.String(), strings.Repeat("$1\r\na\r\n", 10)) {
			time.Sleep(time.Second)
			synctest.Wait()
			h.turn(nil)
		}
		if fresh != 10 {
			t.Errorf("%d of 10", fresh)
		}
	})
}
