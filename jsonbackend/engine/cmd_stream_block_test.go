package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stage is an engine behind a socket, with its log.
type stage struct {
	t    *testing.T
	e    *Engine
	log  *recorder
	addr string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, log: &recorder{}}
	s.e = New(Options{Log: s.log})
	var stop func()
	s.addr, stop = serve(t, s.e)
	t.Cleanup(stop)
	return s
}

func (s *stage) client() *client { return dial(s.t, s.addr) }

// parked is how many clients wait for keys.
func (s *stage) parked() (n int) {
	s.e.Locked(func() { n = len(s.e.waiting) })
	return n
}

// await waits until so many clients wait for keys.
func (s *stage) await(n int) {
	s.t.Helper()
	for range 10_000 {
		if s.parked() == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.t.Fatalf("%d clients are parked, want %d", s.parked(), n)
}

// park sends a command that has to wait, and returns when it does.
func (s *stage) park(line string) *client {
	s.t.Helper()
	c, before := s.client(), s.parked()
	c.send(strings.Fields(line)...)
	s.await(before + 1)
	return c
}

// line does a command and returns its reply in one line.
func (c *client) line(command string) string { return c.do(strings.Fields(command)...).plain() }

// plain prints a reply in one line.
func (r reply) plain() string {
	switch {
	case len(r.items) == 0 && (r.kind == '*' || r.kind == '$') && r.text == "-1":
		return "nil"
	case r.kind == '*':
		parts := []string{}
		for _, item := range r.items {
			parts = append(parts, item.plain())
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	return r.text
}

func (s *stage) expect(who string, got, want string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %s, want %s", who, got, want)
	}
}

func TestParkedReadersOfAGroupAreServedInOrder(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	writer.line("XGROUP CREATE s g $ MKSTREAM")
	writer.line("XGROUP CREATE s h $")
	var first, second []*client
	for i := range 3 {
		first = append(first, s.park(fmt.Sprintf("XREADGROUP GROUP g c%d COUNT 1 BLOCK 0 STREAMS s >", i)))
		second = append(second, s.park(fmt.Sprintf("XREADGROUP GROUP h d%d COUNT 1 BLOCK 0 STREAMS s >", i)))
	}
	reader := s.park("XREAD BLOCK 0 STREAMS s $")
	for i := range 3 {
		writer.line(fmt.Sprintf("XADD s %d-1 f v", i+1))
	}
	for i := range 3 {
		want := fmt.Sprintf("[[s [[%d-1 [f v]]]]]", i+1)
		s.expect("group g", first[i].read().plain(), want)
		s.expect("group h", second[i].read().plain(), want)
	}
	s.expect("XREAD", reader.read().plain(), "[[s [[1-1 [f v]]]]]")
	s.expect("pending", writer.line("XPENDING s g"), "[3 1-1 3-1 [[c0 1] [c1 1] [c2 1]]]")
	s.expect("pending", writer.line("XPENDING s h"), "[3 1-1 3-1 [[d0 1] [d1 1] [d2 1]]]")
}

// What one unit adds is shared out by COUNT. Who finds nothing left keeps its place.
func TestWhoGetsNothingKeepsItsPlace(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	writer.line("XGROUP CREATE s g $ MKSTREAM")
	a := s.park("XREADGROUP GROUP g a COUNT 2 BLOCK 0 STREAMS s >")
	b := s.park("XREADGROUP GROUP g b BLOCK 0 STREAMS s >")
	c := s.park("XREADGROUP GROUP g c BLOCK 0 STREAMS s >")
	writer.line("MULTI")
	writer.line("XADD s 1-1 f v")
	writer.line("XADD s 2-1 f v")
	writer.line("EXEC")
	s.expect("a", a.read().plain(), "[[s [[1-1 [f v]] [2-1 [f v]]]]]")
	s.await(2)
	a = s.park("XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
	writer.line("XADD s 3-1 f v")
	s.expect("b", b.read().plain(), "[[s [[3-1 [f v]]]]]")
	writer.line("XADD s 4-1 f v")
	s.expect("c", c.read().plain(), "[[s [[4-1 [f v]]]]]")
	writer.line("XADD s 5-1 f v")
	s.expect("a", a.read().plain(), "[[s [[5-1 [f v]]]]]")
}

func TestAClientThatIsGoneConsumesNothing(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	writer.line("XGROUP CREATE s g $ MKSTREAM")
	gone := s.park("XREADGROUP GROUP g gone BLOCK 0 STREAMS s >")
	gone.conn.Close()
	s.await(0)
	before := streams(s.e.Freeze(nil))["s"]
	units := s.log.len()
	writer.line("XADD s 1-1 f v")
	after := streams(s.e.Freeze(nil))["s"]
	if diff := cmp.Diff(before[1:], after[2:]); diff != "" { // but for the counters and the entry
		t.Errorf("the group changed: -before +after\n%s", diff)
	}
	if got := s.log.len() - units; got != 1 {
		t.Errorf("%d units, want that of the XADD", got)
	}
	late := s.client()
	s.expect("the next", late.line("XREADGROUP GROUP g late STREAMS s >"), "[[s [[1-1 [f v]]]]]")
}

// The entry stands in the log before its delivery does, and a replay leads to the same.
func TestADeliveryFollowsItsEntryInTheLog(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	writer.line("XGROUP CREATE s g $ MKSTREAM")
	a := s.park("XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
	b := s.park("XREADGROUP GROUP g b NOACK BLOCK 0 STREAMS s >")
	writer.line("XADD s 1-1 f v")
	a.read()
	writer.line("XADD s 2-1 f v")
	b.read()
	var names []string
	for _, cmd := range s.log.commands(t)[1:] {
		name := string(cmd[0])
		if name == "XGROUP" {
			name += " " + string(cmd[1])
		}
		names = append(names, name)
	}
	want := []string{"XADD", "XGROUP CREATECONSUMER", "XCLAIM", "XGROUP SETID", "XADD", "XGROUP CREATECONSUMER", "XGROUP SETID"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +logged\n%s", diff)
	}
	again := replay(t, s.log.commands(t))
	if diff := cmp.Diff(streams(s.e.Freeze(nil)), streams(again.Freeze(nil))); diff != "" {
		t.Errorf("-engine +replayed\n%s", diff)
	}
}

// Only the stream that was written first is in the reply, as in Redis, though another has news by then.
func TestAParkedReaderGetsTheStreamThatWokeIt(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	writer.line("XGROUP CREATE s g $ MKSTREAM")
	writer.line("XGROUP CREATE t g $ MKSTREAM")
	reader := s.park("XREAD BLOCK 0 STREAMS s t $ $")
	member := s.park("XREADGROUP GROUP g a BLOCK 0 STREAMS s t > >")
	writer.line("MULTI")
	writer.line("XADD t 1-1 f 1")
	writer.line("XADD s 2-1 f 2")
	writer.line("EXEC")
	s.expect("XREAD", reader.read().plain(), "[[t [[1-1 [f 1]]]]]")
	s.expect("XREADGROUP", member.read().plain(), "[[t [[1-1 [f 1]]]]]")
	s.expect("the other stream", writer.line("XPENDING s g"), "[0 nil nil nil]")
}

// An entry that is gone when its reader is woken leaves an empty list, as in Redis.
func TestAParkedReaderIsWokenByAnEntryThatIsGone(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	reader := s.park("XREAD BLOCK 0 STREAMS s $")
	writer.line("MULTI")
	writer.line("XADD s 1-1 f v")
	writer.line("XDEL s 1-1")
	writer.line("EXEC")
	s.expect("XREAD", reader.read().plain(), "[[s []]]")
}

func TestOnlyNewsWakeAParkedReader(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	for _, id := range []string{"1-1", "2-1", "3-1"} {
		writer.line("XADD s " + id + " f v")
	}
	writer.line("XGROUP CREATE s g $")
	reader := s.park("XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
	for _, line := range []string{"XGROUP SETID s g 0", "XDEL s 1-1", "XTRIM s MAXLEN 1", "XSETID s 9-9", "XGROUP CREATE s h 0", "XACK s g 1-1"} {
		writer.line(line)
		if s.parked() != 1 {
			t.Fatalf("%s woke the reader", line)
		}
	}
	writer.line("XADD s 10-1 f v")
	s.expect("XREADGROUP", reader.read().plain(), "[[s [[3-1 [f v]] [10-1 [f v]]]]]")
}

func TestWhatEndsAWait(t *testing.T) {
	const lost, destroyed = "UNBLOCKED the stream key no longer exists", "NOGROUP the consumer group this client was blocked on no longer exists"
	for _, c := range []struct{ line, member string }{
		{"DEL s", lost},
		{"SET s text", lost},
		{"FLUSHALL", lost},
		{"PEXPIREAT s 1", lost},
		{"XGROUP DESTROY s g", destroyed},
	} {
		t.Run(c.line, func(t *testing.T) {
			s := newStage(t)
			writer := s.client()
			writer.line("XGROUP CREATE s g $ MKSTREAM")
			member := s.park("XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
			reader := s.park("XREAD BLOCK 0 STREAMS s 5-0")
			writer.line(c.line)
			s.expect("XREADGROUP", member.read().plain(), c.member)
			s.await(1)
			writer.line("DEL s")
			writer.line("XADD s 4-0 f v")
			writer.line("XADD s 6-0 f v")
			s.expect("XREAD", reader.read().plain(), "[[s [[6-0 [f v]]]]]")
		})
	}
}

// A stream that expires while nobody touches it wakes who waits in its group.
func TestExpiryEndsAWait(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	writer.line("XGROUP CREATE s g $ MKSTREAM")
	member := s.park("XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
	writer.line("PEXPIRE s 1")
	for range 10_000 {
		s.e.ExpireDue()
		if s.parked() == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	s.expect("XREADGROUP", member.read().plain(), "UNBLOCKED the stream key no longer exists")
}

func TestAWaitWithoutCountIsServedAThousandEntries(t *testing.T) {
	s := newStage(t)
	writer := s.client()
	reader := s.park("XREAD BLOCK 0 STREAMS s $")
	writer.line("MULTI")
	for i := range 1200 {
		writer.send("XADD", "s", fmt.Sprint(i+1), "f", "v")
	}
	for range 1200 {
		writer.read()
	}
	writer.line("EXEC")
	if got := len(reader.read().items[0].items[1].items); got != 1000 {
		t.Errorf("%d entries, want 1000", got)
	}
}

func TestTimesUpInMilliseconds(t *testing.T) {
	s := newStage(t)
	c := s.client()
	s.expect("XREAD", c.line("XREAD BLOCK 1 STREAMS s $"), "nil")
	c.line("XGROUP CREATE s g $ MKSTREAM")
	s.expect("XREADGROUP", c.line("XREADGROUP GROUP g a BLOCK 1 STREAMS s >"), "nil")
	s.expect("consumers", c.line("XINFO CONSUMERS s g"), "[]")
	s.await(0)
}
