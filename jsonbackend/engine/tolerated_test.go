package engine

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/command"
)

// What random commands may not be compared for. Only lexCommand uses the key "lex", whose members have equal scores.

// tolerance says which random commands are not compared with Redis, or only their errors.
type tolerance struct {
	why     string // beginning with "row: ", part of a row of docs/differences.md
	errors  bool   // errors are compared
	applies func(c call) bool
}

var tolerated = []tolerance{
	// differences
	{why: "row: order of KEYS, SCAN", errors: true, applies: named("SCAN", "HSCAN", "SSCAN", "ZSCAN")},
	{why: "row: members of a sorted set with unequal scores in BYLEX ranges", errors: true, applies: func(c call) bool {
		return !c.has("lex") && (c.is("ZRANGEBYLEX", "ZREVRANGEBYLEX", "ZLEXCOUNT") || c.is("ZRANGE") && c.has("BYLEX"))
	}},
	{why: "row: members of a sorted set with unequal scores in BYLEX ranges", applies: func(c call) bool {
		return !c.has("lex") && (c.is("ZREMRANGEBYLEX") || c.is("ZRANGESTORE") && c.has("BYLEX"))
	}},
	{why: "row: the score -0", applies: func(c call) bool {
		return c.is("ZADD", "ZINCRBY") && c.has("-0") || c.is("ZUNIONSTORE", "ZINTERSTORE") && c.has("WEIGHTS") && slices.ContainsFunc(c.args, func(a string) bool { return strings.HasPrefix(a, "-") })
	}},
	{why: "row: with a count below -1,048,576", applies: func(c call) bool {
		return c.is("HRANDFIELD", "SRANDMEMBER", "ZRANDMEMBER") && c.between(2, -1<<63+1, -1000)
	}},
	{why: "row: `XAUTOCLAIM` with an enormous COUNT", applies: func(c call) bool { return c.is("XAUTOCLAIM") && c.after("COUNT", 1<<32, 1<<59) }},
	{why: "row: `OBJECT REFCOUNT`", errors: true, applies: named("OBJECT REFCOUNT")},
	{why: "row: XSETID to below an entry that was deleted", applies: func(c call) bool {
		return c.is("XSETID") && len(c.args) > 2 && !slices.Contains([]string{"5-0", "5-1", greatestID}, c.args[2])
	}},
	{why: "row: stream counters beyond 2^63", applies: func(c call) bool {
		return c.is("XSETID", "XGROUP CREATE", "XGROUP SETID") && c.someBetween(1<<62, 1<<63-1)
	}},
	{why: "row: `INFO`, `CONFIG GET`, `CLIENT LIST`", errors: true, applies: named("INFO", "CONFIG GET", "CLIENT LIST", "CLIENT INFO")},
	{why: "row: `COMMAND DOCS`, `HELP`", errors: true, applies: func(c call) bool {
		return c.is("COMMAND", "COMMAND COUNT", "COMMAND DOCS", "COMMAND INFO", "COMMAND LIST") || strings.HasSuffix(c.name, " HELP")
	}},
	{why: "row: `SAVE`, `BGSAVE`", applies: named("SAVE", "BGSAVE", "BGREWRITEAOF")},

	// chance
	{why: "chance", applies: func(c call) bool { return c.is("SPOP") && (len(c.args) == 2 || c.between(2, 1, 1000)) }},
	{why: "chance", errors: true, applies: named("RANDOMKEY", "LOLWUT", "ACL GENPASS")},

	// memory
	{why: "memory", applies: func(c call) bool { return c.is("SETRANGE") && c.between(2, 1<<20, 512<<20) }},

	// clocks and numbers that are each server's own
	{why: "clocks", applies: func(c call) bool { return c.is("XADD") && c.has("*") }},
	{why: "clocks", applies: func(c call) bool {
		return c.is("EXPIRE", "SETEX") && c.between(2, 1, 9999) || c.is("PEXPIRE", "PSETEX") && c.between(2, 1, 9_999_999) ||
			c.is("SET", "GETEX") && (c.after("EX", 1, 9999) || c.after("PX", 1, 9_999_999))
	}},
	{why: "clocks", applies: func(c call) bool { return c.is("EXPIRE", "PEXPIRE") && (c.has("GT") || c.has("LT")) }},
	{why: "clocks", applies: func(c call) bool {
		const soon, late = 1, 59_999
		return c.is("XCLAIM", "XAUTOCLAIM") && c.between(4, soon, late) || c.is("XPENDING") && c.after("IDLE", soon, late) || c.is("XCLAIM") && c.after("IDLE", 30_000, 90_000)
	}},
	{why: "clocks", applies: func(c call) bool { return c.waits(0.0015, 1e300) }},
	{why: "clocks", errors: true, applies: named("TIME", "LASTSAVE", "OBJECT IDLETIME", "SLOWLOG GET", "SLOWLOG LEN", "MEMORY USAGE", "MEMORY STATS", "MEMORY DOCTOR",
		"LATENCY LATEST", "LATENCY HISTOGRAM", "LATENCY HISTORY", "LATENCY GRAPH", "LATENCY DOCTOR", "LATENCY RESET", "MEMORY MALLOC-STATS", "CLIENT ID", "ACL LOG", "CLUSTER MYID", "CONFIG RESETSTAT")},
}

// unruly are commands that are compared with Redis elsewhere: they would part the members of a troupe.
var unruly = []tolerance{
	{why: "row: who is served first after `SWAPDB`", applies: named("SWAPDB")},
	{why: "row: messages and events that a client's own command brings it", applies: named("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR", "CLIENT TRACKING", "CLIENT CACHING")},
	{why: "the director's", applies: named("FLUSHALL", "FLUSHDB", "CLIENT KILL", "CLIENT UNBLOCK")},
	{why: "the client's being one of a troupe", applies: named("QUIT", "RESET", "HELLO", "CLIENT REPLY", "CLIENT PAUSE", "CLIENT UNPAUSE", "CONFIG SET", "CONFIG REWRITE",
		"ACL SETUSER", "ACL DELUSER", "ACL LOAD", "ACL SAVE", "SHUTDOWN", "REPLICAOF", "SLAVEOF", "DEBUG", "MODULE LOAD", "MODULE LOADEX")},
}

// comparable returns how a command is compared; false if it is not sent.
func comparable(c trial, tolerated []tolerance) (trial, bool) {
	spec, err := command.Check(words(c.args))
	if err != nil { // compared to the letter, whatever the command
		c.compare = exactly
		return c, true
	}
	for _, t := range tolerated {
		if !t.applies(call{spec.Name, c.args}) {
			continue
		}
		if !t.errors {
			return c, false
		}
		if c.compare == exactly || c.compare == asSet || c.compare == asPairs {
			c.compare = asKind
		}
	}
	c.compare = setting{tight: true}.effective(c.compare)
	return c, true
}

// call is a command that is looked up.
type call struct {
	name string
	args []string
}

func named(names ...string) func(call) bool {
	return func(c call) bool { return c.is(names...) }
}

func (c call) is(names ...string) bool { return slices.Contains(names, c.name) }

func (c call) has(word string) bool {
	return slices.ContainsFunc(c.args, func(a string) bool { return strings.EqualFold(a, word) })
}

// between reports whether the i-th word is an integer in a range.
func (c call) between(i int, least, greatest int64) bool {
	if i >= len(c.args) {
		return false
	}
	n, err := strconv.ParseInt(c.args[i], 10, 64)
	return err == nil && least <= n && n <= greatest
}

func (c call) someBetween(least, greatest int64) bool {
	for i := range c.args {
		if c.between(i, least, greatest) {
			return true
		}
	}
	return false
}

// after is between for a word behind an option, wherever the option stands.
func (c call) after(option string, least, greatest int64) bool {
	for i, a := range c.args {
		if strings.EqualFold(a, option) && c.between(i+1, least, greatest) {
			return true
		}
	}
	return false
}

// waits reports whether a command may wait for a time in a range, in seconds.
func (c call) waits(least, greatest float64) bool {
	var timeouts []string
	scale := 1.0
	switch c.name {
	case "BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX", "BRPOPLPUSH", "BLMOVE":
		timeouts = c.args[len(c.args)-1:]
	case "BLMPOP", "BZMPOP":
		timeouts = c.args[1:2]
	case "XREAD", "XREADGROUP":
		scale = 1e-3
		for i, a := range c.args[:len(c.args)-1] {
			if strings.EqualFold(a, "BLOCK") {
				timeouts = append(timeouts, c.args[i+1])
			}
		}
	}
	return slices.ContainsFunc(timeouts, func(text string) bool {
		if strings.HasPrefix(text, "0x") {
			text += "p0" // as Go has it
		}
		timeout, err := strconv.ParseFloat(text, 64)
		if strings.Contains(text, "e-") { // so short that it may be no float64
			timeout = 1e-300
		}
		return err == nil && least <= timeout*scale && timeout*scale <= greatest
	})
}

func waitsForEver(args []string) bool {
	spec, err := command.Check(words(args))
	return err == nil && call{spec.Name, args}.waits(0, 0)
}

func TestToleratedDifferencesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tolerance := range slices.Concat(tolerated, unruly) {
		if row, ok := strings.CutPrefix(tolerance.why, "row: "); ok && !strings.Contains(string(doc), row) {
			t.Errorf("docs/differences.md has no row %q", row)
		}
	}
}
