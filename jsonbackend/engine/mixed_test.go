package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// Commands of all chapters on the same keys, in several databases, by clients that wait for each other, watch keys and
// subscribe: what the chapters' own comparisons with Redis leave out. `make soak` runs a long one.

var (
	mixedCommands = flag.Int("commands", 3000, "how many mixed commands are compared with Redis in each protocol")
	mixedSeed     = flag.Uint64("seed", 0, "of the mixed commands; 0 = any")
)

const (
	mixedEpisode = 1000 // turns from one empty keyspace to the next
	mixedCheck   = 250  // turns from one comparison of everything to the next
)

// turn is what one of a troupe does: a command of a worker or a listener, or some of the director.
type turn struct {
	who    int
	trials []trial
}

func (u turn) String() string {
	var words []string
	for _, c := range u.trials {
		words = append(words, fmt.Sprintf("%.300q", c.args))
	}
	return fmt.Sprintf("%d: %s", u.who, strings.Join(words, " "))
}

func TestMixedCommandsAnswerLikeRedis(t *testing.T) {
	seed, commands := *mixedSeed, *mixedCommands
	if testing.Short() {
		commands = min(commands, mixedEpisode)
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprint("RESP", proto), func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, uint64(proto)))
			m := &mixture{t: t, proto: strconv.Itoa(proto), oracle: redistest.Start(t, "--enable-debug-command", "yes", "--hz", "500")}
			dial(t, m.oracle).do("DEBUG", "SET-ACTIVE-EXPIRE", "0") // a key whose time is over stays until somebody looks
			for told := 0; m.done < commands; {
				m.tight = r.IntN(2) == 0
				m.compare(newAuthor(r).turns(mixedEpisode))
				if m.done >= told+10_000 {
					told = m.done
					t.Logf("%d commands, no difference", told)
				}
			}
		})
	}
}

// mixture is how turns are run.
type mixture struct {
	t      *testing.T
	proto  string
	oracle string // address
	tight  bool   // values leave their compact form early
	done   int    // commands
}

// compare fails the test, with turns as few as possible, unless both servers do the same.
func (m *mixture) compare(turns []turn) {
	m.t.Helper()
	last, difference := m.difference(turns)
	if difference == "" {
		return
	}
	turns = turns[:last+1]
	fewer := shortest(turns, func(some []turn) bool { _, again := m.difference(some); return again != "" })
	if _, again := m.difference(fewer); again != "" {
		difference = again
	} else {
		fewer = turns[max(0, len(turns)-50):] // it depends on time
	}
	var script strings.Builder
	for _, u := range fewer {
		fmt.Fprintln(&script, u)
	}
	m.t.Fatalf("RESP%s, tight %v: the last turns\n%s%s", m.proto, m.tight, &script, difference)
}

// difference runs turns on both servers, and describes the first thing that is not the same, and at which turn.
func (m *mixture) difference(turns []turn) (at int, what string) {
	log := &recorder{}
	e := New(Options{Log: log})
	limits := "hash-max-listpack-entries 512 hash-max-listpack-value 64 set-max-intset-entries 512 zset-max-listpack-entries 128 zset-max-listpack-value 64 stream-node-max-entries 100"
	if m.tight {
		limits = "hash-max-listpack-entries 4 hash-max-listpack-value 5 set-max-intset-entries 4 zset-max-listpack-entries 4 zset-max-listpack-value 5 stream-node-max-entries 4"
		e.limits = value.Limits{HashEntries: 4, HashValue: 5, SetInts: 4, ZSetEntries: 4, ZSetValue: 5}
		e.streamLimits = value.StreamLimits{NodeEntries: 4, NodeBytes: 4096}
		e.atOnce = 1
	}
	addr, stop := serve(m.t, e)
	defer stop()
	redis, engine := newTroupe(m.t, m.oracle, m.proto), newTroupe(m.t, addr, m.proto)
	defer redis.leave()
	defer engine.leave()
	redis.director.do(append([]string{"CONFIG", "SET"}, strings.Fields(limits)...)...)
	defer func() { m.done += redis.done }()
	law := newReplayLaw(e, log)
	for i, u := range turns {
		if diff := cmp.Diff(redis.do(u), engine.do(u)); diff != "" {
			return i, fmt.Sprintf("%v\n-redis +engine\n%s", u, diff)
		}
		if (i+1)%mixedCheck > 0 && i+1 < len(turns) {
			continue
		}
		now := engine.everything()
		if diff := cmp.Diff(redis.everything(), now); diff != "" {
			return i, "everything: -redis +engine\n" + diff
		}
		if diff := law.broken(m.t, now); diff != "" {
			return i, diff
		}
	}
	return 0, ""
}
