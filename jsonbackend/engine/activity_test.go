package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// Within a limit lie all durations up to it, none that are longer by more than 1/128, and never fewer than within a lower one.
func TestAHistogramTellsHowManyLieWithinALimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h histogram
		durations := rapid.SliceOfN(rapid.Custom(anyDuration), 0, 50).Draw(t, "durations")
		for _, d := range durations {
			h.record(d)
		}
		limits := slices.Sorted(slices.Values(rapid.SliceOfN(rapid.Custom(anyDuration), 1, 8).Draw(t, "limits")))
		for i, got := range h.within(limits) {
			least, most := uint64(0), uint64(0)
			for _, d := range durations {
				if d <= limits[i] {
					least++
				}
				if d <= limits[i]+limits[i]/histogramSteps+1 {
					most++
				}
			}
			if got < least || got > most {
				t.Fatalf("%d within %d ns, want %d to %d", got, limits[i], least, most)
			}
		}
	})
}

func TestActivityIsWhatINFOCounts(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	for _, words := range [][]string{{"SET", "a", "1"}, {"SET", "b", "1", "PX", "100000"}, {"GET", "a"}, {"GET", "none"}, {"LPUSH", "a", "1"},
		{"GET"}, {"NO"}, {"SELECT", "3"}, {"SET", "c", "1"}} {
		c.do(words...)
	}
	a := e.Activity()
	want := Activity{Errors: map[string]int64{"WRONGTYPE": 1, "ERR": 2}, Hits: 1, Misses: 1}
	want.Keys[0], want.Keys[3], want.Expiring[0] = 2, 1, 1
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got := map[string]string{}
	for _, c := range e.Commands([]time.Duration{500 * time.Millisecond}) {
		got[c.Spec.FullName] = fmt.Sprint(c.Calls, c.Rejected, c.Failed, c.Measured)
	}
	if diff := cmp.Diff(map[string]string{"set": "3 0 0 3", "get": "2 1 0 2", "lpush": "1 0 1 1", "select": "1 0 0 1"}, got); diff != "" {
		t.Errorf("calls, rejected, failed, measured (-want +got)\n%s", diff)
	}
}

func TestAddedIsToldOfWhatWasDoneAlone(t *testing.T) {
	var told []string
	e := New(Options{Added: func(db int, key []byte, pairs [][]byte) { told = append(told, fmt.Sprintf("%d %s %s", db, key, pairs)) }})
	addr, stop := serve(t, e)
	c := dial(t, addr)
	for _, words := range [][]string{
		{"XADD", "s", "MAXLEN", "~", "10", "*", "data", "plain"}, {"XADD", "s", "0-1", "data", "refused"}, {"XADD", "none", "NOMKSTREAM", "*", "data", "no stream"},
		{"MULTI"}, {"XADD", "s", "*", "data", "discarded"}, {"DISCARD"},
		{"MULTI"}, {"XADD", "s", "*", "data", "done", "n", "2"}, {"SELECT", "2"}, {"XADD", "s", "*", "data", "elsewhere"}, {"EXEC"},
	} {
		c.do(words...)
	}
	stop()
	if err := e.Replay(0, [][]byte{[]byte("XADD"), []byte("s"), []byte("*"), []byte("data"), []byte("replayed")}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"0 s [data plain]", "0 s [data done n 2]", "2 s [data elsewhere]"}, told); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPeekShowsWhatIsThere(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	c.do("SADD", "s", "a", "b")
	c.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
	c.do("SET", "over", "1", "PXAT", "1")
	length := func(key string) (n int) {
		e.Peek(0, key, func(v value.Value) {
			if n = -1; v != nil {
				n = v.Len()
			}
		})
		return n
	}
	for key, want := range map[string]int{"s": 2, "none": -1, "over": -1} {
		if got := length(key); got != want {
			t.Errorf("%s: length %d, want %d", key, got, want)
		}
	}
}
