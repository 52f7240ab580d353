package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// fixture copies files that OmniDaemon's JSON store wrote, or a person.
func fixture(t testing.TB, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("../jsonbackend/lens/testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// jsonFiles are the JSON files of a directory with their content.
func jsonFiles(t testing.TB, dir string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = string(text)
	}
	return all
}

// writeText writes a file in place, and makes it if it is not there.
func writeText(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withoutExpired takes the results out whose time is over: they may go.
func withoutExpired(t *testing.T, doc string) string {
	t.Helper()
	list, err := pyjson.ParseList([]byte(doc), 0)
	if err != nil {
		t.Fatal(err)
	}
	for ref, m := range list.All() {
		if m.Value[0] != '{' {
			continue
		}
		if expires, ok := pyjson.Field(m.Value, "expires_at"); ok {
			if at, ok := pyjson.MillisTrunc(expires); ok && at < time.Now().UnixMilli() {
				list.Remove(ref)
			}
		}
	}
	return string(list.Bytes())
}

// L1: what is changed over RESP, as OmniDaemon changes it, and changed back, leaves no trace in the files, whoever
// formatted them.
func TestAChangeTakenBackLeavesNoTrace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ fixture, agent, topic, name, callback, result, config, value string }{
		{"omnidaemon_data", "omni:agent:file.uploaded:file-processor", "file.uploaded", "file-processor", "process_2",
			"omni:result:task:0:задача", "omni:config:zero", "0"},
		{"nasty_data", "omni:agent:日本:b:c", "日本", "b:c", "cb", "omni:result:ж1", "omni:config:odd:0", "1"},
	} {
		t.Run(tt.fixture, func(t *testing.T) {
			t.Parallel()
			o := serve(t, fixture(t, tt.fixture))
			before := jsonFiles(t, o.Dir)
			result := o.do("GET", tt.result).(string)
			ctx := context.Background()
			change := func(callback, result, value string) {
				_, err := o.client(0).TxPipelined(ctx, func(p redis.Pipeliner) error {
					p.Do(ctx, "HSET", tt.agent, "callback_name", callback)
					p.Do(ctx, "SADD", "omni:agents:topic:"+tt.topic, tt.name)
					p.Do(ctx, "SADD", "omni:topics", tt.topic)
					p.Do(ctx, "SET", tt.result, result, "KEEPTTL")
					p.Do(ctx, "SET", tt.config, value)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			change("changed", strings.Replace(result, `"saved_at"`, `"changed": true, "saved_at"`, 1), `"changed"`)
			id := o.do("XADD", "omni:metrics:stream", "MAXLEN", "~", "100000", "*", "data", `{"event": "changed", "saved_at": 1763859213.5}`)
			for file := range before {
				o.published(file, "changed")
			}
			change(tt.callback, result, tt.value)
			o.must(1, "XDEL", "omni:metrics:stream", id)
			want := maps.Clone(before)
			want["results.json"] = withoutExpired(t, before["results.json"])
			o.eventually("published as it was", func() bool {
				return !strings.Contains(fmt.Sprint(jsonFiles(t, o.Dir)), "changed")
			})
			if diff := cmp.Diff(want, jsonFiles(t, o.Dir)); diff != "" {
				t.Errorf("(-before +after)\n%s", diff)
			}
			if diff := cmp.Diff(before, jsonFiles(t, o.path(".omniproxy/originals"))); diff != "" {
				t.Errorf("(-before +originals)\n%s", diff)
			}
			o.stop()
			if diff := cmp.Diff(want, jsonFiles(t, o.Dir)); diff != "" {
				t.Errorf("after the end (-before +after)\n%s", diff)
			}
		})
	}
}

// waysToEdit are how programs write a file anew.
var waysToEdit = map[string]func(path, text string) error{
	"in place": func(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) },
	"vim": func(path, text string) error { // backupcopy=no: the old file becomes the backup
		return errors.Join(os.Rename(path, path+"~"), os.WriteFile(path, []byte(text), 0o644), os.Remove(path+"~"))
	},
	"python": func(path, text string) error {
		script := "import os, sys; open(sys.argv[1] + '.tmp', 'w').write(sys.argv[2]); os.replace(sys.argv[1] + '.tmp', sys.argv[1])"
		return exec.Command("python3", "-c", script, path, text).Run()
	},
	"removed, then written": func(path, text string) error {
		return errors.Join(os.Remove(path), os.WriteFile(path, []byte(text), 0o644))
	},
	"in pieces": func(path, text string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		for _, piece := range []string{text[:5], text[5:10], text[10:]} {
			time.Sleep(400 * time.Millisecond) // time enough to look at it in between
			if _, err := f.WriteString(piece); err != nil {
				return err
			}
		}
		return nil
	},
}

func TestEditsOfRunningFilesAreServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.json")
	writeText(t, config, "{\n  \"a\": 1,\n  \"b\":  2\n}\n")
	o := serve(t, dir)
	o.must("1", "GET", "omni:config:a")
	value := 10
	for name, write := range waysToEdit {
		value++
		text := fmt.Sprintf("{\n  \"a\": %d,\n  \"b\":  2\n}\n", value)
		if err := write(config, text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		o.eventually("served what was written "+name, func() bool { return o.do("GET", "omni:config:a") == fmt.Sprint(value) })
		if got := o.read("config.json"); got != text {
			t.Errorf("%s: formatted anew:\n%s", name, got)
		}
		o.must("2", "GET", "omni:config:b")
	}
}

// What OmniDaemon would have written besides comes with an edit: sets, index, TTLs, stream ids.
func TestEditsBringWhatBelongsToThem(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"))
	edit := func(file, old, new string) {
		t.Helper()
		text := o.read(file)
		if !strings.Contains(text, old) {
			t.Fatalf("%s does not hold %s", file, old)
		}
		writeText(t, o.path(file), strings.Replace(text, old, new, 1))
	}
	member := func(set, member string) bool { return o.do("SISMEMBER", set, member) == int64(1) }

	edit("agents.json", "{", `{"new": [{"name": "n", "callback_name": "cb", "tools": ["x"], "config": {}}],`)
	o.eventually("added a topic", func() bool { return member("omni:topics", "new") && member("omni:agents:topic:new", "n") })
	o.must(`["x"]`, "HGET", "omni:agent:new:n", "tools")
	edit("agents.json", `"name": "n"`, `"name": "m"`)
	o.eventually("renamed an agent", func() bool { return member("omni:agents:topic:new", "m") })
	o.must(0, "SISMEMBER", "omni:agents:topic:new", "n")
	o.must(0, "EXISTS", "omni:agent:new:n")
	edit("agents.json", `"new": [{"name": "m", "callback_name": "cb", "tools": ["x"], "config": {}}],`, "")
	o.eventually("removed a topic", func() bool { return !member("omni:topics", "new") })
	o.must(0, "EXISTS", "omni:agent:new:m", "omni:agents:topic:new")

	edit("results.json", "{", `{"r": {"task_id": "r", "result": 1, "saved_at": 1763859213.5, "expires_at": 4102444800.25},`)
	o.eventually("added a result", func() bool { return o.do("PEXPIRETIME", "omni:result:r") == int64(4102444800250) })
	o.must(`{"task_id": "r", "result": 1, "saved_at": 1763859213.5}`, "GET", "omni:result:r")
	o.must("1763859213.5", "ZSCORE", "omni:results:index", "r")
	edit("results.json", `"r": {"task_id": "r", "result": 1, "saved_at": 1763859213.5, "expires_at": 4102444800.25},`, "")
	o.eventually("removed a result", func() bool { return o.do("EXISTS", "omni:result:r") == int64(0) })
	o.must(nil, "ZSCORE", "omni:results:index", "r")

	last := o.do("XREVRANGE", "omni:metrics:stream", "+", "-", "COUNT", 1)
	text := o.read("metrics.json")
	writeText(t, o.path("metrics.json"), text[:strings.LastIndex(text, "]")]+`,{"n": 1, "saved_at": 4102444800.5}]`)
	o.eventually("appended a metric", func() bool { return o.do("XLEN", "omni:metrics:stream") == int64(2001) })
	o.must(`[[4102444800500-0 [data {"n": 1, "saved_at": 4102444800.5}]]]`, "XREVRANGE", "omni:metrics:stream", "+", "-", "COUNT", 1)
	writeText(t, o.path("metrics.json"), text)
	o.eventually("removed a metric", func() bool { return o.do("XLEN", "omni:metrics:stream") == int64(2000) })
	o.must(last, "XREVRANGE", "omni:metrics:stream", "+", "-", "COUNT", 1)
	edit("metrics.json", "[", `[{"n": 0, "saved_at": 1.5},`)
	o.eventually("inserted a metric", func() bool { return o.do("XLEN", "omni:metrics:stream") == int64(2001) })
	o.must(`[[1500-0 [data {"n": 0, "saved_at": 1.5}]]]`, "XRANGE", "omni:metrics:stream", "-", "+", "COUNT", 1)
	before := o.keyspace()
	o.kill()
	if diff := cmp.Diff(before, serve(t, o.Dir).keyspace()); diff != "" {
		t.Errorf("after a restart (-before +after)\n%s", diff)
	}
}

func TestClientsSeeEditsAsWrites(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"))
	ctx := context.Background()
	watcher := o.client(0).Conn()
	defer watcher.Close()
	if err := watcher.Do(ctx, "WATCH", "omni:config:zero").Err(); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	reader := o.client(0)
	go func() {
		read <- fmt.Sprint(reader.Do(ctx, "XREAD", "BLOCK", 20000, "STREAMS", "omni:metrics:stream", "$").Result())
	}()
	o.eventually("blocked", func() bool { return strings.Contains(fmt.Sprint(o.do("INFO", "clients")), "blocked_clients:1") })
	config, metrics := o.read("config.json"), o.read("metrics.json")
	writeText(t, o.path("config.json"), strings.Replace(config, `"zero": 0`, `"zero": 1`, 1))
	writeText(t, o.path("metrics.json"), metrics[:strings.LastIndex(metrics, "]")]+`,{"n": "edited", "saved_at": 4102444800.5}]`)
	if got := <-read; !strings.Contains(got, "edited") {
		t.Errorf("the blocked reader got %s", got)
	}
	o.eventually("served the edit", func() bool { return o.do("GET", "omni:config:zero") == "1" })
	for _, command := range []string{"MULTI", "GET omni:config:zero"} {
		if err := watcher.Do(ctx, words(t, command)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := watcher.Do(ctx, "EXEC").Result(); err != redis.Nil {
		t.Errorf("the transaction was done though a watched key was edited: %v %v", got, err)
	}
}

func TestABrokenFileIsLeftAloneUntilItIsMended(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"))
	good := o.read("config.json")
	writeText(t, o.path("config.json"), "{\n  \"zero\": oops\n}")
	o.logs(o.path("config.json") + ":2:11: ")
	o.must("0", "GET", "omni:config:zero")
	o.must("OK", "SET", "omni:config:one", "1")
	o.must("OK", "SET", "elsewhere", "1")
	o.published("other.json", "elsewhere") // while the broken one is still as it was
	if got := o.read("config.json"); got != "{\n  \"zero\": oops\n}" {
		t.Errorf("written over:\n%s", got)
	}
	if info := fmt.Sprint(o.do("INFO", "omniproxy")); !strings.Contains(info, "file_config.json:status=broken,") ||
		!strings.Contains(info, "file_error_config.json:"+o.path("config.json")+":2:11: ") {
		t.Errorf("INFO:\n%s", info)
	}
	writeText(t, o.path("config.json"), strings.Replace(good, `"zero": 0`, `"zero": 5`, 1))
	o.eventually("served what was mended", func() bool { return o.do("GET", "omni:config:zero") == "5" })
	o.published("config.json", `"one": 1`)
	o.logs("in order again")
}

func TestAMissingFileIsWrittenAgain(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"))
	want := o.read("config.json")
	if err := os.Remove(o.path("config.json")); err != nil {
		t.Fatal(err)
	}
	o.eventually("written again", func() bool { return o.read("config.json") == want })
	o.must("0", "GET", "omni:config:zero")
}

func TestEditsMadeWhileDownAreServed(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"))
	o.must("OK", "SET", "omni:config:one", "1")
	o.kill() // published or not
	text := o.read("config.json")
	writeText(t, o.path("config.json"), strings.Replace(text, `"zero": 0`, `"zero": 5`, 1))
	o = serve(t, o.Dir)
	o.must("5", "GET", "omni:config:zero")
	o.must("1", "GET", "omni:config:one")
	o.published("config.json", `"one": 1`)
}

func TestAFlushEmptiesTheFiles(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"))
	o.must("OK", "FLUSHALL")
	o.stop()
	want := map[string]string{"agents.json": "{}", "results.json": "{}", "metrics.json": "[]", "config.json": "{}"}
	if diff := cmp.Diff(want, jsonFiles(t, o.Dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	o = serve(t, o.Dir)
	o.must(0, "DBSIZE")
}

// Where the directory of a file may not be written, the others are published, and clients are served.
func TestAFileThatCannotBePublishedHoldsUpNobody(t *testing.T) {
	t.Parallel()
	var who *syscall.Credential
	if os.Geteuid() == 0 { // may write anywhere
		who = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	dir, locked := dirFor(t, who), dirFor(t, who)
	writeText(t, filepath.Join(locked, "results.json"), "{}")
	if err := errors.Join(os.Symlink(filepath.Join(locked, "results.json"), filepath.Join(dir, "results.json")), os.Chmod(locked, 0o555)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(locked, 0o755) })
	o := serveAs(t, who, dir)
	o.must("OK", "SET", "omni:result:r", `{"task_id": "r", "result": 1, "saved_at": 1.5}`)
	o.must("OK", "SET", "omni:config:one", "1")
	o.published("config.json", `"one": 1`)
	o.logs("cannot publish")
	if !regexp.MustCompile(`cannot publish.*results\.json.*permission denied`).MatchString(o.log.String()) {
		t.Errorf("logged:\n%s", &o.log)
	}
	if err := os.Chmod(locked, 0o755); err != nil {
		t.Fatal(err)
	}
	o.published("results.json", `"task_id": "r"`)
}
