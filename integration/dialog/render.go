package dialog

import (
	"regexp"
	"strconv"
	"strings"
)

// closed stands for the end of the connection.
const closed = "(closed)"

// bareStatus is a simple string that cannot be taken for anything else.
var bareStatus = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9 _.,|-]*[A-Za-z0-9])?$`)

// names of kinds, as they stand in parentheses.
var names = map[byte]string{
	'+': "status", '-': "error", ':': "integer", ',': "double", '(': "big number",
	'$': "bulk", '!': "blob error", '=': "verbatim", '_': "null", '#': "boolean",
	'*': "array", '~': "set", '>': "push", '%': "map",
}

func (v *value) name() string {
	if v.kind == '=' {
		return "verbatim " + v.format
	}
	return names[v.kind]
}

// render returns the lines of a value.
func (v *value) render() []string {
	if v.masked == "" && v.aggregate() && len(v.elems) > 0 {
		return v.renderElements()
	}
	return []string{v.renderScalar()}
}

func (v *value) renderScalar() string {
	switch {
	case v.masked != "":
		return "(" + v.name() + ") " + v.masked
	case v.edited:
		return "(masked " + v.name() + ") " + quote(v.text)
	case v.aggregate():
		return "(empty " + v.name() + ")"
	case v.null && v.kind == '*':
		return "(null array)"
	case v.null:
		return "(nil)"
	}
	switch v.kind {
	case '$':
		return quote(v.text)
	case '_':
		return "(null)"
	case '#':
		return map[string]string{"t": "(true)", "f": "(false)"}[v.text]
	case '+':
		if bareStatus.MatchString(v.text) {
			return v.text
		}
	case '-', ':', ',', '(':
		if plain(v.text) {
			return "(" + v.name() + ") " + v.text
		}
	}
	return "(" + v.name() + ") " + quote(v.text)
}

// plain tells whether text can stand unquoted at the end of a line, where it
// must not look like a quoted text, a mask or a pair of a map.
func plain(text string) bool {
	if text == "" || text[0] == '"' || text[0] == '<' || text[len(text)-1] == ' ' || strings.Contains(text, " => ") {
		return false
	}
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

var marks = map[byte]string{'*': ") ", '~': "~ ", '>': "> ", '%': "# "}

func (v *value) renderElements() []string {
	var lines []string
	step := perElement[v.kind]
	for i := 0; i < len(v.elems); i += step {
		head := strconv.Itoa(i/step+1) + marks[v.kind]
		item := v.elems[i].render()
		if step == 2 {
			item = renderPair(item[0], v.elems[i+1].render())
		}
		for j, line := range item {
			if j > 0 {
				head = strings.Repeat(" ", len(head))
			}
			lines = append(lines, head+line)
		}
	}
	return lines
}

// renderPair puts a value of several lines below its key.
func renderPair(key string, item []string) []string {
	if len(item) == 1 {
		return []string{key + " => " + item[0]}
	}
	lines := []string{key + " =>"}
	for _, line := range item {
		lines = append(lines, "  "+line)
	}
	return lines
}
