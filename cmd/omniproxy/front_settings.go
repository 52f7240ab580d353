package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/resp"
)

// Front are the settings that keep listeners safe to expose, on either backend.
type Front struct {
	ServerTLS         ServerTLS
	Names             *resp.Names // nil leaves Redis' names
	RefuseWrites      bool
	MaxClients        int
	Limits            resp.Limits
	AuthTimeout       time.Duration // 0 for ever
	Rate, Arrivals    float64       // commands a second of a client, clients a second from an address; 0 = any number
	Audit             string        // file; "-" is standard error, "" none
	AuditCommands     []string
	scriptsPassDenied bool // scripts could call what --deny takes away
}

// front reads them.
func (w serveWord) front(g given, s Settings) (f Front, err error) {
	f = Front{ServerTLS: ServerTLS{w.TLSCert, w.TLSKey, w.TLSClientCA}, RefuseWrites: w.RefuseWrites, Audit: w.Audit}
	if err = f.ServerTLS.check(g, s.Listen); err != nil {
		return Front{}, err
	}
	if f.Names, err = w.names(g); err != nil {
		return Front{}, err
	}
	f.scriptsPassDenied = w.Deny != "" && s.Backend == "redis" && !f.RefuseWrites && !f.Names.Denies("eval")
	if f.AuditCommands = list(w.AuditCommands); f.Audit == "" && g.of("audit-commands").changed {
		return Front{}, fmt.Errorf("%s: name the file with --audit", g.of("audit-commands"))
	}
	if err = resp.CheckAudited(f.AuditCommands); err != nil {
		return Front{}, fmt.Errorf("%s: %w", g.of("audit-commands"), err)
	}
	return f, w.bounds(g, &f)
}

// names reads --deny and --rename.
func (w serveWord) names(g given) (*resp.Names, error) {
	if w.Deny == "" && w.Rename == "" {
		return nil, nil
	}
	if _, err := resp.NewNames(list(w.Deny), nil); err != nil {
		return nil, fmt.Errorf("%s: %w", g.of("deny"), err)
	}
	names, err := resp.NewNames(list(w.Deny), list(w.Rename))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g.of("rename"), err)
	}
	return names, nil
}

// list splits a setting at its commas.
func list(text string) (words []string) {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// bounds reads the numbers, sizes and times.
func (w serveWord) bounds(g given, f *Front) (err error) {
	if f.MaxClients, err = strconv.Atoi(w.MaxClients); err != nil || f.MaxClients < 1 {
		return fmt.Errorf("%s: give a number from 1 on", g.of("max-clients"))
	}
	if f.Limits.Strangers, err = strconv.Atoi(w.MaxUnauthenticated); err != nil || f.Limits.Strangers < 0 {
		return fmt.Errorf("%s: give a number, or 0 for as many as --max-clients", g.of("max-unauthenticated"))
	}
	for _, size := range []struct {
		flag, text string
		to         *int64
	}{
		{"unauthenticated-memory", w.UnauthenticatedMemory, &f.Limits.StrangerMemory},
		{"client-memory", w.ClientMemory, &f.Limits.Memory},
	} {
		if size.text == "0" {
			continue
		}
		if *size.to, err = parseSize(size.text); err != nil {
			return fmt.Errorf("%s: %w, or 0 for no bound", g.of(size.flag), err)
		}
	}
	for _, rate := range []struct {
		flag, text string
		to         *float64
	}{{"rate-limit", w.RateLimit, &f.Rate}, {"connection-rate", w.ConnectionRate, &f.Arrivals}} {
		if *rate.to, err = parseRate(rate.text); err != nil {
			return fmt.Errorf("%s: %w", g.of(rate.flag), err)
		}
	}
	if w.AuthTimeout != "0" {
		if f.AuthTimeout, err = parseTimeout(w.AuthTimeout); err != nil {
			return fmt.Errorf("%s: %w, or 0 for ever", g.of("auth-timeout"), err)
		}
	}
	return nil
}

// parseRate takes how often something may happen in a second.
func parseRate(text string) (float64, error) {
	const most = 1e9
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= most) { // a NaN is neither
		return 0, errors.New("give a number for each second, or 0 for any number")
	}
	return n, nil
}

// listener is what holds for the clients of one door.
func (s Settings) listener(files loadedFiles, log *zap.Logger) *resp.Listener {
	l := &resp.Listener{
		Users: files.users, Names: s.Names, Filters: s.filters(log), Strict: s.RefuseWrites,
		AuthTimeout: s.AuthTimeout, Rate: s.Rate, Arrivals: s.Arrivals,
	}
	if s.RefuseWrites {
		l.Filters = append(l.Filters, resp.RefuseWrites)
	}
	if files.certificates != nil {
		l.TLS = files.certificates.config(log)
	}
	return l
}

// limit sets what bounds all clients of a server together.
func (s Settings) limit(server *resp.Server) {
	server.SetMaxClients(int64(s.MaxClients))
	server.SetLimits(s.Limits)
}
