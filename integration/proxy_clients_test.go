package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

func TestRedisPyWorksThroughTheProxy(t *testing.T) {
	inBothPools(t, func(t *testing.T, _ string, o *omniproxy) {
		output(t, python(t, "client.py", o.url("")))
	}, "--appendonly", "yes")
}

func TestGoRedisWorksThroughTheProxy(t *testing.T) {
	inBothPools(t, func(t *testing.T, _ string, o *omniproxy) { goRedisWorks(t, o) })
}

// cli is a redis-cli that runs until the test is over.
type cli struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	lines *bufio.Scanner
}

// startCLI starts a redis-cli that reads commands, unless args are one.
func startCLI(t *testing.T, o *omniproxy, args ...string) *cli {
	t.Helper()
	c := &cli{t: t, cmd: redisCLI(t, o, args...)}
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait() })
	c.in, c.lines = in, bufio.NewScanner(out)
	return c
}

// prints reads lines that match patterns.
func (c *cli) prints(patterns ...string) {
	c.t.Helper()
	for _, want := range patterns {
		if c.lines.Scan(); !regexp.MustCompile("^(" + want + ")$").MatchString(c.lines.Text()) {
			c.t.Fatalf("redis-cli prints %q, want %q", c.lines.Text(), want)
		}
	}
}

func TestRedisCLIWorksThroughTheProxy(t *testing.T) {
	inBothPools(t, func(t *testing.T, _ string, o *omniproxy) {
		pipe := redisCLI(t, o, "--pipe")
		var commands wire.Writer
		for n := range 5000 {
			command(&commands, "HSET", fmt.Sprint("key", n), "n", fmt.Sprint(n))
		}
		pipe.Stdin = bytes.NewReader(commands.Bytes())
		for _, c := range []struct {
			cmd  *exec.Cmd
			want string
		}{
			{pipe, "errors: 0, replies: 5000\n"},
			{redisCLI(t, o, "--bigkeys"), "5000 hashs with 5000 fields "},
			{redisCLI(t, o, "--memkeys"), "Sampled 5000 keys in the keyspace!"},
			{redisCLI(t, o, "--scan", "--pattern", "key4711"), "key4711\n"},
			{redisCLI(t, o, "-3", "--no-raw", "HGETALL", "key7"), "1# \"n\" => \"7\"\n"},
			{redisCLI(t, o, "-n", "3", "SET", "k", "v"), "OK\n"},
			{redisCLI(t, o, "-u", o.url("/3"), "GET", "k"), "v\n"},
			{redisCLI(t, o, "--csv", "--latency"), ","},
			{redisCLI(t, o, "-r", "3", "ECHO", "\xff"), "\xff\n\xff\n\xff\n"},
		} {
			if got := output(t, c.cmd); !strings.Contains(got, c.want) {
				t.Errorf("%v prints\n%s\nwithout %q", c.cmd.Args[5:], got, c.want)
			}
		}
	})
}

// What redis-cli hears of others it prints, and it leaves when it is interrupted.
func TestRedisCLIHearsThroughTheProxy(t *testing.T) {
	inBothPools(t, func(t *testing.T, _ string, o *omniproxy) {
		for _, args := range [][]string{{"SUBSCRIBE", "channel"}, {"-3", "SUBSCRIBE", "channel"}} {
			c := startCLI(t, o, args...)
			c.prints("subscribe", "channel", "1")
			o.must(1, "PUBLISH", "channel", "hello")
			c.prints("message", "channel", "hello")
			c.cmd.Process.Signal(syscall.SIGINT)
			o.eventually("nobody subscribed", func() bool { return fmt.Sprint(o.do("PUBSUB", "NUMSUB", "channel")) == "[channel 0]" })
		}
		c := startCLI(t, o, "MONITOR")
		c.prints("OK")
		o.must(nil, "GET", "a b")
		for c.lines.Scan() && !strings.HasSuffix(c.lines.Text(), `] "GET" "a b"`) {
		}
		c = startCLI(t, o)
		fmt.Fprint(c.in, "MULTI\nSET a 1\nINCR a\nEXEC\nWATCH a\nBLPOP list 0\n")
		c.prints("OK", "QUEUED", "QUEUED", "OK", "2", "OK")
		o.waiting(1)
		o.must(1, "RPUSH", "list", "x")
		c.prints("list", "x")
	})
}

// What Redis sends a replica is no replies: a snapshot, then writes as they are done.
func TestAReplicaFollowsThroughTheProxy(t *testing.T) {
	inBothPools(t, func(t *testing.T, _ string, o *omniproxy) {
		o.must("OK", "SET", "in the snapshot", "1")
		snapshot := filepath.Join(t.TempDir(), "snapshot")
		output(t, redisCLI(t, o, "--rdb", snapshot))
		if text, _ := os.ReadFile(snapshot); !bytes.HasPrefix(text, []byte("REDIS")) || !bytes.Contains(text, []byte("in the snapshot")) {
			t.Errorf("--rdb wrote %.20q", text)
		}
		replica := &omniproxy{t: t, Addr: redistest.Start(t, "--replicaof", "127.0.0.1", port(t, o.Addr))}
		has := func(key string) func() bool { return func() bool { return replica.do("GET", key) == "1" } }
		replica.eventually("copied", has("in the snapshot"))
		o.must("OK", "SET", "later", "1")
		replica.eventually("told", has("later"))
	}, "--repl-diskless-sync-delay", "0")
}
