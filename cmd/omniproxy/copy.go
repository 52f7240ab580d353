package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/keyspace"
)

// copyWord is the command line of copy.
type copyWord struct {
	Src string `arg:"" help:"where the keys are"`
	Dst string `arg:"" help:"where they go"`

	Only     string `group:"What" typed:"" placeholder:"LIST" default:"agents,results,metrics,config,bus" help:"these families alone; other is what is not OmniDaemon's, all is everything"`
	IfExists string `group:"What" typed:"" placeholder:"HOW" default:"fail" choices:"fail,skip,replace" help:"where a key holds something else: copy nothing (fail), leave it (skip) or overwrite it (replace)"`
	DryRun   bool   `group:"What" typed:"" help:"say what would be done, and do nothing"`

	sourceFlags `embed:""`
	JSON        bool `group:"Output" name:"json" typed:"" help:"print what was done as JSON"`

	copy tool.Copy // what the flags mean
}

// Help stands at the end of omniproxy copy --help.
func (copyWord) Help() string {
	return `Times to live, IDs of streams, consumer groups and what is pending are kept, and a key is at no time
seen half. Keys that are the same already are passed over, so a copy that was interrupted goes on when
it is started again. At the end every key is compared: a difference is named, and the exit code is 1.
A copy from a directory to Redis keeps the text of its files in the key omniproxy:files, so that a copy
from there to a new directory yields the same files, to the byte.
` + sourceHelp
}

// onlyWords are what --only takes, with the families that they stand for.
var onlyWords = map[string]source.Families{
	"agents":  {keyspace.Agent, keyspace.AgentsOfTopic, keyspace.Topics},
	"results": {keyspace.Result, keyspace.ResultsIndex},
	"metrics": {keyspace.MetricsStream},
	"config":  {keyspace.Config},
	"bus":     {keyspace.BusStream, keyspace.DeadLetters, keyspace.RetryCounts, keyspace.BusMetrics},
	"other":   {keyspace.Other},
}

// mean gives the flags their meaning.
func (w *copyWord) mean(g given, m machine) (err error) {
	w.copy = tool.Copy{From: w.Src, To: w.Dst, DryRun: w.DryRun}
	if w.copy.Options, err = w.options(g, m); err != nil {
		return err
	}
	how, err := oneOf(w.IfExists, "fail", "skip", "replace")
	if err != nil {
		return fmt.Errorf("%s: %w", g.of("if-exists"), err)
	}
	w.copy.IfExists = tool.IfExists(how)
	for word := range strings.SplitSeq(w.Only, ",") {
		switch families, ok := onlyWords[word]; {
		case word == "all":
			w.copy.Families = nil
			return nil
		case !ok:
			return fmt.Errorf("%s: choose of agents, results, metrics, config, bus, other and all", g.of("only"))
		default:
			w.copy.Families = append(w.copy.Families, families...)
		}
	}
	return nil
}

// run copies, says what it did, and returns the exit code.
func (w copyWord) run(ctx context.Context, c console) int {
	progress := newProgressLine(c.terminal)
	w.copy.Progress = progress.show
	done, err := w.copy.Run(ctx)
	progress.end()
	if w.JSON && done.Keys != nil {
		text, err := json.MarshalIndent(done, "", "  ")
		if err != nil {
			return c.fail(err)
		}
		fmt.Fprintln(c.stdout, string(text))
	} else if done.Keys != nil {
		w.tell(c, done, err == nil)
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}

// mostDifferences is how many differences are named.
const mostDifferences = 1000

// tell says in words what was done.
func (w copyWord) tell(c console, done tool.Copied, all bool) {
	for _, d := range done.Differ[:min(len(done.Differ), mostDifferences)] {
		fmt.Fprintf(c.stdout, "%q differs: %s\n", d.Key, d.Why)
	}
	if more := len(done.Differ) - mostDifferences; more > 0 {
		fmt.Fprintf(c.stdout, "and %d more differ\n", more)
	}
	if !all {
		return
	}
	verb := "copied"
	if w.DryRun {
		verb = "would copy"
	}
	fmt.Fprintf(c.stdout, "%s %s from %s to %s", verb, keys(done.Written), redact(w.Src), redact(w.Dst))
	for _, part := range []struct {
		n    int64
		text string
	}{{done.Replaced, "in place of others"}, {done.Same, "were there already"}, {done.Skipped, "stay as they are there"}, {done.Removed, "that the source does not have removed"}} {
		if part.n > 0 {
			fmt.Fprintf(c.stdout, "; %d %s", part.n, part.text)
		}
	}
	fmt.Fprintln(c.stdout)
	for _, f := range append(keyspace.Families(), keyspace.Facts{Name: keyspace.Other.String()}) {
		if n := done.Keys[f.Name]; n > 0 {
			fmt.Fprintf(c.stdout, "  %-15s%d\n", f.Name, n)
		}
	}
	if !w.DryRun {
		fmt.Fprintf(c.stdout, "verified %s: they are the same\n", keys(done.Verified))
	}
	if done.Left > 0 {
		fmt.Fprintf(c.stdout, "left out what is not OmniDaemon's: %s; --only all takes everything\n", keys(done.Left))
	}
}

func keys(n int64) string {
	if n == 1 {
		return "1 key"
	}
	return fmt.Sprintf("%d keys", n)
}
