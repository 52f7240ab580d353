package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Line is a setting as [Write] shows it.
type Line struct {
	Name    string
	Kind    Kind
	Text    string // as its flag takes it
	Unset   bool   // there is nothing to say: the line is a comment
	Comment string // behind it; "" = none
}

// Write returns a file that [Read] reads as these settings. Texts are UTF-8, elements of lists have no commas in them, and the
// first line of a listener, which carries its dash, is not unset.
func Write(top []Line, sections [][]Line) string {
	var b strings.Builder
	write(&b, "", "", top)
	if len(sections) > 0 {
		b.WriteString("\n" + listeners + ":\n")
	}
	for _, s := range sections {
		write(&b, "  - ", "    ", s)
	}
	return b.String()
}

// write writes lines, the first one behind first, the others behind indent.
func write(b *strings.Builder, first, indent string, lines []Line) {
	for i, l := range lines {
		if i == 0 {
			b.WriteString(first)
		} else {
			b.WriteString(indent)
		}
		if l.Unset {
			b.WriteString("# ")
		}
		b.WriteString(l.Name + ":")
		if !l.Unset {
			b.WriteString(" " + l.value())
		}
		if l.Comment != "" {
			b.WriteString("  # " + strings.Join(strings.Fields(l.Comment), " "))
		}
		b.WriteString("\n")
	}
}

// value returns the text as YAML.
func (l Line) value() string {
	switch {
	case l.Kind == Switch:
		return l.Text
	case l.Kind != List:
		return scalar(l.Text)
	case l.Text == "":
		return "[]"
	}
	elements := strings.Split(l.Text, ",")
	for i, e := range elements {
		elements[i] = scalar(strings.TrimSpace(e))
	}
	return "[" + strings.Join(elements, ", ") + "]"
}

// plain are texts that mean themselves in YAML without quotes, in lists, too. Numbers are among them: Read takes them as they
// stand there.
var plain = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/._:=@+*-]*[A-Za-z0-9/]$|^[A-Za-z0-9]$`)

// scalar returns text as a YAML scalar.
func scalar(text string) string {
	switch strings.ToLower(text) {
	case "true", "false", "null":
	default:
		if plain.MatchString(text) {
			return text
		}
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.WriteString("\\" + string(c))
		case c < 0x100 && !unicode.IsPrint(c):
			fmt.Fprintf(&b, "\\x%02x", c)
		case c < 0x10000 && !unicode.IsPrint(c):
			fmt.Fprintf(&b, "\\u%04x", c)
		case !unicode.IsPrint(c):
			fmt.Fprintf(&b, "\\U%08x", c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String() + `"`
}
