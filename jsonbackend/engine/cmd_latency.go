package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Latency monitoring: https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency-monitor/
var latencyHandlers = handlers{
	"LATENCY LATEST":    latencyLatest,
	"LATENCY HISTORY":   latencyHistory,
	"LATENCY RESET":     latencyReset,
	"LATENCY GRAPH":     latencyGraph,
	"LATENCY DOCTOR":    latencyDoctor,
	"LATENCY HISTOGRAM": latencyHistogram,
	"LATENCY HELP":      containerHelp,
}

// latencyMonitor remembers when the server was slow, by what kept it busy.
type latencyMonitor struct {
	threshold int64 // latency-monitor-threshold: from how many milliseconds on; 0 = never
	events    map[string]*latencyEvent
}

func newLatencyMonitor() latencyMonitor { return latencyMonitor{events: map[string]*latencyEvent{}} }

// latencyEvent is when one thing was slow: its last occurrences, the latest last, at most one for a second.
type latencyEvent struct {
	samples []latencySample
	longest int64 // of all times, in milliseconds
}

type latencySample struct{ at, ms int64 } // Unix seconds; the longest of that second

// latencySamples is how many occurrences of an event are remembered.
const latencySamples = 160

// command is observe of a command.
func (m *latencyMonitor) command(spec *command.Spec, took time.Duration) {
	if spec.Flags.Has(command.Fast) {
		m.observe("fast-command", took)
	} else {
		m.observe("command", took)
	}
}

// observe notes that an event took so long, if that is long.
func (m *latencyMonitor) observe(event string, took time.Duration) {
	ms := took.Milliseconds()
	if m.threshold == 0 || ms < m.threshold {
		return
	}
	e := m.events[event]
	if e == nil {
		e = &latencyEvent{}
		m.events[event] = e
	}
	e.longest = max(e.longest, ms)
	now := time.Now().Unix()
	if last := len(e.samples) - 1; last >= 0 && e.samples[last].at == now {
		e.samples[last].ms = max(e.samples[last].ms, ms)
		return
	}
	if len(e.samples) == latencySamples {
		e.samples = slices.Delete(e.samples, 0, 1)
	}
	e.samples = append(e.samples, latencySample{now, ms})
}

// names are the events that happened, sorted.
func (m *latencyMonitor) names() []string { return slices.Sorted(maps.Keys(m.events)) }

func latencyLatest(c *Call) error {
	m := &c.engine.latency
	c.Reply.Array(len(m.events))
	for _, name := range m.names() {
		e := m.events[name]
		last := e.samples[len(e.samples)-1]
		c.Reply.Array(4)
		c.Reply.BulkString(name)
		c.Reply.Int(last.at)
		c.Reply.Int(last.ms)
		c.Reply.Int(e.longest)
	}
	return nil
}

func latencyHistory(c *Call) error {
	var samples []latencySample
	if e := c.engine.latency.events[string(c.Args[2])]; e != nil {
		samples = e.samples
	}
	c.Reply.Array(len(samples))
	for _, s := range samples {
		c.Reply.Array(2)
		c.Reply.Int(s.at)
		c.Reply.Int(s.ms)
	}
	return nil
}

// latencyReset forgets events, all if none are named, and answers how many there were.
func latencyReset(c *Call) error {
	events := c.engine.latency.events
	before := len(events)
	if len(c.Args) == 2 {
		clear(events)
	}
	for _, name := range c.Args[2:] {
		delete(events, strings.ToLower(string(name)))
	}
	c.Reply.Int(int64(before - len(events)))
	return nil
}

// latencyGraph draws an event.
func latencyGraph(c *Call) error {
	name := string(c.Args[2])
	e := c.engine.latency.events[name]
	if e == nil {
		return wire.NoLatencySamples(c.Args[2])
	}
	low, high := e.bounds()
	const columns = 80
	var b strings.Builder
	fmt.Fprintf(&b, "%s - high %d ms, low %d ms (all time high %d ms)\n", name, high, low, e.longest)
	b.WriteString(strings.Repeat("-", columns) + "\n")
	now := time.Now().Unix()
	for samples := range slices.Chunk(e.samples, columns) {
		drawLatency(&b, samples, low, high)
		labelLatency(&b, samples, now)
	}
	c.Reply.Verbatim("txt", b.String())
	return nil
}

func (e *latencyEvent) bounds() (low, high int64) {
	byMs := func(a, b latencySample) int { return cmp.Compare(a.ms, b.ms) }
	return slices.MinFunc(e.samples, byMs).ms, slices.MaxFunc(e.samples, byMs).ms
}

// drawLatency draws a column for each sample: four rows of three heights.
func drawLatency(b *strings.Builder, samples []latencySample, low, high int64) {
	const rows, heights = 4, "_o#"
	for row := rows - 1; row >= 0; row-- {
		for _, s := range samples {
			height := int64(0)
			if high > low {
				height = min((s.ms-low)*int64(rows*len(heights))/(high-low), int64(rows*len(heights)-1))
			}
			switch top := int(height) / len(heights); {
			case top == row:
				b.WriteByte(heights[int(height)%len(heights)])
			case top > row:
				b.WriteByte('|')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
}

// labelLatency writes below each column, downwards, how long ago it was.
func labelLatency(b *strings.Builder, samples []latencySample, now int64) {
	labels := make([]string, len(samples))
	longest := 0
	for i, s := range samples {
		labels[i] = ago(now - s.at)
		longest = max(longest, len(labels[i]))
	}
	b.WriteString(strings.Repeat(" ", len(samples)) + "\n")
	for at := range longest {
		for _, label := range labels {
			if at < len(label) {
				b.WriteByte(label[at])
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
}

// ago words an age in the largest unit that fits.
func ago(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprint(seconds, "s")
	case seconds < 3600:
		return fmt.Sprint(seconds/60, "m")
	case seconds < 24*3600:
		return fmt.Sprint(seconds/3600, "h")
	}
	return fmt.Sprint(seconds/(24*3600), "d")
}

// latencyDoctor says in words what the samples tell, and what could be done.
func latencyDoctor(c *Call) error {
	m := &c.engine.latency
	var b strings.Builder
	switch {
	case len(m.events) > 0:
		m.report(&b, c.engine.slowlog.slowerThan)
	case m.threshold == 0:
		b.WriteString("Latency is not monitored. CONFIG SET latency-monitor-threshold <milliseconds> begins that.\n")
	default:
		fmt.Fprintf(&b, "Nothing took %d ms or longer since monitoring began.\n", m.threshold)
	}
	c.Reply.Verbatim("txt", b.String())
	return nil
}

// latencyAdvice is what can be done about events.
var latencyAdvice = map[string]string{
	"command":            "Look at SLOWLOG GET: commands that read or write a whole large value, or all keys, hold up every other client.",
	"fast-command":       "Even commands that do little were slow: the machine is busy with something else, or its memory is full. Look at the load of its processors.",
	"expire-cycle":       "Many keys expired at the same time: spread their lifetimes, or divide large values.",
	"command-unblocking": "Clients that waited were handed large values.",
}

// report describes the events. slowerThan is slowlog-log-slower-than.
func (m *latencyMonitor) report(b *strings.Builder, slowerThan int64) {
	b.WriteString("The server was slow at times:\n\n")
	for i, name := range m.names() {
		e := m.events[name]
		mean, deviation := e.mean()
		period := float64(max(time.Now().Unix()-e.samples[0].at, 1)) / float64(len(e.samples))
		fmt.Fprintf(b, "%d. %s: %d latency spikes (average %dms, mean deviation %dms, period %.2f sec). Worst all time event %dms.\n",
			i+1, name, len(e.samples), mean, deviation, period, e.longest)
	}
	b.WriteString("\nWhat may help:\n\n")
	for _, name := range m.names() {
		if advice := latencyAdvice[name]; advice != "" {
			b.WriteString("- " + advice + "\n")
		}
	}
	if m.events["command"] != nil && (slowerThan < 0 || slowerThan/1000 > m.threshold) {
		fmt.Fprintf(b, "- The slow log does not show them all: CONFIG SET slowlog-log-slower-than %d.\n", m.threshold*1000)
	}
}

// mean returns the mean of the samples and how far they are from it on average.
func (e *latencyEvent) mean() (mean, deviation int64) {
	n := int64(len(e.samples))
	for _, s := range e.samples {
		mean += s.ms
	}
	mean /= n
	for _, s := range e.samples {
		deviation += max(s.ms-mean, mean-s.ms)
	}
	return mean, deviation / n
}

// latencyHistogram answers LATENCY HISTOGRAM [command...]: of the commands that were measured, containers with their
// subcommands.
func latencyHistogram(c *Call) error {
	var specs []*command.Spec
	add := func(s *command.Spec) {
		if c.engine.stats.commands[s.Index].latency != nil {
			specs = append(specs, s)
		}
	}
	for _, name := range c.Args[2:] {
		if s := command.Find(string(name)); s != nil {
			add(s)
			for _, sub := range s.Subcommands {
				add(sub)
			}
		}
	}
	if len(c.Args) == 2 {
		for s := range command.All() {
			add(s)
		}
	}
	c.Reply.Map(len(specs))
	for _, s := range specs {
		c.Reply.BulkString(s.FullName)
		c.histogram(c.engine.stats.commands[s.Index].latency)
	}
	return nil
}

func (c *Call) histogram(h *histogram) {
	type row struct{ micros, count int64 }
	var rows []row
	for limit, count := range h.cumulative() {
		rows = append(rows, row{limit.Microseconds(), int64(count)})
	}
	c.Reply.Map(2)
	c.Reply.BulkString("calls")
	c.Reply.Int(int64(h.total))
	c.Reply.BulkString("histogram_usec")
	c.Reply.Map(len(rows))
	for _, r := range rows {
		c.Reply.Int(r.micros)
		c.Reply.Int(r.count)
	}
}
