package seen

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

const path = "/versions"

// model is what a history should hold: every version, and what it said.
type model struct {
	versions []Version
	bases    []lens.Base
}

func opened(t tb, d disk.Disk) *History {
	t.Helper()
	h, err := Open(d, path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return h
}

type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

// add stages a version and keeps it.
func (m *model) add(t tb, h *History, kind Kind, base lens.Base) Version {
	t.Helper()
	v, err := h.Stage(kind, idOf(len(m.versions)), base)
	if err == nil {
		err = h.Keep()
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	m.versions, m.bases = append(m.versions, v), append(m.bases, base)
	return v
}

func idOf(n any) ID { return IDOf(fmt.Append(nil, n)) }

// check compares every version.
func (m *model) check(t tb, h *History) {
	t.Helper()
	if diff := cmp.Diff(m.versions, h.versions, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("versions (-want +got)\n%s", diff)
	}
	for i, v := range m.versions {
		base, err := h.Base(v)
		if diff := cmp.Diff(m.bases[i], base, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("version %d: %v (-want +got)\n%s", v.Number, err, diff)
		}
	}
}

var names = []string{"a", "", "b c", "line\nbreak", "\x00\"", "\xed\xa0\x80", "ж", "d", "e", "f"}

// nextBase is what somebody makes of a base: some records changed, some gone, elements dropped and appended.
func nextBase(t *rapid.T, b lens.Base) lens.Base {
	next := lens.Base{Named: maps.Clone(b.Named)}
	if next.Named == nil {
		next.Named = map[string]uint64{}
	}
	for range rapid.IntRange(0, 4).Draw(t, "records") {
		name := rapid.SampledFrom(names).Draw(t, "name")
		if rapid.Bool().Draw(t, "gone") {
			delete(next.Named, name)
		} else {
			next.Named[name] = rapid.Uint64Range(0, 3).Draw(t, "sum")
		}
	}
	next.Order = slices.Clone(b.Order[min(len(b.Order), rapid.IntRange(0, 2).Draw(t, "dropped")):])
	for range rapid.IntRange(0, 3).Draw(t, "elements") {
		at := len(next.Order)
		if rapid.IntRange(0, 3).Draw(t, "where") == 0 {
			at = rapid.IntRange(0, at).Draw(t, "at")
		}
		next.Order = slices.Insert(next.Order, at, rapid.Uint64Range(0, 9).Draw(t, "element"))
	}
	return next
}

func drawKind(t *rapid.T) Kind {
	return rapid.SampledFrom([]Kind{Published, Read, Aside}).Draw(t, "kind")
}

func TestEveryVersionIsRememberedAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := disktest.New()
		disks := []disk.Disk{nil, d}
		var m [2]model
		var hs [2]*History
		hs[0], hs[1] = &History{}, opened(t, d)
		base := lens.Base{}
		for range rapid.IntRange(0, 12).Draw(t, "versions") {
			kind := drawKind(t)
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				hs[1].Close()
				hs[1] = opened(t, d)
			}
			if rapid.IntRange(0, 4).Draw(t, "in vain") == 0 {
				for _, h := range hs {
					if _, err := h.Stage(kind, idOf("in vain"), nextBase(t, base)); err != nil {
						t.Fatalf("%v", err)
					}
					if err := h.Drop(); err != nil {
						t.Fatalf("%v", err)
					}
				}
			}
			base = nextBase(t, base)
			for i := range disks {
				m[i].add(t, hs[i], kind, base)
			}
		}
		m[0].check(t, hs[0])
		m[1].check(t, hs[1])
		m[1].check(t, opened(t, d))
	})
}

// Thinning out keeps some versions as they were, the newest always, and of the old ones fewer than of the young.
func TestThinningOutChangesNoVersionThatIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, m, base := &History{}, model{}, lens.Base{}
		for range rapid.IntRange(1, 20).Draw(t, "versions") {
			base = nextBase(t, base)
			m.add(t, h, drawKind(t), base)
		}
		var all []block
		for b := range blocks(h.text) {
			all = append(all, b)
		}
		left := model{}
		c := newContent()
		for _, b := range thinned(all, rapid.IntRange(0, len(h.text)).Draw(t, "size")) {
			if err := c.apply(b.lines); err != nil {
				t.Fatalf("%v in\n%s", err, b.lines)
			}
			left.versions, left.bases = append(left.versions, b.Version), append(left.bases, c.base())
		}
		for i, v := range left.versions {
			if diff := cmp.Diff(m.bases[v.Number-1], left.bases[i], cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("version %d (-before +after)\n%s", v.Number, diff)
			}
		}
		if left.versions[len(left.versions)-1] != m.versions[len(m.versions)-1] {
			t.Fatalf("the newest is gone")
		}
	})
}

// OmniDaemon's JSON store loads the file once and writes it whole from its memory: the version that it loaded must be
// there after many publications.
func TestAVersionOfThousandsOfPublicationsAgoIsRemembered(t *testing.T) {
	h, m := &History{}, model{}
	base := lens.Base{Named: map[string]uint64{}}
	for i := range 50 {
		base.Named[fmt.Sprint("record:", i)] = 1
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for i := range 18_000 {
		base = lens.Base{Named: maps.Clone(base.Named)}
		base.Named[fmt.Sprint("record:", chance.IntN(60))] = uint64(i + 2)
		m.add(t, h, Published, base)
	}
	for _, ago := range []int{1, 100, 999, 5000} {
		read := m.bases[len(m.bases)-ago]
		doc := lens.Base{Named: maps.Clone(read.Named)}
		doc.Named["his own"] = 7
		v, got, _, err := h.Plausible(doc, Newest)
		if diff := cmp.Diff(read, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%d publications ago: version %v, %v (-want +got)\n%s", ago, v, err, diff)
		}
	}
	if len(h.text) > room+room/10 || len(h.versions) > len(m.versions)*3/4 || h.versions[0].Number > 4 {
		t.Errorf("%d bytes, %d versions of %d, the oldest is %v", len(h.text), len(h.versions), len(m.versions), h.versions[0])
	}
}

// differing counts the records that differ between two bases.
func differing(a, b lens.Base) (n int) {
	for name, sum := range a.Named {
		if other, ok := b.Named[name]; !ok || other != sum {
			n++
		}
	}
	for name := range b.Named {
		if _, ok := a.Named[name]; !ok {
			n++
		}
	}
	count := map[uint64]int{}
	for _, sum := range a.Order {
		count[sum]++
	}
	for _, sum := range b.Order {
		count[sum]--
	}
	for _, c := range count {
		n += abs(c)
	}
	return n
}

func TestTheFewestDifferingRecordsArePlausible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, m, base := &History{}, model{}, lens.Base{}
		for range rapid.IntRange(0, 10).Draw(t, "versions") {
			base = nextBase(t, base)
			m.add(t, h, drawKind(t), base)
		}
		doc := nextBase(t, lens.Base{})
		if len(m.bases) > 0 {
			doc = nextBase(t, rapid.SampledFrom(m.bases).Draw(t, "read"))
		}
		before := rapid.IntRange(1, len(m.versions)+2).Draw(t, "before")
		var want *Version
		wanted := lens.Base{}
		for i, v := range m.versions {
			if v.Number < before && (want == nil || differing(doc, m.bases[i]) <= differing(doc, wanted)) {
				want, wanted = &v, m.bases[i]
			}
		}
		got, base, n, err := h.Plausible(doc, before)
		if diff := cmp.Diff(want, got); err != nil || diff != "" || n != differing(doc, base) {
			t.Fatalf("differs in %d, %v (-want +got)\n%s", n, err, diff)
		}
		if diff := cmp.Diff(wanted, base, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("base (-want +got)\n%s", diff)
		}
	})
}

// story stages, keeps and drops, and returns what took effect, and what was staged when an operation failed.
func story(h *History) (m model, pending *Version) {
	base := lens.Base{}
	for i := range 6 {
		base = lens.Base{Named: maps.Clone(base.Named), Order: append(slices.Clone(base.Order), uint64(i))}
		if base.Named == nil {
			base.Named = map[string]uint64{}
		}
		base.Named[fmt.Sprint(i%4)] = uint64(i)
		v, err := h.Stage([]Kind{Published, Read, Aside}[i%3], idOf(i), base)
		if err != nil {
			continue
		}
		if i == 3 {
			h.Drop()
			continue
		}
		pending = &v
		m.versions, m.bases = append(m.versions, v), append(m.bases, base)
		if h.Keep() == nil {
			pending = nil
		}
	}
	h.Close()
	return m, pending
}

// However an operation fails, the history goes on afterwards, and holds what took effect.
func TestAFailedOperationLosesNoVersion(t *testing.T) {
	failure := errors.New("no")
	for n := range 60 {
		d := disktest.New()
		d.Before(disktest.FailAt(n, failure))
		m, _ := story(opened(t, d))
		d.Before(nil)
		h := opened(t, d)
		if err := h.Drop(); err != nil {
			t.Fatalf("operation %d: %v", n, err)
		}
		// What failed to be kept may be found undecided, and is then for the caller to settle.
		for i, v := range m.versions {
			if h.Find(v.ID, Newest) == nil && i < len(m.versions)-1 {
				t.Errorf("operation %d: version %d is forgotten", n, v.Number)
			}
		}
		m.add(t, h, Published, lens.Base{Named: map[string]uint64{"z": 1}})
		if base, err := opened(t, d).Base(h.versions[len(h.versions)-1]); err != nil || len(base.Named) != 1 {
			t.Errorf("operation %d: afterwards %v %v", n, base, err)
		}
	}
}

// After a power cut at any operation there is what took effect but for what only the file knows: the last publication.
func TestAPowerCutLosesNoVersion(t *testing.T) {
	for n := 1; n < 60; n++ {
		for seed := range 8 {
			d := disktest.New()
			d.Before(disktest.CrashAt(n))
			m, pending := story(opened(t, d))
			left := d.PowerCut(disktest.Some(seed))
			h := opened(t, left)
			known := map[ID]bool{}
			for _, v := range h.versions {
				known[v.ID] = true
			}
			if s := h.Staged(); s != nil {
				known[s.ID] = true
			}
			for i, v := range m.versions {
				if !known[v.ID] && !(pending != nil && i == len(m.versions)-1) {
					t.Fatalf("operation %d, seed %d: version %d is forgotten", n, seed, v.Number)
				}
			}
			if err := h.Drop(); err != nil {
				t.Fatalf("operation %d, seed %d: %v", n, seed, err)
			}
			m = model{versions: slices.Clone(h.versions)}
			for _, v := range m.versions {
				base, err := h.Base(v)
				if err != nil {
					t.Fatalf("operation %d, seed %d: %v", n, seed, err)
				}
				m.bases = append(m.bases, base)
			}
			m.add(t, h, Read, lens.Base{Order: []uint64{9}})
			m.check(t, opened(t, left))
		}
	}
}
