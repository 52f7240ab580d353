package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// troupe is the same clients on either server: workers, who do all kinds of commands; listeners, who subscribe; and a
// director, who never waits.
type troupe struct {
	t        *testing.T
	addr     string
	proto    string
	clients  [workers + listeners]*client
	ids      [workers]string
	queued   [workers][]comparison // of the commands since MULTI
	waits    [workers]bool
	director *client
	ears     *client // hears keyspace notifications
	heard    []string
	done     int // commands
}

const (
	workers   = 4
	listeners = 2
	director  = -1

	shortLife = "30"    // milliseconds: the machine may be slow
	pause     = "pause" // among the director's commands: a lifetime passes
)

func newTroupe(t *testing.T, addr, proto string) *troupe {
	w := &troupe{t: t, addr: addr, proto: proto, director: dial(t, addr), ears: listen(t, addr)}
	w.director.do("FLUSHALL")
	for i := range w.clients {
		w.enter(i)
	}
	w.clients[workers].do("HELLO", "2") // listeners of both protocols
	w.clients[workers+1].do("HELLO", "3")
	return w
}

func (w *troupe) enter(i int) {
	w.clients[i] = dial(w.t, w.addr)
	w.clients[i].do("HELLO", w.proto)
	if i < workers {
		w.ids[i] = w.clients[i].do("CLIENT", "ID").text
		w.waits[i], w.queued[i] = false, nil
	}
}

func (w *troupe) leave() {
	for _, c := range append(w.clients[:], w.director, w.ears) {
		c.conn.Close()
	}
}

// do does a turn and returns what everybody heard.
func (w *troupe) do(u turn) []string {
	w.heard = nil
	switch {
	case u.who == director:
		w.direct(u.trials)
	case u.who >= workers:
		w.listen(u.who, u.trials[0].args)
	case !w.waits[u.who]:
		w.work(u.who, u.trials[0])
	}
	if slices.Contains(w.waits[:], true) {
		w.serveWaiters()
	}
	w.director.do("PUBLISH", endOfCommand, "")
	w.heard = append(w.heard, w.ears.events()...)
	return w.heard
}

func (w *troupe) hear(who int, text string) {
	w.heard = append(w.heard, fmt.Sprintf("%d: %s", who, text))
}

func (w *troupe) work(who int, c trial) {
	conn := w.clients[who]
	w.done++
	if !waitsForEver(c.args) {
		w.answered(who, c, conn.do(c.args...))
		return
	}
	// ECHO is in the same write: when it is answered, the command was done, or waits
	conn.conn.Write(appendCommand(appendCommand(nil, words([]string{"ECHO", "x"})), words(c.args)))
	w.answered(who, trial{args: []string{"ECHO"}}, conn.read())
	w.waits[who] = true
}

// answered writes down the reply to a command, and what is to come in that of EXEC.
func (w *troupe) answered(who int, c trial, r reply) {
	name := strings.ToUpper(c.args[0])
	queued := w.queued[who]
	switch {
	case r.kind == '+' && r.text == "QUEUED":
		w.queued[who] = append(queued, c.compare)
	case name == "EXEC" && len(r.items) == len(queued) && len(queued) > 0:
		for i, item := range r.items {
			w.hear(who, item.canonical(queued[i]))
		}
		w.queued[who] = nil
		return
	case name == "EXEC" || name == "MULTI" && r.kind == '+' || name == "DISCARD" && r.kind == '+':
		w.queued[who] = nil
	}
	w.hear(who, r.canonical(c.compare))
}

// serveWaiters hears all workers who do not wait any longer.
func (w *troupe) serveWaiters() {
	list := strings.TrimPrefix(w.director.do("CLIENT", "LIST").text, "txt:")
	for i := range workers {
		_, line, _ := strings.Cut("\n"+list, "\nid="+w.ids[i]+" ")
		_, flags, _ := strings.Cut(line, " flags=")
		flags, _, _ = strings.Cut(flags, " ")
		if w.waits[i] && !strings.Contains(flags, "b") {
			w.waits[i] = false
			w.answered(i, trial{args: []string{"(what it waited for)"}}, w.clients[i].read())
		}
	}
}

// listen does a command of a subscriber, and hears all that listeners were told until then.
func (w *troupe) listen(who int, args []string) {
	w.clients[who].send(args...)
	const question = "what else?"
	for i, c := range w.clients[workers:] {
		c.send("PING", question)
		var list []reply
		for {
			r := c.read()
			if r.text == question || len(r.items) == 2 && r.items[1].text == question {
				break
			}
			if len(r.items) < 3 || r.items[len(r.items)-2].text != endOfCommand {
				list = append(list, r)
			}
		}
		for _, line := range orderless(list) {
			w.hear(workers+i, line)
		}
	}
}

func (w *troupe) direct(trials []trial) {
	for _, c := range trials {
		if c.args[0] == "SWAPDB" && slices.Contains(w.waits[:], true) {
			continue // who is served first after that is left to chance
		}
		if c.args[0] == pause {
			time.Sleep(35 * time.Millisecond)
			continue
		}
		args, meant := slices.Clone(c.args), -1
		for i, arg := range args {
			if who, ok := strings.CutPrefix(arg, "$"); ok {
				meant, _ = strconv.Atoi(who)
				args[i] = w.ids[meant]
			}
		}
		w.hear(director, w.director.do(args...).canonical(exactly))
		if args[0] == "CLIENT" && args[1] == "KILL" {
			w.clients[meant].conn.Close()
			w.enter(meant)
		}
	}
}

// everything is all keys with what commands tell of them.
func (w *troupe) everything() []string { return everythingAt(w.t, w.addr) }

const encodingLine = "encoding" // what such a line begins with

func everythingAt(t *testing.T, addr string) (lines []string) {
	c := dial(t, addr)
	defer c.conn.Close()
	for db := range 4 {
		c.do("SELECT", strconv.Itoa(db))
		keys := c.do("KEYS", "*").items
		slices.SortFunc(keys, func(a, b reply) int { return strings.Compare(a.text, b.text) })
		for _, key := range keys {
			lines = append(lines, c.described(db, key.text), fmt.Sprintf("%s %d %q %s", encodingLine, db, key.text, c.do("OBJECT", "ENCODING", key.text).text))
		}
	}
	return lines
}

// readers are the commands that read a whole value, by its type, and how their replies compare.
var readers = map[string]trial{
	"string": {args: []string{"GET"}},
	"hash":   {args: []string{"HGETALL"}, compare: asPairs},
	"list":   {args: []string{"LRANGE", "0", "-1"}},
	"set":    {args: []string{"SMEMBERS"}, compare: asSet},
	"zset":   {args: []string{"ZRANGE", "0", "-1", "WITHSCORES"}},
	"stream": {args: []string{"XINFO", "STREAM", "FULL", "COUNT", "0"}, compare: asTimeless},
}

func (c *client) described(db int, key string) string {
	kind := c.do("TYPE", key).text
	reader := readers[kind]
	args := slices.Insert(slices.Clone(reader.args), 1, key)
	if kind == "stream" {
		args = []string{"XINFO", "STREAM", key, "FULL", "COUNT", "0"}
	}
	expires := c.do("PEXPIRETIME", key).text
	// Instants that commands name are all near this one. Others are relative, and each server has its own clock.
	const named, near = 4_000_000_000_000, 10_000
	if at, _ := strconv.ParseInt(expires, 10, 64); at > 0 && (at < named-near || at > named+near) {
		expires = "some time"
	}
	return fmt.Sprintf("%d %q %s expires %s: %s", db, key, kind, expires, c.do(args...).canonical(reader.compare))
}
