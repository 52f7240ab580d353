package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/keyspace"
)

// startLine says what is served, where, and how to use it.
func startLine(s Settings, c jsonbackend.Counts, bound Address) string {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		dir = s.Dir
	}
	holds := strings.Join([]string{count(c.Agents, "agent"), count(c.Results, "result"), count(c.Metrics, "metric"), count(c.Streams, "stream")}, ", ")
	if c == (jsonbackend.Counts{}) {
		holds = "new and empty; other directory? --dir"
	}
	line := fmt.Sprintf("serving %s (%s) on %s; %s; OmniDaemon: %s", dir, holds, bound, redisCLI(s, bound), omniDaemon(s, bound))
	if sources := s.Sources(); sources != "" {
		line += "; " + sources
	}
	return line
}

// doorLine says how to use one more address of what a start line told of.
func doorLine(s Settings, bound Address) string {
	return fmt.Sprintf("serving %s on %s, too; %s; OmniDaemon: %s; %s", shownBackend(s), bound, redisCLI(s, bound), omniDaemon(s, bound), s.Sources())
}

// omniDaemon is the environment with which OmniDaemon works here. A password stands there by its name only.
func omniDaemon(s Settings, bound Address) string {
	url := bound.URL()
	if s.ServerTLS.Cert != "" {
		url = strings.Replace(url, "redis://", "rediss://", 1)
	}
	switch {
	case s.Password != "":
		url = strings.Replace(url, "://", "://:PASSWORD@", 1)
	case s.Users != "":
		url = strings.Replace(url, "://", "://USER:PASSWORD@", 1)
	}
	switch {
	case s.DB == 0:
	case bound.Network == "unix":
		url += fmt.Sprint("?db=", s.DB)
	default:
		url += fmt.Sprint("/", s.DB)
	}
	env := "STORAGE_BACKEND=redis REDIS_URL=" + url
	if s.Prefix != keyspace.DefaultPrefix {
		env += " REDIS_KEY_PREFIX=" + s.Prefix
	}
	return env
}

// redisCLI is how to reach the shown database with redis-cli.
func redisCLI(s Settings, a Address) string {
	words := []string{"redis-cli"}
	if a.Network == "unix" {
		words = append(words, "-s", a.Addr)
	} else {
		host, port := a.hostPort()
		switch host {
		case "127.0.0.1", "0.0.0.0", "::", "": // where redis-cli looks anyway
		default:
			words = append(words, "-h", host)
		}
		words = append(words, "-p", port)
	}
	if s.ServerTLS.Cert != "" {
		words = append(words, "--tls")
	}
	if s.ServerTLS.ClientCA != "" {
		words = append(words, "--cert", "FILE", "--key", "FILE")
	}
	switch {
	case s.Password != "":
		words = append(words, "--askpass")
	case s.Users != "":
		words = append(words, "--user", "USER", "--askpass")
	}
	if s.DB != 0 {
		words = append(words, "-n", strconv.Itoa(s.DB))
	}
	return strings.Join(words, " ")
}

// writeReadyFile tells a waiting program the bound addresses, a line for each; the file is there whole or not at all.
func writeReadyFile(path string, bound []Address) error {
	if path == "" {
		return nil
	}
	var lines strings.Builder
	for _, a := range bound {
		fmt.Fprintln(&lines, a)
	}
	part := path + ".part"
	if err := os.WriteFile(part, []byte(lines.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(part, path)
}
