package main

import (
	"embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

// completionWord is the command line of completion.
type completionWord struct {
	Shell string `arg:"" choices:"bash,zsh,fish" help:"bash, zsh or fish"`
}

// Help stands at the end of omniproxy completion --help.
func (completionWord) Help() string {
	return `Where a shell looks for the script:
  bash  omniproxy completion bash > ~/.local/share/bash-completion/completions/omniproxy
  zsh   omniproxy completion zsh > DIR/_omniproxy, DIR being in $fpath before compinit runs
  fish  omniproxy completion fish > ~/.config/fish/completions/omniproxy.fish`
}

// templates are the pages that are made from the command line, so that they never differ from it.
//
//go:embed templates/*.tmpl
var templates embed.FS

// script returns what completes the words, flags and values of app in the shell.
func (w completionWord) script(app *kong.Application) (string, error) {
	if _, err := oneOf(w.Shell, "bash", "zsh", "fish"); err != nil {
		return "", fmt.Errorf("completion %s: %w", w.Shell, err)
	}
	return fillTemplate(w.Shell, app)
}

// fillTemplate returns the page that templates has for data.
func fillTemplate(page string, data any) (string, error) {
	page += ".tmpl"
	t, err := template.New(page).Funcs(template.FuncMap{
		"about": flagHelp, "brief": brief, "cell": cell, "choices": choices, "kind": valueKind, "others": others, "quoted": quoted,
		"reloads": reloads, "roff": roff, "scope": scopeOf, "title": valueTitle, "usage": usage,
	}).ParseFS(templates, "templates/"+page)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", err
	}
	return b.String(), nil
}

// choices returns the words that a value is one of, with spaces between; nothing if it may be something else.
func choices(v *kong.Value) string { return strings.ReplaceAll(v.Tag.Get("choices"), ",", " ") }

// valueTitle is what the help calls a value.
func valueTitle(v *kong.Value) string {
	if v.Flag != nil {
		return v.Flag.PlaceHolder
	}
	return strings.ToUpper(v.Name)
}

// valueKind says what a shell has to offer for a value: words, files, directories or nothing. What may be a directory or
// a URL counts as a directory.
func valueKind(v *kong.Value) string {
	if choices(v) != "" {
		return "words"
	}
	switch valueTitle(v) {
	case "FILE":
		return "files"
	case "DIR", "DEST", "SOURCE", "SRC", "DST":
		return "directories"
	}
	return ""
}

// others lists the words that are not the one to take when none is given.
func others(app *kong.Application) (names []string) {
	for _, word := range app.Children {
		if word != app.DefaultCmd {
			names = append(names, word.Name)
		}
	}
	return names
}

// brief is the part of a help text that fits beside a flag in a list.
func brief(help string) string {
	help, _, _ = strings.Cut(help, "; ")
	help, _, _ = strings.Cut(help, " [")
	return help
}

// quoted returns text as it stands between the single quotes of a shell, with a backslash before each character of
// special, which are those that mean something to the program that reads it there.
func quoted(special, text string) string {
	var b strings.Builder
	for _, c := range text {
		if strings.ContainsRune(special, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return strings.ReplaceAll(b.String(), "'", `'\''`)
}
