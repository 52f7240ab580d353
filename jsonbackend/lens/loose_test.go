package lens

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// Records of another shape can be taken out and put back: the document then says the same of them, and of all else what
// it said before.
func TestLooseRecordsArePutBack(t *testing.T) {
	for file, doc := range map[int]func(*rapid.T) string{
		agentsFile:  func(t *rapid.T) string { return agentsDoc(t, true) },
		resultsFile: func(t *rapid.T) string { return flatDoc(t, resultsFile) },
		metricsFile: func(t *rapid.T) string { return metricsDoc(t, 12) },
		configFile:  func(t *rapid.T) string { return flatDoc(t, configFile) },
		otherFile:   func(t *rapid.T) string { return flatDoc(t, otherFile) },
	} {
		t.Run(Views(layout, 0)[file].File(), rapid.MakeCheck(func(t *rapid.T) {
			v, doc := Views(layout, 0)[file], doc(t)
			loadText(t, v, doc)
			loose, keyed := v.Loose(), v.Base().Keyed()
			if v.SetLoose(loose) || string(text(t, v)) != doc {
				t.Fatalf("what is as it should be was changed:\n%s", text(t, v))
			}
			if v.SetLoose(nil) != (len(loose) > 0) || len(v.Loose()) > 0 {
				t.Fatalf("left are %q in\n%s", v.Loose(), text(t, v))
			}
			loadText(t, v, string(text(t, v)))
			if diff := cmp.Diff(keyed, v.Base(), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("without them (-want +got)\n%s", diff)
			}
			stored, err := ParseLoose(loose.JSON())
			if err != nil {
				t.Fatalf("%v", err)
			}
			v.SetLoose(stored)
			for range 2 {
				if diff := cmp.Diff(loose, v.Loose(), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("put back (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(keyed, v.Base().Keyed(), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("beside them (-want +got)\n%s", diff)
				}
				loadText(t, v, string(text(t, v)))
			}
		}))
	}
}

func loadText(t tb, v View, doc string) {
	t.Helper()
	if err := v.Load([]byte(doc)); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
}

// Every case of one record: absent or one of two texts in what stood last, in what was read, and in the document.
func TestLooseRecordsAreMergedThreeWay(t *testing.T) {
	texts := []string{"", "1", "2"}
	records := func(text string) Loose {
		if text == "" {
			return Loose{}
		}
		return Loose{`"r"`: []byte(text)}
	}
	for _, ours := range texts {
		for _, read := range texts {
			for _, theirs := range texts {
				t.Run(fmt.Sprintf("%q %q %q", ours, read, theirs), func(t *testing.T) {
					want := theirs
					if theirs == read {
						want = ours
					}
					got := records(ours).Merge(records(theirs), Base{}.with(records(read)))
					if diff := cmp.Diff(records(want), got, cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
				})
			}
		}
	}
}

// A record of another shape has no place where one of the documented shape stands, or where its topic is no array.
func TestALooseRecordTakesNobodysPlace(t *testing.T) {
	for _, h := range []struct {
		file       int
		loose, doc string
	}{
		{resultsFile, `{"\"r\"": 5}`, `{"r": {"task_id": "r", "result": 1, "saved_at": 1}}`},
		{otherFile, `{"0:\"k\"": 5}`, `{"0": {"k": {"type": "string", "value": "v"}}}`},
		{agentsFile, `{"[\"t\"]": 5}`, `{"t": [{"name": "a"}]}`},
		{agentsFile, `{"[\"t\"] 1": 5}`, `{"t": 6}`},
		{agentsFile, `{"[\"t\"] 1": {"name": "a"}}`, `{}`},
	} {
		v := Views(layout, 0)[h.file]
		loadText(t, v, h.doc)
		l, err := ParseLoose([]byte(h.loose))
		if err != nil {
			t.Fatal(err)
		}
		for name, record := range v.Loose() {
			l[name] = record
		}
		if v.SetLoose(l) || string(text(t, v)) != h.doc {
			t.Errorf("%s beside %s:\n%s", h.loose, h.doc, text(t, v))
		}
	}
}
