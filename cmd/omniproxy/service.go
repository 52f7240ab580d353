package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/metrics"
	"github.com/omniproxy/omniproxy/resp"
)

// service is a backend and the doors that lead to it. Clients of all its doors are clients of one server: they see each
// other in CLIENT LIST and share its limits.
type service struct {
	settings Settings // of the backend: all doors say the same of it
	log      *zap.Logger
	level    *redisLevel
	metrics  *metrics.Service // nil without --metrics-listen
	doors    []*door
	server   *resp.Server
	backend  backend
	audit    audit
}

// door is where clients come in: a listener with the settings that hold for who comes in there.
type door struct {
	settings Settings
	files    loadedFiles
	listener net.Listener
	bound    Address
	front    *resp.Front // what holds for its clients; a reload exchanges it
}

// backend is what the process asks of a directory or a Redis.
type backend interface {
	// load returns when clients can be answered, or why they never can.
	load() error
	// announce says what is served, and where.
	announce()
	// shutdown makes everything durable, after the last client has gone.
	shutdown() error
	// sync makes durable what clients were told, when there is no time for shutdown.
	sync() error
}

// read reads the files that the settings name.
func (v *service) read() (err error) {
	for _, d := range v.doors {
		if d.files, err = d.settings.readFiles(); err != nil {
			return err
		}
		for _, other := range v.doors { // users that are the same are known at both doors when one has changed them
			if other.files.users != nil && other.settings.Users == d.settings.Users && other.settings.Password == d.settings.Password {
				d.files.users = other.files.users
				break
			}
		}
	}
	return nil
}

// bind binds the address of each door, or takes the socket that was inherited.
func (v *service) bind(from *inheritance) (err error) {
	for _, d := range v.doors {
		if d.listener, err = from.listen(d.settings.Listen); err != nil {
			if v.settings.Backend == "json" {
				return takenBy(v.settings.Dir, err)
			}
			return err
		}
		d.bound = Address{d.settings.Listen.Network, d.listener.Addr().String()}
	}
	return nil
}

// open makes server and backend. Clients are not let in yet. A client's SHUTDOWN calls shutdown.
func (v *service) open(shutdown func()) (err error) {
	if v.audit, err = v.settings.openAudit(v.log); err != nil {
		return usageError{err}
	}
	if v.settings.Backend == "redis" {
		err = v.openProxy()
	} else {
		err = v.openDirectory(shutdown)
	}
	if err == nil {
		v.server.Audit = v.audit.Audit
		for _, d := range v.doors {
			d.front = resp.NewFront(d.settings.listener(d.files, v.log))
		}
	}
	return err
}

// serve lets clients in. An error, which ends a door, goes to failed.
func (v *service) serve(failed chan<- error) {
	for _, d := range v.doors {
		go func() { failed <- v.server.ServeOn(d.listener, d.front) }()
	}
}

// end lets clients go and makes everything durable.
func (v *service) end() error {
	if v.server == nil {
		return nil // it was never opened
	}
	drain, cancel := context.WithTimeout(context.Background(), v.settings.Drain)
	defer cancel()
	v.server.Drain(drain)
	return errors.Join(v.backend.shutdown(), v.audit.Close())
}

// sync makes durable what clients were told.
func (v *service) sync() error {
	if v.server == nil {
		return nil
	}
	return v.backend.sync()
}

// filters are those that the settings ask for on any backend.
func (s Settings) filters(log *zap.Logger) (filters []resp.Filter) {
	if s.MaxBlock.Auto || s.MaxBlock.Limit > 0 {
		filters = append(filters, resp.CapBlock(s.MaxBlock.Limit, func(client string, asked, given time.Duration) {
			log.Info("BLOCK is capped, as --max-block says", zap.String("client", client), zap.Duration("asked", asked), zap.Duration("given", given))
		}))
	}
	return filters
}

// listen binds the address that a flag names. A unix socket that a dead process left is taken over.
func listen(flag string, a Address) (net.Listener, error) {
	l, err := net.Listen(a.Network, a.Addr)
	if a.Network == "unix" && errors.Is(err, syscall.EADDRINUSE) && abandoned(a.Addr) && os.Remove(a.Addr) == nil {
		l, err = net.Listen(a.Network, a.Addr)
	}
	if err != nil {
		return nil, cannotListen(flag, a, err)
	}
	return l, nil
}

// cannotListen says why the address that a flag names cannot be had, and what to do where that is not plain.
func cannotListen(flag string, a Address, err error) error {
	var call *net.OpError
	if errors.As(err, &call) {
		err = call.Err // which does not say the address once more
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("cannot listen on %s: %w; stop the program that listens there, or choose another address with --%s", a, err, flag)
	}
	return fmt.Errorf("cannot listen on %s: %w", a, err)
}

// abandoned reports whether path is a socket on which nobody listens.
func abandoned(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
