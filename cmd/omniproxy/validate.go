package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/keyspace"
)

// exitUnread is validate's exit code where a source could not be judged, or only in part.
const exitUnread = 3

// validateWord is the command line of validate.
type validateWord struct {
	Sources []string `arg:"" name:"source" optional:"" help:"what is judged [where OmniDaemon has its data]"`

	Format      string `group:"Output" typed:"" placeholder:"HOW" default:"text" choices:"text,json,jsonl,sarif,github" help:"text, json, jsonl, sarif (2.1.0) or github (annotations of GitHub Actions)"`
	MaxFindings string `group:"Output" typed:"" placeholder:"N" default:"1000" help:"list at most N findings of a source; all are counted; 0 lists all"`
	FailOn      string `group:"Output" typed:"" placeholder:"LEVEL" default:"error" choices:"error,warning,info,never" help:"exit with 1 if there is an error, a warning, anything (info), or never"`

	Rules         string `group:"Rules" typed:"" placeholder:"LIST" help:"judge by these rules alone (OMN020,OMN021), or by all but some (--rules=-OMN004,-OMN023)"`
	Families      string `group:"Rules" typed:"" placeholder:"FILE" help:"families of keys of your own, in YAML (docs/validation.md)"`
	Baseline      string `group:"Rules" typed:"" placeholder:"FILE" help:"leave alone the findings that FILE lists"`
	WriteBaseline string `group:"Rules" typed:"" placeholder:"FILE" help:"write the findings to FILE, and exit with 0"`
	Settle        string `group:"Rules" typed:"" placeholder:"TIME" default:"2s" help:"look again after TIME at what does not fit together, for others may just be writing it"`

	Fix  bool   `group:"Repair" typed:"" help:"print the commands that mend what can be mended; nothing is changed"`
	Yes  bool   `group:"Repair" typed:"" help:"with --fix, apply them, each at one instant and only if it is still needed"`
	Undo string `group:"Repair" typed:"" placeholder:"FILE" help:"with --yes, where the commands go that take the changes back, for redis-cli [omniproxy-undo-TIME.txt]"`

	sourceFlags `embed:""`

	validate tool.Validate // what the flags mean
	failOn   keyspace.Severity
	never    bool
}

// Help stands at the end of omniproxy validate --help.
func (validateWord) Help() string {
	return `The exit code is 0 if nothing was found that --fail-on names, 1 if something was, 2 if the command line
makes no sense, and 3 if a source could not be read, or not all of it. omniproxy explain RULE says what
a rule is about. Mending never deletes an agent or a result.
` + sourceHelp
}

// mean gives the flags their meaning.
func (w *validateWord) mean(g given, m machine) (err error) {
	if len(w.Sources) == 0 {
		name, err := defaultSource(m)
		if err != nil {
			return err
		}
		w.Sources = []string{name}
	}
	v := &w.validate
	if v.Options, err = w.options(g, m); err != nil {
		return err
	}
	if _, err := oneOf(w.Format, "text", "json", "jsonl", "sarif", "github"); err != nil {
		return fmt.Errorf("%s: %w", g.of("format"), err)
	}
	if _, err := oneOf(w.FailOn, "error", "warning", "info", "never"); err != nil {
		return fmt.Errorf("%s: %w", g.of("fail-on"), err)
	}
	w.failOn = keyspace.Severity(max(0, slices.Index([]string{"info", "warning", "error"}, w.FailOn)))
	w.never = w.FailOn == "never"
	if v.Most, err = strconv.Atoi(w.MaxFindings); err != nil || v.Most < 0 {
		return fmt.Errorf("%s: give a number, or 0 for all", g.of("max-findings"))
	}
	switch {
	case w.Baseline != "" && w.WriteBaseline != "":
		return errors.New("--baseline and --write-baseline: choose one")
	case w.WriteBaseline != "":
		v.Most = 0
	}
	if v.Settle, err = time.ParseDuration(w.Settle); err != nil || v.Settle < 0 {
		return fmt.Errorf("%s: give a time with its unit, such as 2s, or 0s", g.of("settle"))
	}
	if v.Rules, err = tool.ParseRules(w.Rules); err != nil {
		return fmt.Errorf("%s: %w", g.of("rules"), err)
	}
	return w.fixes()
}

// fixes checks what is said about mending.
func (w *validateWord) fixes() error {
	switch {
	case !w.Fix && (w.Yes || w.Undo != ""):
		return errors.New("--yes and --undo need --fix")
	case w.Undo != "" && !w.Yes:
		return errors.New("--undo needs --yes: without it nothing is changed")
	case w.Fix && w.Format != "text":
		return errors.New("--fix prints commands: leave out --format")
	case w.Fix && w.WriteBaseline != "":
		return errors.New("--fix and --write-baseline: choose one")
	case w.Yes && len(w.Sources) > 1:
		return errors.New("--yes mends one source at a time")
	}
	w.validate.Options.Write = w.Yes
	return nil
}

// run judges, prints what it found, and returns the exit code.
func (w validateWord) run(ctx context.Context, c console) int {
	w.validate.Now = c.now()
	if err := w.readFiles(); err != nil {
		fmt.Fprintln(c.stderr, "omniproxy:", err)
		return exitUsage
	}
	if w.Fix {
		done, err := w.prepareFix(c)
		if err != nil {
			return c.fail(err)
		}
		defer done()
	}
	progress := newProgressLine(c.terminal)
	w.validate.Progress = progress.show
	var all []tool.Validated
	for _, name := range w.Sources {
		all = append(all, w.validate.Run(ctx, name))
	}
	progress.end()
	if err := w.print(c, all); err != nil {
		return c.fail(err)
	}
	return w.exit(c, all)
}

// readFiles reads the files that flags name.
func (w *validateWord) readFiles() (err error) {
	if w.Families != "" {
		if w.validate.Families, err = tool.ReadFamilies(w.Families); err != nil {
			return fmt.Errorf("--families: %w", err)
		}
	}
	if w.Baseline == "" {
		return nil
	}
	f, err := os.Open(w.Baseline)
	if err != nil {
		return fmt.Errorf("--baseline: %w", err)
	}
	defer f.Close()
	if w.validate.Baseline, err = tool.ReadBaseline(f); err != nil {
		return fmt.Errorf("--baseline %s: %w", w.Baseline, err)
	}
	return nil
}

// prepareFix makes the validation mend. done closes the undo file, and removes it if nothing was changed.
func (w *validateWord) prepareFix(c console) (done func(), err error) {
	fix := &tool.Fix{Apply: w.Yes, Tell: func(commands []tool.Command) {
		for _, command := range commands {
			fmt.Fprintln(c.stdout, command)
		}
	}}
	w.validate.Fix = fix
	if !w.Yes {
		return func() {}, nil
	}
	name := w.Undo
	if name == "" {
		name = "omniproxy-undo-" + c.now().UTC().Format("20060102T150405Z") + ".txt"
	}
	if fix.Undo, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, fmt.Errorf("undo file: %w", err)
	}
	return func() {
		info, err := fix.Undo.Stat()
		fix.Undo.Close()
		if err == nil && info.Size() == 0 {
			os.Remove(name)
			return
		}
		fmt.Fprintf(c.stderr, "to take the changes back: redis-cli < %s\n", name)
	}, nil
}

// print writes what was found in the format that was asked for.
func (w validateWord) print(c console, all []tool.Validated) error {
	if w.WriteBaseline != "" {
		return w.writeBaseline(all)
	}
	switch w.Format {
	case "json":
		return tool.WriteJSON(c.stdout, all)
	case "jsonl":
		return tool.WriteJSONLines(c.stdout, all)
	case "sarif":
		return tool.WriteSARIF(c.stdout, all, versionOf(version, buildInfo()))
	case "github":
		return tool.WriteGitHub(c.stdout, all)
	}
	if w.Fix {
		return tool.WriteSummary(c.stderr, all) // the commands say the rest
	}
	return tool.WriteText(c.stdout, all)
}

func (w validateWord) writeBaseline(all []tool.Validated) error {
	f, err := os.Create(w.WriteBaseline)
	if err != nil {
		return fmt.Errorf("--write-baseline: %w", err)
	}
	var problems []tool.Problem
	for _, v := range all {
		problems = append(problems, v.Problems...)
	}
	return errors.Join(tool.WriteBaseline(f, problems), f.Close())
}

// exit says what could not be judged, and returns the exit code.
func (w validateWord) exit(c console, all []tool.Validated) int {
	code := exitOK
	for _, v := range all {
		switch {
		case v.Err != nil:
			c.fail(v.Err)
			code = exitUnread
		case code == exitOK && !w.never && w.WriteBaseline == "" && v.Count(w.failOn) > 0:
			code = exitFailed
		}
	}
	return code
}
