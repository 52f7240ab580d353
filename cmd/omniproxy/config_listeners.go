package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// reading is what the settings of a listener were made from.
type reading struct {
	given given
	texts map[string]string // what each flag is set to, by whomever
}

// settingsSource is what the settings of serve are read from, at a start and again at a reload.
type settingsSource struct {
	word    *serveWord          // where flags leave their values
	typed   map[*kong.Flag]bool // those on the command line
	values  serveWord           // which set these values
	flags   []*kong.Flag        // of serve
	path    string              // of the file; "" = none
	machine machine
}

// settingsSource returns where serve has its settings from. path is the file that the command line names, if any.
func (c *cli) settingsSource(ctx *kong.Context, path string, m machine) *settingsSource {
	if value, ok := m.lookupEnv(variable("config")); path == "" && ok {
		path = value
	}
	return &settingsSource{&c.Serve, typedFlags(ctx), c.Serve, ctx.Model.DefaultCmd.Flags, path, m}
}

// read returns one Settings for each listener in the file, or a single one.
func (r *settingsSource) read() (all []Settings, warnings []string, err error) {
	layers, warnings, err := readConfig(r.path, r.flags)
	if err != nil {
		return nil, nil, err
	}
	for _, layer := range layers {
		*r.word = r.values
		g, err := fillFrom(r.flags, r.typed, r.machine, layer)
		if err != nil {
			return nil, nil, err
		}
		s, err := r.settings(g)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, s)
	}
	return all, warnings, agree(r.flags, all)
}

// settings gives the values that the flags have now their meaning.
func (r *settingsSource) settings(g given) (Settings, error) {
	s, err := r.word.settings(g, r.machine)
	if err != nil {
		return Settings{}, err
	}
	s.reading = &reading{g, map[string]string{}}
	for _, flag := range r.flags {
		s.reading.texts[flag.Name] = fmt.Sprint(flag.Target)
	}
	return s, nil
}

// mix returns the settings that a running listener can have at once: of next those that a reload takes, else its own.
func (r *settingsSource) mix(running, next Settings) (Settings, error) {
	var g given
	for _, flag := range r.flags {
		from := running.reading
		if reloads(flag) {
			from = next.reading
		}
		if err := set(flag, setting{value: from.texts[flag.Name]}); err != nil {
			return Settings{}, err
		}
		if s := from.given.of(flag.Name); s.origin != "" {
			g = append(g, s)
		}
	}
	return r.settings(g)
}

// agree reports whether listeners contradict each other: two at one address, or two that lead to the same directory or Redis
// and want it to be served in different ways.
func agree(flags []*kong.Flag, all []Settings) error {
	for i, b := range all {
		for _, a := range all[:i] {
			if a.Listen == b.Listen && !a.Listen.anyPort() {
				return fmt.Errorf("%s: another listener has this address", b.reading.where("listen"))
			}
			if a.served() != b.served() {
				continue
			}
			for _, flag := range flags {
				name := flag.Name
				if scopeOf(flag) == scopeBackend && name != "dir" && a.reading.texts[name] != b.reading.texts[name] {
					return fmt.Errorf("%s: another listener leads to %s, and this setting must be the same for both", b.differs(a, name), shownBackend(b))
				}
			}
		}
	}
	return nil
}

// differs names the place where b says another thing than a.
func (b Settings) differs(a Settings, flag string) string {
	if b.reading.given.of(flag).origin == "" {
		return a.reading.where(flag)
	}
	return b.reading.where(flag)
}

// where names the place that set a flag.
func (r *reading) where(flag string) string {
	if s := r.given.of(flag); s.origin != "" {
		return s.String()
	}
	return flag
}

// served tells backends apart: listeners for which it is the same share one.
func (s Settings) served() string {
	if s.Backend == "redis" {
		return "redis " + string(s.Upstream)
	}
	return "json " + realPath(s.Dir)
}

// shownBackend names what is served, without what is secret.
func shownBackend(s Settings) string {
	if s.Backend == "redis" {
		return shownUpstream(s)
	}
	return s.Dir
}

// anyPort reports whether the address is that of no other listener, whatever theirs is.
func (a Address) anyPort() bool {
	_, port := a.hostPort()
	return a.Network == "tcp" && strings.Trim(port, "0") == ""
}
