package integration

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// python prepares a script of testdata/python. It runs in Debian's Python, where python3-redis is.
func python(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()
	const interpreter = "/usr/bin/python3"
	if out, err := exec.Command(interpreter, "-c", "import redis").CombinedOutput(); err != nil {
		t.Fatalf("the tests need redis-py in %s; make test installs it (apt-get install python3-redis): %v\n%s", interpreter, err, out)
	}
	return exec.Command(interpreter, append([]string{"-B", filepath.Join("testdata/python", script)}, args...)...)
}

// output runs a command to its end, within a minute, and returns what it wrote to standard output.
func output(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	timeout := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timeout.Stop()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, &errs)
	}
	return string(out)
}

// url is where a client finds the server, with what stands after the port: "/2".
func (o *omniproxy) url(rest string) string { return "redis://" + o.Addr + rest }

func TestRedisPyWorks(t *testing.T) {
	t.Parallel()
	output(t, python(t, "client.py", serve(t, t.TempDir()).url("")))
}

// goRedis connects as a program does that leaves go-redis its defaults: it says HELLO and names itself, and with RESP3
// it asks for maintenance notifications.
func goRedis(t *testing.T, o *omniproxy, proto int) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: o.Addr, Protocol: proto, DB: 1, ClientName: "tester"})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestGoRedisWorks(t *testing.T) {
	t.Parallel()
	goRedisWorks(t, serve(t, t.TempDir()))
}

func goRedisWorks(t *testing.T, o *omniproxy) {
	chapters := map[string]func(*testing.T, *redis.Client){
		"connection":   goRedisConnects,
		"values":       goRedisReadsValues,
		"pipelines":    goRedisPipelines,
		"transactions": goRedisTransactions,
		"streams":      goRedisStreams,
		"blocking":     goRedisBlocks,
	}
	for proto := 2; proto <= 3; proto++ {
		for name, chapter := range chapters {
			t.Run(fmt.Sprintf("RESP%d/%s", proto, name), func(t *testing.T) {
				c := goRedis(t, o, proto)
				defer c.FlushAll(t.Context())
				chapter(t, c)
			})
		}
	}
}

// expect compares what a call of go-redis returned.
func expect[T any](t *testing.T, want T) func(got T, err error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

func goRedisConnects(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	expect(t, "PONG")(c.Ping(ctx).Result())
	expect(t, "tester")(c.ClientGetName(ctx).Result())
	info, err := c.ClientInfo(ctx).Result()
	if err != nil || info.DB != 1 || info.Resp != c.Options().Protocol {
		t.Errorf("database %d, protocol %d, %v", info.DB, info.Resp, err)
	}
	if err := c.Do(ctx, "NOSUCH", "a").Err(); err == nil || err.Error() != "ERR unknown command 'NOSUCH', with args beginning with: 'a' " {
		t.Errorf("unknown command: %v", err)
	}
	expect(t, "PONG")(c.Ping(ctx).Result()) // still in step
}

func goRedisReadsValues(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	expect(t, "OK")(c.Set(ctx, "k", "\x00ж\r\n", time.Minute).Result())
	expect(t, "\x00ж\r\n")(c.Get(ctx, "k").Result())
	expect(t, time.Minute)(c.TTL(ctx, "k").Result())
	if err := c.Get(ctx, "none").Err(); err != redis.Nil {
		t.Errorf("GET none: %v", err)
	}
	expect(t, int64(2))(c.HSet(ctx, "h", "a", 1, "ж", 2.5).Result())
	expect(t, map[string]string{"a": "1", "ж": "2.5"})(c.HGetAll(ctx, "h").Result())
	expect(t, map[string]string{})(c.HGetAll(ctx, "none").Result())
	expect(t, int64(2))(c.SAdd(ctx, "s", "a", "b").Result())
	expect(t, map[string]struct{}{"a": {}, "b": {}})(c.SMembersMap(ctx, "s").Result())
	expect(t, int64(2))(c.ZAdd(ctx, "z", redis.Z{Score: 1763859213.123456, Member: "a"}, redis.Z{Score: -1, Member: "b"}).Result())
	expect(t, []redis.Z{{Score: 1763859213.123456, Member: "a"}, {Score: -1, Member: "b"}})(c.ZRevRangeWithScores(ctx, "z", 0, -1).Result())
	expect(t, 1763859213.123456)(c.ZScore(ctx, "z", "a").Result())
	if err := c.HGetAll(ctx, "k").Err(); err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE ") {
		t.Errorf("HGETALL of a string: %v", err)
	}
	var keys []string
	scan := c.Scan(ctx, 0, "[^k]*", 1).Iterator()
	for scan.Next(ctx) {
		keys = append(keys, scan.Val())
	}
	slices.Sort(keys)
	expect(t, []string{"h", "s", "z"})(keys, scan.Err())
}

func goRedisPipelines(t *testing.T, c *redis.Client) {
	const commands = 5000
	replies, err := c.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for n := range commands {
			p.HSet(t.Context(), "h", n, n)
			p.HGet(t.Context(), "h", fmt.Sprint(n))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range commands {
		expect(t, fmt.Sprint(n))(replies[2*n+1].(*redis.StringCmd).Result())
	}
}

func goRedisTransactions(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	replies, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "k", "v", 0)
		p.HSet(ctx, "k", "a", 1)
		p.Get(ctx, "k")
		return nil
	})
	if err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE ") {
		t.Errorf("HSET of a string in a transaction: %v", err)
	}
	expect(t, "v")(replies[2].(*redis.StringCmd).Result())
	err = c.Watch(ctx, func(tx *redis.Tx) error {
		if err := c.Set(ctx, "k", "another's", 0).Err(); err != nil {
			return err
		}
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "k", "mine", 0).Err() })
		return err
	}, "k")
	if err != redis.TxFailedErr {
		t.Errorf("a watched key was changed: %v", err)
	}
	expect(t, "another's")(c.Get(ctx, "k").Result())
}

func goRedisStreams(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	entry := func(id string) redis.XMessage {
		return redis.XMessage{ID: id, Values: map[string]any{"data": "{}", "ж": id}}
	}
	for _, id := range []string{"1-1", "2-0", "3-0"} {
		expect(t, id)(c.XAdd(ctx, &redis.XAddArgs{Stream: "x", MaxLen: 10000, Approx: true, ID: id, Values: []string{"data", "{}", "ж", id}}).Result())
	}
	expect(t, []redis.XMessage{entry("3-0"), entry("2-0")})(c.XRevRangeN(ctx, "x", "+", "-", 2).Result())
	expect(t, "OK")(c.XGroupCreate(ctx, "x", "g", "0").Result())
	expect(t, []redis.XStream{{Stream: "x", Messages: []redis.XMessage{entry("1-1"), entry("2-0")}}})(
		c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"x", ">"}, Count: 2, Block: time.Second}).Result())
	expect(t, &redis.XPending{Count: 2, Lower: "1-1", Higher: "2-0", Consumers: map[string]int64{"c": 2}})(c.XPending(ctx, "x", "g").Result())
	expect(t, []redis.XMessage{entry("1-1")})(c.XClaim(ctx, &redis.XClaimArgs{Stream: "x", Group: "g", Consumer: "d", Messages: []string{"1-1"}}).Result())
	claimed, next, err := c.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: "x", Group: "g", Consumer: "d", Start: "0"}).Result()
	expect(t, []redis.XMessage{entry("1-1"), entry("2-0")})(claimed, err)
	expect(t, "0-0")(next, nil)
	expect(t, int64(2))(c.XAck(ctx, "x", "g", "1-1", "2-0").Result())
	groups, err := c.XInfoGroups(ctx, "x").Result()
	expect(t, []redis.XInfoGroup{{Name: "g", Consumers: 2, LastDeliveredID: "2-0", EntriesRead: 2, Lag: 1}})(groups, err)
	info, err := c.XInfoStream(ctx, "x").Result()
	if err != nil || info.Length != 3 || info.LastGeneratedID != "3-0" || info.Groups != 1 || !cmp.Equal(info.FirstEntry, entry("1-1")) {
		t.Errorf("XINFO STREAM: %+v, %v", info, err)
	}
	full, err := c.XInfoStreamFull(ctx, "x", 1).Result()
	if err != nil || len(full.Entries) != 1 || len(full.Groups) != 1 || len(full.Groups[0].Consumers) != 2 {
		t.Errorf("XINFO STREAM FULL: %+v, %v", full, err)
	}
}

// A reader that waits holds up only itself, and is woken by a write, by the end of its group, and by its own limit.
func goRedisBlocks(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	read := func(consumer string, block time.Duration) (string, error) {
		streams, err := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: consumer, Streams: []string{"x", ">"}, Count: 1, Block: block}).Result()
		if err != nil {
			return err.Error(), err
		}
		return streams[0].Messages[0].ID, nil
	}
	// start reads in the background and returns when the server has so many blocked clients.
	start := func(consumer string, blocked int) <-chan string {
		got := make(chan string, 1)
		go func() {
			id, _ := read(consumer, time.Minute)
			got <- id
		}()
		for want := fmt.Sprintf("blocked_clients:%d\r\n", blocked); ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if info := c.Info(ctx, "clients"); info.Err() != nil || strings.Contains(info.Val(), want) {
				break
			}
		}
		return got
	}
	expect(t, "OK")(c.XGroupCreateMkStream(ctx, "x", "g", "$").Result())
	if _, err := read("a", time.Millisecond); err != redis.Nil {
		t.Errorf("nothing came: %v", err)
	}
	first, second := start("a", 1), start("b", 2)
	for _, id := range []string{"1-1", "1-2"} {
		expect(t, id)(c.XAdd(ctx, &redis.XAddArgs{Stream: "x", ID: id, Values: []string{"f", "v"}}).Result())
	}
	expect(t, "1-1")(<-first, nil) // who waited first is served first
	expect(t, "1-2")(<-second, nil)
	third := start("a", 1)
	expect(t, int64(1))(c.XGroupDestroy(ctx, "x", "g").Result())
	if got := <-third; !strings.HasPrefix(got, "NOGROUP ") {
		t.Errorf("after XGROUP DESTROY: %s", got)
	}
}
