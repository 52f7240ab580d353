package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"syscall"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/resp"
)

// directory is the json backend of a service.
type directory struct {
	*jsonbackend.Backend
	service *service
}

// openDirectory makes the backend of a data directory, which is not looked at yet, and its server.
func (v *service) openDirectory(shutdown func()) error {
	s := v.settings
	var policy aof.Policy
	if err := policy.UnmarshalText([]byte(s.Fsync)); err != nil {
		return err
	}
	b, err := jsonbackend.New(jsonbackend.Options{
		Dir:        s.Dir,
		Prefix:     s.Prefix,
		DB:         s.DB,
		Fsync:      policy,
		MetricsCap: s.MetricsCap,
		ReadOnly:   s.ReadOnly,
		Ephemeral:  s.Ephemeral,
		Stop:       shutdown,
		LogLevel:   v.level,
		Added:      v.metrics.Added(),
		Events:     v.metrics.JSONEvents(storeEvents(v.log, omniDaemon(s, v.doors[0].bound))),
	})
	if err != nil {
		return err
	}
	server := &resp.Server{Backend: b, Users: v.doors[0].files.users, Events: serverEvents(v.log), Validation: s.validation(v.log)}
	server.Filters = append(server.Filters, resp.RefuseWhile(b.Loading))
	s.limit(server)
	b.ServedBy(server)
	v.metrics.ServesJSON(server, b)
	v.server, v.backend = server, directory{b, v}
	return nil
}

// takenBy explains why an address could not be bound: by the omniproxy that serves the directory there, if that is why.
func takenBy(dir string, err error) error {
	if busy := jsonbackend.Busy(dir); busy != nil {
		return busy
	}
	return err
}

// loadGCPercent is GOGC while a directory is opened.
const loadGCPercent = 20

// load loads the directory. That leaves a lot of garbage behind, and what a large directory takes at its peak decides
// what fits into a machine: memory counts more than time here.
func (d directory) load() error {
	defer debug.FreeOSMemory()
	defer debug.SetGCPercent(debug.SetGCPercent(loadGCPercent))
	if err := d.Load(); err != nil {
		return withRemedy(err)
	}
	return d.Announce(d.service.doors[0].bound.String())
}

// withRemedy says what to do about a directory that cannot be loaded, where that is the user's to know.
func withRemedy(err error) error {
	var syntax *pyjson.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%w; mend the file, or choose another directory with --dir", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let this user write there, or choose another directory with --dir", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; choose a directory with --dir", err)
	}
	return err
}

func (d directory) announce() {
	s, log := d.service.settings, d.service.log
	log.Info(startLine(s, d.Counts(), d.service.doors[0].bound))
	if s.Note != "" {
		log.Info(s.Note)
	}
}

func (d directory) shutdown() error {
	if d.Loading() {
		return nil // it never came so far
	}
	return d.Shutdown(context.Background())
}

func (d directory) sync() error { return d.Sync() }
