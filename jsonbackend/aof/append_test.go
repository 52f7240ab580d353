package aof

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// releases remembers what it is told, and looks at the disk at each release.
type releases struct {
	mu     sync.Mutex
	got    map[uint64]error
	looked func(seq uint64)
	group  sync.WaitGroup
}

func (r *releases) Release(seq uint64) {
	if r.looked != nil {
		r.looked(seq)
	}
	r.add(seq, nil)
}

func (r *releases) Fail(seq uint64, err error) { r.add(seq, err) }

func (r *releases) add(seq uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got[seq] = err
	r.group.Done()
}

// A release promises that the unit survives: a killed process under every policy, a power cut under Always.
func TestReleasedUnitsSurvive(t *testing.T) {
	for _, policy := range []Policy{Always, EverySec, No} {
		t.Run(policy.String(), func(t *testing.T) {
			d := newMemDisk()
			l, _, _ := mustReopen(t, d, Options{Policy: policy})
			r := &releases{got: map[uint64]error{}, looked: func(seq uint64) {
				left := d.powerCut(some(1)) // as after kill -9
				if policy == Always {
					left = d.powerCut(some(0))
				}
				_, _, report, err := reopen(left, Options{})
				if err != nil || report.Seq < seq {
					t.Errorf("unit %d was released, but the disk ends at %d (%v)", seq, report.Seq, err)
				}
			}}
			const writers, each = 8, 10
			r.group.Add(writers * each)
			for range writers {
				go func() {
					for i := range each {
						l.Synced(someUnits[i%3].appendTo(l), r)
					}
				}()
			}
			r.group.Wait()
			if len(r.got) != writers*each {
				t.Errorf("%d of %d units were released", len(r.got), writers*each)
			}
			mustClose(t, l)
		})
	}
}

func TestFailedDiskReleasesNothing(t *testing.T) {
	for _, policy := range []Policy{Always, EverySec, No} {
		t.Run(policy.String(), func(t *testing.T) {
			d := newMemDisk()
			l, _, _ := mustReopen(t, d, Options{Policy: policy})
			fill(t, l, someUnits[:1])
			d.failAt = d.ops + 1
			if err := synced(l, someUnits[1].appendTo(l)); !errors.Is(err, errCrash) {
				t.Fatalf("Synced told %v", err)
			}
			if err := synced(l, someUnits[2].appendTo(l)); !errors.Is(err, errCrash) {
				t.Fatalf("Synced told %v of the unit after", err)
			}
			if err := l.Err(); !errors.Is(err, errCrash) {
				t.Errorf("Err() = %v", err)
			}
			if _, err := l.PrepareRewrite(); !errors.Is(err, errCrash) {
				t.Errorf("PrepareRewrite: %v", err)
			}
			if err := l.Close(); !errors.Is(err, errCrash) {
				t.Errorf("Close: %v", err)
			}
			_, got, report := mustReopen(t, d, Options{})
			if diff := cmp.Diff(flat(someUnits[:1]), got); diff != "" {
				t.Error(diff)
			}
			if report.Cut.Bytes != 0 {
				t.Errorf("half a unit was left behind: %+v", report.Cut)
			}
		})
	}
}

// A second sync would succeed without the pages that the first one lost.
func TestFailedSyncIsNotTriedAgain(t *testing.T) {
	d := newMemDisk()
	l, _, _ := mustReopen(t, d, Options{Policy: Always})
	d.failAt = d.ops + 2 // the sync after the write
	seq := someUnits[0].appendTo(l)
	for range 2 {
		if err := synced(l, seq); !errors.Is(err, errCrash) {
			t.Fatalf("Synced told %v", err)
		}
		if err := l.Sync(); !errors.Is(err, errCrash) {
			t.Fatalf("Sync: %v", err)
		}
	}
	if d.ops != d.failAt {
		t.Errorf("%d changes after the failed sync", d.ops-d.failAt)
	}
	l.Close()
}

func TestEverySecondSyncsWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemDisk()
		l, _, _ := mustReopen(t, d, Options{Policy: EverySec})
		before := d.syncCount()
		fill(t, l, someUnits[:2])
		if d.syncCount() != before || !l.Stats().Unsynced {
			t.Error("synced before the second was over")
		}
		time.Sleep(1100 * time.Millisecond)
		if d.syncCount() != before+1 || l.Stats().Unsynced {
			t.Errorf("%d syncs in the first second", d.syncCount()-before)
		}
		time.Sleep(5 * time.Second)
		if d.syncCount() != before+1 {
			t.Error("synced although nothing was written")
		}
		someUnits[2].appendTo(l) // nobody waits for it
		time.Sleep(1100 * time.Millisecond)
		if d.syncCount() != before+2 || l.Stats().Buffered != 0 {
			t.Error("a unit that nobody waits for is not synced")
		}
		mustClose(t, l)
	})
}

func TestNoPolicyNeverSyncsButWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemDisk()
		l, _, _ := mustReopen(t, d, Options{Policy: No})
		before := d.syncCount()
		someUnits[0].appendTo(l)
		time.Sleep(3 * time.Second)
		if d.syncCount() != before || l.Stats().Buffered != 0 {
			t.Errorf("%d syncs, %d bytes buffered", d.syncCount()-before, l.Stats().Buffered)
		}
		mustClose(t, l)
	})
}

func TestEveryoneIsToldDespiteClose(t *testing.T) {
	for range 50 {
		l, _, _ := mustReopen(t, newMemDisk(), Options{Policy: Always})
		r := &releases{got: map[uint64]error{}}
		r.group.Add(4 * 20)
		for range 4 {
			go func() {
				for range 20 {
					l.Synced(someUnits[0].appendTo(l), r)
				}
			}()
		}
		mustClose(t, l)
		r.group.Wait()
		for seq, err := range r.got {
			if err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("unit %d: %v", seq, err)
			}
		}
	}
}

func TestClosedLogFailsUnits(t *testing.T) {
	for _, policy := range []Policy{Always, EverySec} {
		l, _, _ := mustReopen(t, newMemDisk(), Options{Policy: policy})
		seq := someUnits[0].appendTo(l)
		mustClose(t, l)
		if err := synced(l, seq); err != nil {
			t.Errorf("%v: Close has written the unit, but Synced tells %v", policy, err)
		}
		if err := synced(l, someUnits[1].appendTo(l)); !errors.Is(err, ErrClosed) {
			t.Errorf("%v: Synced after Close tells %v", policy, err)
		}
	}
}

func TestWritingPoliciesTellBeforeSyncedReturns(t *testing.T) {
	for _, policy := range []Policy{EverySec, No} {
		l, _, _ := mustReopen(t, newMemDisk(), Options{Policy: policy})
		w := make(waitFor, 1)
		l.Synced(someUnits[0].appendTo(l), w)
		if len(w) != 1 {
			t.Errorf("%v: Synced returned first", policy)
		}
		mustClose(t, l)
	}
}

// The bytes are the format: docs/format/aof.md shows them.
func TestBytesOfUnits(t *testing.T) {
	d := newMemDisk()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, []done{
		{0, []string{"SET a 1"}, ""},
		{0, []string{"SET a 2", "SADD s x"}, "agents.json sha256=5b2e"},
	})
	rewriteAs(t, l, []done{{Effects: []string{"SET a 2"}}, {Effects: []string{"SADD s x"}}})
	mustClose(t, l)
	want := []string{
		"*2", "$6", "SELECT", "$1", "0",
		"#select crc=2684b08a",
		"*3", "$3", "SET", "$1", "a", "$1", "1",
		"#unit seq=1 crc=53d803f2",
		"*1", "$5", "MULTI",
		"*3", "$3", "SET", "$1", "a", "$1", "2",
		"*3", "$4", "SADD", "$1", "s", "$1", "x",
		"*1", "$4", "EXEC",
		"#unit seq=2 note=agents.json sha256=5b2e crc=5d1fc13e",
		"",
	}
	if diff := cmp.Diff(want, strings.Split(d.content()[firstIncr], "\r\n")); diff != "" {
		t.Error(diff)
	}
	want = []string{
		"#base seq=2",
		"*2", "$6", "SELECT", "$1", "0",
		"*3", "$3", "SET", "$1", "a", "$1", "2",
		"*3", "$4", "SADD", "$1", "s", "$1", "x",
		"#end crc=f551ca87",
		"",
	}
	if diff := cmp.Diff(want, strings.Split(d.content()["appendonly.aof.2.base.aof"], "\r\n")); diff != "" {
		t.Error(diff)
	}
}
