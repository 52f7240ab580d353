package engine

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// errDiskFull has the words of strerror(3).
const errDiskFull = wire.Error("No space left on device")

// failingLog is a log that keeps nothing while failed is set.
type failingLog struct {
	NoLog
	failed atomic.Bool
}

func (l *failingLog) Err() error {
	if l.failed.Load() {
		return errDiskFull
	}
	return nil
}

// While nothing is kept, what writes is refused, and PING, as Redis does; a transaction that was queued before is discarded.
func TestWritesAreRefusedWhileNothingIsKept(t *testing.T) {
	const why = "MISCONF Errors writing to the AOF file: No space left on device"
	log := &failingLog{}
	addr, stop := serve(t, New(Options{Log: log}))
	defer stop()
	before, c := dial(t, addr), dial(t, addr)
	for _, words := range [][]string{{"SET", "a", "1"}, {"MULTI"}, {"SET", "a", "2"}} {
		before.do(words...)
	}
	log.failed.Store(true)
	for _, h := range []struct {
		c     *client
		words []string
		want  string
	}{
		{c, []string{"SET", "a", "3"}, why},
		{c, []string{"PING"}, why},
		{c, []string{"GET", "a"}, "1"},
		{before, []string{"EXEC"}, "EXECABORT Transaction discarded because of: " + why},
		{c, []string{"MULTI"}, "OK"},
		{c, []string{"GET", "a"}, "QUEUED"},
		{c, []string{"EXEC"}, "1"},
		{c, []string{"MULTI"}, "OK"},
		{c, []string{"SET", "a", "4"}, why},
		{c, []string{"EXEC"}, "EXECABORT Transaction discarded because of previous errors."},
	} {
		if got := h.c.do(h.words...); got.text != h.want {
			t.Errorf("%q: %q, want %q", h.words, got.text, h.want)
		}
	}
	log.failed.Store(false)
	if got := c.do("SET", "a", "5"); got.text != "OK" {
		t.Errorf("when it is over: %q", got.text)
	}
}

// A client whose write could not be kept is told so in the place of each reply that waited, and goes on.
func TestAWriteThatIsNotKeptIsAnsweredWithAnError(t *testing.T) {
	const unkept = `-"` + "MISCONF Errors writing to the AOF file: No space left on device; what this command did can be seen, and is lost if the server ends before it can write it" + `"`
	for _, h := range []struct {
		hello, batch string
		want         []string
	}{
		{"2", "SET k v", []string{unkept}},
		{"2", "GET k|SET k v|GET k|RPUSH l a b|LRANGE l 0 -1", []string{unkept, unkept, unkept, unkept, unkept}},
		{"3", "MULTI|SET k v|HGETALL h|EXEC", []string{unkept, unkept, unkept, unkept}},
		{"3", "SUBSCRIBE news|SET k v|PUBLISH news x|GET k", []string{`>3($"subscribe", $"news", :"1")`, unkept, `>3($"message", $"news", $"x")`, unkept, unkept}},
		{"2", "CLIENT REPLY OFF|SET k v|CLIENT REPLY ON", []string{unkept}},
	} {
		t.Run(h.batch, func(t *testing.T) {
			log := &heldLog{}
			addr, stop := serve(t, New(Options{Log: log}))
			defer stop()
			bystander, writer := dial(t, addr), dial(t, addr)
			writer.do("HELLO", h.hello)
			writer.lines(h.batch)
			log.await(t, bystander, 1)
			log.decide(func(h held) { h.r.Fail(h.seq, errDiskFull) })
			var got []string
			for range h.want {
				got = append(got, writer.read().canonical(exactly))
			}
			if diff := cmp.Diff(h.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got := writer.do("GET", "k").text; got != "v" {
				t.Errorf("the client goes on with %q", got)
			}
		})
	}
}

// So is a client that waited for it.
func TestAClientThatIsServedByAWriteThatIsNotKeptIsTold(t *testing.T) {
	log := &heldLog{}
	addr, stop := serve(t, New(Options{Log: log}))
	defer stop()
	bystander, waiter, writer := dial(t, addr), dial(t, addr), dial(t, addr)
	waiter.send("BLPOP", "l", "0")
	for !strings.Contains(bystander.do("INFO", "clients").text, "blocked_clients:1") {
	}
	writer.send("RPUSH", "l", "a")
	log.await(t, bystander, 2)
	log.decide(func(h held) { h.r.Fail(h.seq, errDiskFull) })
	for _, c := range []*client{waiter, writer} {
		if got := c.read(); got.kind != '-' {
			t.Errorf("told %v", got)
		}
		if got := c.do("PING").text; got != "PONG" {
			t.Errorf("goes on with %q", got)
		}
	}
}

// Where replies look like messages the client is cut.
func TestAClientWhoseRepliesCannotBeFoundIsCut(t *testing.T) {
	for _, batch := range []string{"SET k v|SUBSCRIBE news", "SET k v|MONITOR|GET k"} {
		log := &heldLog{}
		addr, stop := serve(t, New(Options{Log: log}))
		bystander, writer := dial(t, addr), dial(t, addr)
		writer.lines(batch)
		log.await(t, bystander, 1)
		log.decide(func(h held) { h.r.Fail(h.seq, errDiskFull) })
		writer.awaitCut()
		stop()
	}
}
