package aof

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRewriteWhileUnitsAreAppended(t *testing.T) {
	for _, policy := range []Policy{Always, EverySec} {
		t.Run(policy.String(), func(t *testing.T) {
			dir := onDisk(t)
			l, _, _ := mustReopen(t, dir, Options{Policy: policy, Keep: time.Nanosecond})
			var (
				engine sync.Mutex
				all    []done
				group  sync.WaitGroup
			)
			stop := make(chan struct{})
			for w := range 4 {
				group.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						u := done{DB: i % 2, Effects: []string{fmt.Sprint("SET w", w, " ", i)}}
						engine.Lock()
						seq := u.appendTo(l)
						all = append(all, u)
						engine.Unlock()
						if err := synced(l, seq); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for round := range 6 {
				for more := false; !more; time.Sleep(time.Millisecond) {
					engine.Lock()
					more = len(all) > 10*round
					engine.Unlock()
				}
				r, err := l.PrepareRewrite()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := l.PrepareRewrite(); !errors.Is(err, ErrRewriting) {
					t.Errorf("a second rewrite: %v", err)
				}
				engine.Lock()
				seq := r.Rotate()
				before := slices.Clone(all)
				engine.Unlock()
				if seq != uint64(len(before)) {
					t.Fatalf("rotated at %d of %d", seq, len(before))
				}
				for _, u := range before {
					r.Write(u.DB, words(u.Effects[0])...)
				}
				if n, _ := r.Written(); n != int64(seq) {
					t.Errorf("%d of %d commands are written", n, seq)
				}
				if round == 3 {
					r.Abort()
				} else if err := r.Commit(); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			group.Wait()
			mustClose(t, l)
			l, got, report := mustReopen(t, dir, Options{})
			if diff := cmp.Diff(flat(all), got); diff != "" || report.Seq != uint64(len(all)) {
				t.Errorf("%+v %s", report, diff)
			}
			if report.Units == len(all) || report.Strays != nil {
				t.Errorf("nothing was rewritten, or something left behind: %+v", report)
			}
			mustClose(t, l)
		})
	}
}

func TestReplacedFilesStayForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemory()
		l, _, _ := mustReopen(t, d, Options{})
		fill(t, l, someUnits)
		rewriteAs(t, l, slices.Clone(someUnits))
		old := []string{firstBase, firstIncr}
		now := []string{"appendonly.aof.2.base.aof", "appendonly.aof.2.incr.aof", manifestName}
		wantFiles(t, d, append(slices.Clone(old), now...))
		text := fmt.Sprintf("#directory %d\n", d.folder().id()) +
			"file appendonly.aof.2.base.aof seq 2 type b\n" +
			"file appendonly.aof.1.base.aof seq 1 type h\n" +
			"file appendonly.aof.1.incr.aof seq 1 type h\n" +
			"file appendonly.aof.2.incr.aof seq 2 type i\n"
		if diff := cmp.Diff(text, d.content()[manifestName]); diff != "" {
			t.Error(diff)
		}
		time.Sleep(DefaultKeep - time.Second)
		mustClose(t, l) // the time begins anew
		l, _, _ = mustReopen(t, d, Options{})
		time.Sleep(DefaultKeep - time.Second)
		wantFiles(t, d, append(slices.Clone(old), now...))
		time.Sleep(2 * time.Second)
		wantFiles(t, d, now)
		rewriteAs(t, l, slices.Clone(someUnits))
		mustClose(t, l)
		l, got, _ := mustReopen(t, d, Options{Keep: time.Second})
		if diff := cmp.Diff(replayed(withoutNotes(someUnits)), got); diff != "" {
			t.Error(diff)
		}
		time.Sleep(2 * time.Second)
		wantFiles(t, d, []string{"appendonly.aof.3.base.aof", "appendonly.aof.3.incr.aof", manifestName})
		mustClose(t, l)
	})
}

func withoutNotes(units []done) []done {
	units = slices.Clone(units)
	for i := range units {
		units[i].Note = ""
	}
	return units
}

func wantFiles(t *testing.T, d *memory, want []string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(d.content()))); diff != "" {
		t.Error(diff)
	}
}

func TestAbortedRewriteLeavesNothingBehind(t *testing.T) {
	for _, rotated := range []bool{false, true} {
		d := newMemory()
		l, _, _ := mustReopen(t, d, Options{})
		fill(t, l, someUnits[:2])
		r, err := l.PrepareRewrite()
		if err != nil {
			t.Fatal(err)
		}
		want := []string{firstBase, firstIncr, manifestName}
		if rotated {
			r.Rotate()
			someUnits[2].appendTo(l)
			want = append(want, "appendonly.aof.2.incr.aof")
		} else {
			someUnits[2].appendTo(l)
		}
		r.Abort()
		if s := l.Stats(); s.RewriteFailures != 0 || !s.Rewriting.IsZero() {
			t.Errorf("stats %+v", s)
		}
		fill(t, l, someUnits[3:])
		mustClose(t, l)
		wantFiles(t, d, want)
		_, got, _ := mustReopen(t, d, Options{})
		if diff := cmp.Diff(replayed(someUnits), got); diff != "" {
			t.Error(diff)
		}
	}
}

// A rewrite that fails does not stop the log, wherever it fails; the next one can succeed.
func TestFailedRewriteLeavesTheLogAlive(t *testing.T) {
	survived := 0
	for at := 1; ; at++ {
		d := newMemory()
		l, _, _ := mustReopen(t, d, Options{})
		fill(t, l, someUnits[:2])
		d.failAt(at)
		err := tryRewrite(l, someUnits[:2])
		if int(d.changes.Load()) < at {
			if survived < 10 {
				t.Errorf("the log survived only %d failures", survived)
			}
			mustClose(t, l)
			break
		}
		if err == nil { // it was a sync before the rewrite, which the rewrite mended
			mustClose(t, l)
			continue
		}
		s := l.Stats()
		if s.RewriteFailures != 1 || !s.Rewriting.IsZero() {
			t.Errorf("failure %d: %+v", at, s)
		}
		if l.Err() != nil { // a failed sync of the increment: nobody knows what it lost
			l.Close()
			continue
		}
		survived++
		fill(t, l, someUnits[2:3])
		killedAndCut(t, d, someUnits[:3])
		if err := tryRewrite(l, someUnits[:3]); err != nil {
			t.Errorf("after failure %d: %v", at, err)
		}
		if s := l.Stats(); s.RewriteFailures != 0 || s.Rewrites != 2 {
			t.Errorf("after failure %d: %+v", at, s)
		}
		fill(t, l, someUnits[3:])
		mustClose(t, l)
		_, got, _ := mustReopen(t, d, Options{})
		if diff := cmp.Diff(replayed(append(withoutNotes(someUnits[:3]), someUnits[3:]...)), got); diff != "" {
			t.Errorf("after failure %d: %s", at, diff)
		}
	}
}

func tryRewrite(l *Log, units []done) error {
	r, err := l.PrepareRewrite()
	if err != nil {
		return err
	}
	r.Rotate()
	for _, u := range units {
		for _, e := range u.Effects {
			if err := r.Write(u.DB, words(e)...); err != nil {
				r.Abort()
				return err
			}
		}
	}
	return r.Commit()
}

// killedAndCut checks that units survive a kill -9 and, after the next start, a power cut.
func killedAndCut(t *testing.T, d *memory, units []done) {
	t.Helper()
	left := d.killed()
	l, _, _ := mustReopen(t, left, Options{Policy: Always})
	fill(t, l, someUnits[3:4])
	_, got, _ := mustReopen(t, left.cut(0), Options{})
	if diff := cmp.Diff(append(replayed(units), replayed(someUnits[3:4])...), got); diff != "" {
		t.Error(diff)
	}
	mustClose(t, l)
}
