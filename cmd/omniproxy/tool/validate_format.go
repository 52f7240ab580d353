package tool

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/omniproxy/omniproxy/keyspace"
)

// Where is the place of a problem for people: FILE:LINE:COLUMN, or SOURCE:KEY with a part of it.
func (p Problem) Where() string {
	switch {
	case p.At.Line > 0:
		return p.At.String()
	case p.Key == "":
		return p.Source
	}
	part := ""
	if p.Entry != "" {
		part = "@" + p.Entry
	}
	switch {
	case p.Field != "":
		part += "#" + plain(p.Field)
	case p.Member != "":
		part += "[" + plain(p.Member) + "]"
	}
	return p.Source + ":" + plain(p.Key) + part
}

// plain is a name on one line, without quotes around it.
func plain(name string) string {
	shown := keyspace.Show(name)
	return shown[1 : len(shown)-1]
}

// WriteText writes a line for each problem and a summary for each source.
func WriteText(to io.Writer, all []Validated) error {
	var b strings.Builder
	for _, v := range all {
		for _, p := range v.Problems {
			fmt.Fprintf(&b, "%s: %v %v %s\n", p.Where(), p.Severity(), p.Rule, p.Text)
		}
	}
	if _, err := io.WriteString(to, b.String()); err != nil {
		return err
	}
	return WriteSummary(to, all)
}

// WriteSummary writes a line for each source.
func WriteSummary(to io.Writer, all []Validated) error {
	for _, v := range all {
		if _, err := fmt.Fprintln(to, v.summary()); err != nil {
			return err
		}
	}
	return nil
}

// summary is what was found in a source, in a line.
func (v Validated) summary() string {
	errors, warnings := v.Count(keyspace.Error), v.Count(keyspace.Warning)
	line := fmt.Sprintf("%s: %d keys, %d errors, %d warnings, %d of info", v.Source, v.Keys, errors, warnings-errors, v.Count(keyspace.Info)-warnings)
	if more := v.Count(keyspace.Info) - int64(len(v.Problems)); more > 0 {
		line += fmt.Sprintf("; %d of these are not listed", more)
	}
	if v.Known > 0 {
		line += fmt.Sprintf("; %d more are in the baseline", v.Known)
	}
	if v.Fixed > 0 {
		line += fmt.Sprintf("; %d changes were made", v.Fixed)
	}
	if v.Err != nil {
		line += "; not all was judged"
	}
	return line
}

// problemJSON is a problem in the formats json and jsonl.
type problemJSON struct {
	Source   string `json:"source"`
	Rule     string `json:"rule"`
	Name     string `json:"name"`
	Severity string `json:"severity"`
	Key      string `json:"key,omitempty"`
	Field    string `json:"field,omitempty"`
	Member   string `json:"member,omitempty"`
	Entry    string `json:"entry,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Message  string `json:"message"`
}

func (p Problem) json() problemJSON {
	return problemJSON{
		Source: p.Source, Rule: p.Rule.String(), Name: p.Rule.Rule().Name, Severity: p.Severity().String(), Key: p.Key, Field: p.Field,
		Member: p.Member, Entry: p.Entry, File: p.At.File, Line: p.At.Line, Column: p.At.Column, Message: p.Text,
	}
}

// sourceJSON is a source in the format json.
type sourceJSON struct {
	Source   string           `json:"source"`
	Keys     int64            `json:"keys"`
	Errors   int64            `json:"errors"`
	Warnings int64            `json:"warnings"`
	Infos    int64            `json:"infos"`
	Rules    map[string]int64 `json:"rules"` // how many findings there are of each
	Baseline int64            `json:"baseline"`
	Error    string           `json:"error,omitempty"` // why not all was judged
}

func (v Validated) json() sourceJSON {
	errors, warnings := v.Count(keyspace.Error), v.Count(keyspace.Warning)
	s := sourceJSON{v.Source, v.Keys, errors, warnings - errors, v.Count(keyspace.Info) - warnings, map[string]int64{}, v.Known, ""}
	for id, n := range v.Found {
		s.Rules[id.String()] = n
	}
	if v.Err != nil {
		s.Error = v.Err.Error()
	}
	return s
}

// WriteJSON writes one object: {"sources": [...], "findings": [...]}.
func WriteJSON(to io.Writer, all []Validated) error {
	document := struct {
		Sources  []sourceJSON  `json:"sources"`
		Findings []problemJSON `json:"findings"`
	}{[]sourceJSON{}, []problemJSON{}}
	for _, v := range all {
		document.Sources = append(document.Sources, v.json())
		for _, p := range v.Problems {
			document.Findings = append(document.Findings, p.json())
		}
	}
	return encode(to, document, "  ")
}

// WriteJSONLines writes an object for each problem, a line each.
func WriteJSONLines(to io.Writer, all []Validated) error {
	for _, v := range all {
		for _, p := range v.Problems {
			if err := encode(to, p.json(), ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func encode(to io.Writer, document any, indent string) error {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	return e.Encode(document)
}

// What GitHub Actions takes for the end of a message, or of a property.
var (
	githubText     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// WriteGitHub writes the problems as annotations of GitHub Actions.
func WriteGitHub(to io.Writer, all []Validated) error {
	var b strings.Builder
	for _, v := range all {
		for _, p := range v.Problems {
			level := map[keyspace.Severity]string{keyspace.Error: "error", keyspace.Warning: "warning", keyspace.Info: "notice"}[p.Severity()]
			b.WriteString("::" + level + " ")
			text := p.Text
			if p.At.Line > 0 {
				fmt.Fprintf(&b, "file=%s,line=%d,col=%d,", githubProperty.Replace(p.At.File), p.At.Line, p.At.Column)
			} else {
				text = p.Source + ": " + text
			}
			fmt.Fprintf(&b, "title=%s::%s\n", githubProperty.Replace(p.Rule.String()+" "+p.Rule.Rule().Name), githubText.Replace(text))
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}
