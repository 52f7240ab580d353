package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
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
	pool := passthrough.Session
	if s.Pool == "shared" {
		pool = passthrough.Shared
	}
	backend, err := passthrough.Open(passthrough.Options{
		URL:          string(s.Upstream),
		Pool:         pool,
		Lanes:        s.Lanes,
		Pins:         s.Pins,
		Passthrough:  s.Auth == "passthrough",
		DialTimeout:  s.DialTimeout,
		QueueTimeout: s.QueueTimeout,
		Events:       proxyEvents(s, log, bound),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		return exitUsage
	}
	server := &resp.Server{Backend: backend, Filters: s.filters(log), Events: serverEvents(log), Forward: true}
	server.SetPassword(string(s.Password))
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if err := writeReadyFile(s.ReadyFile, bound); err != nil {
		log.Error("ready file", zap.Error(err))
	}
	return endProxy(backend, server, log, signals, failed)
}

// endProxy waits for the end and lets clients go.
func endProxy(backend *passthrough.Backend, server *resp.Server, log *zap.Logger, signals <-chan os.Signal, failed <-chan error) int {
	var err error
	select {
	case sig := <-signals:
		log.Info("stopping; a second signal stops at once", zap.Stringer("signal", sig))
	case err = <-failed:
	}
	done := make(chan error, 1)
	go func() {
		drain, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		server.Drain(drain)
		done <- backend.Shutdown(context.Background())
	}()
	for begun := time.Now(); ; {
		select {
		case shutdown := <-done:
			if err = errors.Join(err, shutdown); err != nil {
				log.Error("stopped", zap.Error(err))
				return exitFailed
			}
			log.Info("stopped")
			return exitOK
		case <-signals:
			if time.Since(begun) >= sameStop {
				return exitForced
			}
		}
	}
}

// proxyEvents turns what the proxy reports into log lines. The first is the start line.
func proxyEvents(s Settings, log *zap.Logger, bound Address) passthrough.Events {
	var started atomic.Bool
	start := func(found string) {
		line := fmt.Sprintf("proxying %s (%s) on %s; %s; OmniDaemon: %s", shownUpstream(s), found, bound, redisCLI(s, bound), omniDaemon(s, bound))
		if sources := s.Sources(); sources != "" {
			line += "; " + sources
		}
		log.Info(line)
	}
	return passthrough.Events{
		Found: func(f passthrough.Found) {
			what := fmt.Sprintf("Redis %s, role %s, mode %s", f.Version, f.Role, f.Mode)
			if started.Swap(true) {
				log.Info("the upstream is there again: " + what)
				return
			}
			start(what)
		},
		Lost: func(err error) {
			if !started.Swap(true) {
				start("not there yet")
			}
			log.Warn("cannot reach the upstream; commands wait for --queue-timeout, and it is tried again until it is there", zap.String("error", redact(err.Error())))
		},
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
