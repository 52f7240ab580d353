package resp

import (
	"fmt"
	"strings"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Names are the commands that clients of a [Listener] know by another name than Redis', or not at all. Such a command is
// answered as one that does not exist, as rename-command of Redis' configuration has it, and spoils a transaction.
type Names struct {
	denied  map[*command.Spec]bool
	renamed map[string][]byte      // Redis' name by the new one, both in upper case
	moved   map[*command.Spec]bool // whose own name is no longer known

	categories bool // some are denied by category: then a command that nobody knows the categories of is, too
}

// NewNames reads what is denied, as commands ("flushall"), subcommands ("config|set") and categories ("@dangerous"), and
// what is renamed, as pairs ("config=settings"). A container that is denied takes its subcommands along.
func NewNames(denied, renamed []string) (*Names, error) {
	n := &Names{denied: map[*command.Spec]bool{}, renamed: map[string][]byte{}, moved: map[*command.Spec]bool{}}
	for _, word := range denied {
		if err := n.deny(word); err != nil {
			return nil, err
		}
	}
	for _, pair := range renamed {
		if err := n.rename(pair); err != nil {
			return nil, err
		}
	}
	for to := range n.renamed {
		if spec := command.Find(to); spec != nil && !n.moved[spec] {
			return nil, fmt.Errorf("%s: a command has this name already", strings.ToLower(to))
		}
	}
	return n, nil
}

func (n *Names) deny(word string) error {
	if !strings.HasPrefix(word, "@") {
		spec := command.Find(word)
		if spec == nil {
			return fmt.Errorf("%s: no such command", word)
		}
		n.denied[spec] = true
		for _, sub := range spec.Subcommands {
			n.denied[sub] = true
		}
		return nil
	}
	specs, ok := InCategory(word)
	if !ok {
		return fmt.Errorf("%s: no such category", word)
	}
	n.categories = true
	for _, spec := range specs {
		if !spec.IsContainer() || spec.ArityOK(1) { // a container is no command of its own, but for COMMAND
			n.denied[spec] = true
		}
	}
	return nil
}

// InCategory returns the commands of an ACL category, written with its "@"; "@all" are all. ok is false if there is no such
// category.
func InCategory(category string) (specs []*command.Spec, ok bool) {
	category = strings.ToLower(category)
	for spec := range command.Known() {
		member := category == "@all"
		for _, name := range spec.Categories.Names() {
			member = member || name == category
		}
		if member {
			specs = append(specs, spec)
		}
	}
	return specs, len(specs) > 0
}

func (n *Names) rename(pair string) error {
	from, to, ok := strings.Cut(pair, "=")
	spec := command.Find(from)
	to = strings.ToUpper(to)
	switch {
	case !ok || to == "" || strings.ContainsAny(to, " |"):
		return fmt.Errorf("%s: write COMMAND=NAME", pair)
	case spec == nil || strings.Contains(from, "|"):
		return fmt.Errorf("%s: no such command; subcommands keep their names", from)
	case n.moved[spec] || n.renamed[to] != nil:
		return fmt.Errorf("%s: renamed twice", pair)
	}
	n.renamed[to], n.moved[spec] = []byte(spec.Name), true
	return nil
}

// Denies reports whether a command is denied.
func (n *Names) Denies(name string) bool { return n.denied[command.Find(name)] }

// apply puts Redis' name in the place of the one that the client knows, or refuses the command as unknown.
func (n *Names) apply(c *Command) {
	if len(n.renamed) > 0 {
		if name := n.renamed[strings.ToUpper(string(c.Args[0]))]; name != nil {
			c.Args[0], c.Raw = name, nil
		} else if n.moved[command.Lookup(c.Args[:1])] {
			c.Refused = wire.UnknownCommand(c.Args)
			return
		}
	}
	if spec := command.Lookup(c.Args); n.denied[spec] {
		c.Refused = wire.UnknownCommand(c.Args)
		if container := command.Lookup(c.Args[:1]); !n.denied[container] {
			c.Refused = wire.UnknownSubcommand(c.Args[0], c.Args[1])
		}
	}
}
