package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// A round is clients that subscribe, publish and ask in any protocol, one after the other. What each of them hears, and in
// which order, must be what it hears of Redis.

const roundSize = 4

// speaker is the client of a round that never subscribes, so it may publish inside EXEC.
const speaker = 0

func roundAct(r *rand.Rand, n int) act {
	message := strconv.Itoa(n) // no two messages are alike
	if r.IntN(3) == 0 {
		return act{speaker, pick(r,
			[][]string{{pick(r, "PUBLISH", "SPUBLISH"), roundChannel(r), message}},
			[][]string{{"MULTI"}, {"PUBLISH", roundChannel(r), message}, {"SPUBLISH", roundChannel(r), message}, {"EXEC"}},
			[][]string{{"PUBLISH", roundChannel(r), message}, {"PUBSUB", "CHANNELS"}, {"PUBLISH", roundChannel(r), message + "b"}},
			[][]string{{"PUBSUB", pick(r, "CHANNELS", "SHARDCHANNELS"), roundPattern(r)}},
			[][]string{{"PUBSUB", pick(r, "NUMSUB", "SHARDNUMSUB"), "a", "b", "ab", "", "c"}},
			[][]string{{"PUBSUB", "NUMPAT"}, {"PUBSUB", "NUMSUB"}, {"PUBSUB", "SHARDCHANNELS"}})}
	}
	return act{1 + r.IntN(roundSize-1), pick(r,
		[][]string{subscription(r)},
		[][]string{subscription(r)},
		[][]string{subscription(r)},
		[][]string{subscription(r), {"PUBLISH", roundChannel(r), message}, {"PING"}, subscription(r)},
		[][]string{{pick(r, "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE")}},
		[][]string{{"PUBLISH", roundChannel(r), message}},
		[][]string{pick(r, []string{"PING"}, []string{"PING", "x"}, []string{"GET", "k"}, []string{"CLIENT", "GETNAME"}, []string{"EXEC"}, []string{"NOPE"})},
		[][]string{pick(r, []string{"SUBSCRIBE"}, []string{"PUBLISH", "a"}, []string{"PUBSUB"}, []string{"PUBSUB", "NUMPAT", "x"}, []string{"PUBSUB", "CHANNELS", "a", "b"})},
		[][]string{{"HELLO", pick(r, "2", "3")}, {"PING"}},
		[][]string{{"HELLO", "3"}},
		[][]string{{"RESET"}, {"PING"}},
		[][]string{{"QUIT"}},
		[][]string{{"MULTI"}, {pick(r, "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"), "a", "b"}, {"PING"}, {"UNSUBSCRIBE", "a"}, {"EXEC"}, {"PING"}},
		[][]string{{"CLIENT", "REPLY", "SKIP"}, subscription(r), {"CLIENT", "REPLY", "SKIP"}, {"PING"}, {"PING"}},
		[][]string{{"CLIENT", "REPLY", "OFF"}, subscription(r), {"PUBLISH", roundChannel(r), message}, {"MULTI"}, subscription(r), {"EXEC"},
			{"PUNSUBSCRIBE", "*"}, {"RESET"}},
		[][]string{{"CLIENT", "REPLY", "OFF"}, subscription(r), {"UNSUBSCRIBE"}, {"PUNSUBSCRIBE"}, {"SUNSUBSCRIBE"}, {"CLIENT", "REPLY", "ON"}})}
}

func roundChannel(r *rand.Rand) string { return pick(r, "a", "b", "ab", "a\r\nb", "") }

func roundPattern(r *rand.Rand) string {
	return pick(r, "a", "a*", "*b", "*", "?", "[ab]", "", "\\a", "a\r\nb")
}

func subscription(r *rand.Rand) []string {
	name := roundChannel
	command := pick(r, "", "S")
	if r.IntN(2) == 0 {
		name, command = roundPattern, "P"
	}
	args := []string{command + pick(r, "SUBSCRIBE", "SUBSCRIBE", "UNSUBSCRIBE")}
	for range 1 + r.IntN(3) {
		args = append(args, name(r))
	}
	return args
}

// round is the clients on one server.
type round struct {
	t       *testing.T
	addr    string
	clients [roundSize]*client
	heard   [roundSize][]reply
}

// do does one act, and hears what each client is told until it has an answer to its own question.
func (w *round) do(a act) {
	var batch []byte
	for _, args := range a.commands {
		batch = appendCommand(batch, words(args))
	}
	w.clients[a.client].conn.Write(batch)
	if a.commands[0][0] == "QUIT" {
		w.hear(a.client, func(r reply) bool { return r.kind == '+' && r.text == "OK" })
		w.clients[a.client].conn.Close()
		w.clients[a.client] = dial(w.t, w.addr)
	}
	const question = "what else?"
	for i, c := range w.clients {
		c.send("PING", question)
		w.hear(i, func(r reply) bool {
			return r.text == question || len(r.items) == 2 && r.items[1].text == question
		})
	}
}

func (w *round) hear(i int, last func(reply) bool) {
	for {
		r := w.clients[i].read()
		w.heard[i] = append(w.heard[i], r)
		if last(r) {
			return
		}
	}
}

// run does all acts and returns what each client heard.
func runRound(t *testing.T, addr string, acts []act) []string {
	w := &round{t: t, addr: addr}
	for i := range w.clients {
		w.clients[i] = dial(t, addr)
	}
	for _, a := range acts {
		w.do(a)
	}
	var all []string
	for i, list := range w.heard {
		w.clients[i].do("RESET") // the next round begins without subscribers
		w.clients[i].conn.Close()
		for _, line := range orderless(list) {
			all = append(all, fmt.Sprintf("%d: %s", i, line))
		}
	}
	return all
}

// orderless writes down what was heard. Redis leaves open which of several patterns a message is told of first, and which
// subscription ends first when all do.
func orderless(list []reply) (lines []string) {
	for len(list) > 0 {
		kind, n := list[0].open(), 1
		for kind != "" && n < len(list) && list[n].open() == kind {
			n++
		}
		var some, counts []string
		for _, r := range list[:n] {
			switch {
			case strings.HasSuffix(kind, "unsubscribe"):
				some = append(some, fmt.Sprintf("%c %s %s", r.kind, kind, r.items[1].canonical(exactly)))
				counts = append(counts, r.items[2].text)
			case len(r.items) > 0 && r.items[0].text == "server": // HELLO tells an ID
				some = append(some, fmt.Sprintf("HELLO %c", r.kind))
			default:
				some = append(some, r.canonical(asSet))
			}
		}
		slices.Sort(some)
		lines = append(lines, append(some, counts...)...)
		list = list[n:]
	}
	return lines
}

// open is what replies have in common whose order is open; "" if it is not.
func (r reply) open() string {
	switch {
	case len(r.items) == 4 && r.items[0].text == "pmessage":
		return "pmessage " + r.items[3].text
	case len(r.items) == 3 && strings.HasSuffix(r.items[0].text, "unsubscribe"):
		return r.items[0].text
	}
	return ""
}

func TestSubscribersHearWhatRedisTells(t *testing.T) {
	oracle := redistest.Start(t)
	for _, seed := range []uint64{1, 2, rand.Uint64()} {
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		for range 6 {
			var acts []act
			for n := range 100 {
				acts = append(acts, roundAct(r, n))
			}
			difference := func(acts []act) string {
				want := runRound(t, oracle, acts)
				addr, stop := serve(t, New(Options{}))
				defer stop()
				return cmp.Diff(want, runRound(t, addr, acts))
			}
			if difference(acts) == "" {
				continue
			}
			acts = shortest(acts, func(fewer []act) bool { return difference(fewer) != "" })
			var script strings.Builder
			for _, a := range acts {
				fmt.Fprintf(&script, "%d: %q\n", a.client, a.commands)
			}
			t.Fatalf("%s-redis +engine\n%s", &script, difference(acts))
		}
	}
}

// Topics are there while somebody is subscribed, however the subscription ends.
func TestTopicsEndWithTheirLastSubscription(t *testing.T) {
	addr, stop := serve(t, New(Options{}))
	defer stop()
	asker := dial(t, addr)
	topics := func() string {
		info := asker.do("INFO", "stats").text
		_, counts, _ := strings.Cut(info, "pubsub_channels:")
		counts, _, _ = strings.Cut(counts, "\r\npubsubshard_channels:0\r\n")
		return counts
	}
	for _, end := range []func(c *client){
		func(c *client) { c.lines("UNSUBSCRIBE a|PUNSUBSCRIBE|UNSUBSCRIBE") },
		func(c *client) { c.lines("RESET") },
		func(c *client) { c.lines("QUIT") },
		func(c *client) { c.conn.Close() },
		func(c *client) { asker.do("CLIENT", "KILL", "TYPE", "pubsub") },
	} {
		var subscribers []*client
		for i := range 3 {
			c := dial(t, addr)
			c.do("SUBSCRIBE", "a")
			c.do("SUBSCRIBE", fmt.Sprint("b", i))
			c.do("PSUBSCRIBE", "c*")
			subscribers = append(subscribers, c)
		}
		if got := topics(); got != "4\r\npubsub_patterns:1" {
			t.Errorf("INFO counts %q", got)
		}
		for _, c := range subscribers {
			end(c)
		}
		for range 10_000 {
			if topics() == "0\r\npubsub_patterns:0" {
				break
			}
		}
		if got := topics(); got != "0\r\npubsub_patterns:0" {
			t.Errorf("when all have left INFO counts %q", got)
		}
	}
}

// BenchmarkPublish is from the command to the last subscriber's socket.
func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 100, 1000} {
		b.Run(fmt.Sprint("subscribers=", subscribers), func(b *testing.B) {
			addr, stop := serve(b, New(Options{}))
			defer stop()
			message := strings.Repeat("x", 100)
			publish := appendCommand(nil, words([]string{"PUBLISH", "news", message}))
			told := len(appendCommand(nil, words([]string{"message", "news", message})))
			var heard sync.WaitGroup
			for range subscribers {
				c := dial(b, addr)
				c.do("SUBSCRIBE", "news")
				heard.Go(func() {
					buf := make([]byte, 64<<10)
					for left := b.N * told; left > 0; {
						n, err := c.conn.Read(buf)
						if err != nil {
							b.Error(err)
							return
						}
						left -= n
					}
				})
			}
			publisher := dial(b, addr)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				publisher.conn.Write(publish)
				if _, err := publisher.r.ReadSlice('\n'); err != nil {
					b.Fatal(err)
				}
			}
			heard.Wait()
			if subscribers > 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(subscribers), "ns/subscriber")
			}
		})
	}
}
