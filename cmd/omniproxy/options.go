package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is the command line: a field for each word, and in it a field for each flag with its default and help.
//
// The flag --max-block also stands in the environment, as OMNIPROXY_MAX_BLOCK. The tag fallback names OmniDaemon's
// variable of the same meaning, which ranks below that; empty:"" marks a flag whose variable may be set to nothing;
// typed:"" one that counts on the command line alone; choices lists the words that a value is one of.
type cli struct {
	Serve    serveWord    `cmd:"" default:"withargs" help:"serve OmniDaemon's data until SIGINT or SIGTERM"`
	Check    checkWord    `cmd:"" help:"read a data directory as a start would and say what is wrong with it"`
	Backup   backupWord   `cmd:"" help:"copy a data directory, also while it is served"`
	Ping     pingWord     `cmd:"" help:"ask a server for PONG; exit 0 if it comes, 1 if not"`
	Inspect  inspectWord  `cmd:"" help:"show agents, results, metrics, the event bus or its dead letters"`
	Copy     copyWord     `cmd:"" help:"copy keys between directories, Redis and omniproxy, either way"`
	Storage  storageWord  `cmd:"" help:"check or clear a store, with OmniDaemon's words"`
	Validate validateWord `cmd:"" help:"judge what is stored by the rules of OmniDaemon's layout"`
	Rules    rulesWord    `cmd:"" help:"list what omniproxy knows to be wrong with keys"`
	Explain  explainWord  `cmd:"" help:"say what a rule is about"`
	Version  versionWord  `cmd:"" help:"print version, commit and platform"`

	Completion completionWord `cmd:"" help:"print what makes bash, zsh or fish complete this command line"`
	Man        manWord        `cmd:"" help:"print the manual page; to read it: omniproxy man | man -l -"`
}

type versionWord struct{}

// serveWord holds the flags of serve as text: an error about one must name where the text came from.
// Its method settings gives them meaning.
type serveWord struct {
	Listen          string `group:"Clients" placeholder:"ADDR" default:"127.0.0.1:6380" help:"HOST:PORT, unix:/PATH or /PATH; port 0 takes a free one"`
	ReadyFile       string `group:"Clients" placeholder:"FILE" help:"write the address to FILE once clients can connect"`
	Requirepass     string `group:"Clients" placeholder:"PASSWORD" help:"what clients AUTH with; process lists show it, so prefer the next"`
	RequirepassFile string `group:"Clients" placeholder:"FILE" help:"read the password from FILE; or set OMNIPROXY_REQUIREPASS"`
	DrainTimeout    string `group:"Clients" placeholder:"TIME" default:"1s" help:"how long clients that send nothing are kept when omniproxy stops"`
	MaxBlock        string `group:"Clients" placeholder:"TIME" help:"cap on BLOCK of XREAD and XREADGROUP, such as 4s; 0 is none; auto is 4s for redis-py 8 and newer, which give up after 5s [auto; 0 on redis]"`

	Backend  string `group:"Data" placeholder:"NAME" default:"json" choices:"json,redis" fallback:"STORAGE_BACKEND" help:"json (serve --dir) or redis (proxy --upstream)"`
	Dir      string `group:"Data" placeholder:"DIR" default:".omnidaemon_data" fallback:"JSON_STORAGE_DIR" help:"data directory, created if missing"`
	Upstream string `group:"Data" placeholder:"URL" fallback:"REDIS_URL" help:"the Redis to proxy: redis://, rediss:// or unix://; process lists show a password in it, so set OMNIPROXY_UPSTREAM [redis://localhost:6379]"`
	Prefix   string `group:"Data" placeholder:"TEXT" default:"omni" fallback:"REDIS_KEY_PREFIX" empty:"" help:"what OmniDaemon's keys begin with"`
	DB       string `group:"Data" name:"db" placeholder:"N" default:"0" help:"the database, 0 to 15, that the JSON files show"`

	Validate      string `group:"Key layout" placeholder:"HOW" choices:"off,observe,warn,enforce" help:"writes that break a rule of OmniDaemon's key layout: off, observe (count), warn (and log, and list by OMNIPROXY VIOLATIONS) or enforce (and refuse; rules of severity info warn) [warn; observe on redis]"`
	ValidateRules string `group:"Key layout" placeholder:"LIST" help:"other settings for single rules, such as OMN001=off,near-miss-key=enforce; omniproxy rules lists them"`

	Fsync      string `group:"Writes, on json" placeholder:"WHEN" default:"everysec" choices:"always,everysec,no" help:"when writes are forced to disk: always, everysec or no; only a power cut can lose one that was acknowledged"`
	MetricsCap string `group:"Writes, on json" placeholder:"N" default:"10000" help:"keep the last N metrics; 0: as many as clients ask for"`
	ReadOnly   bool   `group:"Writes, on json" help:"refuse writes and leave --dir alone; for use beside a JSON store"`
	Ephemeral  bool   `group:"Writes, on json" help:"keep writes in memory only; nothing reaches the disk"`

	UpstreamCA         string `group:"Upstream, on redis" name:"upstream-ca" placeholder:"FILE" help:"with rediss://, the certificates of the CAs to trust, in PEM [those of the system]"`
	UpstreamCert       string `group:"Upstream, on redis" placeholder:"FILE" help:"with rediss://, the certificate to show to Redis, in PEM"`
	UpstreamKey        string `group:"Upstream, on redis" placeholder:"FILE" help:"its key"`
	UpstreamSNI        string `group:"Upstream, on redis" name:"upstream-sni" placeholder:"NAME" help:"with rediss://, the name to ask for and to find in the certificate [the URL's host]"`
	UpstreamSkipVerify bool   `group:"Upstream, on redis" help:"with rediss://, trust any certificate: whoever is on the way can read and change everything"`
	DialTimeout        string `group:"Upstream, on redis" placeholder:"TIME" default:"5s" help:"how long connecting may take"`
	QueueTimeout       string `group:"Upstream, on redis" placeholder:"TIME" default:"5s" help:"how long a command waits for a Redis that is not there before it is answered with an error"`
	ReadTimeout        string `group:"Upstream, on redis" placeholder:"TIME" default:"60s" help:"how long Redis may owe a reply and send nothing, the time of a command that blocks and scripts aside; 0 is for ever"`

	Pool       string `group:"Proxy, on redis" placeholder:"HOW" default:"shared" choices:"shared,session" help:"shared (clients share connections to Redis but while they have state there) or session (each client has one)"`
	Lanes      string `group:"Proxy, on redis" placeholder:"N" default:"1" help:"connections that clients of one protocol, database and user share, on shared"`
	Pins       string `group:"Proxy, on redis" placeholder:"N" default:"1000" help:"connections for clients with state, on shared"`
	PinTime    string `group:"Proxy, on redis" placeholder:"TIME" default:"5m" help:"how long a client may send nothing inside MULTI or after WATCH, on shared; 0 is for ever"`
	IdleTime   string `group:"Proxy, on redis" placeholder:"TIME" default:"1m" help:"how long a connection to Redis is kept that no client uses, on shared"`
	MaxClients string `group:"Proxy, on redis" placeholder:"N" default:"10000" help:"clients at a time"`
	Buffers    string `group:"Proxy, on redis" placeholder:"SIZE" default:"256mb" help:"requests under way, of all clients, before the next one waits"`
	Auth       string `group:"Proxy, on redis" placeholder:"WHO" choices:"terminate,passthrough" help:"who checks passwords: terminate (omniproxy, against --requirepass and --users-file) or passthrough (Redis) [terminate with one of these or a password in --upstream, else passthrough]"`
	UsersFile  string `group:"Proxy, on redis" placeholder:"FILE" help:"users besides the default one, in lines such as: user NAME on >PASSWORD"`

	LogLevel string `group:"Log" placeholder:"LEVEL" default:"info" choices:"debug,info,warn,error" help:"debug, info, warn or error"`
}

// Help stands below the flags in omniproxy --help.
func (serveWord) Help() string {
	return `Every flag is also a variable: --max-block is OMNIPROXY_MAX_BLOCK. Flags win over these variables,
and these over OmniDaemon's own, which stand in parentheses. Where OmniDaemon's lead to this very
listener they are meant for OmniDaemon, and JSON is served.`
}

// invocation is what a command line asks for.
type invocation struct {
	Word     string     // "help" or a word of cli
	Text     string     // for words that only print: what
	Settings Settings   // for serve
	Check    checkWord  // for check
	Backup   backupWord // for backup
	Ping     pingTarget // for ping
	Copy     copyWord
	Storage  storageWord
	Inspect  inspectWord
	Validate validateWord
}

// parse reads a command line, without the program's name, and the environment. An error is the user's, ends the program
// with exit code 2, is one line, says what to do and shows no password.
func parse(args []string, m machine) (invocation, error) {
	var c cli
	var help bytes.Buffer
	helped := false
	k, err := kong.New(&c,
		kong.Name("omniproxy"),
		kong.Description("omniproxy serves OmniDaemon's JSON files to every Redis client, or proxies a Redis."),
		kong.Help(func(_ kong.HelpOptions, ctx *kong.Context) error { return writeHelp(&help, ctx) }),
		// Kong parses on when Exit returns; what it finds then does not matter.
		kong.Exit(func(int) { helped = true }),
	)
	if err != nil {
		return invocation{}, fmt.Errorf("build the command line: %w", err)
	}
	ctx, err := k.Parse(args)
	switch {
	case helped:
		return invocation{Word: "help", Text: help.String()}, nil
	case err != nil:
		return invocation{}, errors.New(redactArgs(err.Error(), args) + "; see omniproxy --help")
	}
	inv := invocation{Word: ctx.Selected().Name}
	switch inv.Word {
	case "serve":
		var g given
		if g, err = fill(ctx, m); err == nil {
			inv.Settings, err = c.Serve.settings(g, m)
		}
	case "check":
		var g given
		if g, err = fill(ctx, m); err == nil {
			err = c.Check.mean(g)
		}
		inv.Check = c.Check
	case "backup":
		inv.Backup = c.Backup
	case "ping":
		inv.Ping, err = c.Ping.target(m)
	case "copy", "storage", "inspect", "validate":
		var g given
		if g, err = fill(ctx, m); err == nil {
			err = inv.tool(&c, g, m)
		}
	case "rules":
		inv.Text, err = c.Rules.text()
	case "explain":
		inv.Text, err = c.Explain.text()
	case "completion":
		inv.Text, err = c.Completion.script(k.Model)
	case "man":
		inv.Text, err = manPage(k.Model)
	}
	if err != nil {
		return invocation{}, err
	}
	return inv, nil
}

// tool gives the flags of a tool their meaning.
func (inv *invocation) tool(c *cli, g given, m machine) (err error) {
	switch inv.Word {
	case "copy":
		err = c.Copy.mean(g, m)
	case "storage":
		err = c.Storage.mean(g, m)
	case "inspect":
		err = c.Inspect.mean(g, m)
	case "validate":
		err = c.Validate.mean(g, m)
	}
	inv.Copy, inv.Storage, inv.Inspect, inv.Validate = c.Copy, c.Storage, c.Inspect, c.Validate
	return err
}

// setting is a flag that was given.
type setting struct {
	flag    string // its name without dashes
	origin  string // what set it: "--dir", "OMNIPROXY_DIR", "JSON_STORAGE_DIR"
	value   string
	changed bool // value is not the flag's default
}

// onCommandLine reports whether the command line set it.
func (s setting) onCommandLine() bool { return s.origin == "--"+s.flag }

// own reports whether a name of omniproxy's own set it, rather than one that OmniDaemon reads, too.
func (s setting) own() bool { return s.onCommandLine() || s.origin == variable(s.flag) }

// String returns the setting as the user wrote it, without its password: OMNIPROXY_DB=99.
func (s setting) String() string { return s.origin + "=" + redact(s.value) }

// given lists the flags that were given, in the order of cli.
type given []setting

// of returns what was given for flag; its origin is "" if nothing was.
func (g given) of(flag string) setting {
	for _, s := range g {
		if s.flag == flag {
			return s
		}
	}
	return setting{}
}

// variable returns the environment variable of a flag.
func variable(flag string) string {
	return "OMNIPROXY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fill sets, from the environment, the selected word's flags that the command line does not set, and tells which flags
// were given in either place.
func fill(ctx *kong.Context, m machine) (given, error) {
	typed := map[*kong.Flag]bool{}
	for _, path := range ctx.Path {
		typed[path.Flag] = true
	}
	var g given
	for _, flag := range ctx.Selected().Flags {
		s := setting{flag: flag.Name}
		if typed[flag] {
			s.origin = "--" + flag.Name
		} else if flag.Tag.Has("typed") {
			continue
		} else if s.origin, s.value = environment(flag, m); s.origin == "" {
			continue
		} else if err := set(flag, s); err != nil {
			return nil, err
		}
		s.value = fmt.Sprint(flag.Target)
		if s.changed = s.value != flag.Default; flag.IsBool() {
			s.changed = flag.Target.Bool()
		}
		g = append(g, s)
	}
	return g, nil
}

// environment returns the first variable that sets flag, or nothing. A variable set to nothing counts as not set,
// because that is how shells and compose files pass on what they were not told; but an empty prefix is a prefix.
func environment(flag *kong.Flag, m machine) (name, value string) {
	for _, name := range []string{variable(flag.Name), flag.Tag.Get("fallback")} {
		if value, ok := m.lookupEnv(name); ok && (value != "" || flag.Tag.Has("empty")) {
			return name, value
		}
	}
	return "", ""
}

// set puts what a variable says into flag. Booleans take the words that they take on the command line.
func set(flag *kong.Flag, s setting) error {
	if !flag.IsBool() {
		flag.Target.SetString(s.value)
		return nil
	}
	switch strings.ToLower(s.value) {
	case "true", "1", "yes":
		flag.Target.SetBool(true)
	case "false", "0", "no":
		flag.Target.SetBool(false)
	default:
		return fmt.Errorf("%s: choose true or false", s)
	}
	return nil
}

// redactArgs takes the passwords on a command line out of a text about it.
func redactArgs(text string, args []string) string {
	for i, arg := range args {
		shown := redact(arg)
		if i > 0 && args[i-1] == "--requirepass" {
			shown = hidden
		}
		if arg != "" && shown != arg {
			text = strings.ReplaceAll(text, arg, shown)
		}
	}
	return text
}
