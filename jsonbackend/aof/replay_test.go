package aof

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	firstIncr = "appendonly.aof.1.incr.aof"
	firstBase = "appendonly.aof.1.base.aof"
)

// ends returns where each unit ends in the increment that holds units, as kill -9 leaves it.
func ends(t testing.TB, units []done) (text string, at []int) {
	t.Helper()
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	for i := range units {
		fill(t, l, units[i:i+1])
		text = d.content()[firstIncr]
		at = append(at, len(text))
	}
	mustClose(t, l)
	return text, at
}

// diskWith returns a log whose increment is text.
func diskWith(text string) *memory {
	d := newMemory()
	m := manifest{base: baseEntry(1), incrs: []entry{incrEntry(1)}}
	d.put(manifestName, m.String())
	d.put(firstBase, string(appendBaseEnd(appendBaseHead(nil, 0), 0)))
	d.put(firstIncr, text)
	return d
}

func TestTornLastUnitIsCutOff(t *testing.T) {
	for n := 1; n <= len(someUnits); n++ {
		text, at := ends(t, someUnits[:n])
		begin := 0
		if n > 1 {
			begin = at[n-2]
		}
		for to := begin; to < len(text); to++ {
			for zeros := range 2 {
				d := diskWith(text[:to] + strings.Repeat("\x00", zeros*100))
				l, got, report := mustReopen(t, d, Options{})
				if diff := cmp.Diff(replayed(someUnits[:n-1]), got); diff != "" {
					t.Fatalf("%d of %d bytes of unit %d: %s", to-begin, len(text)-begin, n, diff)
				}
				want := Cut{firstIncr, int64(begin), int64(to - begin + zeros*100)}
				if want.Bytes == 0 {
					want = Cut{}
				}
				if report.Cut != want {
					t.Fatalf("cut %+v, want %+v", report.Cut, want)
				}
				// What follows must not notice.
				fill(t, l, someUnits[n-1:n])
				mustClose(t, l)
				_, got, _ = mustReopen(t, d, Options{})
				if diff := cmp.Diff(replayed(someUnits[:n]), got); diff != "" {
					t.Fatal(diff)
				}
			}
		}
	}
}

func TestAlteredLastUnitIsCutOffOrRefused(t *testing.T) {
	text, at := ends(t, someUnits)
	before := at[len(at)-2]
	for i := before; i < len(text); i++ {
		for bit := range 8 {
			d := diskWith(flip(text, i, bit))
			_, got, report, err := reopen(d, Options{})
			var damage *Damage
			if err != nil && !errors.As(err, &damage) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(replayed(someUnits[:len(at)-1]), got); diff != "" {
				t.Fatalf("byte %d bit %d: %s", i-before, bit, diff)
			}
			if err == nil && report.Cut.Offset != int64(before) {
				t.Fatalf("cut %+v", report.Cut)
			}
		}
	}
}

// What was synced is damaged rather than torn, also at its end: a log that was closed says so.
func TestDamageAfterCloseStopsTheStart(t *testing.T) {
	text := writtenDisk(t, someUnits).content()[firstIncr]
	_, at := ends(t, someUnits)
	last := at[len(at)-2]
	for i := last; i < at[len(at)-1]; i++ {
		wantDamage(t, diskWith(flip(text, i, 1)), firstIncr, int64(last), replayed(someUnits[:len(someUnits)-1]))
	}
	zeros := text[:last] + strings.Repeat("\x00", at[len(at)-1]-last) + text[at[len(at)-1]:]
	wantDamage(t, diskWith(zeros), firstIncr, int64(last), replayed(someUnits[:len(someUnits)-1]))
}

func flip(text string, i, bit int) string {
	b := []byte(text)
	b[i] ^= 1 << bit
	return string(b)
}

func TestDamagedEarlierUnitStopsTheStart(t *testing.T) {
	units := slices.Insert(slices.Clone(someUnits[:5]), 1, done{0, []string{"SET long " + strings.Repeat("x", 100)}, ""})
	text, at := ends(t, units)
	unit := 0
	for i := range at[len(at)-2] {
		if i == at[unit] {
			unit++
		}
		begin := 0
		if unit > 0 {
			begin = at[unit-1]
		}
		for bit := range 8 {
			wantDamage(t, diskWith(flip(text, i, bit)), firstIncr, int64(begin), replayed(units[:unit]))
		}
	}
}

// wantDamage checks that a log is refused, that nothing after the damage was applied, and no file changed.
func wantDamage(t *testing.T, d *memory, name string, at int64, applied []string) {
	t.Helper()
	before := d.content()
	_, got, _, err := reopen(d, Options{})
	var damage *Damage
	if !errors.As(err, &damage) || damage.File != name || damage.Offset != at {
		t.Fatalf("want damage of %s at %d, got %v", name, at, err)
	}
	if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), fmt.Sprint(at)) {
		t.Fatalf("the message does not say where: %v", err)
	}
	if diff := cmp.Diff(applied, got); diff != "" {
		t.Fatal(diff)
	}
	if !maps.Equal(before, d.content()) {
		t.Fatal("files were changed")
	}
}

func TestDamagedBaseStopsTheStart(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, someUnits)
	rewriteAs(t, l, slices.Clone(someUnits))
	mustClose(t, l)
	const name = "appendonly.aof.2.base.aof"
	text := d.content()[name]
	for i := range text {
		for bit := range 8 {
			if bit == 5 && i < len(baseField) {
				continue // "#BASE": checked below
			}
			d.put(name, flip(text, i, bit))
			wantDamage(t, d, name, 0, nil)
		}
		d.put(name, text[:i])
		if _, _, _, err := reopen(d, Options{}); err == nil && i > 0 {
			t.Fatalf("a base of %d of %d bytes is accepted", i, len(text))
		}
	}
}

// A wrong length that leads beyond the end of the file looks like a torn unit, but for the units it swallowed.
func TestSwallowedUnitsAreFound(t *testing.T) {
	line := "\r\n#unit seq=7 crc=00000000\r\n"
	var pads []int
	for around := -len(line); around < len(line); around++ {
		pads = append(pads, searchStep-lineLimit+around, searchStep+around)
	}
	for _, pad := range pads {
		text := strings.Repeat("x", pad) + line
		for _, after := range []string{"", "*", strings.Repeat("y", 2*searchStep)} {
			got, err := lookBehind(strings.NewReader(text+after), 0, int64(len(text+after)))
			if want := after != ""; got.units != want || err != nil {
				t.Fatalf("line at %d, %d bytes after: %+v, %v", pad, len(after), got, err)
			}
		}
	}
}

func TestMissingUnitsStopTheStart(t *testing.T) {
	text, at := ends(t, someUnits)
	without := text[:at[1]] + text[at[2]:]
	wantDamage(t, diskWith(without), firstIncr, int64(at[1]), replayed(someUnits[:2]))
}

// Only the end of the last file can be torn: what was appended to an earlier one was synced before the next was used.
func TestTornEarlierFileStopsTheStart(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, someUnits[:2])
	r, err := l.PrepareRewrite()
	if err != nil {
		t.Fatal(err)
	}
	r.Rotate()
	fill(t, l, someUnits[2:3])
	r.Abort()
	mustClose(t, l)
	if _, got, _ := mustReopen(t, d, Options{}); !cmp.Equal(replayed(someUnits[:3]), got) {
		t.Fatalf("got %q", got)
	}
	_, at := ends(t, someUnits[:1])
	text := d.content()[firstIncr]
	d.put(firstIncr, text[:len(text)-1])
	wantDamage(t, d, firstIncr, int64(at[0]), replayed(someUnits[:1]))

	// Redis names the next increment before it uses it: then the torn file is the last that counts.
	d.put("appendonly.aof.2.incr.aof", "")
	l, got, report := mustReopen(t, d, Options{})
	if diff := cmp.Diff(replayed(someUnits[:1]), got); diff != "" || report.Cut.File != firstIncr {
		t.Fatalf("cut %+v %s", report.Cut, diff)
	}
	mustClose(t, l)
}

func TestMissingFileStopsTheStart(t *testing.T) {
	for _, name := range []string{firstIncr, firstBase} {
		d := writtenDisk(t, someUnits)
		d.drop(name)
		before := d.content()
		if _, got, _, err := reopen(d, Options{}); err == nil || !strings.Contains(err.Error(), name) || got != nil {
			t.Errorf("without %s: %v", name, err)
		}
		if !maps.Equal(before, d.content()) {
			t.Error("the directory was changed")
		}
	}
}

func TestRefusedEffectStopsTheStart(t *testing.T) {
	d := writtenDisk(t, someUnits)
	_, at := ends(t, someUnits[:1])
	before := d.content()
	refused := errors.New("no such command")
	_, _, err := open(d.folder(), Options{}, Replay{Effect: func(_ int, args [][]byte) error {
		if string(args[0]) == "SADD" {
			return refused
		}
		return nil
	}})
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), fmt.Sprintf("%s: unit at offset %d", firstIncr, at[0])) {
		t.Errorf("error %v", err)
	}
	if !maps.Equal(before, d.content()) {
		t.Error("the directory was changed")
	}
}

func resp(commands ...string) string {
	var b []byte
	for _, c := range commands {
		b = AppendCommand(b, strings.Fields(c)...)
	}
	return string(b)
}

// What a real Redis appends has no lines. Its sessions begin with SELECT, which 7.0 writes before MULTI and later
// versions after it.
func TestUnitsOfRedisAreAccepted(t *testing.T) {
	ours, _ := ends(t, someUnits[:1])
	tests := map[string]struct {
		theirs string
		want   []string
		units  int
	}{
		"command":            {resp("SELECT 0", "SET x 1"), []string{"0 SET x 1"}, 1},
		"commands":           {resp("SELECT 0", "SET x 1", "select 2", "SET y 1"), []string{"0 SET x 1", "2 SET y 1"}, 2},
		"transaction":        {resp("SELECT 1", "MULTI", "SET x 1", "SET y 2", "EXEC"), []string{"1 SET x 1", "1 SET y 2"}, 1},
		"select after multi": {resp("MULTI", "SELECT 1", "SET x 1", "SELECT 2", "SET y 2", "EXEC", "SET z 3"), []string{"1 SET x 1", "2 SET y 2", "2 SET z 3"}, 2},
		"timestamps":         {"#TS:1628217470\r\n" + resp("SELECT 0", "SET x 1") + "#TS:1628217471\r\n", []string{"0 SET x 1"}, 1},
		"in a transaction":   {resp("SELECT 0", "MULTI", "SET x 1") + "#TS:1628217471\r\n" + resp("SET y 1", "EXEC"), []string{"0 SET x 1", "0 SET y 1"}, 1},
		"torn by redis":      {resp("SELECT 7", "SELECT 0", "SET x 1"), []string{"0 SET x 1"}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, before := range []string{"", ours} {
				want := tt.want
				if before != "" {
					want = append(flat(someUnits[:1]), tt.want...)
				}
				d := diskWith(before + tt.theirs)
				l, got, report := mustReopen(t, d, Options{})
				if diff := cmp.Diff(want, got); diff != "" || report.Cut.Bytes != 0 {
					t.Fatalf("cut %+v %s", report.Cut, diff)
				}
				// Ours after theirs, which is intact or torn: theirs count as units.
				fill(t, l, someUnits[3:4])
				mustClose(t, l)
				_, got, report = mustReopen(t, d, Options{})
				want = append(slices.Clone(want), flat(someUnits[3:4])...)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatal(diff)
				}
				if units := tt.units + 1 + len(before)/max(1, len(ours)); report.Units != units || report.Seq != uint64(units) {
					t.Errorf("report %+v, want %d units", report, units)
				}
			}
		})
	}
}

func TestTornUnitOfRedisIsCutOff(t *testing.T) {
	ours, _ := ends(t, someUnits[:1])
	theirs := resp("SELECT 0", "SET x 1")
	last := resp("MULTI", "SET y 1", "SET z 1", "EXEC")
	for to := range len(last) {
		_, got, report := mustReopen(t, diskWith(ours+theirs+last[:to]), Options{})
		if diff := cmp.Diff([]string{"0 SET a 1", "0 SET x 1"}, got); diff != "" {
			t.Fatal(diff)
		}
		if report.Cut.Bytes != int64(to) {
			t.Fatalf("cut %+v", report.Cut)
		}
	}
}

func TestUnitWithoutItsLineIsNotTakenForTheirs(t *testing.T) {
	ours, at := ends(t, someUnits[:3])
	bare := resp("SET q 1")
	wantDamage(t, diskWith(ours[:at[0]]+bare+ours[at[0]:]), firstIncr, int64(at[0]), replayed(someUnits[:1]))
}

func TestBaseOfRedis(t *testing.T) {
	d := diskWith(resp("SELECT 0", "DEL a"))
	d.put(firstBase, "#TS:1628217470\r\n"+resp("FUNCTION LOAD code", "SELECT 4", "SET a 1", "SET b 1"))
	l, got, report := mustReopen(t, d, Options{})
	if diff := cmp.Diff([]string{"0 FUNCTION LOAD code", "4 SET a 1", "4 SET b 1", "0 DEL a"}, got); diff != "" || report.Units != 1 {
		t.Errorf("%+v %s", report, diff)
	}
	mustClose(t, l)

	d.put(firstBase, "REDIS0010\xfa...")
	if _, _, _, err := reopen(d, Options{}); err == nil || !strings.Contains(err.Error(), "written by Redis with an RDB preamble; set aof-use-rdb-preamble no") {
		t.Errorf("error %v", err)
	}
}

// A length is checked against the file before memory is taken for it.
func TestForgedLengthsTakeNoMemory(t *testing.T) {
	for _, text := range []string{
		"*1\r\n$999999999999\r\nx\r\n", "*999999999999\r\n$1\r\nx\r\n", "*1\r\n$9223372036854775807\r\n", "*99999999999999999999\r\n",
	} {
		d := diskWith(text)
		got := testing.AllocsPerRun(1, func() {
			p := player{folder: d.folder(), to: Replay{Effect: func(int, [][]byte) error { return nil }}}
			p.increment(newScanner(strings.NewReader(text), int64(len(text)), nil))
			if cap(p.buf) > 2*window {
				t.Errorf("%q: %d bytes", text, cap(p.buf))
			}
		})
		if got > 50 {
			t.Errorf("%q: %v allocations", text, got)
		}
	}
}

func FuzzReplayNeverPanics(f *testing.F) {
	text, _ := ends(f, someUnits)
	f.Add(text)
	f.Add(resp("SELECT 0", "MULTI", "SET a 1", "EXEC"))
	f.Add(string(appendBaseEnd(appendBaseHead(nil, 7), 0)))
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{firstIncr, firstBase} {
			d := diskWith("")
			d.put(name, text)
			l, first, _, err := reopen(d, Options{})
			if err != nil {
				continue
			}
			mustClose(t, l)
			l, second, report := mustReopen(t, d, Options{})
			if diff := cmp.Diff(first, second); diff != "" || report.Cut.Bytes != 0 {
				t.Errorf("the second start differs: %+v %s", report.Cut, diff)
			}
			mustClose(t, l)
		}
	})
}
