package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/omniproxy/omniproxy/keyspace"
)

// rulesWord is the command line of rules.
type rulesWord struct {
	Format string `group:"Output" typed:"" placeholder:"HOW" default:"text" choices:"text,md,json" help:"text, md (the page docs/rules.md) or json"`
}

// text returns the rules.
func (w rulesWord) text() (string, error) {
	var b strings.Builder
	switch w.Format {
	case "text":
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, r := range keyspace.Rules() {
			fmt.Fprintf(t, "%v\t%s\t%v\t%s\n", r.ID, r.Name, r.Severity, judged(r))
		}
		t.Flush()
		b.WriteString("\nomniproxy explain OMN020 says what a rule is about.\n")
	case "md":
		writeRulesPage(&b)
	case "json":
		writeRulesJSON(&b)
	default:
		return "", fmt.Errorf("--format=%s: choose text, md or json", w.Format)
	}
	return b.String(), nil
}

// judged says where a rule is applied.
func judged(r keyspace.Rule) string {
	if r.Inline {
		return "writes and what is stored"
	}
	return "what is stored"
}

// ruleJSON is a rule in rules --format json.
type ruleJSON struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Severity string `json:"severity"`
	Inline   bool   `json:"inline"`
	Text     string `json:"text"`
	Fix      string `json:"fix,omitempty"`
	Hint     string `json:"hint,omitempty"`
	Good     string `json:"good,omitempty"`
	Bad      string `json:"bad,omitempty"`
}

func writeRulesJSON(b *strings.Builder) {
	all := []ruleJSON{}
	for _, r := range keyspace.Rules() {
		all = append(all, ruleJSON{r.ID.String(), r.Name, r.Severity.String(), r.Inline, r.Text, r.Fix, r.Hint, r.Good, r.Bad})
	}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(all) // strings and booleans into memory
}

const rulesIntro = `# Rules

What omniproxy knows about the keys that OmniDaemon writes, as rules. ` + "`omniproxy validate`" + ` judges what is stored by all of them. Some
can also judge a single write by itself.

| severity | what it means |
|---|---|
| error | a reader fails, or reads something else |
| warning | works, and will surprise |
| info | legal, but perhaps not what was meant |

Examples are written as for redis-cli, with the prefix ` + "`omni`" + `; one of a file begins with its name. ` + "`# N times`" + ` repeats the line
before it, or the letter. This page is made by ` + "`make docs`" + ` from the table of rules.

| rule | name | severity | judges | fixed by ` + "`validate --fix`" + ` |
|---|---|---|---|---|
`

func writeRulesPage(b *strings.Builder) {
	b.WriteString(rulesIntro)
	for _, r := range keyspace.Rules() {
		fmt.Fprintf(b, "| [%v](#%s) | %s | %v | %s | %s |\n", r.ID, strings.ToLower(r.ID.String()+"-"+r.Name), r.Name, r.Severity, judged(r), r.Fix)
	}
	for _, r := range keyspace.Rules() {
		fmt.Fprintf(b, "\n## %v %s\n\n%s\n", r.ID, r.Name, r.Text)
		if r.Hint != "" {
			fmt.Fprintf(b, "\nWhat to do: %s\n", r.Hint)
		}
		if r.Bad != "" {
			fmt.Fprintf(b, "\nBreaks it:\n\n```\n%s\n```\n\nDoes not:\n\n```\n%s\n```\n", r.Bad, r.Good)
		}
	}
}
