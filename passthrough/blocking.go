package passthrough

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// blocking does a command that may let all later ones wait.
func (p *pin) blocking(cmd *resp.Command) outcome {
	c := p.c
	if c.s.Draining() {
		return c.answer(func(w *wire.Writer) { w.Raw(timeoutReply(cmd, w.Proto)) })
	}
	p.introduce()
	n := p.replies()
	c.send(p.link, cmd, n, p.fresh(), nil)
	if n == 0 {
		return took
	}
	return c.block(cmd)
}

// introduce asks Redis what it calls the connection, for it cannot be asked any more while a command blocks. (Its address
// would not do: there may be others between, and unix sockets have none.)
func (p *pin) introduce() {
	l := p.link
	l.mu.Lock()
	asked := l.introduced
	l.introduced = asked || p.reply == replyOn
	l.mu.Unlock()
	if asked || p.reply != replyOn {
		return
	}
	p.c.submit(l, clientID, false, 1, p.fresh(), &special{replace: true, then: l.isCalled})
}

// isCalled takes in what Redis calls the connection.
func (l *link) isCalled(reply []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case reply[0] == ':':
		l.called = bytes.Clone(bytes.TrimSpace(reply[1:]))
	case bytes.HasPrefix(reply, []byte("-NOAUTH")):
		l.introduced = false // it may log in
	}
}

var clientID = []byte("*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n")

func (c *conn) block(cmd *resp.Command) outcome {
	c.blocked = &blocked{timeoutReply(cmd, c.s.Client.Proto()), timeLimit(cmd)}
	c.s.Client.Blocked.Store(true)
	if c.pin != nil {
		c.pin.link.stopwatch.end.Store(0)
	}
	return blocks
}

// mayBlock reports whether this call of a command that can block does.
func mayBlock(cmd *resp.Command) bool {
	switch cmd.Spec.Name {
	case "XREAD", "XREADGROUP":
		return blockOption(cmd.Args)
	}
	return true
}

// timeLimit is how long a command asks to be blocked; 0 if it does not say, for ever, or what Redis refuses.
func timeLimit(cmd *resp.Command) time.Duration {
	unit, i := time.Second, len(cmd.Args)-1
	switch {
	case cmd.Spec == nil || cmd.Spec.Name == "SHUTDOWN":
		return 0
	case cmd.Spec.Name == "WAIT":
		unit = time.Millisecond
	case cmd.Spec.Name == "BLMPOP" || cmd.Spec.Name == "BZMPOP":
		i = 1
	case cmd.Spec.Name == "XREAD" || cmd.Spec.Name == "XREADGROUP":
		unit = time.Millisecond
		for i = 1; i < len(cmd.Args)-1 && !word(cmd.Args, i-1, "BLOCK"); i++ {
		}
	}
	n, err := strconv.ParseFloat(string(cmd.Args[i]), 64)
	if err != nil || !(0 < n && n < float64(math.MaxInt64/time.Second/2)) {
		return 0
	}
	return time.Duration(n * float64(unit))
}

// timeoutReply is what a blocking command is answered with when its time is over.
func timeoutReply(cmd *resp.Command, proto int) []byte {
	w := wire.Writer{Proto: proto}
	switch {
	case cmd.Spec == nil:
		w.Null()
	case cmd.Spec.Name == "WAIT":
		w.Int(0)
	case cmd.Spec.Name == "SHUTDOWN":
		w.Error(wire.ErrShutdown)
	default:
		w.NullArray()
	}
	return w.Bytes()
}
