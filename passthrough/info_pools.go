package passthrough

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// mostLanesShown is how many lanes INFO pools shows.
const mostLanesShown = 100

// infoPools is the section Pools of INFO: which connections to Redis there are, and what waits for one. It names neither
// users nor addresses, for whoever can connect can ask.
func (b *Backend) infoPools() string {
	var w strings.Builder
	w.WriteString("# Pools\r\n")
	lines := append(b.state(),
		line{"upstream_lost_for_sec", int64(b.lostFor().Seconds())},
		line{"upstream_connections", b.tally.connections.Load()},
		line{"upstream_connects", b.tally.connects.Load()},
		line{"connections_lost", b.tally.losses.Load()},
		line{"request_bytes", b.pending.Load()},
		line{"pins_refused", b.tally.noPins.Load()},
	)
	for _, l := range append(lines, b.laneLines()...) {
		fmt.Fprintf(&w, "%s:%v\r\n", l.name, l.value)
	}
	return w.String()
}

// lostFor is how long Redis has been away.
func (b *Backend) lostFor() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.health.outage == nil {
		return 0
	}
	return time.Since(b.health.outage.began)
}

// laneLines has a line for each lane, those of one identity together.
func (b *Backend) laneLines() (lines []line) {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := make([]laneKey, 0, len(b.pool.lanes))
	for key := range b.pool.lanes {
		keys = append(keys, key)
	}
	code := func(k laneKey) int {
		if k.code {
			return 1
		}
		return 0
	}
	slices.SortFunc(keys, func(x, y laneKey) int {
		return cmp.Or(cmp.Compare(x.proto, y.proto), cmp.Compare(x.db, y.db), cmp.Compare(code(x), code(y)), cmp.Compare(x.login.user, y.login.user))
	})
	for _, key := range keys {
		for _, l := range b.pool.lanes[key] {
			if len(lines) < mostLanesShown {
				lines = append(lines, line{fmt.Sprint("lane", len(lines)), l.describe(code(key))})
			}
		}
	}
	return lines
}

// describe is what INFO says of a lane. The caller holds the backend's lock.
func (l *lane) describe(code int) string {
	kind := "home"
	if !l.home {
		kind = "detour"
	}
	heldUp, connected := 0, 0
	if l.heldUp() {
		heldUp = 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	unwritten := l.end - l.begin
	if l.nc != nil {
		connected, unwritten = 1, l.end-max(l.begin, l.written)
	}
	return fmt.Sprintf("kind=%s,proto=%d,db=%d,code=%d,clients=%d,connected=%d,held_up=%d,waiting_bytes=%d",
		kind, max(l.id.proto, 2), l.id.db, code, l.clients, connected, heldUp, unwritten)
}
