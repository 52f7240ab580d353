package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

func TestSetsAnswerLikeRedis(t *testing.T) { answersLikeRedis(t, setCommand) }

func member(r *rand.Rand) string {
	return pick(r, "a", "b", "c", "longer", "", "1", "2", "3", "-4", "01", "9223372036854775808")
}

func setCommand(r *rand.Rand) trial {
	key := anyKey(r)
	switch r.IntN(20) {
	case 0, 1, 2, 3:
		args := []string{"SADD", key}
		whole := r.IntN(2) == 0
		for range 1 + r.IntN(5) {
			if whole {
				args = append(args, strconv.Itoa(r.IntN(9)-4))
			} else {
				args = append(args, member(r))
			}
		}
		return trial{args: args}
	case 4, 5:
		return trial{args: []string{"SREM", key, member(r), member(r), member(r)}}
	case 6:
		return trial{args: []string{"SCARD", key}}
	case 7:
		return trial{args: []string{"SMEMBERS", key}, compare: asSet}
	case 8:
		return trial{args: []string{"SISMEMBER", key, member(r)}}
	case 9:
		return trial{args: []string{"SMISMEMBER", key, member(r), member(r), member(r)}}
	case 10, 11:
		return trial{args: []string{"SMOVE", key, anyKey(r), member(r)}}
	case 12: // popping some of many would part the two servers
		return trial{args: []string{"SPOP", key, pick(r, "0", "100", "-1", "x", "9223372036854775807")}, compare: asSet, intact: true}
	case 13:
		return pick(r,
			trial{args: []string{"SRANDMEMBER", key}, compare: asShape},
			trial{args: []string{"SRANDMEMBER", key, strconv.Itoa(r.IntN(12) - 6)}, compare: asShape},
			trial{args: []string{"SRANDMEMBER", key, pick(r, "100", "x", "-9223372036854775808")}, compare: asSet, intact: true})
	case 14:
		return trial{args: append([]string{pick(r, "SINTER", "SUNION", "SDIFF")}, someKeys(r)...), compare: asSet}
	case 15, 16:
		return trial{args: append([]string{pick(r, "SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"), key}, someKeys(r)...)}
	case 17:
		keys := someKeys(r)
		args := append([]string{"SINTERCARD", strconv.Itoa(len(keys))}, keys...)
		if r.IntN(2) == 0 {
			args = append(args, "LIMIT", pick(r, "0", "1", "2", "-1", "x"))
		}
		return trial{args: args}
	case 18:
		return trial{args: pick(r, []string{"SPOP", key, "1", "1"}, []string{"SPOP", key, "x", "1"}, []string{"SRANDMEMBER", key, "1", "1"}), intact: true}
	default:
		return scanCommand(r, "SSCAN", key, asSet)
	}
}

func someKeys(r *rand.Rand) (keys []string) {
	for range 1 + r.IntN(3) {
		keys = append(keys, anyKey(r))
	}
	return keys
}

// chance makes the commands whose effects depend on it.
func chance(r *rand.Rand) trial {
	args := []string{"SPOP", anyKey(r)}
	if r.IntN(3) > 0 {
		args = append(args, strconv.Itoa(r.IntN(6)))
	}
	return trial{args: args}
}

func TestRandomPopsObeyTheReplayLaw(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	for range 20 {
		log := &recorder{}
		e := New(Options{Log: log})
		addr, stop := serve(t, e)
		c := dial(t, addr)
		for range 200 {
			c.do(pick(r, setCommand, chance)(r).args...)
		}
		if diff := log.replayed(t, e); diff != "" {
			t.Error(diff)
		}
		stop()
	}
}

func TestSPopTakesDistinctMembersAndLogsThem(t *testing.T) {
	for _, size := range []int{1, 5, 600, 3000} {
		for _, count := range []int{0, 1, size / 2, size - 1, size, size + 1} {
			log := &recorder{}
			e := New(Options{Log: log})
			addr, stop := serve(t, e)
			c := dial(t, addr)
			args := []string{"SADD", "s"}
			for i := range size {
				args = append(args, strconv.Itoa(i))
			}
			c.do(args...)
			rep := c.do("SPOP", "s", strconv.Itoa(count))
			taken := map[string]bool{}
			for _, m := range rep.items {
				if !slices.Contains(args[2:], m.text) {
					t.Fatalf("popped %q", m.text)
				}
				taken[m.text] = true
			}
			if want := min(count, size); len(taken) != want || len(rep.items) != want {
				t.Errorf("size %d: SPOP %d took %d members, %d distinct", size, count, len(rep.items), len(taken))
			}
			if left := c.do("SCARD", "s"); left.text != strconv.Itoa(size-len(taken)) {
				t.Errorf("size %d: %s members are left after SPOP %d", size, left.text, count)
			}
			for _, u := range log.all()[1:] {
				for _, cmd := range commands(t, u.effects) {
					if name := string(cmd[0]); name != "SREM" && name != "DEL" {
						t.Errorf("logged %q", cmd)
					}
				}
			}
			if diff := log.replayed(t, e); diff != "" {
				t.Error(diff)
			}
			stop()
		}
	}
}

func TestDrawChoosesAmongAllPositions(t *testing.T) {
	const size = 5
	for _, n := range []int64{1, 2, 4, 5, 9, -1, -7} {
		seen := map[int]bool{}
		for range 1000 {
			count, positions, err := draw(n, size)
			if err != nil {
				t.Fatal(err)
			}
			drawn := slices.Collect(positions)
			if want := int(max(-n, min(n, size))); count != want || len(drawn) != want {
				t.Fatalf("draw %d of %d: announced %d, drew %v", n, size, count, drawn)
			}
			for _, i := range drawn {
				if i < 0 || i >= size {
					t.Fatalf("draw %d of %d: %v", n, size, drawn)
				}
				seen[i] = true
			}
			if slices.Sort(drawn); n > 0 && len(slices.Compact(drawn)) != count {
				t.Fatalf("draw %d of %d: not distinct", n, size)
			}
		}
		if len(seen) != size {
			t.Errorf("draw %d of %d never chose some of them: %v", n, size, seen)
		}
	}
}

func TestDrawIsBounded(t *testing.T) {
	if _, _, err := draw(-maxRepeats-1, 1); err == nil {
		t.Error("more repetitions than allowed")
	}
	if count, _, err := draw(-maxRepeats, 1); err != nil || count != maxRepeats {
		t.Error(count, err)
	}
	if count, positions, err := draw(-3, 0); err != nil || count != 0 || fmt.Sprint(slices.Collect(positions)) != "[]" {
		t.Error("something was drawn from nothing")
	}
}
