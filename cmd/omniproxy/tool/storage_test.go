package tool_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/source/sourcetest"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// open opens a source for the rest of the test.
func open(t *testing.T, name string, write bool) *source.Source {
	t.Helper()
	s, err := source.Open(t.Context(), name, source.Options{Prefix: "omni", Write: write})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestClearingCountsAsOmniDaemonDoes(t *testing.T) {
	dir, url := sourcetest.Fixture(t, "omnidaemon_data"), "redis://"+redistest.Start(t)
	copyOf(t, tool.Copy{From: dir, To: url, Families: ours()})
	send(t, connect(t, url), "SET omni:agent:odd x", "SET omni:resultx y", "XADD omni-stream:t 1-1 data {}", "SET mine 1")
	type clear func(context.Context, *source.Source) (tool.Object, error)
	for _, h := range []struct {
		clear    clear
		dir, url tool.Object
	}{
		{tool.ClearMetrics, tool.Object{{"metrics", int64(2000)}}, tool.Object{{"metrics", int64(2000)}}},
		{tool.ClearMetrics, tool.Object{{"metrics", int64(0)}}, tool.Object{{"metrics", int64(0)}}},
		{tool.ClearResults, tool.Object{{"results", int64(240)}}, tool.Object{{"results", int64(240)}}},
		{tool.ClearAgents, tool.Object{{"agents", int64(33)}}, tool.Object{{"agents", int64(34)}}},
		{tool.ClearAll, tool.Object{{"agents", int64(0)}, {"results", int64(0)}, {"metrics", int64(0)}, {"config", int64(40)}},
			tool.Object{{"agents", int64(0)}, {"results", int64(0)}, {"metrics", int64(0)}, {"config", int64(40)}}},
	} {
		for name, want := range map[string]tool.Object{dir: h.dir, url: h.url} {
			s, err := source.Open(t.Context(), name, source.Options{Prefix: "omni", Write: true})
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.clear(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	want := map[string]string{"agents.json": "{}", "results.json": "{}", "metrics.json": "[]", "config.json": "{}"}
	if diff := cmp.Diff(want, documents(t, dir)); diff != "" {
		t.Error(diff)
	}
	left := connect(t, url).Keys(t.Context(), "*").Val()
	if diff := cmp.Diff(map[string]bool{"omni:resultx": true, "omni-stream:t": true, "mine": true}, set(left)); diff != "" {
		t.Error(diff)
	}
	// Nothing that was cleared comes back with the files that an earlier copy had kept.
	back := filepath.Join(t.TempDir(), "back")
	if done := copyOf(t, tool.Copy{From: url, To: back, Families: ours()}); done.Written != 1 {
		t.Errorf("%+v", done)
	}
}

func set(words []string) map[string]bool {
	all := map[string]bool{}
	for _, w := range words {
		all[w] = true
	}
	return all
}

func TestConsumersThatAskAndAreSubscribedAreActive(t *testing.T) {
	url := "redis://" + redistest.Start(t)
	s, r := open(t, url, true), connect(t, url)
	send(t, r, "XGROUP CREATE omni-stream:t group:t:a $ MKSTREAM", "XGROUP CREATE omni-stream:t group:t:b $", "XGROUP CREATE omni-stream:t group:t:c $",
		"XGROUP CREATECONSUMER omni-stream:t group:t:a c1", "XGROUP CREATECONSUMER omni-stream:t group:t:b c1",
		"SET omni:config:_subscription_active:group:t:a true", "SET omni:config:_subscription_active:group:t:b false", "SET omni:config:_subscription_active:group:t:c true")
	active, err := tool.ActiveConsumers(t.Context(), s)
	if err != nil || len(active) != 1 || active[0] != "group:t:a" {
		t.Errorf("%v, %v", active, err)
	}
}

func TestHealthHasTheFieldsOfOmniDaemon(t *testing.T) {
	names := func(o tool.Object) string {
		var all []string
		for _, p := range o {
			all = append(all, p.Name)
		}
		return strings.Join(all, " ")
	}
	dir := sourcetest.Fixture(t, "omnidaemon_data")
	h := tool.CheckHealth(t.Context(), open(t, dir, false))
	want := tool.Object{{"status", "healthy"}, {"backend", "json"}, {"storage_dir", dir}, {"connected", true},
		{"agents_count", int64(33)}, {"results_count", int64(240)}, {"metrics_count", int64(2000)}}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	addr := redistest.Start(t, "--requirepass", "secret")
	h = tool.CheckHealth(t.Context(), open(t, "redis://:secret@"+addr, false))
	if got := names(h); got != "status backend redis_url connected latency_ms redis_version used_memory connected_clients" || h[2].Value != "redis://:***@"+addr || h[5].Value != "7.0.15" {
		t.Errorf("%s: %v", got, h)
	}
	if text := string(h.Document()); strings.Contains(text, "secret") || !strings.Contains(text, `"connected": true`) {
		t.Error(text)
	}
	_, err := source.Open(t.Context(), "redis://:secret@127.0.0.1:1", source.Options{})
	if h = tool.Unhealthy("redis://:secret@127.0.0.1:1", err); names(h) != "status backend error" || strings.Contains(string(h.Document()), "secret") {
		t.Errorf("%v", h)
	}
}
