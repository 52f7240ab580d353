package jsonbackend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documents with a record of another shape, and the same without it; without says how the record stands in replaced/.
var looseIn = map[string]struct{ with, without, kept string }{
	"agents.json":  {`{"t": [{"name": "a"}, {"nobody": 1}], "u": "odd"}`, `{"t": [{"name": "a"}]}`, `"[\"u\"]": "odd"`},
	"results.json": {`{"r": {"task_id": "r", "result": 1, "saved_at": 1.5}, "odd": [1]}`, `{"r": {"task_id": "r", "result": 1, "saved_at": 1.5}}`, `"\"odd\"": [`},
	"metrics.json": {`[{"n": 1, "saved_at": 1.5}, "odd"]`, `[{"n": 1, "saved_at": 1.5}]`, `: "odd"`},
	"other.json":   {`{"0": {"k": {"type": "string", "value": "v"}, "odd": 1}}`, `{"0": {"k": {"type": "string", "value": "v"}}}`, `"0:\"odd\"": 1`},
}

// What somebody takes out of a file that stands for no key is kept, whether or not omniproxy runs then.
func TestARecordThatStandsForNoKeyIsKeptWhenItGoes(t *testing.T) {
	for name, doc := range looseIn {
		for _, down := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				writeText(t, filepath.Join(dir, name), doc.with)
				d := opened(t, dir)
				d.pass()
				if down {
					d.shut()
				}
				d.write(name, doc.without)
				if down {
					d = opened(t, dir)
				}
				d.pass()
				if diff := cmp.Diff(doc.without, d.read(name)); diff != "" {
					t.Errorf("down %v: the file (-want +got)\n%s", down, diff)
				}
				if text := replacedText(t, d); !strings.Contains(text, doc.kept) {
					t.Errorf("down %v: replaced/ does not hold %s:\n%s", down, doc.kept, text)
				}
				if len(d.told.replaced) == 0 {
					t.Errorf("down %v: nobody was told", down)
				}
			})
		}
	}
}

// Who writes from a version that did not have it leaves it where it is; so does who writes that version itself again.
func TestARecordThatStandsForNoKeyStaysIfTheWriterDidNotKnowIt(t *testing.T) {
	for name, doc := range looseIn {
		for _, down := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				writeText(t, filepath.Join(dir, name), doc.without)
				d := opened(t, dir)
				d.pass()
				d.write(name, doc.with)
				d.pass()
				d.do("SET", "omni:config:x", "1") // and what shows in this file
				d.do("XADD", "omni:metrics:stream", "5000-1", "data", `{"n": 2, "saved_at": 5.0}`)
				d.do("SET", "omni:result:s", `{"task_id": "s", "result": 1, "saved_at": 1.5}`)
				d.do("HSET", "omni:agent:t:b", "name", "b", "topic", "t")
				d.do("SET", "other", "1")
				d.pass()
				if down {
					d.shut()
				}
				d.write(name, doc.without)
				if down {
					d = opened(t, dir)
				}
				d.pass()
				const odd = "odd"
				if text := d.read(name); !strings.Contains(text, odd) {
					t.Errorf("down %v: %s is gone:\n%s", down, odd, text)
				}
				if err := os.Remove(d.path(name)); err != nil {
					t.Fatal(err)
				}
				d = d.reopened()
				d.pass()
				if text := d.read(name); !strings.Contains(text, odd) {
					t.Errorf("down %v: %s is gone with the file:\n%s", down, odd, text)
				}
			})
		}
	}
}

// A client that sets the key whose record would stand in its place overwrites it.
func TestARecordThatAKeyTakesThePlaceOfIsKept(t *testing.T) {
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "results.json"), `{"r": "odd"}`)
	d := opened(t, dir)
	d.pass()
	d.do("SET", "omni:result:r", `{"task_id": "r", "result": 1, "saved_at": 1.5}`)
	d.pass()
	if text := replacedText(t, d); !strings.Contains(text, `"\"r\"": "odd"`) {
		t.Errorf("replaced/ holds\n%s", text)
	}
	d = d.reopened()
	d.do("DEL", "omni:result:r")
	d.pass()
	if diff := cmp.Diff("{}", d.read("results.json")); diff != "" {
		t.Errorf("it came back (-want +got)\n%s", diff)
	}
}

// Of a copy that was made file by file the JSON file may be younger than loose.json, or older.
func TestACopyHasTheRecordsOfBoth(t *testing.T) {
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "results.json"), `{"early": "odd"}`)
	d := opened(t, dir)
	d.pass()
	to := t.TempDir()
	d.copyTo(to, filepath.Join(own, "loose.json"))
	d.write("results.json", `{"late": "odd"}`)
	d.pass()
	for _, name := range []string{"results.json", own + "/seen", own + "/aof"} {
		d.copyTo(to, name)
	}
	again := opened(t, to)
	again.pass()
	if text := again.read("results.json"); !strings.Contains(text, "early") || !strings.Contains(text, "late") {
		t.Errorf("the copy holds %s", text)
	}
}
