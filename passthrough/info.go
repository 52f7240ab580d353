package passthrough

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// tally is what the proxy counts about Redis; but for the first since it began.
type tally struct {
	commandTally
	errors      errorTally
	connections atomic.Int64 // that are there
	connects    atomic.Int64 // that were made
	losses      atomic.Int64 // of connections, in use or idle
	silent      atomic.Int64 // that were given up for --read-timeout
	unanswered  atomic.Int64 // commands that were lost with one
	unavailable atomic.Int64 // commands that waited for one in vain
	noPins      atomic.Int64 // commands refused for want of a pin
	relieved    atomic.Int64 // clients whose pin was taken after --pin-time
}

// asksOfProxy reports whether a command is INFO omniproxy, INFO pools or one of OMNIPROXY, which are not about Redis.
func asksOfProxy(args [][]byte) bool {
	return len(args) == 2 && (word(args, 0, "INFO") && (word(args, 1, "OMNIPROXY") || word(args, 1, "POOLS")) || word(args, 0, "OMNIPROXY"))
}

// tellOfProxy answers INFO omniproxy and INFO pools. Nothing is under way. It looks at all clients, so it must not hold the
// lock of one.
func (c *conn) tellOfProxy(cmd *resp.Command) outcome {
	pools := word(cmd.Args, 1, "POOLS")
	return c.aside(func(w *wire.Writer) {
		if pools {
			w.Verbatim("txt", c.b.infoPools())
		} else {
			w.Verbatim("txt", c.b.info(c.s.Server().Traffic()))
		}
	})
}

// load is what clients have under way.
type load struct{ waiting, blocked, replies int }

func (b *Backend) load() (l load) {
	for _, c := range b.clients() {
		c.mu.Lock()
		l.replies += c.inflight
		switch {
		case c.blocked != nil:
			l.blocked++
		case c.inflight > 0:
			l.waiting++
		}
		c.mu.Unlock()
	}
	return l
}

// clients are all of the moment.
func (b *Backend) clients() []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*conn, 0, len(b.conns))
	for c := range b.conns {
		all = append(all, c)
	}
	return all
}

// line is a line of INFO.
type line struct {
	name  string
	value any
}

// info is the section Omniproxy of INFO. It names no address, for whoever can connect can ask.
func (b *Backend) info(clients resp.Traffic) string {
	load, count := b.load(), &b.tally
	var w strings.Builder
	w.WriteString("# Omniproxy\r\n")
	for _, l := range append(b.state(), []line{
		{"upstream_connections", count.connections.Load()},
		{"clients", clients.Clients},
		{"clients_max", clients.MaxClients},
		{"clients_waiting", load.waiting},
		{"clients_blocked", load.blocked},
		{"replies_to_come", load.replies},
		{"request_bytes", b.pending.Load()},
		{"request_bytes_max", b.options.Buffers},
		{"connections_lost", count.losses.Load()},
		{"connections_silent", count.silent.Load()},
		{"commands_unanswered", count.unanswered.Load()},
		{"commands_unavailable", count.unavailable.Load()},
		{"pins_refused", count.noPins.Load()},
		{"pins_taken_back", count.relieved.Load()},
	}...) {
		fmt.Fprintf(&w, "%s:%v\r\n", l.name, l.value)
	}
	return w.String()
}

// state is how Redis was found, and which connections to it there may be now.
func (b *Backend) state() []line {
	b.mu.Lock()
	defer b.mu.Unlock()
	pool, up := "session", 0
	if b.options.Pool == Shared {
		pool = "shared"
	}
	found := Found{Version: "unknown", Role: "unknown", Mode: "unknown"}
	if b.health.found != nil {
		found = *b.health.found
		if b.health.outage == nil {
			up = 1
		}
	}
	return []line{
		{"pool", pool},
		{"upstream_up", up},
		{"upstream_version", found.Version},
		{"upstream_role", found.Role},
		{"upstream_mode", found.Mode},
		{"lanes", b.pool.count},
		{"pins", b.pool.pins},
		{"pins_idle", b.pool.spare},
		{"pins_max", b.options.Pins},
	}
}
