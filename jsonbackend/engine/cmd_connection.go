package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// connectionHandlers binds what package resp answers for every backend, and what needs the engine.
func connectionHandlers() handlers {
	h := handlers{
		"CLIENT UNBLOCK": clientUnblock,
		"CLIENT HELP":    clientHelp,
		"MONITOR":        monitor,
		"RESET":          reset,
		"SELECT":         selectDB,
	}
	for name, answer := range resp.ConnectionHandlers() {
		h[name] = func(c *Call) error { return answer(c.conn.s, c.Reply, c.Args) }
	}
	h["ACL CAT"] = func(c *Call) error { return resp.ACLCategories(c.Reply, c.Args, c.engine.Supports) }
	h["ACL HELP"] = containerHelp
	pause := h["CLIENT PAUSE"]
	h["CLIENT PAUSE"] = func(c *Call) error {
		c.engine.pause = c.conn.s.Server().Pause()
		return pause(c)
	}
	return h
}

func clientHelp(c *Call) error {
	command.Help(c.Reply, command.Find("client"), c.engine.Supports)
	return nil
}

func selectDB(c *Call) error {
	d, err := c.database(1)
	if err != nil {
		return err
	}
	if c.conn != nil {
		c.conn.db = d.id
		c.conn.s.Client.DB.Store(int32(d.id))
	}
	c.Reply.OK()
	return nil
}

// reset makes the connection like a new one (https://redis.io/commands/reset).
func reset(c *Call) error {
	conn := c.conn
	conn.endMulti()
	conn.db = 0
	conn.s.Client.DB.Store(0)
	delete(c.engine.monitors, conn)
	conn.s.Client.Monitor.Store(false)
	conn.unsubscribe()
	conn.untrack()
	conn.s.Reset(c.Reply)
	c.Reply.Status("RESET")
	return nil
}

// clientUnblock ends the waiting of a client, as if its time were over or with an error
// (https://redis.io/commands/client-unblock).
func clientUnblock(c *Call) error {
	failing := c.Is(3, "ERROR")
	switch {
	case len(c.Args) > 4:
		return wire.BadSubcommand(c.Args[0], c.Args[1])
	case len(c.Args) == 4 && !failing && !c.Is(3, "TIMEOUT"):
		return wire.ErrUnblockReason
	}
	id, err := c.Int(2)
	if err != nil {
		return err
	}
	p := c.engine.waiting[id]
	blocked := p != nil && !p.conn.s.Gone()
	switch {
	case !blocked:
	case failing:
		p.fail(wire.ErrUnblocked)
	default:
		p.expire()
		c.engine.unblocked(p, 0, true) // Redis counts this as a failure, too
	}
	c.yesNo(blocked)
	return nil
}

func monitor(c *Call) error {
	c.engine.monitors[c.conn] = struct{}{}
	c.conn.s.Client.Monitor.Store(true)
	c.Reply.OK()
	return nil
}

// tellMonitors shows a command that was done to every client of MONITOR, but for its credentials.
func (e *Engine) tellMonitors(from *Conn, args [][]byte) {
	now := time.Now()
	line := make([]byte, 0, 128)
	line = append(line, '+')
	line = strconv.AppendInt(line, now.Unix(), 10)
	line = append(line, '.')
	micros := strconv.Itoa(1e6 + now.Nanosecond()/1e3)
	line = append(line, micros[1:]...)
	line = append(line, " ["...)
	line = strconv.AppendInt(line, int64(from.db), 10)
	line = append(line, ' ')
	line = append(line, from.s.Client.Addr...)
	line = append(line, ']')
	for i, a := range args {
		line = append(line, ' ')
		if secret(args, i) {
			line = append(line, `"(redacted)"`...)
		} else {
			line = appendRepr(line, a)
		}
	}
	line = append(line, "\r\n"...)
	for m := range e.monitors {
		if m.s.Closing() {
			continue
		}
		if m == from {
			m.w.Raw(line) // in its place among the client's own replies
		} else {
			m.s.Out.Push(line)
		}
	}
}

// secret reports whether the i-th word of a command is a credential: what follows AUTH, as a command or as an option of
// HELLO, what CONFIG SET says of a password, and all of ACL SETUSER.
func secret(args [][]byte, i int) bool {
	is := func(i int, name string) bool { return strings.EqualFold(string(args[i]), name) }
	switch {
	case is(0, "AUTH"):
		return i > 0
	case is(0, "HELLO"):
		return i > 2 && is(i-1, "AUTH") || i > 3 && is(i-2, "AUTH")
	case is(0, "ACL") && len(args) > 1 && is(1, "SETUSER"):
		return i > 1
	case is(0, "CONFIG") && len(args) > 1 && is(1, "SET"):
		return i > 2 && i%2 == 1 && isCredential(args[i-1])
	}
	return false
}

// appendRepr quotes bytes as redis-cli can read them back.
func appendRepr(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range b {
		switch {
		case c == '\\' || c == '"':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\a':
			dst = append(dst, `\a`...)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c < ' ' || c > '~':
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
