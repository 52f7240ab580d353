package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/config"
)

// rank says which of several places that set a flag counts: the highest one.
type rank int

const (
	byDefault  rank = iota
	byFallback      // OmniDaemon's variable
	byFile          // the top level of the file
	byListener      // a listener in the file
	byVariable      // OMNIPROXY_*
	byCommandLine
)

// setting is a flag that was given.
type setting struct {
	flag    string // its name without dashes
	origin  string // what set it: "--dir", "OMNIPROXY_DIR", "omniproxy.yaml:3", "JSON_STORAGE_DIR"
	at      string // where in a file: "omniproxy.yaml:3:6"; "" if not there
	rank    rank
	value   string
	secret  bool
	changed bool // value is not the flag's default
}

// onCommandLine reports whether the command line set it.
func (s setting) onCommandLine() bool { return s.rank == byCommandLine }

// own reports whether a name of omniproxy's own set it, rather than one that OmniDaemon reads, too.
func (s setting) own() bool { return s.rank > byFallback }

// String returns the setting as the user wrote it, without its password: "OMNIPROXY_DB=99", "omniproxy.yaml:3:5: db=99".
func (s setting) String() string {
	value := redact(s.value)
	if s.secret {
		value = hidden
	}
	if s.at != "" {
		return s.at + ": " + s.flag + "=" + value
	}
	return s.origin + "=" + value
}

// given lists the flags that were given, in the order of cli.
type given []setting

// of returns what was given for flag; its origin is "" if nothing was.
func (g given) of(flag string) setting {
	for _, s := range g {
		if s.flag == flag {
			return s
		}
	}
	return setting{}
}

// variable returns the environment variable of a flag.
func variable(flag string) string {
	return "OMNIPROXY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// typedFlags are those that the command line sets.
func typedFlags(ctx *kong.Context) map[*kong.Flag]bool {
	typed := map[*kong.Flag]bool{}
	for _, path := range ctx.Path {
		typed[path.Flag] = true
	}
	return typed
}

// fill sets, from the environment, the selected word's flags that the command line does not set, and tells which flags
// were given in either place.
func fill(ctx *kong.Context, m machine) (given, error) {
	return fillFrom(ctx.Selected().Flags, typedFlags(ctx), m, fileLayer{})
}

// fillFrom does what fill does with some flags, of which the command line has set those that are typed, and a file.
func fillFrom(flags []*kong.Flag, typed map[*kong.Flag]bool, m machine, file fileLayer) (given, error) {
	var g given
	for _, flag := range flags {
		s := setting{flag: flag.Name, secret: flag.Tag.Has("secret")}
		switch {
		case typed[flag]:
			s.origin, s.rank = "--"+flag.Name, byCommandLine
		case flag.Tag.Has("typed"):
			continue
		case !s.lookUp(flag, m, file):
			continue
		default:
			if err := set(flag, s); err != nil {
				return nil, err
			}
		}
		if s.rank > byListener {
			if own, ok := file.listener.Values[flag.Name]; ok {
				return nil, fmt.Errorf("%s would overrule what a listener says in %v: take out one of them", s.origin, own.At)
			}
		}
		s.value = fmt.Sprint(flag.Target)
		if s.changed = s.value != flag.Default; flag.IsBool() {
			s.changed = flag.Target.Bool()
		}
		g = append(g, s)
	}
	return g, nil
}

// lookUp finds what sets a flag that the command line does not set. A variable set to nothing counts as not set, because
// that is how shells and compose files pass on what they were not told; but an empty prefix is a prefix.
func (s *setting) lookUp(flag *kong.Flag, m machine, file fileLayer) bool {
	if s.lookUpVariable(flag, variable(flag.Name), m) {
		s.rank = byVariable
		return true
	}
	var v config.Value
	if v, s.rank = file.of(flag.Name); s.rank != byDefault {
		s.value, s.at, s.origin = v.Text, v.At.String(), fmt.Sprintf("%s:%d", v.At.File, v.At.Line)
		return true
	}
	s.rank = byFallback
	return s.lookUpVariable(flag, flag.Tag.Get("fallback"), m)
}

func (s *setting) lookUpVariable(flag *kong.Flag, name string, m machine) bool {
	value, ok := m.lookupEnv(name)
	s.origin, s.value = name, value
	return ok && (value != "" || flag.Tag.Has("empty"))
}

// set puts what a variable or a file says into flag. Booleans take the words that they take on the command line.
func set(flag *kong.Flag, s setting) error {
	if !flag.IsBool() {
		flag.Target.SetString(s.value)
		return nil
	}
	switch strings.ToLower(s.value) {
	case "true", "1", "yes":
		flag.Target.SetBool(true)
	case "false", "0", "no":
		flag.Target.SetBool(false)
	default:
		return fmt.Errorf("%s: choose true or false", s)
	}
	return nil
}
