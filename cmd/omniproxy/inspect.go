package main

import (
	"context"
	"fmt"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
)

// inspectWord is the command line of inspect.
type inspectWord struct {
	What   string `arg:"" choices:"agents,results,metrics,bus,dlq" help:"agents, results, metrics, bus or dlq"`
	Source string `arg:"" optional:"" help:"the source [where OmniDaemon has its data]"`

	Topic string `group:"What" typed:"" placeholder:"NAME" help:"of this topic alone"`
	Agent string `group:"What" typed:"" placeholder:"NAME" help:"of this agent alone"`
	Task  string `group:"What" typed:"" placeholder:"ID" help:"of this task alone (results, dlq)"`
	Limit string `group:"What" typed:"" placeholder:"N" help:"the latest N results or dead letters, or as many metrics [20; 1000 metrics]"`

	JSON        bool `group:"Output" name:"json" typed:"" help:"print JSON"`
	sourceFlags `embed:""`

	open   source.Options // what the flags mean
	filter tool.Filter
}

// Help stands at the end of omniproxy inspect --help.
func (inspectWord) Help() string {
	return `WHAT is one of
  agents   who is registered, and subscribed
  results  the latest results, as the index has them
  metrics  the latest metrics, summed up for each agent
  bus      how far each agent is behind: tasks not yet delivered (lag), not acknowledged (pending), dead
  dlq      the dead letters: tasks that were given up, and why
Nothing is changed. Without SOURCE it is the store that STORAGE_BACKEND, JSON_STORAGE_DIR and REDIS_URL
describe to OmniDaemon.
` + sourceHelp
}

// inspection lists something.
type inspection func(context.Context, *source.Source, tool.Filter) (tool.Listing, error)

var inspections = map[string]inspection{
	"agents":  tool.InspectAgents,
	"results": tool.InspectResults,
	"metrics": tool.InspectMetrics,
	"bus":     tool.InspectBus,
	"dlq":     tool.InspectDeadLetters,
}

// mean gives the flags their meaning.
func (w *inspectWord) mean(g given, m machine) (err error) {
	if inspections[w.What] == nil {
		return fmt.Errorf("inspect %s: choose agents, results, metrics, bus or dlq", w.What)
	}
	if w.Source == "" {
		if w.Source, err = defaultSource(m); err != nil {
			return err
		}
	}
	w.filter = tool.Filter{Topic: w.Topic, Agent: w.Agent, Task: w.Task, Limit: 20}
	if w.What == "metrics" {
		w.filter.Limit = 1000
	}
	if w.Limit != "" {
		if w.filter.Limit, err = positive(g, "limit", w.Limit); err != nil {
			return err
		}
	}
	w.open, err = w.options(g, m)
	return err
}

// run prints what was asked for and returns the exit code.
func (w inspectWord) run(ctx context.Context, c console) int {
	s, err := source.Open(ctx, w.Source, w.open)
	if err != nil {
		return c.fail(err)
	}
	defer s.Close()
	w.filter.Now = c.now()
	l, err := inspections[w.What](ctx, s, w.filter)
	switch {
	case err != nil:
		return c.fail(err)
	case w.JSON:
		_, err = c.stdout.Write(tool.Document(l.Objects))
	default:
		if len(l.Table.Rows) > 0 {
			err = l.Table.Write(c.stdout, c.screen)
		}
		if err == nil {
			_, err = fmt.Fprintln(c.stdout, l.Summary)
		}
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}
