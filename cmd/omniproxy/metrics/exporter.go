package metrics

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Exporter answers /metrics, /healthz, /readyz and perhaps /debug/pprof/ over HTTP. A nil Exporter, where nobody may ask,
// takes every call and costs nothing.
type Exporter struct {
	registry *prometheus.Registry
	server   http.Server
	draining atomic.Bool

	mu       sync.Mutex
	services []*Service
	names    []string
}

// Who asks over HTTP may ask for so much.
const (
	mostConnections = 64
	mostScrapes     = 4 // at a time
	mostHeader      = 8 << 10
	askTime         = 10 * time.Second
	answerTime      = 2 * time.Minute // a CPU profile takes 30 s
)

// New returns an exporter without services. version says what runs; profiles lets everybody who reaches it take them.
func New(version string, profiles bool) *Exporter {
	x := &Exporter{registry: prometheus.NewRegistry()}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts(buildInfo.opts()), buildInfo.labels)
	build.WithLabelValues(version, runtime.Version()).Set(1)
	x.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(x.registry, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrapes, Timeout: askTime}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", x.readyz)
	if profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", http.NotFound) // it may show passwords
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	x.server = http.Server{
		Handler: mux, MaxHeaderBytes: mostHeader,
		ReadHeaderTimeout: askTime, ReadTimeout: askTime, WriteTimeout: answerTime, IdleTimeout: answerTime,
	}
	var connections atomic.Int64
	x.server.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if connections.Add(1) > mostConnections {
				c.Close()
			}
		case http.StateClosed, http.StateHijacked:
			connections.Add(-1)
		}
	}
	return x
}

// JSON returns a service for a JSON backend. name is the label backend, which no other has; db is the database with
// OmniDaemon's keys.
func (x *Exporter) JSON(name, prefix string, db int) *Service {
	if x == nil {
		return nil
	}
	return x.add(name, newJSONService(prefix, db, x.of(name)))
}

// Redis returns a service for a proxy.
func (x *Exporter) Redis(name, prefix string) *Service {
	if x == nil {
		return nil
	}
	return x.add(name, newRedisService(prefix, x.of(name)))
}

func (x *Exporter) of(name string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"backend": label(name)}, x.registry)
}

func (x *Exporter) add(name string, s *Service) *Service {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.services, x.names = append(x.services, s), append(x.names, name)
	return s
}

// unready is why /readyz fails; "" if it does not.
func (x *Exporter) unready() string {
	if x.draining.Load() {
		return "stopping"
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, s := range x.services {
		if !s.Ready() {
			return x.names[i] + " is not ready"
		}
	}
	return ""
}

// readyz says 200 if every service is ready and the process does not end, else 503 and why.
func (x *Exporter) readyz(w http.ResponseWriter, _ *http.Request) {
	if why := x.unready(); why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// Drain makes /readyz fail from now on, and returns when whoever looks at it has had so much time to see it: at once if it
// fails anyway.
func (x *Exporter) Drain(delay time.Duration) {
	if x == nil {
		return
	}
	failed := x.unready() != ""
	if x.draining.Store(true); !failed {
		time.Sleep(delay)
	}
}

// Serve answers on l until Close. It returns nil then.
func (x *Exporter) Serve(l net.Listener) error {
	if err := x.server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// Close ends Serve and every service.
func (x *Exporter) Close() {
	if x == nil {
		return
	}
	x.server.Shutdown(closed())
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.services {
		s.Close()
	}
}

// closed is a context that is over: nobody is waited for.
func closed() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
