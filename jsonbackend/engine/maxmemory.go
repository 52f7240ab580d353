package engine

import (
	"runtime/metrics"
	"strconv"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
)

// memoryLimit is maxmemory. It is kept by refusing commands that may need more; nothing is evicted, whatever
// maxmemory-policy says.
type memoryLimit struct {
	bytes uint64 // of live objects; 0 = no limit
	read  int64  // when full was found out, in Unix milliseconds
	full  bool
}

// memoryFresh is how long, in milliseconds, it is taken for granted whether memory is full. Go learns what is live from a
// garbage collection anyway.
const memoryFresh = 100

func setMaxMemory(c *Call, text string) error {
	bytes, err := strconv.ParseUint(text, 10, 64)
	c.engine.memoryLimit = memoryLimit{bytes: bytes}
	return err
}

// outOfMemory reports whether more is live than maxmemory allows.
func (e *Engine) outOfMemory() bool {
	l := &e.memoryLimit
	if e.tx.Now-l.read >= memoryFresh {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		l.full, l.read = live[0].Value.Uint64() > l.bytes, e.tx.Now
	}
	return l.full
}

// needsMemory reports whether a command is refused when memory is full: one that may store something, whatever is queued,
// and an EXEC of such a command.
func (c *Conn) needsMemory(cmd *resp.Command) bool {
	switch {
	case cmd.Spec.Flags.Has(command.DenyOOM):
		return true
	case !c.inMulti:
		return false
	case cmd.Spec.Name == "EXEC":
		return c.queuedAny(func(spec *command.Spec) bool { return spec.Flags.Has(command.DenyOOM) })
	}
	return !immediate[cmd.Spec.Name]
}
