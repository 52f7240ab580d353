package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/passthrough"
	"github.com/omniproxy/omniproxy/resp"
)

// Service is what is exported of one backend and its clients. A nil Service, where nothing is exported, takes every call and
// costs nothing.
type Service struct {
	Tasks *Tasks

	layout keyspace.Layout
	db     int
	events events
	served atomic.Pointer[served] // nil before Serves
	poll   *poll
}

// served is what a service has when it is there.
type served struct {
	server *resp.Server
	json   *jsonbackend.Backend // nil on redis
	proxy  *passthrough.Backend // nil on json
}

// events are what is told, because nobody keeps count of it.
type events struct {
	edits, replaced, published *prometheus.CounterVec
	publication, fsync         *prometheus.HistogramVec
	roundTrip, wait            *prometheus.HistogramVec
}

// Limits of histograms, in seconds.
var (
	diskLimits = []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}
	tripLimits = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}
)

func newService(prefix string, db int, r prometheus.Registerer) *Service {
	s := &Service{Tasks: newTasks(prefix, r), layout: keyspace.Layout{Prefix: prefix}, db: db}
	r.MustRegister(newCollector(s))
	return s
}

func newJSONService(prefix string, db int, r prometheus.Registerer) *Service {
	s := newService(prefix, db, r)
	s.events = events{
		edits: edits.counters(), replaced: valuesReplaced.counters(), published: publishedBytes.counters(),
		publication: publication.histograms(diskLimits), fsync: aofFsync.histograms(diskLimits),
	}
	r.MustRegister(s.events.edits, s.events.replaced, s.events.published, s.events.publication, s.events.fsync)
	return s
}

func newRedisService(prefix string, r prometheus.Registerer) *Service {
	s := newService(prefix, 0, r)
	s.events = events{roundTrip: upstreamRoundTrip.histograms(tripLimits), wait: upstreamWait.histograms(tripLimits)}
	r.MustRegister(s.events.roundTrip, s.events.wait)
	return s
}

// Adding is what a proxy tells of entries that are to be added to streams; nil if nobody wants to know.
func (s *Service) Adding() func(key []byte, pairs [][]byte) (added func()) {
	if s == nil {
		return nil
	}
	return s.Tasks.Adding
}

// Added is what a JSON backend tells of entries that were added to streams; nil if nobody wants to know.
func (s *Service) Added() func(key []byte, pairs [][]byte) {
	if s == nil {
		return nil
	}
	return s.Tasks.Added
}

// JSONEvents counts what a JSON backend reports, and passes it on.
func (s *Service) JSONEvents(e jsonbackend.Events) jsonbackend.Events {
	if s == nil {
		return e
	}
	edited := func(file, outcome string) { s.events.edits.WithLabelValues(file, outcome).Inc() }
	fsync := s.events.fsync.WithLabelValues()
	e.Published = both3(e.Published, func(file string, bytes int64, took time.Duration) {
		s.events.publication.WithLabelValues(file).Observe(took.Seconds())
		s.events.published.WithLabelValues(file).Add(float64(bytes))
	})
	e.Edited = both2(e.Edited, func(file string, _ int) { edited(file, "read") })
	e.Refused = both2(e.Refused, func(file string, _ error) { edited(file, "refused") })
	e.Ignored = both1(e.Ignored, func(file string) { edited(file, "ignored") })
	e.Broken = both2(e.Broken, func(file string, _ error) { edited(file, "broken") })
	e.Replaced = both3(e.Replaced, func(file string, keys []string, _ string) {
		s.events.replaced.WithLabelValues(file).Add(float64(len(keys)))
	})
	e.Synced = both1(e.Synced, func(took time.Duration) { fsync.Observe(took.Seconds()) })
	return e
}

// ProxyEvents measures what a proxy reports, and passes it on.
func (s *Service) ProxyEvents(e passthrough.Events) passthrough.Events {
	if s == nil {
		return e
	}
	trip, wait := s.events.roundTrip.WithLabelValues(), s.events.wait.WithLabelValues()
	e.Answered = both1(e.Answered, func(took time.Duration) { trip.Observe(took.Seconds()) })
	e.Waited = both1(e.Waited, func(took time.Duration) { wait.Observe(took.Seconds()) })
	return e
}

func both1[A any](f, g func(A)) func(A) {
	if f == nil {
		return g
	}
	return func(a A) { f(a); g(a) }
}

func both2[A, B any](f, g func(A, B)) func(A, B) {
	if f == nil {
		return g
	}
	return func(a A, b B) { f(a, b); g(a, b) }
}

func both3[A, B, C any](f, g func(A, B, C)) func(A, B, C) {
	if f == nil {
		return g
	}
	return func(a A, b B, c C) { f(a, b, c); g(a, b, c) }
}

// ServesJSON tells that the backend is there, with the server that serves it. It may still be loading.
func (s *Service) ServesJSON(v *resp.Server, b *jsonbackend.Backend) {
	if s != nil {
		s.served.Store(&served{server: v, json: b})
	}
}

// ServesRedis tells that the proxy is there. Its Redis is looked at now and then, on a connection of its own, until Close;
// failed is told when that begins to fail, and nil when it does not any more.
func (s *Service) ServesRedis(v *resp.Server, b *passthrough.Backend, failed func(error)) {
	if s != nil {
		s.poll = startPoll(b.Client(), s.layout, s.Tasks, pollEvery, failed)
		s.served.Store(&served{server: v, proxy: b})
	}
}

// Ready reports whether clients are served as they should be: the directory is loaded, or Redis is there.
func (s *Service) Ready() bool {
	switch now := s.served.Load(); {
	case now == nil:
		return false
	case now.json != nil:
		return !now.json.Loading()
	default:
		return now.proxy.Up()
	}
}

// Close ends what runs in the background.
func (s *Service) Close() {
	if s != nil && s.poll != nil {
		s.poll.stop()
	}
}
