package tool_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// shown is the table and the summary of a listing, on a wide screen.
func shown(t *testing.T, inspect func(context.Context, *source.Source, tool.Filter) (tool.Listing, error), s *source.Source, f tool.Filter) string {
	t.Helper()
	if f.Limit == 0 {
		f.Limit = 20
	}
	f.Now = time.UnixMilli(1_700_000_000_000)
	l, err := inspect(t.Context(), s, f)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := l.Table.Write(&b, tool.Screen{}); err != nil {
		t.Fatal(err)
	}
	return b.String() + l.Summary + "\n" + string(tool.Document(l.Objects))
}

func check(t *testing.T, want, got string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Error(diff)
	}
}

// scene is a store in which something has happened.
func scene(t *testing.T) *source.Source {
	t.Helper()
	url := "redis://" + redistest.Start(t)
	r := connect(t, url)
	data := func(stream, id, text string) {
		t.Helper()
		if err := r.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, ID: id, Values: []string{"data", text}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for key, text := range map[string]string{
		"omni:result:one": `{"task_id": "one", "result": {"topic": "t", "agent": "a", "x": NaN}, "saved_at": 1699999990.5}`,
		"omni:result:two": `{"task_id": "two", "result": {"topic": "t:u", "agent": "b", "text": "\u65e5\u001b[31m"}, "saved_at": 1699999000}`,
		"omni:result:bad": "not JSON",
	} {
		if err := r.Set(t.Context(), key, text, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	send(t, r,
		"HSET omni:agent:t:a name a topic t callback_name run tools [\"search\"] config {} created_at 1699996400", "SADD omni:agents:topic:t a", "SADD omni:topics t",
		"HSET omni:agent:t:u:b name b topic t:u description what", "SET omni:config:_subscription_active:group:t:a true",
		"ZADD omni:results:index 1699999990.6 one 1699999001 two 1699999995 gone 5 bad", "PEXPIREAT omni:result:one 4102444800000")
	data("omni:metrics:stream", "1-1", `{"topic": "t", "agent": "a", "event": "task_received", "task_id": "one", "timestamp": 1699999900}`)
	data("omni:metrics:stream", "1-2", `{"topic": "t", "agent": "a", "event": "task_processed", "task_id": "one", "processing_time_sec": 0.25, "timestamp": 1699999901}`)
	data("omni:metrics:stream", "1-3", `{"topic": "t", "agent": "a", "event": "task_failed", "task_id": "lost", "error": "no\nroute", "error_type": "ValueError", "timestamp": 1699999902}`)
	data("omni-dlq:group:t:a", "9-1", `{"topic": "t", "original_id": "3-0", "failed_message": {"task_id": "lost"}, "error": "Max retries (4) exceeded", "retry_count": 3, "failed_at": 1699999940}`)
	send(t, r, "XGROUP CREATE omni-stream:t group:t:a 0 MKSTREAM", "XGROUP CREATE omni-stream:t other 0", "XADD omni-stream:alone 1-1 data {}")
	for i := range 5 {
		data("omni-stream:t", fmt.Sprintf("%d-0", i+1), "{}")
	}
	send(t, r, "XREADGROUP GROUP group:t:a c COUNT 3 STREAMS omni-stream:t >", "XACK omni-stream:t group:t:a 1-0",
		"XCLAIM omni-stream:t group:t:a c 0 2-0 TIME 1699999000000 RETRYCOUNT 2 JUSTID", "XCLAIM omni-stream:t group:t:a c 0 3-0 TIME 1699999990000 RETRYCOUNT 1 JUSTID")
	return open(t, url, false)
}

func TestInspectAgents(t *testing.T) {
	s := scene(t)
	check(t, `
TOPIC  AGENT  CALLBACK  TOOLS   REGISTERED  SUBSCRIBED  DESCRIPTION
t      a      run       search  60m ago     yes
t:u    b                                    no          what
2 agents in 2 topics
[
  {
    "key": "omni:agent:t:a",
    "topic": "t",
    "name": "a",
    "callback_name": "run",
    "description": null,
    "tools": [
      "search"
    ],
    "config": {},
    "created_at": 1699996400,
    "subscription_active": true
  },
  {
    "key": "omni:agent:t:u:b",
    "topic": "t:u",
    "name": "b",
    "callback_name": null,
    "description": "what",
    "tools": null,
    "config": null,
    "created_at": null,
    "subscription_active": false
  }
]
`, shown(t, tool.InspectAgents, s, tool.Filter{}))
	if got := shown(t, tool.InspectAgents, s, tool.Filter{Topic: "t:u"}); !strings.Contains(got, "1 agent in 1 topic") || strings.Contains(got, "omni:agent:t:a") {
		t.Error(got)
	}
}

func TestInspectResults(t *testing.T) {
	s := scene(t)
	check(t, `
TASK  SAVED     EXPIRES     SIZE  RESULT
one   9.5s ago  in 27806d   94 B  {"topic": "t", "agent": "a", "x": NaN}
two   16m ago   never      112 B  {"topic": "t:u", "agent": "b", "text": "日\u001b[31m"}
bad             never        8 B  not JSON
3 results; of 1 task in the index the result is gone
[
  {
    "task_id": "one",
    "result": {
      "topic": "t",
      "agent": "a",
      "x": NaN
    },
    "saved_at": 1699999990.5,
    "expires_at": 4102444800.0,
    "bytes": 94
  },
  {
    "task_id": "two",
    "result": {
      "topic": "t:u",
      "agent": "b",
      "text": "\u65e5\u001b[31m"
    },
    "saved_at": 1699999000,
    "expires_at": null,
    "bytes": 112
  },
  {
    "task_id": "bad",
    "result": null,
    "saved_at": null,
    "expires_at": null,
    "bytes": 8
  }
]
`, shown(t, tool.InspectResults, s, tool.Filter{}))
	for f, want := range map[tool.Filter]string{
		{Limit: 1}:                 "1 result; of 1 task in the index the result is gone\n",
		{Agent: "b", Topic: "t:u"}: "1 result; of 1 task in the index the result is gone\n",
		{Task: "two"}:              "1 result of the task two\n",
		{Task: "none"}:             "0 results of the task none\n",
	} {
		if got := shown(t, tool.InspectResults, s, f); !strings.Contains(got, want) {
			t.Errorf("%+v: %s", f, got)
		}
	}
}

func TestInspectMetrics(t *testing.T) {
	check(t, `
TOPIC  AGENT  RECEIVED  PROCESSED  FAILED  AVG TIME  LAST     LAST ERROR
t      a             1          1       1     250ms  98s ago  ValueError: no\nroute
the latest 3 metrics
[
  {
    "topic": "t",
    "agent": "a",
    "tasks_received": 1,
    "tasks_processed": 1,
    "tasks_failed": 1,
    "avg_processing_time_sec": 0.25,
    "last": 1699999902.0,
    "last_error": "ValueError: no\nroute"
  }
]
`, shown(t, tool.InspectMetrics, scene(t), tool.Filter{Limit: 1000}))
}

func TestInspectBus(t *testing.T) {
	s := scene(t)
	got := shown(t, tool.InspectBus, s, tool.Filter{})
	table, _, _ := strings.Cut(got, "2 topics, 2 groups")
	for _, want := range []string{"TOPIC  TASKS  AGENT     CONSUMERS  SEEN", "\nalone      1  no group\n", "\nt          5  a                 1  ", "\n              other             0  "} {
		if !strings.Contains("\n"+table, want) {
			t.Errorf("%q is missing in\n%s", want, table)
		}
	}
	for _, want := range []string{`"lag": 2,`, `"pending": 2,`, `"oldest_pending_ms": 1000000,`, `"retried": 1,`, `"dead_letters": 1,`, `"last_delivered_id": "3-0",`, `"subscription_active": true,`, `"lag": 5,`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if got := shown(t, tool.InspectBus, s, tool.Filter{Agent: "a"}); !strings.Contains(got, "1 topic, 1 group") {
		t.Error(got)
	}
}

func TestInspectDeadLetters(t *testing.T) {
	s := scene(t)
	check(t, `
FAILED   TOPIC  AGENT  TASK  RETRIES  ERROR                     LAST FAILURE
60s ago  t      a      lost        3  Max retries (4) exceeded  ValueError: no\nroute
1 of 1 dead letter
[
  {
    "id": "9-1",
    "stream": "omni-dlq:group:t:a",
    "group": "group:t:a",
    "topic": "t",
    "agent": "a",
    "task_id": "lost",
    "last_failure": "ValueError: no\nroute",
    "data": {
      "topic": "t",
      "original_id": "3-0",
      "failed_message": {
        "task_id": "lost"
      },
      "error": "Max retries (4) exceeded",
      "retry_count": 3,
      "failed_at": 1699999940
    }
  }
]
`, shown(t, tool.InspectDeadLetters, s, tool.Filter{}))
	if got := shown(t, tool.InspectDeadLetters, s, tool.Filter{Topic: "u"}); !strings.Contains(got, "0 of 1 dead letter") {
		t.Error(got)
	}
}

func TestATableFitsTheScreen(t *testing.T) {
	table := tool.Table{
		Columns: []tool.Column{{Title: "NAME", Cut: true}, {Title: "N", Right: true}, {Title: "TEXT", Cut: true}},
		Rows: [][]tool.Cell{
			{{Text: "short"}, {Text: "12345", Color: tool.Red}, {Text: strings.Repeat("long ", 20)}},
			{{Text: "日本語日本語日本語"}, {Text: "1"}, {Text: "e\u0301\u202e\x00\xff"}},
		},
	}
	write := func(s tool.Screen) string {
		var b strings.Builder
		if err := table.Write(&b, s); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	check(t, `
NAME              N  TEXT
short         12345  long long l…
日本語日本…       1  é\u202e\x00…
`, write(tool.Screen{Width: 33}))
	if got := write(tool.Screen{Color: true}); !strings.Contains(got, "\x1b[31m12345\x1b[0m") || !strings.Contains(got, "\x1b[1mNAME\x1b[0m") {
		t.Errorf("%q", got)
	}
	if got := write(tool.Screen{}); strings.Contains(got, "\x1b") || !strings.Contains(got, strings.TrimSpace(strings.Repeat("long ", 20))+"\n") {
		t.Errorf("%q", got)
	}
}
