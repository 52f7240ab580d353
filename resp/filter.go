package resp

import (
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// redisPy8Block is how long redis-py 8 and newer may be made to wait: its socket gives up after 5 s, which is what
// OmniDaemon's bus asks BLOCK for.
const redisPy8Block = 4 * time.Second

// CapBlock returns a filter that bounds the BLOCK of XREAD and XREADGROUP; an early nil is legal for both. A limit of 0
// bounds only clients that named themselves redis-py 8 or newer. acted is called once, when it first makes a difference.
func CapBlock(limit time.Duration, acted func(client string, asked, given time.Duration)) Filter {
	var once sync.Once
	return func(s *Session, c *Command) {
		if name := c.Spec.Name; name != "XREADGROUP" && name != "XREAD" {
			return
		}
		most := limit
		if most == 0 && s.Client.impatient() {
			most = redisPy8Block
		}
		i := blockArgument(c.Args)
		if most == 0 || i == 0 {
			return
		}
		asked, ok := integer(c.Args[i])
		given := max(1, most.Milliseconds()) // 0 would be for ever
		if !ok || asked < 0 || asked != 0 && asked <= given {
			return
		}
		c.Args[i] = strconv.AppendInt(nil, given, 10)
		c.Raw = nil
		once.Do(func() { acted(s.Client.Addr, milliseconds(asked), milliseconds(given)) })
	}
}

// RefuseWhile returns a filter that refuses, as Redis does while it loads, every command that has to wait for that.
func RefuseWhile(loading func() bool) Filter {
	return func(_ *Session, c *Command) {
		if !c.Spec.Flags.Has(command.Loading) && loading() {
			c.Refused = wire.ErrLoading
		}
	}
}

// milliseconds is as many as a Duration can hold.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// blockArgument is the index of the milliseconds after BLOCK, the last if there are several, 0 if there are none.
func blockArgument(args [][]byte) (found int) {
	for i := 1; i < len(args)-1 && !fold(args[i], "STREAMS"); i++ {
		switch {
		case fold(args[i], "BLOCK"):
			i++
			found = i
		case fold(args[i], "COUNT"):
			i++
		case fold(args[i], "GROUP"):
			i += 2 // names may spell anything
		}
	}
	return found
}

// impatient reports whether the client named itself redis-py 8 or newer.
func (c *Client) impatient() bool {
	name, version := c.Library()
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 8 && strings.HasPrefix(name, "redis-py")
}
