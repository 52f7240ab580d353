package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Proxy are the settings of the redis backend; on json they are zero.
type Proxy struct {
	Pool                                string // session or shared
	Lanes, Pins                         int
	Buffers                             int64  // bytes
	Auth                                string // terminate or passthrough
	TLS                                 UpstreamTLS
	DialTimeout, QueueTimeout, IdleTime time.Duration
	ReadTimeout, PinTime                time.Duration // negative for ever
}

// UpstreamTLS is what rediss:// leaves open; "" is the default. The files are not read yet.
type UpstreamTLS struct {
	CA, Cert, Key string // files
	SNI           string
	SkipVerify    bool // as the flag or the URL says
}

// proxy reads the settings of the redis backend. Where the proxy knows the password of Redis, whoever reaches it needs none:
// then it checks passwords itself.
func (w serveWord) proxy(g given, s Settings) (p Proxy, err error) {
	if p, err = w.proxyLimits(g); err != nil {
		return Proxy{}, err
	}
	if p.Pool, err = oneOf(w.Pool, "shared", "session"); err != nil {
		return Proxy{}, fmt.Errorf("%s: %w", g.of("pool"), err)
	}
	if p.Auth, err = w.auth(g, s); err != nil {
		return Proxy{}, err
	}
	p.TLS = UpstreamTLS{w.UpstreamCA, w.UpstreamCert, w.UpstreamKey, w.UpstreamSNI, w.UpstreamSkipVerify || skipsVerify(string(s.Upstream))}
	return p, p.TLS.check(g, string(s.Upstream))
}

// auth decides who checks passwords.
func (w serveWord) auth(g given, s Settings) (string, error) {
	ours := ""
	switch {
	case s.Password != "":
		ours = "--requirepass"
	case w.Users != "":
		ours = "--users"
	}
	switch {
	case w.Auth == "" && (ours != "" || s.Upstream.hasPassword()):
		return "terminate", nil
	case w.Auth == "":
		return "passthrough", nil
	case w.Auth == "passthrough" && ours != "":
		return "", fmt.Errorf("%s leaves passwords to Redis, %s does not: choose one", g.of("auth"), ours)
	}
	auth, err := oneOf(w.Auth, "terminate", "passthrough")
	if err != nil {
		return "", fmt.Errorf("%s: %w", g.of("auth"), err)
	}
	return auth, nil
}

// proxyLimits reads the numbers and times.
func (w serveWord) proxyLimits(g given) (p Proxy, err error) {
	for _, n := range []struct {
		flag, text string
		to         *int
	}{{"lanes", w.Lanes, &p.Lanes}, {"pins", w.Pins, &p.Pins}} {
		if *n.to, err = strconv.Atoi(n.text); err != nil || *n.to < 1 {
			return Proxy{}, fmt.Errorf("%s: give a number from 1 on", g.of(n.flag))
		}
	}
	for _, t := range []struct {
		flag, text string
		ever       bool // 0 is for ever
		to         *time.Duration
	}{
		{"dial-timeout", w.DialTimeout, false, &p.DialTimeout},
		{"queue-timeout", w.QueueTimeout, false, &p.QueueTimeout},
		{"read-timeout", w.ReadTimeout, true, &p.ReadTimeout},
		{"pin-time", w.PinTime, true, &p.PinTime},
		{"idle-time", w.IdleTime, false, &p.IdleTime},
	} {
		if t.ever && t.text == "0" {
			*t.to = -1
		} else if *t.to, err = parseTimeout(t.text); err != nil {
			return Proxy{}, fmt.Errorf("%s: %w", g.of(t.flag), err)
		}
	}
	if p.Buffers, err = parseSize(w.Buffers); err != nil {
		return Proxy{}, fmt.Errorf("%s: %w", g.of("buffers"), err)
	}
	return p, nil
}

// check reports settings that make no sense together.
func (t UpstreamTLS) check(g given, upstream string) error {
	if !strings.HasPrefix(upstream, "rediss://") {
		for _, flag := range []string{"upstream-ca", "upstream-cert", "upstream-key", "upstream-sni", "upstream-skip-verify"} {
			if s := g.of(flag); s.changed {
				return fmt.Errorf("%s: TLS needs rediss:// in --upstream", s)
			}
		}
	}
	switch {
	case t.Cert != "" && t.Key == "":
		return fmt.Errorf("%s: give its key with --upstream-key", g.of("upstream-cert"))
	case t.Key != "" && t.Cert == "":
		return fmt.Errorf("%s: give its certificate with --upstream-cert", g.of("upstream-key"))
	case t.CA != "" && t.SkipVerify:
		every := g.of("upstream-skip-verify").origin
		if skipsVerify(upstream) {
			every = "skip_verify in " + g.of("upstream").origin
		}
		return fmt.Errorf("%s trusts some certificates, %s any: choose one", g.of("upstream-ca"), every)
	}
	return nil
}

// skipsVerify reports whether a URL asks for certificates not to be checked.
func skipsVerify(upstream string) bool {
	o, err := redis.ParseURL(upstream)
	return err == nil && o.TLSConfig != nil && o.TLSConfig.InsecureSkipVerify
}

// redisChecks reports whether it was asked for that Redis checks passwords.
func (s Settings) redisChecks() bool {
	return s.Auth == "passthrough" && s.followed.of("auth").origin != ""
}

// checkUpstream reports what is wrong with the URL of a Redis. Options that would not count are refused rather than ignored.
func checkUpstream(text string) error {
	if _, err := redis.ParseURL(text); err != nil {
		return errors.New(urlHint)
	}
	u, err := url.Parse(text)
	if err != nil {
		return errors.New(urlHint)
	}
	for option := range u.Query() {
		if option != "db" && option != "skip_verify" {
			return errors.New("of a URL's options only db and skip_verify count here; timeouts and limits are flags")
		}
	}
	return nil
}

// parseTimeout takes a time that is not nothing.
func parseTimeout(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, errors.New("give a time with its unit, such as 5s")
	}
	return d, nil
}

// parseSize takes a number of bytes, or of kb, mb or gb as Redis' configuration counts them.
func parseSize(s string) (int64, error) {
	shift := 0
	for i, unit := range []string{"kb", "mb", "gb"} {
		if number, ok := strings.CutSuffix(strings.ToLower(s), unit); ok {
			s, shift = number, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return 0, errors.New("give a size such as 256mb")
	}
	return n << shift, nil
}
