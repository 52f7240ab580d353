package source_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/source/sourcetest"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// open opens a source for the rest of the test.
func open(t *testing.T, name string, o source.Options) *source.Source {
	t.Helper()
	if o.Prefix == "" {
		o.Prefix = keyspace.DefaultPrefix
	}
	s, err := source.Open(t.Context(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do sends commands, a line each.
func do(t *testing.T, s *source.Source, lines ...string) {
	t.Helper()
	for _, line := range lines {
		var args []any
		for _, word := range strings.Fields(line) {
			args = append(args, word)
		}
		if err := s.Redis.Do(t.Context(), args...).Err(); err != nil && err != redis.Nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// collect reads the entries of a source, the parts of each joined.
func collect(t *testing.T, s *source.Source, want source.Families) map[string]source.Entry {
	t.Helper()
	all := map[string]source.Entry{}
	var open string
	for e, err := range s.Entries(t.Context(), want) {
		if err != nil {
			t.Fatal(err)
		}
		if e.First != (open == "") || open != "" && open != e.Key {
			t.Fatalf("a part of %q, first %v, follows one of %q", e.Key, e.First, open)
		}
		whole := all[e.Key]
		if e.First {
			whole = source.Entry{Key: e.Key, Family: e.Family, Type: e.Type, Expires: e.Expires, Size: e.Size, Text: e.Text, Stream: e.Stream}
		}
		whole.Fields = append(whole.Fields, e.Fields...)
		whole.Members = append(whole.Members, e.Members...)
		whole.Items = append(whole.Items, e.Items...)
		all[e.Key] = whole
		if open = e.Key; e.Last {
			open = ""
		}
	}
	return all
}

// tree is every file below a directory: mode, time of change and content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		about := fmt.Sprint(info.Mode(), info.ModTime())
		if !d.IsDir() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			about += string(text)
		}
		all[path] = about
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestADirectoryIsReadAndStaysAsItIs(t *testing.T) {
	dir := sourcetest.Fixture(t, "omnidaemon_data")
	before := tree(t, dir)
	s := open(t, dir, source.Options{})
	count := map[keyspace.Family]int{}
	for _, e := range collect(t, s, nil) {
		count[e.Family]++
		if e.Family == keyspace.MetricsStream && len(e.Items) != 2000 {
			t.Errorf("%d metrics", len(e.Items))
		}
	}
	want := map[keyspace.Family]int{keyspace.Agent: 33, keyspace.AgentsOfTopic: 12, keyspace.Topics: 1, keyspace.Result: 240,
		keyspace.ResultsIndex: 1, keyspace.MetricsStream: 1, keyspace.Config: 40}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Error(diff)
	}
	if err := s.Redis.Set(t.Context(), "omni:config:x", "1", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "READONLY") {
		t.Errorf("a write: %v", err)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// everything is one key of each type, small and large, with what streams have.
var everything = []string{
	"SET s value", "SET omni:result:1 {} PXAT 4102444800123", "SET empty x", "SETRANGE empty 0 y", "SETRANGE big 40000 end",
	"HSET h f v", "RPUSH l a b c", "SADD set a b", "ZADD z 1.5 a -inf b 17179869184.123457 c",
	"XADD st 1-1 f v", "XADD st 2-0 f v g w", "XADD st 3-0 f v", "XGROUP CREATE st g 0", "XGROUP CREATE st new $",
	"XREADGROUP GROUP g c COUNT 2 STREAMS st >", "XDEL st 2-0", "XGROUP CREATECONSUMER st g idle",
	"XGROUP CREATE st none 0 MKSTREAM", "XADD gone 5-5 a b", "XTRIM gone MAXLEN 0",
}

func fill(t *testing.T, s *source.Source) {
	t.Helper()
	do(t, s, everything...)
	pipe := s.Redis.Pipeline()
	for i := range 2000 {
		n := fmt.Sprint(i)
		pipe.HSet(t.Context(), "H", n, n)
		pipe.SAdd(t.Context(), "S", "m"+n)
		pipe.ZAdd(t.Context(), "Z", redis.Z{Member: n, Score: float64(i) + 0.1})
		pipe.RPush(t.Context(), "L", n)
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "X", ID: "7-" + fmt.Sprint(i+1), Values: []string{"data", n}})
	}
	pipe.XGroupCreate(t.Context(), "X", "g", "0")
	for range 20 {
		pipe.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"X", ">"}, Count: 10})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestEveryTypeIsReadWholeOrInParts(t *testing.T) {
	redis := open(t, "redis://"+redistest.Start(t), source.Options{})
	own := open(t, filepath.Join(t.TempDir(), "new"), source.Options{Write: true, Create: true})
	for name, s := range map[string]*source.Source{"redis": redis, "directory": own} {
		t.Run(name, func(t *testing.T) {
			fill(t, s)
			got := collect(t, s, nil)
			if e := got["omni:result:1"]; e.Expires != 4102444800123 || e.Text != "{}" || e.Family != keyspace.Result {
				t.Errorf("a result: %+v", e)
			}
			if e := got["big"]; len(e.Text) != 40003 || e.Size != 40003 {
				t.Errorf("a large string has %d bytes", len(e.Text))
			}
			if diff := cmp.Diff([]source.Member{{Text: "b", Score: got["z"].Members[0].Score}, {Text: "a", Score: 1.5}, {Text: "c", Score: 17179869184.123457}}, got["z"].Members); diff != "" {
				t.Error(diff)
			}
			st := got["st"]
			for i := range st.Stream.Groups {
				g := &st.Stream.Groups[i]
				for j := range g.Consumers {
					g.Consumers[j].Seen = 0
				}
				for j := range g.Pending {
					if age := time.Since(time.UnixMilli(g.Pending[j].Delivered)); age < -time.Minute || age > time.Hour {
						t.Errorf("delivered %v ago", age)
					}
					g.Pending[j].Delivered = 0
				}
			}
			want := &source.Stream{LastID: "3-0", MaxDeletedID: "2-0", EntriesAdded: 3, Groups: []source.Group{
				{Name: "g", LastID: "2-0", EntriesRead: 2, Lag: -1, Consumers: []keyspace.Consumer{{Name: "c", Pending: 2}, {Name: "idle"}},
					Pending: []source.Pending{{ID: "1-1", Consumer: "c", Count: 1}, {ID: "2-0", Consumer: "c", Count: 1}}},
				{Name: "new", LastID: "3-0", EntriesRead: -1, Lag: 0},
				{Name: "none", LastID: "0-0", EntriesRead: -1, Lag: -1},
			}}
			if diff := cmp.Diff(want, st.Stream); diff != "" {
				t.Error(diff)
			}
			if len(st.Items) != 2 || st.Items[0].ID != "1-1" || len(st.Items[1].Fields) != 1 {
				t.Errorf("items: %v", st.Items)
			}
			if e, ok := got["gone"]; !ok || len(e.Items) != 0 || e.Stream.LastID != "5-5" {
				t.Errorf("an empty stream: %+v", e)
			}
			for key, n := range map[string]int{"H": len(got["H"].Fields), "S": len(got["S"].Members), "Z": len(got["Z"].Members), "L": len(got["L"].Members), "X": len(got["X"].Items)} {
				if n < 2000 || got[key].Size != 2000 {
					t.Errorf("%s: %d elements, size %d", key, n, got[key].Size)
				}
			}
			if l := got["L"].Members; l[1999].Text != "1999" || len(l) != 2000 {
				t.Errorf("a large list: %d elements", len(l))
			}
			if g := got["X"].Stream.Groups[0]; len(g.Pending) != 200 {
				t.Errorf("%d pending of 200", len(g.Pending))
			}
			only := slices.Sorted(maps.Keys(collect(t, s, source.Families{keyspace.Result})))
			if diff := cmp.Diff([]string{"omni:result:1"}, only); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAKeyOfAnotherTypeThanItsFamily(t *testing.T) {
	s := open(t, "redis://"+redistest.Start(t), source.Options{})
	do(t, s, "HSET omni:result:a f v", "SET omni:agent:t:n x", "RPUSH omni:topics a")
	got := collect(t, s, nil)
	for key, typ := range map[string]keyspace.Type{"omni:result:a": keyspace.Hash, "omni:agent:t:n": keyspace.String, "omni:topics": keyspace.List} {
		if e := got[key]; e.Type != typ || e.Size != 1 {
			t.Errorf("%s: %+v", key, e)
		}
	}
}

func TestADirectoryThatIsServedIsReachedThroughItsServer(t *testing.T) {
	dir := sourcetest.Fixture(t, "omnidaemon_data")
	sourcetest.Serve(t, dir)
	for _, write := range []bool{false, true} {
		s := open(t, dir, source.Options{Write: write})
		if s.Name != dir || s.Dir != dir {
			t.Errorf("%+v", s)
		}
		do(t, s, "SET omni:config:seen true")
	}
	if got := collect(t, open(t, dir, source.Options{}), source.Families{keyspace.Config}); got["omni:config:seen"].Text != "true" {
		t.Error("what was written there is not there")
	}
	for flag, o := range map[string]source.Options{"--db=0": {Prefix: "omni", DB: 1}, "--prefix=omni": {Prefix: "other"}} {
		if _, err := source.Open(t.Context(), dir, o); err == nil || !strings.Contains(err.Error(), "it serves the directory with "+flag) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestASnapshotIsWhatAStartWouldServe(t *testing.T) {
	dir := sourcetest.Fixture(t, "omnidaemon_data")
	w, err := source.Open(t.Context(), dir, source.Options{Prefix: "omni", Write: true})
	if err != nil {
		t.Fatal(err)
	}
	do(t, w, "SET omni:config:mine 1", "XADD omni-metrics 1-1 data {}", "SET other thing")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"mine": 1`, `"mine": 2`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	got := collect(t, open(t, dir, source.Options{}), nil)
	if got["omni:config:mine"].Text != "2" || len(got["omni-metrics"].Items) != 1 || got["other"].Text != "thing" {
		t.Errorf("config %q, %d bus metrics, other %q", got["omni:config:mine"].Text, len(got["omni-metrics"].Items), got["other"].Text)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeOpenedSaysWhyAndShowsNoPassword(t *testing.T) {
	locked := redistest.Start(t, "--requirepass", "secret")
	for name, want := range map[string]string{
		"redis://:hunter2@127.0.0.1:1/0":      "redis://:***@127.0.0.1:1/0: ",
		"redis://:hunter2@127.0.0.1:x/0":      "write redis://HOST:PORT/DB",
		"redis://" + locked:                   "the server wants a password: set OMNIPROXY_REQUIREPASS",
		"redis://:hunter2@" + locked:          "WRONGPASS",
		filepath.Join(t.TempDir(), "nowhere"): "no such file or directory",
	} {
		s, err := source.Open(t.Context(), name, source.Options{Prefix: "omni", Timeout: time.Second})
		if err == nil {
			s.Close()
			t.Errorf("%s was opened", name)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := source.Open(t.Context(), "redis://"+locked, source.Options{Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestTheRateIsKeptAndProgressIsTold(t *testing.T) {
	s := open(t, "redis://"+redistest.Start(t), source.Options{Rate: 2000})
	pipe := s.Redis.Pipeline()
	for i := range 1000 {
		pipe.Set(t.Context(), fmt.Sprint("omni:result:", i), "x", 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	var done, total int64
	s.Progress = func(d, t int64) { done, total = d, t }
	begun := time.Now()
	n := 0
	for _, err := range s.Entries(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < 1000 || done < 1000 || total < 1000 {
		t.Errorf("%d entries, progress %d of %d", n, done, total)
	}
	if took := time.Since(begun); took < 400*time.Millisecond { // 9 pauses of 50 ms
		t.Errorf("1000 keys took %v at 2000 a second", took)
	}
}

func TestKeysHaveTheirPositionInTheFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"agents.json":  "{\n  \"t\": [\n    {\"name\": \"a\", \"tools\": 1},\n    {\n      \"name\": \"é\"\n    }\n  ]\n}",
		"results.json": "{\"r\": {\"task_id\": \"r\", \"result\": {}, \"saved_at\": 1.5}}",
		"metrics.json": "[\n  {\"topic\": \"x\", \"saved_at\": 1.0},\n  {\"topic\": \"y\", \"saved_at\": 1.0}\n]",
		"config.json":  "{\n  \"ключ\": 1, \"b\": 2\n}",
		"bus.json":     `{"omni-stream:t": {"type": "stream", "value": {"entries": {"1-1": {"data": {}}}}}}`,
		"other.json":   "{\"0\": {\"k\": {\"type\": \"string\", \"value\": \"v\"}}}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, source.Options{})
	for _, h := range []struct{ key, element, want string }{
		{"omni:agent:t:a", "", "agents.json:3:5"},
		{"omni:agent:t:a", "tools", "agents.json:3:19"},
		{"omni:agent:t:é", "name", "agents.json:5:7"},
		{"omni:agent:t:é", "config", "agents.json:4:5"},
		{"omni:agents:topic:t", "", "agents.json:2:3"},
		{"omni:agents:topic:t", "é", "agents.json:4:5"},
		{"omni:topics", "t", "agents.json:2:3"},
		{"omni:topics", "", "agents.json:1:1"},
		{"omni:topics", "gone", ""},
		{"omni:result:r", "saved_at", "results.json:1:38"},
		{"omni:results:index", "r", "results.json:1:2"},
		{"omni:metrics:stream", "1000-0", "metrics.json:2:3"},
		{"omni:metrics:stream", "1000-1", "metrics.json:3:3"},
		{"omni:metrics:stream", "9-9", ""},
		{"omni:config:b", "", "config.json:2:14"},
		{"omni-stream:t", "1-1", "bus.json:1:60"},
		{"k", "", "other.json:1:8"},
		{"omni:agent:none:none", "", ""},
		{"omni-metrics", "", ""},
	} {
		p, ok := s.Position(t.Context(), h.key, h.element)
		got := ""
		if ok {
			got = strings.TrimPrefix(p.String(), dir+"/")
		}
		if got != h.want {
			t.Errorf("%s %s: %q, want %q", h.key, h.element, got, h.want)
		}
	}
	if _, ok := open(t, "redis://"+redistest.Start(t), source.Options{}).Position(t.Context(), "omni:topics", ""); ok {
		t.Error("a Redis has files")
	}
}
