package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Clients watch keys and wait for them in several databases, while whole values change their place.
func TestWatchersAndWaitersSeeValuesMove(t *testing.T) {
	crowdsAreServedLikeRedis(t, func(r *rand.Rand) act {
		key, other, db := crowdKey(r), crowdKey(r), pick(r, "0", "1", "2")
		if r.IntN(2) == 0 {
			return act{r.IntN(crowdSize), [][]string{pick(r, watching(r), waiting(r))}}
		}
		return moving(r, pick(r, []string{"RENAME", key, other}, []string{"RENAMENX", key, other}, []string{"MOVE", key, db}, []string{"COPY", key, other, "DB", db},
			[]string{"COPY", key, other, "DB", db, "REPLACE"}))
	})
}

// Only one client waits while databases are exchanged: who is served first after that, Redis leaves to chance.
func TestWatchersAndAWaiterSeeDatabasesSwapped(t *testing.T) {
	crowdsAreServedLikeRedis(t, func(r *rand.Rand) act {
		switch r.IntN(4) {
		case 0:
			return act{0, [][]string{pick(r, []string{"SELECT", "1"}, waiting(r))}}
		case 1:
			return act{1 + r.IntN(crowdSize-1), [][]string{watching(r)}}
		}
		return moving(r, pick(r, []string{"SWAPDB", "0", "1"}, []string{"SWAPDB", "1", "0"}, []string{"SWAPDB", "0", "2"}))
	})
}

func watching(r *rand.Rand) []string {
	return pick(r, []string{"WATCH", crowdKey(r)}, []string{"WATCH", crowdKey(r), crowdKey(r)}, []string{"MULTI"}, []string{"EXEC"}, []string{"EXEC"}, []string{"UNWATCH"},
		[]string{"SELECT", pick(r, "0", "1", "2")})
}

func waiting(r *rand.Rand) []string {
	return pick(r, []string{"BLPOP", crowdKey(r), "0"}, []string{"BZPOPMIN", crowdKey(r), "0"}, []string{"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", crowdKey(r), ">"})
}

// moving is a unit of a command that moves keys and of some others.
func moving(r *rand.Rand, command []string) act {
	key := crowdKey(r)
	commands := [][]string{command}
	for range r.IntN(3) {
		commands = append(commands, pick(r,
			[]string{"SELECT", pick(r, "0", "1", "2")}, []string{"SET", key, "x"}, []string{"GET", key}, []string{"RPUSH", key, "1", "2"}, []string{"ZADD", key, "1", "m"},
			[]string{"XGROUP", "CREATE", key, "g", "0", "MKSTREAM"}, []string{"XADD", key, "NOMKSTREAM", "1-" + strconv.Itoa(r.IntN(1000)), "f", "v"},
			[]string{"DEL", key}, []string{"FLUSHDB"}, []string{"PERSIST", key}, []string{"GETEX", key, "EXAT", "1"}, []string{"EXPIRE", key, "-1"}, []string{"TYPE", key}))
	}
	r.Shuffle(len(commands), func(i, j int) { commands[i], commands[j] = commands[j], commands[i] })
	return act{writer, commands}
}

// A key whose time is over is as good as none for who watches it, however it comes and goes.
func TestWatchersDoNotSeeKeysThatHaveExpired(t *testing.T) { crowdsAreServedLikeRedis(t, staleAct) }

func staleAct(r *rand.Rand) act {
	key, db := pick(r, "a", "b"), pick(r, "0", "1")
	if r.IntN(3) > 0 {
		return act{r.IntN(2), [][]string{pick(r, []string{"WATCH", key}, []string{"WATCH", key}, []string{"MULTI"}, []string{"EXEC"})}}
	}
	return act{writer, [][]string{pick(r, []string{"SWAPDB", "0", "1"}, []string{"SWAPDB", "0", "1"}, []string{"SELECT", db}, []string{"GET", key}, []string{"SET", key, "x"},
		[]string{"SET", key, "gone", "PXAT", "1"}, []string{"SET", key, "gone", "PXAT", "1"}, []string{"MOVE", key, db}, []string{"DEL", key}, []string{"FLUSHDB"})}}
}

// A view does not see what happens to a value after it was renamed, moved or copied away from a key that it has seen.
func TestMovedValuesLeaveViewsAlone(t *testing.T) {
	for _, moving := range []string{"RENAME a b", "COPY a b", "MOVE a 1", "SWAPDB 0 1"} {
		t.Run(moving, func(t *testing.T) {
			s := newStage(t)
			c := s.client()
			c.line("RPUSH a 1 2")
			view := s.e.Freeze(nil)
			before := everything(view)
			c.line(moving)
			for _, db := range []string{"SELECT 0", "SELECT 1"} {
				c.line(db)
				c.line("RPUSHX a 3")
				c.line("RPUSHX b 3")
			}
			if diff := cmp.Diff(before, everything(view)); diff != "" {
				t.Errorf("the view changed: -before +after\n%s", diff)
			}
			if diff := s.log.replayed(t, s.e); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// everything is what a view shows, as commands.
func everything(v *View) (lines []string) {
	for db := range Databases {
		for e := range v.All(db) {
			for cmd := range Commands(e) {
				lines = append(lines, fmt.Sprintf("%d %q", db, cmd))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// A key is deleted in its time where it is by then.
func TestMovedKeysExpireWhereTheyAre(t *testing.T) {
	s := newStage(t)
	c := s.client()
	for i, line := range []string{"RENAME k renamed", "COPY k copied", "RENAMENX k same", "MOVE k 1", "SWAPDB 0 2"} {
		c.line(fmt.Sprintf("SET k v PXAT %d", 4_000_000_000_000+i))
		c.line(line)
	}
	var got []string
	s.e.Locked(func() {
		for _, d := range s.e.dbs {
			d.due.advance(math.MaxInt64)
			for e, more := d.sift(math.MaxInt64); more; e, more = d.sift(math.MaxInt64) {
				if e != nil {
					got = append(got, fmt.Sprintf("%d in %d %s", e.Expire-4_000_000_000_000, d.id, e.Key))
				}
			}
		}
	})
	slices.Sort(got)
	want := []string{"0 in 2 renamed", "1 in 2 copied", "2 in 2 same", "3 in 1 k", "4 in 2 k"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +due\n%s", diff)
	}
}

// The owner of the engine hears of both keys that a command concerns, and of databases that were exchanged.
func TestMovesAreTold(t *testing.T) {
	var told []string
	e := New(Options{
		Changed: func(db int, key string) { told = append(told, fmt.Sprintf("%d %s", db, key)) },
		Flushed: func(db int) { told = append(told, fmt.Sprintf("%d", db)) },
	})
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	c.line("SET a 1")
	for _, step := range []struct {
		command string
		want    []string
	}{
		{"RENAME a b", []string{"0 a", "0 b"}},
		{"RENAME b b", nil},
		{"COPY b c DB 2", []string{"2 c"}},
		{"COPY b c DB 2", nil},
		{"MOVE b 3", []string{"3 b", "0 b"}},
		{"SWAPDB 2 3", []string{"2", "3"}},
		{"SWAPDB 2 2", nil},
		{"GETDEL a", nil},
		{"MSET x 1 y 2", []string{"0 x", "0 y"}},
		{"GETEX x PXAT 1", []string{"0 x"}},
	} {
		e.Locked(func() { told = nil })
		c.line(step.command)
		var got []string
		e.Locked(func() { got = told })
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: -want +told\n%s", step.command, diff)
		}
	}
}
