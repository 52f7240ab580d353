package engine

import (
	"strconv"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// connectionHandlers binds what package resp answers for every backend, and what needs the engine.
func connectionHandlers() handlers {
	h := handlers{
		"SELECT":  selectDB,
		"RESET":   reset,
		"MONITOR": monitor,
	}
	for name, answer := range resp.ConnectionHandlers() {
		h[name] = func(c *Call) error { return answer(c.conn.s, c.Reply, c.Args) }
	}
	return h
}

func selectDB(c *Call) error {
	id, err := c.Int(1)
	if err != nil {
		return err
	}
	if id < 0 || id >= Databases {
		return wire.ErrDBIndex
	}
	if c.conn != nil {
		c.conn.db = int(id)
		c.conn.s.Client.DB.Store(int32(id))
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
	conn.s.Reset(c.Reply)
	c.Reply.Status("RESET")
	return nil
}

func monitor(c *Call) error {
	c.engine.monitors[c.conn] = struct{}{}
	c.conn.s.Client.Monitor.Store(true)
	c.Reply.OK()
	return nil
}

// tellMonitors shows a command that was done to every client of MONITOR. Passwords never get here: AUTH and HELLO
// are not shown (their table rows say so).
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
	for _, a := range args {
		line = append(line, ' ')
		line = appendRepr(line, a)
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
