package engine

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// debugCommand is one of DEBUG's, which COMMAND does not know of.
type debugCommand struct {
	name     string
	min, max int // words, DEBUG and the name included
	do       Handler
	doc      string // its arguments, and what it does
}

// debugCommands are for tests and for whoever looks for a bug: https://redis.io/commands/debug
var debugCommands = []debugCommand{
	{"CHANGE-REPL-ID", 2, 2, ok, "\nNothing: there are no replicas."},
	{"DIGEST", 2, 2, debugDigest, "\nA digest of all keys. Equal keyspaces have equal ones."},
	{"DIGEST-VALUE", 2, math.MaxInt, debugDigestValue, " key [key ...]\nDigests of what keys hold, and of when they expire."},
	{"ERROR", 3, 3, debugError, " text\nReplies with an error."},
	{"LOADAOF", 2, math.MaxInt, debugReload, "\nAs RELOAD."},
	{"OBJECT", 3, 3, debugObject, " key\nHow a key is stored."},
	{"POPULATE", 3, 5, debugPopulate, " count [prefix [size]]\nMakes string keys prefix:0, prefix:1 and so on, unless they are there."},
	{"PROTOCOL", 3, 3, debugProtocol, " type\nReplies with an example of " + protocolTypes + "."},
	{"QUICKLIST-PACKED-THRESHOLD", 3, 3, debugThreshold, " size\nNothing: it concerns how Redis stores lists."},
	{"RELOAD", 2, math.MaxInt, debugReload, " [MERGE] [NOFLUSH]\nMakes every key anew from the commands that a rewrite of the log would keep, and compares the digests. Everybody waits."},
	{"SET-ACTIVE-EXPIRE", 3, 3, debugActiveExpire, " 0|1\nWhether keys whose time is over go before somebody asks for them."},
	{"SLEEP", 3, 3, debugSleep, " seconds\nEverybody waits."},
}

// debugging answers DEBUG, which only clients of this machine may use: it can stop the server.
func debugging(c *Call) error {
	if len(c.Args) == 2 && c.Is(1, "HELP") {
		return debugHelp(c)
	}
	for _, d := range debugCommands {
		if c.Is(1, d.name) && len(c.Args) >= d.min && len(c.Args) <= d.max {
			return d.do(c)
		}
	}
	return wire.BadSubcommand(c.Args[0], c.Args[1])
}

func ok(c *Call) error {
	c.Reply.OK()
	return nil
}

func debugHelp(c *Call) error {
	c.Reply.Array(1 + 2*len(debugCommands))
	c.Reply.Status("DEBUG <subcommand> [argument ...]. Subcommands:")
	for _, d := range debugCommands {
		arguments, doc, _ := strings.Cut(d.doc, "\n")
		c.Reply.Status(d.name + arguments)
		c.Reply.Status("    " + doc)
	}
	return nil
}

// debugSleep keeps the lock.
func debugSleep(c *Call) error {
	seconds, _ := strtod(c.Args[2])
	time.Sleep(time.Duration(min(seconds*float64(time.Second), math.MaxInt64/2)))
	return ok(c)
}

func debugError(c *Call) error {
	line := bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, c.Args[2])
	return wire.Error(line)
}

// debugActiveExpire takes what is no number for 0, as Redis does.
func debugActiveExpire(c *Call) error {
	n, _ := strconv.Atoi(string(c.Args[2]))
	c.engine.passive.Store(n == 0)
	return ok(c)
}

func debugThreshold(c *Call) error {
	const most = 4 << 30
	if n, ok := parseMemory(string(c.Args[2])); !ok || n > most {
		return wire.ErrPackedThreshold
	}
	return ok(c)
}

func debugObject(c *Call) error {
	e := c.Tx.peek(c.Args[2])
	if e == nil {
		return wire.ErrNoSuchKey
	}
	second := c.Tx.second()
	c.Reply.Status(fmt.Sprintf("Value at:%p refcount:1 encoding:%s serializedlength:%d lru:%d lru_seconds_idle:%d",
		e.Value, e.Value.Encoding(), value.Size(e.Value, usageSamples), e.used&(1<<24-1), second-min(e.used, second)))
	return nil
}

// debugPopulate makes keys as SET would. Unlike Redis it keeps them.
func debugPopulate(c *Call) error {
	const most = 1 << 30 // bytes of values
	if c.engine.opts.ReadOnly {
		return wire.ErrReadOnly
	}
	count, err := c.atLeast(2, 0, wire.ErrNotPositive)
	if err != nil {
		return err
	}
	prefix, size := []byte("key"), int64(0)
	if len(c.Args) > 3 {
		prefix = c.Args[3]
	}
	if len(c.Args) > 4 {
		if size, err = c.atLeast(4, 0, wire.ErrNotPositive); err != nil {
			return err
		}
	}
	if count > most/64 || size > most || count*max(size, 64) > most {
		return wire.ErrValueRange
	}
	for i := range count {
		key := fmt.Appendf(nil, "%s:%d", prefix, i)
		if c.Tx.peek(key) != nil {
			continue
		}
		text := fmt.Appendf(nil, "value:%d", i)
		if size > 0 {
			text = append(text, make([]byte, size)...)[:size]
		}
		c.Tx.SetString(key, text, false)
		c.Tx.Changed(key)
		c.Tx.Effect("SET", key, text)
	}
	return ok(c)
}

// protocolTypes are what DEBUG PROTOCOL can reply with.
const protocolTypes = "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"

// debugProtocol replies with a value of a type, the same as Redis' for tests of clients.
func debugProtocol(c *Call) error {
	const bignum = "1234567999999999999999999999999999999"
	w, resp3 := c.Reply, c.Reply.Proto == 3
	switch strings.ToLower(string(c.Args[2])) {
	case "string":
		w.BulkString("Hello World")
	case "integer":
		w.Int(12345)
	case "double":
		w.Double(3.141)
	case "null":
		w.Null()
	case "array", "set":
		if c.Is(2, "ARRAY") {
			w.Array(3)
		} else {
			w.Set(3)
		}
		for i := range int64(3) {
			w.Int(i)
		}
	case "map":
		w.Map(3)
		for i := range int64(3) {
			w.Int(i)
			w.Bool(i == 1)
		}
	case "attrib":
		if resp3 {
			w.Raw([]byte("|1\r\n"))
			w.BulkString("key-popularity")
			w.Array(2)
			w.BulkString("key:123")
			w.Int(90)
		}
		w.BulkString("Some real reply following the attribute")
	case "push":
		if !resp3 {
			return wire.ErrResp3Only
		}
		w.Push(2)
		w.BulkString("server-cpu-usage")
		w.Int(42)
		w.BulkString("Some real reply following the push reply")
	case "verbatim":
		w.Verbatim("txt", "This is a verbatim\nstring")
	case "true", "false":
		w.Bool(c.Is(2, "TRUE"))
	case "bignum":
		if resp3 {
			w.Raw([]byte("(" + bignum + "\r\n"))
		} else {
			w.BulkString(bignum)
		}
	default:
		return wire.UnknownProtocolType(protocolTypes)
	}
	return nil
}

func debugDigest(c *Call) error {
	sum := c.engine.digest()
	c.Reply.Status(hex.EncodeToString(sum[:]))
	return nil
}

func debugDigestValue(c *Call) error {
	c.Reply.Array(len(c.Args) - 2)
	for _, key := range c.Args[2:] {
		var sum digest
		if e := c.Tx.peek(key); e != nil {
			sum = entryDigest(e)
		}
		c.Reply.Status(hex.EncodeToString(sum[:]))
	}
	return nil
}

// debugReload answers DEBUG RELOAD and DEBUG LOADAOF. There is no RDB file, so neither is there anything to merge.
func debugReload(c *Call) error {
	if c.Is(1, "RELOAD") {
		for i := range c.Args[2:] {
			switch {
			case c.Is(2+i, "NOSAVE"):
				return wire.ErrReloadNoSave
			case !c.Is(2+i, "MERGE") && !c.Is(2+i, "NOFLUSH"):
				return wire.ErrReloadOption
			}
		}
	}
	if err := c.reload(); err != nil {
		return wire.Errorf("ERR %v", err)
	}
	return ok(c)
}
