package engine

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/glob"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Server: https://redis.io/commands/?group=server
var serverHandlers = handlers{
	"DBSIZE":                  func(c *Call) error { c.Reply.Int(int64(len(c.Tx.db.keys))); return nil },
	"TIME":                    serverTime,
	"FLUSHDB":                 func(c *Call) error { return flush(c, c.Tx.db.id) },
	"FLUSHALL":                func(c *Call) error { return flush(c, -1) },
	"INFO":                    info,
	"CONFIG GET":              configGet,
	"CONFIG SET":              configSet,
	"SAVE":                    save,
	"BGSAVE":                  backgroundSave,
	"BGREWRITEAOF":            backgroundRewrite,
	"LASTSAVE":                func(c *Call) error { c.Reply.Int(c.engine.opts.Host.LastSave().Unix()); return nil },
	"COMMAND":                 describeCommands,
	"COMMAND COUNT":           describeCommands,
	"COMMAND DOCS":            describeCommands,
	"COMMAND INFO":            describeCommands,
	"COMMAND LIST":            describeCommands,
	"COMMAND GETKEYS":         describeCommands,
	"COMMAND GETKEYSANDFLAGS": describeCommands,
	"COMMAND HELP":            describeCommands,
}

func describeCommands(c *Call) error { return command.Reply(c.Reply, c.Args, c.engine.Supports) }

func serverTime(c *Call) error {
	now := time.Now()
	c.Reply.Array(2)
	c.Reply.BulkString(strconv.FormatInt(now.Unix(), 10))
	c.Reply.BulkString(strconv.Itoa(now.Nanosecond() / 1e3))
	return nil
}

// flush empties one database, or all when db is -1. ASYNC and SYNC mean the same here: forgetting is one assignment.
func flush(c *Call, db int) error {
	if len(c.Args) > 2 || len(c.Args) == 2 && !c.Is(1, "ASYNC") && !c.Is(1, "SYNC") {
		return wire.ErrSyntax
	}
	for id := range c.engine.dbs {
		if db < 0 || db == id {
			c.Tx.Flush(id)
		}
	}
	c.Tx.Effect(c.Spec.Name)
	c.Reply.OK()
	return nil
}

func save(c *Call) error {
	if err := c.engine.opts.Host.Save(); err != nil {
		return err
	}
	c.Reply.OK()
	return nil
}

func backgroundSave(c *Call) error {
	if len(c.Args) > 2 || len(c.Args) == 2 && !c.Is(1, "SCHEDULE") {
		return wire.ErrSyntax
	}
	if err := c.engine.opts.Host.BackgroundSave(); err != nil {
		return err
	}
	c.Reply.Status("Background saving started")
	return nil
}

func backgroundRewrite(c *Call) error {
	if err := c.engine.opts.Host.BackgroundRewrite(); err != nil {
		return err
	}
	c.Reply.Status("Background append only file rewriting started")
	return nil
}

// configGet answers CONFIG GET pattern... with a map, each parameter once. A name that is no pattern is answered as it was
// spelled.
func configGet(c *Call) error {
	known := c.engine.config()
	values := map[string]string{}
	for _, arg := range c.Args[2:] {
		if !bytes.ContainsAny(arg, "*?[") {
			if value, ok := known[strings.ToLower(string(arg))]; ok {
				values[string(arg)] = value
			}
			continue
		}
		for name, value := range known {
			if glob.Match(arg, []byte(name), true) {
				values[name] = value
			}
		}
	}
	c.Reply.Map(len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		c.Reply.BulkString(name)
		c.Reply.BulkString(values[name])
	}
	return nil
}

// eventsParameter is which keyspace notifications there are.
const eventsParameter = "notify-keyspace-events"

// settable are the other parameters that CONFIG SET changes: when small values become big ones, and how long strings become.
func (e *Engine) settable() map[string]*int {
	l := &e.limits
	return map[string]*int{
		"hash-max-listpack-entries": &l.HashEntries,
		"hash-max-listpack-value":   &l.HashValue,
		"set-max-intset-entries":    &l.SetInts,
		"zset-max-listpack-entries": &l.ZSetEntries,
		"zset-max-listpack-value":   &l.ZSetValue,
		"stream-node-max-entries":   &e.streamLimits.NodeEntries,
		"stream-node-max-bytes":     &e.streamLimits.NodeBytes,
		"proto-max-bulk-len":        &e.longest,
	}
}

// configSet answers CONFIG SET parameter value...: all are set or none.
func configSet(c *Call) error {
	if len(c.Args)%2 != 0 {
		return wire.WrongArity("config|set")
	}
	settable, known := c.engine.settable(), c.engine.config()
	for i := 2; i < len(c.Args); i += 2 {
		name := strings.ToLower(string(c.Args[i]))
		if _, ok := known[name]; !ok {
			return wire.Errorf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", c.Args[i])
		}
		if name == eventsParameter {
			if _, ok := parseEventClasses(string(c.Args[i+1])); !ok {
				return wire.Errorf("ERR CONFIG SET failed (possibly related to argument '%s') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.", c.Args[i])
			}
			continue
		}
		if settable[name] == nil {
			return wire.Errorf("ERR CONFIG SET failed (possibly related to argument '%s') - can't set immutable config", c.Args[i])
		}
		if n, ok := integer(c.Args[i+1]); !ok || n < 0 || n > math.MaxInt32 {
			return wire.Errorf("ERR CONFIG SET failed (possibly related to argument '%s') - argument couldn't be parsed into an integer", c.Args[i])
		}
	}
	for i := 2; i < len(c.Args); i += 2 {
		if strings.ToLower(string(c.Args[i])) == eventsParameter {
			c.engine.events, _ = parseEventClasses(string(c.Args[i+1]))
			continue
		}
		n, _ := integer(c.Args[i+1])
		*settable[strings.ToLower(string(c.Args[i]))] = int(n)
	}
	c.Reply.OK()
	return nil
}

// config lists the parameters that mean something here, and those that tools ask for.
func (e *Engine) config() map[string]string {
	known := map[string]string{
		"databases":        strconv.Itoa(Databases),
		"maxmemory":        "0",
		"maxmemory-policy": "noeviction",
		"save":             "",
		"appendonly":       "no",
		eventsParameter:    e.events.String(),
	}
	for name, n := range e.settable() {
		known[name] = strconv.Itoa(*n)
	}
	maps.Copy(known, e.opts.Host.Config())
	return known
}

func formatCursor(n uint64) string { return strconv.FormatUint(n, 10) }

// info answers INFO [section...] (https://redis.io/commands/info).
func info(c *Call) error {
	wanted := map[string]bool{}
	for _, a := range c.Args[1:] {
		wanted[strings.ToLower(string(a))] = true
	}
	everything := len(wanted) == 0 || wanted["all"] || wanted["everything"] || wanted["default"]
	var b strings.Builder
	for _, s := range c.engine.info() {
		if !everything && !wanted[strings.ToLower(s.Name)] {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("# " + s.Name + "\r\n")
		for _, line := range s.Lines {
			b.WriteString(line + "\r\n")
		}
	}
	c.Reply.Verbatim("txt", b.String())
	return nil
}
