package main

import (
	"fmt"
	"strings"

	"github.com/omniproxy/omniproxy/keyspace"
)

// explainWord is the command line of explain.
type explainWord struct {
	Rule string `arg:"" help:"its ID or name: OMN020 or result-index-orphan"`
}

// text returns what there is to say about the rule.
func (w explainWord) text() (string, error) {
	r, ok := keyspace.FindRule(w.Rule)
	if !ok {
		return "", fmt.Errorf("explain %s: there is no such rule; omniproxy rules lists them", w.Rule)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s (%v; judges %s)\n\n", r.ID, r.Name, r.Severity, judged(r))
	wrap(&b, r.Text)
	if r.Hint != "" {
		b.WriteString("\n")
		wrap(&b, "What to do: "+r.Hint)
	}
	if r.Fix != "" {
		fmt.Fprintf(&b, "\nomniproxy validate SOURCE --fix does it: %s\n", r.Fix)
	}
	for _, example := range []struct{ title, text string }{{"Breaks it", r.Bad}, {"Does not", r.Good}} {
		if example.text != "" {
			fmt.Fprintf(&b, "\n%s:\n  %s\n", example.title, strings.ReplaceAll(example.text, "\n", "\n  "))
		}
	}
	return b.String(), nil
}

// wrap writes a text in lines no longer than those of the help.
func wrap(b *strings.Builder, text string) {
	width := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case width+1+len(word) > helpWidth:
			b.WriteString("\n")
			width = 0
		default:
			b.WriteString(" ")
			width++
		}
		b.WriteString(word)
		width += len(word)
	}
	b.WriteString("\n")
}
