package integration

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// store does something to one of OmniDaemon's stores: a Redis URL or a directory (testdata/python/store.py).
func store(t testing.TB, verb, where string) string {
	t.Helper()
	return output(t, python(t, "store.py", verb, where))
}

// storedIn describes what the JSON store reads from a directory, which stays as it is.
func storedIn(t testing.TB, dir string) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return store(t, "describe", copied)
}

// agree fails the test where what the two stores say differs, or lacks what must be there.
func agree(t testing.TB, json, redis string, mustHave ...string) {
	t.Helper()
	if diff := cmp.Diff(json, redis); diff != "" {
		t.Fatalf("(-JSON store +Redis store):\n%s", diff)
	}
	for _, text := range mustHave {
		if !strings.Contains(json, text) {
			t.Errorf("neither store has %s", text)
		}
	}
}

// what store.py's fill and change leave.
var (
	filled  = []string{`"task:4:\u0437`, `"n": 149,`, `"\u0442\u0435\u043c\u0430": [`, `"lone surrogate": "\ud83e"`, `"short": null`, `-Infinity`}
	changed = []string{`"done again"`, `"latest result": [` + "\n  \"late\"", `"no": "longer"`, `"new:topic": [`, `"callback_name": "renewed"`}
)

// What the Redis store writes through omniproxy the JSON store finds in the directory; what it changes there, while
// nobody serves it, the Redis store sees.
func TestTheJSONStoreReadsWhatTheRedisStoreWrote(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := serve(t, dir)
	store(t, "fill", o.url(""))
	wrote := store(t, "describe", o.url(""))
	o.stop()
	agree(t, storedIn(t, dir), wrote, filled...)

	store(t, "change", dir)
	agree(t, storedIn(t, dir), store(t, "describe", serve(t, dir).url("")), changed...)
}

// What the JSON store wrote the Redis store reads through omniproxy; what that changes the JSON store finds in the
// directory.
func TestTheRedisStoreReadsWhatTheJSONStoreWrote(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store(t, "fill", dir)
	wrote := storedIn(t, dir)
	o := serve(t, dir)
	agree(t, wrote, store(t, "describe", o.url("")), append(filled, `"sparse"`, `"more"`)...)

	store(t, "change", o.url(""))
	read := store(t, "describe", o.url(""))
	o.stop()
	agree(t, storedIn(t, dir), read, changed...)

	o = serve(t, dir)
	if got, want := store(t, "clear", o.url("")), `{"agents": 14, "results": 5, "metrics": 160, "config": 12}`+"\n"; got != want {
		t.Errorf("cleared %swant %s", got, want)
	}
	o.stop()
	want := map[string]string{"agents.json": "{}", "results.json": "{}", "metrics.json": "[]", "config.json": "{}"}
	if diff := cmp.Diff(want, jsonFiles(t, dir)); diff != "" {
		t.Errorf("(-want +cleared):\n%s", diff)
	}
}

func TestTheEventBusWorks(t *testing.T) {
	t.Parallel()
	theEventBusWorks(t, serve(t, t.TempDir()))
}

func theEventBusWorks(t *testing.T, o *omniproxy) {
	t.Helper()
	want := `40 tasks done once each by 2 consumers
tried 3 times, then a dead letter
an abandoned task is done by another consumer
streams, groups, dead letters and events are listed
unsubscribing woke the waiting readers with NOGROUP
`
	if diff := cmp.Diff(want, output(t, python(t, "bus.py", o.url("")))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// consumers are OmniDaemon's consume loops in a process of their own.
type consumers struct {
	t     *testing.T
	lines *bufio.Scanner
}

// consume subscribes so many consumers to a topic and waits until they wait for tasks.
func consume(t *testing.T, o *omniproxy, topic string, count int) consumers {
	t.Helper()
	cmd := python(t, "consumer.py", o.url(""), "worker", strconv.Itoa(count), topic)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	o.waiting(count)
	return consumers{t, bufio.NewScanner(out)}
}

// waiting waits until so many clients are blocked.
func (o *omniproxy) waiting(count int) {
	o.t.Helper()
	want := "blocked_clients:" + strconv.Itoa(count) + "\r\n"
	o.eventually(want, func() bool { return strings.Contains(o.do("INFO", "clients").(string), want) })
}

// do publishes a task and waits until a consumer has done it.
func (c consumers) do(o *omniproxy, topic, task string) {
	c.t.Helper()
	o.do("XADD", "omni-stream:"+topic, "MAXLEN", "~", "10000", "*", "data", `{"task_id": "`+task+`"}`)
	if c.lines.Scan(); c.lines.Text() != task {
		c.t.Fatalf("the consumers print %q, want %q", c.lines.Text(), task)
	}
}

// OmniDaemon's consumers end for good when a connection is closed under them. A restart does not do that.
func TestConsumersSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := serve(t, dir)
	c := consume(t, o, "files", 3)
	c.do(o, "files", "before")
	for _, task := range []string{"after a restart", "after another"} {
		o.waiting(3)
		o.stop()
		o = serve(t, dir, "--listen", o.Addr)
		o.waiting(3)
		c.do(o, "files", task)
	}
	o.waiting(3)
	o.do("SET", "omni:config:_subscription_active:group:files:worker", "false")
	o.do("XGROUP", "DESTROY", "omni-stream:files", "group:files:worker")
	for range 3 {
		if c.lines.Scan(); !strings.HasPrefix(c.lines.Text(), "ended by NOGROUP ") {
			t.Errorf("unsubscribed, the consumers print %q", c.lines.Text())
		}
	}
}
