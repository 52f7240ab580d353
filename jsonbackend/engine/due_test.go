package engine

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever lifetimes are given, changed and taken away, and in how many steps it is looked at: what has expired is found, and
// nothing else; and the agenda never holds much more than there is.
func TestTheAgendaFindsWhatHasExpired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDB(0)
		now := rapid.SampledFrom([]int64{1, 1_700_000_000_000}).Draw(t, "begin")
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 1, 3000}).Draw(t, "times") {
					key := fmt.Sprint("k", rapid.IntRange(0, 20).Draw(t, "key"))
					if d.keys[key] == nil {
						d.put(&Entry{Key: key})
					}
					span := rapid.SampledFrom([]int64{-5, 0, 1, 2, 50, 1000, 100_000, 1 << 40, math.MaxInt64 / 2}).Draw(t, "span")
					d.setExpire(d.keys[key], max(now+span, 1))
				}
				if most := 3*d.ttls + 2*mostStale; d.due.len > most {
					t.Fatalf("%d items for %d keys", d.due.len, d.ttls)
				}
			},
			"persist": func(t *rapid.T) {
				if e := d.keys[fmt.Sprint("k", rapid.IntRange(0, 20).Draw(t, "key"))]; e != nil {
					d.setExpire(e, 0)
				}
			},
			"die": func(t *rapid.T) {
				if e := d.keys[fmt.Sprint("k", rapid.IntRange(0, 20).Draw(t, "key"))]; e != nil {
					d.remove(e)
				}
			},
			"a few steps": func(t *rapid.T) {
				d.due.advance(now)
				for range rapid.IntRange(0, 30).Draw(t, "steps") {
					if e, _ := d.sift(now); e != nil {
						if e.Expire > now {
							t.Fatalf("%s expires at %d, after %d", e.Key, e.Expire, now)
						}
						d.remove(e)
					}
				}
			},
			"time": func(t *rapid.T) {
				now += rapid.SampledFrom([]int64{0, 1, 7, 100, 1000, 1 << 30, 1 << 41}).Draw(t, "time")
				d.due.advance(now)
				for e, more := d.sift(now); more; e, more = d.sift(now) {
					if e != nil {
						d.remove(e)
					}
				}
				for _, e := range d.keys {
					if e.Expire != 0 && e.Expire <= now {
						t.Fatalf("%s expired at %d and is there at %d", e.Key, e.Expire, now)
					}
				}
			},
		})
	})
}

// Keys that expire together go in few units, each of one DEL, and the replay of them leaves nothing.
func TestManyKeysExpireInUnitsOfOneDel(t *testing.T) {
	log := &recorder{}
	e := New(Options{Log: log})
	do := inProcess(t, e)
	soon := time.Now().UnixMilli() + 1
	const n = 5000
	for i := range n {
		do(request(t, fmt.Sprintf("SET k%d v PXAT %d", i, soon)))
	}
	do(request(t, "SET stays v EX 1000"))
	before := len(log.all())
	for time.Now().UnixMilli() <= soon {
		time.Sleep(time.Millisecond)
	}
	e.ExpireDue()
	gone := map[string]bool{}
	units := log.all()[before:]
	for _, u := range units {
		cmds := commands(t, u.effects)
		if len(cmds) != 1 || string(cmds[0][0]) != "DEL" {
			t.Fatalf("a unit of %q", cmds)
		}
		for _, key := range cmds[0][1:] {
			gone[string(key)] = true
		}
	}
	if len(gone) != n || gone["stays"] || len(units) > n/10 {
		t.Errorf("%d keys went in %d units", len(gone), len(units))
	}
	if diff := log.replayed(t, e); diff != "" {
		t.Error(diff)
	}
}

// Events of keys that expire are as before, key by key.
func TestEachKeyThatExpiresIsTold(t *testing.T) {
	s := newStage(t)
	c := s.client()
	c.line("CONFIG SET notify-keyspace-events Ex")
	heard := s.client()
	heard.line("SUBSCRIBE __keyevent@0__:expired")
	soon := time.Now().UnixMilli() + 1
	for i := range 3 {
		c.line(fmt.Sprintf("SET k%d v PXAT %d", i, soon))
	}
	for time.Now().UnixMilli() <= soon {
		time.Sleep(time.Millisecond)
	}
	s.e.ExpireDue()
	var got []string
	for range 3 {
		got = append(got, heard.read().items[2].text)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"k0", "k1", "k2"}, got); diff != "" {
		t.Error(diff)
	}
}
