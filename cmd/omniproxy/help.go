package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Columns of the help.
const (
	helpWidth  = 100 // of a line
	wordColumn = 45  // where the explanations of words begin
	flagColumn = 28  // where the explanations of flags begin
)

// writeHelp writes the help of the word that was asked about. Since serve is what omniproxy does when no word is given,
// its help is also that of the whole program.
func writeHelp(w io.Writer, ctx *kong.Context) error {
	var b strings.Builder
	node := ctx.Selected()
	if node == nil || node == ctx.Model.DefaultCmd {
		node = ctx.Model.DefaultCmd
		fmt.Fprintf(&b, "%s\n\nUsage\n", ctx.Model.Help)
		for _, word := range ctx.Model.Children {
			writeRow(&b, wordColumn, usage(ctx.Model, word), word.Help)
		}
	} else {
		fmt.Fprintf(&b, "Usage\n")
		writeRow(&b, wordColumn, usage(ctx.Model, node), node.Help)
	}
	group := ""
	for _, flag := range node.Flags {
		if flag.Group.Title != group {
			group = flag.Group.Title
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		writeRow(&b, flagColumn, flagUsage(flag), flagHelp(flag))
	}
	if node.Detail != "" {
		fmt.Fprintf(&b, "\n%s\n", node.Detail)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// usage returns how a word is called: "omniproxy ping [URL]".
func usage(app *kong.Application, word *kong.Node) string {
	parts := []string{app.Name, word.Name}
	if word == app.DefaultCmd {
		parts[1] = "[" + word.Name + "]"
	}
	for _, argument := range word.Positional {
		name := strings.ToUpper(argument.Name)
		if !argument.Required {
			name = "[" + name + "]"
		}
		parts = append(parts, name)
	}
	if len(word.Flags) > 0 {
		parts = append(parts, "[flags]")
	}
	return strings.Join(parts, " ")
}

func flagUsage(flag *kong.Flag) string {
	if flag.IsBool() {
		return "--" + flag.Name
	}
	return "--" + flag.Name + " " + flag.PlaceHolder
}

// flagHelp returns a flag's help with its default and, in parentheses, OmniDaemon's name for it.
func flagHelp(flag *kong.Flag) string {
	text := flag.Help
	if flag.Default != "" {
		text += " [" + flag.Default + "]"
	}
	if name := flag.Tag.Get("fallback"); name != "" {
		text += " (" + name + ")"
	}
	return text
}

// writeRow writes a row of a list: what to type and, from column on, what it means, wrapped at helpWidth.
func writeRow(b *strings.Builder, column int, left, right string) {
	line := fmt.Sprintf("  %-*s", column-3, left)
	if len(line) >= column {
		b.WriteString(line + "\n")
		line = strings.Repeat(" ", column-1)
	}
	for _, word := range strings.Fields(right) {
		if len(line)+1+len(word) > helpWidth {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", column-1)
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}
