package jsonbackend

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// Keys of every type, in any database, with content that is hard on text: what a restart and what the files bring back.

// keyMaker draws the commands that make one key.
type keyMaker struct {
	t   *rapid.T
	db  int
	key string
	all []engine.Edit
}

func (m *keyMaker) do(words ...string) {
	e := engine.Edit{DB: m.db}
	for _, w := range words {
		e.Args = append(e.Args, []byte(w))
	}
	m.all = append(m.all, e)
}

// content draws a text of any bytes, often one at the border of what is a number or UTF-8.
func (m *keyMaker) content(label string) string {
	if rapid.IntRange(0, 3).Draw(m.t, label+" kind") == 0 {
		return string(rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(m.t, label))
	}
	return rapid.SampledFrom([]string{"", "a", "b", "é", "\x00", "\xff\xfe", "\xed\xa0\x80", "\xed\xb2\x80", "\xf0\x9f\x98\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\u2028",
		"9223372036854775807", "-9223372036854775808", "18446744073709551616", "007", "-0", "1e308", "0.1", "NaN", "null", `{"a": 1}`, `"`, `\udc80`, "\r\n",
		strings.Repeat("x", 65)}).Draw(m.t, label)
}

func (m *keyMaker) some(label string, most int, draw func(i int)) {
	for i := range rapid.IntRange(1, most).Draw(m.t, label) {
		draw(i)
	}
}

func (m *keyMaker) score() string {
	return rapid.SampledFrom([]string{"0", "1", "-1.5", "0.1", "inf", "-inf", "1e308", "5e-324", "9007199254740993", "3.0000000000000004", "1e21", "-1e-7"}).Draw(m.t, "score")
}

var kinds = map[string]func(m *keyMaker){
	"string": func(m *keyMaker) { m.do("SET", m.key, m.content("value")) },
	"list":   func(m *keyMaker) { m.some("elements", 5, func(int) { m.do("RPUSH", m.key, m.content("element")) }) },
	"set":    func(m *keyMaker) { m.some("members", 5, func(int) { m.do("SADD", m.key, m.content("member")) }) },
	"ints": func(m *keyMaker) {
		m.some("integers", 5, func(int) { m.do("SADD", m.key, strconv.FormatInt(rapid.Int64().Draw(m.t, "integer"), 10)) })
	},
	"zset": func(m *keyMaker) {
		m.some("members", 5, func(int) { m.do("ZADD", m.key, m.score(), m.content("member")) })
	},
	"hash": func(m *keyMaker) {
		m.some("fields", 5, func(int) { m.do("HSET", m.key, m.content("field"), m.content("value")) })
	},
	"big": func(m *keyMaker) {
		words := []string{"HSET", m.key}
		for i := range 600 {
			words = append(words, fmt.Sprint("f", i*7%600), "v")
		}
		m.do(words...)
	},
	"stream": stream,
}

// stream makes entries, some of which go again, and groups, for which some are pending.
func stream(m *keyMaker) {
	m.do("XGROUP", "CREATE", m.key, "g0", "0", "MKSTREAM")
	n := rapid.IntRange(0, 5).Draw(m.t, "entries")
	id := func() string { return fmt.Sprintf("%d-1", rapid.IntRange(1, max(1, n)).Draw(m.t, "id")) }
	for i := range n {
		words := []string{"XADD", m.key, fmt.Sprintf("%d-1", i+1)}
		m.some("fields", 3, func(int) { words = append(words, "f"+m.content("field"), m.content("value")) })
		m.do(words...)
	}
	for i := range rapid.IntRange(0, 3).Draw(m.t, "groups") {
		group := fmt.Sprint("g", i)
		if i > 0 {
			m.do("XGROUP", "CREATE", m.key, group+m.content("group"), id(), "ENTRIESREAD", strconv.Itoa(rapid.IntRange(-1, 5).Draw(m.t, "read")))
			continue
		}
		m.do("XGROUP", "CREATECONSUMER", m.key, group, "idle"+m.content("consumer"))
		m.do("XREADGROUP", "GROUP", group, "c", "COUNT", "2", "STREAMS", m.key, ">")
		m.do("XCLAIM", m.key, group, "d", "0", id(), "RETRYCOUNT", "7", "TIME", strconv.Itoa(rapid.IntRange(0, 1<<40).Draw(m.t, "time")), "FORCE")
	}
	if rapid.Bool().Draw(m.t, "deleted") {
		m.do("XDEL", m.key, id(), id())
	}
	if rapid.IntRange(0, 4).Draw(m.t, "emptied") == 0 {
		m.do("XTRIM", m.key, "MAXLEN", "0")
	}
	if rapid.IntRange(0, 4).Draw(m.t, "set") == 0 {
		m.do("XSETID", m.key, "18446744073709551615-18446744073709551615", "ENTRIESADDED", "9223372036854775807", "MAXDELETEDID", "18446744073709551615-7")
	}
}

// drawKeys draws a keyspace as commands. Names are given a number, for a key has one type.
func drawKeys(t *rapid.T, names ...string) (all []engine.Edit) {
	for i := range rapid.IntRange(1, 8).Draw(t, "keys") {
		m := &keyMaker{t: t, db: rapid.SampledFrom([]int{0, 0, 0, 1, 9, 15}).Draw(t, "db")}
		name := rapid.SampledFrom(names).Draw(t, "name")
		if name != "" {
			m.db = 0
		}
		m.key = name + m.content("key") + strconv.Itoa(i)
		kind := rapid.SampledFrom(sortedKinds).Draw(t, "type")
		kinds[kind](m)
		if rapid.IntRange(0, 2).Draw(t, "expires") == 0 {
			m.do("PEXPIREAT", m.key, strconv.FormatInt(rapid.Int64Range(4e12, 8e12).Draw(t, "when"), 10))
		}
		all = append(all, m.all...)
	}
	return all
}

var sortedKinds = []string{"string", "list", "set", "ints", "zset", "hash", "hash", "big", "stream", "stream", "stream"}

// fill does commands, each in a unit of its own, and fails where one fails.
func (d *directory) fill(t *rapid.T, edits []engine.Edit) {
	for _, e := range edits {
		if err := d.Edit([]engine.Edit{e}, d.Freeze(nil), "", fate(make(chan error, 1))); err != nil {
			t.Fatal(err)
		}
	}
}

// keys are all keys by database and name, with the commands that make them; of what has no order, in any.
func (d *directory) keys() map[string][]string {
	all := map[string][]string{}
	view := d.Freeze(nil)
	for db := range engine.Databases {
		for e := range view.All(db) {
			var lines []string
			for args := range engine.Commands(e) {
				switch string(args[0]) {
				case "SADD":
					for _, member := range args[2:] {
						lines = append(lines, fmt.Sprintf("SADD %q", member))
					}
				case "HSET":
					for pair := range slices.Chunk(args[2:], 2) {
						lines = append(lines, fmt.Sprintf("HSET %q", pair))
					}
				default:
					lines = append(lines, fmt.Sprintf("%q", args))
				}
			}
			if strings.HasPrefix(lines[0], "SADD") || len(lines) > 512 {
				slices.Sort(lines)
			}
			all[fmt.Sprintf("%d %q", db, e.Key)] = lines
		}
	}
	return all
}

func same(t *rapid.T, what string, before, after map[string][]string) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("%s (-before +after)\n%s", what, diff)
	}
}

// Keys first: whatever the keys are, they are the same after a crash, after a rewrite and after a stop; and the files say
// the same of them, so that nothing is published or taken for an edit.
func TestAnyKeyspaceSurvives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := opened(t, t.TempDir())
		d.fill(rt, drawKeys(rt, "", "", "omni-stream:", "retry_counts:", "omni:config:", "omni:result:", "omni:agent:"))
		before := d.keys()
		d.pass()
		files := jsonFiles(t, d.opts.Dir)
		d = d.reopened()
		same(rt, "after a crash", before, d.keys())
		if err := d.rewrite(); err != nil {
			rt.Fatal(err)
		}
		d.shut()
		d = opened(t, d.opts.Dir)
		same(rt, "after a rewrite and a stop", before, d.keys())
		d.told.take()
		d.pass()
		if told := d.told.take(); told != nil {
			rt.Fatalf("told: %q", told)
		}
		if diff := cmp.Diff(files, jsonFiles(t, d.opts.Dir)); diff != "" {
			rt.Fatalf("files (-before +after)\n%s", diff)
		}
		d.shut()
	})
}

// Files first: other.json and bus.json alone bring back every key that they show.
func TestAnyKeyspaceIsLoadedFromItsFiles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := opened(t, t.TempDir())
		d.fill(rt, drawKeys(rt, "", "", "omni-stream:", "omni-dlq:", "retry_counts:"))
		before := d.keys()
		d.pass()
		d.shut()
		dir := t.TempDir()
		for name, text := range jsonFiles(t, d.opts.Dir) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				rt.Fatal(err)
			}
		}
		again := opened(t, dir)
		same(rt, "loaded from files", before, again.keys())
		again.pass()
		if diff := cmp.Diff(jsonFiles(t, d.opts.Dir), jsonFiles(t, dir)); diff != "" {
			rt.Fatalf("files (-before +after)\n%s", diff)
		}
		again.shut()
	})
}
