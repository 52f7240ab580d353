package tool_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/source/sourcetest"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// sample is what was found in a file, at a key, and in a source that could not be read to its end.
func sample() []tool.Validated {
	return []tool.Validated{
		{
			Source: "data", Keys: 3, Known: 2, Found: map[keyspace.ID]int64{keyspace.AgentJSON: 1, keyspace.ResultIndexOrphan: 7},
			Problems: []tool.Problem{
				{
					Finding: keyspace.Finding{Rule: keyspace.AgentJSON, Key: "omni:agent:a,b:c\n", Field: "tools", Text: "field 'tools' of 'omni:agent:a,b:c\\n' is not a JSON array"},
					Source:  "data", At: source.Position{File: "data/100% it.json", Line: 3, Column: 7},
				},
				{
					Finding: keyspace.Finding{Rule: keyspace.ResultIndexOrphan, Key: "omni:results:index", Member: "4 2", Text: "member '4 2' of 'omni:results:index' has no result 'omni:result:4 2'"},
					Source:  "data",
				},
			},
		},
		{
			Source: "redis://127.0.0.1:1", Keys: 1, Found: map[keyspace.ID]int64{keyspace.ResultNoTTL: 1}, Err: errors.New("SCAN: gone"),
			Problems: []tool.Problem{
				{Finding: keyspace.Finding{Rule: keyspace.ResultNoTTL, Key: "omni:result:1", Text: "'omni:result:1' never expires"}, Source: "redis://127.0.0.1:1"},
			},
		},
	}
}

func TestFormats(t *testing.T) {
	for name, write := range map[string]func(io.Writer, []tool.Validated) error{
		"text": tool.WriteText, "json": tool.WriteJSON, "jsonl": tool.WriteJSONLines, "github": tool.WriteGitHub,
		"sarif": func(to io.Writer, all []tool.Validated) error { return tool.WriteSARIF(to, all, "v1") },
	} {
		var b bytes.Buffer
		if err := write(&b, sample()); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		if name == "sarif" { // without the table of rules, which is long and not the format's
			before, after, _ := strings.Cut(got, `"rules": [`)
			_, after, _ = strings.Cut(after, "\n          ]")
			got = before + `"rules": [...]` + after
			before, after, _ = strings.Cut(got, `"runs"`)
			got = before + `"runs"` + after[:strings.Index(after, "    },\n    {\n      \"tool\"")] + "    } ...\n"
		}
		golden(t, "validate-"+name+".txt", got)
	}
}

func TestNothingFoundIsAWholeDocument(t *testing.T) {
	var all, none bytes.Buffer
	if err := errors.Join(tool.WriteJSON(&all, nil), tool.WriteGitHub(&none, nil), tool.WriteJSONLines(&none, nil)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(all.String()), ""); got != `{"sources":[],"findings":[]}` || none.Len() > 0 {
		t.Errorf("%s, %s", got, none.String())
	}
}

// A library has the schema of the standard, and reads past what it does not know; that there is nothing of the kind says
// the schema in testdata, which has the properties that are used here and no others.
func TestSARIFFitsTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "sarif-subset.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	nasty := judge(t, sourcetest.Fixture(t, "nasty_data"), tool.Validate{})
	for _, all := range [][]tool.Validated{nil, sample(), {nasty}} {
		var b bytes.Buffer
		if err := tool.WriteSARIF(&b, all, "v1"); err != nil {
			t.Fatal(err)
		}
		report, err := sarif.FromBytes(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range report.Runs { // the library would fill in words that its schema refuses
			run.Language, run.Tool.Driver.Language, run.NewlineSequences = "en", "en", []string{"\n"}
		}
		if err := report.Validate(); err != nil {
			t.Error(err)
		}
		document, err := jsonschema.UnmarshalJSON(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); err != nil {
			t.Error(err)
		}
	}
}

func TestABaselineLeavesOutWhatItListsAndNothingElse(t *testing.T) {
	dir := sourcetest.Fixture(t, "nasty_data")
	all := judge(t, dir, tool.Validate{})
	var b bytes.Buffer
	if err := tool.WriteBaseline(&b, all.Problems[1:]); err != nil {
		t.Fatal(err)
	}
	baseline, err := tool.ReadBaseline(&b)
	if err != nil {
		t.Fatal(err)
	}
	got := judge(t, dir, tool.Validate{Baseline: baseline})
	if len(got.Problems) != 1 || got.Problems[0].Identity() != all.Problems[0].Identity() || int(got.Known) != len(all.Problems)-1 {
		t.Errorf("%d known, new: %+v", got.Known, got.Problems)
	}
	if _, err := tool.ReadBaseline(strings.NewReader("# ok\n\nnonsense\n")); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("a line that is no finding: %v", err)
	}
}

func TestFindingsAreCountedBeyondThoseThatAreKept(t *testing.T) {
	got := judge(t, sourcetest.Fixture(t, "omnidaemon_data"), tool.Validate{Most: 5})
	if len(got.Problems) != 5 || got.Found[keyspace.ResultNoTTL] != 60 || got.Count(keyspace.Info) != 171 {
		t.Errorf("%d problems, %v", len(got.Problems), counts(got))
	}
}

func TestParseRules(t *testing.T) {
	all := len(keyspace.Rules())
	for text, want := range map[string]int{"": all, "OMN020": 1, "omn020, OMN021,result-shape": 3, "-OMN004,-OMN023": all - 2, "+OMN004,-OMN004": all - 1} {
		set, err := tool.ParseRules(text)
		n := 0
		for _, r := range keyspace.Rules() {
			if set.Has(r.ID) {
				n++
			}
		}
		if err != nil || n != want {
			t.Errorf("%q: %d rules, want %d; %v", text, n, want, err)
		}
	}
	if _, err := tool.ParseRules("OMN007"); err == nil {
		t.Error("OMN007 is a rule")
	}
	got := judge(t, sourcetest.Fixture(t, "omnidaemon_data"), tool.Validate{Rules: tool.RuleSet{keyspace.SupervisorRegistry: true}})
	if diff := cmp.Diff(map[string]int64{"OMN032": 1}, counts(got)); diff != "" {
		t.Error(diff)
	}
}

const ownFamilies = `# what this project keeps beside OmniDaemon
families:
  - name: sessions
    pattern: "session:*"
    type: hash
    ttl: required
    others: false
    fields:
      user: {required: true}
      visits: {format: integer}
      share: {format: number}
      cart:
        format: json
        schema: {type: array, items: {type: object, required: [sku]}}
  - name: settings
    pattern: "omni:settings:*"
    type: string
    schema: {type: object, properties: {limit: {type: integer}}}
  - name: audit
    pattern: "audit"
    type: stream
    fields: {who: {required: true}}
  - name: locks
    pattern: "lock:*"
    ttl: none
`

func TestFamiliesOfOnesOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "families.yaml")
	if err := os.WriteFile(path, []byte(ownFamilies), 0o644); err != nil {
		t.Fatal(err)
	}
	families, err := tool.ReadFamilies(path)
	if err != nil {
		t.Fatal(err)
	}
	url := "redis://" + redistest.Start(t)
	run(t, connect(t, url), `HSET session:good user eve visits 7 share 0.5 cart '[{"sku": 1}]'
EXPIRE session:good 100
HSET session:bad visits many share x cart '[{"sku": 1}, {}]' colour red
SET session:other 1
SET omni:settings:good '{"limit": 5}'
SET omni:settings:bad '{"limit": "5"}'
SET omni:settings:worse {
XADD audit 1-1 what login
SET lock:1 x
SETEX lock:2 100 x
SET unknown:1 x`)
	got := judge(t, url, tool.Validate{Families: families})
	var found []string
	for _, p := range got.Problems {
		found = append(found, strings.TrimPrefix(p.Where(), p.Source+":")+": "+p.Text)
	}
	want := []string{
		"audit@1-1#who: field 'who' of entry 1-1 of 'audit' is missing (family audit)",
		"lock:2: 'lock:2' has a time to live (family locks)",
		"omni:settings:bad: 'omni:settings:bad' does not fit its schema: type at /limit (family settings)",
		"omni:settings:worse: 'omni:settings:worse' is not JSON (family settings)",
		"session:bad: 'session:bad' never expires (family sessions)",
		"session:bad#cart: field 'cart' of 'session:bad' does not fit its schema: required at /1 (family sessions)",
		"session:bad#colour: field 'colour' of 'session:bad' is not declared (family sessions)",
		"session:bad#share: field 'share' of 'session:bad' is not a number (family sessions)",
		"session:bad#user: field 'user' of 'session:bad' is missing (family sessions)",
		"session:bad#visits: field 'visits' of 'session:bad' is not an integer (family sessions)",
		"session:other: 'session:other' must be a hash and is a string (family sessions)",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAWrongFileOfFamiliesSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"families:\n  - name: a\n    patern: x\n": ":3:5: unknown field",
		"families:\n  - name: [\n":                ":2:",
		"families:\n  - pattern: x\n":             ":2:",
		"families:\n  - name: a\n    pattern: x\n  - name: b\n    pattern: y\n    type: z": "family 2 (b): type z",
		"families:\n  - name: a\n    pattern: x\n    ttl: never":                           "ttl never: choose",
		"families:\n  - name: a\n    pattern: x\n    fields: {f: {}}":                      "need the type hash or stream",
		"families:\n  - name: a\n    pattern: x\n    schema: {}":                           "needs the type string",
		"families:\n  - name: a\n    pattern: x\n    type: string\n    schema: {type: 7}":  "family 1 (a)",
		"families:\n  - name: a\n    pattern: x\n    type: string\n    schema: gone.json":  "gone.json",
	} {
		path := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := tool.ReadFamilies(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestFieldsOfALargeHashAreOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	text := "families:\n  - name: big\n    pattern: big:*\n    type: hash\n    fields: {f1: {required: true}, f1999: {required: true}, gone: {required: true}}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	families, err := tool.ReadFamilies(path)
	if err != nil {
		t.Fatal(err)
	}
	url := "redis://" + redistest.Start(t)
	args := []any{"HSET", "big:1"}
	for i := range 2000 {
		args = append(args, fmt.Sprint("f", i), "v")
	}
	if err := connect(t, url).Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	got := judge(t, url, tool.Validate{Families: families})
	if len(got.Problems) != 1 || got.Problems[0].Field != "gone" {
		t.Errorf("%+v", got.Problems)
	}
}
