package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omniproxy/omniproxy/keyspace"
)

// Tasks counts what OmniDaemon's agents and its event bus report of tasks. Both add entries to streams, with a field data that
// holds JSON: the stream of metrics has {topic, agent, event, processing_time_sec ...} from the agent runner and
// {agent_name, event ...} from its supervisor, omni-metrics has {topic, group, event ...}.
type Tasks struct {
	runner, bus string // keys of the streams

	mu    sync.Mutex
	known map[string]counted // by what reports say, as they say it: making labels takes longer
	shown shown
}

// counted is where reports that say the same count.
type counted struct {
	reports   prometheus.Counter
	durations prometheus.Observer // nil if they do not tell
}

// reading is what a report said.
type reading struct {
	counted
	seconds float64
}

func (r reading) count() {
	r.reports.Inc()
	if r.durations != nil {
		r.durations.Observe(r.seconds)
	}
}

// shown is what Prometheus sees.
type shown struct {
	tasks, events, lost *prometheus.CounterVec
	durations           *prometheus.HistogramVec
	names               *bounded[string] // of events
	agents, groups      *bounded[pair]
}

const (
	longestReport = 16 << 10 // bytes: it is read while others wait, within 0.2 ms at the worst
	longestKnown  = 512      // bytes of what a report says that is remembered
	mostKnown     = 1000
)

// taskLimits are those of the histogram of processing times, in seconds: agents call language models.
var taskLimits = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

func newTasks(prefix string, r prometheus.Registerer) *Tasks {
	layout := keyspace.Layout{Prefix: prefix}
	t := &Tasks{
		runner: layout.MetricsStream(), bus: layout.BusMetrics(), known: map[string]counted{},
		shown: shown{
			tasks: tasksTotal.counters(), events: busEvents.counters(), lost: reportsLost.counters(), durations: taskDuration.histograms(taskLimits),
			names: newBounded(mostEvents, other), agents: newBounded(mostPairs, pair{other, other}), groups: newBounded(mostPairs, pair{other, other}),
		},
	}
	x := &t.shown
	r.MustRegister(x.tasks, x.events, x.lost, x.durations)
	for _, reason := range []string{"too_long", "unreadable"} {
		x.lost.WithLabelValues(reason)
	}
	return t
}

// Added counts an entry that was added to a stream: of the fields and their values in turn, which it does not keep.
func (t *Tasks) Added(key []byte, pairs [][]byte) {
	if bus, ok := t.concerns(key); ok {
		t.read(bus, data(pairs)).count()
	}
}

// Adding is Added of an entry of which it is not known yet whether it is added: what it returns says that it was. It is nil
// if the entry is none of those that count.
func (t *Tasks) Adding(key []byte, pairs [][]byte) (added func()) {
	bus, ok := t.concerns(key)
	if !ok {
		return nil
	}
	return t.read(bus, data(pairs)).count
}

func (t *Tasks) concerns(key []byte) (bus, ok bool) {
	bus = string(key) == t.bus
	return bus, bus || string(key) == t.runner
}

// data is the value of the field of that name.
func data(pairs [][]byte) []byte {
	for i := 0; i+1 < len(pairs); i += 2 {
		if string(pairs[i]) == "data" {
			return pairs[i+1]
		}
	}
	return nil
}

// read reads a report. That happens where it is added, while it is in the processor's cache: keeping it for another goroutine
// would cost more.
func (t *Tasks) read(bus bool, said []byte) reading {
	var r report
	switch {
	case len(said) > longestReport:
		return reading{counted: counted{reports: t.shown.lost.WithLabelValues("too_long")}}
	case !r.read(said):
		return reading{counted: counted{reports: t.shown.lost.WithLabelValues("unreadable")}}
	case bus:
		r.agent, r.timed = nil, false
	default:
		r.group = nil
	}
	return reading{t.of(bus, &r), r.seconds}
}

// of finds where a report counts.
func (t *Tasks) of(bus bool, r *report) counted {
	var room [longestKnown]byte
	says := append(room[:0], kindOf(bus, r.timed))
	for _, part := range [...][]byte{r.event, r.topic, r.agent, r.group} { // in none is a quote that is not escaped
		says = append(append(says, '"'), part...)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.known[string(says)]
	if !ok {
		if c = t.labelled(bus, r); len(says) <= longestKnown {
			if len(t.known) >= mostKnown {
				clear(t.known)
			}
			t.known[string(says)] = c
		}
	}
	return c
}

// kindOf tells reports apart that count in different places.
func kindOf(bus, timed bool) byte {
	switch {
	case bus:
		return 'b'
	case timed:
		return 't'
	}
	return 'r'
}

func (t *Tasks) labelled(bus bool, r *report) (c counted) {
	x := &t.shown
	event, topic := x.names.of(label(text(r.event))), label(text(r.topic))
	if bus {
		p := x.groups.of(pair{topic, label(text(r.group))})
		return counted{reports: x.events.WithLabelValues(event, p.topic, p.member)}
	}
	p := x.agents.of(pair{topic, label(text(r.agent))})
	c.reports = x.tasks.WithLabelValues(event, p.topic, p.member)
	if r.timed {
		c.durations = x.durations.WithLabelValues(p.topic, p.member)
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
