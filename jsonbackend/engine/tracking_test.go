package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// A circle is clients that track keys in any mode, read and write, one after the other. What each of them hears, and where
// among its replies, must be what it hears of Redis; messages that follow each other have no order.

// The clients of a circle. "$n" in a command is the ID of the n-th.
const (
	circleSize = 5
	// circleEar has subscribed, so RESP2 can tell it what others track.
	circleEar = 3
	// circleFriend speaks RESP3 and may be told as well. It only reads: Redis tells it of a change of its own before, behind
	// or inside the reply, as the command has it.
	circleFriend = 4
)

// wait lets lifetimes pass. They are not shorter, because Redis deletes a key at once if its time passes while it is being set.
const (
	wait       = "wait"
	circleLife = "40" // milliseconds
)

func circleAct(r *rand.Rand) act {
	switch who := r.IntN(circleSize + 2); who {
	case circleEar:
		return act{who, pick(r, [][]string{{"PING"}}, [][]string{{"UNSUBSCRIBE"}, {"PING"}}, [][]string{{"SUBSCRIBE", "__redis__:invalidate"}}, [][]string{{"PSUBSCRIBE", "*"}})}
	case circleFriend:
		return act{who, [][]string{pick(r, circleRead(r), circleRead(r), circleRead(r), []string{"QUIT"})}}
	default:
		return act{who % circleEar, pick(r,
			[][]string{circleCommand(r)},
			[][]string{circleCommand(r)},
			[][]string{circleCommand(r), circleCommand(r), circleCommand(r)},
			[][]string{circleMode(r)},
			[][]string{circleMode(r), circleRead(r)},
			[][]string{{"CLIENT", "CACHING", pick(r, "YES", "NO")}, circleRead(r), circleRead(r)},
			[][]string{{"CLIENT", "CACHING", pick(r, "YES", "NO")}, {"CLIENT", "TRACKINGINFO"}, {"MULTI"}, circleRead(r), circleCommand(r), {"EXEC"}, circleRead(r)},
			[][]string{{"MULTI"}, circleCommand(r), circleRead(r), circleCommand(r), {"EXEC"}, circleCommand(r)},
			[][]string{{"MULTI"}, circleRead(r), {"DISCARD"}, {"CLIENT", "CACHING", "YES"}, {"NOPE"}, circleRead(r)},
			[][]string{{"CLIENT", "REPLY", "OFF"}, circleRead(r), circleCommand(r), {"CLIENT", "REPLY", "ON"}},
			[][]string{{"PEXPIRE", circleKey(r), circleLife}, {wait}, circleRead(r), circleCommand(r)},
			[][]string{{"CLIENT", "TRACKINGINFO"}, {"CLIENT", "GETREDIR"}},
			[][]string{{"HELLO", pick(r, "2", "3")}},
			[][]string{{"SELECT", pick(r, "0", "1")}},
			[][]string{pick(r, []string{"RESET"}, []string{"FLUSHDB"}, []string{"FLUSHALL"}, []string{"SWAPDB", "0", "1"})})}
	}
}

func circleKey(r *rand.Rand) string { return pick(r, "a", "ab", "abc", "b", "ba", "") }

func circleCommand(r *rand.Rand) []string {
	if r.IntN(2) == 0 {
		return circleRead(r)
	}
	k, other := circleKey(r), circleKey(r)
	return pick(r, []string{"SET", k, "1"}, []string{"SET", k, "2", "NX"}, []string{"DEL", k, other}, []string{"INCR", k}, []string{"MSET", k, "1", other, "2"},
		[]string{"EXPIRE", k, "100"}, []string{"PERSIST", k}, []string{"RPUSH", k, "a"}, []string{"LPOP", k}, []string{"SADD", k, "a"}, []string{"SREM", k, "a"},
		[]string{"HSET", k, "f", "1"}, []string{"HDEL", k, "f"}, []string{"ZADD", k, "1", "a"}, []string{"RENAME", k, other}, []string{"COPY", k, other, "REPLACE"},
		[]string{"GETDEL", k}, []string{"GETEX", k, "EX", "100"}, []string{"APPEND", k, "x"}, []string{"SINTERSTORE", k, other}, []string{"LMOVE", k, other, "LEFT", "RIGHT"},
		[]string{"XADD", k, "1-*", "f", "v"}, []string{"XTRIM", k, "MAXLEN", "0"}, []string{"XGROUP", "CREATE", k, "g", "0"}, []string{"XGROUP", "DESTROY", k, "g"},
		[]string{"XREADGROUP", "GROUP", "g", "c", "STREAMS", k, ">"}, []string{"MOVE", k, "1"}, []string{"SET", k}, []string{"SETRANGE", k, "0", "x"}, []string{"TOUCH", k})
}

func circleRead(r *rand.Rand) []string {
	k, other := circleKey(r), circleKey(r)
	return pick(r, []string{"GET", k}, []string{"MGET", k, other}, []string{"EXISTS", k, other}, []string{"GETRANGE", k, "0", "1"}, []string{"TYPE", k}, []string{"STRLEN", k},
		[]string{"LRANGE", k, "0", "-1"}, []string{"SINTER", k, other}, []string{"HGETALL", k}, []string{"XLEN", k}, []string{"OBJECT", "ENCODING", k},
		[]string{"XREAD", "STREAMS", k, other, "0", "0"}, []string{"SINTERCARD", "2", k, other}, []string{"DBSIZE"}, []string{"GET"})
}

// circleMode is a CLIENT TRACKING, right or wrong.
func circleMode(r *rand.Rand) []string {
	words := []string{"CLIENT", "TRACKING", pick(r, "ON", "ON", "ON", "OFF", "MAYBE")}
	for range r.IntN(3) {
		option := pick(r, []string{"BCAST"}, []string{"OPTIN"}, []string{"OPTOUT"}, []string{"NOLOOP"}, []string{"NOPE"}, []string{"REDIRECT"},
			[]string{"REDIRECT", "$3"}, []string{"REDIRECT", "$4"}, []string{"REDIRECT", "x"}, []string{"REDIRECT", "99999"},
			[]string{"BCAST", "PREFIX", pick(r, "a", "ab", "b", "")}, []string{"BCAST", "PREFIX", pick(r, "a", "b"), "PREFIX", pick(r, "ab", "b")}, []string{"PREFIX", "a"})
		if slices.Contains(words, "PREFIX") && slices.Contains(option, "PREFIX") {
			continue // of three prefixes some overlap behind the first, for which Redis has two replies: docs/differences.md
		}
		words = append(words, option...)
	}
	return words
}

// circle is its clients on one server.
type circle struct {
	t       *testing.T
	addr    string
	clients [circleSize]*client
	ids     [circleSize]string
	names   map[string]string // by ID, of those who left, too
	probe   *client
}

func newCircle(t *testing.T, addr string) *circle {
	c := &circle{t: t, addr: addr, names: map[string]string{}, probe: dial(t, addr)}
	c.probe.do("FLUSHALL")
	for range 100 { // from here on no ID is a number that commands reply with
		dial(t, addr).conn.Close()
	}
	for i := range c.clients {
		c.enter(i)
	}
	return c
}

// enter connects a client.
func (c *circle) enter(i int) {
	c.clients[i] = dial(c.t, c.addr)
	c.ids[i] = c.clients[i].do("CLIENT", "ID").text
	c.names[c.ids[i]] = fmt.Sprintf("$%d", i)
	switch {
	case i == circleEar:
		c.clients[i].do("SUBSCRIBE", "__redis__:invalidate")
	case i%2 == 0:
		c.clients[i].do("HELLO", "3")
	}
}

// do lets a client do commands, and returns what every client heard of it, and what the server counts.
func (c *circle) do(a act, n int) []string {
	who := c.clients[a.client]
	var batch []byte
	var heard []string
	for _, command := range a.commands {
		if command[0] == wait {
			who.conn.Write(appendCommand(batch, words([]string{"PING", token(n)})))
			heard = append(heard, c.hear(a.client, n)) // what is to pass is set
			batch = nil
			time.Sleep(45 * time.Millisecond)
			continue
		}
		command = slices.Clone(command)
		for i, word := range command {
			if n, err := strconv.Atoi(strings.TrimPrefix(word, "$")); strings.HasPrefix(word, "$") && err == nil {
				command[i] = c.ids[n]
			}
		}
		batch = appendCommand(batch, words(command))
	}
	if a.commands[0][0] == "QUIT" {
		who.conn.Write(batch)
		who.awaitCut()
		c.enter(a.client)
		c.clients[a.client].send("PING", token(n))
	} else {
		who.conn.Write(appendCommand(batch, words([]string{"PING", token(n)})))
	}
	heard = append(heard, c.hear(a.client, n)) // it is done when anybody is asked what came behind the replies
	for i := range c.clients {
		c.clients[i].send("PING", token(n+1))
		heard = append(heard, c.hear(i, n+1))
	}
	return append(heard, c.counts())
}

func token(n int) string { return fmt.Sprintf("token %d.", n) }

// hear returns what a client was told before the n-th token.
func (c *circle) hear(i, n int) string {
	var heard, messages []string
	for {
		r := c.clients[i].read()
		text := c.nameless(r.canonical(exactly))
		switch {
		case isInvalidation(r):
			messages = append(messages, text)
			continue
		case len(messages) > 0:
			slices.Sort(messages)
			heard = append(heard, messages...)
			messages = nil
		}
		if strings.Contains(text, token(n)) {
			return fmt.Sprintf("%d: %s", i, strings.Join(heard, " | "))
		}
		heard = append(heard, text)
	}
}

func isInvalidation(r reply) bool {
	return len(r.items) > 1 && (r.items[0].text == "invalidate" || r.items[0].text == "tracking-redir-broken" || r.items[1].text == "__redis__:invalidate" && r.items[0].text == "message")
}

// nameless has the same names for clients and instants on both servers, and one for the null of either protocol.
func (c *circle) nameless(text string) string {
	for id, name := range c.names {
		text = strings.ReplaceAll(text, `:"`+id+`"`, name)
	}
	if strings.Contains(text, "invalidate") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, `$"-1"`, "null"), `_""`, "null")
	}
	return text
}

// counts are what INFO says of tracking, and how the clients are listed.
func (c *circle) counts() string {
	var list []string
	for _, line := range strings.Split(c.probe.do("INFO").text, "\r\n") {
		if strings.HasPrefix(line, "tracking_") {
			list = append(list, line)
		}
	}
	for i, id := range c.ids {
		line := c.probe.do("CLIENT", "LIST", "ID", id).text
		for _, field := range strings.Fields(line) {
			if name, value, _ := strings.Cut(field, "="); name == "flags" || name == "redir" {
				if known := c.names[value]; known != "" {
					value = known
				}
				list = append(list, fmt.Sprintf("%d %s=%s", i, name, value))
			}
		}
	}
	return strings.Join(list, " ")
}

// circleDifference runs the acts on both servers and describes what is not the same.
func circleDifference(t *testing.T, oracle string, acts []act) string {
	t.Helper()
	addr, stop := serve(t, New(Options{}))
	defer stop()
	want, got := newCircle(t, oracle), newCircle(t, addr)
	defer want.close()
	defer got.close()
	for n, a := range acts {
		if diff := cmp.Diff(want.do(a, 2*n), got.do(a, 2*n)); diff != "" {
			return fmt.Sprintf("%d %q (-redis +engine)\n%s", a.client, a.commands, diff)
		}
	}
	return ""
}

func (c *circle) close() {
	for _, one := range append(c.clients[:], c.probe) {
		one.conn.Close()
	}
}

func TestTrackingTellsWhatRedisTells(t *testing.T) {
	t.Parallel()
	oracle := redistest.Start(t, "--enable-debug-command", "yes")
	dial(t, oracle).do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
	for _, seed := range []uint64{1, 2, rand.Uint64()} {
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		for range 6 {
			var acts []act
			for range 100 {
				acts = append(acts, circleAct(r))
			}
			first := circleDifference(t, oracle, acts)
			if first == "" {
				continue
			}
			acts = shortest(acts, func(fewer []act) bool { return circleDifference(t, oracle, fewer) != "" })
			var script strings.Builder
			for _, a := range acts {
				fmt.Fprintf(&script, "%d %q\n", a.client, a.commands)
			}
			t.Fatalf("first %s\n%s%s", first, &script, circleDifference(t, oracle, acts))
		}
	}
}

func TestAKeyIsFoundByThePrefixesThatItBeginsWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfDistinct(rapid.StringMatching("[ab\x00]{0,5}"), rapid.ID[string]).Draw(t, "prefixes")
		key := rapid.StringMatching("[ab\x00]{0,7}").Draw(t, "key")
		all := newTracking()
		for _, text := range texts {
			all.prefixes.Set(text, &prefix{changed: map[string]*Conn{text: nil}})
		}
		var want, got []string
		for _, text := range texts {
			if strings.HasPrefix(key, text) {
				want = append(want, text)
			}
		}
		all.beginning(key, func(p *prefix) { got = append(got, slices.Collect(maps.Keys(p.changed))...) })
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestPrefixesOfOneClientDoNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching("[abc]{1,4}")
		var existing []string
		for _, p := range rapid.SliceOfN(text, 0, 6).Draw(t, "existing") {
			if checkPrefixes([][]byte{[]byte(p)}, existing) == nil {
				existing = append(existing, p)
				slices.Sort(existing)
			}
		}
		added := rapid.SliceOfN(text, 0, 6).Draw(t, "added")
		want := ""
		for i, p := range added {
			for _, e := range existing {
				if want == "" && overlap([]byte(p), []byte(e)) {
					want = string(wire.PrefixOverlaps([]byte(p), []byte(e)))
				}
			}
			for _, other := range added[i+1:] {
				if want == "" && overlap([]byte(p), []byte(other)) {
					want = string(wire.PrefixesOverlap([]byte(p), []byte(other)))
				}
			}
		}
		got := ""
		if err := checkPrefixes(words(added), existing); err != nil {
			got = err.Error()
		}
		if (got == "") != (want == "") {
			t.Fatalf("%q beside %q: %q, want %q", added, existing, got, want)
		}
	})
}
