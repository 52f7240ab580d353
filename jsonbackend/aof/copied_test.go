package aof

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
)

// copier copies a directory as cp -r does: it lists the names once, then copies file by file in some order, and passes
// over what is gone by then.
type copier struct {
	from  *disktest.Disk
	to    *memory
	names []string
	size  map[string]int // of the files when it began
	order *rand.Rand
}

func newCopier(from *disktest.Disk, order *rand.Rand) *copier {
	c := &copier{from: from, to: newMemory(), size: map[string]int{}, order: order}
	for path, text := range from.Files() {
		c.size[filepath.Base(path)] = len(text)
	}
	c.to.Mkdir("/other", 0o755) // so that the IDs differ, as they do on any file system
	c.to.Rename(memoryDir, "/original")
	c.to.Rename("/other", memoryDir)
	c.names, _ = from.List(memoryDir)
	order.Shuffle(len(c.names), func(i, j int) { c.names[i], c.names[j] = c.names[j], c.names[i] })
	return c
}

// step copies one file. Of what is appended meanwhile it gets a part.
func (c *copier) step() (more bool) {
	if len(c.names) == 0 {
		return false
	}
	name := c.names[0]
	if text, err := disk.ReadFile(c.from, filepath.Join(memoryDir, name)); err == nil {
		if grown := len(text) - c.size[name]; grown > 0 && numberIn(name, incrInfix) > 0 {
			text = text[:c.size[name]+c.order.IntN(grown+1)]
		}
		c.to.put(name, string(text))
	}
	c.names = c.names[1:]
	return true
}

// A copy that begins and goes on at any point while the log is written, rewritten and mended starts, and holds everything
// that was released before it began.
func TestCopyUnderLoadHoldsWhatWasReleasedBefore(t *testing.T) {
	lost := 0
	for begin := 1; ; begin += 2 {
		done := false
		for seed := range 16 {
			chance := rand.New(rand.NewPCG(uint64(seed), uint64(begin)))
			d := newMemory()
			f := &life{}
			var c *copier
			released := 0
			d.fault(func(disktest.Op) error {
				switch n := int(d.changes.Load()); {
				case n < begin:
				case c == nil:
					c, released = newCopier(d.Aside(), chance), f.released
				default:
					for chance.IntN(2+seed%8) == 0 && c.step() {
					}
				}
				return nil
			})
			f.live(d, EverySec)
			if done = c == nil; done {
				break
			}
			for c.step() {
			}
			if !slices.Contains(slices.Collect(maps.Keys(c.to.content())), manifestName) {
				continue // it began before there was a log
			}
			l, got, report, err := reopen(c.to, Options{})
			if err != nil {
				t.Fatalf("begun at change %d, seed %d: %v\n%v", begin, seed, err, slices.Sorted(maps.Keys(c.to.content())))
			}
			if report.Seq < uint64(released) || !cmp.Equal(flat(f.units[:report.Seq]), got) {
				t.Fatalf("begun at change %d, seed %d: %d units, %d were released: %s", begin, seed, report.Seq, released, cmp.Diff(flat(f.units[:report.Seq]), got))
			}
			if report.Copied {
				lost++
			}
			fill(t, l, someUnits[:1])
			mustClose(t, l)
			if _, got, report := mustReopen(t, c.to, Options{}); len(got) != len(flat(f.units[:report.Seq-1]))+1 || report.Copied {
				t.Fatalf("after the first start: %+v", report)
			}
		}
		if done {
			break
		}
	}
	if lost < 20 {
		t.Errorf("only %d copies lacked something", lost)
	}
}

// Only a copy may lack files: the directory that was written may not.
func TestOriginalMayLackNothing(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, someUnits[:2])
	rewriteAs(t, l, slices.Clone(someUnits[:2]))
	fill(t, l, someUnits[2:])
	mustClose(t, l)
	for _, name := range []string{"appendonly.aof.2.base.aof", "appendonly.aof.2.incr.aof"} {
		left := d.killed()
		left.drop(name)
		if _, _, _, err := reopen(left, Options{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestACopyIsOneUntilItIsAdopted(t *testing.T) {
	d := newMemory()
	l, _, _ := mustReopen(t, d, Options{})
	fill(t, l, someUnits[:1])
	mustClose(t, l)
	c := newCopier(d.Disk, rand.New(rand.NewPCG(1, 1)))
	for c.step() {
	}
	for n, want := range []bool{true, true, false} {
		l, _, report := mustReopen(t, c.to, Options{})
		if report.Copy != want {
			t.Errorf("start %d: a copy: %v", n, report.Copy)
		}
		if n == 1 {
			if err := l.Adopted(); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, l)
	}
}
