package engine

import (
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/omniproxy/omniproxy/resp/command"
)

// author makes up turns. For a while most of them are of one chapter, so that its values grow old enough to be
// interesting, among keys that other chapters left behind.
type author struct {
	r       *rand.Rand
	handled []*command.Spec
	avoided []tolerance
	inMulti [workers]bool // as far as an author can know

	chapter []generator
	group   []*command.Spec // its commands
}

// chapters are the generators of each group of commands.
var chapters = map[string][]generator{
	"string":     {stringCommand},
	"hash":       {hashCommand},
	"set":        {setCommand},
	"sorted-set": {zaddCommand, zaddCommand, zsetCommand, zrangeCommand, zcombineCommand, zpopCommand, lexCommand},
	"list":       {pushCommand, pushCommand, listCommand, popCommand, searchCommand},
	"stream":     {streamEntryCommand, streamEntryCommand, streamReadCommand, streamReadCommand, streamGroupCommand, streamPendingCommand, groupWork, groupWork, groupWork},
	"generic":    {keyCommand, anyValue, anyValue},
}

func newAuthor(r *rand.Rand) *author {
	a := &author{r: r, handled: handledCommands(), avoided: slices.Concat(tolerated, unruly)}
	a.turnPage()
	return a
}

// turnPage goes on to another chapter.
func (a *author) turnPage() {
	name := pick(a.r, "string", "hash", "set", "sorted-set", "list", "stream", "stream", "generic")
	a.chapter = chapters[name]
	a.group = nil
	for _, s := range a.handled {
		if s.Group == name {
			a.group = append(a.group, s)
		}
	}
}

func (a *author) turns(n int) (turns []turn) {
	for len(turns) < n {
		switch a.r.IntN(50) {
		case 0, 1:
			turns = append(turns, turn{director, directions(a.r)})
			continue
		case 2:
			turns = append(turns, turn{workers + a.r.IntN(listeners), []trial{{args: listening(a.r)}}})
			continue
		}
		if a.r.IntN(150) == 0 {
			a.turnPage()
			turns = append(turns, turn{director, []trial{{args: []string{"SELECT", "0"}}, {args: []string{"DEL", anyKey(a.r), anyKey(a.r), anyKey(a.r)}}}})
		}
		who := a.r.IntN(workers)
		if c, ok := comparable(a.command(who), a.avoided); ok {
			turns = append(turns, turn{who, []trial{c}})
		}
	}
	return turns
}

// command is one that a worker does.
func (a *author) command(who int) trial {
	r := a.r
	if a.inMulti[who] && r.IntN(6) == 0 {
		a.inMulti[who] = false
		return trial{args: pick(r, []string{"EXEC"}, []string{"EXEC"}, []string{"EXEC"}, []string{"EXEC"}, []string{"DISCARD"}, []string{"EXEC", "x"})}
	}
	specs := a.group
	if r.IntN(3) == 0 {
		specs = a.handled
	}
	switch r.IntN(60) {
	case 0:
		a.inMulti[who] = true
		return trial{args: []string{"MULTI"}}
	case 1:
		return trial{args: pick(r, []string{"WATCH", anyKey(r)}, []string{"WATCH", anyKey(r), anyKey(r)}, []string{"UNWATCH"}, []string{"DISCARD"}, []string{"EXEC"}, []string{"NOPE"})}
	case 2:
		return trial{args: waitingFor(r, mixedKey)}
	case 3:
		return trial{args: []string{pick(r, "PUBLISH", "SPUBLISH"), roundChannel(r), text(r)}}
	case 24, 25: // most of the time most of them are in the same database
		return trial{args: []string{"SELECT", pick(r, "0", "0", "0", "0", "0", "0", "0", "1", "2")}}
	case 4, 5, 6, 7, 8, 9, 10, 11:
		return grammatical(r, pick(r, specs...))
	case 12, 13:
		return miscounted(r, pick(r, specs...))
	case 14, 15, 16:
		return otherCommand(r)
	case 17, 18, 19, 20, 21:
		c := pick(r, a.chapter...)(r)
		if !slices.Contains(c.args, "lex") {
			c = asUsual(trial{args: garbled(r, c.args)})
		}
		return c
	case 22, 23:
		return anyValue(r)
	}
	return pick(r, a.chapter...)(r)
}

func mixedKey(r *rand.Rand) string { return pick(r, "k1", "k2", "k3", "k4", "k5", "k6") }

// waitingFor is a command that may wait for ever.
func waitingFor(r *rand.Rand, key func(*rand.Rand) string) []string {
	if r.IntN(3) > 0 {
		return waitingOn(r, key)
	}
	return pick(r,
		[]string{"XREAD", "BLOCK", "0", "STREAMS", key(r), key(r), "$", entryID(r)},
		[]string{"XREADGROUP", "GROUP", group(r), consumer(r), "BLOCK", "0", "STREAMS", key(r), ">"},
		[]string{"XREADGROUP", "GROUP", group(r), consumer(r), "COUNT", "1", "BLOCK", "0", "STREAMS", key(r), key(r), ">", ">"})
}

// groupWork is what the members of a group do all day.
func groupWork(r *rand.Rand) trial {
	key, who := pick(r, "k1", "k1", "k1", "k2"), pick(r, "alice", "bob")
	delivered := func() string { return "3-" + strconv.Itoa(r.IntN(20)) }
	return trial{args: pick(r,
		[]string{"XGROUP", "CREATE", key, "g1", "0", "MKSTREAM"},
		[]string{"XADD", key, "3-*", "f", "v"}, []string{"XADD", key, "3-*", "f", "v"},
		[]string{"XREADGROUP", "GROUP", "g1", who, "COUNT", "2", "STREAMS", key, ">"},
		[]string{"XREADGROUP", "GROUP", "g1", who, "STREAMS", key, "0"},
		[]string{"XCLAIM", key, "g1", who, "0", delivered(), delivered(), delivered()},
		[]string{"XAUTOCLAIM", key, "g1", who, "0", "0", "COUNT", "2"},
		[]string{"XACK", key, "g1", delivered(), delivered(), delivered()},
		[]string{"XDEL", key, delivered()})}
}

// listening is what a listener does: it subscribes, and asks nothing that a subscriber may not.
func listening(r *rand.Rand) []string {
	return pick(r, subscription(r), subscription(r), []string{"PING"}, []string{"UNSUBSCRIBE"}, []string{"PUNSUBSCRIBE"}, []string{"SUNSUBSCRIBE"}, []string{"SUBSCRIBE"})
}

// directions concern every client, or take time.
func directions(r *rand.Rand) []trial {
	someone := "$" + strconv.Itoa(r.IntN(workers))
	key := mixedKey(r)
	switch r.IntN(12) {
	case 0:
		return []trial{{args: []string{"SWAPDB", pick(r, "0", "1", "2"), pick(r, "0", "1", "2")}}}
	case 1:
		return []trial{{args: []string{"CLIENT", "KILL", "ID", someone}}}
	case 2:
		return []trial{{args: []string{"FLUSHDB"}}}
	case 3: // a lifetime that passes, and nothing else meanwhile
		return []trial{{args: []string{"SELECT", pick(r, "0", "0", "1", "2")}}, {args: []string{"PEXPIRE", key, shortLife}}, {args: []string{pause}}, {args: []string{"EXISTS", key}}}
	}
	return []trial{{args: []string{"CLIENT", "UNBLOCK", someone, pick(r, "TIMEOUT", "ERROR")}}}
}
