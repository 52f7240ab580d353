package metrics

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/resp"
)

// exported is an exporter that answers until the test is over.
func exported(t *testing.T, profiles bool) (x *Exporter, url string) {
	t.Helper()
	x, url, _ = troubled(t, profiles, 0)
	return x, url
}

// troubled is an exporter that cannot accept so many times, and what it says of that. The log is read after an answer.
func troubled(t *testing.T, profiles bool, times int) (x *Exporter, url string, said *strings.Builder) {
	t.Helper()
	x = New("v1", profiles, Lines{Warnings: func() int64 { return 3 }, Errors: func() int64 { return 2 }})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended, said := make(chan error, 1), new(strings.Builder)
	go func() { ended <- x.Serve(&failing{l, times}, log.New(said, "", 0)) }()
	t.Cleanup(func() {
		x.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return x, "http://" + l.Addr().String(), said
}

// failing cannot accept so many times.
type failing struct {
	net.Listener
	times int
}

func (l *failing) Accept() (net.Conn, error) {
	if l.times--; l.times >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestWhatGoesWrongIsLogged(t *testing.T) {
	_, url, said := troubled(t, false, 2)
	expect(t, url+"/healthz", 200, "ok")
	if n := strings.Count(said.String(), "too many open files"); n != 2 {
		t.Errorf("%d lines, of 2:\n%s", n, said)
	}
}

func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func expect(t *testing.T, url string, status int, text string) {
	t.Helper()
	if got, body := get(t, url); got != status || !strings.Contains(body, text) {
		t.Errorf("%s: %d %s, want %d %s", url, got, body, status, text)
	}
}

// stored makes a backend in memory, and a server with a client, until the test is over.
func stored(t *testing.T, s *Service) (*jsonbackend.Backend, *resp.Server, *redis.Client) {
	t.Helper()
	b, err := jsonbackend.New(jsonbackend.Options{Dir: t.TempDir(), Prefix: "omni", Ephemeral: true, Added: s.Added(), Events: s.JSONEvents(jsonbackend.Events{})})
	if err != nil {
		t.Fatal(err)
	}
	v := &resp.Server{Backend: b}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go v.Serve(l)
	c := redis.NewClient(&redis.Options{Addr: l.Addr().String(), Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() {
		c.Close()
		v.Drain(context.Background())
		if err := b.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b, v, c
}

func TestReadyzFailsUntilTheDirectoryIsLoadedAndWhenTheProcessEnds(t *testing.T) {
	x, url := exported(t, false)
	s := x.JSON("json", "omni", 0)
	expect(t, url+"/healthz", 200, "ok")
	expect(t, url+"/readyz", 503, "json is not ready")
	b, v, _ := stored(t, s)
	s.ServesJSON(v, b)
	expect(t, url+"/readyz", 503, "json is not ready")
	expect(t, url+"/metrics", 200, "\nomniproxy_loading{backend=\"json\"} 1\n")
	if err := b.Load(); err != nil {
		t.Fatal(err)
	}
	expect(t, url+"/readyz", 200, "ok")
	expect(t, url+"/metrics", 200, "\nomniproxy_ready{backend=\"json\"} 1\n")
	x.Drain(0)
	expect(t, url+"/readyz", 503, "stopping")
	expect(t, url+"/healthz", 200, "ok")
}

func TestProfilesAreThereOnDemandOnly(t *testing.T) {
	_, url := exported(t, false)
	expect(t, url+"/debug/pprof/", 404, "")
	_, url = exported(t, true)
	expect(t, url+"/debug/pprof/", 200, "goroutine")
	expect(t, url+"/debug/pprof/goroutine?debug=1", 200, "goroutine profile")
	expect(t, url+"/debug/pprof/cmdline", 404, "")
	for _, profile := range []string{"profile", "trace", "allocs"} {
		expect(t, url+"/debug/pprof/"+profile+"?seconds=61", 400, "at most 60")
	}
}

// Backends with one name: the same Redis with another database or user, directories with long or broken names.
func TestServicesOfOneNameAreToldApart(t *testing.T) {
	x, url := exported(t, false)
	long := strings.Repeat("x", longestLabel)
	for _, name := range []string{"redis://h:1", "redis://h:1", "redis://h:1#2", long + "1", long + "2", "\xff", "\xfe"} {
		x.JSON(name, "omni", 0)
	}
	for _, name := range []string{"redis://h:1", "redis://h:1#2", "redis://h:1#2#2", long, long + "#2", "\uFFFD", "\uFFFD#2"} {
		expect(t, url+"/metrics", 200, `omniproxy_ready{backend="`+name+`"} 0`)
	}
}

func TestWithoutAnExporterNothingCosts(t *testing.T) {
	var x *Exporter
	s := x.JSON("json", "omni", 0)
	if s != nil || s.Added() != nil || s.Adding() != nil || s.JSONEvents(jsonbackend.Events{}).Synced != nil || x.Redis("redis", "omni") != nil {
		t.Error("somebody is told of something")
	}
	s.ServesJSON(nil, nil)
	s.Close()
	x.Drain(1 << 40)
	x.Close()
}

// What Prometheus' own linter says of names, kinds and help.
func TestNamesAreAsPrometheusLikesThem(t *testing.T) {
	x, url := exported(t, false)
	s := x.JSON("json", "omni", 0)
	b, v, c := stored(t, s)
	if err := b.Load(); err != nil {
		t.Fatal(err)
	}
	s.ServesJSON(v, b)
	ctx := context.Background()
	c.Set(ctx, "a", 1, 0)
	c.LPush(ctx, "a", 1)
	c.SAdd(ctx, "omni:topics", "t")
	c.XGroupCreateMkStream(ctx, "omni-stream:t", "group:t:a", "$")
	c.XAdd(ctx, &redis.XAddArgs{Stream: "omni-stream:t", Values: []string{"data", "{}"}})
	problems, err := testutil.GatherAndLint(x.registry)
	if err != nil || len(problems) > 0 {
		t.Error(err, problems)
	}
	for _, line := range []string{
		`omniproxy_commands_total{backend="json",command="set"} 1`,
		`omniproxy_commands_failed_total{backend="json",command="lpush"} 1`,
		`omniproxy_error_replies_total{backend="json",code="WRONGTYPE"} 1`,
		`omniproxy_command_duration_seconds_count{backend="json",command="set"} 1`,
		`omniproxy_keys{backend="json",db="0"} 3`,
		`omniproxy_omnidaemon_group_lag{backend="json",group="group:t:a",topic="t"} 1`,
		`omniproxy_build_info{goversion="`,
		`omniproxy_log_lines_total{level="error"} 2`,
		`omniproxy_log_lines_total{level="warn"} 3`,
	} {
		expect(t, url+"/metrics", 200, line)
	}
}

func TestThePageListsEveryMetric(t *testing.T) {
	page, err := os.ReadFile("../../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), Markdown()) {
		t.Errorf("docs/observability.md is out of date; its table must be:\n%s", Markdown())
	}
}

// A counter that sometimes has a label of its own and sometimes counts as another would jump up and down.
func TestEveryErrorCodeKeepsItsSeries(t *testing.T) {
	c, codes := newCollector(nil), map[string]int64{other: 1}
	for i := range 64 {
		codes[fmt.Sprint("CODE", i)] = 1
	}
	ch := make(chan prometheus.Metric, len(codes))
	sink{ch, c.described}.errors(codes)
	if len(ch) != len(codes) {
		t.Errorf("%d series of %d codes", len(ch), len(codes))
	}
}
