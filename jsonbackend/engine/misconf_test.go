package engine

import (
	"errors"
	"sync/atomic"
	"testing"
)

// failingLog is a log that keeps nothing while failed is set.
type failingLog struct {
	NoLog
	failed atomic.Bool
}

func (l *failingLog) Err() error {
	if l.failed.Load() {
		return errors.New("No space left on device")
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
