package dialog

import (
	"fmt"
	"strings"
)

type action int

const (
	say    action = iota // a> and a>+
	sayRaw               // a>>
	hear                 // a<
	hangUp               // #close a
)

// step is one line that does something, with what belongs to it.
type step struct {
	line       int      // in the file
	source     string   // the line as written
	before     []string // blank lines and comments above it
	directives []string // as written
	answer     []string // as recorded

	action action
	client string
	words  []word // of say
	raw    string // of sayRaw
	joined bool   // >+: sent with the next step
	parks  bool   // &
	silent bool   // #silent
	masks  []mask
	orders []order
	save   string
}

// answered tells whether an answer is read in this step.
func (s *step) answered() bool {
	return s.action == hear || s.action == say && !s.parks && !s.silent
}

// parseSource reads the line that makes the step, cut at its arrow.
func (s *step) parseSource(client, arrow, rest string) error {
	s.client = client
	if arrow == "<" {
		s.action = hear
		if rest != "" {
			return fmt.Errorf("text after %s<", client)
		}
		return nil
	}
	rest, s.parks = strings.CutSuffix(rest, " &")
	s.joined = arrow == ">+"
	var err error
	if arrow == ">>" {
		s.action = sayRaw
		s.raw, err = parseRaw(rest)
	} else {
		s.words, err = splitWords(rest)
		if err == nil && len(s.words) == 0 {
			err = fmt.Errorf("%s says nothing", client)
		}
	}
	if err == nil && s.parks && s.joined {
		err = fmt.Errorf("%s cannot park before its last line", client)
	}
	return err
}

// parseDirective reads one line above that which makes the step.
func (s *step) parseDirective(line string) error {
	name, rest, _ := strings.Cut(line, " ")
	switch name {
	case "#silent":
		s.silent = true
		return nil
	case "#save":
		s.save = strings.TrimSpace(rest)
		if s.save == "" {
			return fmt.Errorf("#save needs a name")
		}
		return nil
	case "#mask":
		masks, err := parseMasks(rest)
		s.masks = append(s.masks, masks...)
		return err
	case "#sorted":
		o, err := parseOrder(rest)
		s.orders = append(s.orders, o)
		return err
	}
	return fmt.Errorf("unknown directive %s (a comment has a blank after #)", name)
}

// look returns the text of an answer as the directives of the step want it,
// or as it came if they do not fit.
func (s *step) look(v value) ([]string, error) {
	plain := v.render()
	for _, m := range s.masks {
		if err := m.apply(&v); err != nil {
			return plain, err
		}
	}
	for _, o := range s.orders {
		o.apply(&v)
	}
	return v.render(), nil
}
