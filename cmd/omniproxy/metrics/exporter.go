package metrics

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"slices"
	"strconv"
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
	answerTime      = 2 * time.Minute
	mostProfiled    = time.Minute // pprof itself would take as long as it is asked to, whatever the server says
)

// Lines tell how many warnings and errors were logged or left out.
type Lines struct{ Warnings, Errors func() int64 }

// New returns an exporter without services. version says what runs; profiles lets everybody who reaches it take them.
func New(version string, profiles bool, lines Lines) *Exporter {
	x := &Exporter{registry: prometheus.NewRegistry()}
	x.registry.MustRegister(logLines.counting(lines.Warnings, "warn"), logLines.counting(lines.Errors, "error"))
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts(buildInfo.opts()), buildInfo.labels)
	build.WithLabelValues(version, runtime.Version()).Set(1)
	x.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(x.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: mostScrapes, Timeout: askTime, DisableCompression: true, // which costs almost as much as all the rest
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", x.readyz)
	if profiles {
		mux.HandleFunc("/debug/pprof/", brief(pprof.Index))
		mux.HandleFunc("/debug/pprof/cmdline", http.NotFound) // it may show passwords
		mux.HandleFunc("/debug/pprof/profile", brief(pprof.Profile))
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", brief(pprof.Trace))
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

// JSON returns a service for a JSON backend. name is the label backend; db is the database with OmniDaemon's keys.
func (x *Exporter) JSON(name, prefix string, db int) *Service {
	return x.add(name, func(r prometheus.Registerer) *Service { return newJSONService(prefix, db, r) })
}

// Redis returns a service for a proxy. name is the label backend.
func (x *Exporter) Redis(name, prefix string) *Service {
	return x.add(name, func(r prometheus.Registerer) *Service { return newRedisService(prefix, r) })
}

// add makes a service. If its name is taken, it is told apart by a number.
func (x *Exporter) add(name string, service func(prometheus.Registerer) *Service) *Service {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	unique := label(name)
	for n := 2; slices.Contains(x.names, unique); n++ {
		unique = fmt.Sprintf("%s#%d", label(name), n)
	}
	s := service(prometheus.WrapRegistererWith(prometheus.Labels{"backend": unique}, x.registry))
	x.services, x.names = append(x.services, s), append(x.names, unique)
	return s
}

// brief refuses profiles of a longer time than anybody needs: taking them slows the process down.
func brief(profile http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if seconds, _ := strconv.ParseFloat(r.FormValue("seconds"), 64); seconds > mostProfiled.Seconds() {
			http.Error(w, fmt.Sprint("seconds: at most ", mostProfiled.Seconds()), http.StatusBadRequest)
			return
		}
		profile(w, r)
	}
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

// Serve answers on l until Close. It returns nil then. What goes wrong meanwhile is told to errors.
func (x *Exporter) Serve(l net.Listener, errors *log.Logger) error {
	x.server.ErrorLog = errors
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
