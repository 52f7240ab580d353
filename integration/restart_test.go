package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// ends are the ways in which a process ends.
var ends = map[string]func(*omniproxy){
	"SIGTERM": func(o *omniproxy) { o.stop() },
	"SIGKILL": (*omniproxy).kill,
}

// survives checks that a restart changes nothing, and neither does one after the append-only file was rewritten.
func (o *omniproxy) survives(end func(*omniproxy), args ...string) {
	o.t.Helper()
	before := o.keyspace()
	if len(before) == 0 {
		o.t.Fatal("there is nothing to lose")
	}
	end(o)
	second := serve(o.t, o.Dir, args...)
	if diff := cmp.Diff(before, second.keyspace()); diff != "" {
		o.t.Errorf("after a restart (-before +after)\n%s", diff)
	}
	second.rewrite()
	end(second)
	third := serve(o.t, o.Dir, args...)
	if diff := cmp.Diff(before, third.keyspace()); diff != "" {
		o.t.Errorf("after a rewrite and a restart (-before +after)\n%s", diff)
	}
	third.stop()
	files := jsonFiles(o.t, o.Dir)
	if log := serve(o.t, o.Dir, args...).stop(); strings.Contains(log, "another program") {
		o.t.Errorf("our own files were taken for edits:\n%s", log)
	}
	if diff := cmp.Diff(files, jsonFiles(o.t, o.Dir)); diff != "" {
		o.t.Errorf("a restart changed the files (-before +after)\n%s", diff)
	}
}

// rewrite has the append-only file rewritten.
func (o *omniproxy) rewrite() {
	o.t.Helper()
	o.must("Background append only file rewriting started", "BGREWRITEAOF")
	o.eventually("rewritten", func() bool {
		return strings.Contains(fmt.Sprint(o.do("INFO", "persistence")), "aof_rewrite_in_progress:0")
	})
	if info := fmt.Sprint(o.do("INFO", "persistence")); !strings.Contains(info, "aof_last_bgrewrite_status:ok") {
		o.t.Errorf("INFO after a rewrite:\n%s", info)
	}
}

// omniDaemon is what OmniDaemon's RedisStore and event bus send, and what its documentation shows: a command a line.
const omniDaemon = `
MULTI
HSET omni:agent:file.uploaded:file-processor name file-processor callback_name cb tools '["a", "b"]' description d config '{}' topic file.uploaded created_at 1763859213.5
SADD omni:agents:topic:file.uploaded file-processor
SADD omni:topics file.uploaded
EXEC
MULTI
HSET omni:agent:a:b:c name c callback_name cb tools [] description '' config '{"k": 1}' topic a:b created_at 1763859214.25
SADD omni:agents:topic:a:b c
SADD omni:topics a:b
EXEC
MULTI
DEL omni:agent:a:b:c
SREM omni:agents:topic:a:b c
EXEC
SCARD omni:agents:topic:a:b
SREM omni:topics a:b
DEL omni:agents:topic:a:b
SETEX omni:result:t1 86400 '{"task_id": "t1", "result": {"x": [1, 2.5, null]}, "saved_at": 1763859213.25}'
ZADD omni:results:index 1763859213.2501 t1
SET omni:result:t2 '{"task_id":"t2","result":"compact","saved_at":1763859214}'
ZADD omni:results:index 1763859214.0001 t2
ZADD omni:results:index 1763859214.0002 orphan
SET omni:result:broken 'no JSON'
MULTI
DEL omni:result:t3
ZREM omni:results:index t3
EXEC
XADD omni:metrics:stream MAXLEN ~ 100000 * data '{"event": "task_received", "saved_at": 1763859213.5}'
XADD omni:metrics:stream MAXLEN ~ 100000 * data '{"event": "task_done", "saved_at": 1763859213.75}'
XADD omni:metrics:stream * other field
SET omni:config:k '{"a": [1, 2]}'
SET omni:config:_omnidaemon_start_time 1763859213.125
SET omni:config:_omnidaemon_runner_id null
SET omni:config:_subscription_active:group:file.uploaded:file-processor true
XGROUP CREATE omni-stream:file.uploaded group:file.uploaded:file-processor $ MKSTREAM
XADD omni-stream:file.uploaded MAXLEN ~ 10000 * data '{"content": {"n": 1}, "delivery_attempts": 0}'
XADD omni-stream:file.uploaded MAXLEN ~ 10000 * data '{"content": {"n": 2}}'
XADD omni-stream:file.uploaded MAXLEN ~ 10000 * data '{"content": {"n": 3}}'
XREADGROUP GROUP group:file.uploaded:file-processor consumer:file-processor-1 COUNT 2 BLOCK 10 STREAMS omni-stream:file.uploaded >
XREADGROUP GROUP group:file.uploaded:file-processor consumer:file-processor-2 COUNT 10 STREAMS omni-stream:file.uploaded >
XGROUP CREATE omni-stream:file.uploaded group:other 0
XGROUP CREATECONSUMER omni-stream:file.uploaded group:other idle
XADD omni-metrics MAXLEN ~ 1000000 * data '{"event": "consumed"}'
HINCRBY retry_counts:group:file.uploaded:file-processor 1-0 1
EXPIRE retry_counts:group:file.uploaded:file-processor 3600
XADD omni-dlq:group:file.uploaded:file-processor MAXLEN ~ 10000 * data '{"error": "boom", "retry_count": 3}'
XADD s 1-1 a 1
XADD s 2-1 a 2 b 3
XADD s 2-2 a ''
XADD s 5-* c 4
XDEL s 2-1
XTRIM s MAXLEN 2
XGROUP CREATE s g 0
XREADGROUP GROUP g c STREAMS s >
XACK s g 2-2
XCLAIM s g d 0 5-0 RETRYCOUNT 7 TIME 1763859213000
XGROUP SETID s g 2-2
XADD emptied 7-7 a 1
XDEL emptied 7-7
SELECT 3
SET binary "\x00\xff\r\n\"quoted\" é"
HSET h a 1 b 2.5 '' empty
HDEL h b
EXPIREAT h 33333333333
SADD ints 1 2 3 -5
SADD words a b 'c d'
ZADD z 1 a -inf b +inf c 1.5 d 0.1 e
ZADD z INCR 2 a
ZREM z b
PEXPIREAT z 33333333333123
SET short 1 PX 1
SETEX gone 100 x
DEL gone
RPUSH l a b 'c d' 1
LPOP l
SELECT 15
SET k v
FLUSHDB
SET after flush
MULTI
SET m 1
SELECT 14
SET m 2
SELECT 15
DEL m
EXEC
`

// words splits a line as redis-cli does: quotes keep spaces, \x escapes stand in double ones.
func words(t testing.TB, line string) (list []any) {
	t.Helper()
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		switch line[0] {
		case '\'':
			word, rest, ok := strings.Cut(line[1:], "'")
			if !ok {
				t.Fatalf("no closing quote: %s", line)
			}
			list, line = append(list, word), rest
		case '"':
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			word, _ := strconv.Unquote(quoted)
			list, line = append(list, word), line[len(quoted):]
		default:
			word, rest, _ := strings.Cut(line, " ")
			list, line = append(list, word), rest
		}
	}
	return list
}

// play sends commands on one connection. None may fail.
func (o *omniproxy) play(script string) {
	o.t.Helper()
	ctx := context.Background()
	conn := o.client(0).Conn()
	defer conn.Close()
	for line := range strings.Lines(strings.TrimSpace(script)) {
		if err := conn.Do(ctx, words(o.t, strings.TrimSpace(line))...).Err(); err != nil && err != redis.Nil {
			o.t.Fatalf("%s: %v", line, err)
		}
	}
}

func TestWhatOmniDaemonWritesSurvives(t *testing.T) {
	t.Parallel()
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := serve(t, t.TempDir())
			o.play(omniDaemon)
			o.survives(end)
		})
	}
}

// docs/format/directory.md promises that .omniproxy alone is a backup.
func TestACopyTakenWhileServingBringsEverythingBack(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"))
	o.play(omniDaemon)
	o.published("other.json", "binary")
	o.published("bus.json", "file.uploaded")
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, ".omniproxy"), os.DirFS(o.path(".omniproxy"))); err != nil {
		t.Fatal(err)
	}
	copied := serve(t, dir)
	if diff := cmp.Diff(o.keyspace(), copied.keyspace()); diff != "" {
		t.Errorf("(-original +copy)\n%s", diff)
	}
	o.stop()
	copied.stop()
	for name := range jsonFiles(t, o.Dir) {
		if copied.read(name) == "" {
			t.Errorf("%s was not written anew", name)
		}
	}
}

func TestWhatWasLoadedAndChangedSurvives(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "nasty_data"))
	o.play(omniDaemon)
	o.survives((*omniproxy).kill)
}

// Commands at random: what the handlers' effects leave out shows as a difference.
func TestRandomCommandsSurvive(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			o := serve(t, t.TempDir(), "--fsync", "no")
			r := rand.New(rand.NewPCG(seed, 7))
			ctx := context.Background()
			conn := o.client(0).Conn()
			defer conn.Close()
			const commands = 8000
			for range commands / 100 {
				pipe := conn.Pipeline()
				for range 100 {
					pipe.Do(ctx, words(t, randomCommand(r))...)
				}
				pipe.Exec(ctx) // some commands meet a key of another type: that is part of the test
			}
			o.survives((*omniproxy).kill)
		})
	}
}

func randomCommand(r *rand.Rand) string {
	key := func(kind string) string { return kind + strconv.Itoa(r.IntN(4)) }
	any := func() string {
		return []string{"str", "hash", "set", "zset", "stream"}[r.IntN(5)] + strconv.Itoa(r.IntN(4))
	}
	n := func() string { return strconv.Itoa(r.IntN(20)) }
	id := func() string { return strconv.Itoa(r.IntN(40)) + "-" + strconv.Itoa(r.IntN(3)) }
	timed := func() string { return "stream" + strconv.Itoa(2+r.IntN(2)) } // IDs from the clock; elsewhere small ones, which commands hit
	numbered := func() string { return "stream" + strconv.Itoa(r.IntN(2)) }
	group := func() string { return key("stream") + " g" + strconv.Itoa(r.IntN(2)) }
	consumer := func() string { return "c" + strconv.Itoa(r.IntN(3)) }
	commands := []func() string{
		func() string { return "SET " + key("str") + " " + n() },
		func() string { return "SET " + key("str") + " v" + n() + " EX 100" + n() },
		func() string { return "SET " + key("str") + " v" + n() + " KEEPTTL" },
		func() string { return "SET " + key("str") + " v NX GET" },
		func() string { return "DEL " + key("str") + " " + any() },
		func() string { return "PEXPIRE " + any() + " 100000" + n() },
		func() string { return "EXPIRE " + any() + " 5000 GT" },
		func() string { return "PERSIST " + any() },
		func() string { return "GETEX " + key("str") + " PX 100000" + n() },
		func() string { return "GETDEL " + key("str") },
		func() string { return "APPEND " + key("str") + " " + n() },
		func() string { return "INCRBYFLOAT " + key("str") + " 0.1" },
		func() string { return "SETRANGE " + key("str") + " " + n() + " x" },
		func() string { k := any(); return "RENAME " + k + " " + k[:len(k)-1] + strconv.Itoa(r.IntN(4)) },
		func() string {
			k := any()
			return "COPY " + k + " " + k[:len(k)-1] + strconv.Itoa(r.IntN(4)) + " REPLACE"
		},
		func() string { return "MOVE " + any() + " " + strconv.Itoa(r.IntN(3)) },
		func() string { return "RPUSH " + key("list") + " " + n() + " e" + n() },
		func() string { return "LPUSH " + key("list") + " " + n() + " e" + n() },
		func() string { return "LPOP " + key("list") + " 2" },
		func() string { return "LMOVE " + key("list") + " " + key("list") + " LEFT RIGHT" },
		func() string { return "LINSERT " + key("list") + " BEFORE " + n() + " inserted" },
		func() string { return "LREM " + key("list") + " 1 " + n() },
		func() string { return "LSET " + key("list") + " 0 " + n() },
		func() string { return "LTRIM " + key("list") + " 0 30" },
		func() string { return "BRPOP " + key("list") + " 0.001" },
		func() string { return "HINCRBYFLOAT " + key("hash") + " f" + n() + " 0.1" },
		func() string { return "SMOVE " + key("set") + " " + key("set") + " " + n() },
		func() string { return "SUNIONSTORE " + key("set") + " " + key("set") + " " + key("set") },
		func() string {
			return "ZUNIONSTORE " + key("zset") + " 2 " + key("zset") + " " + key("zset") + " WEIGHTS 1 0.5"
		},
		func() string { return "ZREMRANGEBYRANK " + key("zset") + " 0 1" },
		func() string { return "BZPOPMAX " + key("zset") + " 0.001" },
		func() string { return "HSET " + key("hash") + " f" + n() + " " + n() + " f" + n() + " x" },
		func() string { return "HINCRBY " + key("hash") + " f" + n() + " 3" },
		func() string { return "HDEL " + key("hash") + " f" + n() + " f" + n() },
		func() string { return "SADD " + key("set") + " " + n() + " m" + n() },
		func() string { return "SREM " + key("set") + " " + n() + " m" + n() },
		func() string { return "SPOP " + key("set") + " 2" },
		func() string { return "ZADD " + key("zset") + " " + n() + ".5 m" + n() + " -" + n() + " m" + n() },
		func() string { return "ZADD " + key("zset") + " XX GT CH " + n() + " m" + n() },
		func() string { return "ZINCRBY " + key("zset") + " 0.1 m" + n() },
		func() string { return "ZREM " + key("zset") + " m" + n() },
		func() string { return "ZPOPMIN " + key("zset") },
		func() string { return "XADD " + timed() + " * f " + n() },
		func() string { return "XADD " + numbered() + " MAXLEN ~ 50 " + id() + " f " + n() },
		func() string { return "XADD " + timed() + " MAXLEN 30 * f " + n() },
		func() string { return "XDEL " + key("stream") + " " + id() + " " + id() },
		func() string { return "XTRIM " + key("stream") + " MINID " + id() },
		func() string { return "XGROUP CREATE " + group() + " " + id() + " MKSTREAM" },
		func() string { return "XGROUP CREATE " + group() + " 0" },
		func() string { return "XGROUP DELCONSUMER " + group() + " " + consumer() },
		func() string { return "XGROUP SETID " + group() + " " + id() },
		func() string { return "XGROUP DESTROY " + group() },
		func() string {
			s := group()
			k, g, _ := strings.Cut(s, " ")
			return "XREADGROUP GROUP " + g + " " + consumer() + " COUNT 5 STREAMS " + k + " >"
		},
		func() string {
			s := group()
			k, g, _ := strings.Cut(s, " ")
			return "XREADGROUP GROUP " + g + " " + consumer() + " COUNT 5 NOACK STREAMS " + k + " >"
		},
		func() string {
			s := group()
			k, g, _ := strings.Cut(s, " ")
			return "XREADGROUP GROUP " + g + " " + consumer() + " STREAMS " + k + " 0"
		},
		func() string { return "XACK " + group() + " " + id() + " " + id() },
		func() string { return "XCLAIM " + group() + " " + consumer() + " 0 " + id() + " " + id() + " FORCE" },
		func() string { return "XAUTOCLAIM " + group() + " " + consumer() + " 0 0 COUNT 3" },
		func() string { return "XCLAIM " + group() + " " + consumer() + " 0 " + id() + " JUSTID" },
		func() string { return "SELECT " + strconv.Itoa(r.IntN(3)) },
		func() string { return "MULTI" },
		func() string { return "EXEC" },
		func() string { return "EXEC" },
	}
	switch r.IntN(1000) {
	case 0:
		return "FLUSHDB"
	case 3:
		return "SWAPDB 0 1"
	case 1, 2:
		return "SET " + any() + " string"
	}
	return commands[r.IntN(len(commands))]()
}

// What a real Redis held that OmniDaemon wrote to, with the 60 members of omni:results:index whose results are over.
func TestWhatARealRedisHeldSurvives(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	orphans := o.replay("testdata/redis.dump.txt")
	if len(orphans) != 60 {
		t.Fatalf("%d orphans in the dump, want 60", len(orphans))
	}
	before := o.keyspace()
	o.kill()
	second := serve(t, o.Dir)
	if diff := cmp.Diff(before, second.keyspace()); diff != "" {
		t.Errorf("after a restart (-before +after)\n%s", diff)
	}
	for _, member := range orphans {
		if second.do("ZSCORE", "omni:results:index", member) == nil {
			t.Errorf("%s is no longer in the index", member)
		}
	}
	second.survives((*omniproxy).kill)
}

// replay writes what a dump says, a line a key: type, PEXPIRETIME, key and value as JSON. It returns the members of
// omni:results:index that have no result.
func (o *omniproxy) replay(path string) (orphans []string) {
	o.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		o.t.Fatal(err)
	}
	ctx := context.Background()
	pipe := o.client(0).Pipeline()
	results := map[string]bool{}
	var index []string
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		var key string
		o.decode(columns[2], &key)
		results[key] = true
		switch columns[0] {
		case "string":
			var value string
			o.decode(columns[3], &value)
			pipe.Do(ctx, "SET", key, value)
		case "hash":
			var fields map[string]string
			o.decode(columns[3], &fields)
			for field, value := range fields {
				pipe.Do(ctx, "HSET", key, field, value)
			}
		case "set":
			var members []any
			o.decode(columns[3], &members)
			pipe.Do(ctx, append([]any{"SADD", key}, members...)...)
		case "zset":
			var members [][2]any
			o.decode(columns[3], &members)
			for _, m := range members {
				pipe.Do(ctx, "ZADD", key, m[1].(json.Number).String(), m[0])
				index = append(index, m[0].(string))
			}
		case "stream":
			var entries [][2]any
			o.decode(columns[3], &entries)
			for _, e := range entries {
				pipe.Do(ctx, "XADD", key, e[0], "data", e[1].(map[string]any)["data"])
			}
		}
		if columns[1] != "-1" {
			pipe.Do(ctx, "PEXPIREAT", key, columns[1])
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		o.t.Fatal(err)
	}
	for _, id := range index {
		if !results["omni:result:"+id] {
			orphans = append(orphans, id)
		}
	}
	return orphans
}

func (o *omniproxy) decode(text string, into any) {
	o.t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		o.t.Fatal(err)
	}
}
