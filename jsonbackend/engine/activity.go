package engine

import (
	"maps"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/command"
)

// Activity is what the engine has counted since it began or CONFIG RESETSTAT came, and what it holds now.
type Activity struct {
	Errors                map[string]int64 // error replies by their code, such as WRONGTYPE
	Hits, Misses, Expired int64            // keys that were looked for, and keys that died of age
	Blocked               int              // clients that wait for a command, or for the end of a pause
	Keys, Expiring        [Databases]int   // keys, and how many of them have a time to live
}

// Activity returns the counts of now.
func (e *Engine) Activity() Activity {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := Activity{
		Errors: maps.Clone(e.stats.errors), Hits: e.stats.hits, Misses: e.stats.misses, Expired: e.stats.expiredKeys,
		Blocked: len(e.waiting) + e.pause.Waiting(),
	}
	for i, d := range e.dbs {
		a.Keys[i], a.Expiring[i] = len(d.keys), d.ttls
	}
	return a
}

// CommandActivity is what was counted of one command, as INFO commandstats shows it.
type CommandActivity struct {
	Spec                    *command.Spec
	Calls, Rejected, Failed int64
	Spent                   time.Duration
	Measured                uint64   // calls whose duration is known: see latency-tracking
	Within                  []uint64 // how many of them took no longer than each limit, to within 1/128
}

// Commands returns what was counted of each command that was called or refused. The limits ascend and lie below a second.
// The lock is given back between two commands: folding many histograms takes longer than clients should wait.
func (e *Engine) Commands(limits []time.Duration) (all []CommandActivity) {
	for spec := range command.Known() {
		if a := e.command(spec, limits); a.Calls+a.Rejected+a.Failed > 0 {
			all = append(all, a)
		}
	}
	return all
}

func (e *Engine) command(spec *command.Spec, limits []time.Duration) CommandActivity {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &e.stats.commands[spec.Index]
	a := CommandActivity{Spec: spec, Calls: s.calls, Rejected: s.rejected, Failed: s.failed, Spent: s.spent}
	if s.latency != nil {
		a.Measured, a.Within = s.latency.total, s.latency.within(limits)
	}
	return a
}

// within returns how many durations were at most as long as each of some limits, which ascend.
func (h *histogram) within(limits []time.Duration) []uint64 {
	counts := make([]uint64, len(limits))
	step, below := 0, uint64(0)
	for i, limit := range limits {
		for last := stepOf(limit); step <= last; step++ {
			below += h.counts[step]
		}
		counts[i] = below
	}
	return counts
}

// Peek shows what a key holds, nil if it is not there. Everybody waits until look returns, and it must not keep the value.
func (e *Engine) Peek(db int, key string, look func(value.Value)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	entry := e.dbs[db].keys[key]
	if entry == nil || entry.Expire != 0 && entry.Expire <= time.Now().UnixMilli() {
		look(nil)
		return
	}
	look(entry.Value)
}
