package aof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// Real programs judge the files: redis-check-aof and a redis-server started on the directory.

// checked asks redis-check-aof.
func checked(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("redis-check-aof", filepath.Join(dir, manifestName)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "All AOF files and manifest are valid") {
		t.Fatalf("redis-check-aof: %v\n%s", err, out)
	}
}

// startRedis starts a real Redis on the log in dir. stop kills it; every write it has acknowledged is in the log.
func startRedis(t *testing.T, dir string, args ...string) (client *redis.Client, stop func()) {
	t.Helper()
	addr, stop, err := redistest.Run(filepath.Dir(dir), append([]string{
		"--appendonly", "yes", "--appenddirname", filepath.Base(dir), "--appendfsync", "always",
		"--aof-use-rdb-preamble", "no", "--aof-timestamp-enabled", "yes",
	}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	client = redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() {
		client.Close()
		stop()
	})
	return client, stop
}

// dump returns what Redis holds in databases 0 to 3: strings, sets and hashes.
func dump(t *testing.T, c *redis.Client) map[string]string {
	t.Helper()
	ctx, all := context.Background(), map[string]string{}
	for db := range 4 {
		conn := c.Conn()
		defer conn.Close()
		if err := conn.Select(ctx, db).Err(); err != nil {
			t.Fatal(err)
		}
		keys, err := conn.Keys(ctx, "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			var value any
			switch conn.Type(ctx, key).Val() {
			case "string":
				value = conn.Get(ctx, key).Val()
			case "set":
				members := conn.SMembers(ctx, key).Val()
				slices.Sort(members)
				value = members
			case "hash":
				value = conn.HGetAll(ctx, key).Val()
			}
			all[fmt.Sprint(db, " ", key)] = fmt.Sprint(value)
		}
	}
	return all
}

func TestRedisLoadsTheLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "aof")
	l, _, err := Open(dir, Options{}, Replay{})
	if err != nil {
		t.Fatal(err)
	}
	checked(t, dir)
	units := []done{
		{0, []string{"SET a 1"}, ""},
		{0, []string{"SET b 2", "SADD s x y"}, strings.Repeat("n", 2*MaxNote)},
		{2, []string{"HSET h f v"}, ""},
		{2, nil, "a note alone"},
		{0, []string{"SELECT 3", "SET far 1", "SELECT 0", "SET a 2"}, ""},
		{0, []string{"SET binary \x00\r\n#unit\xff"}, "control \r\n characters"},
	}
	fill(t, l, units)
	checked(t, dir)
	want := map[string]string{
		"0 a": "2", "0 b": "2", "0 s": "[x y]", "2 h": "map[f:v]", "3 far": "1", "0 binary": "\x00\r\n#unit\xff",
	}
	c, stop := startRedis(t, dir)
	if diff := cmp.Diff(want, dump(t, c)); diff != "" {
		t.Error(diff)
	}
	stop()

	rewriteAs(t, l, units[:len(units):len(units)])
	fill(t, l, []done{{1, []string{"SET after 1"}, ""}, {1, []string{"SET more 1", "DEL more"}, ""}})
	mustClose(t, l)
	checked(t, dir)
	want["1 after"] = "1"
	c, _ = startRedis(t, dir)
	if diff := cmp.Diff(want, dump(t, c)); diff != "" {
		t.Error(diff)
	}
}

func TestBaseOfManyPartsIsLoadedByRedis(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "aof")
	l, _, err := Open(dir, Options{}, Replay{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.PrepareRewrite()
	if err != nil {
		t.Fatal(err)
	}
	r.Rotate()
	const n, size = 450, 20 << 10
	value := []byte(strings.Repeat("v", size))
	for i := range n {
		if err := r.Write(i%2, []byte("SET"), fmt.Append(nil, i), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	checked(t, dir)
	got := 0
	var told []int64
	l, _, err = Open(dir, Options{}, Replay{
		Effect: func(db int, args [][]byte) error {
			if db != got%2 || string(args[1]) != fmt.Sprint(got) || len(args[2]) != size {
				return fmt.Errorf("effect %d is of %s", got, args[1])
			}
			got++
			return nil
		},
		Progress: func(done, total int64) { told = append(told, done, total) },
	})
	if err != nil || got != n {
		t.Fatalf("%d of %d effects, %v", got, n, err)
	}
	if last := told[len(told)-2:]; last[0] != last[1] || last[0] != l.Stats().Size {
		t.Errorf("progress %d, size %d", told, l.Stats().Size)
	}
	mustClose(t, l)
	c, _ := startRedis(t, dir)
	if keys := dump(t, c); len(keys) != n {
		t.Errorf("Redis has %d keys", len(keys))
	}
}

// Redis may run on the directory for a while, and even rewrite it.
func TestRedisMayWriteMeanwhile(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "aof")
	l, _, err := Open(dir, Options{}, Replay{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, l, []done{{0, []string{"SET a 1"}, ""}, {2, []string{"SET b 1", "SET c 1"}, ""}})
	mustClose(t, l)

	c, stop := startRedis(t, dir)
	c.TxPipelined(ctx, func(p redis.Pipeliner) error { // a session that begins with MULTI
		p.Set(ctx, "d", "1", 0)
		p.Del(ctx, "a")
		return nil
	})
	c.Set(ctx, "e", "1", 0)
	want := dump(t, c)
	stop()

	var commands [][]string
	record := Replay{Effect: func(db int, args [][]byte) error {
		line := []string{fmt.Sprint(db)}
		for _, a := range args {
			line = append(line, string(a))
		}
		commands = append(commands, line)
		return nil
	}}
	l, report, err := Open(dir, Options{}, record)
	if err != nil {
		t.Fatal(err)
	}
	wantCommands := [][]string{
		{"0", "SET", "a", "1"}, {"2", "SET", "b", "1"}, {"2", "SET", "c", "1"},
		{"0", "set", "d", "1"}, {"0", "del", "a"}, {"0", "set", "e", "1"},
	}
	if diff := cmp.Diff(wantCommands, commands); diff != "" || report.Units != 4 || report.Seq != 4 || report.Cut.Bytes != 0 {
		t.Errorf("%+v %s", report, diff)
	}
	fill(t, l, []done{{0, []string{"SET f 1"}, ""}})
	mustClose(t, l)
	checked(t, dir)

	c, stop = startRedis(t, dir)
	want["0 f"] = "1"
	if diff := cmp.Diff(want, dump(t, c)); diff != "" {
		t.Error(diff)
	}
	rewriteByRedis(t, c)
	c.Set(ctx, "g", "1", 0)
	stop()
	commands = nil
	l, report, err = Open(dir, Options{}, record)
	if err != nil {
		t.Fatal(err)
	}
	if len(commands) != len(want)+1 || report.Units != 1 {
		t.Errorf("%+v of %q", report, commands)
	}
	fill(t, l, []done{{1, []string{"SET h 1"}, ""}})
	mustClose(t, l)
	checked(t, dir)

	c, stop = startRedis(t, dir, "--aof-use-rdb-preamble", "yes")
	rewriteByRedis(t, c)
	stop()
	if _, _, err = Open(dir, Options{}, record); err == nil || !strings.Contains(err.Error(), "written by Redis with an RDB preamble; set aof-use-rdb-preamble no") {
		t.Errorf("error %v", err)
	}
}

// rewriteByRedis runs BGREWRITEAOF to its end.
func rewriteByRedis(t *testing.T, c *redis.Client) {
	t.Helper()
	ctx := context.Background()
	if err := c.BgRewriteAOF(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	for {
		info := c.Info(ctx, "persistence").Val()
		if strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// failingSyncs is the operating system's disk, whose files cannot be synced while that is switched on.
type failingSyncs struct {
	disk.OS
	on *atomic.Bool
}

type failingFile struct {
	disk.File
	on *atomic.Bool
}

func (d failingSyncs) Open(path string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := d.OS.Open(path, flag, perm)
	return failingFile{f, d.on}, err
}

func (f failingFile) Sync() error {
	if f.on.Load() {
		return errDisk
	}
	return f.File.Sync()
}

// What a log becomes that was torn, cut, mended after a failed sync or repaired is still a log of Redis'.
func TestRedisLoadsARecoveredLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "aof")
	var on atomic.Bool
	o := Options{Disk: failingSyncs{on: &on}}
	l, _, err := Open(dir, o, Replay{})
	if err != nil {
		t.Fatal(err)
	}
	units := []done{{Effects: []string{"SET a 1"}}, {DB: 2, Effects: []string{"HSET h f v", "SADD s x"}}, {Effects: []string{"SET b 2"}}}
	fill(t, l, units[:2])
	l.tick()
	on.Store(true)
	fill(t, l, units[2:])
	l.Sync()
	on.Store(false)
	if err := mend(l, units); err != nil {
		t.Fatal(err)
	}
	more := []done{{Effects: []string{"SET c 3"}}, {Effects: []string{"SET d 4"}}, {Effects: []string{"SET e 5"}}}
	fill(t, l, more)
	mustClose(t, l)
	checked(t, dir)

	incr := filepath.Join(dir, "appendonly.aof.2.incr.aof")
	whole, err := os.ReadFile(incr)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(incr, bytes.Replace(whole, []byte("$1\r\nd"), []byte("$1\r\nx"), 1), 0o644)
	_, err = Check(disk.OS{}, dir, Replay{Effect: func(int, [][]byte) error { return nil }})
	damage, ok := errors.AsType[*Damage](err)
	if !ok {
		t.Fatal(err)
	}
	if _, err := Repair(disk.OS{}, dir, damage); err != nil {
		t.Fatal(err)
	}
	checked(t, dir)
	f, err := os.OpenFile(incr, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("*3\r\n$3\r\nSET\r\n$1\r\nz\r\n$9\r\nto")
	f.Close()
	l, report, err := Open(dir, Options{}, Replay{Effect: func(int, [][]byte) error { return nil }})
	if err != nil || report.Cut.Bytes == 0 {
		t.Fatal(report, err)
	}
	fill(t, l, []done{{Effects: []string{"SET after 6"}}})
	mustClose(t, l)
	checked(t, dir)
	c, _ := startRedis(t, dir)
	want := map[string]string{"0 a": "1", "2 h": "map[f:v]", "2 s": "[x]", "0 b": "2", "0 c": "3", "0 after": "6"}
	if diff := cmp.Diff(want, dump(t, c)); diff != "" {
		t.Error(diff)
	}
}
