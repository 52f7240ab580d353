package lens

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// metric is what RedisStore.save_metric would send for a metric with a number.
func metricText(n int) string {
	return fmt.Sprintf(`{"n": %d, "saved_at": 17000%05d.000%d}`, n, n/4, n%4)
}

// numbersIn are the numbers of a document's metrics in order.
func numbersIn(t tb, doc []byte) (numbers []int) {
	t.Helper()
	list, err := pyjson.ParseList(doc, 0)
	if err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	for _, m := range list.All() {
		if documentedMetric(m.Value) {
			n, _ := pyjson.Field(m.Value, "n")
			number, _ := strconv.Atoi(string(n))
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// entries are the metrics stream's entries as text, in order.
func (w *world) entries() (all []string) {
	w.t.Helper()
	s := w.metrics()
	if s == nil {
		return nil
	}
	for e := range s.All() {
		text := e.ID.String()
		for field, v := range e.Fields() {
			text += " " + string(field) + "=" + string(v)
		}
		all = append(all, text)
	}
	return all
}

func (w *world) metrics() *value.Stream {
	e := w.now().Get(0, layout.MetricsStream())
	if e == nil {
		return nil
	}
	s, _ := e.Value.(*value.Stream)
	return s
}

func (w *world) addMetric(n int) {
	w.t.Helper()
	w.do("XADD", layout.MetricsStream(), fmt.Sprintf("%d-*", 1800000000000+n), "data", metricText(n))
}

func TestEditsOfMetricsMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.read(metricsFile, []byte(metricsDoc(t, 12)))
		base := numbersIn(t, w.publish(metricsFile))
		if chance(t, 3) && len(base) > 0 {
			w.do("XADD", layout.MetricsStream(), "*", "another", "shape")
			w.do("XGROUP", "CREATE", layout.MetricsStream(), "g", "0")
			w.do("XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", layout.MetricsStream(), ">")
		}
		younger := 100
		for range rapid.IntRange(0, 4).Draw(t, "changes in memory") {
			if s := w.metrics(); s != nil && s.Len() > 0 && chance(t, 2) {
				first, _ := s.First()
				w.do("XDEL", layout.MetricsStream(), first.ID.String())
			} else {
				w.addMetric(younger)
				younger++
			}
		}
		memory := numbersIn(t, w.fresh(metricsFile))
		groups := w.groups()

		var items []string
		var edited []int
		for _, n := range rapid.Permutation([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}).Draw(t, "order") {
			if slices.Contains(base, n) && !chance(t, 4) || !slices.Contains(base, n) && chance(t, 5) {
				items, edited = append(items, drawMetric(t, n)), append(edited, n)
			}
		}
		doc := array(t, items)
		w.read(metricsFile, []byte(doc))

		want := slices.DeleteFunc(slices.Clone(edited), func(n int) bool {
			return slices.Contains(base, n) && !slices.Contains(memory, n)
		})
		for _, n := range memory {
			if !slices.Contains(base, n) && !slices.Contains(want, n) {
				want = append(want, n)
			}
		}
		after := text(t, w.views[metricsFile])
		got := numbersIn(t, after)
		if diff := cmp.Diff(sorted(want), sorted(got), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("metrics (-want +got):\n%s\nbase %v, memory %v, read %v", diff, base, memory, edited)
		}
		both := func(n int) bool { return !slices.Contains(got, n) }
		inFile := slices.DeleteFunc(slices.Clone(edited), both)
		if diff := cmp.Diff(inFile, slices.DeleteFunc(slices.Clone(got), func(n int) bool { return !slices.Contains(edited, n) }), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the writer's order (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(got, numbersIn(t, w.fresh(metricsFile)), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("document and stream (-document +stream):\n%s", diff)
		}
		if diff := cmp.Diff(groups, w.groups()); diff != "" {
			t.Fatalf("groups (-want +got):\n%s", diff)
		}
		w.settled(metricsFile)
	})
}

func sorted(n []int) []int {
	n = slices.Clone(n)
	slices.Sort(n)
	return n
}

// groups are the groups of the metrics stream as text, without what is pending: entries may get other ids.
func (w *world) groups() (all []string) {
	s := w.metrics()
	if s == nil {
		return nil
	}
	for g := range s.Groups() {
		all = append(all, fmt.Sprint(g.Name(), g.LastID(), g.EntriesRead(), g.ConsumerLen()))
	}
	return all
}

func readMetrics(t testing.TB, doc string) *world {
	t.Helper()
	w := newWorld(t)
	w.read(metricsFile, []byte(doc))
	return w
}

func TestStreamIDsComeFromSavedAt(t *testing.T) {
	w := readMetrics(t, `[
		{"saved_at": 1700000000.1239},
		{"saved_at": 1700000000.1231, "x": NaN},
		{"saved_at": 1600000000},
		{"saved_at": 1.8e9},
		{"saved_at": -5},
		{"other": "shape"},
		{"saved_at": "1900000000"},
		{"saved_at": 1e300},
		5,
		{"saved_at": 1800000000.9999}
	]`)
	if diff := cmp.Diff([]string{
		`1700000000123-0 data={"saved_at": 1700000000.1239}`,
		`1700000000123-1 data={"saved_at": 1700000000.1231, "x": NaN}`,
		`1700000000123-2 data={"saved_at": 1600000000}`,
		`1800000000000-0 data={"saved_at": 1800000000.0}`,
		`1800000000000-1 data={"saved_at": -5}`,
		`1800000000999-0 data={"saved_at": 1800000000.9999}`,
	}, w.entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	zero := readMetrics(t, `[{"saved_at": 0}, {"saved_at": 0}]`)
	if diff := cmp.Diff([]string{`0-1 data={"saved_at": 0}`, `0-2 data={"saved_at": 0}`}, zero.entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestAMetricIsAddedBeforeWhatIsNone(t *testing.T) {
	w := readMetrics(t, `[{"saved_at": 1}, "not an object", {"saved_at": 2}, {"no": "saved_at"}]`)
	if n := w.views[metricsFile].Unkeyed(); n != 2 {
		t.Errorf("%d records are reported to have no entry", n)
	}
	w.do("XADD", layout.MetricsStream(), "9000-0", "data", `{"saved_at":9.0}`)
	says(t, w.publish(metricsFile), `[{"saved_at": 1}, "not an object", {"saved_at": 2}, {"no": "saved_at"},
  {
    "saved_at": 9.0
  }]`)
	w.do("XDEL", layout.MetricsStream(), "1000-0", "2000-0")
	says(t, w.publish(metricsFile), `["not an object", {"no": "saved_at"},
  {
    "saved_at": 9.0
  }]`)
}

func TestEntriesThatHoldNoMetricAreHidden(t *testing.T) {
	w := readMetrics(t, `[{"saved_at": 1}]`)
	for i, words := range [][]any{{"data", "no JSON"}, {"data", `{"a": 1}`}, {"data", `{"saved_at": 1}`, "more", "x"}, {"other", `{"saved_at": 1}`}, {"data", `"saved_at"`}} {
		w.do(append([]any{"XADD", layout.MetricsStream(), "*"}, words...)...)
		says(t, w.publish(metricsFile), `[{"saved_at": 1}]`)
		if n := w.views[metricsFile].Hidden(); n != i+1 {
			t.Errorf("%d hidden, want %d", n, i+1)
		}
	}
	w.do("DEL", layout.MetricsStream())
	w.do("SET", layout.MetricsStream(), "no stream")
	says(t, w.publish(metricsFile), `[]`)
	if n := w.views[metricsFile].Hidden(); n != 1 {
		t.Errorf("%d hidden, want 1", n)
	}
	w.read(metricsFile, []byte(`[{"saved_at": 1}]`))
	if diff := cmp.Diff([]string{`1000-0 data={"saved_at": 1}`}, w.entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// world caps what clients add at 1.
func TestNoLoadIsCapped(t *testing.T) {
	w := readMetrics(t, `[{"saved_at": 1}, {"saved_at": 2}, {"saved_at": 3}]`)
	w.read(metricsFile, []byte(`[{"saved_at": 1}, {"saved_at": 2}, {"saved_at": 3}, {"saved_at": 4}]`))
	w.read(metricsFile, []byte(`[{"saved_at": 0}, {"saved_at": 1}, {"saved_at": 2}, {"saved_at": 3}, {"saved_at": 4}]`))
	if n := w.metrics().Len(); n != 5 {
		t.Errorf("%d entries", n)
	}
}

func TestAMetricBetweenOthersGetsAnIDBetweenTheirs(t *testing.T) {
	w := readMetrics(t, `[{"saved_at": 1}, {"saved_at": 2}, {"saved_at": 5}]`)
	stream := layout.MetricsStream()
	w.do("XADD", stream, "6000-0", "another", "shape")
	w.do("XGROUP", "CREATE", stream, "g", "0")
	w.do("XREADGROUP", "GROUP", "g", "c", "COUNT", "3", "STREAMS", stream, ">")
	w.do("XDEL", stream, "2000-0")
	w.do("XADD", stream, "7000-0", "data", `{"saved_at": 7}`)
	w.do("PEXPIREAT", stream, future+"000")
	w.read(metricsFile, []byte(`[{"saved_at": 9}, {"saved_at": 1}, {"saved_at": 2}, {"saved_at": 3}, {"saved_at": 3}, {"saved_at": 5}]`))
	if diff := cmp.Diff([]string{
		`0-1 data={"saved_at": 9}`,
		`1000-0 data={"saved_at": 1}`,
		`3000-0 data={"saved_at": 3}`,
		`3000-1 data={"saved_at": 3}`,
		`5000-0 data={"saved_at": 5}`,
		`6000-0 another=shape`,
		`7000-0 data={"saved_at": 7}`,
	}, w.entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	e := w.now().Get(0, stream)
	s := e.Value.(*value.Stream)
	if e.Expire == 0 || s.LastID().String() != "7000-0" || s.EntriesAdded() != 8 || s.MaxDeletedID().String() != "2000-0" {
		t.Errorf("expires %d, last %s, added %d, deleted %s", e.Expire, s.LastID(), s.EntriesAdded(), s.MaxDeletedID())
	}
	var pending []string
	for n := range s.Group("g").Pending(value.StreamID{}, value.MaxStreamID()) {
		pending = append(pending, n.ID.String()+" "+n.Consumer)
	}
	if diff := cmp.Diff([]string{"1000-0 c", "2000-0 c", "5000-0 c"}, pending); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
}

func TestAMovedMetricMovesAlone(t *testing.T) {
	var items []string
	for n := range 50 {
		items = append(items, fmt.Sprintf(`{"saved_at": %d}`, n+1))
	}
	w := readMetrics(t, "["+strings.Join(items, ",")+"]")
	before := w.entries()
	w.read(metricsFile, []byte("["+strings.Join(append(items[1:], items[0]), ",")+"]"))
	if diff := cmp.Diff(append(before[1:], `50000-1 data={"saved_at": 1}`), w.entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestWhatBothSidesAddedCameOnce(t *testing.T) {
	w := readMetrics(t, `[{"saved_at": 1}]`)
	w.seen[metricsFile] = Base{} // as if what was seen were lost
	w.read(metricsFile, []byte(`[{"saved_at": 1}, {"saved_at": 2}]`))
	if diff := cmp.Diff([]string{`1000-0 data={"saved_at": 1}`, `2000-0 data={"saved_at": 2}`}, w.entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestAStreamWhoseIDsAreUsedUpTakesNoMetric(t *testing.T) {
	w := newWorld(t)
	w.do("XADD", layout.MetricsStream(), value.MaxStreamID().String(), "data", `{"saved_at": 1}`)
	w.publish(metricsFile)
	w.read(metricsFile, []byte(`[{"saved_at": 1}, {"saved_at": 2}]`))
	says(t, text(t, w.views[metricsFile]), `[{"saved_at": 1}]`)
}

func TestMetricsComeAndGoInBoundedMemory(t *testing.T) {
	w := newWorld(t)
	m := w.views[metricsFile].(*metrics)
	for n := range 1500 {
		w.addMetric(n)
		w.do("XTRIM", layout.MetricsStream(), "MAXLEN", "3")
		w.publish(metricsFile)
	}
	if m.dropped > 1100 {
		t.Errorf("%d removed metrics are remembered", m.dropped)
	}
	if diff := cmp.Diff([]int{1497, 1498, 1499}, numbersIn(t, text(t, m))); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	w.settled(metricsFile)
}
