package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is the command line: a field for each word, and in it a field for each flag with its default and help.
//
// The flag --max-block also stands in the environment, as OMNIPROXY_MAX_BLOCK. The tag fallback names OmniDaemon's
// variable of the same meaning, which ranks below that; empty:"" marks a flag whose variable may be set to nothing;
// typed:"" one that counts on the command line alone; choices lists the words that a value is one of.
//
// The flags of serve are also the keys of the file that --config names. There scope says what a setting concerns: the
// process, a listener, a backend, or - for what has no place in a file; list:"" marks what may be a list, secret:"" what
// nobody is shown, and reload:"" what SIGHUP changes in a running process.
type cli struct {
	Serve    serveWord    `cmd:"" default:"withargs" help:"serve OmniDaemon's data until SIGINT or SIGTERM"`
	Config   configWord   `cmd:"" help:"check the settings of serve, or print them as a file"`
	Check    checkWord    `cmd:"" help:"read a data directory as a start would and say what is wrong with it"`
	Backup   backupWord   `cmd:"" help:"copy a data directory, also while it is served"`
	Ping     pingWord     `cmd:"" help:"ask a server for PONG; exit 0 if it comes, 1 if not"`
	Inspect  inspectWord  `cmd:"" help:"show agents, results, metrics, the event bus or its dead letters"`
	Copy     copyWord     `cmd:"" help:"copy keys between directories, Redis and omniproxy, either way"`
	Storage  storageWord  `cmd:"" help:"check or clear a store, with OmniDaemon's words"`
	Validate validateWord `cmd:"" help:"judge what is stored by the rules of OmniDaemon's layout"`
	Rules    rulesWord    `cmd:"" help:"list what omniproxy knows to be wrong with keys"`
	Explain  explainWord  `cmd:"" help:"say what a rule is about"`
	Help     helpWord     `cmd:"" help:"say what a word does, and its flags"`
	Version  versionWord  `cmd:"" help:"print version, commit and platform"`

	Completion completionWord `cmd:"" help:"print what makes bash, zsh or fish complete this command line"`
	Man        manWord        `cmd:"" help:"print the manual page; to read it: omniproxy man | man -l -"`
}

type versionWord struct{}

// serveWord holds the flags of serve as text: an error about one must name where the text came from.
// Its method settings gives them meaning.
type serveWord struct {
	Config string `scope:"-" group:"Settings" placeholder:"FILE" help:"read settings from FILE, in YAML: flags' names and their values; omniproxy config print shows one"`

	Listen          string `scope:"listener" group:"Clients" placeholder:"ADDR" default:"127.0.0.1:6380" help:"HOST:PORT, unix:/PATH or /PATH; port 0 takes a free one"`
	ReadyFile       string `scope:"process" group:"Clients" placeholder:"FILE" help:"write the address to FILE once clients can connect"`
	Requirepass     string `scope:"listener" reload:"" secret:"" group:"Clients" placeholder:"PASSWORD" help:"what clients AUTH with; process lists show it, so prefer the next"`
	RequirepassFile string `scope:"listener" reload:"" group:"Clients" placeholder:"FILE" help:"read the password from FILE; or set OMNIPROXY_REQUIREPASS"`
	Users           string `scope:"listener" reload:"" group:"Clients" placeholder:"FILE" help:"who may log in, and what each may do, in lines of Redis' ACL files: user NAME on >PASSWORD ~* &* +@all"`
	DrainTimeout    string `scope:"process" group:"Clients" placeholder:"TIME" default:"1s" help:"how long clients that send nothing are kept when omniproxy stops"`
	MaxBlock        string `scope:"listener" reload:"" group:"Clients" placeholder:"TIME" help:"cap on BLOCK of XREAD and XREADGROUP, such as 4s; 0 is none; auto is 4s for redis-py 8 and newer, which give up after 5s [auto; 0 on redis]"`

	TLSCert               string `scope:"listener" reload:"" group:"Exposure" name:"tls-cert" placeholder:"FILE" help:"speak TLS only, with the certificate in FILE, in PEM; read anew when it changes"`
	TLSKey                string `scope:"listener" reload:"" group:"Exposure" name:"tls-key" placeholder:"FILE" help:"its key"`
	TLSClientCA           string `scope:"listener" reload:"" group:"Exposure" name:"tls-client-ca" placeholder:"FILE" help:"require of clients a certificate of the CAs in FILE"`
	AuthTimeout           string `scope:"listener" reload:"" group:"Exposure" placeholder:"TIME" default:"30s" help:"how long a client may take for a TLS handshake, and to log in where it must; 0 is for ever"`
	MaxClients            string `scope:"backend" reload:"" group:"Exposure" placeholder:"N" default:"10000" help:"clients at a time"`
	MaxUnauthenticated    string `scope:"backend" reload:"" group:"Exposure" placeholder:"N" default:"0" help:"of these, who have to log in and have not; one more, and who came first is closed; 0 is as many as clients"`
	UnauthenticatedMemory string `scope:"backend" reload:"" group:"Exposure" placeholder:"SIZE" default:"64mb" help:"what these may make omniproxy hold, together; 0 is no bound"`
	ClientMemory          string `scope:"backend" reload:"" group:"Exposure" placeholder:"SIZE" default:"1gb" help:"requests that have not come whole, transactions, unread replies and subscriptions of all clients; beyond it who holds most is closed; 0 is no bound"`
	ConnectionRate        string `scope:"listener" reload:"" group:"Exposure" placeholder:"N" default:"0" help:"connections a second from one address; others are closed; 0 is any number"`
	RateLimit             string `scope:"listener" reload:"" group:"Exposure" placeholder:"N" default:"0" help:"commands a second of one client; what comes faster waits; 0 is any number"`
	Deny                  string `scope:"listener" reload:"" list:"" group:"Exposure" placeholder:"LIST" help:"commands that do not exist for clients, such as flushall,config|set,@dangerous"`
	Rename                string `scope:"listener" reload:"" list:"" group:"Exposure" placeholder:"LIST" help:"commands that clients know by another name only, such as config=settings"`
	RefuseWrites          bool   `scope:"listener" reload:"" group:"Exposure" help:"refuse writes with READONLY, as a replica does, and scripts; --read-only also leaves --dir alone"`
	Audit                 string `scope:"backend" group:"Exposure" placeholder:"FILE" help:"write down who did what, as lines of JSON, without keys and values; - is standard error"`
	AuditCommands         string `scope:"backend" list:"" group:"Exposure" placeholder:"LIST" default:"@admin,@dangerous,auth" help:"commands and categories that are written down; auth is logins, @all everything"`

	Backend  string `scope:"backend" group:"Data" placeholder:"NAME" default:"json" choices:"json,redis" fallback:"STORAGE_BACKEND" help:"json (serve --dir) or redis (proxy --upstream)"`
	Dir      string `scope:"backend" group:"Data" placeholder:"DIR" default:".omnidaemon_data" fallback:"JSON_STORAGE_DIR" help:"data directory, created if missing"`
	Upstream string `scope:"backend" group:"Data" placeholder:"URL" fallback:"REDIS_URL" help:"the Redis to proxy: redis://, rediss:// or unix://; process lists show a password in it, so set OMNIPROXY_UPSTREAM [redis://localhost:6379]"`
	Prefix   string `scope:"backend" group:"Data" placeholder:"TEXT" default:"omni" fallback:"REDIS_KEY_PREFIX" empty:"" help:"what OmniDaemon's keys begin with"`
	DB       string `scope:"backend" group:"Data" name:"db" placeholder:"N" default:"0" help:"the database, 0 to 15, that the JSON files show"`

	Validate      string `scope:"backend" reload:"" group:"Key layout" placeholder:"HOW" choices:"off,observe,warn,enforce" help:"writes that break a rule of OmniDaemon's key layout: off, observe (count), warn (and log, and list by OMNIPROXY VIOLATIONS) or enforce (and refuse; rules of severity info warn) [warn; observe on redis]"`
	ValidateRules string `scope:"backend" reload:"" list:"" group:"Key layout" placeholder:"LIST" help:"other settings for single rules, such as OMN001=off,near-miss-key=enforce; omniproxy rules lists them"`

	Fsync      string `scope:"backend" group:"Writes, on json" placeholder:"WHEN" default:"everysec" choices:"always,everysec,no" help:"when writes are forced to disk: always, everysec or no; only a power cut can lose one that was acknowledged"`
	MetricsCap string `scope:"backend" group:"Writes, on json" placeholder:"N" default:"10000" help:"keep the last N metrics; 0: as many as clients ask for"`
	ReadOnly   bool   `scope:"backend" group:"Writes, on json" help:"refuse writes and leave --dir alone; for use beside a JSON store"`
	Ephemeral  bool   `scope:"backend" group:"Writes, on json" help:"keep writes in memory only; nothing reaches the disk"`

	UpstreamCA         string `scope:"backend" group:"Upstream, on redis" name:"upstream-ca" placeholder:"FILE" help:"with rediss://, the certificates of the CAs to trust, in PEM [those of the system]"`
	UpstreamCert       string `scope:"backend" group:"Upstream, on redis" placeholder:"FILE" help:"with rediss://, the certificate to show to Redis, in PEM"`
	UpstreamKey        string `scope:"backend" group:"Upstream, on redis" placeholder:"FILE" help:"its key"`
	UpstreamSNI        string `scope:"backend" group:"Upstream, on redis" name:"upstream-sni" placeholder:"NAME" help:"with rediss://, the name to ask for and to find in the certificate [the URL's host]"`
	UpstreamSkipVerify bool   `scope:"backend" group:"Upstream, on redis" help:"with rediss://, trust any certificate: whoever is on the way can read and change everything"`
	DialTimeout        string `scope:"backend" group:"Upstream, on redis" placeholder:"TIME" default:"5s" help:"how long connecting may take"`
	QueueTimeout       string `scope:"backend" group:"Upstream, on redis" placeholder:"TIME" default:"5s" help:"how long a command waits for a Redis that is not there before it is answered with an error"`
	ReadTimeout        string `scope:"backend" group:"Upstream, on redis" placeholder:"TIME" default:"60s" help:"how long Redis may owe a reply and send nothing, the time of a command that blocks and scripts aside; 0 is for ever"`

	Pool     string `scope:"backend" group:"Proxy, on redis" placeholder:"HOW" default:"shared" choices:"shared,session" help:"shared (clients share connections to Redis but while they have state there) or session (each client has one)"`
	Lanes    string `scope:"backend" group:"Proxy, on redis" placeholder:"N" default:"1" help:"connections that clients of one protocol, database and user share, on shared"`
	Pins     string `scope:"backend" group:"Proxy, on redis" placeholder:"N" default:"1000" help:"connections for clients with state, on shared"`
	PinTime  string `scope:"backend" group:"Proxy, on redis" placeholder:"TIME" default:"5m" help:"how long a client may send nothing inside MULTI or after WATCH, on shared; 0 is for ever"`
	IdleTime string `scope:"backend" group:"Proxy, on redis" placeholder:"TIME" default:"1m" help:"how long a connection to Redis is kept that no client uses, on shared"`
	Buffers  string `scope:"backend" group:"Proxy, on redis" placeholder:"SIZE" default:"256mb" help:"requests under way, of all clients, before the next one waits"`
	Auth     string `scope:"backend" group:"Proxy, on redis" placeholder:"WHO" choices:"terminate,passthrough" help:"who checks passwords: terminate (omniproxy, against --requirepass and --users) or passthrough (Redis) [terminate with one of these or a password in --upstream, else passthrough]"`

	MetricsListen string `scope:"process" group:"Observability" placeholder:"ADDR" help:"answer GET /metrics (for Prometheus), /healthz and /readyz at HOST:PORT, unix:/PATH or /PATH, without a password"`
	Pprof         bool   `scope:"process" group:"Observability" help:"answer GET /debug/pprof/ there, too"`
	DrainDelay    string `scope:"process" group:"Observability" placeholder:"TIME" default:"0" help:"when omniproxy stops let /readyz fail for so long before clients are let go"`

	LogFormat string `scope:"process" group:"Log" placeholder:"FORMAT" default:"text" choices:"text,json" help:"text (for people) or json"`
	LogLevel  string `scope:"process" reload:"" group:"Log" placeholder:"LEVEL" default:"info" choices:"debug,info,warn,error" help:"debug, info, warn or error"`
}

// Help stands below the flags in omniproxy --help.
func (serveWord) Help() string {
	return `Every flag is also a variable: --max-block is OMNIPROXY_MAX_BLOCK. Flags win over these variables,
these over the file of --config, and that over OmniDaemon's own variables, which stand in
parentheses. Where OmniDaemon's lead to this very listener they are meant for OmniDaemon, and JSON
is served. Without any flag omniproxy serves .omnidaemon_data on 127.0.0.1:6380, and the line that
it prints says what to tell redis-cli and OmniDaemon. omniproxy help WORD tells of another word.`
}

// invocation is what a command line asks for.
type invocation struct {
	Word      string     // "help" or a word of cli
	Text      string     // for words that only print: what
	Listeners []Settings // for serve: of each listener, of which there is at least one
	Warnings  []string   // of the file of settings and of variables, which nothing stops
	Action    string     // for config: check, print or table
	source    *settingsSource
	Check     checkWord  // for check
	Backup    backupWord // for backup
	Ping      pingTarget // for ping
	Copy      copyWord
	Storage   storageWord
	Inspect   inspectWord
	Validate  validateWord
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
	ctx, err := k.Parse(asMeant(args))
	switch {
	case helped:
		return invocation{Word: "help", Text: help.String()}, nil
	case err != nil:
		return invocation{}, explainUsage(err, args)
	}
	inv := invocation{Word: ctx.Selected().Name}
	switch inv.Word {
	case "serve":
		inv.source = c.settingsSource(ctx, c.Serve.Config, m)
		inv.Listeners, inv.Warnings, err = inv.source.read()
		inv.Warnings = append(inv.Warnings, strayVariables(k.Model, m)...)
	case "config":
		inv, err = c.config(ctx, m)
		inv.Warnings = append(inv.Warnings, strayVariables(k.Model, m)...)
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
