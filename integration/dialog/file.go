package dialog

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// File is a parsed dialog.
type File struct {
	path         string
	title        []string // the leading comment
	resp2, resp3 *script  // the same commands with their answers in either protocol
}

// script is what is said in one protocol.
type script struct {
	steps []*step
	tail  []string // comments after the last step
}

// Load reads and parses a dialog's file.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load dialog: %w", err)
	}
	return Parse(path, text)
}

// Parse reads a dialog. Errors begin with "path:line: ".
func Parse(path string, text []byte) (*File, error) {
	sections := split(string(text))
	head := sections[0]
	f := &File{path: path}
	for len(f.title) < len(head.lines) && isComment(head.lines[len(f.title)]) {
		f.title = append(f.title, head.lines[len(f.title)])
	}
	if f.title == nil {
		return nil, fmt.Errorf("%s:1: a dialog begins with a comment that says what it shows", path)
	}
	head.lines, head.first = head.lines[len(f.title):], head.first+len(f.title)
	sc, err := head.parse(path)
	if err != nil {
		return nil, err
	}
	if len(sections) == 1 {
		f.resp2, f.resp3 = sc, sc
		return f, nil
	}
	if len(sc.steps) > 0 {
		return nil, fmt.Errorf("%s:%d: commands stand either before the sections or in them", path, sc.steps[0].line)
	}
	for _, s := range sections[1:] {
		sc, err := s.parse(path)
		switch {
		case err != nil:
			return nil, err
		case s.name == "resp2" && f.resp2 == nil:
			f.resp2 = sc
		case s.name == "resp3" && f.resp2 != nil && f.resp3 == nil:
			f.resp3 = sc
		default:
			return nil, fmt.Errorf("%s:%d: sections are resp2 and resp3, in this order", path, s.first-1)
		}
	}
	return f, nil
}

// script returns what is said in a protocol. The two sections must say the
// same, or they were not recorded together.
func (f *File) script(proto int) (*script, error) {
	if proto == 2 {
		return f.resp2, nil
	}
	if f.resp3 == nil {
		return nil, fmt.Errorf("%s:1: section resp3 is missing: record the dialog", f.path)
	}
	for i, s := range f.resp2.steps {
		if i == len(f.resp3.steps) || f.resp3.steps[i].source != s.source || !slices.Equal(f.resp3.steps[i].directives, s.directives) {
			return nil, fmt.Errorf("%s:%d: section resp3 does not say the same: record the dialog", f.path, s.line)
		}
	}
	if n := len(f.resp2.steps); n < len(f.resp3.steps) {
		return nil, fmt.Errorf("%s:%d: section resp2 does not say this: record the dialog", f.path, f.resp3.steps[n].line)
	}
	return f.resp3, nil
}

// Format returns the text of the file.
func (f *File) Format() []byte {
	var b bytes.Buffer
	writeLines(&b, f.title)
	if f.resp3 != nil && slices.EqualFunc(f.resp2.steps, f.resp3.steps, sameAnswer) {
		b.WriteByte('\n')
		f.resp2.format(&b, true)
		return b.Bytes()
	}
	b.WriteString("-- resp2 --\n")
	f.resp2.format(&b, true)
	if f.resp3 != nil {
		b.WriteString("-- resp3 --\n")
		f.resp3.format(&b, false)
	}
	return b.Bytes()
}

func sameAnswer(a, b *step) bool { return slices.Equal(a.answer, b.answer) }

// format writes the script; comments are written once per file.
func (sc *script) format(b *bytes.Buffer, comments bool) {
	for i, s := range sc.steps {
		for _, line := range s.before {
			if (line == "" && i > 0) || (comments && line != "") {
				b.WriteString(line + "\n")
			}
		}
		writeLines(b, s.directives)
		b.WriteString(s.source + "\n")
		writeLines(b, s.answer)
	}
	if comments {
		writeLines(b, sc.tail)
	}
}

func writeLines(b *bytes.Buffer, lines []string) {
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
}

// section is a part of the file. The txtar packages forget where a section
// begins, and a failing dialog must name its line.
type section struct {
	name  string
	first int // number of its first line
	lines []string
}

// split cuts a txtar archive; what stands before the first section is the
// first one, without a name.
func split(text string) []section {
	sections := []section{{first: 1}}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		name, opens := strings.CutPrefix(line, "-- ")
		name, closes := strings.CutSuffix(name, " --")
		if opens && closes {
			sections = append(sections, section{name: strings.TrimSpace(name), first: i + 2})
			continue
		}
		last := &sections[len(sections)-1]
		last.lines = append(last.lines, line)
	}
	return sections
}

func isComment(line string) bool { return line == "#" || strings.HasPrefix(line, "# ") }
