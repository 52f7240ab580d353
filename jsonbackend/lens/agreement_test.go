package lens

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// python runs a script with a directory as its argument and returns what it prints.
func python(t *testing.T, script, dir string) []byte {
	t.Helper()
	cmd := exec.Command("python3", "-c", script, dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, stderr.Bytes())
	}
	return out
}

// readFiles prints, a line a file, what JSONStore holds after connect().
const readFiles = `
import json, sys
for name in ("agents", "results", "metrics", "config"):
    with open(sys.argv[1] + "/" + name + ".json", encoding="utf-8") as f: print(json.dumps(json.load(f)))
`

func TestJSONStoreReadsWhatRedisStoreWrote(t *testing.T) {
	w := newWorld(t)
	w.addAgent("file.uploaded", "ж", "multi\nline <b> \x7f")
	w.addAgent("a:b", "c", "")
	w.do("SETEX", layout.Result("r:1"), "86400", `{"task_id": "r:1", "result": {"x": [1e+22, NaN, "\ud800"]}, "saved_at": 1795402102.6334777}`)
	w.do("ZADD", layout.ResultsIndex(), "1795402102.6334779", "r:1")
	w.do("SET", layout.Result("\u0436"), `{"task_id": "\u0436", "result": null, "saved_at": 1795402102.0}`)
	w.do("XADD", layout.MetricsStream(), "*", "data", `{"topic": "t", "v": -0.0, "saved_at": 1795402102.6481564}`)
	w.do("XADD", layout.MetricsStream(), "*", "data", `{"topic": "u", "v": 123456789012345678901234567890, "saved_at": 1795402102.6481564}`)
	w.do("SET", layout.Config("_supervisor_registry"), `["a", "b:c"]`)
	w.do("SET", layout.Config("none"), "null")
	dir := t.TempDir()
	for i, v := range w.views[:busFile] {
		if err := os.WriteFile(filepath.Join(dir, v.File()), w.publish(i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, expires := w.str(layout.Result("r:1"))
	agent := func(topic, name, description string) string {
		return `{"name": ` + name + `, "callback_name": "cb", "tools": ["x", {"a": 1.0}], "description": "` + description + `", "config": {}, "topic": "` + topic + `", "created_at": 1795402102.5}`
	}
	want := `{"file.uploaded": [` + agent("file.uploaded", `"\u0436"`, `multi\nline <b> \u007f`) + `], "a:b": [` + agent("a:b", `"c"`, "") + `]}
{"r:1": {"task_id": "r:1", "result": {"x": [1e+22, NaN, "\ud800"]}, "saved_at": 1795402102.6334777, "expires_at": ` + seconds(expires) + `}, "\u0436": {"task_id": "\u0436", "result": null, "saved_at": 1795402102.0}}
[{"topic": "t", "v": -0.0, "saved_at": 1795402102.6481564}, {"topic": "u", "v": 123456789012345678901234567890, "saved_at": 1795402102.6481564}]
{"_supervisor_registry": ["a", "b:c"], "none": null}
`
	if diff := cmp.Diff(want, string(python(t, readFiles, dir))); diff != "" {
		t.Errorf("JSONStore reads (-want +got):\n%s", diff)
	}
}

// writeFiles writes files as JSONStore does, and prints what RedisStore would keep for the same calls: {key: string},
// {key: {field: text}}, [data].
const writeFiles = `
import json, sys
odd = [1, 1.0, -0.0, 1e22, 2**80, None, True, [1.5, {"k": float("inf")}], float("nan"), "\ud800", "\u2028", "\x7f\0", "", "null", '{"a":1}', {"": []}, 5e-324, "日本"]
results = {f"r:{i}": {"task_id": f"r:{i}", "result": {"x": v}, "saved_at": 1795402102.6334777 + i} for i, v in enumerate(odd)}
for r in list(results.values())[::2]: r["expires_at"] = 4102444800.633934
agents = {"a:b": [{"name": f"ж{i}", "callback_name": "cb", "tools": [v], "description": "d", "config": {"v": v}, "created_at": 1700000000.5} for i, v in enumerate(odd)]}
metrics = [{"topic": "t", "v": v, "saved_at": 1795402102.6481564} for v in odd]
config = {f"c:{i}": v for i, v in enumerate(odd)}
for name, data in (("agents", agents), ("results", results), ("metrics", metrics), ("config", config)):
    with open(sys.argv[1] + "/" + name + ".json", "w", encoding="utf-8") as f: json.dump(data, f, indent=2, default=str)
strings = {"omni:result:" + i: json.dumps({k: v for k, v in r.items() if k != "expires_at"}) for i, r in results.items()}
strings.update({"omni:config:" + k: json.dumps(v) for k, v in config.items()})
hashes = {f"omni:agent:{t}:{a['name']}": {**a, "tools": json.dumps(a["tools"]), "config": json.dumps(a["config"]), "topic": t, "created_at": repr(a["created_at"])} for t in agents for a in agents[t]}
print(json.dumps(strings)); print(json.dumps(hashes)); print(json.dumps([json.dumps(m) for m in metrics]))
`

func TestRedisStoreReadsWhatJSONStoreWrote(t *testing.T) {
	dir := t.TempDir()
	want := bytes.Split(python(t, writeFiles, dir), []byte("\n"))
	w := newWorld(t)
	for i, v := range w.views[:busFile] {
		doc, err := os.ReadFile(filepath.Join(dir, v.File()))
		if err != nil {
			t.Fatal(err)
		}
		w.read(i, doc)
		says(t, text(t, v), string(doc))
		if i == metricsFile || i == configFile { // agents get a topic, an expiry is cut to milliseconds
			says(t, w.fresh(i), string(doc))
		}
	}
	for key, lit := range pyjson.Members(want[0]) {
		if got, _ := w.str(name(key)); got != name(lit) {
			t.Errorf("%s is %s, want %s", name(key), got, name(lit))
		}
	}
	for key, fields := range pyjson.Members(want[1]) {
		hash := map[string]string{}
		for field, lit := range pyjson.Members(fields) {
			hash[name(field)] = name(lit)
		}
		if diff := cmp.Diff(hash, w.hash(name(key))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name(key), diff)
		}
	}
	var data []string
	for _, lit := range pyjson.Members(want[2]) {
		data = append(data, "data="+name(lit))
	}
	var got []string
	for e := range w.metrics().All() {
		for field, v := range e.Fields() {
			got = append(got, string(field)+"="+string(v))
		}
	}
	if diff := cmp.Diff(data, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if _, expires := w.str(layout.Result("r:0")); expires != 4102444800633 {
		t.Errorf("r:0 expires at %d", expires)
	}
	if got := w.set(layout.Topics()); !slices.Equal(got, []string{"a:b"}) {
		t.Errorf("topics: %q", got)
	}
	if got := w.now().Get(0, layout.ResultsIndex()).Value.(*value.ZSet); got.Len() != 18 {
		t.Errorf("%d results in the index", got.Len())
	}
}
