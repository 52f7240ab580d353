package integration

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// exporting are the arguments that make omniproxy answer by HTTP.
var exporting = []string{"--metrics-listen", "127.0.0.1:0"}

// metricsAddress is where it does.
func (o *omniproxy) metricsAddress() string {
	o.t.Helper()
	const line = "answered by HTTP"
	o.logs(line)
	_, text, _ := strings.Cut(o.log.String(), line)
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(text)
}

// ask gets a page by HTTP; status is 0 if there is none.
func (o *omniproxy) ask(path string) (status int, text string) {
	o.t.Helper()
	return fetch(o.t, "http://"+o.metricsAddress()+path)
}

func fetch(t testing.TB, url string) (status int, text string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// series are the values of /metrics by name and labels.
func (o *omniproxy) series() map[string]string {
	o.t.Helper()
	_, text := o.ask("/metrics")
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			all[line[:i]] = strings.TrimSpace(line[i:])
		}
	}
	return all
}

// labelled are the series of a metric.
func labelled(all map[string]string, name string) map[string]string {
	found := maps.Clone(all)
	maps.DeleteFunc(found, func(s, _ string) bool { return !strings.HasPrefix(s, name+"{") })
	return found
}

// everyBackend runs a test on json and on the proxy in each pool.
func everyBackend(t *testing.T, test func(t *testing.T, backend string, o *omniproxy)) {
	for _, backend := range []string{"json", "shared", "session"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			if backend == "json" {
				test(t, "json", serve(t, t.TempDir(), exporting...))
			} else {
				test(t, "redis", proxied(t, append([]string{"--pool", backend}, exporting...)...))
			}
		})
	}
}

func TestOnlyReportsThatWereWrittenCount(t *testing.T) {
	t.Parallel()
	everyBackend(t, func(t *testing.T, backend string, o *omniproxy) {
		ctx := context.Background()
		report := func(event string, id ...string) []any {
			return []any{"XADD", "omni:metrics:stream", "MAXLEN", "~", "100000", append(id, "*")[0], "data",
				fmt.Sprintf(`{"topic": "t", "agent": "a", "event": %q}`, event)}
		}
		o.do(report("plain")...)
		o.do(report("refused", "0-1")...)
		transaction := func(commands ...[]any) {
			for _, c := range commands {
				o.do(c...)
			}
		}
		multi, exec, discard := []any{"MULTI"}, []any{"EXEC"}, []any{"DISCARD"}
		transaction(multi, report("transaction"), exec)
		transaction(multi, report("discarded"), discard)
		transaction(multi, report("aborted"), []any{"GET"}, exec)
		transaction([]any{"WATCH", "k"}, []any{"SET", "k", "1"}, multi, report("watched"), exec)
		transaction(multi, report("failed", "0-1"), exec)
		if _, err := o.client(0).TxPipelined(ctx, func(p redis.Pipeliner) error {
			return p.Do(ctx, report("whole")...).Err()
		}); err != nil {
			t.Error(err)
		}
		o.do(report("last")...)
		counted := func(event string) string {
			n := o.series()[fmt.Sprintf(`omniproxy_omnidaemon_tasks_total{agent="a",backend=%q,event=%q,topic="t"}`, backend, event)]
			return cmp.Or(n, "0")
		}
		o.eventually("counted", func() bool { return counted("last") == "1" })
		for event, want := range map[string]string{"plain": "1", "transaction": "1", "whole": "1",
			"refused": "0", "discarded": "0", "aborted": "0", "watched": "0", "failed": "0"} {
			if got := counted(event); got != want {
				t.Errorf("%s: counted %q, want %q", event, got, want)
			}
		}
	})
}

// Whatever clients send, names of their making are few.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	everyBackend(t, func(t *testing.T, backend string, o *omniproxy) {
		ctx, c := context.Background(), o.client(0)
		const many = 700
		_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range many {
				data := fmt.Sprintf(`{"topic": "t%d", "agent": "a%d", "event": "e%d", "group": "g%d", "processing_time_sec": 1}`, i, i, i, i)
				topic := fmt.Sprint("t", i)
				p.Do(ctx, fmt.Sprint("UNKNOWN", i))
				p.Do(ctx, "EVAL", fmt.Sprintf("return redis.error_reply('CODE%c%c no')", 'A'+i%26, 'A'+i/26), "0")
				p.Do(ctx, "XADD", "omni:metrics:stream", "*", "data", data)
				p.Do(ctx, "XADD", "omni-metrics", "*", "data", data)
				p.Do(ctx, "SADD", "omni:topics", topic)
				p.Do(ctx, "XGROUP", "CREATE", "omni-stream:"+topic, "group:"+topic+":a", "$", "MKSTREAM")
			}
			return nil
		})
		if err == nil {
			t.Error("no command failed")
		}
		o.eventually("counted", func() bool {
			return len(labelled(o.series(), "omniproxy_omnidaemon_bus_events_total")) > 200
		})
		all := o.series()
		for name, most := range map[string]int{"omniproxy_omnidaemon_tasks_total": 252, "omniproxy_omnidaemon_bus_events_total": 252,
			"omniproxy_error_replies_total": 66, "omniproxy_commands_total": 20, "omniproxy_omnidaemon_stream_length": 200,
			"omniproxy_omnidaemon_group_lag": 500} {
			if n := len(labelled(all, name)); n > most {
				t.Errorf("%d series of %s, at most %d", n, name, most)
			}
		}
		if got := all[`omniproxy_commands_total{backend="redis",command="other"}`]; backend == "redis" && got != fmt.Sprint(many) {
			t.Errorf("%s unknown commands, of %d", got, many)
		}
	})
}

func TestReadyzFailsWithoutRedis(t *testing.T) {
	t.Parallel()
	o := proxy(t, "redis://127.0.0.1:1", exporting...)
	if status, text := o.ask("/readyz"); status != 503 || text != "redis is not ready\n" {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := o.ask("/healthz"); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	o = proxied(t, exporting...)
	if status, text := o.ask("/readyz"); status != 200 {
		t.Errorf("with Redis: %d %s", status, text)
	}
}

func TestReadyzFailsBeforeClientsAreLetGo(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir(), append(exporting, "--drain-delay", "10m")...)
	o.cmd.Process.Signal(syscall.SIGTERM)
	o.eventually("not ready", func() bool {
		status, text := o.ask("/readyz")
		return status == 503 && text == "stopping\n"
	})
	o.must("PONG", "PING") // a new client
	o.must("OK", "SET", "omni:config:a", "1")
	o.eventually("stopped by a second signal", func() bool {
		o.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-o.exited:
			return true
		default:
			return false
		}
	})
	if code := o.cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit code %d:\n%s", code, &o.log)
	}
}

func TestListenersOfOneRedisAreToldApart(t *testing.T) {
	t.Parallel()
	at := redistest.Start(t)
	file := t.TempDir() + "/o.yaml"
	writeText(t, file, fmt.Sprintf("metrics-listen: 127.0.0.1:0\nlisteners:\n- {listen: 127.0.0.1:0, backend: redis, upstream: redis://%s/0}\n"+
		"- {listen: 127.0.0.1:0, backend: redis, upstream: redis://%s/1}\n- {listen: 127.0.0.1:0, dir: %s}\n", at, at, t.TempDir()))
	o, _ := launch(t, "--config", file)
	o.must("PONG", "PING")
	all := o.series()
	for backend, calls := range map[string]string{"redis://" + at: "1", "redis://" + at + "#2": "", "json": ""} {
		if got := all[fmt.Sprintf(`omniproxy_commands_total{backend=%q,command="ping"}`, backend)]; got != calls {
			t.Errorf("%s: %q calls of PING, want %q", backend, got, calls)
		}
		if got := all[fmt.Sprintf(`omniproxy_ready{backend=%q}`, backend)]; got != "1" {
			t.Errorf("%s: ready %q", backend, got)
		}
	}
}

func TestTheMetricsListenerWarnsOfStrangers(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir(), "--metrics-listen", "0.0.0.0:0")
	o.logs("whoever reaches --metrics-listen can read it without a password")
	for args, want := range map[string]string{
		"--pprof":                    "--pprof=true: that needs --metrics-listen",
		"--drain-delay 5s":           "--drain-delay=5s: that needs --metrics-listen",
		"--metrics-listen here":      "--metrics-listen=here: write HOST:PORT",
		"--log-format xml":           "--log-format=xml: choose text or json",
		"--metrics-listen " + o.Addr: "cannot listen on " + o.Addr + ": bind: address already in use; stop the program that listens there, or choose another address with --metrics-listen",
	} {
		if code, _, errs := runToEnd(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--dir", t.TempDir()}, strings.Fields(args)...)...); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d: %s", args, code, errs)
		}
	}
}

func TestTheLogLevelIsChangedByCONFIG(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir(), "--log-format", "json")
	if o.logs(`"level":"info"`); strings.Contains(o.log.String(), `"connected"`) {
		t.Error("debug lines are logged from the start")
	}
	level := func() string { return fmt.Sprint(o.do("CONFIG", "GET", "loglevel")) }
	if got := level(); got != "[loglevel notice]" {
		t.Error(got)
	}
	for _, name := range []string{"debug", "verbose", "warning", "notice", "debug"} {
		o.must("OK", "CONFIG", "SET", "loglevel", name)
		if got := level(); got != "[loglevel "+name+"]" {
			t.Error(got)
		}
	}
	o.client(0).Ping(context.Background())
	o.logs(`"level":"debug"`)
	o.logs(`"message":"connected","client":"127.0.0.1:`)
}

func TestINFOHasSectionsOfOurOwnWhenAsked(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	sections := func(text any) []string {
		return regexp.MustCompile(`(?m)^# .*?$`).FindAllString(strings.ReplaceAll(fmt.Sprint(text), "\r", ""), -1)
	}
	o, p := serve(t, t.TempDir()), proxy(t, "redis://"+redis)
	for _, form := range [][]any{{"INFO"}, {"INFO", "default"}, {"INFO", "all"}} {
		if ours, theirs := sections(o.do(form...)), sections(p.do(form...)); !slices.Equal(ours, theirs) {
			t.Errorf("%v: %v, Redis %v", form, ours, theirs)
		}
	}
	if got := sections(o.do("INFO", "everything")); !slices.Contains(got, "# omniproxy") {
		t.Errorf("INFO everything: %v", got)
	}
	if got := fmt.Sprint(p.do("INFO", "pools")); !regexp.MustCompile(`^# Pools\r\n(.*\r\n)*lane0:kind=home,proto=2,db=0,code=0,clients=\d+,connected=1,held_up=0,waiting_bytes=0\r\n$`).MatchString(got) {
		t.Errorf("INFO pools: %q", got)
	}
}

// prometheus starts one that asks some addresses every second, and returns its URL.
func prometheus(t *testing.T, targets ...string) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("prometheus must be installed to try what it makes of the metrics (make deps): %v", err)
	}
	dir := t.TempDir()
	config := dir + "/prometheus.yml"
	writeText(t, config, fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: omniproxy\n  static_configs:\n  - targets: [%s]\n",
		strings.Join(targets, ", ")))
	for range 5 { // another process may take the port
		addr := freeAddress(t)
		var log logText
		cmd := exec.Command(path, "--config.file", config, "--storage.tsdb.path", dir+"/data", "--web.listen-address", addr)
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() { cmd.Wait(); close(exited) }()
		t.Cleanup(func() { cmd.Process.Kill(); <-exited })
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if status, _ := fetch(t, "http://"+addr+"/-/ready"); status == 200 {
				return "http://" + addr
			}
			select {
			case <-exited:
			default:
				if time.Now().Before(deadline) {
					continue
				}
			}
			break
		}
		if text := log.String(); !strings.Contains(text, "address already in use") {
			t.Fatalf("prometheus does not start:\n%s", text)
		}
	}
	t.Fatal("no free port for prometheus")
	return ""
}

// freeAddress is one where nobody listens at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestPromtoolLikesTheMetrics(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool must be installed to check the metrics (make deps): %v", err)
	}
	everyBackend(t, func(t *testing.T, _ string, o *omniproxy) {
		o.do("SET", "a", "1")
		o.do("NO", "SUCH")
		_, text := o.ask("/metrics")
		cmd := exec.Command(path, "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// documented are the names of metrics in the documentation, by backend.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(omniproxy_\\w+)` \\|.*?\\|.*?\\| (both|json|redis) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, backend := range []string{"json", "redis"} {
			if m[2] == "both" || m[2] == backend {
				names[backend] = append(names[backend], m[1])
			}
		}
	}
	return names
}

// exported are the names of metrics that /metrics shows.
func (o *omniproxy) exported() (names []string) {
	_, text := o.ask("/metrics")
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (omniproxy_\w+) `).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}
