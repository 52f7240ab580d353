package integration

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// redisCLI prepares redis-cli for a server.
func redisCLI(t testing.TB, o *omniproxy, args ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatalf("the tests need redis-cli; make test installs it (apt-get install redis-tools): %v", err)
	}
	return exec.Command(path, append([]string{"-h", host, "-p", port}, args...)...)
}

const anAgent = "omni:agent:file.uploaded:file-processor"

func TestRedisCLIPrintsReplies(t *testing.T) {
	t.Parallel()
	o := serve(t, sampleData(t))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"PING"}, "PONG\n"},
		{[]string{"--no-raw", "HMGET", anAgent, "name", "tools", "none"}, "1) \"file-processor\"\n2) \"[]\"\n3) (nil)\n"},
		{[]string{"--no-raw", "-3", "HGETALL", "none"}, "(empty hash)\n"},
		{[]string{"--no-raw", "-3", "SMEMBERS", "omni:agents:topic:file.uploaded"}, "1~ \"file-processor\"\n"},
		{[]string{"--no-raw", "-3", "ZSCORE", "omni:results:index", "task:105:задача"}, "(double) 1795397592.6806517\n"},
		{[]string{"--json", "HMGET", anAgent, "description", "none"}, "[\"Описание «ж»\",null]\n"},
		{[]string{"--csv", "SMEMBERS", "omni:agents:topic:file.uploaded"}, "\"file-processor\"\n"},
		{[]string{"-n", "2", "SET", "k", "in 2"}, "OK\n"},
		{[]string{"-u", o.url("/2"), "GET", "k"}, "in 2\n"},
		{[]string{"GET", "k"}, "\n"},
		{[]string{"-r", "3", "ECHO", "ж"}, "ж\nж\nж\n"},
		{[]string{"NOSUCH", "a"}, "ERR unknown command 'NOSUCH', with args beginning with: 'a' \n\n"},
		{[]string{"--scan", "--pattern", "omni:agent:file.uploaded:*"}, anAgent + "\n"},
	} {
		if diff := cmp.Diff(c.want, output(t, redisCLI(t, o, c.args...))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.args, diff)
		}
	}
}

func TestRedisCLIKnowsThePassword(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir(), "--requirepass", "secret")
	for _, args := range [][]string{
		{"-a", "secret", "--no-auth-warning", "PING"},
		{"--user", "default", "--pass", "secret", "--no-auth-warning", "-3", "PING"},
		{"-u", "redis://default:secret@" + o.Addr + "/3", "--no-auth-warning", "PING"},
	} {
		if got := output(t, redisCLI(t, o, args...)); got != "PONG\n" {
			t.Errorf("%v: %q", args, got)
		}
	}
	if got := output(t, redisCLI(t, o, "PING")); got != "NOAUTH Authentication required.\n\n" {
		t.Errorf("without the password: %q", got)
	}
}

func TestRedisCLILooksThroughTheKeys(t *testing.T) {
	t.Parallel()
	o := serve(t, sampleData(t))
	scanned := strings.Fields(output(t, redisCLI(t, o, "--scan", "--pattern", "omni:result:*-*")))
	keys := strings.Fields(output(t, redisCLI(t, o, "KEYS", "omni:result:*-*")))
	slices.Sort(scanned)
	slices.Sort(keys)
	if diff := cmp.Diff(keys, scanned); diff != "" || len(keys) == 0 {
		t.Errorf("--scan of %d keys (-KEYS +--scan):\n%s", len(keys), diff)
	}
	summary := output(t, redisCLI(t, o, "--bigkeys"))
	for _, want := range []string{
		"Sampled " + strings.TrimSpace(output(t, redisCLI(t, o, "DBSIZE"))) + " keys in the keyspace!\n",
		`Biggest stream found '"omni:metrics:stream"' has 2000 entries` + "\n",
		`Biggest   zset found '"omni:results:index"' has 240 members` + "\n",
		`Biggest    set found '"omni:topics"' has 12 members` + "\n",
		"\n33 hashs with 198 fields ",
	} {
		if !strings.Contains(summary, want) {
			t.Errorf("--bigkeys does not print %q:\n%s", want, summary)
		}
	}
}

func TestRedisCLIPipesCommandsIn(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	pipe := redisCLI(t, o, "--pipe")
	var commands wire.Writer
	for n := range 5000 {
		command(&commands, "SET", fmt.Sprint("omni:config:key", n), fmt.Sprintf(`{"n":%d}`, n))
	}
	pipe.Stdin = bytes.NewReader(commands.Bytes())
	if got := output(t, pipe); !strings.HasSuffix(got, "\nerrors: 0, replies: 5000\n") {
		t.Errorf("--pipe: %q", got)
	}
	o.must("5000", "DBSIZE")
	o.must(`{"n":4999}`, "GET", "omni:config:key4999")
}

func TestRedisCLIMonitors(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	o.must("PONG", "PING") // the test's own connection is there, and has said HELLO
	monitor := redisCLI(t, o, "MONITOR")
	lines, err := monitor.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := monitor.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { monitor.Process.Kill(); monitor.Wait() })
	seen := bufio.NewScanner(lines)
	next := func(want string) {
		t.Helper()
		if seen.Scan(); !regexp.MustCompile("^" + want + "$").MatchString(seen.Text()) {
			t.Fatalf("MONITOR prints %q, want %q", seen.Text(), want)
		}
	}
	next("OK")
	const prefix = `\d{10}\.\d{6} \[0 127\.0\.0\.1:\d+\] `
	o.do("set", "a b", "\n\x01\"ж\"")
	next(prefix + regexp.QuoteMeta(`"set" "a b" "\n\x01\"\xd0\xb6\""`))
	o.do("AUTH", "secret")
	next(prefix + regexp.QuoteMeta(`"AUTH" "(redacted)"`))
	o.do("HELLO", "2", "AUTH", "default", "secret")
	next(prefix + regexp.QuoteMeta(`"HELLO" "2" "AUTH" "(redacted)" "(redacted)"`))
	o.do("GET", "a b")
	next(prefix + `"GET" "a b"`)
}

// redis-cli makes its hints, its completion and its help out of COMMAND DOCS.
func TestRedisCLIHasWhatItMakesHintsOf(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	c := goRedis(t, o, 3)
	docs, err := c.Do(context.Background(), "COMMAND", "DOCS").Result()
	if err != nil {
		t.Fatal(err)
	}
	of := func(docs any, name string) map[any]any {
		t.Helper()
		doc, ok := docs.(map[any]any)[name].(map[any]any)
		if !ok {
			t.Fatalf("COMMAND DOCS says nothing of %s", name)
		}
		return doc
	}
	for _, command := range []string{"hget", "xadd", "xreadgroup", "zadd"} {
		doc := of(docs, command)
		if arguments, _ := doc["arguments"].([]any); len(arguments) == 0 || doc["summary"] == "" {
			t.Errorf("COMMAND DOCS of %s: %v", command, doc)
		}
	}
	for container, subcommand := range map[string]string{"xgroup": "create", "xinfo": "stream", "client": "setname", "config": "get"} {
		doc := of(of(docs, container)["subcommands"], container+"|"+subcommand)
		if arguments, _ := doc["arguments"].([]any); len(arguments) == 0 {
			t.Errorf("COMMAND DOCS of %s %s: %v", container, subcommand, doc)
		}
	}
}
