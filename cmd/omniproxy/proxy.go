package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/passthrough"
	"github.com/omniproxy/omniproxy/resp"
)

// serveProxy stands in front of a Redis until SIGINT or SIGTERM and returns the exit code.
func serveProxy(s Settings, log *zap.Logger, signals <-chan os.Signal) int {
	listener, err := listen(s.Listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		return exitFailed
	}
	defer listener.Close()
	bound := Address{s.Listen.Network, listener.Addr().String()}
	server := &resp.Server{Filters: s.filters(log), Validation: s.validation(log), Events: serverEvents(log), Forward: true, BaseID: 1 << 40}
	server.SetPassword(string(s.Password))
	server.SetMaxClients(int64(s.MaxClients))
	backend, err := openProxy(s, log, bound, server)
	if err != nil {
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		return exitUsage
	}
	server.Backend = backend
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	announceReady(s, log, bound)
	return endProxy(s, backend, server, log, signals, failed)
}

// openProxy reads the files that the settings name and begins to look for Redis.
func openProxy(s Settings, log *zap.Logger, bound Address, server *resp.Server) (*passthrough.Backend, error) {
	if s.UsersFile != "" {
		users, err := readUsers(s.UsersFile)
		if err != nil {
			return nil, err
		}
		server.SetUsers(users)
	}
	complete, err := s.TLS.load()
	if err != nil {
		return nil, err
	}
	s.caution(log)
	pool := passthrough.Session
	if s.Pool == "shared" {
		pool = passthrough.Shared
	}
	here := thisMachine()
	return passthrough.Open(passthrough.Options{
		URL:          string(s.Upstream),
		TLSConfig:    complete,
		Pool:         pool,
		Lanes:        s.Lanes,
		Pins:         s.Pins,
		PinTime:      s.PinTime,
		IdleTime:     s.IdleTime,
		Buffers:      s.Buffers,
		Passthrough:  s.Auth == "passthrough",
		DialTimeout:  s.DialTimeout,
		QueueTimeout: s.QueueTimeout,
		ReadTimeout:  s.ReadTimeout,
		DrainTimeout: s.Drain,
		Self:         func(a net.Addr) bool { return here.reaches(bound, a.Network(), a.String()) },
		Events:       proxyEvents(s, log, bound),
	})
}

// caution warns of what was asked for and is not safe.
func (s Settings) caution(log *zap.Logger) {
	if s.Upstream.hasPassword() && s.followed.of("upstream").onCommandLine() {
		log.Warn("process lists show the password in --upstream: set OMNIPROXY_UPSTREAM instead")
	}
	if s.TLS.SkipVerify {
		log.Warn("the upstream's certificate is not checked: whoever is on the way can read and change everything")
	}
}

// endProxy waits for the end and lets clients go.
func endProxy(s Settings, backend *passthrough.Backend, server *resp.Server, log *zap.Logger, signals <-chan os.Signal, failed <-chan error) int {
	var err error
	select {
	case sig := <-signals:
		log.Info("stopping; a second signal stops at once", zap.Stringer("signal", sig))
	case err = <-failed:
	}
	notify(log, stateStopping)
	done := make(chan error, 1)
	go func() {
		drain, cancel := context.WithTimeout(context.Background(), s.Drain)
		defer cancel()
		server.Drain(drain)
		done <- backend.Shutdown(context.Background())
	}()
	for begun, over := time.Now(), time.After(s.Drain+shutdownTime); ; {
		select {
		case shutdown := <-done:
			if err = errors.Join(err, shutdown); err != nil {
				log.Error("stopped", zap.Error(err))
				return exitFailed
			}
			log.Info("stopped")
			return exitOK
		case <-signals:
			if time.Since(begun) < sameStop {
				continue
			}
		case <-over:
		}
		log.Error("stopped before clients were let go")
		return exitForced
	}
}

// shownUpstream is where Redis is, without what is secret or optional.
func shownUpstream(s Settings) string {
	scheme, _, _ := strings.Cut(string(s.Upstream), "://")
	network, addr := dialed(string(s.Upstream))
	if network == "unix" {
		return "unix://" + addr
	}
	host, port, _ := net.SplitHostPort(addr)
	return scheme + "://" + net.JoinHostPort(host, port)
}
