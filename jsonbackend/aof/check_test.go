package aof

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// check is Check without what the log holds.
func check(d *memory) (Report, error) {
	return Check(d.Disk, memoryDir, Replay{Effect: func(int, [][]byte) error { return nil }})
}

func TestCheckFindsWhatOpenFinds(t *testing.T) {
	text, at := ends(t, someUnits)
	for _, broken := range []string{text, text[:len(text)-3], flip(text, at[1]+5, 1), flip(text, at[3]+9, 2)} {
		d := diskWith(broken)
		before := d.content()
		report, err := check(d)
		if !maps.Equal(before, d.content()) {
			t.Fatal("Check changed the directory")
		}
		_, _, want, wantErr := reopen(d, Options{})
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() || report.Seq != want.Seq || report.Cut != want.Cut {
			t.Errorf("Check: %+v, %v; Open: %+v, %v", report, err, want, wantErr)
		}
	}
}

// A repair loses what it says before, keeps everything beside, and the log goes on.
func TestRepairCutsAtTheDamage(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, someUnits[:4])
	r, _ := l.PrepareRewrite()
	r.Rotate()
	fill(t, l, someUnits[4:])
	r.Abort()
	mustClose(t, l)
	_, at := ends(t, someUnits[:4])
	text := d.content()[firstIncr]
	d.put(firstIncr, flip(text, at[0]+5, 1))
	before := d.content()

	_, err := check(d)
	damage, ok := errors.AsType[*Damage](err)
	if !ok || damage.Offset != int64(at[0]) {
		t.Fatal(err)
	}
	var lost []string
	loss, err := Behind(d.Disk, memoryDir, damage, func(args [][]byte) { lost = append(lost, string(args[0])) })
	if err != nil {
		t.Fatal(err)
	}
	if want := (Loss{Units: 5, Bytes: int64(len(text)-at[0]) + int64(len(before["appendonly.aof.2.incr.aof"]))}); loss != want {
		t.Errorf("%+v, want %+v", loss, want)
	}
	if got := strings.Join(lost, " "); !strings.Contains(got, "HSET") || !strings.HasSuffix(got, "DEL DEL SET SET") {
		t.Errorf("lost: %s", got)
	}
	if !maps.Equal(before, d.content()) {
		t.Fatal("looking changed the directory")
	}
	kept, err := Repair(d.Disk, memoryDir, damage)
	if err != nil {
		t.Fatal(err)
	}
	after := d.content()
	if len(kept) != 2 || after[kept[0]] != before[firstIncr] || after[kept[1]] != before["appendonly.aof.2.incr.aof"] {
		t.Errorf("kept %q", kept)
	}
	l, got, _ := mustReopen(t, d, Options{})
	if diff := cmp.Diff(replayed(someUnits[:1]), got); diff != "" {
		t.Error(diff)
	}
	fill(t, l, someUnits[1:2])
	mustClose(t, l)
	if _, got, _ = mustReopen(t, d, Options{}); !cmp.Equal(replayed(someUnits[:2]), got) {
		t.Error(got)
	}
}

// Wherever a unit is damaged, the units behind it are read.
func TestUnitsBehindADamageAreCounted(t *testing.T) {
	units := withoutNotes(someUnits[:3])
	text, at := ends(t, units)
	for i := at[0]; i < at[1]; i++ {
		d := diskWith(flip(text, i, 1))
		_, err := check(d)
		damage, ok := errors.AsType[*Damage](err)
		if !ok {
			t.Fatal(err)
		}
		loss, err := Behind(d.Disk, memoryDir, damage, func([][]byte) {})
		if err != nil || loss.Bytes != int64(len(text)-at[0]) || loss.Units < 2 {
			t.Errorf("byte %d: %+v, %v", i-at[0], loss, err)
		}
	}
}

func TestDamagedBaseIsNotCut(t *testing.T) {
	d := newMemory()
	if _, err := Repair(writtenDisk(t, someUnits).Disk, memoryDir, &Damage{File: firstBase}); !errors.Is(err, errBase) {
		t.Error(err)
	}
	if _, err := Behind(d.Disk, memoryDir, &Damage{File: firstBase}, nil); err == nil {
		t.Error("a log that is not there")
	}
}

// A copy may be made at any time, and is whole.
func TestCopyIsALog(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, someUnits[:2])
	rewriteAs(t, l, withoutNotes(someUnits[:2]))
	fill(t, l, someUnits[2:])
	if err := Copy(d.Disk, memoryDir, "/backup/aof"); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	left := folder{d.cut(0).Disk, "/backup/aof"}
	_, got, report := mustReopen(t, left, Options{})
	if diff := cmp.Diff(replayed(append(withoutNotes(someUnits[:2]), someUnits[2:]...)), got); diff != "" || report.Copied {
		t.Error(report, diff)
	}
}
