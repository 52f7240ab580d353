package acl

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// apply changes rights by a rule. allChannels is what new selectors may use.
func (r *Rights) apply(rule []byte, allChannels bool) error {
	if len(rule) == 0 {
		return nil
	}
	switch word := strings.ToLower(string(rule)); {
	case word == "on":
		r.on = true
	case word == "off":
		r.on = false
	case word == "skip-sanitize-payload":
		r.sanitize = sanitizeSkip
	case word == "sanitize-payload":
		r.sanitize = sanitizeAlways
	case word == "nopass":
		r.noPass, r.passwords = true, nil
	case word == "resetpass":
		r.noPass, r.passwords = false, nil
	case word == "clearselectors":
		r.selectors = r.selectors[:1]
	case word == "reset":
		*r = *newRights(allChannels)
		r.sanitize = sanitizeAlways
	case strings.IndexByte("><#!", word[0]) >= 0:
		return r.password(rule)
	case word[0] == '(' && word[len(word)-1] == ')':
		s := newSelector(allChannels)
		if len(rule) > 1 {
			words, ok := wire.AppendWords(nil, rule[1:len(rule)-1])
			if !ok {
				words = nil // Redis makes no error of quotes that do not end, but a selector that allows nothing
			}
			for _, rule := range words {
				if err := s.apply(rule); err != nil {
					return err
				}
			}
		}
		r.selectors = append(r.selectors, s)
	default:
		return r.root().apply(rule)
	}
	return nil
}

// password does >text, #sum, <text and !sum.
func (r *Rights) password(rule []byte) error {
	sum := sha256.Sum256(rule[1:])
	if rule[0] == '#' || rule[0] == '!' {
		text := rule[1:]
		if len(text) != hex.EncodedLen(len(sum)) || bytes.ContainsAny(text, "ABCDEF") {
			return wire.ReasonPasswordHash
		}
		if _, err := hex.Decode(sum[:], text); err != nil {
			return wire.ReasonPasswordHash
		}
	}
	at := slices.Index(r.passwords, sum)
	switch add := rule[0] == '>' || rule[0] == '#'; {
	case add && at < 0:
		r.passwords = append(r.passwords, sum)
		r.noPass = false
	case add:
		r.noPass = false
	case at < 0:
		return wire.ReasonNoSuchPassword
	default:
		r.passwords = slices.Delete(r.passwords, at, at+1)
	}
	return nil
}

// apply changes what a selector allows.
func (s *selector) apply(rule []byte) error {
	switch word := strings.ToLower(string(rule)); {
	case word == "": // "" in a selector
		return wire.ReasonRuleSyntax
	case word == "allkeys" || word == "~*":
		s.allKeys, s.keys = true, nil
	case word == "resetkeys":
		s.allKeys, s.keys = false, nil
	case word == "allchannels" || word == "&*":
		s.allChannels, s.channels = true, nil
	case word == "resetchannels":
		s.allChannels, s.channels = false, nil
	case word == "allcommands" || word == "+@all":
		s.allowAll()
	case word == "nocommands" || word == "-@all":
		clear(s.commands)
		s.all, s.future, s.firstArgs = false, false, nil
	case word[0] == '~' || word[0] == '%':
		return s.addKeys(rule)
	case word[0] == '&':
		return s.addChannels(rule[1:])
	case strings.HasPrefix(word, "+@") || strings.HasPrefix(word, "-@"):
		return s.category(word[2:], word[0] == '+')
	case word[0] == '+' && strings.Contains(word, "|"):
		return s.allowPart(string(rule[1:]))
	case word[0] == '+' || word[0] == '-':
		spec := command.Find(word[1:])
		if spec == nil {
			return wire.ReasonUnknownRule
		}
		s.allow(spec, word[0] == '+')
	default:
		return wire.ReasonRuleSyntax
	}
	return nil
}

func (s *selector) allowAll() {
	for i := range s.commands {
		s.commands[i] = ^uint64(0)
	}
	s.all, s.future, s.firstArgs = true, true, nil
}

// allow lets a command be called, with all of its subcommands, or not.
func (s *selector) allow(spec *command.Spec, yes bool) {
	s.commands.set(spec, yes)
	for _, sub := range spec.Subcommands {
		s.commands.set(sub, yes)
	}
	s.all = s.all && yes
	delete(s.firstArgs, spec.Index)
}

func (s *selector) category(name string, yes bool) error {
	cat := command.Category(name)
	if cat == 0 {
		return wire.ReasonUnknownRule
	}
	for spec := range command.Known() {
		if spec.Categories&cat != 0 {
			s.allow(spec, yes)
		}
	}
	return nil
}

// allowPart lets a subcommand be called, or a command that has none with this first argument only.
func (s *selector) allowPart(name string) error {
	cut := strings.LastIndexByte(name, '|')
	spec := command.Find(name[:cut])
	switch {
	case spec == nil:
		return wire.ReasonUnknownRule
	case strings.Contains(spec.FullName, "|"):
		return wire.ReasonFirstArgument
	case cut == len(name)-1:
		return wire.ReasonRuleSyntax
	case spec.IsContainer():
		if spec = command.Find(name); spec == nil {
			return wire.ReasonUnknownRule
		}
		s.allow(spec, true)
		return nil
	}
	first := name[cut+1:]
	if slices.ContainsFunc(s.firstArgs[spec.Index], func(f string) bool { return strings.EqualFold(f, first) }) {
		return nil
	}
	s.firstArgs = maps.Clone(s.firstArgs)
	if s.firstArgs == nil {
		s.firstArgs = map[int][]string{}
	}
	s.firstArgs[spec.Index] = append(slices.Clip(s.firstArgs[spec.Index]), first)
	return nil
}

// addKeys reads ~pattern and %RW~pattern.
func (s *selector) addKeys(rule []byte) error {
	if s.allKeys {
		return wire.ReasonAllKeys
	}
	a, pattern := readsAndWrites, rule[1:]
	if rule[0] == '%' {
		for a = 0; len(pattern) > 0 && pattern[0] != '~'; pattern = pattern[1:] {
			more := map[byte]access{'R': reads, 'r': reads, 'W': writes, 'w': writes}[pattern[0]]
			if more == 0 || a&more != 0 {
				return wire.ReasonRuleSyntax
			}
			a |= more
		}
		if a == 0 {
			return wire.ReasonRuleSyntax
		}
		pattern = bytes.TrimPrefix(pattern, []byte("~"))
	}
	if !plain(pattern) {
		return wire.ReasonRuleSyntax
	}
	for i, p := range s.keys {
		if bytes.Equal(p.pattern, pattern) {
			s.keys[i].access |= a
			return nil
		}
	}
	s.keys = append(s.keys, newKeyPattern(a, pattern))
	return nil
}

func (s *selector) addChannels(pattern []byte) error {
	switch {
	case s.allChannels:
		return wire.ReasonAllChannels
	case !plain(pattern):
		return wire.ReasonRuleSyntax
	case !contains(s.channels, pattern):
		s.channels = append(s.channels, bytes.Clone(pattern))
	}
	return nil
}

// plain reports whether a name or a pattern has no spaces, which rules are separated by.
func plain(b []byte) bool { return !bytes.ContainsAny(b, " \t\n\v\f\r\x00") }

// merge joins the words of selectors that are spread over several. unmatched is the word in which one begins that does not
// end.
func merge(words [][]byte) (rules [][]byte, unmatched []byte) {
	var open []byte // a selector that has begun
	for _, word := range words {
		begins := len(word) > 0 && word[0] == '('
		ends := len(word) > 0 && word[len(word)-1] == ')'
		switch {
		case begins && !ends:
			unmatched, open = word, word
		case open != nil:
			open = bytes.Join([][]byte{open, word}, []byte(" "))
			if ends {
				rules, open, unmatched = append(rules, open), nil, nil
			}
		default:
			rules = append(rules, word)
		}
	}
	return rules, unmatched
}
