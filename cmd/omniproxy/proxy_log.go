package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/passthrough"
)

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
			if started.Swap(true) {
				log.Info("the upstream is there: " + describe(f))
			} else {
				start(describe(f))
			}
			for _, warning := range warnings(f) {
				log.Warn(warning)
			}
		},
		Lost: func(err error, since time.Duration) {
			if !started.Swap(true) {
				start("not there yet")
			}
			fields := []zap.Field{zap.String("error", explainLoss(s, err))}
			if since > 0 {
				fields = append(fields, zap.Duration("for", since.Round(time.Second)))
			}
			log.Warn("cannot reach the upstream; commands wait for --queue-timeout, and it is tried again until it is there", fields...)
		},
		Silent: func(connections int) {
			log.Warn("the upstream owed replies for longer than --read-timeout, though it answers others; the connections were replaced",
				zap.Int("connections", connections))
		},
	}
}

// describe says in a few words what the upstream is.
func describe(f passthrough.Found) string {
	if f.Refused != "" {
		return "Redis, which says no more: " + f.Refused
	}
	return fmt.Sprintf("Redis %s, role %s, mode %s", f.Version, f.Role, f.Mode)
}

// warnings are what is likely to be a mistake in an upstream.
func warnings(f passthrough.Found) (all []string) {
	if f.Role == "slave" {
		all = append(all, "the upstream is a replica: it refuses writes (READONLY), and what it answers may be old; name the master with --upstream")
	}
	switch f.Mode {
	case "cluster":
		all = append(all, "the upstream is a node of a cluster: clients must follow its MOVED and ASK themselves, past omniproxy")
	case "sentinel":
		all = append(all, "the upstream is a Sentinel, which has no data: name the Redis that it watches with --upstream")
	}
	return all
}

// explainLoss says why the upstream cannot be reached and, where it helps, what to do.
func explainLoss(s Settings, err error) string {
	text := redact(err.Error())
	var remote *net.OpError
	var header tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var dns *net.DNSError
	var timeout net.Error
	closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
	overTLS := strings.HasPrefix(string(s.Upstream), "rediss://")
	hint := ""
	switch {
	case errors.As(err, &authority):
		hint = "name the CA's certificate with --upstream-ca"
	case errors.As(err, &hostname):
		hint = "name the server that the certificate is for with --upstream-sni"
	case errors.As(err, &header):
		hint = "nobody speaks TLS there: write redis:// instead of rediss://"
	case errors.As(err, &remote) && remote.Op == "remote error", closed && overTLS: // an alert of TLS, which may get lost
		hint = "Redis refuses TLS with this client: it may want --upstream-cert and --upstream-key, of a CA that it knows"
	case errors.As(err, &dns):
		hint = "check the host in --upstream"
	case errors.As(err, &timeout) && timeout.Timeout() && overTLS:
		hint = "no answer within --dial-timeout: if nobody speaks TLS there write redis:// instead of rediss://"
	case errors.As(err, &timeout) && timeout.Timeout():
		hint = "no answer within --dial-timeout"
	case closed:
		hint = "the connection was closed: if it is to speak TLS write rediss:// instead of redis://"
	case strings.Contains(text, "WRONGPASS"), strings.Contains(text, "NOAUTH"):
		hint = "check the user and the password in OMNIPROXY_UPSTREAM"
	}
	if hint != "" {
		text += "; " + hint
	}
	return text
}
