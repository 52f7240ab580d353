package passthrough

import (
	"bytes"
	"strings"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// learnt is what Redis says of commands that the table does not know: whether they may go by a lane. Backend.mu guards it.
type learnt struct {
	life  string // of Redis; another one may know others
	lanes map[string]bool
}

// question is what a Redis was asked.
type question struct{ name, life string }

// Limits of what is learnt. What does not fit goes to a private wire.
const (
	mostLearnt  = 1024
	longestName = 64
)

// learn says where a command goes that the table does not know, and asks Redis if need be: then known is false, and the
// command is to be tried again.
func (c *conn) learn(cmd *resp.Command) (where place, known bool) {
	name := strings.ToUpper(string(cmd.Args[0]))
	if len(name) > longestName || command.Lookup(cmd.Args[:1]) != nil {
		return pinLife, true
	}
	lanes, known := c.b.hasLearnt(name)
	asked := question{name, c.b.life()}
	switch {
	case lanes:
		return onLane, true
	case known, c.asked == asked: // in vain
		return pinLife, true
	case c.inflight > 0:
		return 0, false
	}
	l, _ := c.lane(false)
	if l == nil {
		return pinLife, true
	}
	c.asked = asked
	var w wire.Writer
	writeCommand(&w, []byte("COMMAND"), []byte("INFO"), []byte(name))
	c.submit(&l.link, w.Bytes(), false, 1, true, &special{replace: true, then: func(reply []byte) {
		if reply[0] == '*' {
			c.b.learns(asked.life, name, sharable(reply))
		}
	}})
	return 0, false
}

// sharable judges a reply to COMMAND INFO: the command is there, and does nothing to its connection as far as its flags tell.
func sharable(reply []byte) bool {
	if !bytes.HasPrefix(reply, []byte("*1\r\n*")) || bytes.HasPrefix(reply, []byte("*1\r\n*-1")) {
		return false
	}
	for _, flag := range []string{"noscript", "blocking", "pubsub", "no_multi"} {
		if bytes.Contains(reply, []byte("+"+flag+"\r\n")) {
			return false
		}
	}
	return true
}

// mayShare reports whether a command that the table does not know is known to go by lanes.
func (b *Backend) mayShare(cmd *resp.Command) bool {
	lanes, _ := b.hasLearnt(strings.ToUpper(string(cmd.Args[0])))
	return lanes
}

func (b *Backend) hasLearnt(name string) (lanes, known bool) {
	life := b.life()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.learnt.life != life {
		return false, false
	}
	lanes, known = b.learnt.lanes[name]
	return lanes, known
}

func (b *Backend) learns(life, name string, lanes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.learnt.life != life || b.learnt.lanes == nil {
		b.learnt = learnt{life, map[string]bool{}}
	}
	if len(b.learnt.lanes) < mostLearnt {
		b.learnt.lanes[name] = lanes
	}
}
