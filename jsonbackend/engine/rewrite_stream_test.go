package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// streamState is everything about a stream but how its entries lie in nodes and when consumers were seen.
func streamState(s *value.Stream) []string {
	state := []string{fmt.Sprintf("last %v added %d deleted %v", s.LastID(), s.EntriesAdded(), s.MaxDeletedID())}
	for e := range s.All() {
		line := e.ID.String()
		for field, v := range e.Fields() {
			line += fmt.Sprintf(" %q %q", field, v)
		}
		state = append(state, line)
	}
	for g := range s.Groups() {
		state = append(state, fmt.Sprintf("group %q at %v read %d", g.Name(), g.LastID(), readable(g.EntriesRead())))
		for n := range g.Pending(value.StreamID{}, value.MaxStreamID()) {
			state = append(state, fmt.Sprintf("pending %+v", n))
		}
		for c := range g.Consumers() {
			state = append(state, fmt.Sprintf("consumer %q has %d", c.Name(), c.PendingLen()))
		}
	}
	return state
}

// streams are the states of the streams in database 0 of a view.
func streams(v *View) map[string][]string {
	states := map[string][]string{}
	for entry := range v.All(0) {
		if s, ok := entry.Value.(*value.Stream); ok {
			states[entry.Key] = streamState(s)
		}
	}
	return states
}

// randomStreams is an engine that clients have worked on, its log, and a view of a moment while they did.
func randomStreams(t *testing.T, r *rand.Rand) (e *Engine, log *recorder, midway *View, then map[string][]string) {
	t.Helper()
	log = &recorder{}
	e = New(Options{Log: log})
	e.streamLimits = value.StreamLimits{NodeEntries: 4, NodeBytes: 4096}
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	defer c.conn.Close()
	commands := 50 + r.IntN(200)
	for i := range commands {
		if i == commands/2 {
			midway = e.Freeze(nil)
			then = streams(midway)
		}
		next := pick(r, streamEntryCommand, streamEntryCommand, streamReadCommand, streamReadCommand, streamGroupCommand, streamPendingCommand)
		c.do(next(r).args...)
	}
	return e, log, midway, then
}

// replay does commands again in an engine whose streams have other nodes.
func replay(t *testing.T, cmds [][][]byte) *Engine {
	t.Helper()
	e := New(Options{})
	for _, cmd := range cmds {
		if err := e.Replay(0, cmd); err != nil {
			t.Fatalf("replay of %q: %v", cmd, err)
		}
	}
	return e
}

func (l *recorder) commands(t *testing.T) (list [][][]byte) {
	t.Helper()
	for _, u := range l.all() {
		list = append(list, commands(t, u.effects)...)
	}
	return list
}

func rewritten(v *View) (list [][][]byte) {
	for entry := range v.All(0) {
		for cmd := range Commands(entry) {
			list = append(list, cmd)
		}
	}
	return list
}

func TestStreamsSurviveTheirLog(t *testing.T) {
	for seed := range uint64(30) {
		e, log, _, _ := randomStreams(t, rand.New(rand.NewPCG(seed, 1)))
		again := replay(t, log.commands(t))
		if diff := cmp.Diff(streams(e.Freeze(nil)), streams(again.Freeze(nil))); diff != "" {
			t.Fatalf("seed %d: -engine +replayed\n%s", seed, diff)
		}
	}
}

func TestStreamsSurviveARewrite(t *testing.T) {
	for seed := range uint64(30) {
		_, _, midway, then := randomStreams(t, rand.New(rand.NewPCG(seed, 2)))
		again := replay(t, rewritten(midway))
		if diff := cmp.Diff(then, streams(again.Freeze(nil))); diff != "" {
			t.Fatalf("seed %d: -frozen +rewritten\n%s", seed, diff)
		}
	}
}

// A real Redis starts on the log, and on what it is rewritten to.
func TestRedisReadsTheLogOfStreams(t *testing.T) {
	oracle := dial(t, redistest.Start(t))
	oracle.do("HELLO", "3")
	for seed := range uint64(20) {
		e, log, _, _ := randomStreams(t, rand.New(rand.NewPCG(seed, 3)))
		now := e.Freeze(nil)
		for name, cmds := range map[string][][][]byte{"log": log.commands(t), "rewrite": rewritten(now)} {
			oracle.do("FLUSHALL")
			load(t, oracle, cmds)
			for entry := range now.All(0) {
				theirs := oracle.do("XINFO", "STREAM", entry.Key, "FULL", "COUNT", "0")
				if diff := cmp.Diff(fullInfo(t, e, entry.Key), factsOf(theirs)); diff != "" {
					t.Fatalf("seed %d, %s of %s: -engine +redis\n%s", seed, name, entry.Key, diff)
				}
			}
		}
	}
}

// load sends commands to Redis, which must take all of them.
func load(t *testing.T, oracle *client, cmds [][][]byte) {
	t.Helper()
	for _, cmd := range cmds {
		if _, err := oracle.conn.Write(appendCommand(nil, cmd)); err != nil {
			t.Fatal(err)
		}
		if got := oracle.read(); got.kind == '-' {
			t.Fatalf("%q: %s", cmd, got.text)
		}
	}
}

// fullInfo is what the engine says about a stream.
func fullInfo(t *testing.T, e *Engine, key string) string {
	t.Helper()
	w := wire.Writer{Proto: 3}
	e.Locked(func() {
		e.tx.begin(e.dbs[0])
		err := xinfoStream(&Call{Tx: &e.tx, Reply: &w, Args: words([]string{"XINFO", "STREAM", key, "FULL", "COUNT", "0"}), engine: e})
		if err != nil {
			t.Fatal(err)
		}
	})
	return factsOf((&client{t: t, r: bufio.NewReader(bytes.NewReader(w.Bytes()))}).read())
}

// factsOf prints an answer to XINFO STREAM without what a copy of a stream does not keep: the nodes, and when consumers
// were seen.
func factsOf(info reply) string {
	var text strings.Builder
	var print func(r reply)
	print = func(r reply) {
		fmt.Fprintf(&text, "%c%q\n", r.kind, r.text)
		for i := 0; i < len(r.items); i++ {
			if name := r.items[i].text; r.kind == '%' && i%2 == 0 && (strings.HasPrefix(name, "radix-tree") || name == "seen-time") {
				i++
				continue
			}
			print(r.items[i])
		}
	}
	print(info)
	return text.String()
}

func TestRewritesOfOddStreams(t *testing.T) {
	for name, script := range map[string]string{
		"empty":                          "XGROUP CREATE s g 0 MKSTREAM",
		"emptied":                        "XADD s 5-1 f v; XDEL s 5-1",
		"last ID without entries":        "XGROUP CREATE s g 0 MKSTREAM; XSETID s 7-7 ENTRIESADDED 9",
		"pending entry trimmed":          "XADD s 1-1 f v; XADD s 2-1 f v; XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >; XTRIM s MAXLEN 1",
		"all pending entries trimmed":    "XADD s 1-1 f v; XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >; XTRIM s MAXLEN 0",
		"pending entry deleted":          "XADD s 1-1 f v; XADD s 2-1 f v; XADD s 3-1 f v; XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >; XDEL s 2-1",
		"deleted above the last":         "XADD s 1-1 f v; XADD s 5-1 f v; XDEL s 5-1; XSETID s 2-0",
		"pending above the last":         "XADD s 1-1 f v; XADD s 5-1 f v; XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >; XDEL s 5-1; XSETID s 2-0",
		"trimmed above, deleted between": "XADD s 5-1 f v; XADD s 9-9 f v; XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >; XDEL s 5-1; XTRIM s MAXLEN 0; XSETID s 1-1; XADD s 1-2 f v",
		"greatest ID":                    "XADD s " + greatestID + " f v; XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >; XDEL s " + greatestID,
		"two groups lack the same entry": "XADD s 1-1 f v; XGROUP CREATE s g 0; XGROUP CREATE s h 0; XREADGROUP GROUP g c STREAMS s >; XREADGROUP GROUP h c STREAMS s >; XTRIM s MAXLEN 0",
		"idle consumers, no entries":     "XGROUP CREATE s g 0 MKSTREAM; XGROUP CREATECONSUMER s g b; XGROUP CREATECONSUMER s g a",
		"counters overflowed":            "XADD s 1-1 f v; XSETID s 1-1 ENTRIESADDED 9223372036854775807; XADD s 2-1 f v; XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >",
		"pending nearly alike":           "XADD s 1-1 f v; XADD s 1-2 f v; XADD s 1-3 f v; XADD s 1-4 f v; XGROUP CREATE s g 0; XCLAIM s g c 0 1-1 1-2 TIME 1000 FORCE; XCLAIM s g c 0 1-3 TIME 1000 RETRYCOUNT 7 FORCE; XCLAIM s g c 0 1-4 TIME 2000 RETRYCOUNT 7 FORCE",
		"many pending alike":             strings.Repeat("XADD s 1-* f v; ", 150) + "XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >; XCLAIM s g d 0 1-70 RETRYCOUNT 3; XDEL s 1-100",
	} {
		t.Run(name, func(t *testing.T) {
			e := New(Options{})
			for line := range strings.SplitSeq(script, "; ") {
				apply(t, e, strings.Fields(line)...)
			}
			view := e.Freeze(nil)
			want := streams(view)
			if name == "counters overflowed" {
				want["s"][0] = strings.Replace(want["s"][0], "9223372036854775808", "9223372036854775807", 1)
			}
			cmds := rewritten(view)
			for _, cmd := range cmds {
				if most := perCommand + 11; len(cmd) > most {
					t.Errorf("a command of %d words, more than %d", len(cmd), most)
				}
			}
			again := replay(t, cmds)
			if diff := cmp.Diff(want, streams(again.Freeze(nil))); diff != "" {
				t.Errorf("-engine +rewritten\n%s", diff)
			}
		})
	}
}

// apply does a command without a client.
func apply(t *testing.T, e *Engine, args ...string) {
	t.Helper()
	if err := e.Edit([]Edit{{Args: words(args)}}, e.Freeze(nil), "", nobody{}); err != nil {
		t.Fatal(err)
	}
}

func TestRewriteStopsWhereItsReaderDoes(t *testing.T) {
	e := New(Options{})
	for i := range 5 {
		apply(t, e, "XADD", "s", strconv.Itoa(i+1), "f", "v")
	}
	apply(t, e, "XGROUP", "CREATE", "s", "g", "0")
	apply(t, e, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
	apply(t, e, "XDEL", "s", "1")
	view := e.Freeze(nil)
	all := len(rewritten(view))
	for most := 1; most < all; most++ {
		n := 0
		for range Commands(view.Get(0, "s")) {
			if n++; n == most {
				break
			}
		}
		if n != most {
			t.Errorf("%d commands after a stop at %d", n, most)
		}
	}
}

// What waits for nobody must not lie in a buffer that is used again.
func TestRewrittenCommandsMayBeKept(t *testing.T) {
	e := New(Options{})
	for i := range 200 {
		apply(t, e, "XADD", "s", strconv.Itoa(i+1), "f", strconv.Itoa(i))
	}
	view := e.Freeze(nil)
	var kept, texts [][]byte
	for cmd := range Commands(view.Get(0, "s")) {
		kept = append(kept, cmd...)
		for _, w := range cmd {
			texts = append(texts, bytes.Clone(w))
		}
	}
	apply(t, e, "XTRIM", "s", "MAXLEN", "0")
	if diff := cmp.Diff(texts, kept); diff != "" {
		t.Errorf("-then +now\n%s", diff)
	}
}
