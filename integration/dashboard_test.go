package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// panel is what a dashboard asks Prometheus in one place.
type panel struct{ title, query string }

// dashboard reads the panels of packaging/grafana/omniproxy.json, its variables meaning everything.
func dashboard(t *testing.T) (all []panel) {
	t.Helper()
	text, err := os.ReadFile("../packaging/grafana/omniproxy.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string `json:"title"`
			Type    string `json:"type"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
		Templating struct {
			List []struct {
				Definition string `json:"definition"`
			} `json:"list"`
		} `json:"templating"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$backend", ".*", "$instance", ".*", "$__rate_interval", "10s")
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %s asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, panel{p.Title, variables.Replace(target.Expr)})
		}
	}
	for _, v := range d.Templating.List {
		if query, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
			all = append(all, panel{"variable", variables.Replace(query[:strings.LastIndexByte(query, ',')])})
		}
	}
	return all
}

// answers is how many series Prometheus finds for a query.
func answers(t *testing.T, prometheus, query string) int {
	t.Helper()
	_, text := fetch(t, prometheus+"/api/v1/query?query="+url.QueryEscape(query))
	var reply struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil || reply.Status != "success" {
		t.Fatalf("%s\n%v\n%s", query, err, text)
	}
	return len(reply.Data.Result)
}

// toil does what OmniDaemon does with one task, and a few things that go wrong.
func (o *omniproxy) toil(n int) {
	ctx, c := context.Background(), o.clients[0]
	topic, agent := fmt.Sprint("topic", n%2), "worker"
	group, stream := "group:"+topic+":"+agent, "omni-stream:"+topic
	report := func(key, text string, values ...any) {
		c.Do(ctx, "XADD", key, "MAXLEN", "~", "100000", "*", "data", fmt.Sprintf(text, values...))
	}
	task := func(event, more string) {
		report("omni:metrics:stream", `{"topic": %q, "agent": %q, "event": %q, "task_id": "%d"%s}`, topic, agent, event, n, more)
	}
	c.Do(ctx, "SADD", "omni:topics", topic)
	c.Do(ctx, "XGROUP", "CREATE", stream, group, "$", "MKSTREAM")
	c.Do(ctx, "XADD", stream, "*", "data", `{"content": "c"}`)
	c.Do(ctx, "XREADGROUP", "GROUP", group, "consumer:1", "COUNT", "1", "BLOCK", "1", "STREAMS", stream, ">")
	task("task_received", "")
	task("task_processed", `, "processing_time_sec": 0.2`)
	task("task_failed", `, "error": "e"`)
	report("omni-metrics", `{"topic": %q, "event": "processed", "group": %q}`, topic, group)
	c.Do(ctx, "SETEX", fmt.Sprint("omni:result:", n%10), "100", fmt.Sprintf(`{"task_id": "%d", "result": 1, "saved_at": 1.5}`, n%10))
	c.Do(ctx, "SET", "omni:config:a", n)
	c.Do(ctx, "GET", "omni:config:none")
	c.Do(ctx, "LPUSH", "omni:config:a", "wrong type")
	c.Do(ctx, "SET", "arity")
	c.Do(ctx, "SET", "omni:result:x", "no JSON")
}

func TestEveryPanelOfTheDashboardHasData(t *testing.T) {
	t.Parallel()
	servers := map[string]*omniproxy{"json": serve(t, t.TempDir(), exporting...), "redis": proxied(t, exporting...)}
	for _, o := range servers {
		o.client(0)
	}
	stop, stopped := make(chan struct{}), sync.WaitGroup{}
	stopped.Go(func() {
		for n := 0; ; n++ {
			for _, o := range servers {
				o.toil(n)
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	defer stopped.Wait()
	defer close(stop)
	from := prometheus(t, servers["json"].metricsAddress(), servers["redis"].metricsAddress())
	names := documented(t)
	missing := dashboard(t)
	for edit, deadline := 0, time.Now().Add(2*time.Minute); ; edit++ {
		writeText(t, servers["json"].path("config.json"), fmt.Sprintf(`{"a": "edit %d"}`, edit))
		missing = slices.DeleteFunc(missing, func(p panel) bool { return answers(t, from, p.query) > 0 })
		absent := ""
		for backend, o := range servers {
			for _, name := range names[backend] {
				if !slices.Contains(o.exported(), name) {
					absent += " " + name
				}
			}
		}
		if len(missing) == 0 && absent == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after two minutes there is no data for %q; documented, but not exported:%s", missing, absent)
		}
		time.Sleep(500 * time.Millisecond)
	}
	for backend, o := range servers {
		for _, name := range o.exported() {
			if !slices.Contains(names[backend], name) {
				t.Errorf("%s exports %s, which docs/observability.md does not list", backend, name)
			}
		}
	}
}
