package metrics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func words(text ...string) (all [][]byte) {
	for _, w := range text {
		all = append(all, []byte(w))
	}
	return all
}

// counted returns tasks that were told of these entries and have read them all: "key data" each.
func counted(t *testing.T, entries ...[2]string) *Tasks {
	t.Helper()
	tasks := newTasks("omni", prometheus.NewRegistry())
	t.Cleanup(tasks.stop)
	tasks.stop() // the test reads what comes, one by one
	for _, e := range entries {
		tasks.Added([]byte(e[0]), words("data", e[1]))
		tasks.readAll()
	}
	return tasks
}

func check(t *testing.T, c prometheus.Collector, want string) {
	t.Helper()
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

const (
	runner = "omni:metrics:stream"
	bus    = "omni-metrics"
)

func TestReportsAreCountedByEventTopicAndAgent(t *testing.T) {
	tasks := counted(t,
		[2]string{runner, `{"topic": "t", "agent": "a", "runner_id": "r", "event": "task_received", "task_id": "1", "timestamp": 1.5}`},
		[2]string{runner, `{"topic": "t", "agent": "a", "event": "task_processed", "task_id": "1", "processing_time_sec": 0.25}`},
		[2]string{runner, `{"topic": "t", "agent": "a", "event": "task_received", "task_id": null}`},
		[2]string{runner, `{"topic": "t", "agent": "a", "event": "task_failed", "error": "\ud83d kaputt"}`},
		[2]string{runner, `{"event": "agent_state_change", "agent_name": "a", "new_state": "running"}`},
		[2]string{bus, `{"topic": "t", "event": "dlq_push", "msg_id": "1-1", "group": "group:t:a", "consumer": "c", "timestamp": 1.5}`},
		[2]string{"omni-stream:t", `{"topic": "t", "event": "task_received"}`},
	)
	check(t, tasks.shown.tasks, `# HELP omniproxy_omnidaemon_tasks_total `+tasksTotal.help+`
# TYPE omniproxy_omnidaemon_tasks_total counter
omniproxy_omnidaemon_tasks_total{agent="a",event="agent_state_change",topic=""} 1
omniproxy_omnidaemon_tasks_total{agent="a",event="task_failed",topic="t"} 1
omniproxy_omnidaemon_tasks_total{agent="a",event="task_processed",topic="t"} 1
omniproxy_omnidaemon_tasks_total{agent="a",event="task_received",topic="t"} 2
`)
	check(t, tasks.shown.events, `# HELP omniproxy_omnidaemon_bus_events_total `+busEvents.help+`
# TYPE omniproxy_omnidaemon_bus_events_total counter
omniproxy_omnidaemon_bus_events_total{event="dlq_push",group="group:t:a",topic="t"} 1
`)
	if n := testutil.CollectAndCount(tasks.shown.durations); n != 1 {
		t.Errorf("%d series of processing times", n)
	}
	if lost := testutil.ToFloat64(tasks.shown.lost.WithLabelValues("unreadable")); lost != 0 {
		t.Errorf("%v reports could not be read", lost)
	}
}

func TestReportsThatCannotBeReadAreCountedAsSuch(t *testing.T) {
	tasks := counted(t, [2]string{runner, "no JSON"}, [2]string{runner, `{"topic": 1, "event": "task_received"}`}, [2]string{runner, `{"topic": "t"}`},
		[2]string{bus, `[]`}, [2]string{bus, `{"event": "` + strings.Repeat("x", longestReport) + `"}`})
	tasks.Added([]byte(runner), words("field", "{}"))
	tasks.readAll()
	if lost := testutil.ToFloat64(tasks.shown.lost.WithLabelValues("unreadable")); lost != 6 {
		t.Errorf("%v reports could not be read, of 6", lost)
	}
}

func TestTooManyReportsAtOnceAreDroppedAndCounted(t *testing.T) {
	tasks := counted(t)
	const size = 1 << 10
	for range mostWaiting/size + 3 {
		tasks.Added([]byte(bus), words("data", strings.Repeat("x", size)))
	}
	if lost := testutil.ToFloat64(tasks.shown.lost.WithLabelValues("dropped")); lost != 3 {
		t.Errorf("%v reports were dropped, of 3", lost)
	}
}

func TestWhatIsNotConfirmedDoesNotCount(t *testing.T) {
	tasks := counted(t)
	data := []byte(`{"event": "e"}`)
	added := tasks.Adding([]byte(bus), [][]byte{[]byte("data"), data})
	copy(data, "xxxxxxxx") // it dies with the call
	if len(tasks.waiting.ends) != 0 {
		t.Error("counted before it was done")
	}
	added()
	tasks.readAll()
	if n := testutil.ToFloat64(tasks.shown.events.WithLabelValues("e", "", "")); n != 1 {
		t.Errorf("%v events", n)
	}
	if tasks.Adding([]byte("omni-stream:t"), words("data", "{}")) != nil {
		t.Error("tasks themselves are no reports")
	}
}

func TestHoweverManyNamesThereAreTheSeriesAreFew(t *testing.T) {
	tasks := newTasks("omni", prometheus.NewRegistry())
	tasks.stop()
	for i := range 10 * mostPairs {
		name := fmt.Sprintf("n%d\xff%s", i, strings.Repeat("x", 2*longestLabel))
		said := fmt.Sprintf(`{"topic": %q, "agent": %q, "group": %q, "event": "e%d", "processing_time_sec": 1}`, name, name, name, i)
		for _, bus := range []bool{false, true} {
			tasks.put(bus, []byte(strings.ReplaceAll(said, `\xff`, "\xff")))
			tasks.readAll()
		}
	}
	for name, most := range map[prometheus.Collector]int{tasks.shown.durations: mostPairs + 1, tasks.shown.tasks: mostPairs + mostEvents + 1, tasks.shown.events: mostPairs + mostEvents + 1} {
		if n := testutil.CollectAndCount(name); n > most {
			t.Errorf("%d series, at most %d", n, most)
		}
	}
	if n := testutil.ToFloat64(tasks.shown.events.WithLabelValues(other, other, other)); n == 0 {
		t.Error("what is too much does not count as other")
	}
}

// However a report is written, it is read as JSON is.
func TestReportsAreReadAsJSONIs(t *testing.T) {
	for _, text := range []string{
		`{"topic": "t", "agent": "a", "event": "e", "processing_time_sec": 0.25}`, `{"topic":"t","event":"e","processing_time_sec":-1e3}`,
		`{ "event" : "e" }`, `{"event": "e", "topic": "\u00e4"}`, `{"event": "e", "more": {"topic": "no"}}`, `{"event": "e", "task_id": null, "group": "g"}`,
		`{"event": "e", "list": [1, "]"]}`, `{"event": 1}`, `{"event": "e", "topic": 1}`, `{"event": "e", "processing_time_sec": "1"}`, `{}`, ``, `{`, `[]`,
		`{"event": "e"`, `{"event": "e",}`, `{"event": "e"}}`, `{"agent_name": "n", "event": "e"}`, `{"agent": "a", "agent_name": "n", "event": "e"}`, `{"event": ""}`,
	} {
		var got, want report
		ok := got.read([]byte(text))
		if wanted := want.readAny([]byte(text)); ok != wanted || ok && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: read %v %v, want %v %v", text, ok, got, wanted, want)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	tasks := newTasks("omni", prometheus.NewRegistry())
	tasks.stop()
	key, said := []byte(runner), words("data", `{"topic": "t", "agent": "worker", "runner_id": "5f3c", "event": "task_processed", "task_id": "r1", "processing_time_sec": 0.25, "timestamp": 1763859213.5, "saved_at": 1763859213.6}`)
	b.ReportAllocs()
	for b.Loop() {
		tasks.Added(key, said)
		if len(tasks.waiting.ends) == 1000 {
			tasks.readAll()
		}
	}
}
