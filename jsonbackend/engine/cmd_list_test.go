package engine

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

func TestListsAnswerLikeRedis(t *testing.T)       { answersLikeRedis(t, pushCommand, listCommand) }
func TestPopsOfListsAnswerLikeRedis(t *testing.T) { answersLikeRedis(t, pushCommand, popCommand) }
func TestSearchesOfListsAnswerLikeRedis(t *testing.T) {
	answersLikeRedis(t, pushCommand, searchCommand)
}

func element(r *rand.Rand) string {
	if r.IntN(200) == 0 {
		return strings.Repeat("long", 5000)
	}
	return pick(r, "a", "a", "b", "c", "", "1", "01", "-1", "9223372036854775808", "\x00\xff\r\n")
}

func listIndex(r *rand.Rand) string {
	return pick(r, strconv.Itoa(r.IntN(12)-6), strconv.Itoa(r.IntN(12)-6), "0", "-1", "100", "-100", "x", "9223372036854775807", "-9223372036854775808")
}

func anySide(r *rand.Rand) string {
	return pick(r, "LEFT", "RIGHT", "left", "Right", "LEFT", "RIGHT", "MIDDLE")
}

func pushCommand(r *rand.Rand) trial {
	args := []string{pick(r, "LPUSH", "RPUSH", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX"), anyKey(r)}
	for range 1 + r.IntN(4) {
		args = append(args, element(r))
	}
	return trial{args: args}
}

func listCommand(r *rand.Rand) trial {
	key := anyKey(r)
	return trial{args: pick(r,
		[]string{"LLEN", key},
		[]string{"LINDEX", key, listIndex(r)},
		[]string{"LSET", key, listIndex(r), element(r)},
		[]string{"LINSERT", key, pick(r, "BEFORE", "AFTER", "after", "BEHIND"), element(r), element(r)},
		[]string{"LRANGE", key, listIndex(r), listIndex(r)},
		[]string{"LRANGE", key, "0", "-1"},
		[]string{"LTRIM", key, listIndex(r), listIndex(r)},
		[]string{"LMOVE", key, anyKey(r), anySide(r), anySide(r)},
		[]string{"RPOPLPUSH", key, anyKey(r)})}
}

func popCommand(r *rand.Rand) trial {
	keys := someKeys(r)
	args := []string{pick(r, "LPOP", "RPOP"), anyKey(r)}
	switch r.IntN(5) {
	case 0:
		return trial{args: args}
	case 1:
		return trial{args: append(args, pick(r, "0", "1", "2", "100", "-1", "x", "9223372036854775807", "9223372036854775808"))}
	case 2:
		args = slices.Concat([]string{"LMPOP", strconv.Itoa(len(keys))}, keys, []string{anySide(r)})
		if r.IntN(2) == 0 {
			args = append(args, "COUNT", pick(r, "1", "2", "0", "9223372036854775807"))
		}
		return trial{args: args}
	}
	timeout := pick(r, "0.001", "0.0001", "0.001", "1e-300", "-1", "x", "1e400", "-inf", "nan") // the shortest: nothing else may be waited for
	return trial{intact: true, args: pick(r,
		slices.Concat([]string{pick(r, "BLPOP", "BRPOP")}, keys, []string{timeout}),
		slices.Concat([]string{pick(r, "BLPOP", "BRPOP")}, keys, []string{timeout}),
		slices.Concat([]string{"BLMPOP", timeout, pick(r, strconv.Itoa(len(keys)), "0", "1", "9")}, keys, []string{anySide(r)}),
		slices.Concat([]string{"BLMPOP", timeout, strconv.Itoa(len(keys))}, keys, []string{"LEFT", "COUNT", pick(r, "2", "0", "x")}),
		[]string{"BLMOVE", anyKey(r), anyKey(r), anySide(r), anySide(r), timeout},
		[]string{"BRPOPLPUSH", anyKey(r), anyKey(r), timeout})}
}

func searchCommand(r *rand.Rand) trial {
	key := anyKey(r)
	if r.IntN(3) == 0 {
		return trial{args: []string{"LREM", key, pick(r, "0", "1", "-1", "2", "-2", "100", "x", "-9223372036854775808"), element(r)}}
	}
	args := []string{"LPOS", key, element(r)}
	for range r.IntN(4) {
		args = append(args, pick(r, "RANK", "COUNT", "MAXLEN", "rank", "count"),
			pick(r, "1", "-1", "2", "-2", "3", "0", "x", "9223372036854775807", "-9223372036854775808"))
	}
	return trial{args: args}
}

// Redis takes the least rank for one below all others: its negation overflows.
func TestTheLeastRankIsThatOfRedis(t *testing.T) {
	trials := []trial{{args: []string{"RPUSH", "l", "a", "b", "a", "a"}}}
	for _, rank := range []string{"-9223372036854775808", "-9223372036854775807", "9223372036854775807"} {
		for _, count := range []string{"0", "1", "2", "9223372036854775807"} {
			trials = append(trials, trial{args: []string{"LPOS", "l", "a", "RANK", rank, "COUNT", count}}, trial{args: []string{"LPOS", "l", "a", "RANK", rank}})
		}
	}
	setting{proto: 2}.compare(t, dial(t, redistest.Start(t)), trials)
}

// The log holds the command that does not block, and what it took.
func TestEffectsOfListCommands(t *testing.T) {
	for _, c := range []struct{ line, effect string }{
		{"LPOP l 2", "LPOP l 2"},
		{"LPOP l 0", ""},
		{"RPOP none", ""},
		{"LMPOP 2 none l RIGHT COUNT 9", "RPOP l 3"},
		{"LMPOP 1 none LEFT", ""},
		{"BLPOP none l 0", "LPOP l"},
		{"BRPOP l 0", "RPOP l"},
		{"BLMPOP 0 1 l LEFT COUNT 2", "LPOP l 2"},
		{"BLMOVE l to left right 0", "LMOVE l to left right"},
		{"BRPOPLPUSH l l 0", "RPOPLPUSH l l"},
		{"LMOVE l to LEFT LEFT", "LMOVE l to LEFT LEFT"},
		{"RPUSHX none a", ""},
		{"LINSERT l BEFORE none a", ""},
		{"LREM l 0 none", ""},
		{"LTRIM l 0 -1", ""},
		{"LTRIM l 1 -1", "LTRIM l 1 -1"},
		{"LSET l 0 a", "LSET l 0 a"},
	} {
		t.Run(c.line, func(t *testing.T) {
			s := newStage(t)
			client := s.client()
			client.line("RPUSH l a b c")
			client.line(c.line)
			want := []string{"RPUSH l a b c"}
			if c.effect != "" {
				want = append(want, c.effect)
			}
			if diff := cmp.Diff(want, s.log.lines(t)); diff != "" {
				t.Errorf("-want +logged\n%s", diff)
			}
		})
	}
}

// lines are the effects, one a line.
func (l *recorder) lines(t *testing.T) (lines []string) {
	for _, cmd := range l.commands(t) {
		lines = append(lines, string(bytes.Join(cmd, []byte(" "))))
	}
	return lines
}

// A rewrite of the log says a list in commands of a bounded length.
func TestALongListIsRewrittenInParts(t *testing.T) {
	l := value.NewList()
	for i := range 150 {
		l.PushBack(strconv.Itoa(i))
	}
	e := New(Options{})
	var sizes []int
	for args := range Commands(&Entry{Key: "l", Value: l, Expire: 1 << 50}) {
		sizes = append(sizes, len(args))
		if err := e.Replay(0, args); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{66, 66, 24, 3}; !slices.Equal(sizes, want) {
		t.Errorf("commands of %d words, want %d", sizes, want)
	}
	again := e.Freeze(nil).Get(0, "l")
	if got := slices.Collect(again.Value.(*value.List).All()); !slices.Equal(got, slices.Collect(l.All())) || again.Expire != 1<<50 {
		t.Errorf("after a rewrite: %q, expires at %d", got, again.Expire)
	}
}

// A view of a list stays what it was whatever is done to the list, and the other way round.
func TestAFrozenListStays(t *testing.T) {
	s := newStage(t)
	client := s.client()
	client.line("RPUSH l a b c d e")
	for _, line := range []string{
		"LPUSH l x", "RPUSH l x", "LPOP l", "RPOP l 2", "LSET l 0 x", "LINSERT l AFTER a x", "LREM l 0 a", "LTRIM l 1 2",
		"LMOVE l l LEFT RIGHT", "LMOVE l other LEFT RIGHT", "BLPOP l 0", "LMPOP 1 l RIGHT COUNT 3",
	} {
		view := s.e.Freeze(nil)
		before := slices.Collect(view.Get(0, "l").Value.(*value.List).All())
		client.line(line)
		if diff := cmp.Diff(before, slices.Collect(view.Get(0, "l").Value.(*value.List).All())); diff != "" {
			t.Errorf("%s changed a view: -before +after\n%s", line, diff)
		}
		client.line("DEL l other")
		client.line("RPUSH l a b c d e")
	}
}
