package command

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookup(t *testing.T) {
	tests := []struct {
		args [][]byte
		want string // "" = unknown
	}{
		{call("GET", "k"), "GET"},
		{call("get"), "GET"},
		{call("gEt", "a", "b"), "GET"},
		{call("SORT_RO", "k"), "SORT_RO"},
		{call("CONFIG", "GET", "x"), "CONFIG GET"},
		{call("config", "resetstat"), "CONFIG RESETSTAT"},
		{call("config", "nosuch"), "CONFIG"},
		{call("config"), "CONFIG"},
		{call("COMMAND"), "COMMAND"},
		{call("CLUSTER", "count-failure-reports", "id"), "CLUSTER COUNT-FAILURE-REPORTS"},
		{call("config|get", "x"), ""},
		{call("CONFIG GET", "x"), ""},
		{call("nosuch"), ""},
		{call(""), ""},
		{call("GE\x00T"), ""},
		{call("G\xc5\xbf"), ""},
		{call("\xff"), ""},
		{call(strings.Repeat("G", 1000)), ""},
		{nil, ""},
	}
	for _, tt := range tests {
		got := ""
		if s := Lookup(tt.args); s != nil {
			got = s.Name
		}
		if got != tt.want {
			t.Errorf("Lookup(%q) = %q, want %q", tt.args, got, tt.want)
		}
	}
}

func TestEveryCommandIsFoundByItsNames(t *testing.T) {
	for s := range All() {
		words := strings.Split(s.Name, " ")
		if got := Lookup(call(words...)); got != s {
			t.Errorf("Lookup(%q) = %v", words, got)
		}
		if got := Lookup(call(strings.Split(s.FullName, "|")...)); got != s {
			t.Errorf("Lookup(%q) in lower case = %v", s.FullName, got)
		}
		if got := Find(s.FullName); got != s {
			t.Errorf("Find(%q) = %v", s.FullName, got)
		}
	}
}

func TestAllIsSorted(t *testing.T) {
	var commands []string
	for s := range All() {
		name, _, isSub := strings.Cut(s.FullName, "|")
		if !isSub {
			commands = append(commands, name)
		} else if last := commands[len(commands)-1]; last != name {
			t.Errorf("%s stands below %s", s.FullName, last)
		}
		if !slices.IsSortedFunc(s.Subcommands, func(a, b *Spec) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: subcommands are not sorted", s.Name)
		}
	}
	if !slices.IsSorted(commands) {
		t.Errorf("not sorted: %q", commands)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	args := [][][]byte{call("get", "k"), call("CLUSTER", "SLOTS"), call("nosuch")}
	if n := testing.AllocsPerRun(100, func() {
		for _, a := range args {
			Lookup(a)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The calls that Check passes are not sent: SHUTDOWN is among them.
func TestCheckRefusesAsRedisDoes(t *testing.T) {
	l := dial(t, 2)
	refused := func(args [][]byte) {
		t.Helper()
		_, err := Check(args)
		if err == nil {
			t.Errorf("%q passes", args)
			return
		}
		if diff := cmp.Diff(l.do(args), written(err)); diff != "" {
			t.Errorf("%q (-Redis +Check):\n%s", args, diff)
		}
	}
	for s := range All() {
		words := strings.Split(s.Name, " ")
		withArgs := func(n int) [][]byte {
			return call(append(slices.Clone(words), slices.Repeat([]string{"x"}, n-len(words))...)...)
		}
		if s.Arity > 0 {
			refused(withArgs(s.Arity + 1))
		}
		if fewer := max(s.Arity, -s.Arity) - 1; fewer >= len(words) {
			refused(withArgs(fewer))
		}
		if s.IsContainer() {
			refused(call(s.Name, "nosuch"))
			refused(call(s.FullName, "no\r\nsuch\x00", "x"))
		}
	}
	long := strings.Repeat("x", 200)
	for _, args := range [][][]byte{
		call("nosuch"),
		call("nosuch", "a", "b"),
		call("", "a"),
		call("nosuch", ""),
		call(long, long, "y"),
		call("config", long),
		call("nosuch", long[:124], "y", "z"),
		call("nosuch", long[:125], "y", "z"),
		call("nosuch", long[:100], long, "y"),
		call("no\r\nsuch", "a\r\n\nb"),
		call("no\x00such", "a\x00b", "c"),
		call("\xff\xfe", "\x01"),
		call("config|get", "x"),
	} {
		refused(args)
	}
}

func TestCheckPassesGoodCalls(t *testing.T) {
	for _, args := range [][][]byte{
		call("GET", "k"), call("DEL", "a", "b"), call("PING"), call("COMMAND"), call("CONFIG", "GET", "x"), call("xgroup", "help"),
	} {
		if s, err := Check(args); err != nil || s != Lookup(args) {
			t.Errorf("Check(%q) = %v, %v", args, s, err)
		}
	}
	if s, err := Check(call("GET")); s == nil || err == nil {
		t.Errorf("wrong arity: %v, %v; want the Spec with the error", s, err)
	}
}

func TestFactsThatDoNotFitTheRowsAreRefused(t *testing.T) {
	tests := []struct {
		pattern, change string // of facts.json, its first match
		want            string // in the error
	}{
		{`"name":"get"`, `"name":"new"`, "no row for NEW in group string"},
		{`"group":"hash"`, `"group":"list"`, "no row for HDEL in group list"},
		{`{"name":"time".*\n`, ``, "Redis has no TIME in group server"},
		{`"name":"config"`, `"name":"zzz"`, "config|get without its container"},
		{`"fast"`, `"quick"`, `unknown flag "quick"`},
		{`"@hash"`, `"@odd"`, `unknown flag "@odd"`},
		{`\]}\n$`, ``, "facts.json: unexpected end of JSON input"},
	}
	for _, tt := range tests {
		at := regexp.MustCompile(tt.pattern).FindIndex(factsJSON)
		if at == nil {
			t.Errorf("facts.json has no %s", tt.pattern)
			continue
		}
		changed := slices.Concat(factsJSON[:at[0]], []byte(tt.change), factsJSON[at[1]:])
		if _, err := newCommands(changed); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.pattern, err, tt.want)
		}
	}
}

func TestRedisVersion(t *testing.T) {
	if v := RedisVersion(); v != "7.0.15" {
		t.Errorf("got %q", v)
	}
}

func TestDescriptionsAreOneSentence(t *testing.T) {
	for s := range All() {
		if s.Doc == "" || !strings.HasSuffix(s.Doc, ".") || strings.ContainsAny(s.Doc, "\r\n\t") || len(s.Doc) > 80 {
			t.Errorf("%s: %q", s.Name, s.Doc)
		}
	}
}

// What Redis says about a command must not contradict its effect.
func TestEffectsFollowTheFacts(t *testing.T) {
	for s := range All() {
		want, why := s.Effect, ""
		switch {
		case s.Flags.Has(Blocking):
			want, why = ConnBlock, "Redis flags it as blocking"
		case s.Group == "transactions":
			want, why = ConnTxn, "it is about transactions"
		case strings.HasSuffix(s.Name, "SUBSCRIBE"):
			want, why = ConnLife, "it changes subscriptions"
		case s.Flags.Has(Write) || s.Flags.Has(ReadOnly) || s.IsContainer():
			want, why = ConnNone, "it concerns keys only, or its subcommands do the work"
		}
		if s.Effect != want {
			t.Errorf("%s: effect %d, want %d: %s", s.Name, s.Effect, want, why)
		}
	}
}

func benchmark(b *testing.B, words ...string) {
	args := call(words...)
	table()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Check(args); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckGet(b *testing.B)        { benchmark(b, "GET", "k") }
func BenchmarkCheckXreadgroup(b *testing.B) { benchmark(b, "xreadgroup", "a", "b", "c", "d", "e", "f") }
func BenchmarkCheckSubcommand(b *testing.B) { benchmark(b, "CLIENT", "SETNAME", "x") }

func BenchmarkLookupGet(b *testing.B) {
	args := call("GET", "k")
	table()
	b.ReportAllocs()
	for b.Loop() {
		Lookup(args)
	}
}
