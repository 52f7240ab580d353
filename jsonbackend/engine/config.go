package engine

import (
	"bytes"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp/glob"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// parameter is a parameter of the configuration.
type parameter struct {
	name    string
	alias   string // the name that Redis used before 7.0
	initial string // as CONFIG GET shows it
	kind    kind
	flags   parameterFlags
}

type parameterFlags uint8

const (
	immutable  parameterFlags = 1 << iota
	protected                 // as immutable, for another reason
	hidden                    // no pattern finds it
	credential                // neither logged nor shown to others
)

// config is what parameters are set to. It begins anew with every start: nothing is written to a file.
type config struct {
	named map[string]*parameter // by name and by alias
	text  map[string]string     // by name: what CONFIG GET shows
}

func newConfig() config {
	c := config{named: make(map[string]*parameter, 2*len(parameters)), text: make(map[string]string, len(parameters))}
	for i := range parameters {
		p := &parameters[i]
		c.named[p.name], c.text[p.name] = p, p.initial
		if p.alias != "" {
			c.named[p.alias] = p
		}
	}
	return c
}

// isCredential reports whether nobody else must see what a parameter is set to.
func isCredential(name []byte) bool {
	return slices.ContainsFunc(parameters[:], func(p parameter) bool {
		return p.flags&credential != 0 && strings.EqualFold(p.name, string(name))
	})
}

// configEffects are what a change of a parameter does; what is neither here nor the host's is only remembered. text is what
// CONFIG GET will show. An effect that returns an error has done nothing.
var configEffects = map[string]func(c *Call, text string) error{
	"hash-max-listpack-entries": limit(func(e *Engine) *int { return &e.limits.HashEntries }),
	"hash-max-listpack-value":   limit(func(e *Engine) *int { return &e.limits.HashValue }),
	"set-max-intset-entries":    limit(func(e *Engine) *int { return &e.limits.SetInts }),
	"zset-max-listpack-entries": limit(func(e *Engine) *int { return &e.limits.ZSetEntries }),
	"zset-max-listpack-value":   limit(func(e *Engine) *int { return &e.limits.ZSetValue }),
	"stream-node-max-entries":   limit(func(e *Engine) *int { return &e.streamLimits.NodeEntries }),
	"stream-node-max-bytes":     limit(func(e *Engine) *int { return &e.streamLimits.NodeBytes }),
	"proto-max-bulk-len":        limit(func(e *Engine) *int { return &e.longest }),
	"notify-keyspace-events": func(c *Call, text string) error {
		c.engine.events, _ = parseEventClasses(text)
		return nil
	},
	"tracking-table-max-keys": limit(func(e *Engine) *int { return &e.tracking.most }),
	"slowlog-log-slower-than": wide(func(e *Engine) *int64 { return &e.slowlog.slowerThan }),
	"acllog-max-len": func(c *Call, text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		c.conn.s.Users().Log.SetMost(n)
		return err
	},
	"acl-pubsub-default":                func(c *Call, text string) error { c.conn.s.Users().SetAllChannels(text == "allchannels"); return nil },
	"slowlog-max-len":                   wide(func(e *Engine) *int64 { return &e.slowlog.maxLen }),
	"latency-monitor-threshold":         wide(func(e *Engine) *int64 { return &e.latency.threshold }),
	"latency-tracking":                  func(c *Call, text string) error { c.engine.stats.histograms = text == "yes"; return nil },
	"latency-tracking-info-percentiles": setPercentiles,
	"maxmemory":                         setMaxMemory,
	"requirepass":                       setPassword,
	"maxclients": func(c *Call, text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		c.conn.s.Server().SetMaxClients(n)
		return err
	},
	// Redis would refuse every write from then on.
	"min-replicas-to-write": refused(wire.ReasonNoReplicas),

	"timeout": func(c *Call, text string) error {
		n, err := strconv.Atoi(text)
		c.conn.s.Server().SetIdleTimeout(time.Duration(n) * time.Second)
		return err
	},
	"port":            refused(wire.ReasonPort),
	"bind":            refused(wire.ReasonBind),
	"tls-port":        refused(wire.ReasonTLS),
	"tls-cluster":     refused(wire.ReasonTLS),
	"tls-replication": refused(wire.ReasonTLS),
}

// setPassword is requirepass. Who listens beyond this machine keeps a password, as at the start.
func setPassword(c *Call, text string) error {
	if text == "" && c.conn.s.Server().Exposed() {
		return wire.ReasonPasswordNeeded
	}
	c.conn.s.Users().SetPassword(text)
	return nil
}

// limit is the effect of a parameter that a field of the engine follows.
func limit(field func(*Engine) *int) func(*Call, string) error {
	return func(c *Call, text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		*field(c.engine) = int(min(n, math.MaxInt))
		return nil
	}
}

// wide is the effect of a parameter that a field of 64 bits follows.
func wide(field func(*Engine) *int64) func(*Call, string) error {
	return func(c *Call, text string) (err error) {
		*field(c.engine), err = strconv.ParseInt(text, 10, 64)
		return err
	}
}

// refused is the effect of a parameter that nobody can set here.
func refused(why wire.Reason) func(*Call, string) error {
	return func(*Call, string) error { return why }
}

// configured returns what CONFIG GET shows of the parameters whose truth is elsewhere: in the server and with the host.
func (c *Call) configured() map[string]string {
	texts := map[string]string{"requirepass": c.conn.s.Users().Password()}
	if addr := c.conn.s.Server().Addr(); addr != nil {
		if addr.Network() == "unix" {
			texts["unixsocket"] = addr.String()
		} else if host, port, err := net.SplitHostPort(addr.String()); err == nil {
			texts["bind"], texts["port"] = host, port
		}
	}
	maps.Copy(texts, c.engine.opts.Host.Config())
	return texts
}

// configGet answers CONFIG GET pattern... with a map, each parameter once. A name that is no pattern is answered as it was
// spelled.
func configGet(c *Call) error {
	type row struct {
		name []byte
		p    *parameter
	}
	var rows []row
	named := map[string]bool{}
	add := func(name []byte, p *parameter) {
		if lower := strings.ToLower(string(name)); !named[lower] {
			named[lower] = true
			rows = append(rows, row{name, p})
		}
	}
	for _, arg := range c.Args[2:] {
		if !bytes.ContainsAny(arg, "*?[") {
			if p := c.engine.config.named[strings.ToLower(string(arg))]; p != nil {
				add(arg, p)
			}
			continue
		}
		for i := range parameters {
			p := &parameters[i]
			for _, name := range []string{p.name, p.alias} {
				if name != "" && p.flags&hidden == 0 && glob.Match(arg, []byte(name), true) {
					add([]byte(name), p)
				}
			}
		}
	}
	elsewhere := c.configured()
	c.Reply.Map(len(rows))
	for _, r := range rows {
		text, ok := elsewhere[r.p.name]
		switch {
		case r.p.name == "notify-keyspace-events":
			text = c.engine.events.String() // which hides what was told: "n" behind "A"
		case !ok:
			text = c.engine.config.text[r.p.name]
		}
		c.Reply.Bulk(r.name)
		c.Reply.BulkString(text)
	}
	return nil
}

// assignment is one parameter that a CONFIG SET sets.
type assignment struct {
	*parameter
	name string // or the alias
	told string
}

// configSet answers CONFIG SET parameter value...: all are set or none.
func configSet(c *Call) error {
	if len(c.Args)%2 != 0 {
		return wire.ErrSyntax
	}
	settings, err := c.settings()
	if err != nil {
		return err
	}
	before := map[string]string{}
	maps.Copy(before, c.engine.config.text)
	maps.Copy(before, c.configured())
	after := maps.Clone(before)
	for _, s := range settings {
		text, err := s.kind.shown(s.told, after[s.parameter.name])
		if err != nil {
			return wire.ConfigSetFailed(s.name, err)
		}
		after[s.parameter.name] = text
	}
	for i, s := range settings {
		name := s.parameter.name
		if err := c.configure(name, before[name], after[name]); err != nil {
			for _, done := range settings[:i] {
				name := done.parameter.name
				c.configure(name, after[name], before[name])
			}
			return wire.ConfigSetFailed(s.name, err)
		}
	}
	c.Reply.OK()
	return nil
}

// settings reads which parameters are to be set, and checks that they may be.
func (c *Call) settings() ([]assignment, error) {
	named := map[string]bool{}
	var settings []assignment
	for i := 2; i < len(c.Args); i += 2 {
		name := strings.ToLower(string(c.Args[i]))
		p := c.engine.config.named[name]
		switch {
		case p == nil:
			return nil, wire.UnknownConfig(c.Args[i])
		case p.flags&immutable != 0:
			return nil, wire.ConfigSetFailed(string(c.Args[i]), wire.ReasonImmutable)
		case p.flags&protected != 0:
			return nil, wire.ConfigSetFailed(string(c.Args[i]), wire.ReasonProtected)
		case named[name]:
			return nil, wire.ConfigSetFailed(string(c.Args[i]), wire.ReasonTwice)
		}
		named[name] = true
		settings = append(settings, assignment{parameter: p, name: name, told: string(c.Args[i+1])})
	}
	return settings, nil
}

// configure changes a parameter.
func (c *Call) configure(name, before, after string) error {
	if before == after {
		return nil
	}
	effect := configEffects[name]
	if _, known := c.engine.opts.Host.Config()[name]; known {
		effect = func(_ *Call, text string) error { return c.engine.opts.Host.Configure(name, text) }
	}
	if effect != nil {
		if err := effect(c, after); err != nil {
			return err
		}
	}
	c.engine.config.text[name] = after
	return nil
}
