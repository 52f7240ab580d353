package value

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// numbered returns a stream of n entries, 1-0, 2-0, ..., with one field of size bytes.
func numbered(t testing.TB, n, size int) *Stream {
	limits := DefaultStreamLimits()
	s := NewStream(&limits)
	pairs := [][]byte{[]byte("data"), []byte(strings.Repeat("v", size))}
	for i := range n {
		if err := s.Append(StreamID{Ms: uint64(i + 1)}, pairs); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestStreamCopiesAreEditedConcurrently(t *testing.T) {
	a := numbered(t, 3000, 20)
	g, _ := a.CreateGroup("g", StreamID{}, 0)
	g.CreateConsumer("c", 1)
	for e := range a.All() {
		g.SetPending(Nack{ID: e.ID, Consumer: "c", Time: 1, Count: 1})
	}
	frozen := a.Clone().(*Stream)
	b := frozen.Clone().(*Stream)
	want := modelOf(t, frozen)

	edit := func(s *Stream, offset uint64) {
		g := s.EditGroup("g")
		g.CreateConsumer("d", 2)
		for i := uint64(1); i < 2000; i += 3 {
			id := StreamID{Ms: i + offset}
			s.Delete(id)
			g.SetPending(Nack{ID: id, Consumer: "d", Time: 2, Count: 2})
			g.Ack(StreamID{Ms: id.Ms + 1})
			s.Append(StreamID{Ms: 5000 + id.Ms}, [][]byte{[]byte("data"), []byte("new")})
		}
		s.TrimMaxLen(2900, false, 0)
	}
	var wg sync.WaitGroup
	wg.Go(func() { edit(a, 0) })
	wg.Go(func() { edit(b, 1) })
	got := modelOf(t, frozen)
	wg.Wait()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("frozen copy changed (-before +after):\n%s", diff)
	}
	checkStream(t, frozen, want)
	if a.Len() != 2900 || b.Len() != 2900 || a.FirstID() != (StreamID{Ms: 152}) || b.FirstID() != (StreamID{Ms: 151}) {
		t.Fatalf("edited copies have %d and %d entries from %v and %v", a.Len(), b.Len(), a.FirstID(), b.FirstID())
	}
}

func TestStreamEntryOutlivesItsNode(t *testing.T) {
	s := numbered(t, 10, 5)
	e, _ := s.Get(StreamID{Ms: 5})
	for i := range uint64(9) {
		s.Delete(StreamID{Ms: i + 1})
		s.Append(StreamID{Ms: 100 + i}, [][]byte{[]byte("xxxx"), []byte("XXXXX")})
	}
	if diff := cmp.Diff([]string{"data", "vvvvv"}, pairsOf(e)); diff != "" {
		t.Fatal(diff)
	}
}

func TestStreamAppendRefuses(t *testing.T) {
	pair := [][]byte{[]byte("f"), []byte("v")}
	huge := slices.Repeat([][]byte{make([]byte, 1<<20)}, maxNodeBytes>>20+2)
	for _, c := range []struct {
		name  string
		last  StreamID
		id    StreamID
		pairs [][]byte
		want  error
	}{
		{"0-0", StreamID{}, StreamID{}, pair, ErrIDTooSmall},
		{"the last ID", StreamID{5, 5}, StreamID{5, 5}, pair, ErrIDTooSmall},
		{"a lower ID", StreamID{5, 5}, StreamID{4, 9}, pair, ErrIDTooSmall},
		{"anything at the end", MaxStreamID(), MaxStreamID(), pair, ErrIDsExhausted},
		{"more than a node holds", StreamID{5, 5}, StreamID{6, 0}, huge, ErrEntryTooLarge},
	} {
		limits := DefaultStreamLimits()
		s := NewStream(&limits)
		if err := s.SetID(c.last, KeepAdded, StreamID{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Append(c.id, c.pairs); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if s.Len() != 0 || s.LastID() != c.last || s.EntriesAdded() != 0 {
			t.Errorf("%s: stream changed", c.name)
		}
	}
	for _, pairs := range [][][]byte{nil, pair[:1]} {
		if err := numbered(t, 1, 1).Append(MaxStreamID(), pairs); err == nil {
			t.Errorf("Append took %q", pairs)
		}
	}
}

func TestStreamChoosesIDs(t *testing.T) {
	const most = math.MaxUint64
	for _, c := range []struct {
		last    StreamID
		ms      uint64
		id      StreamID
		err     error
		seq     StreamID
		seqFail error
	}{
		{last: StreamID{}, ms: 0, id: StreamID{0, 1}, seq: StreamID{0, 1}},
		{last: StreamID{5, 2}, ms: 7, id: StreamID{7, 0}, seq: StreamID{7, 0}},
		{last: StreamID{5, 2}, ms: 5, id: StreamID{5, 3}, seq: StreamID{5, 3}},
		{last: StreamID{5, 2}, ms: 4, id: StreamID{5, 3}, seqFail: ErrIDTooSmall},
		{last: StreamID{5, most}, ms: 5, id: StreamID{6, 0}, seqFail: ErrIDTooSmall},
		{last: StreamID{most, most}, ms: 5, err: ErrIDsExhausted, seqFail: ErrIDTooSmall},
	} {
		limits := DefaultStreamLimits()
		s := NewStream(&limits)
		s.SetID(c.last, KeepAdded, StreamID{})
		if id, err := s.NextID(c.ms); id != c.id || err != c.err {
			t.Errorf("after %v NextID(%d) = %v, %v", c.last, c.ms, id, err)
		}
		if id, err := s.NextSeq(c.ms); id != c.seq || err != c.seqFail {
			t.Errorf("after %v NextSeq(%d) = %v, %v", c.last, c.ms, id, err)
		}
	}
}

func TestStreamIsCompact(t *testing.T) {
	const entries, size, most = 100_000, 200, 250
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	s := numbered(t, entries, size)
	if per := (heap() - before) / entries; per > most {
		t.Errorf("an entry of %d bytes takes %d, want at most %d", size, per, most)
	}
	runtime.KeepAlive(s)
}

func TestStreamAdvanceLooksForwardOnly(t *testing.T) {
	s := numbered(t, 5, 1)
	g, _ := s.CreateGroup("g", StreamID{Ms: 3}, 3)
	for _, ms := range []uint64{2, 3} {
		s.Advance(g, StreamID{Ms: ms})
		if g.LastID() != (StreamID{Ms: 3}) || g.EntriesRead() != 3 {
			t.Fatalf("after reading %d-0 again: last ID %v, %d read", ms, g.LastID(), g.EntriesRead())
		}
	}
}

func TestStreamIterationsStopEarly(t *testing.T) {
	s := numbered(t, 300, 1)
	g, _ := s.CreateGroup("g", StreamID{}, 0)
	g.CreateConsumer("c", 1)
	for e := range s.All() {
		g.SetPending(Nack{ID: e.ID, Consumer: "c"})
	}
	from, to := StreamID{Ms: 95}, MaxStreamID()
	var got []string
	for e := range s.Range(from, to) {
		for field := range e.Fields() {
			got = append(got, e.ID.String(), string(field))
			break
		}
		break
	}
	for e := range s.RevRange(from, to) {
		got = append(got, e.ID.String())
		break
	}
	for n := range g.Pending(from, to) {
		got = append(got, n.ID.String())
		break
	}
	for n := range g.PendingOf(g.Consumer("c"), from, to) {
		got = append(got, n.ID.String())
		break
	}
	if diff := cmp.Diff([]string{"95-0", "data", "300-0", "95-0", "95-0"}, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestNackIdleIsNeverNegative(t *testing.T) {
	if got := (Nack{Time: 70}).Idle(100); got != 30 {
		t.Errorf("30 ms later: %d", got)
	}
	if got := (Nack{Time: 70}).Idle(50); got != 0 {
		t.Errorf("clock moved back: %d", got)
	}
}
