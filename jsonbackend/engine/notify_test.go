package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// endOfCommand is a channel that listeners hear beside keyspace notifications: what they heard before was of the last
// command.
const endOfCommand = "__key: end of command"

// listen returns a client that hears all keyspace notifications, also of keys that are new or missed.
func listen(t testing.TB, addr string) *client {
	t.Helper()
	c := dial(t, addr)
	c.do("CONFIG", "SET", "notify-keyspace-events", "KEAmn")
	c.do("PSUBSCRIBE", "__key*")
	return c
}

// events returns what a listener heard until the end of the command.
func (c *client) events() (list []string) {
	for {
		m := c.read()
		if channel := m.items[2].text; channel != endOfCommand {
			list = append(list, fmt.Sprintf("%s %q", channel, m.items[3].text))
			continue
		}
		return list
	}
}

func TestEventClassesAreReadAndShownLikeRedisDoes(t *testing.T) {
	addr, stop := serve(t, New(Options{}))
	defer stop()
	oracle, engine := dial(t, redistest.Start(t)), dial(t, addr)
	r := rand.New(rand.NewPCG(7, 0))
	for range 300 {
		text := make([]byte, r.IntN(14))
		for i := range text {
			text[i] = "AAg$lshzxetdnKEm"[r.IntN(16)]
		}
		if r.IntN(10) == 0 {
			text = append(text, "aKkB "[r.IntN(5)])
		}
		for _, args := range [][]string{{"CONFIG", "SET", "notify-keyspace-events", string(text)}, {"CONFIG", "GET", "notify-keyspace-events"}} {
			want, got := oracle.do(args...).canonical(exactly), engine.do(args...).canonical(exactly)
			if got != want {
				t.Fatalf("%q: %s, Redis: %s", args, got, want)
			}
		}
	}
}

// What is done for no client is told of like anything else: an edit of a file, and the end of a key that nobody asked for.
func TestEventsOfWhatNoClientDid(t *testing.T) {
	e := New(Options{Log: &recorder{}})
	addr, stop := serve(t, e)
	defer stop()
	c, listener := dial(t, addr), listen(t, addr)
	edit := func(db int, args ...string) Edit { return Edit{DB: db, Args: words(args)} }
	edits := []Edit{edit(0, "HSET", "h", "f", "v"), edit(3, "SET", "k", "v"), edit(0, "DEL", "h"), edit(0, "PEXPIREAT", "nope", "1"), edit(0, "SET", "k", "v", "PX", "1")}
	if err := e.Edit(edits, e.Freeze(nil), "an edit", nobody{}); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if e.ExpireDue(); c.do("DBSIZE").text == "0" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.do("PUBLISH", endOfCommand, "")
	var want []string
	for _, event := range []struct {
		db        int
		name, key string
	}{{0, "new", "h"}, {0, "hset", "h"}, {3, "new", "k"}, {3, "set", "k"}, {0, "del", "h"}, {0, "new", "k"}, {0, "set", "k"}, {0, "expire", "k"}, {0, "expired", "k"}} {
		want = append(want, fmt.Sprintf("__keyspace@%d__:%s %q", event.db, event.key, event.name), fmt.Sprintf("__keyevent@%d__:%s %q", event.db, event.name, event.key))
	}
	if diff := cmp.Diff(want, listener.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// What events cost a command that is told of twice.
func BenchmarkEvents(b *testing.B) {
	for _, c := range []struct {
		name, classes string
		listeners     int
	}{{"off", "", 0}, {"nobody listens", "KEA", 0}, {"one listens", "KEA", 1}} {
		b.Run(c.name, func(b *testing.B) {
			e := New(Options{})
			addr, stop := serve(b, e)
			defer stop()
			for range c.listeners {
				l := dial(b, addr)
				l.do("PSUBSCRIBE", "__key*")
				go func() {
					for buf := make([]byte, 64<<10); ; {
						if _, err := l.conn.Read(buf); err != nil {
							return
						}
					}
				}()
			}
			dial(b, addr).do("CONFIG", "SET", "notify-keyspace-events", c.classes)
			do, set := inProcess(b, e), request(b, "SET k v")
			b.ReportAllocs()
			for b.Loop() {
				do(set)
			}
		})
	}
}
