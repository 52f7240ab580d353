package acl

import (
	"encoding/hex"
	"strings"

	"github.com/omniproxy/omniproxy/resp/command"
)

// String is the rules that make a new user what this one is, as ACL LIST shows them: sums in the place of passwords.
func (r *Rights) String() string {
	words := r.Flags()
	for _, sum := range r.Passwords() {
		words = append(words, "#"+sum)
	}
	words = append(words, r.selectors[0].String())
	for i := range r.selectors[1:] {
		words = append(words, "("+r.selectors[i+1].String()+")")
	}
	return strings.Join(words, " ")
}

// Flags are the rules that are about neither passwords nor commands.
func (r *Rights) Flags() []string {
	flags := []string{"off"}
	if r.on {
		flags[0] = "on"
	}
	if r.noPass {
		flags = append(flags, "nopass")
	}
	switch r.sanitize {
	case sanitizeSkip:
		flags = append(flags, "skip-sanitize-payload")
	case sanitizeAlways:
		flags = append(flags, "sanitize-payload")
	}
	return flags
}

// Passwords are the SHA-256 sums of the passwords, in hexadecimal digits.
func (r *Rights) Passwords() []string {
	sums := make([]string, len(r.passwords))
	for i, sum := range r.passwords {
		sums[i] = hex.EncodeToString(sum[:])
	}
	return sums
}

// Permission is what a selector allows, each as rules.
type Permission struct{ Commands, Keys, Channels string }

// Permissions are what the selectors allow, the one outside of parentheses first.
func (r *Rights) Permissions() []Permission {
	list := make([]Permission, len(r.selectors))
	for i := range r.selectors {
		s := &r.selectors[i]
		list[i] = Permission{s.commandRules(), s.keyRules(), s.channelRules()}
	}
	return list
}

func (s *selector) String() string {
	channels := s.channelRules()
	if !s.allChannels {
		channels = strings.TrimSpace("resetchannels " + channels)
	}
	return strings.TrimSpace(s.keyRules() + " " + channels + " " + s.commandRules())
}

func (s *selector) keyRules() string {
	if s.allKeys {
		return "~*"
	}
	prefixes := map[access]string{reads: "%R~", writes: "%W~", readsAndWrites: "~"}
	words := make([]string, len(s.keys))
	for i, p := range s.keys {
		words[i] = prefixes[p.access] + string(p.pattern)
	}
	return strings.Join(words, " ")
}

func (s *selector) channelRules() string {
	if s.allChannels {
		return "&*"
	}
	words := make([]string, len(s.channels))
	for i, c := range s.channels {
		words[i] = "&" + string(c)
	}
	return strings.Join(words, " ")
}

// commandRules describes the commands: from all or none, by the categories that come nearest, then by single commands. Which
// categories is Redis' choice, for clients compare the text; the single commands, whose order is chance with Redis, are
// sorted.
func (s *selector) commandRules() string {
	shown := newSelector(false) // what the rules so far come to
	sign, other, rules := "+@", "-@", []string{"-@all"}
	if s.future {
		sign, other, rules = "-@", "+@", []string{"+@all"}
		shown.allowAll()
	}
	left := newSelector(false) // s without what the categories chosen have told
	copy(left.commands, s.commands)
	applied := command.Categories(0)
	for {
		best := left.nearest(applied, !s.future)
		if best == 0 {
			break
		}
		name := strings.TrimPrefix(best.Names()[0], "@")
		must(shown.apply([]byte(sign + name)))
		must(left.apply([]byte(other + name)))
		rules = append(rules, sign+name)
		applied |= best
	}
	for spec := range command.Known() {
		if on := s.commands.has(spec); on != shown.commands.has(spec) {
			shown.allow(spec, on)
			rules = append(rules, map[bool]string{true: "+", false: "-"}[on]+spec.FullName)
		}
		if !s.commands.has(spec) {
			for _, first := range s.firstArgs[spec.Index] {
				rules = append(rules, "+"+spec.FullName+"|"+first)
			}
		}
	}
	return strings.Join(rules, " ")
}

// must is for rules that are made here.
func must(err error) {
	if err != nil {
		panic("acl: " + err.Error())
	}
}

// nearest is the category with most commands to be told and fewest that are not, 0 if none has more of the former. The
// latter count more.
func (s *selector) nearest(applied command.Categories, adding bool) (best command.Categories) {
	fewest, most := int(^uint(0)>>1), 0
	for cat := command.Categories(1); len(cat.Names()) > 0; cat <<= 1 {
		if applied&cat != 0 {
			continue
		}
		same, differ := 0, 0
		for spec := range command.All() {
			switch {
			case spec.Categories&cat == 0:
			case s.commands.has(spec) == adding:
				same++
			default:
				differ++
			}
		}
		if same > differ && (differ < fewest || differ == fewest && same > most) {
			best, fewest, most = cat, differ, same
		}
	}
	return best
}
