package metrics

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"pgregory.net/rapid"
)

func words(text ...string) (all [][]byte) {
	for _, w := range text {
		all = append(all, []byte(w))
	}
	return all
}

// toldOf returns tasks that were told of these entries: "key data" each.
func toldOf(entries ...[2]string) *Tasks {
	tasks := newTasks("omni", prometheus.NewRegistry())
	for _, e := range entries {
		tasks.Added([]byte(e[0]), words("data", e[1]))
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
	tasks := toldOf(
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
	tasks := toldOf([2]string{runner, "no JSON"}, [2]string{runner, `{"topic": 1, "event": "task_received"}`}, [2]string{runner, `{"topic": "t"}`},
		[2]string{bus, `[]`}, [2]string{bus, `["event", "e"]`}, [2]string{bus, `{"event": "` + strings.Repeat("x", longestReport) + `"}`})
	tasks.Added([]byte(runner), words("field", "{}"))
	tasks.Adding([]byte(runner), words("data", strings.Repeat(" ", 10*longestReport)))()
	for reason, want := range map[string]float64{"unreadable": 6, "too_long": 2} {
		if lost := testutil.ToFloat64(tasks.shown.lost.WithLabelValues(reason)); lost != want {
			t.Errorf("%v reports %s, want %v", lost, reason, want)
		}
	}
}

// What no clock has measured would make the sum of all times useless for ever.
func TestTimesThatCannotBeDoNotCount(t *testing.T) {
	tasks := toldOf()
	for _, seconds := range []string{"-0.5", "1e308", "1e999", "NaN", "Infinity", "1763859213.5", "null", "0", "2e-1"} {
		tasks.Added([]byte(runner), words("data", `{"event": "task_processed", "processing_time_sec": `+seconds+`}`))
	}
	if n := testutil.ToFloat64(tasks.shown.tasks); n != 9 {
		t.Errorf("%v tasks, of 9", n)
	}
	text, err := testutil.CollectAndFormat(tasks.shown.durations, expfmt.TypeTextPlain, "omniproxy_"+taskDuration.name)
	if err != nil || !strings.Contains(string(text), `_sum{agent="",topic=""} 0.2`) || !strings.Contains(string(text), `_count{agent="",topic=""} 2`) {
		t.Errorf("want the times of 0 and 0.2 s: %v\n%s", err, text)
	}
}

func TestWhatIsNotConfirmedDoesNotCount(t *testing.T) {
	tasks := toldOf()
	data := []byte(`{"event": "e"}`)
	added := tasks.Adding([]byte(bus), [][]byte{[]byte("data"), data})
	copy(data, "xxxxxxxx") // it dies with the call
	events := tasks.shown.events.WithLabelValues("e", "", "")
	if testutil.ToFloat64(events) != 0 {
		t.Error("counted before it was done")
	}
	added()
	if n := testutil.ToFloat64(events); n != 1 {
		t.Errorf("%v events", n)
	}
	if tasks.Adding([]byte("omni-stream:t"), words("data", "{}")) != nil {
		t.Error("tasks themselves are no reports")
	}
}

func TestHoweverManyNamesThereAreTheSeriesAreFew(t *testing.T) {
	tasks := toldOf()
	for i := range 2 * mostKnown {
		name := fmt.Sprintf(`n%d\ud83d\n%s`, i, strings.Repeat("é", longestLabel))
		said := fmt.Sprintf(`{"topic": "%s", "agent": "%s", "group": "%s", "event": "e%d", "processing_time_sec": 1}`, name, name, name, i)
		for _, key := range []string{runner, bus} {
			tasks.Added([]byte(key), words("data", said))
			tasks.Added([]byte(key), words("data", fmt.Sprintf(`{"topic": "short", "event": "%d"}`, i)))
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
	if len(tasks.known) > mostKnown {
		t.Errorf("%d remembered", len(tasks.known))
	}
	for says := range tasks.known {
		if len(says) > longestKnown {
			t.Errorf("%d bytes remembered of one", len(says))
		}
	}
}

// However the parts of two reports meet, they count apart.
func TestReportsThatSayDifferentThingsCountApart(t *testing.T) {
	tasks := toldOf([2]string{runner, `{"event": "e", "topic": "t\"", "agent": "a"}`}, [2]string{runner, `{"event": "e", "topic": "t", "agent": "\"a"}`},
		[2]string{runner, `{"event": "e", "topic": "t\u0000", "agent": "a"}`}, [2]string{runner, `{"event": "e", "topic": "t", "agent": "\u0000a"}`})
	if n := testutil.CollectAndCount(tasks.shown.tasks); n != 4 {
		t.Errorf("%d series, want 4", n)
	}
}

// anyReport makes texts that are, or nearly are, flat JSON objects.
func anyReport(t *rapid.T) string {
	key := rapid.SampledFrom([]string{`"topic"`, `"agent"`, `"agent_name"`, `"group"`, `"event"`, `"event"`, `"Event"`, `"ev\u0065nt"`, `"task_id"`, `""`, `"processing_time_sec"`, `1`, ``})
	value := rapid.SampledFrom([]string{`"t"`, `"t"`, `""`, `"\u00e4\n\""`, `"ü"`, "\"\n\"", `"t`, `1`, `-0.25`, `1.`, `01`, `-`, `1e-05`, `1E+2`, `12.5.1`, `null`, `true`, `{}`, `{"event": "in"}`,
		`[1, "]"]`, `{`, ``, `x`})
	space := rapid.SampledFrom([]string{"", "", " ", "  ", "\t"})
	b := rapid.SampledFrom([]string{"{", "{", "{", " {", "", "[", "{,"}).Draw(t, "open")
	for i := range rapid.IntRange(0, 5).Draw(t, "members") {
		if i > 0 {
			b += rapid.SampledFrom([]string{",", ", ", ", ", " ,", ";"}).Draw(t, "comma")
		}
		b += space.Draw(t, "space") + key.Draw(t, "key") + rapid.SampledFrom([]string{": ", ":", ": ", " : ", ""}).Draw(t, "colon") + value.Draw(t, "value")
	}
	return b + space.Draw(t, "space") + rapid.SampledFrom([]string{"}", "}", "}", "} ", "}}", "", ",}", "]"}).Draw(t, "close")
}

// However a report is written, it is read as JSON is.
func TestReportsAreReadAsJSONIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := anyReport(t)
		var r report
		ok := r.read([]byte(said))
		got := fmt.Sprintf("%q %q %q %q %v %v", text(r.event), text(r.topic), text(r.agent), text(r.group), r.timed, r.seconds)
		if want := asJSON(said); ok != (want != "") || ok && got != want {
			t.Errorf("%s: read %v %s, want %s", said, ok, got, want)
		}
	})
}

// asJSON is what a report says, by Go's own reader; "" if it is none.
func asJSON(said string) string {
	var all map[string]any
	if json.Unmarshal([]byte(said), &all) != nil {
		return ""
	}
	texts := map[string]string{}
	for _, name := range []string{"event", "topic", "agent", "agent_name", "group"} {
		switch v := all[name].(type) {
		case string:
			texts[name] = v
		case nil:
		default:
			return ""
		}
	}
	seconds, timed := all["processing_time_sec"].(float64)
	if !timed && all["processing_time_sec"] != nil || texts["event"] == "" {
		return ""
	}
	agent := cmp.Or(texts["agent"], texts["agent_name"])
	return fmt.Sprintf("%q %q %q %q %v %v", texts["event"], texts["topic"], agent, texts["group"], timed && seconds >= 0, seconds)
}

func BenchmarkReport(b *testing.B) {
	tasks := toldOf()
	key, said := []byte(runner), words("data", `{"topic": "t", "agent": "worker", "runner_id": "5f3c", "event": "task_processed", "task_id": "r1", "processing_time_sec": 0.25, "timestamp": 1763859213.5, "saved_at": 1763859213.6}`)
	b.ReportAllocs()
	for b.Loop() {
		tasks.Added(key, said)
	}
}
