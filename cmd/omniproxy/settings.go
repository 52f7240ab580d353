package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings are the resolved settings of serve. Printing them shows no password.
type Settings struct {
	Listen    Address
	ReadyFile string        // "" = none
	Password  Secret        // "" = none
	Users     string        // the file of users; "" = none
	Drain     time.Duration // how long a drain waits for clients
	MaxBlock  MaxBlock
	Layout    Layout
	Backend   string   // json or redis
	Upstream  RedisURL // "" if Backend is json
	Data
	Front
	Proxy
	Observability
	LogLevel string // debug, info, warn or error
	Note     string // why the environment was not followed, for the start line; "" if it was

	followed given    // what was given, took effect and is not the default
	reading  *reading // what all this was made from
}

// Data are the settings of what is served. Only Prefix concerns the redis backend.
type Data struct {
	Dir        string // as given: may be relative
	Prefix     string
	DB         int    // 0 to 15
	Fsync      string // always, everysec or no
	MetricsCap int    // 0 = none
	ReadOnly   bool
	Ephemeral  bool
}

// MaxBlock caps the BLOCK of XREAD and XREADGROUP. The zero MaxBlock caps nothing.
type MaxBlock struct {
	Auto  bool          // as much as the client bears: 4 s for redis-py 8 and newer, no cap for others
	Limit time.Duration // unless Auto; 0 = none
}

// String returns what --max-block takes.
func (b MaxBlock) String() string {
	switch {
	case b.Auto:
		return "auto"
	case b.Limit == 0:
		return "0"
	}
	return b.Limit.String()
}

// String returns every setting as name=value, passwords hidden.
func (s Settings) String() string {
	return fmt.Sprintf("listen=%s ready-file=%s requirepass=%s max-block=%s backend=%s dir=%s upstream=%s prefix=%s db=%d "+
		"validate=%s validate-rules=%s fsync=%s metrics-cap=%d read-only=%t ephemeral=%t log-level=%s",
		s.Listen, s.ReadyFile, s.Password, s.MaxBlock, s.Backend, s.Dir, s.Upstream, s.Prefix, s.DB,
		s.Layout.General, s.Layout.rules(), s.Fsync, s.MetricsCap, s.ReadOnly, s.Ephemeral, s.LogLevel)
}

// Sources names the origin of each setting that is not a default: "dir from JSON_STORAGE_DIR, db from --db".
// It is empty if there is none.
func (s Settings) Sources() string {
	var parts []string
	for _, f := range s.followed {
		parts = append(parts, f.flag+" from "+f.origin)
	}
	return strings.Join(parts, ", ")
}

func parseDB(text string) (db int, err error) {
	if db, err = strconv.Atoi(text); err != nil || db < 0 || db > 15 {
		return 0, errors.New("choose 0 to 15")
	}
	return db, nil
}

// settings gives the flags their meaning.
func (w serveWord) settings(g given, m machine) (s Settings, err error) {
	s = Settings{
		ReadyFile: w.ReadyFile,
		Users:     w.Users,
		Data:      Data{Dir: w.Dir, Prefix: w.Prefix, ReadOnly: w.ReadOnly, Ephemeral: w.Ephemeral},
	}
	if s.Listen, err = parseAddress(w.Listen); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", g.of("listen"), err)
	}
	if s.Backend, s.Upstream, s.Note, err = w.backend(g, s.Listen, m); err != nil {
		return Settings{}, err
	}
	if s.Password, err = w.password(g); err != nil {
		return Settings{}, err
	}
	if s.MaxBlock, err = parseMaxBlock(w.MaxBlock, s.Backend); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", g.of("max-block"), err)
	}
	if s.Layout, err = w.layout(g, s); err != nil {
		return Settings{}, err
	}
	if s.Front, err = w.front(g, s); err != nil {
		return Settings{}, err
	}
	if s.Backend == "redis" {
		if s.Proxy, err = w.proxy(g, s); err != nil {
			return Settings{}, err
		}
	}
	if s.Drain, err = parseTimeout(w.DrainTimeout); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", g.of("drain-timeout"), err)
	}
	if s.Fsync, err = oneOf(w.Fsync, "always", "everysec", "no"); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", g.of("fsync"), err)
	}
	if s.LogLevel, err = oneOf(w.LogLevel, "debug", "info", "warn", "error"); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", g.of("log-level"), err)
	}
	if s.Observability, err = w.observability(g); err != nil {
		return Settings{}, err
	}
	if s.DB, err = parseDB(w.DB); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", g.of("db"), err)
	}
	if s.MetricsCap, err = strconv.Atoi(w.MetricsCap); err != nil || s.MetricsCap < 0 {
		return Settings{}, fmt.Errorf("%s: give a number, or 0 for no cap", g.of("metrics-cap"))
	}
	if w.Dir == "" {
		return Settings{}, fmt.Errorf("%s: name a directory", g.of("dir"))
	}
	// Refused writes or lost ones: whoever asks for both would be surprised by either.
	if w.ReadOnly && w.Ephemeral {
		return Settings{}, fmt.Errorf("%s refuses writes, %s takes them in memory: choose one",
			g.of("read-only").origin, g.of("ephemeral").origin)
	}
	s.followed = s.follow(g)
	return s, nil
}

// follow drops from g what is the default and what something else overruled.
func (s Settings) follow(g given) given {
	byFile := passwordFromFile(g)
	return slices.DeleteFunc(slices.Clone(g), func(f setting) bool {
		switch f.flag {
		case "backend":
			return s.Backend == "json"
		case "upstream":
			return s.Upstream == ""
		case "max-block":
			return s.MaxBlock == defaultMaxBlock(s.Backend)
		case "validate":
			return s.Layout.General == defaultReaction(s.Backend)
		case "requirepass":
			return byFile || !f.changed
		case "requirepass-file":
			return !byFile
		}
		return !f.changed
	})
}

// password returns the password of --requirepass or, read from its file, of --requirepass-file. The command line wins.
func (w serveWord) password(g given) (Secret, error) {
	word, file := g.of("requirepass"), g.of("requirepass-file")
	switch {
	case !passwordFromFile(g):
		return Secret(w.Requirepass), nil
	case word.rank == file.rank:
		return "", fmt.Errorf("%s and %s both set the password: choose one", word.origin, file.origin)
	}
	return readPassword(file)
}

// passwordFromFile reports whether --requirepass-file counts, rather than --requirepass.
func passwordFromFile(g given) bool {
	file := g.of("requirepass-file")
	return file.origin != "" && file.rank >= g.of("requirepass").rank
}

// readPassword reads the file that a setting names. The line break that editors leave at its end is not part of the
// password.
func readPassword(file setting) (Secret, error) {
	text, err := os.ReadFile(file.value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file.origin, err)
	}
	word := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if word == "" {
		return "", fmt.Errorf("%s: the file is empty; put the password in it", file)
	}
	return Secret(word), nil
}

// defaultUpstream is OmniDaemon's REDIS_URL when that is not set.
const defaultUpstream = "redis://localhost:6379"

// backend decides what is served. OmniDaemon's variables tell it where its Redis is; when that is this listener, they
// are not about us: JSON is served and note says so. omniproxy's own names are, so then it is an error.
func (w serveWord) backend(g given, listen Address, m machine) (backend string, upstream RedisURL, note string, err error) {
	b, u := g.of("backend"), g.of("upstream")
	backend = w.Backend
	if !b.own() {
		backend = strings.ToLower(backend) // as OmniDaemon reads STORAGE_BACKEND
	}
	switch {
	case backend == "json" && (u.onCommandLine() || u.own() && !b.own()):
		return "", "", "", fmt.Errorf("%s: an upstream needs --backend redis", u)
	case backend == "json":
		return "json", "", "", nil
	case backend != "redis" && !b.own():
		return "", "", "", fmt.Errorf("%s: omniproxy serves json or redis; choose with OMNIPROXY_BACKEND or --backend", b)
	case backend != "redis":
		return "", "", "", fmt.Errorf("%s: choose json or redis", b)
	}
	if u.origin == "" {
		u = setting{origin: "the default REDIS_URL", value: defaultUpstream}
	}
	network, addr := dialed(u.value)
	switch self := m.reaches(listen, network, addr); {
	case self && (b.own() || u.own()):
		return "", "", "", fmt.Errorf("%s is this very listener: name the Redis behind it with --upstream, or take --backend json", u)
	case self:
		return "json", "", fmt.Sprintf("%s with %s leads OmniDaemon to this very listener, so JSON is served", b, u), nil
	}
	if err := checkUpstream(u.value); err != nil {
		return "", "", "", fmt.Errorf("%s: %w", u, err)
	}
	return "redis", RedisURL(u.value), "", nil
}

// urlHint says what a URL must look like, instead of the parser's errors, which may quote a password.
const urlHint = "write redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH, without options of other clients"

// defaultMaxBlock is what --max-block is when it is not given.
func defaultMaxBlock(backend string) MaxBlock { return MaxBlock{Auto: backend == "json"} }

// parseMaxBlock takes auto, 0 or a time; nothing is the default.
func parseMaxBlock(s, backend string) (MaxBlock, error) {
	switch s {
	case "":
		return defaultMaxBlock(backend), nil
	case "auto":
		return MaxBlock{Auto: true}, nil
	}
	limit, err := time.ParseDuration(s)
	if err != nil || limit < 0 {
		return MaxBlock{}, errors.New("give auto, 0 or a time with its unit, such as 4s")
	}
	return MaxBlock{Limit: limit}, nil
}

// oneOf returns s if it is one of words, of which there are at least two.
func oneOf(s string, words ...string) (string, error) {
	if slices.Contains(words, s) {
		return s, nil
	}
	last := len(words) - 1
	return "", fmt.Errorf("choose %s or %s", strings.Join(words[:last], ", "), words[last])
}
