package aof

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// done is a unit as the tests write and read it.
type done struct {
	DB      int
	Effects []string // words joined by spaces
	Note    string
}

// encode returns the effects as Append wants them.
func (u done) encode() (effects []byte, n int) {
	for _, e := range u.Effects {
		effects = AppendCommand(effects, strings.Split(e, " ")...)
	}
	return effects, len(u.Effects)
}

// words splits an effect.
func words(effect string) [][]byte { return bytes.Split([]byte(effect), []byte(" ")) }

func (u done) appendTo(l *Log) uint64 {
	effects, n := u.encode()
	return l.Append(u.DB, effects, n, u.Note)
}

// flat returns what a replay of units yields.
func flat(units []done) []string {
	var all []string
	for _, u := range units {
		for _, e := range u.Effects {
			all = append(all, fmt.Sprint(u.DB, " ", e))
		}
		if u.Note != "" {
			all = append(all, "note "+u.Note)
		}
	}
	return all
}

// where is where a log is.
type where interface{ folder() folder }

func (d folder) folder() folder { return d }

// reopen opens d and returns what it holds.
func reopen(d where, o Options) (*Log, []string, Report, error) {
	var all []string
	l, report, err := open(d.folder(), o, Replay{
		Effect: func(db int, args [][]byte) error {
			words := make([]string, len(args))
			for i, a := range args {
				words[i] = string(a)
			}
			all = append(all, fmt.Sprint(db, " ", strings.Join(words, " ")))
			return nil
		},
		Note: func(_ uint64, note string) { all = append(all, "note "+note) },
	})
	return l, all, report, err
}

// mustReopen is reopen of a log that is whole.
func mustReopen(t testing.TB, d where, o Options) (*Log, []string, Report) {
	t.Helper()
	l, all, report, err := reopen(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return l, all, report
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// waitFor is a Releaser that waits.
type waitFor chan error

func (w waitFor) Release(uint64)         { w <- nil }
func (w waitFor) Fail(_ uint64, e error) { w <- e }

// synced waits for unit seq.
func synced(l *Log, seq uint64) error {
	w := make(waitFor, 1)
	tell(l, seq, w)
	return <-w
}

// tell tells r what becomes of unit seq, now or later.
func tell(l *Log, seq uint64, r Releaser) {
	if l.Synced(seq, r) {
		r.Release(seq)
	}
}

var someUnits = []done{
	{0, []string{"SET a 1"}, ""},
	{0, []string{"SET b 2", "SADD s x y"}, ""},
	{3, []string{"HSET h f v"}, "agents.json sha256=0a1b"},
	{3, nil, "nothing but a note"},
	{0, []string{"DEL a", "DEL b", "SELECT 5", "SET a 5", "SELECT 0"}, ""},
	{0, []string{"SET a \x00\r\n#unit"}, ""},
}

// replayed is flat of some of someUnits: a SELECT among effects has done its work.
func replayed(units []done) []string {
	var all []string
	for _, line := range flat(units) {
		switch line {
		case "0 SELECT 5", "0 SELECT 0":
		case "0 SET a 5":
			all = append(all, "5 SET a 5")
		default:
			all = append(all, line)
		}
	}
	return all
}

// fill appends units to an open log.
func fill(t testing.TB, l *Log, units []done) {
	t.Helper()
	for _, u := range units {
		if err := synced(l, u.appendTo(l)); err != nil {
			t.Fatal(err)
		}
	}
}

// written returns a disk with a log of units.
func writtenDisk(t testing.TB, units []done) *memory {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, units)
	mustClose(t, l)
	return d
}

func TestUnitsComeBackInOrder(t *testing.T) {
	dir := onDisk(t)
	l, _, _ := mustReopen(t, dir, Options{})
	fill(t, l, someUnits)
	mustClose(t, l)
	l, got, report := mustReopen(t, dir, Options{})
	if diff := cmp.Diff(replayed(someUnits), got); diff != "" {
		t.Error(diff)
	}
	if report.Units != len(someUnits) || report.Seq != uint64(len(someUnits)) || report.Cut.Bytes != 0 {
		t.Errorf("report %+v", report)
	}
	if seq := l.Append(0, nil, 0, "x"); seq != uint64(len(someUnits))+1 {
		t.Errorf("the next unit is %d", seq)
	}
	mustClose(t, l)
}

func TestAnyUnitsSurviveAnyReopening(t *testing.T) {
	word := rapid.StringN(1, 8, 64).Filter(func(s string) bool { return !strings.Contains(s, " ") })
	effect := rapid.Custom(func(t *rapid.T) string {
		return "SET " + word.Draw(t, "key") + " " + word.Draw(t, "value")
	})
	unit := rapid.Custom(func(t *rapid.T) done {
		return done{
			rapid.IntRange(0, 3).Draw(t, "db"),
			rapid.SliceOfN(effect, 0, 4).Draw(t, "effects"),
			rapid.StringMatching(`([ -~]{1,40})?`).Draw(t, "note"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		d := newMemory()
		var all []done
		for range rapid.IntRange(1, 4).Draw(t, "sessions") {
			l, got, report, err := reopen(d, Options{Policy: Policy(rapid.IntRange(0, 2).Draw(t, "policy"))})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(flat(all), got); diff != "" || report.Seq != uint64(len(all)) {
				t.Fatalf("seq %d: %s", report.Seq, diff)
			}
			for _, u := range rapid.SliceOfN(unit, 0, 8).Draw(t, "units") {
				seq := u.appendTo(l)
				all = append(all, u)
				if seq != uint64(len(all)) {
					t.Fatalf("unit %d is numbered %d", len(all), seq)
				}
				if rapid.Bool().Draw(t, "sync") {
					if err := synced(l, seq); err != nil {
						t.Fatal(err)
					}
				}
			}
			if rapid.Bool().Draw(t, "rewrite") {
				rewriteAs(t, l, all)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// rewriteAs rewrites the log with a base that says what units say. Notes are dropped from units, as no base has them.
func rewriteAs(t interface{ Fatal(...any) }, l *Log, units []done) {
	r, err := l.PrepareRewrite()
	if err != nil {
		t.Fatal(err)
	}
	if seq := r.Rotate(); seq != uint64(len(units)) {
		t.Fatal("rotated at", seq)
	}
	for i := range units {
		for _, e := range units[i].Effects {
			if err := r.Write(units[i].DB, words(e)...); err != nil {
				t.Fatal(err)
			}
		}
		units[i].Note = ""
	}
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestCreationThatWasInterruptedIsRepeated(t *testing.T) {
	for at := 1; ; at++ {
		d := newMemory()
		d.crashAt(at)
		l, _, _, err := reopen(d, Options{})
		if err == nil {
			mustClose(t, l)
			if at < 8 {
				t.Fatalf("a log was created in %d steps", at)
			}
			return
		}
		for keep := range 6 {
			left := d.cut(keep)
			l, _, _ := mustReopen(t, left, Options{})
			mustClose(t, l)
		}
	}
}

func TestFilesWithoutManifestAreNotOverwritten(t *testing.T) {
	d := writtenDisk(t, someUnits)
	d.drop(manifestName)
	before := d.content()
	if _, _, _, err := reopen(d, Options{}); err == nil || !strings.Contains(err.Error(), manifestName) {
		t.Errorf("error %v", err)
	}
	if !maps.Equal(before, d.content()) {
		t.Error("the directory was changed")
	}
}

func TestTemporaryFilesAreRemovedAndOthersKept(t *testing.T) {
	d := writtenDisk(t, someUnits)
	for _, name := range []string{"temp-appendonly.aof.2.base.aof", "appendonly.aof.2.incr.aof", "notes.txt", "appendonly.aof.9.base.aof"} {
		d.put(name, "")
	}
	d.put("notes.txt", "mine")
	l, _, report := mustReopen(t, d, Options{})
	if diff := cmp.Diff([]string{"appendonly.aof.9.base.aof", "notes.txt"}, report.Strays); diff != "" {
		t.Error(diff)
	}
	want := []string{"appendonly.aof.1.base.aof", "appendonly.aof.1.incr.aof", manifestName, "appendonly.aof.9.base.aof", "notes.txt"}
	for _, name := range want {
		if _, ok := d.content()[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	if len(d.content()) != len(want) {
		t.Errorf("left: %v", d.content())
	}
	rewriteAs(t, l, slices.Clone(someUnits))
	if _, ok := d.content()["appendonly.aof.10.base.aof"]; !ok {
		t.Errorf("the name of a stray is used again: %v", d.content())
	}
	mustClose(t, l)
}

func TestPolicyNames(t *testing.T) {
	for _, p := range []Policy{Always, EverySec, No} {
		var got Policy = -1
		if err := got.UnmarshalText([]byte(strings.ToUpper(p.String()))); err != nil || got != p {
			t.Errorf("%v is read as %v (%v)", p, got, err)
		}
	}
	if err := new(Policy).UnmarshalText([]byte("sometimes")); err == nil {
		t.Error("sometimes is a policy")
	}
}

func TestStatsFollowRedis(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	s := l.Stats()
	if s.Size != s.BaseSize || s.LastRewrite != -1 || s.RewriteDue(100, 0) {
		t.Errorf("fresh: %+v", s)
	}
	fill(t, l, someUnits)
	var size int64
	for name, text := range d.content() {
		if name != manifestName {
			size += int64(len(text))
		}
	}
	if s = l.Stats(); s.Size != size || !s.RewriteDue(100, 0) || s.RewriteDue(100, size) || s.RewriteDue(0, 0) {
		t.Errorf("%d bytes of files, but %+v", size, s)
	}
	rewriteAs(t, l, slices.Clone(someUnits))
	if s = l.Stats(); s.Size != s.BaseSize || s.Rewrites != 1 || s.RewriteFailures != 0 || s.LastRewrite < 0 || s.RewriteDue(100, 0) {
		t.Errorf("rewritten: %+v", s)
	}
	mustClose(t, l)
}
