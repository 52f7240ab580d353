package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file, far from what anybody writes: the YAML parser takes quadratic time for what is long or nested deeply.
const (
	MaxSize   = 64 << 10 // bytes
	maxLines  = 2000
	maxTokens = 10000 // words and signs
	maxDepth  = 8     // of brackets, and of lists that begin in one line
)

// Read reads the text of a file. name is what errors call it. An error is an [*Error].
func Read(name string, text []byte, keys []Key) (*File, error) {
	r := &reader{file: name, keys: map[string]Key{}}
	for _, k := range keys {
		r.keys[k.Name] = k
	}
	body, err := r.parse(text)
	if err != nil {
		return nil, err
	}
	f := &File{Top: Section{At: Position{name, 1, 1}, Values: map[string]Value{}}}
	if body == nil {
		return f, nil
	}
	list, err := r.section(&f.Top, body, false)
	if err != nil {
		return nil, err
	}
	if list != nil {
		f.Listeners, err = r.listeners(list)
	}
	return f, err
}

type reader struct {
	file string
	keys map[string]Key
}

func (r *reader) errorf(at *token.Token, format string, a ...any) error {
	return &Error{r.at(at), fmt.Sprintf(format, a...)}
}

func (r *reader) at(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{r.file, 1, 1}
	}
	return Position{r.file, t.Position.Line, t.Position.Column}
}

// remedy tells what to do about the commonest mistakes, where the parser's message does not.
func remedy(message string) string {
	switch {
	case strings.HasPrefix(message, "tab character"):
		return ": indent with spaces"
	case message == "value is not allowed in this context":
		return ": settings that belong together begin in the same column"
	case message == "mapping value is not allowed in this context":
		return ": settings that belong together begin in the same column, and a text with a colon stands between quotes"
	}
	return ""
}

// parse returns the file's one document, nil if it is empty.
func (r *reader) parse(text []byte) (ast.Node, error) {
	if len(text) > MaxSize {
		return nil, r.errorf(nil, "the file has %d bytes: %d are enough for settings", len(text), MaxSize)
	}
	if i := invalid(text); i >= 0 {
		line := 1 + bytes.Count(text[:i], []byte("\n"))
		return nil, &Error{Position{r.file, line, i - bytes.LastIndexByte(text[:i], '\n')}, "this byte is not of UTF-8"}
	}
	source := strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n") // of \r\n the lexer miscounts some
	if lines := strings.Count(source, "\n") + strings.Count(source, "\r"); lines > maxLines {
		return nil, r.errorf(nil, "the file has %d lines: %d are enough for settings", lines, maxLines)
	}
	tokens := lexer.Tokenize(source)
	if err := r.admit(tokens); err != nil {
		return nil, err
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are refused here, in the same words as the rest
	var wrong yaml.Error
	switch {
	case errors.As(err, &wrong):
		message, _, _ := strings.Cut(wrong.GetMessage(), " escape character ") // and a part of a value
		return nil, r.errorf(wrong.GetToken(), "this is no YAML: %s%s", message, remedy(message))
	case err != nil:
		return nil, r.errorf(nil, "this is no YAML")
	}
	var body ast.Node
	for i, d := range f.Docs {
		if i > 0 {
			at := d.Start
			if at == nil && d.Body != nil {
				at = d.Body.GetToken()
			}
			return nil, r.errorf(at, "the file is one document: take out what divides it")
		}
		body = d.Body
	}
	return body, nil
}

// invalid returns the index of the first byte that is not of UTF-8, or -1.
func invalid(text []byte) int {
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// admit refuses what settings do not need and what would take the parser long.
func (r *reader) admit(tokens token.Tokens) error {
	if len(tokens) > maxTokens {
		return r.errorf(tokens[maxTokens], "this is too much: %d words and signs are enough for settings", maxTokens)
	}
	depth, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			entries, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return r.errorf(t, "anchors, aliases and merge keys have no place here: what listeners share stands at the top level")
		case token.TagType, token.DirectiveType:
			return r.errorf(t, "tags and directives have no place here")
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			entries++
		}
		if depth > maxDepth || entries > maxDepth {
			return r.errorf(t, "this is nested too deeply")
		}
	}
	return nil
}

// section reads settings into s. At the top level it returns the list of listeners, if there is one.
func (r *reader) section(s *Section, n ast.Node, listener bool) (list ast.Node, err error) {
	mapping, ok := n.(*ast.MappingNode)
	if !ok {
		return nil, r.errorf(n.GetToken(), "write settings here, such as: listen: 127.0.0.1:6380")
	}
	seen := map[string]Position{}
	for _, entry := range mapping.Values {
		name, err := r.name(entry.Key, listener)
		if err != nil {
			return nil, err
		}
		at := r.at(entry.Key.GetToken())
		if first, twice := seen[name]; twice {
			return nil, &Error{at, fmt.Sprintf("%s stands here twice, first in line %d", name, first.Line)}
		}
		if seen[name] = at; name == listeners {
			list = entry.Value
			continue
		}
		if s.Values[name], err = r.value(r.keys[name], entry.Value); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// name returns a key that may stand here.
func (r *reader) name(n ast.Node, listener bool) (string, error) {
	t := n.GetToken()
	key, known := r.keys[t.Value]
	switch {
	case listener && (t.Value == listeners || known && key.Shared):
		return "", r.errorf(t, "%s holds for the whole process: write it at the top level", t.Value)
	case known, t.Value == listeners && !listener:
		return t.Value, nil
	}
	return "", &Error{r.at(t), r.unknown(t.Value, listener)}
}

// value returns what a setting is set to.
func (r *reader) value(key Key, n ast.Node) (Value, error) {
	v := Value{At: r.at(n.GetToken())}
	switch list, isList := n.(*ast.SequenceNode); {
	case key.Kind == Switch:
		if _, ok := n.(*ast.BoolNode); !ok {
			return v, r.errorf(n.GetToken(), "%s: write true or false", key.Name)
		}
		v.Text = n.GetToken().Value
		return v, nil
	case isList && key.Kind == List:
		texts := []string{}
		for _, element := range list.Values {
			text, err := r.text(key, element)
			if err != nil {
				return v, err
			}
			texts = append(texts, text)
		}
		v.Text = strings.Join(texts, ",")
		return v, nil
	}
	text, err := r.text(key, n)
	v.Text = text
	return v, err
}

// text returns what one scalar says, a number as it stands there.
func (r *reader) text(key Key, n ast.Node) (string, error) {
	what := "write one value"
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, nil
	case *ast.NullNode:
		what = "write a value behind it, or take the line out"
	case *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		what = "this is no text; if it is meant to be, put it between quotes"
	case *ast.MappingNode:
		what = "write a value, or a text with a colon in it between quotes"
	}
	return "", r.errorf(n.GetToken(), "%s: %s", key.Name, what)
}

// listeners reads the list of listeners.
func (r *reader) listeners(n ast.Node) (all []Section, err error) {
	list, ok := n.(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		return nil, r.errorf(n.GetToken(), "listeners: write a list, with a - in front of the settings of each")
	}
	for _, element := range list.Values {
		s := Section{At: r.at(element.GetToken()), Values: map[string]Value{}}
		if m, ok := element.(*ast.MappingNode); ok && len(m.Values) > 0 {
			s.At = r.at(m.Values[0].Key.GetToken()) // the token of a mapping is its first colon
		}
		if _, err := r.section(&s, element, true); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
