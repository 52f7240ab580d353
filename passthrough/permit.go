package passthrough

import (
	"bytes"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// claim is a command that is done here, and what Redis says to it.
type claim struct {
	name    string
	refused []byte // Redis' error for who may not; nil for who may
}

// claims are the commands about other clients that are done here, and a form of each that does nothing, or another command
// of Redis that is for the same people.
var claims = map[string][]string{
	"CLIENT KILL":     {"CLIENT", "KILL", "ID", "1", "ADDR", "none"},
	"CLIENT LIST":     {"CLIENT", "LIST", "TYPE", "master"},
	"CLIENT NO-EVICT": {"CLIENT", "NO-EVICT", "OFF"},
	"CLIENT PAUSE":    {"CLIENT", "PAUSE", "0", "WRITE"},
	"CLIENT UNBLOCK":  {"CLIENT", "UNBLOCK", "0"},
	"CLIENT UNPAUSE":  {"CLIENT", "PAUSE", "0", "WRITE"},

	"OMNIPROXY VIOLATIONS": {"SLOWLOG", "LEN"},
}

// permitted asks Redis, where Redis knows who may do what, whether the client may do what is done here; refused is Redis'
// error. About what is no claim it is asked only whether a stranger still is one: INFO of the proxy is for a Redis that is
// lost, too. If the answer is not known yet the command is to be tried again. Nothing is under way.
func (c *conn) permitted(cmd *resp.Command) (refused []byte, known bool) {
	if asked := c.claim; asked != nil && asked.name == cmd.Spec.Name {
		c.claim = nil
		return asked.refused, true
	}
	form := claims[cmd.Spec.Name]
	if form == nil && c.stranger.Load() && !cmd.Spec.Flags.Has(command.NoAuth) {
		form = []string{"PING"}
	}
	if form == nil || !c.b.options.Passthrough {
		return nil, true
	}
	if c.pin != nil && c.pin.reply != replyOn {
		return []byte{}, true // it cannot be asked
	}
	asked := &claim{name: cmd.Spec.Name, refused: errorReply(errUnanswered)}
	c.claim = asked
	see := &special{replace: true, then: func(reply []byte) {
		asked.refused = nil
		if reply[0] == '-' {
			asked.refused = bytes.Clone(reply)
		}
	}}
	var w wire.Writer
	command := make([][]byte, len(form))
	for i, word := range form {
		command[i] = []byte(word)
	}
	writeCommand(&w, command...)
	if c.pin != nil {
		c.submit(c.pin.link, w.Bytes(), false, 1, c.pin.fresh(), see)
		return nil, false
	}
	l, _ := c.lane(false)
	if l == nil {
		return errorReply(c.b.errNoPins()), true
	}
	c.submit(&l.link, w.Bytes(), false, 1, true, see)
	return nil, false
}

func errorReply(err wire.Error) []byte {
	var w wire.Writer
	w.Error(err)
	return w.Bytes()
}
