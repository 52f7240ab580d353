package command

import "strings"

// Synopsis is how s is called, in the notation of Redis' manual:
// "XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]".
func (s *Spec) Synopsis() string {
	words := []string{s.Name}
	for i := range s.Arguments {
		words = append(words, s.Arguments[i].synopsis())
	}
	return strings.Join(words, " ")
}

func (a *Argument) synopsis() string {
	text := a.value()
	one := text
	if a.Token != "" && a.Type != "pure-token" {
		if a.Type == "oneof" {
			text = "<" + text + ">"
		}
		one = a.Token + " " + text
	}
	optional := a.Flags.Has(ArgOptional)
	switch {
	case a.Flags.Has(ArgMultipleToken):
		one += " [" + one + " ...]"
	case a.Flags.Has(ArgMultiple):
		one += " [" + text + " ...]"
	case a.Type == "oneof" && a.Token == "" && !optional:
		one = "<" + one + ">"
	}
	if optional {
		return "[" + one + "]"
	}
	return one
}

// value is the argument without its token, brackets and repetition.
func (a *Argument) value() string {
	switch a.Type {
	case "pure-token":
		if a.Token == "" {
			return `""`
		}
		return a.Token
	case "oneof", "block":
		parts := make([]string, len(a.Arguments))
		for i := range a.Arguments {
			parts[i] = a.Arguments[i].synopsis()
		}
		if a.Type == "oneof" {
			return strings.Join(parts, " | ")
		}
		return strings.Join(parts, " ")
	}
	return a.Name
}
