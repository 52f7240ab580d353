package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

// settingsPage returns docs/configuration.md.
func settingsPage(flags []*kong.Flag) (string, error) { return fillTemplate("configuration", flags) }

// scopeOf is what a flag concerns.
func scopeOf(flag *kong.Flag) string { return flag.Tag.Get("scope") }

// reloads reports whether SIGHUP changes what a flag says.
func reloads(flag *kong.Flag) bool { return flag.Tag.Has("reload") }

// cell returns text as it stands in a cell of a table in Markdown.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
