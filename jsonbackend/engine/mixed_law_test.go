package engine

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// replayLaw follows a log: an engine that replays it has the same keys, and so has one that does a rewrite's commands.
type replayLaw struct {
	e, replica *Engine
	log        *recorder
	replayed   int // units
}

func newReplayLaw(e *Engine, log *recorder) *replayLaw {
	return &replayLaw{e: e, replica: emptyLike(e), log: log}
}

// emptyLike returns an empty engine with the same limits.
func emptyLike(e *Engine) *Engine {
	empty := New(Options{})
	empty.limits, empty.streamLimits = e.limits, e.streamLimits
	return empty
}

// broken says how the law is broken; everything is what the engine's keys are to its clients.
func (l *replayLaw) broken(t *testing.T, everything []string) string {
	t.Helper()
	units := l.log.all()
	for _, u := range units[l.replayed:] {
		if err := u.replay(t, l.replica); err != nil {
			return err.Error()
		}
	}
	l.replayed = len(units)
	if diff := cmp.Diff(keyspace(l.e), keyspace(l.replica)); diff != "" {
		return "after replay (-engine +replayed)\n" + diff
	}
	rewritten := emptyLike(l.e)
	view := l.e.Freeze(nil)
	for db := range Databases {
		for entry := range view.All(db) {
			for cmd := range Commands(entry) {
				if err := rewritten.Replay(db, cmd); err != nil {
					return strconv.Quote(entry.Key) + " after a rewrite: " + err.Error()
				}
			}
		}
	}
	addr, stop := serve(t, rewritten)
	defer stop()
	if diff := cmp.Diff(lasting(everything), lasting(everythingAt(t, addr))); diff != "" {
		return "after a rewrite (-engine +rewritten)\n" + diff
	}
	return ""
}

// lasting leaves out what a rewrite does not keep, as in Redis: how a value is encoded, and how a stream is stored.
func lasting(everything []string) (lines []string) {
	for _, line := range everything {
		if !strings.HasPrefix(line, encodingLine) {
			lines = append(lines, storageFields.ReplaceAllString(line, ""))
		}
	}
	return lines
}

var storageFields = regexp.MustCompile(`\$"radix-tree-(keys|nodes)", :"\d+", `)
