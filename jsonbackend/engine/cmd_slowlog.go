package engine

import (
	"container/list"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// The slow log: https://redis.io/commands/?group=server (SLOWLOG)
var slowlogHandlers = handlers{
	"SLOWLOG GET":   slowlogGet,
	"SLOWLOG LEN":   func(c *Call) error { c.Reply.Int(int64(c.engine.slowlog.entries.Len())); return nil },
	"SLOWLOG RESET": func(c *Call) error { c.engine.slowlog.entries.Init(); c.Reply.OK(); return nil },
	"SLOWLOG HELP":  containerHelp,
}

// slowlog remembers the commands that took long.
type slowlog struct {
	slowerThan int64 // slowlog-log-slower-than, in microseconds; negative: nothing is logged
	maxLen     int64 // slowlog-max-len
	entries    list.List
	lastID     int64 // -1 before the first
}

func newSlowlog() slowlog { return slowlog{slowerThan: 10000, maxLen: 128, lastID: -1} }

// slowCommand is an entry of the slow log.
type slowCommand struct {
	id         int64
	at         time.Time
	took       time.Duration
	args       [][]byte
	addr, name string // of the client
}

// How much of a command is remembered.
const (
	slowlogArgs     = 32
	slowlogArgBytes = 128
)

// wants reports whether a command that took so long is logged.
func (l *slowlog) wants(took time.Duration) bool {
	return l.slowerThan >= 0 && took.Microseconds() >= l.slowerThan
}

// add logs a command and forgets the oldest.
func (l *slowlog) add(c *Conn, args [][]byte, took time.Duration) {
	l.lastID++
	client := &c.s.Client
	l.entries.PushFront(&slowCommand{l.lastID, time.Now(), took, slowArgs(args), client.Addr, client.Name()})
	l.trim()
}

func (l *slowlog) trim() {
	for int64(l.entries.Len()) > l.maxLen {
		l.entries.Remove(l.entries.Back())
	}
}

// slowArgs copies the words of a command, shortened, and without credentials.
func slowArgs(args [][]byte) [][]byte {
	shown := args
	if len(args) > slowlogArgs {
		shown = args[:slowlogArgs-1]
	}
	var words [][]byte
	for i, a := range shown {
		switch {
		case secret(args, i):
			a = []byte("(redacted)")
		case len(a) > slowlogArgBytes:
			a = fmt.Appendf(nil, "%s... (%d more bytes)", a[:slowlogArgBytes], len(a)-slowlogArgBytes)
		default:
			a = slices.Clone(a)
		}
		words = append(words, a)
	}
	if more := len(args) - len(shown); more > 0 {
		words = append(words, fmt.Appendf(nil, "... (%d more arguments)", more))
	}
	return words
}

// slowlogGet answers SLOWLOG GET [count] (https://redis.io/commands/slowlog-get).
func slowlogGet(c *Call) error {
	count := int64(10)
	if len(c.Args) > 3 {
		return wire.BadSubcommand(c.Args[0], c.Args[1])
	}
	if len(c.Args) == 3 {
		var err error
		if count, err = c.Int(2); err != nil || count < -1 {
			return wire.ErrSlowlogCount
		}
	}
	if count == -1 {
		count = math.MaxInt64
	}
	entries := &c.engine.slowlog.entries
	count = min(count, int64(entries.Len()))
	c.Reply.Array(int(count))
	for at := entries.Front(); count > 0; at, count = at.Next(), count-1 {
		s := at.Value.(*slowCommand)
		c.Reply.Array(6)
		c.Reply.Int(s.id)
		c.Reply.Int(s.at.Unix())
		c.Reply.Int(s.took.Microseconds())
		c.Reply.Array(len(s.args))
		for _, a := range s.args {
			c.Reply.Bulk(a)
		}
		c.Reply.BulkString(s.addr)
		c.Reply.BulkString(s.name)
	}
	return nil
}
