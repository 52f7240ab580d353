package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/config"
)

// configWord is the command line of config.
type configWord struct {
	Action string `arg:"" choices:"check,print,table" help:"check, print or table"`
	Config string `group:"Settings" typed:"" placeholder:"FILE" help:"the file of settings [OMNIPROXY_CONFIG, else none]"`
}

// Help stands at the end of omniproxy config --help.
func (configWord) Help() string {
	return `check reads all that a start would read: the file, variables, certificates, users and passwords. It
binds no address and opens no directory. The exit code is 0 if a start would find nothing wrong, else 2.
print writes the settings that a start would have as a file, with where each of them comes from. Passwords
are not shown. table writes the page docs/configuration.md, which lists all settings.`
}

// config reads what the word is about.
func (c *cli) config(ctx *kong.Context, m machine) (inv invocation, err error) {
	inv.Word = "config"
	if inv.Action, err = oneOf(c.Config.Action, "check", "print", "table"); err != nil {
		return invocation{}, fmt.Errorf("config %s: %w", c.Config.Action, err)
	}
	source := c.settingsSource(ctx, c.Config.Config, m)
	if inv.Action == "table" {
		inv.Text, err = settingsPage(source.flags)
		return inv, err
	}
	if inv.Listeners, inv.Warnings, err = source.read(); err == nil && inv.Action == "print" {
		inv.Text = asFile(source.flags, inv.Listeners)
	}
	return inv, err
}

// checkConfig does what is left to do of config check, and returns the exit code.
func checkConfig(listeners []Settings, warnings []string, stdout, stderr io.Writer) int {
	backends := map[string]bool{}
	for _, s := range listeners {
		backends[s.served()] = true
		err := s.protected()
		if err == nil {
			_, err = s.readFiles()
		}
		if err != nil {
			fmt.Fprintln(stderr, "omniproxy:", err)
			return exitUsage
		}
	}
	for _, warning := range warnings {
		fmt.Fprintln(stdout, "warning:", warning)
	}
	fmt.Fprintf(stdout, "the settings are right: %s, %s\n", count(len(listeners), "listener"), count(len(backends), "backend"))
	return exitOK
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// asFile returns the settings as a file that says the same but for what is secret.
func asFile(flags []*kong.Flag, listeners []Settings) string {
	if len(listeners) == 1 {
		return config.Write(lines(flags, listeners[0], scopeProcess, scopeListener, scopeBackend), nil)
	}
	var sections [][]config.Line
	for _, s := range listeners {
		sections = append(sections, lines(flags, s, scopeListener, scopeBackend))
	}
	return config.Write(lines(flags, listeners[0], scopeProcess), sections)
}

// lines are the flags of some scopes as a listener has them.
func lines(flags []*kong.Flag, s Settings, scopes ...string) (all []config.Line) {
	for _, flag := range flags {
		l := s.line(flag)
		_, backend, only := strings.Cut(flag.Group.Title, ", on ")
		idle := only && backend != s.Backend && s.reading.given.of(flag.Name).origin == ""
		if slices.Contains(scopes, scopeOf(flag)) && !idle {
			all = append(all, l)
		}
	}
	return all
}

// line is a flag as a listener has it.
func (s Settings) line(flag *kong.Flag) config.Line {
	l := config.Line{Name: flag.Name, Kind: kindOf(flag), Text: s.reading.texts[flag.Name]}
	l.Comment = cmp.Or(s.reading.given.of(flag.Name).origin, "default")
	switch flag.Name {
	case "backend": // what OmniDaemon's variables say of these may be meant for OmniDaemon
		l.Text = s.Backend
	case "upstream":
		l.Text = string(s.Upstream)
	case "requirepass":
		if passwordFromFile(s.reading.given) {
			l.Text = ""
		}
	case "requirepass-file":
		if !passwordFromFile(s.reading.given) {
			l.Text = ""
		}
	}
	if l.Text == "" && !flag.Tag.Has("empty") {
		l.Unset, l.Comment = true, "not set"
		if byDefault := defaultInHelp(flag); byDefault != "" {
			l.Comment += ": " + byDefault
		}
	}
	l.Text = shown(flag, l.Text)
	return l
}

// defaultInHelp is the default that a flag's help tells, between brackets at its end.
func defaultInHelp(flag *kong.Flag) string {
	_, byDefault, _ := strings.Cut(strings.TrimSuffix(flag.Help, "]"), " [")
	return byDefault
}
