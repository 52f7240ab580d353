package engine

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// The engine against a real Redis, and against its own log.
//
// A chapter takes part with a generator, which makes one random command, and a test that hands it over:
//
//	func TestStreamsAnswerLikeRedis(t *testing.T) { answersLikeRedis(t, streamCommand) }
//	func streamCommand(r *rand.Rand) trial { return trial{args: []string{"XLEN", anyKey(r)}} }
//
// Each command goes to both. Compared are the replies, whether the command changed something (Redis counts changes, the
// engine logs a unit), the keyspace notifications, and, at the end of an episode, the keyspace with one that was replayed
// from the log. A sequence that fails is printed after everything was left out that it can fail without.

// trial is one command and how much of its reply Redis promises.
type trial struct {
	args    []string
	compare comparison
	intact  bool // must not be broken at random
	counted bool // Redis counts a change whether there was one or not
}

type comparison int

const (
	exactly      comparison = iota
	asSet                   // elements in any order
	asPairs                 // pairs of elements in any order
	asSmallPairs            // pairs, in order while the value is in its compact form
	asSmallSet              // elements, likewise
	asShape                 // types and lengths: elements are chosen at random
	asTimeless              // instants and spans of time may differ
	asLifetime              // how long a key lives: it is gone, for ever, or some time
	asKind                  // errors, and else only their type
)

type generator func(r *rand.Rand) trial

const episodeLength = 200 // commands

// numEpisodes is a multiple of 4, so that each of the settings has as many. `make soak` runs more.
var numEpisodes = flag.Int("episodes", 8, "how many sequences of each chapter's commands are compared with Redis, for each of three seeds")

func episodes() int {
	if testing.Short() {
		return 4
	}
	return *numEpisodes
}

// answersLikeRedis compares commands of the generators, mixed with commands that put other types and lifetimes into the
// same keys, and sometimes with an argument broken.
func answersLikeRedis(t *testing.T, generators ...generator) {
	t.Helper()
	t.Parallel()
	oracle := dial(t, redistest.Start(t, "--hz", "500")) // it looks that often whose timeout is over
	for _, seed := range []uint64{1, 2, rand.Uint64()} {
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		for episode := range episodes() {
			var trials []trial
			for range episodeLength {
				next := pick(r, generators...)
				if r.IntN(8) == 0 {
					next = otherCommand
				}
				trials = append(trials, broken(r, next(r)))
			}
			setting{proto: 2 + episode%2, tight: episode%4 > 1}.compare(t, oracle, trials)
		}
	}
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func anyKey(r *rand.Rand) string { return pick(r, "k1", "k2", "k3", "k4", "k5") }

// otherCommand does what every chapter must cope with: keys go, get a lifetime, and k4 holds other types now and then.
func otherCommand(r *rand.Rand) trial {
	key := anyKey(r)
	return trial{intact: true, args: pick(r,
		[]string{"SET", "k4", "text"}, []string{"HSET", "k4", "a", "1"}, []string{"SADD", "k4", "a", "7"}, []string{"ZADD", "k4", "1", "a"},
		[]string{"DEL", "k4"}, []string{"DEL", "k4"}, []string{"DEL", key}, []string{"DEL", key},
		[]string{"EXPIRE", key, "100000"}, []string{"PERSIST", key}, []string{"TYPE", key})}
}

// lifetimes are commands that may set one. It must not be over by the time that the next command comes: that would be chance.
var lifetimes = []string{"SET", "SETEX", "PSETEX", "GETEX", "EXPIRE", "PEXPIRE"}

// broken spoils the arguments of every tenth command.
func broken(r *rand.Rand, c trial) trial {
	if c.intact || r.IntN(10) > 0 {
		return c
	}
	c.args = slices.Clone(c.args)
	i := 1 + r.IntN(len(c.args)-1)
	junk := pick(r, "", "abc", "-1", "0", "3", "1.5", "nan", "inf", " 1", "0x10", "1e5000", "9223372036854775807",
		"-9223372036854775808", "(1", "[a", "WITHSCORES", "LIMIT", "COUNT", "\x00")
	if junk == "3" && slices.Contains(lifetimes, strings.ToUpper(c.args[0])) {
		junk = "300000000"
	}
	switch r.IntN(4) {
	case 0:
		c.args = slices.Delete(c.args, i, i+1)
	case 1:
		c.args = append(c.args, junk)
	default:
		c.args[i] = junk
	}
	return c
}

// setting is how a sequence of commands is run.
type setting struct {
	proto int
	tight bool // values leave their compact form early
}

// compare fails the test, with a sequence as short as possible, unless both servers do the same.
func (s setting) compare(t *testing.T, oracle *client, trials []trial) {
	t.Helper()
	first := s.difference(t, oracle, trials)
	if first == "" {
		return
	}
	t.Log("looking for fewer commands that show this:", first) // long, if chance has a part in it
	trials = shortest(trials, func(fewer []trial) bool { return s.difference(t, oracle, fewer) != "" })
	var script strings.Builder
	for _, c := range trials {
		fmt.Fprintf(&script, "%q\n", c.args)
	}
	t.Fatalf("RESP%d, tight %v\n%s%s", s.proto, s.tight, &script, s.difference(t, oracle, trials))
}

// shortest leaves out of a list that fails what it can fail without.
func shortest[T any](list []T, fails func([]T) bool) []T {
	for size := len(list); size > 0; size /= 2 {
		for i := 0; i+size <= len(list); {
			if fewer := slices.Concat(list[:i], list[i+size:]); fails(fewer) {
				list = fewer
			} else {
				i += size
			}
		}
	}
	return list
}

// difference runs the commands on both servers, and describes the first thing that is not the same.
func (s setting) difference(t *testing.T, oracle *client, trials []trial) string {
	t.Helper()
	want := s.onRedis(oracle, trials)
	log := &recorder{}
	e := New(Options{Log: log})
	if s.tight {
		e.limits = value.Limits{HashEntries: 4, HashValue: 5, SetInts: 4, ZSetEntries: 4, ZSetValue: 5}
		e.streamLimits = value.StreamLimits{NodeEntries: 4, NodeBytes: 4096}
		e.atOnce = 1
	}
	addr, stop := serve(t, e)
	defer stop()
	engine, heard := dial(t, addr), listen(t, addr)
	defer engine.conn.Close()
	defer heard.conn.Close()
	engine.do("HELLO", strconv.Itoa(s.proto))
	for i, c := range trials {
		before := log.len()
		got := outcome{reply: engine.do(c.args...), changed: log.len() > before}
		engine.do("PUBLISH", endOfCommand, "")
		got.events = ofCommands(heard.events())
		how := s.effective(c.compare)
		if g, w := got.reply.canonical(how), want[i].reply.canonical(how); g != w {
			return fmt.Sprintf("%.300q\nengine: %s\nredis:  %s", c.args, g, w)
		}
		if got.changed != want[i].changed && !c.counted {
			return fmt.Sprintf("%.300q\nengine changed something: %v\nredis: %v", c.args, got.changed, want[i].changed)
		}
		if diff := cmp.Diff(want[i].events, got.events); diff != "" {
			return fmt.Sprintf("%.300q\nevents (-redis +engine):\n%s", c.args, diff)
		}
	}
	return log.replayed(t, e)
}

// effective is the comparison that counts: nothing is compact where limits are tight.
func (s setting) effective(c comparison) comparison {
	switch {
	case c == asSmallPairs && s.tight:
		return asPairs
	case c == asSmallSet && s.tight:
		return asSet
	case c == asSmallPairs || c == asSmallSet:
		return exactly
	}
	return c
}

type outcome struct {
	reply   reply
	changed bool
	events  []string
}

// onRedis runs the commands on an empty Redis, all at once, and asks after each how many changes it has counted.
func (s setting) onRedis(oracle *client, trials []trial) []outcome {
	limits := strings.Fields("hash-max-listpack-entries 512 hash-max-listpack-value 64 set-max-intset-entries 512 zset-max-listpack-entries 128 zset-max-listpack-value 64 stream-node-max-entries 100")
	if s.tight {
		limits = strings.Fields("hash-max-listpack-entries 4 hash-max-listpack-value 5 set-max-intset-entries 4 zset-max-listpack-entries 4 zset-max-listpack-value 5 stream-node-max-entries 4")
	}
	oracle.do("RESET")
	oracle.do("FLUSHALL")
	oracle.do(append([]string{"CONFIG", "SET"}, limits...)...)
	oracle.do("HELLO", strconv.Itoa(s.proto))
	changes := func(info reply) string {
		_, rest, _ := strings.Cut(info.text, "rdb_changes_since_last_save:")
		count, _, _ := strings.Cut(rest, "\r\n")
		return count
	}
	heard := listen(oracle.t, oracle.conn.RemoteAddr().String())
	defer heard.conn.Close()
	last := changes(oracle.do("INFO", "persistence"))
	var batch []byte
	for _, c := range trials {
		batch = appendCommand(batch, words(c.args))
		batch = appendCommand(batch, words([]string{"INFO", "persistence"}))
		batch = appendCommand(batch, words([]string{"PUBLISH", endOfCommand, ""}))
	}
	go oracle.conn.Write(batch)
	var list []outcome
	for range trials {
		r := oracle.read()
		now := changes(oracle.read())
		oracle.read()
		list = append(list, outcome{r, now != last, ofCommands(heard.events())})
		last = now
	}
	return list
}

// ofCommands leaves out that a lifetime was found to be over: behind which command a server looks is chance.
func ofCommands(events []string) (kept []string) {
	for _, e := range events {
		if !strings.HasSuffix(e, ` "expired"`) && !strings.HasPrefix(e, "__keyevent@0__:expired ") {
			kept = append(kept, e)
		}
	}
	return kept
}

// recorder is a log in memory.
type recorder struct {
	mu    sync.Mutex
	units []unit
}

type unit struct {
	db      int
	effects []byte
}

func (l *recorder) Append(db int, effects []byte, _ int, _ string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.units = append(l.units, unit{db, bytes.Clone(effects)})
	return uint64(len(l.units))
}

func (l *recorder) Synced(uint64, Releaser) bool { return true }

func (l *recorder) Err() error { return nil }

func (l *recorder) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.units)
}

func (l *recorder) all() []unit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.units)
}

// replay does a unit again.
func (u unit) replay(t *testing.T, e *Engine) error {
	t.Helper()
	db := u.db
	for _, args := range commands(t, u.effects) {
		if strings.EqualFold(string(args[0]), "SELECT") {
			db, _ = strconv.Atoi(string(args[1]))
			continue
		}
		if err := e.Replay(db, args); err != nil {
			return fmt.Errorf("replay of %q: %w", args, err)
		}
	}
	return nil
}

// replayed replays the log into an empty engine and says how its keyspace differs from e's: the replay law is that it
// does not.
func (l *recorder) replayed(t *testing.T, e *Engine) string {
	t.Helper()
	again := emptyLike(e)
	for _, u := range l.all() {
		if err := u.replay(t, again); err != nil {
			return err.Error()
		}
	}
	if diff := cmp.Diff(keyspace(e), keyspace(again)); diff != "" {
		return "after replay (-engine +replayed):\n" + diff
	}
	return ""
}

func commands(t *testing.T, effects []byte) (list [][][]byte) {
	t.Helper()
	limits := wire.Limits{Bulk: 1 << 20, Args: 1 << 20, Inline: 1 << 10, Query: 1 << 30}
	var r wire.Reader
	for r.Feed(effects); ; {
		args, _, ok, err := r.Next(&limits)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return list
		}
		list = append(list, slices.Clone(args))
	}
}

// keyspace is every key with the commands that make it anew.
func keyspace(e *Engine) map[string][]string {
	all := map[string][]string{}
	view := e.Freeze(nil)
	for db := range Databases {
		for entry := range view.All(db) {
			name := fmt.Sprintf("%d %q", db, entry.Key)
			for cmd := range Commands(entry) {
				all[name] = append(all[name], fmt.Sprintf("%q", cmd))
			}
		}
	}
	return all
}

// serve runs an engine behind a socket.
func serve(t testing.TB, e *Engine) (addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &resp.Server{Backend: e}
	go v.Serve(l)
	return l.Addr().String(), func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		v.Drain(now)
	}
}

// client is a connection to either server.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

func words(args []string) [][]byte {
	var list [][]byte
	for _, a := range args {
		list = append(list, []byte(a))
	}
	return list
}

func (c *client) send(args ...string) {
	if _, err := c.conn.Write(appendCommand(nil, words(args))); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) do(args ...string) reply {
	c.send(args...)
	return c.read()
}

// reply is a reply of either protocol: its type, and its text or its elements.
type reply struct {
	kind  byte
	text  string
	items []reply
}

func (c *client) read() reply {
	c.t.Helper()
	if c.conn != nil {
		c.conn.SetReadDeadline(time.Now().Add(time.Minute)) // a reply that never comes fails the test
	}
	r, err := c.next()
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// next is read for a goroutine of its own, or for one who may be cut.
func (c *client) next() (reply, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return reply{}, err
	}
	rep := reply{kind: line[0], text: strings.TrimSuffix(line[1:], "\r\n")}
	n, _ := strconv.Atoi(rep.text)
	switch rep.kind {
	case '$', '=':
		if n < 0 {
			return rep, nil
		}
		body := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, body); err != nil {
			return rep, err
		}
		rep.text = string(body[:n])
	case '%':
		n *= 2
		fallthrough
	case '*', '~', '>':
		for range n {
			item, err := c.next()
			if err != nil {
				return rep, err
			}
			rep.items = append(rep.items, item)
		}
	}
	return rep, nil
}

// canonical writes a reply so that two of them are equal where the comparison says so.
func (r reply) canonical(how comparison) string {
	if how == asTimeless {
		r = r.timeless()
	}
	switch {
	case how == asKind && r.kind != '-':
		return string(r.kind)
	case how == asLifetime && r.kind == ':' && r.text[0] != '-':
		return "some time"
	case r.kind != '*' && r.kind != '~' && r.kind != '%' && r.kind != '>':
		if how == asShape && r.kind != '-' {
			return string(r.kind)
		}
		return fmt.Sprintf("%c%q", r.kind, r.text)
	case how == asShape && len(r.items) > 0:
		return fmt.Sprintf("%c%d(%s...)", r.kind, len(r.items), r.items[0].canonical(how))
	}
	var items []string
	for _, item := range r.items {
		items = append(items, item.canonical(how))
	}
	group := 1
	if how == asPairs && len(items)%2 == 0 && len(items) > 0 && r.items[0].kind != '*' { // RESP3 nests pairs
		group = 2
	}
	var groups []string
	for g := range slices.Chunk(items, group) {
		groups = append(groups, strings.Join(g, " "))
	}
	if how == asSet || how == asPairs || r.kind == '~' {
		slices.Sort(groups)
	}
	return fmt.Sprintf("%c%s(%s)", r.kind, r.text, strings.Join(groups, ", "))
}
