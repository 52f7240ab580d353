package value

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// streamModel is a stream as slices and maps.
type streamModel struct {
	Entries          []entryModel
	Last, MaxDeleted StreamID
	Added            uint64
	Groups           map[string]groupModel
}

type entryModel struct {
	ID    StreamID
	Pairs []string
}

type groupModel struct {
	Last    StreamID
	Read    int64
	Seen    map[string]int64 // by consumer
	Pending map[StreamID]Nack
}

func (m streamModel) clone() streamModel {
	m.Entries = slices.Clone(m.Entries)
	m.Groups = maps.Clone(m.Groups)
	for name, g := range m.Groups {
		g.Seen, g.Pending = maps.Clone(g.Seen), maps.Clone(g.Pending)
		m.Groups[name] = g
	}
	return m
}

func (m streamModel) index(id StreamID) int {
	return slices.IndexFunc(m.Entries, func(e entryModel) bool { return e.ID == id })
}

// before is how many entries have lower IDs.
func (m streamModel) before(id StreamID) int {
	n := 0
	for _, e := range m.Entries {
		if e.ID.Less(id) {
			n++
		}
	}
	return n
}

// pairsOf returns the fields and values of e in the form of Append.
func pairsOf(e StreamEntry) []string {
	var pairs []string
	for field, value := range e.Fields() {
		pairs = append(pairs, string(field), string(value))
	}
	return pairs
}

func modelEntries(t rapid.TB, entries func(func(StreamEntry) bool)) []entryModel {
	var list []entryModel
	for e := range entries {
		m := entryModel{e.ID, pairsOf(e)}
		if len(m.Pairs) != 2*e.Len() {
			t.Fatalf("entry %v says %d fields, has %q", e.ID, e.Len(), m.Pairs)
		}
		list = append(list, m)
	}
	return list
}

// modelOf reads the whole of s.
func modelOf(t rapid.TB, s *Stream) streamModel {
	m := streamModel{
		Entries: modelEntries(t, s.All()),
		Last:    s.LastID(), MaxDeleted: s.MaxDeletedID(), Added: s.EntriesAdded(),
		Groups: map[string]groupModel{},
	}
	for g := range s.Groups() {
		gm := groupModel{Last: g.LastID(), Read: g.EntriesRead(), Seen: map[string]int64{}, Pending: map[StreamID]Nack{}}
		for c := range g.Consumers() {
			gm.Seen[c.Name()] = c.SeenTime()
		}
		for n := range g.Pending(StreamID{}, MaxStreamID()) {
			gm.Pending[n.ID] = n
		}
		m.Groups[g.Name()] = gm
	}
	return m
}

// checkStream fails unless s is what m says and the parts of s agree with each other.
func checkStream(t rapid.TB, s *Stream, m streamModel) {
	got := modelOf(t, s)
	if !reflect.DeepEqual(m, got) { // much faster than cmp
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("stream (-model +stream):\n%s", diff)
		}
	}
	back := modelEntries(t, s.RevRange(StreamID{}, MaxStreamID()))
	slices.Reverse(back)
	if !reflect.DeepEqual(back, got.Entries) {
		t.Fatalf("backwards %v, forwards %v", back, got.Entries)
	}
	if s.Len() != len(m.Entries) {
		t.Fatalf("Len %d, %d entries", s.Len(), len(m.Entries))
	}
	var first StreamID
	if len(m.Entries) > 0 {
		first = m.Entries[0].ID
	}
	if s.FirstID() != first {
		t.Fatalf("FirstID %v, want %v", s.FirstID(), first)
	}
	if s.GroupLen() != len(m.Groups) {
		t.Fatalf("GroupLen %d, %d groups", s.GroupLen(), len(m.Groups))
	}
	var end StreamID
	for n := range inOrder(&s.nodes) {
		if !end.Less(n.first) || n.last.Less(n.first) || s.LastID().Less(n.last) {
			t.Fatalf("node %v to %v, last ID %v, after one to %v", n.first, n.last, s.LastID(), end)
		}
		end = n.last
	}
	checkTree(t, &s.nodes)
	checkTree(t, &s.groups)
	for g := range s.Groups() {
		checkGroup(t, g)
	}
}

// checkGroup fails unless the consumers' pending lists together are the group's.
func checkGroup(t rapid.TB, g *Group) {
	checkTree(t, &g.pending)
	checkTree(t, &g.consumers)
	pending, last := 0, ""
	for c := range g.Consumers() {
		if pending > 0 && c.Name() <= last {
			t.Fatalf("consumer %q comes after %q", c.Name(), last)
		}
		last = c.Name()
		checkTree(t, &c.pending)
		for n := range g.PendingOf(c, StreamID{}, MaxStreamID()) {
			if n.Consumer != c.Name() {
				t.Fatalf("%v pending for %q is listed for %q", n.ID, n.Consumer, c.Name())
			}
			pending++
		}
		if c != g.Consumer(c.Name()) {
			t.Fatalf("consumer %q is not found", c.Name())
		}
	}
	if pending != g.PendingLen() || g.ConsumerLen() != g.consumers.count {
		t.Fatalf("consumers have %d pending, the group %d", pending, g.PendingLen())
	}
}

// streamMachine edits copies of a stream and their models alike.
type streamMachine struct {
	all copies[*Stream, streamModel]
	now int64
}

func byteSlices(pairs []string) [][]byte {
	list := make([][]byte, len(pairs))
	for i, p := range pairs {
		list[i] = []byte(p)
	}
	return list
}

// drawPairs draws fields from few names, so that entries have them in common, and values whose sizes as a listpack are
// on either side of a border.
func drawPairs(t *rapid.T) []string {
	pairs := []string{"data", ""}
	if rapid.IntRange(0, 3).Draw(t, "plain") == 0 {
		pairs = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "", "data", "17"}), 2, 8).Draw(t, "pairs")
		pairs = pairs[:len(pairs)/2*2]
	}
	for i := 1; i < len(pairs); i += 2 {
		if rapid.Bool().Draw(t, "number") {
			pairs[i] = rapid.SampledFrom([]string{"0", "-0", "7", "127", "128", "-1", "-4096", "-4097", "4095", "4096",
				"32768", "-32769", "8388607", "8388608", "-8388609", "2147483648", "-2147483649", "9223372036854775807",
				"9223372036854775808", "-9223372036854775808", "01", "1.5"}).Draw(t, "value")
		} else {
			pairs[i] = strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 10, 62, 63, 64, 124, 125, 126, 200, 900, 4096}).Draw(t, "size"))
		}
	}
	return pairs
}

// drawSteps draws ways from one ID to the next: little or far, sometimes to a lower sequence.
func drawSteps(t *rapid.T) []func(StreamID) StreamID {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) func(StreamID) StreamID {
		if rapid.Bool().Draw(t, "same ms") {
			step := rapid.SampledFrom([]uint64{1, 2, 100, 5000, 1 << 20}).Draw(t, "seq step")
			return func(id StreamID) StreamID { return StreamID{id.Ms, id.Seq + step} }
		}
		step := rapid.SampledFrom([]uint64{1, 3, 200, 40000, 1 << 24, 1 << 40}).Draw(t, "ms step")
		seq := rapid.SampledFrom([]uint64{0, 1, 300}).Draw(t, "seq")
		return func(id StreamID) StreamID { return StreamID{id.Ms + step, seq} }
	}), 1, 3).Draw(t, "steps")
}

// drawID draws an ID of m's entries, of one that may be gone, or any up to a bit above the last one.
func (m streamModel) drawID(t *rapid.T) StreamID {
	if len(m.Entries) > 0 && rapid.IntRange(0, 4).Draw(t, "present") > 0 {
		return rapid.SampledFrom(m.Entries).Draw(t, "entry").ID
	}
	return StreamID{rapid.Uint64Range(0, m.Last.Ms+1).Draw(t, "ms"), rapid.Uint64Range(0, 3).Draw(t, "seq")}
}

func (sm *streamMachine) Append(t *rapid.T) {
	c := sm.all.pick(t)
	steps := drawSteps(t)
	forms := rapid.SliceOfN(rapid.Custom(drawPairs), 1, 3).Draw(t, "forms")
	for i := range rapid.IntRange(1, 25).Draw(t, "entries") {
		id, pairs := steps[i%len(steps)](c.model.Last), forms[i%len(forms)]
		if err := c.val.Append(id, byteSlices(pairs)); err != nil {
			t.Fatal(err)
		}
		c.model.Entries = append(c.model.Entries, entryModel{id, pairs})
		c.model.Last = id
		c.model.Added++
	}
}

func (sm *streamMachine) Delete(t *rapid.T) {
	c := sm.all.pick(t)
	for range rapid.IntRange(1, 10).Draw(t, "times") {
		id := c.model.drawID(t)
		i := c.model.index(id)
		if got := c.val.Delete(id); got != (i >= 0) {
			t.Fatalf("Delete(%v) = %v", id, got)
		}
		if i >= 0 {
			c.model.Entries = slices.Delete(c.model.Entries, i, i+1)
			if c.model.MaxDeleted.Less(id) {
				c.model.MaxDeleted = id
			}
		}
	}
}

func (sm *streamMachine) Lookup(t *rapid.T) {
	c := sm.all.pick(t)
	id := c.model.drawID(t)
	e, ok := c.val.Get(id)
	if i := c.model.index(id); ok != (i >= 0) || ok && !cmp.Equal(entryModel{e.ID, pairsOf(e)}, c.model.Entries[i]) {
		t.Fatalf("Get(%v) = %v, %v", id, e.ID, ok)
	}
	to := c.model.drawID(t)
	low := c.model.before(id)
	high := max(low, c.model.before(to))
	if c.model.index(to) >= 0 && !to.Less(id) {
		high++
	}
	want := c.model.Entries[low:high]
	got := modelEntries(t, c.val.Range(id, to))
	if !cmp.Equal(want, got, cmpopts.EquateEmpty()) {
		t.Fatalf("Range(%v, %v): want %v, got %v", id, to, want, got)
	}
	got = modelEntries(t, c.val.RevRange(id, to))
	slices.Reverse(got)
	if !cmp.Equal(want, got, cmpopts.EquateEmpty()) {
		t.Fatalf("RevRange(%v, %v): want %v, got %v", id, to, want, got)
	}
}

func (sm *streamMachine) Trim(t *rapid.T) {
	c := sm.all.pick(t)
	approx := rapid.Bool().Draw(t, "approx")
	limit := 0
	if approx {
		limit = rapid.SampledFrom([]int{0, 10, 50, 1000}).Draw(t, "limit")
	}
	var want, got int
	if rapid.Bool().Draw(t, "by length") {
		n := rapid.IntRange(0, len(c.model.Entries)+1).Draw(t, "length")
		want = max(len(c.model.Entries)-n, 0)
		got = c.val.TrimMaxLen(n, approx, limit)
	} else {
		id := c.model.drawID(t)
		want = c.model.before(id)
		got = c.val.TrimMinID(id, approx, limit)
	}
	switch {
	case limit > 0 && got > limit:
		t.Fatalf("trimmed %d, limit %d", got, limit)
	case approx && got > want || !approx && got != want:
		t.Fatalf("trimmed %d of %d", got, want)
	}
	c.model.Entries = slices.Delete(c.model.Entries, 0, got)
}

func (sm *streamMachine) SetID(t *rapid.T) {
	c := sm.all.pick(t)
	id, deleted := c.model.drawID(t), StreamID{}
	if rapid.Bool().Draw(t, "deleted") {
		deleted = c.model.drawID(t)
	}
	added := int64(rapid.IntRange(KeepAdded, len(c.model.Entries)+1).Draw(t, "added"))
	var want error
	if n := len(c.model.Entries); n > 0 {
		if id.Less(c.model.Entries[n-1].ID) {
			want = ErrIDTooSmall
		} else if added != KeepAdded && added < int64(n) {
			want = ErrAddedTooSmall
		}
	}
	if err := c.val.SetID(id, added, deleted); err != want {
		t.Fatalf("SetID(%v, %d, %v): %v, want %v", id, added, deleted, err, want)
	}
	if want != nil {
		return
	}
	c.model.Last = id
	if added != KeepAdded {
		c.model.Added = uint64(added)
	}
	if !deleted.IsZero() {
		c.model.MaxDeleted = deleted
	}
}

var (
	drawGroup    = rapid.SampledFrom([]string{"g", "h", ""})
	drawConsumer = rapid.SampledFrom([]string{"alice", "bob", "", "z"})
)

func (sm *streamMachine) CreateGroup(t *rapid.T) {
	c, name := sm.all.pick(t), drawGroup.Draw(t, "group")
	_, taken := c.model.Groups[name]
	id := c.model.drawID(t)
	if _, ok := c.val.CreateGroup(name, id, 3); ok == taken {
		t.Fatalf("CreateGroup(%q) = %v", name, ok)
	}
	if !taken {
		c.model.Groups[name] = groupModel{id, 3, map[string]int64{}, map[StreamID]Nack{}}
	}
}

func (sm *streamMachine) DestroyGroup(t *rapid.T) {
	c, name := sm.all.pick(t), drawGroup.Draw(t, "group")
	_, exists := c.model.Groups[name]
	if c.val.DestroyGroup(name) != exists || c.val.Group(name) != nil {
		t.Fatalf("DestroyGroup(%q), existed: %v", name, exists)
	}
	delete(c.model.Groups, name)
}

// EditGroup does a dozen edits of one group.
func (sm *streamMachine) EditGroup(t *rapid.T) {
	c, name := sm.all.pick(t), drawGroup.Draw(t, "group")
	m, exists := c.model.Groups[name]
	g := c.val.EditGroup(name)
	if (g != nil) != exists || c.val.Group(name) != g {
		t.Fatalf("EditGroup(%q) = %v", name, g)
	}
	if !exists {
		return
	}
	for range rapid.IntRange(1, 12).Draw(t, "edits") {
		sm.now++
		consumer, id := drawConsumer.Draw(t, "consumer"), c.model.drawID(t)
		seen, known := m.Seen[consumer]
		nack, delivered := m.Pending[id]
		ok, want := true, true
		switch rapid.IntRange(0, 9).Draw(t, "edit") {
		case 0:
			m.Last, m.Read = id, sm.now
			g.SetID(id, sm.now)
		case 1:
			ok, want = g.CreateConsumer(consumer, sm.now), !known
			if !known {
				seen = sm.now
			}
			m.Seen[consumer] = seen
		case 2:
			ok, want = g.Touch(consumer, sm.now), known
			if known {
				m.Seen[consumer] = sm.now
			}
		case 3:
			n, found := g.DeleteConsumer(consumer)
			ok, want = found, known
			delete(m.Seen, consumer)
			maps.DeleteFunc(m.Pending, func(_ StreamID, x Nack) bool {
				if x.Consumer == consumer {
					n--
				}
				return x.Consumer == consumer
			})
			if n != 0 {
				t.Fatalf("DeleteConsumer(%q) is wrong by %d", consumer, n)
			}
		case 4, 5, 6, 7:
			n := Nack{ID: id, Consumer: consumer, Time: sm.now, Count: nack.Count + 1}
			ok, want = g.SetPending(n), known
			if known {
				m.Pending[id] = n
			}
		case 8:
			ok, want = g.Ack(id), delivered
			delete(m.Pending, id)
		case 9:
			var got Nack
			got, ok = g.Nack(id)
			if want = delivered; ok && got != nack {
				t.Fatalf("Nack(%v) = %v, want %v", id, got, nack)
			}
		}
		if ok != want {
			t.Fatalf("group %q, consumer %q, %v: got %v, want %v", name, consumer, id, ok, want)
		}
	}
	c.model.Groups[name] = m
}

// Pending compares the ways to look at the pending list.
func (sm *streamMachine) Pending(t *rapid.T) {
	c, name := sm.all.pick(t), drawGroup.Draw(t, "group")
	g := c.val.Group(name)
	m, exists := c.model.Groups[name]
	if (g != nil) != exists {
		t.Fatalf("Group(%q) = %v, exists: %v", name, g, exists)
	}
	if !exists {
		return
	}
	from, to := c.model.drawID(t), c.model.drawID(t)
	consumer := drawConsumer.Draw(t, "consumer")
	var want, wantOf []Nack
	for id, n := range m.Pending {
		if !id.Less(from) && !to.Less(id) {
			want = append(want, n)
			if n.Consumer == consumer {
				wantOf = append(wantOf, n)
			}
		}
	}
	byID := func(a, b Nack) int { return a.ID.Compare(b.ID) }
	slices.SortFunc(want, byID)
	slices.SortFunc(wantOf, byID)
	if got := slices.Collect(g.Pending(from, to)); !cmp.Equal(want, got) {
		t.Fatalf("Pending(%v, %v): want %v, got %v", from, to, want, got)
	}
	if owner := g.Consumer(consumer); owner != nil {
		if got := slices.Collect(g.PendingOf(owner, from, to)); !cmp.Equal(wantOf, got) {
			t.Fatalf("PendingOf(%q, %v, %v): want %v, got %v", consumer, from, to, wantOf, got)
		}
	}
	var walked []Nack
	for n, ok := g.NextPending(from); ok && !to.Less(n.ID); {
		walked = append(walked, n)
		next, _ := n.ID.Next()
		n, ok = g.NextPending(next)
	}
	if !cmp.Equal(want, walked) {
		t.Fatalf("NextPending from %v to %v: want %v, got %v", from, to, want, walked)
	}
	first, last, ok := g.PendingBounds()
	if ids := slices.SortedFunc(maps.Keys(m.Pending), StreamID.Compare); ok != (len(ids) > 0) || ok && (first != ids[0] || last != ids[len(ids)-1]) {
		t.Fatalf("PendingBounds = %v, %v, %v of %v", first, last, ok, ids)
	}
}

func (sm *streamMachine) Clone(t *rapid.T) {
	c := sm.all.pick(t)
	sm.all.add(t, c.val.Clone().(*Stream), c.model.clone())
}

func (sm *streamMachine) Check(t *rapid.T) {
	for _, c := range sm.all {
		checkStream(t, c.val, c.model)
	}
}

func TestStreamBehavesLikeItsModelThroughEditsAndClones(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := &StreamLimits{
			NodeEntries: rapid.SampledFrom([]int{100, 10, 1, 0}).Draw(t, "node entries"),
			NodeBytes:   rapid.SampledFrom([]int{4096, 500, 0}).Draw(t, "node bytes"),
		}
		sm := &streamMachine{}
		s := NewStream(limits)
		g, _ := s.CreateGroup("g", StreamID{}, 0) // so that editing it is not rare
		g.CreateConsumer("alice", 1)
		sm.all.add(t, s, modelOf(t, s))
		t.Repeat(rapid.StateMachineActions(sm))
	})
}
