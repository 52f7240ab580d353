package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/config"
)

// helpWord is the command line of help, for pages and completions: asMeant makes another one of it.
type helpWord struct {
	Word string `arg:"" optional:"" help:"the word"`
}

// asMeant returns a command line that says what people write out of habit: help WORD is WORD --help, --version is version.
func asMeant(args []string) []string {
	switch {
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	}
	return args
}

// explainUsage says what is wrong with a command line that Kong refuses, and where to read on. It shows no password.
func explainUsage(err error, args []string) error {
	text, page := err.Error(), "omniproxy"
	var refused *kong.ParseError
	if errors.As(err, &refused) {
		app, word := refused.Context.Model, cmp.Or(refused.Context.Selected(), refused.Context.Model.DefaultCmd)
		if word != app.DefaultCmd {
			page += " " + word.Name
		}
		if flag, ok := strings.CutSuffix(text, `: expected string value but got "EOL" (<EOL>)`); ok {
			text = flag + ": its value is missing"
		} else if strings.HasPrefix(text, `expected "<`) {
			text = "something is missing: write " + usage(app, word)
		} else if stray, ok := strings.CutPrefix(text, "unexpected argument "); ok && word == app.DefaultCmd {
			text += otherWord(stray, app)
		}
	}
	return errors.New(redactArgs(text, args) + "; see " + page + " --help")
}

// otherWord says what may be meant by an argument that is no word.
func otherWord(stray string, app *kong.Application) string {
	if strings.ContainsAny(stray, `./\`) && !strings.Contains(stray, ":") {
		return ": to serve a directory, write --dir " + stray
	}
	var words []string
	for _, word := range app.Children {
		words = append(words, word.Name)
	}
	if meant := config.Nearest(stray, words); meant != "" {
		return fmt.Sprintf(", did you mean %q?", meant)
	}
	return ""
}

// strayVariables warns of variables that look as if they were settings of omniproxy and are not: nobody else would say that
// a name is misspelt. Those that Kubernetes makes for a service of the name omniproxy are not meant for it.
func strayVariables(app *kong.Application, m machine) (warnings []string) {
	flags := app.Flags
	for _, word := range app.Children {
		flags = append(flags, word.Flags...)
	}
	var known []string
	for _, flag := range flags {
		known = append(known, flag.Name)
	}
	for _, name := range m.variables() {
		of, ok := strings.CutPrefix(name, variable(""))
		flag := strings.ToLower(strings.ReplaceAll(of, "_", "-"))
		switch {
		case !ok, name == varHandOver, slices.Contains(known, flag):
		case strings.HasPrefix(of, "SERVICE_"), of == "PORT", strings.HasPrefix(of, "PORT_"):
		default:
			warning := name + " is no setting and has no effect"
			if meant := config.Nearest(flag, known); meant != "" {
				warning += ": did you mean " + variable(meant) + "?"
			}
			warnings = append(warnings, warning)
		}
	}
	return warnings
}
