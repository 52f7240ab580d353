package tool_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/source/sourcetest"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// fixing is a validation that mends, with what it tells.
type fixing struct {
	tool.Validate
	commands []string
	undo     string // the file
}

func newFixing(t *testing.T, apply bool) *fixing {
	t.Helper()
	f := &fixing{}
	f.Options = source.Options{Prefix: "omni", Write: apply}
	f.Fix = &tool.Fix{Apply: apply, Tell: func(commands []tool.Command) {
		for _, c := range commands {
			f.commands = append(f.commands, c.String())
		}
	}}
	if apply {
		f.undo = filepath.Join(t.TempDir(), "undo")
		file, err := os.Create(f.undo)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		f.Fix.Undo = file
	}
	return f
}

// left are the rules that are broken still and would be mended.
func left(v tool.Validated) (all []string) {
	for id, n := range v.Found {
		if id.Rule().Fix != "" && id != keyspace.AgentOtherField { // a description or a strange field stays
			all = append(all, fmt.Sprint(id, n))
		}
	}
	return all
}

func TestARedisIsMendedAndTheMendingTakenBack(t *testing.T) {
	url := restored(t)
	r := connect(t, url)
	before := dumps(t, r)

	dry := newFixing(t, false)
	if got := judge(t, url, dry.Validate); got.Fixed != 0 || len(dry.commands) != 61 {
		t.Errorf("%d changes, %d commands, want none and 61", got.Fixed, len(dry.commands))
	}
	if diff := cmp.Diff(before, dumps(t, r)); diff != "" {
		t.Errorf("a dry run changed something: %s", diff)
	}

	applied := newFixing(t, true)
	got := judge(t, url, applied.Validate)
	if got.Fixed != 61 || len(left(got)) > 0 {
		t.Errorf("%d changes, left %v", got.Fixed, left(got))
	}
	if diff := cmp.Diff(sorted(dry.commands), sorted(applied.commands)); diff != "" {
		t.Errorf("what was done is not what was announced: %s", diff)
	}
	after := dumps(t, r)
	for key := range before {
		if after[key] == "" {
			t.Errorf("%s is gone", key)
		}
	}
	if n := r.ZCard(t.Context(), "omni:results:index").Val(); n != 240 {
		t.Errorf("the index has %d members", n)
	}
	again := newFixing(t, true)
	if got := judge(t, url, again.Validate); got.Fixed != 0 || len(again.commands) > 0 {
		t.Errorf("a second run changes %v", again.commands)
	}

	undo(t, url, applied.undo)
	index := func() []redis.Z { return r.ZRangeWithScores(t.Context(), "omni:results:index", 0, -1).Val() }
	if n := len(index()); n != 300 {
		t.Errorf("taken back, the index has %d members", n)
	}
	if diff := cmp.Diff(before["omni:config:_supervisor_registry"], dumps(t, r)["omni:config:_supervisor_registry"]); diff != "" {
		t.Error(diff)
	}
}

func sorted(lines []string) map[string]bool {
	all := map[string]bool{}
	for _, line := range lines {
		all[line] = true
	}
	return all
}

// undo feeds a file to redis-cli.
func undo(t *testing.T, url, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("redis-cli", "-u", url)
	cmd.Stdin = file
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "ERR") {
		t.Fatalf("redis-cli: %v: %s", err, out)
	}
}

// Each kind of mending, and that it is taken back.
func TestEveryMendingIsDoneAndTakenBack(t *testing.T) {
	url := "redis://" + redistest.Start(t)
	r := connect(t, url)
	agent := keyspace.AgentFields.Rule().Good
	result := keyspace.ResultNotIndexed.Rule().Bad
	for _, tt := range []struct {
		rule         keyspace.ID
		before, want string // want has the commands, with | between them
	}{
		{keyspace.AgentNotIndexed, agent, "SADD omni:agents:topic:orders bot|SADD omni:topics orders"},
		{keyspace.MemberOrphan, "SADD omni:agents:topic:a b\nSADD omni:topics a", "SREM omni:agents:topic:a b|SREM omni:topics a"},
		{keyspace.TopicNotListed, agent + "\nSADD omni:agents:topic:orders bot", "SADD omni:topics orders"},
		{keyspace.TopicOrphan, "SADD omni:topics 'a b'", `SREM omni:topics "a b"`},
		{keyspace.RegistryTTL, keyspace.MemberOrphan.Rule().Good + "\nEXPIRE omni:agent:orders:bot 1000", "PERSIST omni:agent:orders:bot"},
		{keyspace.AgentOtherField, keyspace.MemberOrphan.Rule().Good + "\nHDEL omni:agent:orders:bot tools config", "HSETNX omni:agent:orders:bot tools \"[]\"|HSETNX omni:agent:orders:bot config {}"},
		{keyspace.ResultIndexOrphan, "ZADD omni:results:index 1.5 é", `ZREM omni:results:index "\xc3\xa9"`},
		{keyspace.ResultNotIndexed, result, "ZADD omni:results:index NX 1.7638592135e+09 42"},
		{keyspace.IndexScoreDrift, result + "\nZADD omni:results:index 5 42", "ZADD omni:results:index XX 1.7638592135e+09 42"},
		{keyspace.SupervisorRegistry, "SET omni:config:_supervisor_registry '[\"a\", \"b\"]'\nSET omni:config:supervisor:b '{}'", `SET omni:config:_supervisor_registry "[\"b\"]"`},
		{keyspace.SupervisorRegistry, "SET omni:config:supervisor:b '{}'", `SET omni:config:_supervisor_registry "[\"b\"]"`},
	} {
		t.Run(tt.rule.String(), func(t *testing.T) {
			send(t, r, "FLUSHALL")
			run(t, r, tt.before)
			before := dumps(t, r)
			f := newFixing(t, true)
			got := judge(t, url, f.Validate)
			if diff := cmp.Diff(tt.want, strings.Join(f.commands, "|")); diff != "" || len(left(got)) > 0 {
				t.Errorf("left %v; %s", left(got), diff)
			}
			undo(t, url, f.undo)
			if tt.rule == keyspace.RegistryTTL {
				if d := r.PTTL(t.Context(), "omni:agent:orders:bot").Val(); d <= 0 {
					t.Error("no time to live")
				}
				return
			}
			if diff := cmp.Diff(before, dumps(t, r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// recordsOf counts the records of the files of agents and results.
func recordsOf(t *testing.T, dir string) (agents, results int) {
	t.Helper()
	documents := documents(t, dir)
	for _, topic := range pyjson.Members([]byte(documents["agents.json"])) {
		for range pyjson.Members(topic) {
			agents++
		}
	}
	for range pyjson.Members([]byte(documents["results.json"])) {
		results++
	}
	return agents, results
}

func TestADirectoryIsMendedWithoutALossOfAgentsOrResults(t *testing.T) {
	for _, name := range []string{"omnidaemon_data", "nasty_data"} {
		t.Run(name, func(t *testing.T) {
			dir := sourcetest.Fixture(t, name)
			agents, results := recordsOf(t, dir)
			dry := newFixing(t, false)
			judge(t, dir, dry.Validate)
			f := newFixing(t, true)
			got := judge(t, dir, f.Validate)
			if got.Fixed == 0 || len(left(got)) > 0 || len(f.commands) < len(dry.commands) {
				t.Errorf("%d changes of %d, left %v", len(f.commands), len(dry.commands), left(got))
			}
			second := newFixing(t, false)
			if judge(t, dir, second.Validate); len(second.commands) > 0 {
				t.Errorf("a second run finds %v", second.commands)
			}
			if a, r := recordsOf(t, dir); a != agents || r != results {
				t.Errorf("%d agents and %d results, there were %d and %d", a, r, agents, results)
			}
		})
	}
}

// Others write meanwhile: a result that they save keeps its place in the index.
func TestMendingNeverTakesWhatOthersJustWrote(t *testing.T) {
	url := "redis://" + redistest.Start(t)
	r := connect(t, url)
	const ids = 300
	pipe := r.Pipeline()
	for i := range ids {
		pipe.ZAdd(t.Context(), "omni:results:index", redis.Z{Score: float64(i), Member: fmt.Sprint("id", i)})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ { // as save_result does
			id := fmt.Sprint("id", i%ids)
			now := float64(time.Now().UnixMilli()) / 1000
			r.Set(t.Context(), "omni:result:"+id, fmt.Sprintf(`{"task_id": %q, "result": {}, "saved_at": %f}`, id, now), time.Hour)
			r.ZAdd(t.Context(), "omni:results:index", redis.Z{Score: now, Member: id})
		}
	})
	f := newFixing(t, true)
	f.Now = time.Now()
	got := f.Run(t.Context(), url)
	stop()
	writer.Wait()
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	for i := range ids {
		id := fmt.Sprint("id", i)
		if r.Exists(t.Context(), "omni:result:"+id).Val() == 1 && r.ZScore(t.Context(), "omni:results:index", id).Err() != nil {
			t.Errorf("result %s is not in the index", id)
		}
	}
}
