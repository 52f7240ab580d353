package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/passthrough"
	"github.com/omniproxy/omniproxy/resp"
)

// collector reads what a service counts when Prometheus asks. It describes nothing beforehand: what there is depends on the
// backend and on what clients do.
type collector struct {
	*Service
	described map[*metric]*prometheus.Desc
}

func newCollector(s *Service) collector {
	c := collector{s, map[*metric]*prometheus.Desc{}}
	for _, m := range table() {
		c.described[m] = prometheus.NewDesc(m.fullName(), m.help, m.labels, nil)
	}
	return c
}

// Describe implements [prometheus.Collector].
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(ch chan<- prometheus.Metric) {
	out := sink{ch, c.described}
	out.put(&ready, truth(c.Ready()))
	now := c.served.Load()
	if now == nil {
		return
	}
	out.clients(now.server)
	if now.json != nil {
		out.json(now.json)
		if !now.json.Loading() {
			out.bus(lookAt(now.json, c.db, c.layout, c.Tasks.topics()), true)
		}
		return
	}
	out.proxy(now.proxy.Activity())
	topics := c.poll.found.Load()
	if topics == nil {
		out.bus(nil, false)
		return
	}
	out.bus(*topics, true)
}

// sink takes metrics.
type sink struct {
	ch        chan<- prometheus.Metric
	described map[*metric]*prometheus.Desc
}

func (s sink) put(m *metric, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if m.kind == counter {
		kind = prometheus.CounterValue
	}
	s.ch <- prometheus.MustNewConstMetric(s.described[m], kind, value, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s sink) clients(v *resp.Server) {
	t := v.Traffic()
	s.put(&clientsNow, float64(t.Clients))
	s.put(&clientsMax, float64(t.MaxClients))
	s.put(&clientsAccepted, float64(t.Accepted))
	s.put(&clientsRejected, float64(t.Rejected))
	s.put(&protocolErrors, float64(t.ProtocolErrors))
	s.put(&receivedBytes, float64(t.Input))
	s.put(&sentBytes, float64(t.Output))
	s.put(&clientBuffers, float64(v.Buffers().Total))
	for reason, n := range v.Denials() {
		s.put(&denials, float64(n), reason)
	}
	if v.Validation == nil {
		return
	}
	counts := v.Validation.Counts()
	for _, rule := range keyspace.Rules() {
		s.put(&findings, float64(counts.Rules[rule.ID]), rule.ID.String())
	}
	s.put(&findingsRefused, float64(counts.Refused))
	s.put(&findingsUnknown, float64(counts.Unchecked))
}

// commandLimits are those of the histograms of commands. Above half a second only the count and the sum tell.
var commandLimits = []time.Duration{
	5 * time.Microsecond, 10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond,
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
}

func (s sink) json(b *jsonbackend.Backend) {
	s.put(&loading, truth(b.Loading()))
	durations := s.described[&commandDuration]
	for _, c := range b.Commands(commandLimits) {
		name := c.Spec.FullName
		s.put(&commandsTotal, float64(c.Calls), name)
		s.put(&commandsRejected, float64(c.Rejected), name)
		s.put(&commandsFailed, float64(c.Failed), name)
		if c.Measured > 0 {
			buckets := make(map[float64]uint64, len(commandLimits))
			for i, limit := range commandLimits {
				buckets[limit.Seconds()] = c.Within[i]
			}
			s.ch <- prometheus.MustNewConstHistogram(durations, c.Measured, c.Spent.Seconds(), buckets, name)
		}
	}
	a := b.Activity()
	s.errors(a.Errors)
	s.put(&clientsBlocked, float64(a.Blocked))
	s.put(&keyHits, float64(a.Hits))
	s.put(&keyMisses, float64(a.Misses))
	s.put(&keysExpired, float64(a.Expired))
	for db := range engine.Databases {
		if db == 0 || a.Keys[db] > 0 {
			s.put(&keysStored, float64(a.Keys[db]), strconv.Itoa(db))
			s.put(&keysExpiring, float64(a.Expiring[db]), strconv.Itoa(db))
		}
	}
	s.aof(b)
	for _, f := range b.Files() {
		s.put(&broken, truth(f.Broken), f.File)
		s.put(&unpublished, truth(f.Unpublished), f.File)
		s.put(&hiddenValues, float64(f.Hidden), f.File)
	}
}

// errors shows error replies. The backends see to it that their codes are few.
func (s sink) errors(codes map[string]int64) {
	for code, count := range codes {
		s.put(&errorReplies, float64(count), code)
	}
}

func (s sink) aof(b *jsonbackend.Backend) {
	log, ok := b.Log()
	if !ok {
		return
	}
	s.put(&aofSize, float64(log.Size))
	s.put(&aofBuffered, float64(log.Buffered))
	s.put(&aofFailed, truth(log.Err != nil))
	s.put(&aofWrites, float64(log.Writes))
	s.put(&aofRewrites, float64(log.Rewrites))
	s.put(&aofRewriteFails, float64(log.RewriteFailures))
	s.put(&aofRewriteLast, max(log.LastRewrite, 0).Seconds())
}

func (s sink) proxy(a passthrough.Activity) {
	for _, c := range a.Commands {
		name := other
		if c.Spec != nil {
			name = c.Spec.FullName
		}
		s.put(&commandsTotal, float64(c.Calls), name)
		s.put(&commandsRejected, float64(c.Rejected), name)
	}
	s.errors(a.Errors)
	s.put(&upstreamUp, truth(a.Up))
	s.put(&clientsBlocked, float64(a.Load.Blocked))
	s.put(&clientsWaiting, float64(a.Load.Waiting))
	s.put(&repliesToCome, float64(a.Load.Replies))
	s.put(&requestBytes, float64(a.Load.RequestBytes))
	s.put(&requestBytesMax, float64(a.Load.RequestBytesMax))
	u, p := a.Upstream, a.Pool
	s.put(&upstreamConns, float64(u.Connections))
	s.put(&upstreamConnects, float64(u.Connects))
	s.put(&upstreamLosses, float64(u.Losses))
	s.put(&upstreamSilent, float64(u.Silent))
	s.put(&commandsUnanswered, float64(u.Unanswered))
	s.put(&commandsUnavailable, float64(u.Unavailable))
	s.put(&lanes, float64(p.Lanes))
	s.put(&pins, float64(p.Pins))
	s.put(&pinsIdle, float64(p.PinsIdle))
	s.put(&pinsMax, float64(p.PinsMax))
	s.put(&pinsRefused, float64(p.PinsRefused))
	s.put(&pinsTakenBack, float64(p.PinsTakenBack))
}

// bus shows the event bus as it was seen last; seen is false if that failed. The names are those of few topics and groups, but
// somebody else chose them, and two that are made labels may become one.
func (s sink) bus(topics []topic, seen bool) {
	s.put(&busUp, truth(seen))
	told := map[pair]bool{}
	for _, t := range topics {
		name := label(t.name)
		if told[pair{topic: name}] {
			continue
		}
		told[pair{topic: name}] = true
		s.put(&streamLength, float64(t.length), name)
		for _, g := range t.groups {
			member := label(g.name)
			if told[pair{name, member}] {
				continue
			}
			told[pair{name, member}] = true
			if g.lag != unknownLag {
				s.put(&groupLag, float64(g.lag), name, member)
			}
			s.put(&groupPending, float64(g.pending), name, member)
			s.put(&groupMembers, float64(g.consumers), name, member)
			s.put(&deadLetters, float64(g.deadLetters), name, member)
			s.put(&groupRetrying, float64(g.retrying), name, member)
		}
	}
}
