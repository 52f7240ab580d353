package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/omniproxy/omniproxy/resp/glob"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Reply answers COMMAND and its subcommands in the shapes of Redis 7.0; args is
// the whole call. Only what is supported is listed or found. Unlike Redis, the
// order is by name, and there are no notes, complexity or history, nor a
// summary but ours. On an error nothing has been written.
func Reply(w *wire.Writer, args [][]byte, supported func(*Spec) bool) error {
	s, err := Check(args)
	if err != nil {
		return err
	}
	c := catalog{w, supported}
	switch s.Name {
	case "COMMAND":
		c.infos(c.commands())
	case "COMMAND COUNT":
		w.Int(int64(len(c.commands())))
	case "COMMAND INFO":
		c.infos(c.named(args[2:]))
	case "COMMAND DOCS":
		c.docsByName(slices.DeleteFunc(c.named(args[2:]), func(s *Spec) bool { return s == nil }))
	case "COMMAND LIST":
		return c.list(args[2:])
	case "COMMAND GETKEYS":
		return c.keys(args[2:], false)
	case "COMMAND GETKEYSANDFLAGS":
		return c.keys(args[2:], true)
	case "COMMAND HELP":
		Help(w, table().byName["COMMAND"], supported)
	default:
		return fmt.Errorf("reply to COMMAND: the call is %s", s.Name)
	}
	return nil
}

// Help answers the HELP subcommand of a container: each supported subcommand
// with its arguments, and below it what it does.
func Help(w *wire.Writer, container *Spec, supported func(*Spec) bool) {
	lines := []string{container.Name + " <subcommand> [argument ...]. Subcommands:"}
	if container.ArityOK(1) {
		lines = append(lines, "(none)", "    "+container.Doc)
	}
	for _, s := range filter(container.Subcommands, supported) {
		_, synopsis, _ := strings.Cut(s.Synopsis(), " ")
		lines = append(lines, synopsis, "    "+s.Doc)
	}
	w.Array(len(lines))
	for _, l := range lines {
		w.Status(l)
	}
}

// catalog writes what is known about the supported commands.
type catalog struct {
	w         *wire.Writer
	supported func(*Spec) bool
}

func filter(specs []*Spec, keep func(*Spec) bool) []*Spec {
	var kept []*Spec
	for _, s := range specs {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// commands are the supported commands without their subcommands.
func (c catalog) commands() []*Spec {
	return filter(table().all, func(s *Spec) bool { return !s.isSubcommand() && c.supported(s) })
}

// named looks up full names, nil for one that is not there; no names means all
// commands.
func (c catalog) named(names [][]byte) []*Spec {
	if len(names) == 0 {
		return c.commands()
	}
	specs := make([]*Spec, len(names))
	for i, name := range names {
		if s := Find(string(name)); s != nil && c.supported(s) {
			specs[i] = s
		}
	}
	return specs
}

func (c catalog) infos(specs []*Spec) {
	c.w.Array(len(specs))
	for _, s := range specs {
		c.info(s)
	}
}

func (c catalog) info(s *Spec) {
	if s == nil {
		c.w.Null()
		return
	}
	c.w.Array(10)
	c.w.BulkString(s.FullName)
	c.w.Int(int64(s.Arity))
	c.flags(s.Flags.Names())
	c.w.Int(int64(s.Range.First))
	c.w.Int(int64(s.Range.Last))
	c.w.Int(int64(s.Range.Step))
	c.flags(s.Categories.Names())
	c.w.Set(len(s.Tips))
	for _, tip := range s.Tips {
		c.w.BulkString(tip)
	}
	c.w.Set(len(s.KeySpecs))
	for i := range s.KeySpecs {
		c.keySpec(&s.KeySpecs[i])
	}
	if subs := filter(s.Subcommands, c.supported); len(subs) > 0 {
		c.infos(subs)
	} else {
		c.w.Set(0)
	}
}

func (c catalog) flags(names []string) {
	c.w.Set(len(names))
	for _, name := range names {
		c.w.Status(name)
	}
}

func (c catalog) keySpec(k *KeySpec) {
	c.w.Map(3)
	c.w.BulkString("flags")
	c.flags(k.Flags.Names())
	c.w.BulkString("begin_search")
	b := k.Begin
	switch b.Type {
	case "index":
		c.rule(b.Type, param{"index", b.Index})
	case "keyword":
		c.w.Map(2)
		c.text("type", b.Type)
		c.w.BulkString("spec")
		c.w.Map(2)
		c.text("keyword", b.Keyword)
		c.number("startfrom", b.StartFrom)
	default:
		c.rule(b.Type)
	}
	c.w.BulkString("find_keys")
	f := k.Find
	switch f.Type {
	case "range":
		c.rule(f.Type, param{"lastkey", f.LastKey}, param{"keystep", f.KeyStep}, param{"limit", f.Limit})
	case "keynum":
		c.rule(f.Type, param{"keynumidx", f.KeyNumIdx}, param{"firstkey", f.FirstKey}, param{"keystep", f.KeyStep})
	default:
		c.rule(f.Type)
	}
}

// param is a parameter of a key spec.
type param struct {
	name string
	n    int
}

// rule writes one half of a key spec whose parameters are numbers.
func (c catalog) rule(typ string, params ...param) {
	c.w.Map(2)
	c.text("type", typ)
	c.w.BulkString("spec")
	c.w.Map(len(params))
	for _, p := range params {
		c.number(p.name, p.n)
	}
}

func (c catalog) number(name string, n int) {
	c.w.BulkString(name)
	c.w.Int(int64(n))
}

func (c catalog) text(name, value string) {
	c.w.BulkString(name)
	c.w.BulkString(value)
}

func (c catalog) docsByName(specs []*Spec) {
	c.w.Map(len(specs))
	for _, s := range specs {
		c.w.BulkString(s.FullName)
		c.docs(s)
	}
}

// count is how many of the conditions hold: the size of a map with optional
// entries.
func count(conditions ...bool) int {
	n := 0
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

func (c catalog) docs(s *Spec) {
	subs := filter(s.Subcommands, c.supported)
	c.w.Map(3 + count(s.DocFlags != 0, s.DeprecatedSince != "", s.ReplacedBy != "", s.Arguments != nil, subs != nil))
	c.text("summary", s.Doc)
	c.text("since", s.Since)
	c.text("group", s.Group)
	if s.DocFlags != 0 {
		c.w.BulkString("doc_flags")
		c.flags(s.DocFlags.Names())
	}
	if s.DeprecatedSince != "" {
		c.text("deprecated_since", s.DeprecatedSince)
	}
	if s.ReplacedBy != "" {
		c.text("replaced_by", s.ReplacedBy)
	}
	if s.Arguments != nil {
		c.w.BulkString("arguments")
		c.arguments(s.Arguments)
	}
	if subs != nil {
		c.w.BulkString("subcommands")
		c.docsByName(subs)
	}
}

func (c catalog) arguments(args []Argument) {
	c.w.Array(len(args))
	for i := range args {
		a := &args[i]
		c.w.Map(2 + count(a.KeySpecIndex != nil, a.hasToken(), a.Since != "", a.DeprecatedSince != "", a.Flags != 0, a.Arguments != nil))
		c.text("name", a.Name)
		c.text("type", a.Type)
		if a.KeySpecIndex != nil {
			c.number("key_spec_index", *a.KeySpecIndex)
		}
		if a.hasToken() {
			c.text("token", a.Token)
		}
		if a.Since != "" {
			c.text("since", a.Since)
		}
		if a.DeprecatedSince != "" {
			c.text("deprecated_since", a.DeprecatedSince)
		}
		if a.Flags != 0 {
			c.w.BulkString("flags")
			c.flags(a.Flags.Names())
		}
		if a.Arguments != nil {
			c.w.BulkString("arguments")
			c.arguments(a.Arguments)
		}
	}
}

// list answers COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN
// pattern]; there are no modules.
func (c catalog) list(args [][]byte) error {
	pass := func(*Spec) bool { return true }
	if len(args) > 0 {
		if len(args) != 3 || !is(args[0], "FILTERBY") {
			return wire.ErrSyntax
		}
		switch value := args[2]; {
		case is(args[1], "MODULE"):
			pass = func(*Spec) bool { return false }
		case is(args[1], "ACLCAT"):
			category := categoryNamed(value)
			pass = func(s *Spec) bool { return s.Categories&category != 0 }
		case is(args[1], "PATTERN"):
			pass = func(s *Spec) bool { return glob.Match(value, []byte(s.FullName), true) }
		default:
			return wire.ErrSyntax
		}
	}
	specs := filter(table().all, func(s *Spec) bool { return c.supported(s) && pass(s) })
	c.w.Array(len(specs))
	for _, s := range specs {
		c.w.BulkString(s.FullName)
	}
	return nil
}

// keys answers COMMAND GETKEYS and GETKEYSANDFLAGS for the call args.
func (c catalog) keys(args [][]byte, withFlags bool) error {
	s := Lookup(args)
	switch {
	case s == nil, !c.supported(s), s.IsContainer() && len(args) > 1:
		return wire.ErrGetKeysCommand
	case !s.HasKeys():
		return wire.ErrNoKeysInCommand
	}
	keys, err := s.AppendKeys(nil, args)
	if err != nil {
		return err
	}
	c.w.Array(len(keys))
	for _, k := range keys {
		if withFlags {
			c.w.Array(2)
		}
		c.w.Bulk(args[k.Pos])
		if withFlags {
			c.flags(k.Flags.Names())
		}
	}
	return nil
}
