package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// A crowd is clients that wait for keys in all kinds of ways, and one that writes. What each of them is answered, and
// when, must be what Redis answers.

const crowdSize = 5

// act is what one of the crowd does: one command of a client, which is left out while it waits, or those of the writer,
// in one unit if there are several. "$2" stands for the ID of client 2.
type act struct {
	client   int // -1: the writer
	commands [][]string
}

const writer = -1

func crowdAct(r *rand.Rand) act {
	if r.IntN(5) > 1 {
		return act{r.IntN(crowdSize), [][]string{waitingCommand(r)}}
	}
	switch r.IntN(10) {
	case 0:
		return act{writer, [][]string{{"CLIENT", "UNBLOCK", "$" + strconv.Itoa(r.IntN(crowdSize)), pick(r, "TIMEOUT", "ERROR")}}}
	case 1:
		return act{writer, [][]string{{"CLIENT", "KILL", "ID", "$" + strconv.Itoa(r.IntN(crowdSize))}}}
	case 2, 3, 4:
		a := act{client: writer}
		for range 2 + r.IntN(4) {
			a.commands = append(a.commands, wakingCommand(r))
		}
		return a
	}
	return act{writer, [][]string{wakingCommand(r)}}
}

func crowdKey(r *rand.Rand) string { return pick(r, "a", "b", "c", "d") }

func waitingCommand(r *rand.Rand) []string { return waitingOn(r, crowdKey) }

func waitingOn(r *rand.Rand, key func(*rand.Rand) string) []string {
	var keys []string
	for range 1 + r.IntN(3) {
		keys = append(keys, key(r))
	}
	end := pick(r, "LEFT", "RIGHT")
	return pick(r,
		slices.Concat([]string{pick(r, "BLPOP", "BRPOP")}, keys, []string{"0"}),
		slices.Concat([]string{pick(r, "BLPOP", "BRPOP")}, keys, []string{"0"}),
		slices.Concat([]string{"BLMPOP", "0", strconv.Itoa(len(keys))}, keys, []string{end, "COUNT", pick(r, "1", "2")}),
		[]string{"BLMOVE", key(r), key(r), end, pick(r, "LEFT", "RIGHT"), "0"},
		[]string{"BLMOVE", key(r), key(r), end, pick(r, "LEFT", "RIGHT"), "0"},
		[]string{"BRPOPLPUSH", key(r), key(r), "0"},
		slices.Concat([]string{pick(r, "BZPOPMIN", "BZPOPMAX")}, keys, []string{"0"}),
		slices.Concat([]string{"BZMPOP", "0", strconv.Itoa(len(keys))}, keys, []string{"MIN", "COUNT", "2"}))
}

func wakingCommand(r *rand.Rand) []string {
	x, y := strconv.Itoa(r.IntN(1000)), strconv.Itoa(r.IntN(1000))
	key := crowdKey(r)
	return pick(r,
		[]string{"RPUSH", key, x}, []string{"LPUSH", key, x}, []string{"RPUSH", key, x, y}, []string{"LPUSH", key, x, y, "last"},
		[]string{"ZADD", key, "1", x, "2", y}, []string{"SET", key, x}, []string{"DEL", key}, []string{"DEL", key},
		[]string{"LMOVE", key, crowdKey(r), "LEFT", "LEFT"}, []string{"LPOP", key}, []string{"ZREM", key, x})
}

// crowd is the clients on one server.
type crowd struct {
	t       *testing.T
	addr    string
	proto   string
	writer  *client
	clients [crowdSize]*client
	ids     [crowdSize]string
	waits   [crowdSize]bool
	heard   []string // who was answered what, and what listeners were told
	ears    *client
}

func newCrowd(t *testing.T, addr, proto string) *crowd {
	w := &crowd{t: t, addr: addr, proto: proto, writer: dial(t, addr), ears: listen(t, addr)}
	w.writer.do("HELLO", proto)
	w.writer.do("FLUSHALL")
	for i := range w.clients {
		w.enter(i)
	}
	return w
}

func (w *crowd) enter(i int) {
	w.clients[i] = dial(w.t, w.addr)
	w.clients[i].do("HELLO", w.proto)
	w.ids[i] = w.clients[i].do("CLIENT", "ID").text
	w.waits[i] = false
}

func (w *crowd) hear(who int, r reply) {
	w.heard = append(w.heard, fmt.Sprintf("%d: %s", who, r.canonical(exactly)))
}

// do does one act, and hears all who are answered.
func (w *crowd) do(a act) {
	switch {
	case a.client == writer:
		w.write(a.commands)
	case !w.waits[a.client]:
		// ECHO is in the same write: when it is answered, the command was done, or waits
		c := w.clients[a.client]
		c.conn.Write(appendCommand(appendCommand(nil, words([]string{"ECHO", "x"})), words(a.commands[0])))
		c.read()
		w.waits[a.client] = true
	}
	w.listen()
}

func (w *crowd) write(commands [][]string) {
	if len(commands) > 1 {
		commands = slices.Concat([][]string{{"MULTI"}}, commands, [][]string{{"EXEC"}})
	}
	for _, args := range commands {
		args = slices.Clone(args)
		meant := -1
		for i, arg := range args {
			if who, ok := strings.CutPrefix(arg, "$"); ok {
				meant, _ = strconv.Atoi(who)
				args[i] = w.ids[meant]
			}
		}
		w.hear(writer, w.writer.do(args...))
		if args[0] == "CLIENT" && args[1] == "KILL" {
			w.clients[meant].conn.Close()
			w.enter(meant)
		}
	}
}

// listen reads the replies of all who do not wait any longer.
func (w *crowd) listen() {
	list := strings.TrimPrefix(w.writer.do("CLIENT", "LIST").text, "txt:")
	for i := range w.clients {
		_, line, _ := strings.Cut("\n"+list, "\nid="+w.ids[i]+" ")
		_, flags, _ := strings.Cut(line, " flags=")
		flags, _, _ = strings.Cut(flags, " ")
		if w.waits[i] && !strings.Contains(flags, "b") {
			w.waits[i] = false
			w.hear(i, w.clients[i].read())
		}
	}
}

// run does all acts and returns who was answered what, and what is left.
func (w *crowd) run(acts []act) []string {
	for _, a := range acts {
		w.do(a)
		w.writer.do("PUBLISH", endOfCommand, "")
		w.heard = append(w.heard, w.ears.events()...)
	}
	w.ears.conn.Close()
	for _, key := range []string{"a", "b", "c", "d"} {
		w.hear(writer, w.writer.do("LRANGE", key, "0", "-1"))
		w.hear(writer, w.writer.do("ZRANGE", key, "0", "-1"))
	}
	w.writer.conn.Close()
	for _, c := range w.clients {
		c.conn.Close()
	}
	return w.heard
}

func crowdDifference(t *testing.T, oracle, proto string, acts []act) string {
	want := newCrowd(t, oracle, proto).run(acts)
	log := &recorder{}
	e := New(Options{Log: log})
	addr, stop := serve(t, e)
	got := newCrowd(t, addr, proto).run(acts)
	stop()
	if diff := cmp.Diff(want, got); diff != "" {
		return "-redis +engine\n" + diff
	}
	return log.replayed(t, e)
}

func TestBlockedClientsAreServedLikeRedis(t *testing.T) { crowdsAreServedLikeRedis(t, crowdAct) }

// crowdsAreServedLikeRedis compares episodes of acts. Keys whose time is over stay until somebody looks.
func crowdsAreServedLikeRedis(t *testing.T, next func(*rand.Rand) act) {
	t.Helper()
	t.Parallel()
	oracle := redistest.Start(t, "--enable-debug-command", "yes")
	dial(t, oracle).do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
	for _, seed := range []uint64{1, 2, rand.Uint64()} {
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		for episode := range episodes() {
			proto := strconv.Itoa(2 + episode%2)
			var acts []act
			for range 60 {
				acts = append(acts, next(r))
			}
			differs := func(acts []act) bool { return crowdDifference(t, oracle, proto, acts) != "" }
			if !differs(acts) {
				continue
			}
			acts = shortest(acts, differs)
			var script strings.Builder
			for _, a := range acts {
				fmt.Fprintf(&script, "%d: %q\n", a.client, a.commands)
			}
			t.Fatalf("RESP%s\n%s%s", proto, &script, crowdDifference(t, oracle, proto, acts))
		}
	}
}
