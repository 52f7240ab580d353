package main

import (
	"context"
	"net"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/passthrough"
	"github.com/omniproxy/omniproxy/resp"
)

// proxy is the redis backend of a service.
type proxy struct {
	*passthrough.Backend
}

// openProxy makes the backend, which begins to look for Redis, and its server.
func (v *service) openProxy() error {
	s, log := v.settings, v.log
	server := &resp.Server{Users: v.doors[0].files.users, Validation: s.validation(log), Events: serverEvents(log), Forward: true, BaseID: 1 << 40}
	s.limit(server)
	s.caution(log)
	pool := passthrough.Session
	if s.Pool == "shared" {
		pool = passthrough.Shared
	}
	b, err := passthrough.Open(passthrough.Options{
		URL:          string(s.Upstream),
		TLSConfig:    v.doors[0].files.upstreamTLS,
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
		Self:         v.leadsHere(),
		Adding:       v.metrics.Adding(),
		Events:       v.metrics.ProxyEvents(proxyEvents(s, log, v.doors[0].bound)),
	})
	if err != nil {
		return usageError{err}
	}
	server.Backend = b
	v.metrics.ServesRedis(server, b, unseen(log))
	v.server, v.backend = server, proxy{b}
	return nil
}

// leadsHere returns what tells whether an address is that of a door.
func (v *service) leadsHere() func(net.Addr) bool {
	here := thisMachine()
	return func(a net.Addr) bool {
		return slices.ContainsFunc(v.doors, func(d *door) bool { return here.reaches(d.bound, a.Network(), a.String()) })
	}
}

// caution warns of what was asked for and is not safe.
func (s Settings) caution(log *zap.Logger) {
	if s.Upstream.hasPassword() && s.followed.of("upstream").onCommandLine() {
		log.Warn("process lists show the password in --upstream: set OMNIPROXY_UPSTREAM instead")
	}
	if s.scriptsPassDenied {
		log.Warn("Redis runs scripts, which may call what --deny takes away: deny @scripting, too")
	}
	if s.TLS.SkipVerify {
		log.Warn("the upstream's certificate is not checked: whoever is on the way can read and change everything")
	}
}

// load has nothing to wait for: commands wait for Redis.
func (proxy) load() error { return nil }

// announce leaves it to the first event, which tells of Redis, too.
func (proxy) announce() {}

func (p proxy) shutdown() error { return p.Shutdown(context.Background()) }

func (proxy) sync() error { return nil }

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
