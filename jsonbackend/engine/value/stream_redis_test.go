package value

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// oracle does to a stream of a real Redis what a test does to a Stream, and compares what the two look like after each
// step. Commands wait in a pipeline until compare.
type oracle struct {
	client *redis.Client
	pipe   redis.Pipeliner
	steps  []oracleStep
}

type oracleStep struct {
	reply *redis.Cmd
	want  any
}

func newOracle(t *testing.T) *oracle {
	client := redis.NewClient(&redis.Options{Addr: redistest.Start(t), Protocol: 2})
	t.Cleanup(func() { client.Close() })
	return &oracle{client: client, pipe: client.Pipeline()}
}

// do sends a command whose reply must be want; nil is any reply.
func (o *oracle) do(want any, args ...any) {
	o.steps = append(o.steps, oracleStep{o.pipe.Do(context.Background(), args...), want})
}

// begin empties the server.
func (o *oracle) begin(limits *StreamLimits) {
	o.steps, o.pipe = nil, o.client.Pipeline()
	o.do("OK", "FLUSHALL")
	o.do("OK", "CONFIG", "SET", "stream-node-max-entries", limits.NodeEntries, "stream-node-max-bytes", limits.NodeBytes)
}

// compare sends the commands and fails at the first reply that is not as wanted.
func (o *oracle) compare(t rapid.TB) {
	t.Helper()
	o.pipe.Exec(context.Background()) // each reply has its own error
	for i, step := range o.steps {
		if step.want == nil {
			continue
		}
		got, err := step.reply.Result()
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(got, step.want); diff != "" {
			var log strings.Builder
			for _, s := range o.steps[:i+1] {
				if args := fmt.Sprint(s.reply.Args()); !strings.HasPrefix(args, "[XINFO") && !strings.HasPrefix(args, "[XPENDING") {
					fmt.Fprintf(&log, "%.100s\n", args)
				}
			}
			t.Fatalf("%sthen %v (-redis +stream):\n%s", log.String(), step.reply.Args(), diff)
		}
	}
}

func entryReply(e StreamEntry, ok bool) any {
	if !ok {
		return nil
	}
	pairs := []any{}
	for _, p := range pairsOf(e) {
		pairs = append(pairs, p)
	}
	return []any{e.ID.String(), pairs}
}

func (o *oracle) info(s *Stream) {
	first, ok := s.First()
	last, _ := s.Last()
	o.do([]any{
		"length", int64(s.Len()),
		"radix-tree-keys", int64(s.RadixKeys()),
		"radix-tree-nodes", int64(s.RadixNodes()),
		"last-generated-id", s.LastID().String(),
		"max-deleted-entry-id", s.MaxDeletedID().String(),
		"entries-added", int64(s.EntriesAdded()),
		"recorded-first-entry-id", s.FirstID().String(),
		"groups", int64(s.GroupLen()),
		"first-entry", entryReply(first, ok),
		"last-entry", entryReply(last, ok),
	}, "XINFO", "STREAM", "s")
}

func (o *oracle) groups(s *Stream) {
	groups := []any{}
	for g := range s.Groups() {
		var read, lag any
		if g.EntriesRead() != UnknownReads {
			read = g.EntriesRead()
		}
		if n, ok := s.Lag(g); ok {
			lag = n
		}
		groups = append(groups, []any{
			"name", g.Name(),
			"consumers", int64(g.ConsumerLen()),
			"pending", int64(g.PendingLen()),
			"last-delivered-id", g.LastID().String(),
			"entries-read", read,
			"lag", lag,
		})
		summary := []any{int64(0), nil, nil, nil}
		if first, last, ok := g.PendingBounds(); ok {
			consumers := []any{}
			for c := range g.Consumers() {
				if c.PendingLen() > 0 {
					consumers = append(consumers, []any{c.Name(), strconv.Itoa(c.PendingLen())})
				}
			}
			summary = []any{int64(g.PendingLen()), first.String(), last.String(), consumers}
		}
		o.do(summary, "XPENDING", "s", g.Name())
	}
	o.do(groups, "XINFO", "GROUPS", "s")
}

// grow adds entries, at most most.
func (o *oracle) grow(t *rapid.T, s *Stream, most int) {
	steps := drawSteps(t)
	forms := rapid.SliceOfN(rapid.Custom(drawPairs), 1, 3).Draw(t, "forms")
	for i := range rapid.IntRange(1, most).Draw(t, "entries") {
		id, pairs := steps[i%len(steps)](s.LastID()), forms[i%len(forms)]
		if !s.LastID().Less(id) { // the sequence is at its end
			id, _ = s.LastID().Next()
		}
		o.add(t, s, id, pairs)
	}
}

func (o *oracle) add(t rapid.TB, s *Stream, id StreamID, pairs []string) {
	if err := s.Append(id, byteSlices(pairs)); err != nil {
		t.Fatal(err)
	}
	args := []any{"XADD", "s", id.String()}
	for _, p := range pairs {
		args = append(args, p)
	}
	o.do(id.String(), args...)
}

// pick draws the ID of an entry, or one beside it.
func pick(t *rapid.T, s *Stream) StreamID {
	ids := []StreamID{s.LastID(), s.MaxDeletedID(), {1, 1}}
	for e := range s.All() {
		ids = append(ids, e.ID)
	}
	id := rapid.SampledFrom(ids).Draw(t, "id")
	switch rapid.IntRange(0, 4).Draw(t, "beside") {
	case 0:
		id, _ = id.Next()
	case 1:
		if prev, ok := id.Prev(); ok {
			id = prev
		}
	}
	return id
}

func (o *oracle) delete(t *rapid.T, s *Stream) {
	id := pick(t, s)
	want := int64(0)
	if s.Delete(id) {
		want = 1
	}
	o.do(want, "XDEL", "s", id.String())
}

func (o *oracle) trim(t *rapid.T, s *Stream) {
	how, limit := rapid.SampledFrom([]string{"~", "="}).Draw(t, "how"), 0
	var option []any
	if how == "~" {
		limit = rapid.SampledFrom([]int{0, 1, 20, 150}).Draw(t, "limit")
		option = []any{"LIMIT", limit}
	}
	if rapid.Bool().Draw(t, "by length") {
		n := rapid.IntRange(0, s.Len()+1).Draw(t, "length")
		o.do(int64(s.TrimMaxLen(n, how == "~", limit)), append([]any{"XTRIM", "s", "MAXLEN", how, n}, option...)...)
	} else {
		id := pick(t, s)
		o.do(int64(s.TrimMinID(id, how == "~", limit)), append([]any{"XTRIM", "s", "MINID", how, id.String()}, option...)...)
	}
}

func (o *oracle) setID(t *rapid.T, s *Stream) {
	id, added, deleted := pick(t, s), int64(KeepAdded), StreamID{}
	if tail := s.tail(); tail != nil && id.Less(tail.last) {
		return // the one case in which Stream divides its nodes otherwise
	}
	args := []any{"XSETID", "s", id.String()}
	if rapid.Bool().Draw(t, "added") {
		added = int64(s.Len() + rapid.IntRange(-1, 5).Draw(t, "more"))
		added = max(added, 0)
		args = append(args, "ENTRIESADDED", added)
	}
	if deleted = pick(t, s); deleted.Less(id) && rapid.Bool().Draw(t, "deleted") {
		args = append(args, "MAXDELETEDID", deleted.String())
	} else {
		deleted = StreamID{}
	}
	want := map[error]string{
		nil:              "OK",
		ErrIDTooSmall:    "ERR The ID specified in XSETID is smaller than the target stream top item",
		ErrAddedTooSmall: "ERR The entries_added specified in XSETID is smaller than the target stream length",
	}[s.SetID(id, added, deleted)]
	o.do(want, args...)
}

func TestStreamTrimsLikeRedis(t *testing.T) {
	o := newOracle(t)
	rapid.Check(t, func(t *rapid.T) {
		limits := &StreamLimits{
			NodeEntries: rapid.SampledFrom([]int{100, 100, 300, 10, 1, 0}).Draw(t, "node entries"),
			NodeBytes:   rapid.SampledFrom([]int{4096, 4096, 500, 50_000, 0}).Draw(t, "node bytes"),
		}
		s := NewStream(limits)
		o.begin(limits)
		o.grow(t, s, 300)
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				o.grow(t, s, 60)
			case 3, 4:
				for range rapid.IntRange(1, 20).Draw(t, "deletions") {
					o.delete(t, s)
				}
			case 5:
				o.setID(t, s)
			default:
				o.trim(t, s)
			}
			o.info(s)
			if rapid.IntRange(0, 9).Draw(t, "clone") == 0 {
				s = s.Clone().(*Stream)
			}
		}
		o.compare(t)
	})
}

// TestStreamNodesAreAsLargeAsRedisSays puts the limit of bytes right at and right above what a second entry needs.
func TestStreamNodesAreAsLargeAsRedisSays(t *testing.T) {
	values := []string{"", "-", "-0", "007", "1.5", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"-9223372036854775809", "+1", " 1"}
	for _, bits := range []int{7, 12, 15, 23, 31} {
		for _, n := range []int{1<<bits - 1, 1 << bits, -1 << bits, -1<<bits - 1} {
			values = append(values, strconv.Itoa(n))
		}
	}
	for _, size := range []int{63, 64, 125, 126, 4095, 4096, 16377, 16378, 16379} {
		values = append(values, strings.Repeat("x", size))
	}
	var forms [][]string
	for _, v := range values {
		forms = append(forms, []string{"f", v}, []string{v, "v"}, []string{"f", "v", v, "v"})
	}
	for _, size := range []int{2097145, 2097146, 2097147} {
		forms = append(forms, []string{"f", strings.Repeat("x", size)})
	}
	for _, fields := range []int{61, 62, 124, 125, 127, 128} {
		forms = append(forms, slices.Repeat([]string{"f", ""}, fields))
	}
	o := newOracle(t)
	small, first := []string{"f", "v"}, StreamID{1 << 32, 1 << 32}
	for _, form := range forms {
		for _, id := range []StreamID{{first.Ms, first.Seq + 1}, {first.Ms + 128, 0}, {first.Ms + 1<<15, first.Seq - 4097}} {
			o.fill(t, []StreamID{first, id}, form, small)
			o.fill(t, []StreamID{first, id}, small, form)
		}
	}
	for _, many := range []int{127, 128, 129} {
		var ids []StreamID
		for i := range uint64(many) {
			ids = append(ids, StreamID{5, i})
		}
		o.fill(t, ids, small)
	}
}

// fill adds entries of these forms to one node, and then a small entry that just fits, or just does not.
func (o *oracle) fill(t *testing.T, ids []StreamID, forms ...[]string) {
	const payload = len("gv")
	for spare, nodes := range []int{2, 1} {
		limits := &StreamLimits{}
		o.begin(limits)
		s := NewStream(limits)
		for i, id := range ids {
			o.add(t, s, id, forms[i%len(forms)])
		}
		limits.NodeBytes = s.tail().size + lpInt(int64(len(ids))) + lpInt(0) + payload + spare
		o.do("OK", "CONFIG", "SET", "stream-node-max-bytes", limits.NodeBytes)
		o.add(t, s, StreamID{Ms: s.LastID().Ms + 1}, []string{"g", "v"})
		if s.RadixKeys() != nodes {
			t.Fatalf("%d nodes, want %d", s.RadixKeys(), nodes)
		}
		o.info(s)
		o.compare(t)
	}
}

// read does what XREADGROUP does with new entries.
func (o *oracle) read(t *rapid.T, s *Stream) {
	name, consumer := drawGroup.Draw(t, "group"), drawConsumer.Draw(t, "consumer")
	g := s.EditGroup(name)
	if g == nil {
		return
	}
	args := []any{"XREADGROUP", "GROUP", name, consumer, "COUNT", rapid.IntRange(1, 8).Draw(t, "count")}
	noack := rapid.IntRange(0, 3).Draw(t, "noack") == 0
	if noack {
		args = append(args, "NOACK")
	}
	o.do(nil, append(args, "STREAMS", "s", ">")...)
	last, ok := s.Last()
	if !ok || !g.LastID().Less(last.ID) {
		return
	}
	g.CreateConsumer(consumer, 1)
	from, _ := g.LastID().Next()
	left := args[5].(int)
	for e := range s.Range(from, MaxStreamID()) {
		s.Advance(g, e.ID)
		if !noack {
			g.SetPending(Nack{ID: e.ID, Consumer: consumer, Time: 1, Count: 1})
		}
		if left--; left == 0 {
			break
		}
	}
}

// claim does what XCLAIM FORCE JUSTID does.
func (o *oracle) claim(t *rapid.T, s *Stream) {
	name, consumer, id := drawGroup.Draw(t, "group"), drawConsumer.Draw(t, "consumer"), pick(t, s)
	g := s.EditGroup(name)
	if g == nil {
		return
	}
	want := []any{}
	if _, ok := s.Get(id); ok {
		n, ok := g.Nack(id)
		if !ok {
			n = Nack{ID: id, Count: 1}
		}
		n.Consumer = consumer
		g.CreateConsumer(consumer, 1)
		g.SetPending(n)
		want = append(want, id.String())
	} else {
		g.Ack(id)
	}
	o.do(want, "XCLAIM", "s", name, consumer, 0, id.String(), "FORCE", "JUSTID")
}

// editGroup does what XGROUP and XACK do.
func (o *oracle) editGroup(t *rapid.T, s *Stream) {
	name, consumer, id := drawGroup.Draw(t, "group"), drawConsumer.Draw(t, "consumer"), pick(t, s)
	g := s.EditGroup(name)
	if g == nil {
		read := rapid.Int64Range(UnknownReads, 5).Draw(t, "read")
		s.CreateGroup(name, id, read)
		o.do("OK", "XGROUP", "CREATE", "s", name, id.String(), "ENTRIESREAD", read)
		return
	}
	switch rapid.IntRange(0, 9).Draw(t, "edit") {
	case 0:
		s.DestroyGroup(name)
		o.do(int64(1), "XGROUP", "DESTROY", "s", name)
	case 1, 2, 3:
		read := rapid.Int64Range(UnknownReads, int64(s.Len())).Draw(t, "read")
		g.SetID(id, read)
		o.do("OK", "XGROUP", "SETID", "s", name, id.String(), "ENTRIESREAD", read)
	case 4:
		n, _ := g.DeleteConsumer(consumer)
		o.do(int64(n), "XGROUP", "DELCONSUMER", "s", name, consumer)
	default:
		want := int64(0)
		if g.Ack(id) {
			want = 1
		}
		o.do(want, "XACK", "s", name, id.String())
	}
}

func TestStreamGroupsCountLikeRedis(t *testing.T) {
	o := newOracle(t)
	rapid.Check(t, func(t *rapid.T) {
		limits := &StreamLimits{NodeEntries: 5, NodeBytes: 4096}
		s := NewStream(limits)
		o.begin(limits)
		s.CreateGroup("g", StreamID{}, 0)
		o.do("OK", "XGROUP", "CREATE", "s", "g", "0", "MKSTREAM", "ENTRIESREAD", 0)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			switch rapid.IntRange(0, 11).Draw(t, "step") {
			case 0, 1, 2:
				o.grow(t, s, 5)
			case 3:
				o.delete(t, s)
			case 4:
				o.trim(t, s)
			case 5:
				o.setID(t, s)
			case 6:
				o.editGroup(t, s)
			case 7:
				o.claim(t, s)
			default:
				o.read(t, s)
			}
			o.info(s)
			o.groups(s)
			if rapid.IntRange(0, 9).Draw(t, "clone") == 0 {
				s = s.Clone().(*Stream)
			}
		}
		o.compare(t)
	})
}

func TestRadixNodesOfManyKeysAreEstimated(t *testing.T) {
	o := newOracle(t)
	limits := &StreamLimits{NodeEntries: 1}
	s := NewStream(limits)
	o.begin(limits)
	for i := range uint64(3 * radixExact) {
		id := StreamID{Ms: 1_700_000_000_000 + i*37}
		o.add(t, s, id, []string{"f", "v"})
	}
	o.compare(t)
	info, err := o.client.XInfoStream(context.Background(), "s").Result()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := float64(s.RadixNodes()), float64(info.RadixTreeNodes); got < want*0.95 || got > want*1.05 {
		t.Fatalf("estimated %v nodes, Redis has %v", got, want)
	}
}
