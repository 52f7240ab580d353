package metrics

import (
	"bytes"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omniproxy/omniproxy/keyspace"
)

// Tasks counts what OmniDaemon's agents and its event bus report of tasks. Both add entries to streams, with a field data that
// holds JSON: the stream of metrics has {topic, agent, event, processing_time_sec ...} from the agent runner and
// {agent_name, event ...} from its supervisor, omni-metrics has {topic, group, event ...}.
type Tasks struct {
	runner, bus string // keys of the streams

	mu          sync.Mutex
	waiting     reports // that are still to be read
	wake        chan struct{}
	stop        func()
	read, spare reports // of the goroutine that reads

	counts map[series]prometheus.Counter // of that goroutine: by what was read, as it was read
	seen   map[pair]prometheus.Observer
	shown  shown
}

// reports are entries, one behind the other.
type reports struct {
	text []byte
	ends []end
}

// end is where an entry ends in the text.
type end struct {
	at  int
	bus bool
}

// series is what one counter counts.
type series struct {
	bus                  bool
	event, topic, member string
}

// shown is what Prometheus sees.
type shown struct {
	tasks, events, lost *prometheus.CounterVec
	durations           *prometheus.HistogramVec
	names               *bounded[string] // of events
	agents, groups      *bounded[pair]
}

const (
	mostWaiting   = 4 << 20  // bytes of reports that wait to be read
	longestReport = 16 << 10 // bytes of one that is read
	mostCached    = 1000     // counters that are found at once
	readEvery     = 100 * time.Millisecond
)

// taskLimits are those of the histogram of processing times, in seconds: agents call language models.
var taskLimits = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

func newTasks(prefix string, r prometheus.Registerer) *Tasks {
	layout := keyspace.Layout{Prefix: prefix}
	t := &Tasks{
		runner: layout.MetricsStream(), bus: layout.BusMetrics(), wake: make(chan struct{}, 1),
		counts: map[series]prometheus.Counter{}, seen: map[pair]prometheus.Observer{},
		shown: shown{
			tasks: tasksTotal.counters(), events: busEvents.counters(), lost: reportsLost.counters(), durations: taskDuration.histograms(taskLimits),
			names: newBounded(mostEvents, other), agents: newBounded(mostPairs, pair{other, other}), groups: newBounded(mostPairs, pair{other, other}),
		},
	}
	x := &t.shown
	r.MustRegister(x.tasks, x.events, x.lost, x.durations)
	for _, reason := range []string{"dropped", "unreadable"} {
		x.lost.WithLabelValues(reason)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		clock := time.NewTicker(readEvery)
		defer clock.Stop()
		for {
			select {
			case <-clock.C:
			case <-t.wake:
			case <-quit:
				return
			}
			t.readAll()
		}
	}()
	t.stop = sync.OnceFunc(func() { close(quit); <-done })
	return t
}

// Added counts an entry that was added to a stream: of the fields and their values in turn, which it does not keep. It never
// blocks for long: others hold its lock while they copy an entry.
func (t *Tasks) Added(key []byte, pairs [][]byte) {
	if bus, ok := t.concerns(key); ok {
		t.put(bus, data(pairs))
	}
}

// Adding is Added of an entry of which it is not known yet whether it is added: what it returns says that it was. It is nil
// if the entry is none of those that count.
func (t *Tasks) Adding(key []byte, pairs [][]byte) (added func()) {
	bus, ok := t.concerns(key)
	if !ok {
		return nil
	}
	text := bytes.Clone(data(pairs))
	return func() { t.put(bus, text) }
}

func (t *Tasks) concerns(key []byte) (bus, ok bool) {
	bus = string(key) == t.bus
	return bus, bus || string(key) == t.runner
}

// data is the value of the field of that name, nothing if it is too long.
func data(pairs [][]byte) []byte {
	for i := 0; i+1 < len(pairs); i += 2 {
		if string(pairs[i]) == "data" && len(pairs[i+1]) <= longestReport {
			return pairs[i+1]
		}
	}
	return nil
}

// put has a report read soon.
func (t *Tasks) put(bus bool, text []byte) {
	t.mu.Lock()
	w := &t.waiting
	room := len(w.text)+len(text) <= mostWaiting
	if room {
		w.text = append(w.text, text...)
		w.ends = append(w.ends, end{len(w.text), bus})
	}
	hurry := len(w.text) > mostWaiting/2
	t.mu.Unlock()
	if !room {
		t.shown.lost.WithLabelValues("dropped").Inc()
	}
	if hurry {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// readAll reads what waits.
func (t *Tasks) readAll() {
	t.mu.Lock()
	t.read, t.waiting = t.waiting, reports{t.spare.text[:0], t.spare.ends[:0]}
	t.mu.Unlock()
	from := 0
	var r report
	for _, e := range t.read.ends {
		if r.read(t.read.text[from:e.at]) {
			t.count(e.bus, &r)
		} else {
			t.shown.lost.WithLabelValues("unreadable").Inc()
		}
		from = e.at
	}
	t.spare = t.read
}

// count counts a report. Which counter that is, is remembered by what the report says: making labels takes longer.
func (t *Tasks) count(bus bool, r *report) {
	member := r.agent
	if bus {
		member = r.group
	}
	counter := t.counts[series{bus, string(r.event), string(r.topic), string(member)}]
	if counter == nil {
		counter = t.counter(series{bus, string(r.event), string(r.topic), string(member)})
	}
	counter.Inc()
	if !r.processed || bus {
		return
	}
	duration := t.seen[pair{string(r.topic), string(r.agent)}]
	if duration == nil {
		p := t.shown.agents.of(pair{label(string(r.topic)), label(string(r.agent))})
		duration = t.shown.durations.WithLabelValues(p.topic, p.member)
		if len(t.seen) < mostCached {
			t.seen[pair{string(r.topic), string(r.agent)}] = duration
		}
	}
	duration.Observe(r.processing)
}

func (t *Tasks) counter(s series) (c prometheus.Counter) {
	x := &t.shown
	event, p := x.names.of(label(s.event)), pair{label(s.topic), label(s.member)}
	if s.bus {
		p = x.groups.of(p)
		c = x.events.WithLabelValues(event, p.topic, p.member)
	} else {
		p = x.agents.of(p)
		c = x.tasks.WithLabelValues(event, p.topic, p.member)
	}
	if len(t.counts) < mostCached {
		t.counts[s] = c
	}
	return c
}

// topics returns the topics that were reported of.
func (t *Tasks) topics() (names []string) {
	for _, all := range [][]pair{t.shown.agents.all(), t.shown.groups.all()} {
		for _, p := range all {
			if p.topic != "" && p.topic != other {
				names = append(names, p.topic)
			}
		}
	}
	return names
}
