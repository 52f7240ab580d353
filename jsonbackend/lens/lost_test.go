package lens

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// What the keyspace held and holds no more, or otherwise, after somebody's version was read, is what was lost.
func TestWhatAnEditRemovesOrOverwritesIsLost(t *testing.T) {
	for _, file := range []int{resultsFile, configFile, otherFile} {
		t.Run(Views(layout, 0)[file].File(), rapid.MakeCheck(func(t *rapid.T) {
			w := newWorld(t)
			w.read(file, []byte(flatDoc(t, file)))
			base := text(t, w.views[file])
			w.seen[file] = w.views[file].Base()
			b, _ := pyjson.Unquote(nil, []byte(rapid.SampledFrom(drawFlat[file].ids).Draw(t, "key")))
			if file != otherFile {
				w.do(setTo(file, keyOf(file, string(b)), "from memory")...)
			}
			now := w.now()
			before := recordsOf(t, file, w.fresh(file), now.At)
			doc := editedDoc(t, file, base)
			v := Views(layout, 0)[file]
			if err := v.Load([]byte(doc)); err != nil {
				t.Fatalf("%v", err)
			}
			edits := slices.Collect(v.Edits(w.seen[file], now, now.At))
			lost := Lost(layout, 0, file, edits, now)
			w.apply(edits)
			after, kept := recordsOf(t, file, w.fresh(file), now.At), map[string]string{}
			if lost.Doc != nil {
				kept = recordsOf(t, file, lost.Doc, now.At)
			}
			for id, was := range before {
				if after[id] != was && kept[id] != was {
					t.Fatalf("%q was %s, is %s, and is kept as %q", id, was, after[id], kept[id])
				}
			}
			for id, record := range kept {
				if before[id] != record {
					t.Fatalf("%q is kept as %s, and was %s", id, record, before[id])
				}
			}
		}))
	}
}

func TestLostAgentsComeWithTheirTopic(t *testing.T) {
	w := newWorld(t)
	const doc = `{"t": [{"name": "a", "x": "1"}, {"name": "b"}], "empty": [], "u": [{"name": "c"}]}`
	w.read(agentsFile, []byte(doc))
	base, now := w.views[agentsFile].Base(), w.now()
	v := Views(layout, 0)[agentsFile]
	if err := v.Load([]byte(`{"t": [{"name": "a", "x": "2"}], "empty": []}`)); err != nil {
		t.Fatal(err)
	}
	lost := Lost(layout, 0, agentsFile, slices.Collect(v.Edits(base, now, now.At)), now)
	want := "{\n  \"t\": [\n    {\n      \"name\": \"b\",\n      \"topic\": \"t\"\n    },\n    {\n      \"name\": \"a\",\n      \"topic\": \"t\",\n      \"x\": \"1\"\n    }\n  ],\n" +
		"  \"u\": [\n    {\n      \"name\": \"c\",\n      \"topic\": \"u\"\n    }\n  ]\n}"
	slices.SortFunc(lost.Keys, func(a, b Key) int { return len(a.Name) - len(b.Name) })
	if got := members(t, lost.Doc); len(got) != 2 {
		t.Errorf("lost (-want +got)\n%s", cmp.Diff(want, string(lost.Doc)))
	}
	if len(lost.Keys) != 3 || lost.Other != nil {
		t.Errorf("lost %v and %s", lost.Keys, lost.Other)
	}
}

func TestLostMetricsAreThoseThatGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.read(metricsFile, []byte(metricsDoc(t, 12)))
		w.publish(metricsFile)
		for n := range rapid.IntRange(0, 3).Draw(t, "younger") {
			w.addMetric(100 + n)
		}
		before := numbersIn(t, w.fresh(metricsFile))
		var items []string
		for _, n := range rapid.Permutation([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}).Draw(t, "order") {
			if chance(t, 2) {
				items = append(items, drawMetric(t, n))
			}
		}
		v, now := Views(layout, 0)[metricsFile], w.now()
		if err := v.Load([]byte(array(t, items))); err != nil {
			t.Fatalf("%v", err)
		}
		edits := slices.Collect(v.Edits(w.seen[metricsFile], now, now.At))
		lost := Lost(layout, 0, metricsFile, edits, now)
		w.apply(edits)
		after := numbersIn(t, w.fresh(metricsFile))
		want := slices.DeleteFunc(before, func(n int) bool { return slices.Contains(after, n) })
		var got []int
		if lost.Doc != nil {
			got = numbersIn(t, lost.Doc)
		}
		if diff := cmp.Diff(sorted(want), sorted(got), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-gone +lost)\n%s", diff)
		}
	})
}

func TestAKeyWithoutWordsIsLostAsAKeyRecord(t *testing.T) {
	w := newWorld(t)
	w.do("RPUSH", layout.Config("k"), "x")
	now := w.now()
	v := Views(layout, 0)[configFile]
	if err := v.Load([]byte(`{"k": 1}`)); err != nil {
		t.Fatal(err)
	}
	lost := Lost(layout, 0, configFile, slices.Collect(v.Edits(Base{}, now, now.At)), now)
	want := "{\n  \"0\": {\n    \"omni:config:k\": {\n      \"type\": \"list\",\n      \"value\": [\n        \"x\"\n      ]\n    }\n  }\n}"
	if diff := cmp.Diff(want, string(lost.Other)); diff != "" || lost.Doc != nil {
		t.Errorf("%s (-want +got)\n%s", lost.Doc, diff)
	}
}
