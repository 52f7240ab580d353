package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

type manWord struct{}

// manPage returns the manual page of app in the man macros of roff.
func manPage(app *kong.Application) (string, error) {
	info := buildInfo()
	return fillTemplate("man", struct {
		*kong.Application
		Version, Date, Summary string
	}{app, versionOf(version, info), dateOf(info), strings.TrimSuffix(strings.TrimPrefix(app.Help, app.Name+" "), ".")})
}

// roff returns text in which no character is an instruction to roff.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
