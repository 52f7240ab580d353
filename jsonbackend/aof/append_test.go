package aof

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
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
			d := newMemory()
			l, _, _ := mustReopen(t, d, Options{Policy: policy})
			r := &releases{got: map[uint64]error{}, looked: func(seq uint64) {
				left := d.cut(1) // as after kill -9
				if policy == Always {
					left = d.cut(0)
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
						tell(l, someUnits[i%3].appendTo(l), r)
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

func TestEverySecondSyncsWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemory()
		l, _, _ := mustReopen(t, d, Options{Policy: EverySec})
		before := d.Syncs()
		fill(t, l, someUnits[:2])
		if d.Syncs() != before || !l.Stats().Unsynced {
			t.Error("synced before the second was over")
		}
		time.Sleep(1100 * time.Millisecond)
		if d.Syncs() != before+1 || l.Stats().Unsynced {
			t.Errorf("%d syncs in the first second", d.Syncs()-before)
		}
		time.Sleep(5 * time.Second)
		if d.Syncs() != before+1 {
			t.Error("synced although nothing was written")
		}
		someUnits[2].appendTo(l) // nobody waits for it
		time.Sleep(1100 * time.Millisecond)
		if d.Syncs() != before+2 || l.Stats().Buffered != 0 {
			t.Error("a unit that nobody waits for is not synced")
		}
		mustClose(t, l)
	})
}

// The policy may change at any time; units follow the one in force when somebody begins to wait for them.
func TestPolicyChangesAtRunTime(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{Policy: No})
	for _, policy := range []Policy{Always, EverySec, Always, No} {
		l.SetPolicy(policy)
		fill(t, l, someUnits[:1])
		if synced := !l.Stats().Unsynced; synced != (policy == Always) || l.Policy() != policy {
			t.Errorf("%v: synced is %v", policy, synced)
		}
	}
	mustClose(t, l)
}

func TestNoPolicyNeverSyncsButWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemory()
		l, _, _ := mustReopen(t, d, Options{Policy: No})
		before := d.Syncs()
		someUnits[0].appendTo(l)
		time.Sleep(3 * time.Second)
		if d.Syncs() != before || l.Stats().Buffered != 0 {
			t.Errorf("%d syncs, %d bytes buffered", d.Syncs()-before, l.Stats().Buffered)
		}
		mustClose(t, l)
	})
}

// Whoever comes while the disk syncs waits for the next sync, and all of them for the same one.
func TestManyShareOneSync(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{Policy: Always})
	const clients = 50
	begun, appended := make(chan struct{}, clients), make(chan struct{})
	d.fault(func(op disktest.Op) error {
		if op.Name == "sync" {
			begun <- struct{}{}
			<-appended
		}
		return nil
	})
	before := l.Stats()
	r := &releases{got: map[uint64]error{}}
	r.group.Add(clients + 1)
	go tell(l, someUnits[0].appendTo(l), r)
	<-begun
	for range clients {
		tell(l, someUnits[0].appendTo(l), r)
	}
	close(appended)
	r.group.Wait()
	if s := l.Stats(); s.Syncs-before.Syncs != 2 || s.Waited != clients+1 {
		t.Errorf("%d syncs for %d units", s.Syncs-before.Syncs, s.Waited)
	}
	mustClose(t, l)
}

func TestEveryoneIsToldDespiteClose(t *testing.T) {
	for range 50 {
		l, _, _ := mustReopen(t, newMemory(), Options{Policy: Always})
		r := &releases{got: map[uint64]error{}}
		r.group.Add(4 * 20)
		for range 4 {
			go func() {
				for range 20 {
					tell(l, someUnits[0].appendTo(l), r)
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
		l, _, _ := mustReopen(t, newMemory(), Options{Policy: policy})
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
		l, _, _ := mustReopen(t, newMemory(), Options{Policy: policy})
		if !l.Synced(someUnits[0].appendTo(l), make(waitFor, 1)) {
			t.Errorf("%v: Synced returned first", policy)
		}
		mustClose(t, l)
	}
}

// The bytes are the format: docs/format/aof.md shows them.
func TestBytesOfUnits(t *testing.T) {
	d := newMemory()
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
