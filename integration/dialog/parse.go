package dialog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var sourceLine = regexp.MustCompile(`^([a-z][a-z0-9]*)(>>|>\+|>|<)(?: (.*))?$`)

// parser reads the lines of a section and refuses steps that cannot follow
// each other.
type parser struct {
	script script
	next   *step // collects what stands above the next step

	parked map[string]bool // clients
	saved  map[string]bool // names that #save has given
	joined string          // client whose next line must come now
}

// parse reads the steps of a section.
func (s section) parse(path string) (*script, error) {
	p := &parser{next: &step{}, parked: map[string]bool{}, saved: map[string]bool{}}
	for i, line := range s.lines {
		if err := p.line(line, s.first+i); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, s.first+i, err)
		}
	}
	if err := p.end(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", path, s.first+len(s.lines)-1, err)
	}
	return &p.script, nil
}

func (p *parser) line(line string, number int) error {
	source := sourceLine.FindStringSubmatch(line)
	closing, isClose := strings.CutPrefix(line, "#close ")
	switch {
	case source != nil || isClose:
		s := p.next
		s.line, s.source = number, line
		p.script.steps = append(p.script.steps, s)
		p.next = &step{}
		if isClose {
			s.action, s.client = hangUp, closing
		} else if err := s.parseSource(source[1], source[2], source[3]); err != nil {
			return err
		}
		return p.follow(s)
	case line == "" || isComment(line):
		return p.gap(line)
	case line[0] == '#':
		p.next.directives = append(p.next.directives, line)
		return p.next.parseDirective(line)
	}
	steps := p.script.steps
	if len(steps) == 0 || p.next.before != nil || p.next.directives != nil || !steps[len(steps)-1].answered() {
		return fmt.Errorf("an answer where none is expected: %s", line)
	}
	last := steps[len(steps)-1]
	last.answer = append(last.answer, line)
	return nil
}

// gap keeps comments, and one blank line of several.
func (p *parser) gap(line string) error {
	n := p.next
	if n.directives != nil {
		return fmt.Errorf("a directive stands directly above the line it is for")
	}
	if line != "" || len(n.before) == 0 || n.before[len(n.before)-1] != "" {
		n.before = append(n.before, line)
	}
	return nil
}

// follow refuses s if it cannot stand behind the steps so far.
func (p *parser) follow(s *step) error {
	if p.joined != "" && (s.client != p.joined || s.action != say) {
		return fmt.Errorf("%s>+ needs %s's next line directly below", p.joined, p.joined)
	}
	p.joined = ""
	if s.joined {
		p.joined = s.client
	}
	if p.parked[s.client] && (s.action == say || s.action == sayRaw) {
		return fmt.Errorf("%s is parked", s.client)
	}
	p.parked[s.client] = s.parks
	for _, w := range s.words {
		if name, ok := w.reference(); ok && !p.saved[name] {
			return fmt.Errorf("$%s was not saved", name)
		}
	}
	if s.save != "" {
		p.saved[s.save] = true
	}
	looks := s.masks != nil || s.orders != nil || s.save != ""
	if looks && !s.answered() || s.silent && s.action != say {
		return fmt.Errorf("directive does not fit this line")
	}
	return nil
}

func (p *parser) end() error {
	for _, client := range slices.Sorted(maps.Keys(p.parked)) {
		if p.parked[client] {
			return fmt.Errorf("%s is still parked at the end", client)
		}
	}
	if p.joined != "" {
		return fmt.Errorf("%s>+ needs %s's next line directly below", p.joined, p.joined)
	}
	if p.next.directives != nil {
		return fmt.Errorf("directive without a line it is for")
	}
	tail := p.next.before
	if n := len(tail); n > 0 && tail[n-1] == "" {
		tail = tail[:n-1]
	}
	p.script.tail = tail
	return nil
}
