package engine

import (
	"strconv"
	"time"

	"github.com/omniproxy/omniproxy/resp/command"
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
	"CONFIG REWRITE":          func(*Call) error { return wire.ErrConfigRewrite },
	"CONFIG RESETSTAT":        resetStat,
	"CONFIG HELP":             containerHelp,
	"DEBUG":                   debugging,
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
	c.engine.invalidateAll()
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

func formatCursor(n uint64) string { return strconv.FormatUint(n, 10) }
