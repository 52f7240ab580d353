package engine

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
)

func TestStreamsAnswerLikeRedis(t *testing.T) {
	answersLikeRedis(t, streamEntryCommand, streamEntryCommand, streamReadCommand, streamReadCommand, streamGroupCommand, streamPendingCommand)
}

// timeless leaves out of replies to XPENDING and XINFO what depends on the clock: of a pending entry the third of
// [id consumer time deliveries] and the second of [id time deliveries], and elements of maps by their names.
func (r reply) timeless() reply {
	r.items = slices.Clone(r.items)
	integers := func(at ...int) bool {
		return !slices.ContainsFunc(at, func(i int) bool { return r.items[i].kind != ':' })
	}
	switch n := len(r.items); {
	case n == 4 && integers(2, 3):
		r.items[2].text = "time"
	case n == 3 && integers(1, 2):
		r.items[1].text = "time"
	}
	for i := range r.items {
		if i > 0 && (r.items[i-1].text == "idle" || r.items[i-1].text == "seen-time") {
			r.items[i].text = "time"
		}
		r.items[i] = r.items[i].timeless()
	}
	return r
}

// streamKey is mostly the same key, so that its stream grows old enough to be interesting.
func streamKey(r *rand.Rand) string { return mostly(r, "k1", "k2", "k2", "none") }

// entryID is the ID of an entry that is likely to exist or to have existed: most are added as 3-*.
func entryID(r *rand.Rand) string {
	return fmt.Sprintf("%d-%d", pick(r, 2, 3, 3, 3, 3, 3, 3, 4), r.IntN(12))
}

const greatestID = "18446744073709551615-18446744073709551615"

func oddID(r *rand.Rand) string {
	return pick(r, entryID(r), entryID(r), entryID(r), strconv.Itoa(r.IntN(5)), "0", "0-0", "-", "+", "$", ">", "(3-1", "(-", "",
		"abc", "1-", "-1", "1-x", " 7", "+7", "007-01", "5-*", "1-1-1", greatestID, "("+greatestID, "18446744073709551615", "18446744073709551616")
}

// mostly returns the first text, and sometimes one of the others.
func mostly(r *rand.Rand, usual string, others ...string) string {
	if r.IntN(6) > 0 {
		return usual
	}
	return pick(r, others...)
}

// lowered is the one key whose last ID is set below a deleted entry, and which is not trimmed by ID afterwards: the
// nodes of a stream remember less of deleted entries than those of Redis.
const lowered = "k2"

func trimWords(r *rand.Rand, key string) []string {
	var args []string
	kind := r.IntN(8)
	if key == lowered {
		kind = 7
	}
	switch kind {
	case 0:
		args = append(args, pick(r, "MAXLEN", "MINID", "LIMIT"))
	case 1, 2, 3:
		args = append(args, pick(r, "MINID", "minid"))
		args = append(args, pick(r, nil, []string{"~"}, []string{"="})...)
		args = append(args, mostly(r, entryID(r), oddID(r)))
	default:
		args = append(args, pick(r, "MAXLEN", "maxlen"))
		args = append(args, pick(r, nil, []string{"~"}, []string{"="})...)
		args = append(args, mostly(r, strconv.Itoa(r.IntN(12)), "-1", "x", "", "~", "="))
	}
	if r.IntN(4) == 0 {
		args = append(args, "LIMIT", mostly(r, strconv.Itoa(r.IntN(12)), "-1", "x"))
	}
	if r.IntN(16) == 0 {
		args = append(args, trimWords(r, key)...)
	}
	return args
}

func streamEntryCommand(r *rand.Rand) trial {
	key := streamKey(r)
	switch r.IntN(16) {
	default:
		args := []string{"XADD", key}
		if r.IntN(4) == 0 {
			args = append(args, trimWords(r, key)...)
		}
		if r.IntN(8) == 0 || key == "none" {
			args = append(args, "NOMKSTREAM")
		}
		args = append(args, mostly(r, "3-*", "3-*", "3-*", "3-*", "4-*", entryID(r), oddID(r)))
		for range mostly(r, "1", "22", "333", "") {
			args = append(args, field(r), fieldValue(r))
		}
		return trial{args: args, intact: key == "none"}
	case 0:
		return trial{args: []string{"XLEN", key}}
	case 1, 2:
		return trial{args: []string{"XDEL", key, entryID(r), mostly(r, entryID(r), oddID(r))}}
	case 3, 4:
		return trial{args: slices.Concat([]string{"XTRIM", key}, trimWords(r, key))}
	case 5:
		id := mostly(r, entryID(r), oddID(r))
		if key != lowered {
			id = pick(r, "5-0", "5-1", greatestID, "", "-", "x", "0")
		}
		args := []string{"XSETID", key, id}
		if r.IntN(2) == 0 {
			args = append(args, "ENTRIESADDED", mostly(r, strconv.Itoa(r.IntN(40)), "-1", "9223372036854775807", "x"))
		}
		if r.IntN(2) == 0 {
			args = append(args, "MAXDELETEDID", mostly(r, entryID(r), oddID(r)))
		}
		return trial{args: args, intact: key != lowered}
	}
}

func streamReadCommand(r *rand.Rand) trial {
	key := streamKey(r)
	count := pick(r, nil, nil, []string{"COUNT", mostly(r, strconv.Itoa(r.IntN(5)), "-1", "x")}, []string{"COUNT"})
	switch r.IntN(8) {
	case 0, 1:
		return trial{args: slices.Concat([]string{pick(r, "XRANGE", "XREVRANGE"), key, oddID(r), oddID(r)}, count)}
	case 2:
		return trial{args: slices.Concat([]string{pick(r, "XRANGE", "xrevrange"), key, pick(r, "-", "+"), pick(r, "-", "+")}, count)}
	case 3:
		return pick(r,
			trial{args: []string{"XINFO", "STREAM", key}, compare: asTimeless},
			trial{args: []string{"XINFO", "STREAM", key, "FULL"}, compare: asTimeless},
			trial{args: []string{"XINFO", "STREAM", key, "FULL", "COUNT", mostly(r, strconv.Itoa(r.IntN(4)), "-3", "x")}, compare: asTimeless},
			trial{args: []string{"XINFO", "GROUPS", key}, compare: asTimeless},
			trial{args: []string{"XINFO", "CONSUMERS", key, group(r)}, compare: asTimeless})
	}
	args := []string{"XREAD"}
	grouped := r.IntN(3) > 0
	if grouped {
		args = []string{"XREADGROUP", "GROUP", group(r), consumer(r)}
		args = append(args, pick(r, nil, nil, nil, []string{"NOACK"})...)
	}
	args = append(args, pick(r, nil, nil, nil, []string{"BLOCK", pick(r, "1", "-1", "x", "")})...)
	args = append(args, count...)
	args = append(args, "STREAMS")
	keys := pick(r, []string{key}, []string{key}, []string{key, streamKey(r)}, []string{key, streamKey(r), streamKey(r)})
	args = append(args, keys...)
	for range keys {
		if grouped {
			args = append(args, mostly(r, pick(r, ">", ">", "0"), entryID(r), oddID(r)))
		} else {
			args = append(args, mostly(r, entryID(r), oddID(r)))
		}
	}
	return trial{args: args, intact: slices.Contains(args, "BLOCK"), counted: grouped}
}

func group(r *rand.Rand) string    { return mostly(r, "g1", "g2", "g2", "g2", "none", "") }
func consumer(r *rand.Rand) string { return pick(r, "alice", "bob", "") }

func streamGroupCommand(r *rand.Rand) trial {
	key := streamKey(r)
	read := pick(r, nil, nil, []string{"ENTRIESREAD", mostly(r, strconv.Itoa(r.IntN(20)-1), "-2", "9223372036854775807", "x")}, []string{"ENTRIESREAD"})
	switch r.IntN(10) {
	default:
		args := slices.Concat([]string{"XGROUP", "CREATE", key, group(r), pick(r, "0", "0", "$", oddID(r))}, pick(r, nil, []string{"MKSTREAM"}), read)
		return trial{args: args, intact: true}
	case 0:
		return trial{args: slices.Concat([]string{"XGROUP", "CREATE", "none", group(r), "0"}, read), intact: true}
	case 1, 2:
		return trial{args: slices.Concat([]string{"XGROUP", "SETID", key, group(r), pick(r, "0", "$", oddID(r))}, read)}
	case 3:
		return trial{args: []string{"XGROUP", "DESTROY", key, pick(r, "g1", "g2", "g2", "none")}}
	case 4:
		return trial{args: []string{"XGROUP", "CREATECONSUMER", key, group(r), consumer(r)}}
	case 5:
		return trial{args: []string{"xgroup", "delconsumer", key, group(r), consumer(r)}}
	}
}

// Times are either fresh or a minute old, so that a slow test sees the same.
func streamPendingCommand(r *rand.Rand) trial {
	key, group := streamKey(r), group(r)
	idle := func() string { return mostly(r, pick(r, "0", "60000"), "abc", "-1", "", "1.5") }
	switch r.IntN(10) {
	case 0, 1:
		return trial{args: []string{"XACK", key, group, entryID(r), mostly(r, entryID(r), oddID(r))}}
	case 2:
		return trial{args: []string{"XPENDING", key, group}}
	case 3, 4:
		args := []string{"XPENDING", key, group}
		if r.IntN(3) == 0 {
			args = append(args, "IDLE", idle())
		}
		args = append(args, pick(r, []string{"-", "+"}, []string{oddID(r), oddID(r)}, []string{"-"})...)
		args = append(args, mostly(r, "10", "0", "-1", "1", "x"))
		args = append(args, pick(r, nil, nil, []string{consumer(r)}, []string{"nobody"}, []string{"alice", "x", "y"})...)
		return trial{args: args, compare: asTimeless, intact: true}
	case 5, 6:
		args := []string{"XAUTOCLAIM", key, group, consumer(r), idle(), pick(r, "-", "0", oddID(r))}
		args = append(args, pick(r, nil, nil, []string{"COUNT", mostly(r, "2", "0", "-1", "x", "9223372036854775807")}, []string{"COUNT"})...)
		args = append(args, pick(r, nil, nil, []string{"JUSTID"}, []string{"x"})...)
		return trial{args: args, intact: true}
	}
	args := []string{"XCLAIM", key, group, consumer(r), idle()}
	for range 1 + r.IntN(3) {
		args = append(args, mostly(r, entryID(r), oddID(r)))
	}
	for range r.IntN(4) {
		args = append(args, pick(r,
			[]string{"IDLE", pick(r, "0", "100000", "-5", "x", "9223372036854775807")},
			[]string{"TIME", pick(r, "1000", "0", "99999999999999", "-1", "x")},
			[]string{"RETRYCOUNT", pick(r, "0", "7", "-1", "x")},
			[]string{"FORCE"}, []string{"force"}, []string{"JUSTID"},
			[]string{"LASTID", mostly(r, entryID(r), oddID(r))}, []string{"IDLE"}, []string{"nope"})...)
	}
	return trial{args: args, intact: true}
}

// inProcess is a client without a socket, which wants no replies.
func inProcess(b testing.TB, e *Engine) (do func(cmd resp.Command)) {
	conn := e.Connect(new(resp.Session))
	batch := make([]resp.Command, 1)
	do = func(cmd resp.Command) {
		batch[0] = cmd
		if taken, progress := conn.Do(batch); taken != 1 || progress != resp.Done {
			b.Fatalf("%q was not done", cmd.Args)
		}
		conn.Commit()
	}
	do(request(b, "CLIENT REPLY OFF"))
	return do
}

func request(b testing.TB, line string) resp.Command {
	args := words(strings.Fields(line))
	spec, err := command.Check(args)
	if err != nil {
		b.Fatal(err)
	}
	return resp.Command{Spec: spec, Args: args, Raw: appendCommand(nil, args)}
}

// Whatever changes a stream is logged, changes the version of its key, and is told to the owner of the engine; and
// nothing else is.
func TestChangesOfStreamsAreTold(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	log, told := &recorder{}, map[string]bool{}
	e := New(Options{Log: log, Changed: func(_ int, key string) { told[key] = true }})
	e.streamLimits = value.StreamLimits{NodeEntries: 4, NodeBytes: 4096}
	do := inProcess(t, e)
	generators := []generator{streamEntryCommand, streamEntryCommand, streamReadCommand, streamReadCommand, streamGroupCommand, streamPendingCommand}
	changes := 0
	for range 4000 {
		words := words(pick(r, generators...)(r).args)
		spec, err := command.Check(words)
		if err != nil || slices.ContainsFunc(words, func(w []byte) bool { return string(w) == "BLOCK" }) {
			continue
		}
		before, units := e.Freeze(nil), log.len()
		then := streams(before)
		clear(told)
		do(resp.Command{Spec: spec, Args: words})
		after := e.Freeze(nil)
		now := streams(after)
		changed := 0
		for key := range now {
			if cmp.Equal(then[key], now[key]) {
				continue
			}
			changed++
			if before.version(0, key) == after.version(0, key) || !told[key] {
				t.Fatalf("%q changed %s: same version %v, told %v", words, key, before.version(0, key) == after.version(0, key), told[key])
			}
		}
		if changed > 0 {
			changes++
		}
		if logged := log.len() > units; changed > 0 && !logged || logged && len(told) == 0 {
			t.Fatalf("%q changed %d streams, logged: %v, told: %v", words, changed, logged, told)
		}
	}
	if changes < 300 {
		t.Errorf("only %d commands changed anything", changes)
	}
}

// ask does one command and returns its reply in RESP2.
func ask(t *testing.T, e *Engine, line string) reply {
	t.Helper()
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	defer c.conn.Close()
	return c.do(strings.Fields(line)...)
}

func TestNewEntriesAreNamedByTheClock(t *testing.T) {
	e := New(Options{})
	before := time.Now().UnixMilli()
	first, _ := value.ParseStreamID([]byte(ask(t, e, "XADD s * f v").text), 0)
	if after := time.Now().UnixMilli(); int64(first.Ms) < before || int64(first.Ms) > after || first.Seq != 0 {
		t.Errorf("the first ID is %v, between %d and %d", first, before, after)
	}
	ask(t, e, "XADD s 99999999999999-7 f v")
	for _, c := range []struct{ line, want string }{
		{"XADD s * f v", "99999999999999-8"}, // the clock is behind the last ID
		{"XADD t 5-* f v", "5-0"},
		{"XADD t 5-* f v", "5-1"},
		{"XADD u 0-* f v", "0-1"},
		{"XADD t 18446744073709551615-18446744073709551614 f v", "18446744073709551615-18446744073709551614"},
		{"XADD t * f v", greatestID},
		{"XADD t * f v", "ERR The stream has exhausted the last possible ID, unable to add more items"},
	} {
		if got := ask(t, e, c.line); got.text != c.want {
			t.Errorf("%s: %q, want %q", c.line, got.text, c.want)
		}
	}
}

// The log says what became of an XADD, not what it asked for, and says it in one command.
func TestAddingIsLoggedAsItHappened(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"xadd s 9-1 f v", "xadd s 9-1 f v"},
		{"XADD s 9-* f v", "XADD s 9-0 f v"},
		{"XADD s MAXLEN ~ 4 LIMIT 100 9-1 f v", "XADD s 9-1 f v"},
		{"XADD s MAXLEN ~ 2 NOMKSTREAM 9-1 f v", "XADD s MAXLEN = 3 9-1 f v"},
		{"XADD s MINID = 3 9-1 f v", "XADD s MAXLEN = 3 9-1 f v"},
		{"XADD s MAXLEN 0 9-1 f v", "XADD s MAXLEN = 0 9-1 f v"},
		{"XTRIM s MAXLEN ~ 1", "XTRIM s MAXLEN = 2"},
		{"XTRIM s MINID ~ 3 LIMIT 2", "XTRIM s MAXLEN = 2"},
	} {
		log := &recorder{}
		e := New(Options{Log: log})
		e.streamLimits = value.StreamLimits{NodeEntries: 2, NodeBytes: 4096}
		do := inProcess(t, e)
		for i := range 4 {
			do(request(t, fmt.Sprintf("XADD s %d-1 f v", i+1)))
		}
		do(request(t, c.line))
		cmds := log.commands(t)
		if got := string(bytes.Join(cmds[len(cmds)-1], []byte(" "))); len(cmds) != 5 || got != c.want {
			t.Errorf("%s: %d effects, the last %q, want %q", c.line, len(cmds), got, c.want)
		}
	}
}

func TestACapTrimsWhatClientsAdd(t *testing.T) {
	log := &recorder{}
	e := New(Options{Log: log, StreamCap: func(db int, key []byte) (int64, bool) { return 3, db == 0 && string(key) == "capped" }})
	do := inProcess(t, e)
	length := func(key string) (n int) {
		if entry := e.Freeze(nil).Get(0, key); entry != nil {
			n = entry.Value.Len()
		}
		return n
	}
	for range 5 {
		do(request(t, "XADD capped MAXLEN ~ 100000 * data x"))
		do(request(t, "XADD other * data x"))
	}
	do(request(t, "MULTI"))
	do(request(t, "XADD capped * data x"))
	do(request(t, "EXEC"))
	if got, other := length("capped"), length("other"); got != 3 || other != 5 {
		t.Errorf("lengths %d and %d, want 3 and 5", got, other)
	}
	if got := len(log.commands(t)); got != 11 {
		t.Errorf("%d effects of 11 commands", got)
	}
	if diff := cmp.Diff(streams(e.Freeze(nil)), streams(replay(t, log.commands(t)).Freeze(nil))); diff != "" {
		t.Errorf("-engine +replayed\n%s", diff)
	}
	for range 2 {
		apply(t, e, "XADD", "capped", "*", "data", "x")
	}
	if got := length("capped"); got != 5 {
		t.Errorf("%d entries after two that no client added, want 5", got)
	}
}

func TestAnEntryThatIsTooLargeLeavesNothing(t *testing.T) {
	e := New(Options{})
	quarter := make([]byte, maxEntryBytes/4) // never touched, so it costs no memory
	args := append(words([]string{"XADD", "s", "1-1", "f"}), quarter, quarter, quarter, quarter, quarter)
	err := e.Edit([]Edit{{Args: args}}, e.Freeze(nil), "", nobody{})
	if !errors.Is(err, errEntryTooLarge) || e.Freeze(nil).Get(0, "s") != nil {
		t.Errorf("error %v, key %v", err, e.Freeze(nil).Get(0, "s"))
	}
}

// The clock may have been set back since a delivery was logged.
func TestAReplayKeepsTimesToCome(t *testing.T) {
	const claim = "XCLAIM s g c 0 1-1 TIME 99999999999999 FORCE JUSTID"
	for _, replayed := range []bool{true, false} {
		e := New(Options{})
		apply(t, e, "XADD", "s", "1-1", "f", "v")
		apply(t, e, "XGROUP", "CREATE", "s", "g", "0")
		if replayed {
			if err := e.Replay(0, words(strings.Fields(claim))); err != nil {
				t.Fatal(err)
			}
		} else {
			apply(t, e, strings.Fields(claim)...)
		}
		n, _ := e.Freeze(nil).Get(0, "s").Value.(*value.Stream).Group("g").Nack(value.StreamID{Ms: 1, Seq: 1})
		if kept := n.Time == 99999999999999; kept != replayed {
			t.Errorf("replayed %v: the time is %d", replayed, n.Time)
		}
	}
}
