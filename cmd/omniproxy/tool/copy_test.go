package tool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/source/sourcetest"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// connect returns a client of a server.
func connect(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	o.Protocol = 2
	r := redis.NewClient(o)
	t.Cleanup(func() { r.Close() })
	return r
}

// send does commands, a line each.
func send(t *testing.T, r *redis.Client, lines ...string) {
	t.Helper()
	for _, line := range lines {
		var args []any
		for _, word := range strings.Fields(line) {
			args = append(args, word)
		}
		if err := r.Do(t.Context(), args...).Err(); err != nil && err != redis.Nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// ours are the families that OmniDaemon has.
func ours() (all source.Families) {
	for _, f := range keyspace.Families() {
		all = append(all, f.Family)
	}
	return all
}

// copyOf copies and fails the test if that fails.
func copyOf(t *testing.T, c tool.Copy) tool.Copied {
	t.Helper()
	done, err := tryCopy(t.Context(), c)
	if err != nil {
		t.Fatalf("copy %s to %s: %v; %+v", c.From, c.To, err, done.Differ)
	}
	return done
}

func tryCopy(ctx context.Context, c tool.Copy) (tool.Copied, error) {
	c.Options.Prefix = "omni"
	if c.IfExists == "" {
		c.IfExists = tool.Fail
	}
	return c.Run(ctx)
}

// documents are the files that OmniDaemon knows.
func documents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"agents.json", "results.json", "metrics.json", "config.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

func TestADirectoryComesBackFromRedisToTheByte(t *testing.T) {
	for _, name := range []string{"omnidaemon_data", "nasty_data"} {
		t.Run(name, func(t *testing.T) {
			dir, back, url := sourcetest.Fixture(t, name), filepath.Join(t.TempDir(), "back"), "redis://"+redistest.Start(t)
			there := copyOf(t, tool.Copy{From: dir, To: url, Families: ours()})
			again := copyOf(t, tool.Copy{From: url, To: back, Families: ours()})
			if there.Written == 0 || there.Verified != there.Written || again.Verified != there.Verified {
				t.Errorf("%+v\n%+v", there, again)
			}
			if diff := cmp.Diff(documents(t, dir), documents(t, back)); diff != "" {
				t.Error(diff)
			}
			direct := filepath.Join(t.TempDir(), "direct")
			copyOf(t, tool.Copy{From: back, To: direct, Families: ours()})
			if diff := cmp.Diff(documents(t, dir), documents(t, direct)); diff != "" {
				t.Error(diff)
			}
			if names, err := os.ReadDir(filepath.Join(back, ".omniproxy")); err != nil || slices.ContainsFunc(names, func(d os.DirEntry) bool { return d.Name() == "copying" }) {
				t.Errorf("%v, %v", names, err)
			}
		})
	}
}

func TestWhatChangedInRedisIsAllThatChangesInTheFiles(t *testing.T) {
	dir, back, url := sourcetest.Fixture(t, "omnidaemon_data"), filepath.Join(t.TempDir(), "back"), "redis://"+redistest.Start(t)
	copyOf(t, tool.Copy{From: dir, To: url, Families: ours()})
	r := connect(t, url)
	keys, err := r.Keys(t.Context(), "omni:config:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	send(t, r, "DEL "+keys[0], "SET omni:config:new 1")
	copyOf(t, tool.Copy{From: url, To: back, Families: ours()})
	before, after := documents(t, dir), documents(t, back)
	lines := func(text string) int { return strings.Count(text, "\n") }
	if before["agents.json"] != after["agents.json"] || before["results.json"] != after["results.json"] || before["metrics.json"] != after["metrics.json"] {
		t.Error("another file changed")
	}
	if strings.Contains(after["config.json"], strings.TrimPrefix(keys[0], "omni:config:")+`":`) || !strings.Contains(after["config.json"], `"new": 1`) || lines(after["config.json"]) > lines(before["config.json"])+1 {
		t.Errorf("config.json:\n%s", after["config.json"])
	}
}

// busy fills a Redis with all that OmniDaemon writes, small and large, and a key of somebody else.
func busy(t *testing.T, r *redis.Client) {
	t.Helper()
	send(t, r,
		"HSET omni:agent:t:a name a callback_name cb tools [] description d config {} topic t created_at 1.5",
		"SADD omni:agents:topic:t a", "SADD omni:topics t", "SET omni:config:k {\"a\":1}", "SET somebody else",
		"SET omni:result:1 {\"task_id\":\"1\",\"result\":{},\"saved_at\":1.25} PXAT 4102444800123", "ZADD omni:results:index 17179869184.123457 1 -inf low",
		"XGROUP CREATE omni-stream:t group:t:a $ MKSTREAM", "XGROUP CREATECONSUMER omni-stream:t group:t:a consumer:a-2",
		"XADD omni-dlq:group:t:a 5-5 data {}", "XTRIM omni-dlq:group:t:a MAXLEN 0", "HSET retry_counts:group:t:a 1-1 2", "EXPIREAT retry_counts:group:t:a 4102444800",
	)
	pipe := r.Pipeline()
	for i := range 1500 {
		n := fmt.Sprint(i)
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "omni-stream:t", Values: []string{"data", n}})
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "omni:metrics:stream", Values: []string{"data", `{"topic": "t", "saved_at": ` + n + `}`}})
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "omni-metrics", Values: []string{"data", n, "more", "x"}})
		pipe.ZAdd(t.Context(), "omni:results:index", redis.Z{Member: n, Score: float64(i) / 7})
		pipe.SAdd(t.Context(), "omni:agents:topic:many", n)
		pipe.HSet(t.Context(), "retry_counts:group:t:many", n, n)
	}
	for range 9 {
		pipe.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "group:t:a", Consumer: "consumer:a-1", Streams: []string{"omni-stream:t", ">"}, Count: 10})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Some that are pending are gone, one was delivered again.
	pending, err := r.XPendingExt(t.Context(), &redis.XPendingExtArgs{Stream: "omni-stream:t", Group: "group:t:a", Start: "-", End: "+", Count: 4}).Result()
	if err != nil {
		t.Fatal(err)
	}
	send(t, r, "XDEL omni-stream:t "+pending[1].ID, "XACK omni-stream:t group:t:a "+pending[2].ID,
		"XCLAIM omni-stream:t group:t:a consumer:a-2 0 "+pending[3].ID, "XGROUP CREATE omni-stream:t old 0 ENTRIESREAD 0")
}

// dumps are the payloads of all keys of OmniDaemon. Of values that Redis keeps in no order it is their digest, and of streams
// what they hold, without when a consumer was last seen.
func dumps(t *testing.T, r *redis.Client) map[string]string {
	t.Helper()
	all := map[string]string{}
	keys, err := r.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if (keyspace.Layout{Prefix: "omni"}).Family(key) == keyspace.Other {
			continue
		}
		encoding := r.ObjectEncoding(t.Context(), key).Val()
		text := r.Dump(t.Context(), key).Val()
		switch encoding {
		case "hashtable":
			text = r.Do(t.Context(), "DEBUG", "DIGEST-VALUE", key).String()
		case "stream":
			full, err := r.XInfoStreamFull(t.Context(), key, 0).Result()
			if err != nil {
				t.Fatal(err)
			}
			full.RadixTreeKeys, full.RadixTreeNodes = 0, 0 // how it was filled
			for i := range full.Groups {
				for j := range full.Groups[i].Consumers {
					c := &full.Groups[i].Consumers[j]
					c.SeenTime, c.ActiveTime = full.Groups[0].Consumers[0].ActiveTime, full.Groups[0].Consumers[0].ActiveTime
				}
			}
			text = fmt.Sprintf("%+v", *full)
		}
		all[key] = fmt.Sprint(encoding, r.PExpireTime(t.Context(), key).Val(), text)
	}
	return all
}

func TestARedisComesBackFromADirectoryAsItWas(t *testing.T) {
	from, to, dir := "redis://"+redistest.Start(t), "redis://"+redistest.Start(t), filepath.Join(t.TempDir(), "dir")
	busy(t, connect(t, from))
	there := copyOf(t, tool.Copy{From: from, To: dir, Families: ours()})
	if there.Left != 1 {
		t.Errorf("%d keys were left", there.Left)
	}
	copyOf(t, tool.Copy{From: dir, To: to, Families: ours()})
	if diff := cmp.Diff(dumps(t, connect(t, from)), dumps(t, connect(t, to))); diff != "" {
		t.Error(diff)
	}
	if n := connect(t, to).Exists(t.Context(), "somebody").Val(); n != 0 {
		t.Error("a key of somebody else was copied")
	}
	straight := "redis://" + redistest.Start(t)
	copyOf(t, tool.Copy{From: from, To: straight})
	if diff := cmp.Diff(dumps(t, connect(t, from)), dumps(t, connect(t, straight))); diff != "" {
		t.Error(diff)
	}
	if text := connect(t, straight).Get(t.Context(), "somebody").Val(); text != "else" {
		t.Errorf("all keys, and somebody is %q", text)
	}
}

func TestWhatIsThereAlready(t *testing.T) {
	from, to := "redis://"+redistest.Start(t), "redis://"+redistest.Start(t)
	busy(t, connect(t, from))
	r := connect(t, to)
	send(t, r, "SET omni:config:k mine", "RPUSH omni-stream:t not a stream", "SET omni:config:own 1")
	before := dumps(t, r)
	for _, dry := range []bool{true, false} {
		done, err := tryCopy(t.Context(), tool.Copy{From: from, To: to, DryRun: dry})
		if !errors.Is(err, tool.ErrConflict) || done.Written != 0 || !slices.Equal(done.Conflict, []string{"omni-stream:t", "omni:config:k"}) {
			t.Errorf("%+v, %v", done, err)
		}
		if diff := cmp.Diff(before, dumps(t, r)); diff != "" {
			t.Error(diff)
		}
	}
	foreseen := copyOf(t, tool.Copy{From: from, To: to, IfExists: tool.Skip, DryRun: true})
	skipped := copyOf(t, tool.Copy{From: from, To: to, IfExists: tool.Skip})
	if foreseen.Written != skipped.Written || foreseen.Skipped != 2 || skipped.Skipped != 2 || r.Get(t.Context(), "omni:config:k").Val() != "mine" {
		t.Errorf("%+v\n%+v", foreseen, skipped)
	}
	foreseen = copyOf(t, tool.Copy{From: from, To: to, IfExists: tool.Replace, DryRun: true})
	replaced := copyOf(t, tool.Copy{From: from, To: to, IfExists: tool.Replace})
	if replaced.Written != 2 || replaced.Replaced != 2 || foreseen.Written != 2 || foreseen.Replaced != 2 || replaced.Same+2 != replaced.Verified {
		t.Errorf("%+v\n%+v", foreseen, replaced)
	}
	if r.Get(t.Context(), "omni:config:own").Val() != "1" {
		t.Error("a key that the source does not have is gone")
	}
	again := copyOf(t, tool.Copy{From: from, To: to})
	if again.Written != 0 || again.Same != replaced.Verified {
		t.Errorf("%+v", again)
	}
}

func TestOnlySomeFamilies(t *testing.T) {
	from, dir := "redis://"+redistest.Start(t), filepath.Join(t.TempDir(), "dir")
	busy(t, connect(t, from))
	done := copyOf(t, tool.Copy{From: from, To: dir, Families: source.Families{keyspace.Config, keyspace.Result, keyspace.ResultsIndex}})
	if diff := cmp.Diff(map[string]int64{"config": 1, "result": 1, "results:index": 1}, done.Keys); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "agents.json")); err == nil {
		t.Error("there are agents")
	}
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil || !bytes.Contains(text, []byte(`"expires_at": 4102444800.123`)) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestADryRunLeavesNoTrace(t *testing.T) {
	from, dir := sourcetest.Fixture(t, "omnidaemon_data"), filepath.Join(t.TempDir(), "dir")
	done := copyOf(t, tool.Copy{From: from, To: dir, Families: ours(), DryRun: true})
	if done.Written != 328 || done.Verified != 0 {
		t.Errorf("%+v", done)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made")
	}
}

func TestNothingIsCopiedOntoItself(t *testing.T) {
	url, dir := "redis://"+redistest.Start(t), sourcetest.Fixture(t, "omnidaemon_data")
	for _, c := range []tool.Copy{{From: url, To: url}, {From: dir, To: dir}} {
		if _, err := tryCopy(t.Context(), c); err == nil {
			t.Errorf("%s onto itself", c.From)
		}
	}
	send(t, connect(t, url), "SET k v")
	copyOf(t, tool.Copy{From: url, To: url + "/1"})
	if _, err := os.Stat(filepath.Join(dir, ".omniproxy")); err == nil {
		t.Error("the directory was touched")
	}
}
