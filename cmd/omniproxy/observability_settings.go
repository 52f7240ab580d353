package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Observability are the settings of what is told about the process.
type Observability struct {
	MetricsListen Address // of the HTTP server; zero: there is none
	Pprof         bool
	DrainDelay    time.Duration // how long /readyz fails before clients are let go
	LogFormat     string        // text or json
}

// observability reads them.
func (w serveWord) observability(g given) (o Observability, err error) {
	o.Pprof = w.Pprof
	if w.MetricsListen != "" {
		if o.MetricsListen, err = parseAddress(w.MetricsListen); err != nil {
			return o, fmt.Errorf("%s: %w", g.of("metrics-listen"), err)
		}
	}
	if w.DrainDelay != "0" {
		if o.DrainDelay, err = parseTimeout(w.DrainDelay); err != nil {
			return o, fmt.Errorf("%s: %w", g.of("drain-delay"), err)
		}
	}
	for _, flag := range []string{"pprof", "drain-delay"} {
		if s := g.of(flag); s.changed && w.MetricsListen == "" {
			return o, fmt.Errorf("%s: that needs --metrics-listen", s)
		}
	}
	if o.LogFormat, err = oneOf(w.LogFormat, "text", "json"); err != nil {
		return o, fmt.Errorf("%s: %w", g.of("log-format"), err)
	}
	return o, nil
}

// exposed reports whether other machines may reach an address.
func (m machine) exposed(a Address) (bool, error) {
	if a.Network == "unix" {
		return false, nil
	}
	host, _ := a.hostPort()
	ips, err := m.ips(host)
	if err != nil {
		return false, errors.Join(errors.New("look up the host"), err)
	}
	return slices.ContainsFunc(ips, func(ip netip.Addr) bool { return !ip.IsLoopback() }), nil
}
