package aof

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
)

// A write that fails is told as failed. When the disk takes it again the log goes on where it was, and nothing that was
// appended is missing, whether or not it was told as failed.
func TestFailedWriteIsDoneLater(t *testing.T) {
	for _, policy := range []Policy{Always, EverySec, No} {
		t.Run(policy.String(), func(t *testing.T) {
			d := newMemory()
			l, _, _ := mustReopen(t, d, Options{Policy: policy})
			fill(t, l, someUnits[:1])
			d.failing("write")
			for _, u := range someUnits[1:3] {
				if err := synced(l, u.appendTo(l)); !errors.Is(err, errDisk) {
					t.Fatalf("Synced told %v", err)
				}
			}
			if err := l.Err(); !errors.Is(err, errDisk) {
				t.Errorf("Err() = %v", err)
			}
			if _, err := l.PrepareRewrite(); !errors.Is(err, errDisk) {
				t.Errorf("PrepareRewrite: %v", err)
			}
			if err := l.Resume(); !errors.Is(err, errDisk) {
				t.Errorf("Resume: %v", err)
			}
			_, got, report := mustReopen(t, d.killed(), Options{})
			if diff := cmp.Diff(flat(someUnits[:1]), got); diff != "" || report.Cut.Bytes != 0 {
				t.Error(report.Cut, diff)
			}
			d.fault(nil)
			if err := l.Resume(); err != nil || l.Err() != nil {
				t.Fatalf("Resume: %v, Err() = %v", err, l.Err())
			}
			fill(t, l, someUnits[3:])
			mustClose(t, l)
			if _, got, _ = mustReopen(t, d, Options{}); !cmp.Equal(replayed(someUnits), got) {
				t.Error(cmp.Diff(replayed(someUnits), got))
			}
		})
	}
}

// What a write that failed leaves behind is cut off before the next one, at the latest.
func TestTornWriteIsCutOff(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, someUnits[:1])
	d.fault(func(op disktest.Op) error {
		switch op.Name {
		case "write":
			return disktest.Torn{N: op.Size / 2, Err: errDisk}
		case "truncate":
			return errDisk
		}
		return nil
	})
	if err := synced(l, someUnits[1].appendTo(l)); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	if _, got, report := mustReopen(t, d.killed().fault(nil), Options{}); report.Cut.Bytes == 0 || !cmp.Equal(replayed(someUnits[:1]), got) {
		t.Fatal(report, got)
	}
	d.fault(nil)
	if err := l.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, got, report := mustReopen(t, d.killed(), Options{}); report.Cut.Bytes != 0 || !cmp.Equal(replayed(someUnits[:2]), got) {
		t.Fatal(report, got)
	}
	mustClose(t, l)
}

// A disk that is full refuses, keeps what it has, and takes more when there is room. A rewrite leaves nothing behind.
func TestFullDisk(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{Policy: Always})
	fill(t, l, someUnits[:2])
	before := d.content()
	d.SetCapacity(d.Used() + 10)
	if err := tryRewrite(l, someUnits[:2]); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("rewrite: %v", err)
	}
	if l.Err() != nil {
		t.Fatal(l.Err())
	}
	for name := range d.content() {
		if _, ok := before[name]; !ok && name != "appendonly.aof.2.incr.aof" { // the rotation was done
			t.Errorf("%s is left behind", name)
		}
	}
	if err := synced(l, someUnits[2].appendTo(l)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Synced told %v", err)
	}
	if _, got, report := mustReopen(t, d.killed(), Options{}); report.Cut.Bytes != 0 || !cmp.Equal(replayed(someUnits[:2]), got) {
		t.Fatal(report, got)
	}
	d.SetCapacity(0)
	if err := l.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := tryRewrite(l, someUnits[:3]); err != nil {
		t.Fatal(err)
	}
	fill(t, l, someUnits[3:])
	if _, got, _ := mustReopen(t, d.cut(0), Options{}); !cmp.Equal(replayed(append(withoutNotes(someUnits[:3]), someUnits[3:]...)), got) {
		t.Fatal(got)
	}
	mustClose(t, l)
}

// A second sync would succeed without the pages that the first one lost. So there is none: units are failed until a
// rewrite has said what memory says, in new files.
func TestFailedSyncIsNotTriedAgain(t *testing.T) {
	for _, policy := range []Policy{Always, EverySec} {
		d := newMemory()
		l, _, _ := mustReopen(t, d, Options{Policy: policy})
		fill(t, l, someUnits[:1])
		d.failing("sync")
		seq := someUnits[1].appendTo(l)
		if err := synced(l, seq); policy == Always && !errors.Is(err, errDisk) || policy != Always && err != nil {
			t.Fatalf("Synced told %v", err)
		}
		if err := l.Sync(); !errors.Is(err, errDisk) {
			t.Fatalf("Sync: %v", err)
		}
		incr := filepath.Join(memoryDir, firstIncr)
		d.fault(func(op disktest.Op) error {
			if op.Path == incr && op.Change && op.Name != "remove" {
				t.Errorf("%s of the increment after its sync had failed", op.Name)
			}
			return nil
		})
		for _, err := range []error{l.Resume(), l.Sync(), synced(l, someUnits[2].appendTo(l)), l.Err()} {
			if !errors.Is(err, errDisk) {
				t.Fatalf("told %v", err)
			}
		}
		if !l.Stats().Lost {
			t.Error("the log does not say that something is lost")
		}
		r, err := l.PrepareRewrite()
		if err != nil {
			t.Fatal(err)
		}
		if seq := r.Rotate(); seq != 3 {
			t.Fatalf("rotated at %d", seq)
		}
		late := someUnits[4].appendTo(l) // while the base is written
		if err := synced(l, late); !errors.Is(err, errDisk) {
			t.Fatalf("a unit is released that is on no disk: %v", err)
		}
		for _, u := range someUnits[:3] {
			for _, e := range u.Effects {
				r.Write(u.DB, words(e)...)
			}
		}
		if err := r.Commit(); err != nil || l.Err() != nil {
			t.Fatal(err, l.Err())
		}
		if err := synced(l, seq); err != nil {
			t.Fatalf("the base holds it, but Synced tells %v", err)
		}
		fill(t, l, someUnits[5:])
		l.Sync()
		want := replayed(append(withoutNotes(someUnits[:3]), someUnits[4:]...))
		for _, left := range []*memory{d.killed(), d.cut(0)} {
			if _, got, _ := mustReopen(t, left, Options{}); !cmp.Equal(want, got) {
				t.Error(cmp.Diff(want, got))
			}
		}
		mustClose(t, l)
	}
}

// A process that meets a failed sync and is killed leaves pages behind that read well and are on no disk. The next start
// writes them again.
func TestFailedSyncBeforeKillLosesNothing(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, someUnits[:2])
	l.tick()
	fill(t, l, someUnits[2:4])
	d.failing("sync")
	if err := l.Sync(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	next := d.killed()
	l, _, _ = mustReopen(t, next, Options{Policy: Always})
	fill(t, l, someUnits[4:])
	if _, got, _ := mustReopen(t, next.cut(0), Options{}); !cmp.Equal(replayed(someUnits), got) {
		t.Error(cmp.Diff(replayed(someUnits), got))
	}
	mustClose(t, l)
}

// A line proves what was synced, so that a start need not write everything again.
func TestOnlyWhatMayBeUnsyncedIsWrittenAgain(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	for range 3 {
		fill(t, l, someUnits[:4])
		l.tick()
	}
	size := len(d.content()[firstIncr])
	next := d.killed()
	written := 0
	next.fault(func(op disktest.Op) error {
		if op.Name == "write" && filepath.Base(op.Path) == firstIncr {
			written += op.Size
		}
		return nil
	})
	l2, _, _ := mustReopen(t, next, Options{})
	if written == 0 || written > size*3/4 {
		t.Errorf("%d of %d bytes are written again", written, size)
	}
	mustClose(t, l2)
	mustClose(t, l)
}

// Mending a log may fail at any change, and be tried again, and fail for good: nothing that was released is lost.
func TestFailureWhileMending(t *testing.T) {
	units := withoutNotes(someUnits)
	for _, spoil := range []string{"sync", "write"} {
		for at := 1; ; at++ {
			d := newMemory()
			l, _, _ := mustReopen(t, d, Options{Policy: Always})
			fill(t, l, units[:2])
			d.failing(spoil)
			synced(l, units[2].appendTo(l))
			d.failAt(at)
			first := mend(l, units[:3])
			last := int(d.changes.Load()) < at
			d.fault(nil)
			for _, left := range []*memory{d.killed(), d.cut(0), d.cut(1), d.cut(at)} {
				_, got, report := mustReopen(t, left, Options{})
				if report.Seq < 2 || !cmp.Equal(replayed(units[:report.Seq]), got) {
					t.Fatalf("%s, %d: %d units, %q", spoil, at, report.Seq, got)
				}
			}
			if first != nil {
				if err := mend(l, units[:3]); err != nil {
					t.Fatalf("%s, %d: %v", spoil, at, err)
				}
			}
			fill(t, l, units[3:])
			want := replayed(units)
			if _, got, report := mustReopen(t, d.cut(0), Options{}); !cmp.Equal(want, got) || len(report.Strays) > 0 {
				t.Fatalf("%s, %d: %+v %s", spoil, at, report, cmp.Diff(want, got))
			}
			mustClose(t, l)
			if last {
				break
			}
		}
	}
}

// mend does what whoever owns a log does about its fault.
func mend(l *Log, units []done) error {
	if !l.Stats().Lost {
		return l.Resume()
	}
	if err := tryRewrite(l, units); err != nil {
		return err
	}
	return l.Err()
}
