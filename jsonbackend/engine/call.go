package engine

import (
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Call is what a handler sees of one command.
type Call struct {
	Tx    *Tx
	Reply *wire.Writer
	Args  [][]byte // the words, the command's name first; they die with the call
	Spec  *command.Spec

	engine *Engine
	conn   *Conn   // nil for replay and edits
	wait   *waiter // the command is outstanding and is tried again
	ready  string  // because this key was written
}

// Session is the client, nil for replay and edits.
func (c *Call) Session() *resp.Session {
	if c.conn == nil {
		return nil
	}
	return c.conn.s
}

// Is reports whether the i-th word exists and is the option name (upper case), in any case.
func (c *Call) Is(i int, name string) bool {
	return i < len(c.Args) && len(c.Args[i]) == len(name) && strings.EqualFold(string(c.Args[i]), name)
}

// Int reads the i-th word as Redis reads integers: decimal, no spaces, no plus sign, no leading zeros.
func (c *Call) Int(i int) (int64, error) { return parseInt(c.Args[i]) }

func parseInt(b []byte) (int64, error) {
	n, ok := integer(b)
	if !ok {
		return 0, wire.ErrNotInteger
	}
	return n, nil
}

// integer accepts exactly the text that printing the number would give.
func integer(b []byte) (int64, bool) {
	digits := b
	if len(b) > 1 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}
