package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
)

// storageWord is the command line of storage.
type storageWord struct {
	Action string `arg:"" choices:"health,clear-agents,clear-results,clear-metrics,clear-all" help:"health, clear-agents, clear-results, clear-metrics or clear-all"`
	Source string `arg:"" optional:"" help:"the store [where OmniDaemon has it]"`

	Yes         bool `group:"Output" typed:"" short:"y" help:"do not ask before"`
	JSON        bool `group:"Output" name:"json" typed:"" help:"print JSON"`
	sourceFlags `embed:""`

	open source.Options // what the flags mean
}

// Help stands at the end of omniproxy storage --help.
func (storageWord) Help() string {
	return `ACTION is health, clear-agents, clear-results, clear-metrics or clear-all, as in omnidaemon storage.
clear-all deletes agents, results, metrics and settings; among these is what tells consumers to go on,
so those that run stop. Streams and dead letters stay. What clears asks first on a terminal, and does
nothing without one unless --yes is given. Without SOURCE it is the store that STORAGE_BACKEND,
JSON_STORAGE_DIR and REDIS_URL describe to OmniDaemon.
` + sourceHelp
}

// clearing is what an action deletes.
type clearing struct {
	what string // as the question has it
	do   func(context.Context, *source.Source) (tool.Object, error)
}

var clearings = map[string]clearing{
	"clear-agents":  {"agents", tool.ClearAgents},
	"clear-results": {"task results", tool.ClearResults},
	"clear-metrics": {"metrics", tool.ClearMetrics},
	"clear-all":     {"data: agents, task results, metrics and configuration", tool.ClearAll},
}

// mean gives the flags their meaning.
func (w *storageWord) mean(g given, m machine) (err error) {
	if _, ok := clearings[w.Action]; !ok && w.Action != "health" {
		return fmt.Errorf("storage %s: choose health, clear-agents, clear-results, clear-metrics or clear-all", w.Action)
	}
	if w.Source == "" {
		if w.Source, err = defaultSource(m); err != nil {
			return err
		}
	}
	w.open, err = w.options(g, m)
	w.open.Write = w.Action != "health"
	return err
}

// run does the action and returns the exit code.
func (w storageWord) run(ctx context.Context, c console) int {
	s, err := source.Open(ctx, w.Source, w.open)
	if w.Action == "health" {
		return w.health(ctx, c, s, err)
	}
	if err != nil {
		return c.fail(err)
	}
	cleared, err := w.clear(ctx, c, s)
	if lost := s.Close(); err == nil {
		err = lost
	}
	if err != nil {
		return c.fail(err)
	}
	if w.JSON {
		c.stdout.Write(cleared.Document())
		return exitOK
	}
	for _, p := range cleared {
		fmt.Fprintf(c.stdout, "Cleared %v %s.\n", p.Value, map[string]string{"agents": "agent(s)", "results": "result(s)", "metrics": "metric(s)", "config": "config entries"}[p.Name])
	}
	return exitOK
}

// clear deletes, after it has asked.
func (w storageWord) clear(ctx context.Context, c console, s *source.Source) (tool.Object, error) {
	clearing := clearings[w.Action]
	if w.Action == "clear-all" {
		active, err := tool.ActiveConsumers(ctx, s)
		if err != nil {
			return nil, err
		}
		if len(active) > 0 {
			fmt.Fprintf(c.stderr, "omniproxy: warning: consumers are active in %s: this stops them, until their agents are started again\n", strings.Join(active, ", "))
		}
	}
	if !w.Yes && !w.agreed(c, s, clearing.what) {
		return nil, fmt.Errorf("nothing was changed: confirm with --yes")
	}
	return clearing.do(ctx, s)
}

// agreed asks whoever sits at the terminal; nobody there means no.
func (w storageWord) agreed(c console, s *source.Source, what string) bool {
	if c.stdin == nil || !tool.ScreenOf(c.stdin).Terminal {
		return false
	}
	want := "yes"
	if w.Action == "clear-all" {
		want = "DELETE EVERYTHING"
	}
	fmt.Fprintf(c.stderr, "This will DELETE ALL %s in %s. There is no undo.\nType %s to confirm: ", what, s.Name, want)
	answer, _ := bufio.NewReader(c.stdin).ReadString('\n')
	return strings.TrimSpace(answer) == want
}

// health prints how the store is, and returns the exit code.
func (w storageWord) health(ctx context.Context, c console, s *source.Source, err error) int {
	var health tool.Object
	if err != nil {
		health = tool.Unhealthy(w.Source, err)
	} else {
		defer s.Close()
		health = tool.CheckHealth(ctx, s)
	}
	if w.JSON {
		c.stdout.Write(health.Document())
	} else {
		for _, p := range health {
			fmt.Fprintf(c.stdout, "%-18s %v\n", p.Name, p.Value)
		}
	}
	if health[0].Value != "healthy" {
		return exitFailed
	}
	return exitOK
}
