package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
)

// sourceFlags are those of every tool that reads a source.
type sourceFlags struct {
	Prefix string `group:"Data" placeholder:"TEXT" default:"omni" fallback:"REDIS_KEY_PREFIX" empty:"" help:"what OmniDaemon's keys begin with"`
	DB     string `group:"Data" name:"db" placeholder:"N" default:"0" help:"the database, 0 to 15, that the JSON files of a directory show; a URL names its own"`
	Rate   string `group:"Data" typed:"" placeholder:"N" default:"0" help:"read at most N keys a second; 0 is as fast as it goes"`
}

// sourceHelp says what the name of a source may be.
const sourceHelp = `A source is a data directory or redis://[USER:PASSWORD@]HOST:PORT/DB, rediss:// or unix:///PATH; a
running omniproxy is one of these, too. A directory that an omniproxy serves is reached through that
one; one that nobody serves is read as a start would read it. A URL without a password is completed
by OMNIPROXY_REQUIREPASS or OMNIPROXY_REQUIREPASS_FILE.`

// options gives the flags their meaning.
func (f sourceFlags) options(g given, m machine) (o source.Options, err error) {
	o.Prefix = f.Prefix
	if o.DB, err = parseDB(f.DB); err != nil {
		return o, fmt.Errorf("%s: %w", g.of("db"), err)
	}
	if o.Rate, err = strconv.Atoi(f.Rate); err != nil || o.Rate < 0 {
		return o, fmt.Errorf("%s: give a number, or 0 for no limit", g.of("rate"))
	}
	password, err := passwordOf(m)
	o.Password = string(password)
	return o, err
}

// defaultSource is where OmniDaemon has its data, as its variables say.
func defaultSource(m machine) (string, error) {
	value := func(name string) string {
		text, _ := m.lookupEnv(name)
		return text
	}
	switch backend := strings.ToLower(value("STORAGE_BACKEND")); backend {
	case "", "json":
		return cmp.Or(value("JSON_STORAGE_DIR"), ".omnidaemon_data"), nil
	case "redis":
		return cmp.Or(value("REDIS_URL"), defaultUpstream), nil
	default:
		return "", fmt.Errorf("STORAGE_BACKEND=%s: omniproxy's tools know json and redis; name the source", backend)
	}
}

// positive gives a flag its meaning that counts something.
func positive(g given, flag, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s: give a number from 1 on", g.of(flag))
	}
	return n, nil
}

// progressEvery is how often a line of progress changes.
const progressEvery = 100 * time.Millisecond

// progressLine shows on a terminal how far a tool is, in a line that goes when it is done.
type progressLine struct {
	w     io.Writer // nil if nobody looks
	shown time.Time
	drawn bool
}

func newProgressLine(f *os.File) *progressLine {
	if f == nil || !tool.ScreenOf(f).Terminal {
		return &progressLine{}
	}
	return &progressLine{w: f}
}

func (p *progressLine) show(doing string, done, total int64) {
	if p.w == nil || time.Since(p.shown) < progressEvery {
		return
	}
	p.shown, p.drawn = time.Now(), true
	fmt.Fprintf(p.w, "\r\x1b[K%s: %d of %d keys", doing, done, total)
}

func (p *progressLine) end() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// console is where a tool reads and writes.
type console struct {
	stdin          *os.File
	stdout, stderr io.Writer
	screen         tool.Screen // of stdout
	terminal       *os.File    // stderr, if it is a file
	now            func() time.Time
}

func thisConsole() console {
	return console{os.Stdin, os.Stdout, os.Stderr, tool.ScreenOf(os.Stdout), os.Stderr, time.Now}
}

// fail prints an error, a line for each that was joined, and returns the exit code.
func (c console) fail(err error) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(c.stderr, "omniproxy:", strings.TrimSuffix(line, "\n"))
	}
	return exitFailed
}
