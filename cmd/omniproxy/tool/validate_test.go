package tool_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/source/sourcetest"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// judgedAt is when the fixtures are judged: after what they have expired has, and before the rest does.
var judgedAt = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// judge judges a source, and fails the test if it cannot be judged.
func judge(t *testing.T, name string, v tool.Validate) tool.Validated {
	t.Helper()
	v.Options.Prefix = "omni"
	if v.Now.IsZero() {
		v.Now = judgedAt
	}
	got := v.Run(t.Context(), name)
	if got.Err != nil {
		t.Fatalf("%s: %v", name, got.Err)
	}
	return got
}

// counts tells how many findings there are of each rule.
func counts(v tool.Validated) map[string]int64 {
	all := map[string]int64{}
	for id, n := range v.Found {
		all[id.String()] = n
	}
	return all
}

// golden compares with a file of testdata; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (UPDATE=1 go test rewrites it; -want +got):\n%s", path, diff)
	}
}

// text is what --format text prints, with NAME in place of the source's name.
func text(t *testing.T, name string, v tool.Validated) string {
	t.Helper()
	var b bytes.Buffer
	if err := tool.WriteText(&b, []tool.Validated{v}); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), name, "NAME")
}

func TestADirectoryOfOmniDaemonHasExactlyItsFindings(t *testing.T) {
	got := judge(t, sourcetest.Fixture(t, "omnidaemon_data"), tool.Validate{})
	want := map[string]int64{
		"OMN004": 17, // agents whose topic or name has a ':'
		"OMN017": 33, // agents without created_at: the JSON store writes none
		"OMN023": 60, // results without expiry
		"OMN027": 60, // expired results that nobody asked for
		"OMN032": 1,  // the list of supervisors names one that was unregistered
	}
	if diff := cmp.Diff(want, counts(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, p := range got.Problems {
		if p.At.Line == 0 {
			t.Errorf("no place in a file: %+v", p)
		}
	}
}

func TestANastyDirectoryHasExactlyItsFindings(t *testing.T) {
	dir := sourcetest.Fixture(t, "nasty_data")
	golden(t, "validate-nasty.txt", text(t, dir, judge(t, dir, tool.Validate{})))
}

// restored starts a Redis that OmniDaemon's Redis store has written.
func restored(t *testing.T) (url string) {
	t.Helper()
	dir := t.TempDir()
	rdb, err := os.ReadFile(filepath.Join("testdata", "redis.rdb"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "dump.rdb"), rdb, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return "redis://" + redistest.Start(t, "--dir", dir)
}

func TestARedisOfOmniDaemonHasExactlyItsFindings(t *testing.T) {
	got := judge(t, restored(t), tool.Validate{})
	want := map[string]int64{
		"OMN004": 17, // agents whose topic or name has a ':'
		"OMN020": 60, // members of the index whose results have expired
		"OMN023": 60, // results without expiry
		"OMN032": 1,  // the list of supervisors names one that was unregistered
	}
	if diff := cmp.Diff(want, counts(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// words takes a line of redis-cli apart.
func words(t *testing.T, line string) (args []any) {
	t.Helper()
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimSpace(rest) {
		word, after := "", ""
		if rest[0] == '\'' {
			word, after, _ = strings.Cut(rest[1:], "'")
		} else {
			word, after, _ = strings.Cut(rest, " ")
		}
		args, rest = append(args, word), after
	}
	return args
}

// run does an example of the table of rules, and returns how much later it is then.
func run(t *testing.T, r *redis.Client, example string) (later time.Duration) {
	t.Helper()
	for line := range strings.Lines(example) {
		line, times := strings.TrimSpace(line), 1
		switch line {
		case "# two hours later":
			later += 2 * time.Hour
			continue
		case "# delivered nine times":
			id := r.XRange(t.Context(), "omni-stream:orders", "-", "+").Val()[0].ID
			line = "XCLAIM omni-stream:orders g c 0 " + id + " RETRYCOUNT 9"
		}
		if before, after, ok := strings.Cut(line, "x# "); ok {
			count, rest, _ := strings.Cut(after, " times")
			n, _ := strconv.Atoi(count)
			line = before + strings.Repeat("x", n) + rest
		}
		if before, after, ok := strings.Cut(line, " # "); ok {
			line = before
			times, _ = strconv.Atoi(strings.TrimSuffix(after, " times"))
		}
		args := words(t, line)
		for done := 0; done < times; done += 10_000 {
			pipe := r.Pipeline()
			for range min(times-done, 10_000) {
				pipe.Do(t.Context(), args...)
			}
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatalf("%.80s: %v", line, err)
			}
		}
	}
	return later
}

// places are the places of a rule's findings, with NAME in place of the source's.
func places(v tool.Validated, rule keyspace.ID) (all []string) {
	for _, p := range v.Problems {
		if p.Rule == rule {
			p.Source, p.At.Line = "NAME", 0
			all = append(all, strings.TrimPrefix(p.Where(), "NAME:"))
		}
	}
	return all
}

// broken says where the bad example of each rule breaks it.
var broken = map[keyspace.ID]string{
	keyspace.UnknownFamily:      "omni:settings:theme",
	keyspace.BadSegment:         "omni:topics",
	keyspace.KeyType:            "omni:agents:topic:orders",
	keyspace.AmbiguousName:      "omni:agent:orders:new:bot",
	keyspace.ForeignPrefix:      "omni_staging:topics",
	keyspace.NearMissKey:        "omni:results:42",
	keyspace.GlobInTopic:        "omni:topics[orders.*]",
	keyspace.SharedKey:          "omni:agent:a:b:c",
	keyspace.AgentFields:        "omni:agent:orders:bot#callback_name",
	keyspace.AgentJSON:          "omni:agent:orders:bot#tools",
	keyspace.AgentKey:           "omni:agent:orders:bot#name",
	keyspace.AgentNotIndexed:    "omni:agent:orders:bot",
	keyspace.MemberOrphan:       "omni:agents:topic:orders[gone]",
	keyspace.TopicNotListed:     "omni:agents:topic:orders",
	keyspace.TopicOrphan:        "omni:topics[orders]",
	keyspace.AgentCreatedAt:     "omni:agent:orders:bot#created_at",
	keyspace.RegistryTTL:        "omni:agent:orders:bot",
	keyspace.AgentOtherField:    "omni:agent:orders:bot#owner",
	keyspace.ResultIndexOrphan:  "omni:results:index[42]",
	keyspace.ResultNotIndexed:   "omni:result:42",
	keyspace.ResultShape:        "omni:result:42#task_id",
	keyspace.ResultNoTTL:        "omni:result:42",
	keyspace.ResultTooLarge:     "omni:result:42",
	keyspace.IndexScoreDrift:    "omni:results:index[42]",
	keyspace.IndexBloat:         "omni:results:index",
	keyspace.ConfigJSON:         "omni:config:theme",
	keyspace.SubscriptionFlag:   "omni:config:_subscription_active:group:orders:bot",
	keyspace.SupervisorRegistry: "omni:config:_supervisor_registry[bot]",
	keyspace.FlagWithoutGroup:   "omni:config:_subscription_active:group:orders:bot",
	keyspace.BusEnvelope:        "omni-stream:orders@ID",
	keyspace.BusTopic:           "omni-stream:invoices@ID#topic",
	keyspace.DLQName:            "dlq:group:orders:bot",
	keyspace.DLQGrowing:         "omni-dlq:group:orders:bot",
	keyspace.StreamNearMaxlen:   "omni-stream:orders[group:orders:bot]",
	keyspace.RetryCounterLost:   "omni-stream:orders@ID",
	keyspace.StreamWithoutGroup: "omni-stream:orders",
	keyspace.DeadConsumer:       "omni-stream:orders[g c]",
	keyspace.MetricsEntry:       "omni:metrics:stream@ID#data",
	keyspace.MetricsTrim:        "omni:metrics:stream",
	keyspace.MetricsDocFields:   "omni:metrics:stream@ID#event_type",
	keyspace.SharedBus:          "omni_staging:topics",
}

// withID puts the ID of the only entry of a place's stream into the place.
func withID(t *testing.T, r *redis.Client, place string) string {
	t.Helper()
	key, _, ok := strings.Cut(place, "@ID")
	if !ok {
		return place
	}
	items := r.XRange(t.Context(), key, "-", "+").Val()
	if len(items) != 1 {
		t.Fatalf("%d entries in %s", len(items), key)
	}
	return strings.Replace(place, "@ID", "@"+items[0].ID, 1)
}

// Every rule is found in every source that can break it, at its key: a real Redis, an omniproxy that serves a directory, that
// directory by its name while it is served, and once nobody serves it.
func TestEveryRuleIsFoundInEverySourceAtItsPlace(t *testing.T) {
	t.Parallel()
	redisURL := "redis://" + redistest.Start(t)
	for _, rule := range keyspace.Rules() {
		place, ok := broken[rule.ID]
		if !ok {
			continue // of files alone: see the next test
		}
		t.Run(rule.ID.String(), func(t *testing.T) {
			expect := func(name, place string, later time.Duration) {
				t.Helper()
				got := judge(t, name, tool.Validate{Now: time.Now().Add(later)})
				if found := places(got, rule.ID); !slices.Contains(found, place) {
					t.Errorf("%s: %v is found at %q, want %q", name, rule.ID, found, place)
				}
			}
			send(t, connect(t, redisURL), "FLUSHALL")
			later := run(t, connect(t, redisURL), rule.Bad)
			expect(redisURL, withID(t, connect(t, redisURL), place), later)

			if rule.ID == keyspace.MetricsTrim {
				return // the json backend keeps no more than its cap
			}
			dir := t.TempDir()
			var there string
			t.Run("served", func(t *testing.T) {
				url := "redis://" + sourcetest.Serve(t, dir)
				later := run(t, connect(t, url), rule.Bad)
				there = withID(t, connect(t, url), place)
				expect(url, there, later)
				expect(dir, there, later)
			})
			if rule.ID != keyspace.DeadConsumer { // when a consumer was last seen is not kept
				expect(dir, there, later)
			}
		})
	}
}

// edited is a data directory with one file that a person wrote.
func edited(t *testing.T, name, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Every rule that a JSON file can break is found at its line and column.
func TestEveryRuleIsFoundAtItsLineAndColumn(t *testing.T) {
	agent := `"name": "bot", "callback_name": "f", "created_at": 1.5, "description": ""`
	for _, tt := range []struct {
		rule             keyspace.ID
		file, text, want string
	}{
		{keyspace.UnknownFamily, "other.json", "{\n \"0\": {\"omni:x\": {\"type\": \"string\", \"value\": \"1\"}}\n}", "2:8"},
		{keyspace.NearMissKey, "other.json", "{\"0\": {\n\"omni:results:1\": {\"type\": \"string\", \"value\": \"1\"}}}", "2:1"},
		{keyspace.BadSegment, "agents.json", "{\n  \"a\\nb\": [\n    {" + agent + "}]}", "2:3"},
		{keyspace.AmbiguousName, "agents.json", "{\"a:b\": [\n    {" + agent + "}]}", "2:5"},
		{keyspace.GlobInTopic, "agents.json", "{\n \"a*\": [{" + agent + "}]}", "2:2"},
		{keyspace.SharedKey, "agents.json", "{\"a\": [{\"name\": \"b:c\"}],\n\"a:b\": [{\"name\": \"c\"}]}", "1:8"},
		{keyspace.AgentFields, "agents.json", "{\"a\": [\n  {\"name\": \"c\"}]}", "2:3"},
		{keyspace.AgentJSON, "agents.json", "{\"a\": [{" + agent + ",\n  \"tools\": {}}]}", "2:3"},
		{keyspace.AgentKey, "agents.json", "{\"a\": [{" + agent + ",\n  \"topic\": \"b\"}]}", "2:12"},
		{keyspace.TopicOrphan, "agents.json", "{\n\n    \"a\": []}", "3:5"},
		{keyspace.AgentCreatedAt, "agents.json", "{\"a\": [{\"name\": \"é\",\n\t\"é\": 1, \"created_at\": 1763859213500}]}", "2:10"},
		{keyspace.AgentOtherField, "agents.json", "{\"a\": [{" + agent + ",\n\"owner\": 1}]}", "2:1"},
		{keyspace.ResultNoTTL, "results.json", "{\n\"1\": {\"task_id\": \"1\", \"result\": {}, \"saved_at\": 1}}", "2:1"},
		{keyspace.ResultExpired, "results.json", "{\n\"1\": {\"task_id\": \"1\", \"result\": {}, \"saved_at\": 1, \"expires_at\": 2}}", "2:1"},
		{keyspace.SubscriptionFlag, "config.json", "{\"x\": 1,\n  \"_subscription_active:group:a:b\": 1}", "2:3"},
		{keyspace.SupervisorRegistry, "config.json", "{\n  \"_supervisor_registry\": [\"a\"]}", "2:3"},
		{keyspace.MetricsDocFields, "metrics.json", "[{\"saved_at\": 1},\n {\"event_type\": 1, \"saved_at\": 2}]", "2:2"},
		{keyspace.StreamWithoutGroup, "bus.json", "{\n\"omni-stream:t\": {\"type\": \"stream\", \"value\": {\"entries\": [{\"id\": \"1-1\", \"data\": {}}]}}}", "2:1"},
		{keyspace.BusEnvelope, "bus.json", "{\"omni-stream:t\": {\"type\": \"stream\", \"value\": {\"entries\": [\n{\"id\": \"1-1\", \"data\": {}}]}}}", "2:1"},
		{keyspace.FileShape, "agents.json", "{\"a\": [{" + agent + "}\n   {}]}", "2:4"},
		{keyspace.FileShape, "agents.json", "{\"a\": [{" + agent + "},\n   {}]}", "2:4"},
		{keyspace.FileShape, "agents.json", "{\n  \"a\": {}}", "2:3"},
		{keyspace.FileShape, "agents.json", "{\"a\": [{" + agent + "},\n {\"name\": \"bot\"}]}", "2:2"},
		{keyspace.FileShape, "results.json", "{\n \"1\": []}", "2:2"},
		{keyspace.FileShape, "results.json", "{\n \"1\": {\"task_id\": \"2\", \"result\": {}, \"saved_at\": 1}}", "2:2"},
		{keyspace.FileShape, "metrics.json", "[\n  1]", "2:3"},
		{keyspace.FileShape, "metrics.json", "{}", "1:1"},
		{keyspace.FileShape, "config.json", "{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}}", "2:16"},
		{keyspace.FileShape, "config.json", "{\"a\": [1,\n 1e999]}", "2:2"},
	} {
		t.Run(tt.rule.String()+" "+tt.file, func(t *testing.T) {
			dir := edited(t, tt.file, tt.text)
			got := (&tool.Validate{Options: source.Options{Prefix: "omni"}, Now: judgedAt}).Run(t.Context(), dir)
			want := filepath.Join(dir, tt.file) + ":" + tt.want
			var found []string
			for _, p := range got.Problems {
				if p.Rule == tt.rule {
					found = append(found, p.At.String())
				}
			}
			if !slices.Contains(found, want) {
				t.Errorf("%s: %v is found at %q, want %s; %v", tt.text, tt.rule, found, want, got.Err)
			}
		})
	}
}

func TestExamplesOfFilesBreakTheirRule(t *testing.T) {
	for _, id := range []keyspace.ID{keyspace.ResultExpired, keyspace.FileShape, keyspace.AnotherWriter} {
		for example, want := range map[string]bool{id.Rule().Good: false, id.Rule().Bad: true} {
			head, text, _ := strings.Cut(example, "\n")
			got := judge(t, edited(t, strings.TrimPrefix(head, "# "), text), tool.Validate{})
			if (got.Found[id] > 0) != want {
				t.Errorf("%v: %s: %v", id, example, counts(got))
			}
		}
	}
}

func TestAFileThatIsNoJSONIsAFindingAndAnError(t *testing.T) {
	dir := edited(t, "agents.json", "{\n  \"a\": [,]\n}")
	got := (&tool.Validate{Options: source.Options{Prefix: "omni"}, Now: judgedAt}).Run(t.Context(), dir)
	if got.Err == nil || !strings.Contains(got.Err.Error(), "agents.json cannot be read") || len(got.Problems) != 1 {
		t.Errorf("%v, %+v", got.Err, got.Problems)
	}
}

// What may not be read is an error, never left out in silence.
func TestWhatMayNotBeReadIsAnError(t *testing.T) {
	url := "redis://" + redistest.Start(t)
	r := connect(t, url)
	run(t, r, "XGROUP CREATE omni-stream:t g $ MKSTREAM\nSET omni:config:a 1")
	for _, rights := range []string{"-xinfo", "-scan", "-get -getrange", "-info"} {
		send(t, r, "ACL SETUSER reader reset on nopass ~* &* +@all "+rights)
		name := strings.Replace(url, "redis://", "redis://reader:x@", 1)
		got := (&tool.Validate{Options: source.Options{Prefix: "omni"}, Now: judgedAt}).Run(t.Context(), name)
		if got.Err == nil || !strings.Contains(got.Err.Error(), "NOPERM") {
			t.Errorf("%s: %v", rights, got.Err)
		}
		if strings.Contains(fmt.Sprint(got), ":x@") {
			t.Errorf("a password is shown: %v", got)
		}
	}
}
