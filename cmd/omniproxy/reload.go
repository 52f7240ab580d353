package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.uber.org/zap"
)

// reload reads everything anew that a start reads, and then makes all of it count that a running process can change; the log
// says what waits for a restart. If anything is wrong nothing changes.
func (p *process) reload() {
	notify(p.log, stateReloading)
	defer notify(p.log, stateReady)
	r, err := p.readAgain()
	if err == nil {
		err = r.reopenAudits()
	}
	if err != nil {
		p.log.Error("the settings stay as they are, for the new ones are wrong", zap.Error(err))
		return
	}
	changed, waiting := r.changed(), r.waiting()
	for _, change := range r.doors {
		change.takeUsers()
		change.take()
	}
	p.adopt(r.doors[0].settings)
	p.log.Info("the settings are read again", zap.Strings("changed", changed))
	for _, warning := range r.warnings {
		p.log.Warn(warning)
	}
	if len(waiting) > 0 {
		p.log.Warn("some settings have changed that take effect with the next start", zap.Strings("settings", waiting))
	}
}

// adopt makes the settings of the process count.
func (p *process) adopt(s Settings) {
	if s.LogLevel != p.settings.LogLevel { // else it may be another one by CONFIG SET
		if err := p.level.UnmarshalText([]byte(s.LogLevel)); err != nil {
			p.log.Error("log level", zap.Error(err))
		}
	}
	p.settings = s
}

// reloading is what a reload has read.
type reloading struct {
	doors    []*doorChange // at least one
	others   bool          // there are to be more listeners, or fewer
	warnings []string
	flags    []flagName
}

// flagName is a flag, and whether a reload takes it.
type flagName struct {
	name   string
	reload bool
}

// doorChange is what becomes of a door.
type doorChange struct {
	service  *service
	door     *door
	settings Settings // that it can have at once
	files    loadedFiles
	wanted   Settings // that it would have after a restart
}

// readAgain reads and judges everything, and changes nothing.
func (p *process) readAgain() (*reloading, error) {
	wanted, warnings, err := p.source.read()
	if err != nil {
		return nil, err
	}
	r := &reloading{warnings: warnings}
	for _, flag := range p.source.flags {
		r.flags = append(r.flags, flagName{flag.Name, reloads(flag)})
	}
	for _, s := range wanted { // also those that cannot be had at once: the next start must not fail
		if err := s.usable(); err != nil {
			return nil, err
		}
	}
	matched := p.match(wanted)
	r.others = len(matched) != len(wanted) || len(matched) != len(p.doors())
	for _, v := range p.services {
		for _, d := range v.doors {
			next, ok := matched[d]
			if !ok {
				next = d.settings
			}
			c := &doorChange{service: v, door: d, wanted: next}
			if c.settings, err = p.source.mix(d.settings, next); err == nil {
				err = c.settings.protected()
			}
			if err == nil {
				c.files, err = c.settings.readFiles()
			}
			if err != nil {
				return nil, err
			}
			r.doors = append(r.doors, c)
		}
	}
	return r, r.agree()
}

// usable reports what would keep a start from having these settings.
func (s Settings) usable() error {
	if err := s.protected(); err != nil {
		return err
	}
	_, err := s.readFiles()
	return err
}

// doors are those of all services.
func (p *process) doors() (all []*door) {
	for _, v := range p.services {
		all = append(all, v.doors...)
	}
	return all
}

// match finds for each door the settings that are meant for it: those with its address, or if it gets another one the first
// that are left over.
func (p *process) match(wanted []Settings) map[*door]Settings {
	matched := map[*door]Settings{}
	take := func(d *door, fits func(Settings) bool) {
		if i := slices.IndexFunc(wanted, fits); i >= 0 {
			matched[d] = wanted[i]
			wanted = slices.Delete(slices.Clone(wanted), i, i+1)
		}
	}
	doors := p.doors()
	for _, d := range doors {
		take(d, func(s Settings) bool { return s.Listen == d.settings.Listen })
	}
	for _, d := range doors {
		if _, ok := matched[d]; !ok {
			take(d, func(Settings) bool { return true })
		}
	}
	return matched
}

// agree reports whether doors that have their users in common are to get different ones, or the other way round: clients
// would no longer be who they logged in as.
func (r *reloading) agree() error {
	for i, a := range r.doors {
		for _, b := range r.doors[:i] {
			common := a.settings.Users == b.settings.Users && a.settings.Password == b.settings.Password
			if a.service == b.service && common != (a.door.files.users == b.door.files.users) {
				return fmt.Errorf("%v and %v lead to the same data: with users of their own in one and in common in the other version of the settings, they need a restart",
					b.door.bound, a.door.bound)
			}
		}
	}
	return nil
}

func (r *reloading) reopenAudits() error {
	var all []error
	for i, c := range r.doors {
		if i == 0 || c.service != r.doors[i-1].service {
			all = append(all, c.service.audit.Reopen())
		}
	}
	return errors.Join(all...)
}

// takeUsers makes the users those of the new settings. What clients changed of them by ACL and CONFIG SET stays if neither
// the settings nor the file say anything new.
func (c *doorChange) takeUsers() {
	running := c.door.files.users
	if c.files.usersText != c.door.files.usersText || c.settings.Users != c.door.settings.Users {
		c.service.server.ReloadUsers(running, c.files.users)
	}
	c.files.users = running
}

// take makes the rest count. Limits that a client changed by CONFIG SET stay if the settings say nothing new.
func (c *doorChange) take() {
	v, d := c.service, c.door
	d.front.Exchange(c.settings.listener(c.files, v.log))
	if was := d.settings; c.settings.MaxClients != was.MaxClients || c.settings.Limits != was.Limits {
		c.settings.limit(v.server)
	}
	if !reflect.DeepEqual(c.settings.Layout, d.settings.Layout) {
		v.server.Validation.React(c.settings.Layout.General, c.settings.Layout.Rules)
	}
	d.settings, d.files, v.settings = c.settings, c.files, v.doors[0].settings
}

// changed names the settings that differ now, and the files of which the content does.
func (r *reloading) changed() []string {
	return r.names(func(c *doorChange, f flagName) bool {
		was, is := c.door.settings, c.settings
		switch {
		case !f.reload:
			return false
		case f.name == "users" && is.Users != "":
			return c.files.usersText != c.door.files.usersText || is.Users != was.Users
		case f.name == "requirepass-file" && was.Password != is.Password && passwordFromFile(is.reading.given):
			return true
		}
		return was.reading.texts[f.name] != is.reading.texts[f.name]
	})
}

// waiting names the settings that differ and need a restart.
func (r *reloading) waiting() []string {
	names := r.names(func(c *doorChange, f flagName) bool {
		return !f.reload && c.wanted.reading.texts[f.name] != c.door.settings.reading.texts[f.name]
	})
	if r.others {
		names = append(names, "listeners")
	}
	return names
}

// names lists the settings that differ, and of which listeners if not of all.
func (r *reloading) names(differs func(*doorChange, flagName) bool) (names []string) {
	for _, f := range r.flags {
		var some []string
		for _, c := range r.doors {
			if differs(c, f) {
				some = append(some, f.name+" of "+c.door.bound.String())
			}
		}
		if len(some) == len(r.doors) {
			some = []string{f.name}
		}
		names = append(names, some...)
	}
	return names
}
