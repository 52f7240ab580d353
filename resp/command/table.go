package command

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/omniproxy/omniproxy/resp/wire"
)

//go:embed facts.json
var factsJSON []byte

// maxName is longer than any command's first word.
const maxName = 32

type commands struct {
	version string
	all     []*Spec          // Redis', each command followed by its subcommands, sorted
	own     []*Spec          // omniproxy's
	byName  map[string]*Spec // commands, not subcommands, in upper case
}

var table = sync.OnceValue(func() *commands {
	t, err := newCommands(factsJSON)
	if err != nil {
		panic("package command: " + err.Error()) // built in, and seen by every test
	}
	return t
})

// newCommands joins recorded facts with the rows written by hand.
func newCommands(facts []byte) (*commands, error) {
	var file struct {
		RedisVersion string  `json:"redis_version"`
		Commands     []*Spec `json:"commands"`
	}
	if err := json.Unmarshal(facts, &file); err != nil {
		return nil, fmt.Errorf("facts.json: %w", err)
	}
	t := &commands{file.RedisVersion, file.Commands, own(), map[string]*Spec{}}
	slices.SortFunc(t.all, func(a, b *Spec) int { return compareNames(a.FullName, b.FullName) })
	for i, s := range slices.Concat(t.all, t.own) {
		s.Index = i
		name, sub, isSub := strings.Cut(strings.ToUpper(s.FullName), "|")
		if !isSub {
			s.Name = name
			t.byName[name] = s
			continue
		}
		s.Name = name + " " + sub
		container := t.byName[name]
		if container == nil {
			return nil, fmt.Errorf("facts.json: %s without its container", s.FullName)
		}
		container.Subcommands = append(container.Subcommands, s)
	}
	return t, t.addByHand()
}

// addByHand insists on one row for every command, in the table of its group.
func (t *commands) addByHand() error {
	type place struct{ group, name string }
	byPlace := map[place]row{}
	for _, g := range rows {
		for _, r := range g.rows {
			byPlace[place{g.group, r.name}] = r
		}
	}
	for _, s := range t.all {
		p := place{s.Group, s.Name}
		r, ok := byPlace[p]
		if !ok {
			return fmt.Errorf("rows.go: no row for %s in group %s", s.Name, s.Group)
		}
		delete(byPlace, p)
		s.Effect, s.Doc, s.findKeys = r.effect, r.doc, keyFinderOf(s.FullName)
	}
	for p := range byPlace {
		return fmt.Errorf("rows.go: Redis has no %s in group %s", p.name, p.group)
	}
	return nil
}

// compareNames sorts full names so that a container is followed by its subcommands.
func compareNames(a, b string) int {
	aName, aSub, _ := strings.Cut(a, "|")
	bName, bSub, _ := strings.Cut(b, "|")
	return cmp.Or(strings.Compare(aName, bName), strings.Compare(aSub, bSub))
}

// RedisVersion is the release of Redis that the facts were recorded from:
// "7.0.15".
func RedisVersion() string { return table().version }

// All iterates over every command and subcommand of Redis, sorted by name, a
// container before its subcommands.
func All() iter.Seq[*Spec] { return slices.Values(table().all) }

// Known iterates over those of [All] and omniproxy's own.
func Known() iter.Seq[*Spec] { return slices.Values(slices.Concat(table().all, table().own)) }

// Len is how many there are, omniproxy's own included.
func Len() int { return len(table().all) + len(table().own) }

// Lookup returns the Spec of the call args, of its subcommand where args names
// one, or nil if there is no such command. A container called with no or an
// unknown subcommand is returned itself. Letters match in any case.
func Lookup(args [][]byte) *Spec {
	if len(args) == 0 {
		return nil
	}
	s := lookup(args[0])
	if s != nil && len(args) > 1 && s.IsContainer() {
		if sub := s.subcommand(args[1]); sub != nil {
			return sub
		}
	}
	return s
}

// Find returns the Spec whose FullName is name, "get" or "config|get", or nil.
// Letters match in any case.
func Find(name string) *Spec {
	name, sub, isSub := strings.Cut(name, "|")
	s := lookup([]byte(name))
	if s != nil && isSub {
		return s.subcommand([]byte(sub))
	}
	return s
}

// lookup is on the path of every command: the upper-case name stays on the
// stack, and the map needs no string of its own to be asked.
func lookup(name []byte) *Spec {
	var upper [maxName]byte
	if len(name) > maxName {
		return nil
	}
	for i, c := range name {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	return table().byName[string(upper[:len(name)])]
}

func (s *Spec) subcommand(name []byte) *Spec {
	for _, sub := range s.Subcommands {
		if is(name, sub.Name[len(s.Name)+1:]) {
			return sub
		}
	}
	return nil
}

// Check looks up args, which hold at least a name, and counts them. The error, if any, is what Redis answers
// to a command or subcommand it does not know or that has the wrong number of
// arguments; in the latter case the Spec is returned with it.
func Check(args [][]byte) (*Spec, error) {
	s := Lookup(args)
	switch {
	case s == nil:
		return nil, wire.UnknownCommand(args)
	case s.IsContainer() && len(args) > 1:
		return nil, wire.UnknownSubcommand(args[0], args[1])
	case !s.ArityOK(len(args)):
		return s, s.wrongArity()
	}
	return s, nil
}

// wrongArity gives EXEC its own code: clients learn that the transaction is over.
func (s *Spec) wrongArity() error {
	err := wire.WrongArity(s.FullName)
	if s.Name == "EXEC" {
		return wire.ExecAbort(wire.Error(strings.TrimPrefix(string(err), "ERR ")))
	}
	return err
}
