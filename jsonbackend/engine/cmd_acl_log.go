package engine

import (
	"container/list"
	"math"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// deniedLogins remembers who gave a wrong user or password, the latest first. Nothing else is ever denied.
type deniedLogins struct {
	maxLen  int64 // acllog-max-len
	entries list.List
}

func newDeniedLogins() deniedLogins { return deniedLogins{maxLen: 128} }

// deniedLogin is an entry of ACL LOG: one login, or several that were alike.
type deniedLogin struct {
	login  login
	count  int64
	at     time.Time // of the last one
	client string    // who tried it, as CLIENT INFO shows it
}

// login is what makes two denials alike.
type login struct {
	command string // as it was spelled
	context string // "toplevel" or "multi"
	user    string
}

// Which denials count as one: a few of the latest, that are not long ago.
const (
	alikeEntries = 10
	alikeWithin  = time.Minute
)

// add remembers a denial, and forgets the oldest.
func (d *deniedLogins) add(l login, at time.Time, client string) {
	for e, left := d.entries.Front(), alikeEntries; e != nil && left > 0; e, left = e.Next(), left-1 {
		if denied := e.Value.(*deniedLogin); denied.login == l && at.Sub(denied.at).Abs() <= alikeWithin {
			denied.count, denied.at, denied.client = denied.count+1, at, client
			d.entries.MoveToFront(e)
			return
		}
	}
	d.entries.PushFront(&deniedLogin{l, 1, at, client})
	for int64(d.entries.Len()) > d.maxLen {
		d.entries.Remove(d.entries.Back())
	}
}

// logDenied is a handler that logs in, AUTH or HELLO, and remembers when that was denied.
func logDenied(h Handler) Handler {
	return func(c *Call) error {
		err := h(c)
		if err == wire.ErrWrongPass {
			l := login{command: string(c.Args[0]), context: "toplevel", user: loginUser(c.Args)}
			if c.engine.depth > 1 {
				l.context = "multi"
			}
			c.engine.denied.add(l, time.Now(), c.conn.s.Info(c.Args))
		}
		return err
	}
}

// loginUser is the user that AUTH or HELLO names.
func loginUser(args [][]byte) string {
	switch {
	case strings.EqualFold(string(args[0]), "AUTH"):
		args = args[1:]
	default:
		for i, word := range args {
			if strings.EqualFold(string(word), "AUTH") {
				args = args[i+1:]
				break
			}
		}
	}
	if len(args) < 2 {
		return onlyUser
	}
	return string(args[0])
}

// aclLog answers ACL LOG [count | RESET] (https://redis.io/commands/acl-log).
func aclLog(c *Call) error {
	denied, count := &c.engine.denied.entries, int64(10)
	switch {
	case len(c.Args) > 3:
		return wire.BadSubcommand(c.Args[0], c.Args[1])
	case c.Is(2, "RESET"):
		denied.Init()
		c.Reply.OK()
		return nil
	case len(c.Args) == 3:
		var err error
		if count, err = c.Int(2); err != nil {
			return err
		}
	}
	count = min(max(count, 0), int64(denied.Len()))
	c.Reply.Array(int(count))
	for e := denied.Front(); count > 0; e, count = e.Next(), count-1 {
		c.replyDenied(e.Value.(*deniedLogin))
	}
	return nil
}

func (c *Call) replyDenied(d *deniedLogin) {
	c.Reply.Map(7)
	c.Reply.BulkString("count")
	c.Reply.Int(d.count)
	for _, field := range [][2]string{{"reason", "auth"}, {"context", d.login.context}, {"object", d.login.command}, {"username", d.login.user}} {
		c.Reply.BulkString(field[0])
		c.Reply.BulkString(field[1])
	}
	c.Reply.BulkString("age-seconds")
	c.Reply.Double(math.Round(time.Since(d.at).Seconds()*1e3) / 1e3)
	c.Reply.BulkString("client-info")
	c.Reply.BulkString(d.client)
}
