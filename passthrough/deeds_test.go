package passthrough

import (
	"fmt"
	"strconv"
	"strings"
)

// act is one command of a guest's with what its reply must prove.
type act struct {
	words []string
	check func(v value) error // of a reply that is no error of the proxy's
	trace string              // the key where it leaves its number; "" if it leaves none
	n     int
}

// settle learns from its reply what became of an act.
func (g *guest) settle(a act, v value) error {
	became, err := v.outcome()
	if err != nil {
		return fmt.Errorf("%.80q: %w", a.words, err)
	}
	if became == done {
		if err := a.check(v); err != nil {
			return fmt.Errorf("%.80q: %w", a.words, err)
		}
	}
	g.became(a, became)
	return nil
}

// became notes what became of an act.
func (g *guest) became(a act, became deed) {
	if a.trace == "" {
		return
	}
	if g.traces[a.trace] == nil {
		g.traces[a.trace] = map[int]deed{}
	}
	g.traces[a.trace][a.n] = became
}

// is checks a reply that can be one thing only.
func is(kind byte, text string) func(v value) error {
	return func(v value) error {
		if v.kind != kind || v.text != text {
			return fmt.Errorf("%s instead of %c%.100s", v, kind, text)
		}
		return nil
	}
}

func isNumber(v value) error {
	if v.kind != ':' {
		return fmt.Errorf("%s instead of a number", v)
	}
	return nil
}

// simple draws a command that can stand anywhere.
func (g *guest) simple() act {
	mark := g.mark()
	a := act{n: g.n}
	switch g.rand.IntN(8) {
	case 0:
		a.words, a.check = []string{"ECHO", mark}, is('$', mark)
	case 1:
		a.trace = g.name("list")
		a.words, a.check = []string{"RPUSH", a.trace, mark}, isNumber
	case 2:
		a.trace = g.name("count")
		a.words, a.check = []string{"INCR", a.trace}, g.counting
	case 3:
		a.trace = g.name("own")
		a.words, a.check = []string{"SET", a.trace, mark}, is('+', "OK")
	case 4:
		a.words, a.check = []string{"GET", g.name("own")}, g.last(g.name("own"))
	case 5:
		a.trace = g.name("stream")
		a.words, a.check = []string{"XADD", a.trace, "*", "mark", mark}, func(v value) error {
			if v.kind != '$' || !strings.Contains(v.text, "-") {
				return fmt.Errorf("%s instead of an id", v)
			}
			return nil
		}
	case 6:
		a.words, a.check = []string{"HGETALL", g.name("hash")}, g.hash
	default:
		a.trace = g.name("list")
		script := "redis.call('RPUSH', KEYS[1], ARGV[1]) return {KEYS[1], ARGV[1]}"
		a.words = []string{"EVAL", script, "1", a.trace, mark}
		a.check = func(v value) error {
			if v.kind != '*' || len(v.list) != 2 || v.list[0].text != a.trace || v.list[1].text != mark {
				return fmt.Errorf("%s instead of %s, %s", v, a.trace, mark)
			}
			return nil
		}
	}
	return a
}

// counting: each INCR is answered once, with more than the ones before it and at most how many there were.
func (g *guest) counting(v value) error {
	most := 0
	for _, became := range g.traces[g.name("count")] {
		if became != undone {
			most++
		}
	}
	most += g.counts
	n, err := strconv.Atoi(v.text)
	if v.kind != ':' || err != nil || n <= g.counted || n > most {
		return fmt.Errorf("%s behind %d, of %d at most", v, g.counted, most)
	}
	g.counted = n
	return nil
}

// last checks that a value is the last one that was written to a key, or one of which it is not known whether it was.
func (g *guest) last(key string) func(v value) error {
	return func(v value) error {
		newest := 0
		for n, became := range g.traces[key] {
			if became == done {
				newest = max(newest, n)
			}
		}
		if v.kind == '_' && newest == 0 {
			return nil
		}
		text, _, _ := strings.Cut(v.text, ";")
		n, ok := g.own(text)
		if became, written := g.traces[key][n]; v.kind != '$' || !ok || !written || n != newest && became != unknown {
			return fmt.Errorf("%s instead of the value %d:%d", v, g.id, newest)
		}
		return nil
	}
}

// hash has the shape of the guest's protocol.
func (g *guest) hash(v value) error {
	kind := byte('*')
	if g.proto == 3 {
		kind = '%'
	}
	if v.kind != kind || len(v.list) != 2 || v.list[0].text != "owner" || v.list[1].text != strconv.Itoa(g.id) {
		return fmt.Errorf("%s instead of the hash of %d", v, g.id)
	}
	return nil
}

// several draws simple commands; the replies to those before one are not known when it is checked.
func (g *guest) several(most int) (acts []act) {
	for range 1 + g.rand.IntN(most) {
		acts = append(acts, g.simple())
	}
	return acts
}

func (g *guest) words(acts []act) (commands [][]string) {
	g.counts = 0
	for _, a := range acts {
		commands = append(commands, a.words)
		if a.words[0] == "INCR" {
			g.counts++
		}
	}
	return commands
}

// pipeline sends some commands in one write.
func (g *guest) pipeline(most int) error {
	acts := g.several(most)
	replies, err := g.say(g.words(acts)...)
	if err != nil {
		return err
	}
	return g.settleAll(acts, replies)
}

func (g *guest) settleAll(acts []act, replies []value) error {
	for i, a := range acts {
		if err := g.settle(a, replies[i]); err != nil {
			return err
		}
		if a.words[0] == "INCR" {
			g.counts--
		}
	}
	return nil
}

// transaction does some commands at once, in one write or one by one.
func (g *guest) transaction(whole bool) error {
	acts := g.several(5)
	if g.rand.IntN(30) == 0 {
		acts = append([]act{g.long()}, acts...)
	}
	commands := append([][]string{{"MULTI"}}, g.words(acts)...)
	end := "EXEC"
	if !whole && g.rand.IntN(4) == 0 {
		end = "DISCARD"
	}
	commands = append(commands, []string{end})
	var replies []value
	if whole {
		all, err := g.say(commands...)
		if err != nil {
			return err
		}
		replies = all
	}
	for len(replies) < len(commands) {
		one, err := g.say(commands[len(replies)])
		if err != nil {
			return err
		}
		if replies = append(replies, one...); one[0].kind == 0 {
			break // on the new connection there is no transaction
		}
	}
	return g.settleTransaction(acts, replies, len(replies) == len(commands) && end == "EXEC")
}

// settleTransaction learns what became of a transaction; exec says that EXEC was sent.
func (g *guest) settleTransaction(acts []act, replies []value, exec bool) error {
	last := len(replies) - 1
	for i, v := range replies[:min(last, len(acts)+1)] {
		if _, err := v.outcome(); err != nil {
			return fmt.Errorf("command %d of a transaction: %w", i, err)
		}
		if want := []string{"OK", "QUEUED"}[min(i, 1)]; !v.failed() && (v.kind != '+' || v.text != want) {
			return fmt.Errorf("command %d of a transaction: %s", i, v)
		}
	}
	became, err := replies[last].outcome()
	switch {
	case err != nil:
		return fmt.Errorf("the end of a transaction: %w", err)
	case !exec:
		became = undone
	case became == done && (replies[last].kind != '*' || len(replies[last].list) != len(acts)):
		return fmt.Errorf("EXEC: %s", replies[last])
	}
	for i, a := range acts {
		if became == done {
			err := g.settle(a, replies[last].list[i])
			if err != nil {
				return fmt.Errorf("in a transaction: %w", err)
			}
		}
		g.became(a, became)
		if a.words[0] == "INCR" {
			g.counts--
		}
	}
	return nil
}

// take gets from a queue that it filled itself, or waits a moment for nothing.
func (g *guest) take() error {
	mark, queue := g.mark(), g.name("queue")
	commands := [][]string{{"RPUSH", queue, mark}, {"BLPOP", queue, "0.01"}, {"XREADGROUP", "GROUP", "g", "c", "COUNT", "10", "BLOCK", "10", "STREAMS", g.name("stream"), ">"}}
	commands = commands[g.rand.IntN(2):]
	replies, err := g.say(commands...)
	if err != nil {
		return err
	}
	for i, v := range replies {
		if became, err := v.outcome(); err != nil || became != done {
			if err != nil {
				return fmt.Errorf("%s: %w", commands[i][0], err)
			}
			continue
		}
		switch {
		case v.kind == '_':
		case commands[i][0] == "BLPOP":
			if len(v.list) != 2 || v.list[0].text != queue {
				return fmt.Errorf("BLPOP: %s", v)
			}
			if _, ok := g.own(v.list[1].text); !ok {
				return fmt.Errorf("BLPOP: %s", v)
			}
			if err := g.took(queue + v.list[1].text); err != nil {
				return err
			}
		case commands[i][0] == "XREADGROUP":
			if err := g.entries(v); err != nil {
				return err
			}
		default:
			if err := isNumber(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// took notes what a queue gave away, which it does once.
func (g *guest) took(what string) error {
	if g.popped[what] {
		return fmt.Errorf("%s comes again", what)
	}
	g.popped[what] = true
	return nil
}

// entries looks at what XREADGROUP brings: a map in RESP3, pairs in RESP2.
func (g *guest) entries(v value) error {
	list := v.list
	if g.proto == 2 && len(list) == 1 {
		list = list[0].list
	}
	if len(list) != 2 || list[0].text != g.name("stream") {
		return fmt.Errorf("XREADGROUP: %s", v)
	}
	for _, entry := range list[1].list {
		if err := g.took(g.name("stream") + entry.list[0].text); err != nil {
			return err
		}
		if _, ok := g.own(entry.list[1].list[1].text); !ok {
			return fmt.Errorf("XREADGROUP: %s", v)
		}
	}
	return nil
}

// publish tells the guest's own channel something.
func (g *guest) publish() error {
	replies, err := g.say([]string{"PUBLISH", g.name("channel"), g.mark()})
	if err != nil {
		return err
	}
	return g.settle(act{words: []string{"PUBLISH"}, check: isNumber}, replies[0])
}

// long writes a value of up to some megabytes, which shows at each place whose it is.
func (g *guest) long() act {
	mark, key := g.mark()+";", g.name("big")
	text := strings.Repeat(mark, (1+g.rand.IntN(2_500_000))/len(mark)+1)
	return act{words: []string{"SET", key, text}, check: is('+', "OK"), trace: key, n: g.n}
}

// large writes a long value and reads it again.
func (g *guest) large() error {
	set, key := g.long(), g.name("big")
	last := g.last(key)
	get := act{words: []string{"GET", key}, check: func(v value) error {
		if err := last(v); err != nil || v.kind == '_' {
			return err
		}
		one, _, _ := strings.Cut(v.text, ";")
		if v.text != strings.Repeat(one+";", len(v.text)/(len(one)+1)) {
			return fmt.Errorf("a long value is not what was written: %s", v)
		}
		return nil
	}}
	replies, err := g.say(set.words, get.words)
	if err != nil {
		return err
	}
	return g.settleAll([]act{set, get}, replies)
}

// move goes to another database, where it has a value of its own, and comes back.
func (g *guest) move() error {
	for _, db := range []int{1 + g.rand.IntN(3), 0} {
		if err := g.enter(db); err != nil {
			return err
		}
		replies, err := g.say([]string{"GET", "db"})
		if err != nil {
			return err
		}
		want := is('$', strconv.Itoa(g.db))
		if err := g.settle(act{words: []string{"GET", "db"}, check: want}, replies[0]); err != nil {
			return err
		}
	}
	return nil
}

// enter goes to a database, as often as it takes.
func (g *guest) enter(db int) error {
	for {
		replies, err := g.say([]string{"SELECT", strconv.Itoa(db)})
		if err != nil {
			return err
		}
		if err := g.settle(act{words: []string{"SELECT"}, check: is('+', "OK")}, replies[0]); err != nil {
			return err
		}
		if !replies[0].failed() {
			g.db = db
			return nil
		}
	}
}

// raise counts in a number that others count in, too: with WATCH nobody's step is lost.
func (g *guest) raise() error {
	key := fmt.Sprintf("shared:%d", g.id%10)
	replies, err := g.say([]string{"WATCH", key})
	if err != nil || replies[0].kind == 0 {
		return err
	}
	if err := g.settle(act{words: []string{"WATCH"}, check: is('+', "OK")}, replies[0]); err != nil {
		return err
	}
	read, err := g.say([]string{"GET", key})
	if err != nil || read[0].kind == 0 {
		return err
	}
	if became, err := read[0].outcome(); became != done || replies[0].failed() {
		if err != nil {
			return fmt.Errorf("GET %s: %w", key, err)
		}
		replies, err := g.say([]string{"UNWATCH"})
		if err != nil {
			return err
		}
		return g.settle(act{words: []string{"UNWATCH"}, check: is('+', "OK")}, replies[0])
	}
	number, _ := strconv.Atoi(read[0].text)
	next := number + 1
	replies, err = g.say([]string{"MULTI"}, []string{"SET", key, strconv.Itoa(next)}, []string{"EXEC"})
	if err != nil {
		return err
	}
	if replies[2].kind == '_' {
		return nil
	}
	set := act{words: []string{"SET"}, check: func(v value) error {
		if err := is('+', "OK")(v); err != nil {
			return err
		}
		return g.storm.raised(key, next)
	}}
	return g.settleTransaction([]act{set}, replies, true)
}
