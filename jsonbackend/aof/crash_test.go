package aof

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// life is what a process did with a log until the disk failed it.
type life struct {
	units    []done
	released int  // of units
	synced   int  // of units
	forgets  bool // removes what rewrites replaced
}

// add appends a unit and waits for it. If the disk does not take it, the log is mended once.
func (f *life) add(l *Log, u done) {
	seq := u.appendTo(l)
	f.units = append(f.units, u)
	err := synced(l, seq)
	if err != nil && mend(l, f.units) == nil {
		err = synced(l, seq)
	}
	if err == nil {
		f.released = int(seq)
	}
}

// sync does what happens once a second.
func (f *life) sync(l *Log) {
	if l.tick(); l.Err() == nil && !l.Stats().Unsynced {
		f.synced = f.released
	}
}

// base writes what units say; a failure shows at Commit.
func (f *life) base(r *Rewrite, seq uint64) {
	for _, u := range f.units[:seq] {
		for _, e := range u.Effects {
			r.Write(u.DB, words(e)...)
		}
	}
}

// live appends units shorter and longer than a sector, rewrites, gives a rewrite up and rewrites again.
func live(d *memory, p Policy) *life {
	f := &life{forgets: true}
	f.live(d, p)
	return f
}

func (f *life) live(d *memory, p Policy) {
	l, _, _, err := reopen(d, Options{Policy: p, Keep: time.Hour})
	if err != nil {
		return
	}
	next := 0
	add := func(n int) {
		for range n {
			value := strings.Repeat("v", 1+next%3*700)
			effects := []string{fmt.Sprint("SET k", next, " ", value), fmt.Sprint("DEL k", next-1)}
			f.add(l, done{DB: next / 3 % 2, Effects: effects[next%2:]})
			next++
		}
	}
	add(3)
	f.sync(l)
	for round := range 3 {
		add(2)
		r, err := l.PrepareRewrite()
		if err != nil {
			continue
		}
		add(1)
		seq := r.Rotate()
		add(2)
		f.base(r, seq)
		if round == 1 {
			r.Abort()
		} else {
			r.Commit()
		}
		add(1)
		if round == 1 {
			f.sync(l)
		}
		if round == 2 && f.forgets {
			l.dir.forget(l.dir.manifest.history)
		}
	}
	last := done{Effects: []string{"SET last v"}}
	last.appendTo(l)
	f.units = append(f.units, last)
	l.Close()
}

// check opens what is left of the disk: it must hold a prefix of the units, at least of n, and take more.
func (f *life) check(t *testing.T, left *memory, n int) {
	t.Helper()
	before := left.content()
	l, got, report, err := reopen(left, Options{Policy: Always})
	if err != nil {
		t.Fatalf("%v\n%q", err, before)
	}
	if report.Seq < uint64(n) || report.Seq > uint64(len(f.units)) {
		t.Fatalf("%d units are back, of %d, and %d were released\n%q", report.Seq, len(f.units), n, before)
	}
	want := flat(f.units[:report.Seq])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s\n%q", diff, before)
	}
	fill(t, l, someUnits[:2])
	left = left.cut(0)
	mustClose(t, l)
	_, got, _ = mustReopen(t, left, Options{})
	if diff := cmp.Diff(append(want, flat(someUnits[:2])...), got); diff != "" {
		t.Fatal(diff)
	}
}

// Whatever change of the disk is the last one, before a kill -9 or a power cut, the next start finds every unit that was
// released under the policy's promise.
func TestCrashAtAnyPoint(t *testing.T) {
	for _, policy := range []Policy{Always, EverySec} {
		t.Run(policy.String(), func(t *testing.T) {
			for at := 1; ; at++ {
				d := newMemory()
				d.crashAt(at)
				f := live(d, policy)
				promised := f.released
				if policy == EverySec {
					promised = f.synced
				}
				for seed := range 12 {
					f.check(t, d.cut(seed*at), promised)
				}
				if int(d.changes.Load()) < at {
					return
				}
				f.check(t, d.killed(), f.released)
			}
		})
	}
}

// A failure that passes (a full disk) loses nothing that was released, whether the log goes on or not.
func TestOneFailureAtAnyPoint(t *testing.T) {
	for _, policy := range []Policy{Always, EverySec} {
		for at := 1; ; at++ {
			d := newMemory()
			d.failAt(at)
			f := live(d, policy)
			promised := f.released
			if policy == EverySec {
				promised = f.synced
			}
			for seed := range 4 {
				f.check(t, d.cut(seed*at), promised)
			}
			if int(d.changes.Load()) < at {
				break
			}
			f.check(t, d.killed(), f.released)
		}
	}
}

// A start that is interrupted while it repairs leaves a directory that the next one repairs.
func TestCrashDuringRepair(t *testing.T) {
	d := newMemory()
	d.crashAt(60)
	f := live(d, Always)
	if len(f.units) < 5 || f.released == len(f.units) {
		t.Fatalf("the crash came at the wrong time: %d units", len(f.units))
	}
	for seed := range 10 {
		for at := 1; ; at++ {
			left := d.cut(seed)
			left.crashAt(at)
			l, _, _, err := reopen(left, Options{})
			if err == nil {
				mustClose(t, l)
				break
			}
			f.check(t, left.cut(seed+1), f.released)
		}
	}
}
