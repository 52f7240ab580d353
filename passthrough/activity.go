package passthrough

import (
	"bytes"
	"context"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
)

// Activity is what the proxy has counted since it began, and what it holds now.
type Activity struct {
	Up       bool              // Redis was there when it was looked for last
	Commands []CommandActivity // of each command that was sent or refused; Spec is nil for what is not in Redis' table
	Errors   map[string]int64  // error replies to clients by their code, such as WRONGTYPE
	Upstream UpstreamActivity  // connections to Redis
	Pool     PoolActivity      // how clients share them
	Load     struct {          // what clients have under way
		Waiting, Blocked, Replies     int
		RequestBytes, RequestBytesMax int64
	}
}

// CommandActivity is what was counted of one command.
type CommandActivity struct {
	Spec            *command.Spec
	Calls, Rejected int64
}

// UpstreamActivity is what was counted of connections to Redis.
type UpstreamActivity struct {
	Connections             int64 // that are there
	Connects                int64 // that were made
	Losses, Silent          int64 // that were lost, and of these for --read-timeout
	Unanswered, Unavailable int64 // commands that were lost with one, or waited for one in vain
}

// PoolActivity is how many connections clients share or lease; all but the last two are of the pool "shared".
type PoolActivity struct {
	Lanes, Pins, PinsIdle, PinsMax int
	PinsRefused, PinsTakenBack     int64
}

// Activity returns the counts of now. It looks at all clients.
func (b *Backend) Activity() Activity {
	t := &b.tally
	a := Activity{
		Up: b.Up(), Commands: t.activity(), Errors: t.errors.all(),
		Upstream: UpstreamActivity{
			Connections: t.connections.Load(), Connects: t.connects.Load(), Losses: t.losses.Load(), Silent: t.silent.Load(),
			Unanswered: t.unanswered.Load(), Unavailable: t.unavailable.Load(),
		},
		Pool: PoolActivity{PinsMax: b.options.Pins, PinsRefused: t.noPins.Load(), PinsTakenBack: t.relieved.Load()},
	}
	b.mu.Lock()
	a.Pool.Lanes, a.Pool.Pins, a.Pool.PinsIdle = b.pool.count, b.pool.pins, b.pool.spare
	b.mu.Unlock()
	l := b.load()
	a.Load.Waiting, a.Load.Blocked, a.Load.Replies = l.waiting, l.blocked, l.replies
	a.Load.RequestBytes, a.Load.RequestBytesMax = b.pending.Load(), b.options.Buffers
	return a
}

// Up reports whether Redis was there when it was looked for last.
func (b *Backend) Up() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health.found != nil && b.health.outage == nil
}

// Client returns a client for the proxy's own questions, with the URL's credentials. It has one connection, which is made
// when it first asks. The caller closes it.
func (b *Backend) Client() *redis.Client {
	o := *b.up.options
	o.Protocol, o.DisableIdentity, o.MaxRetries, o.PoolSize = 2, true, -1, 1
	o.ContextTimeoutEnabled = true
	o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return b.up.dial(ctx) }
	return redis.NewClient(&o)
}

// commandTally counts commands by their Spec's Index; the last place is for those that Redis' table does not have.
type commandTally struct{ taken, rejected []atomic.Int64 }

func newCommandTally() commandTally {
	return commandTally{make([]atomic.Int64, command.Len()+1), make([]atomic.Int64, command.Len()+1)}
}

// count counts commands that were taken: those in a row that are alike at once, for others count, too.
func (t *commandTally) count(batch []resp.Command) {
	for len(batch) > 0 {
		spec, refused, n := batch[0].Spec, batch[0].Refused != nil, 1
		for n < len(batch) && batch[n].Spec == spec && (batch[n].Refused != nil) == refused {
			n++
		}
		counts := t.taken
		if refused {
			counts = t.rejected
		}
		at := len(counts) - 1
		if spec != nil {
			at = spec.Index
		}
		counts[at].Add(int64(n))
		batch = batch[n:]
	}
}

func (t *commandTally) activity() (all []CommandActivity) {
	add := func(spec *command.Spec, at int) {
		if a := (CommandActivity{spec, t.taken[at].Load(), t.rejected[at].Load()}); a.Calls+a.Rejected > 0 {
			all = append(all, a)
		}
	}
	for spec := range command.Known() {
		add(spec, spec.Index)
	}
	add(nil, len(t.taken)-1)
	return all
}

// errorTally counts error replies by their code.
type errorTally struct {
	mu    sync.Mutex
	codes map[string]int64
}

// What scripts and modules make up is counted together: so many codes are told apart, of so many bytes at the most.
const (
	mostCodes   = 64
	longestCode = 32
	otherCodes  = "other"
)

// count counts the error reply that begins so, -CODE ...
func (t *errorTally) count(reply []byte) {
	code := reply[1:min(len(reply), longestCode+2)]
	if end := bytes.IndexAny(code, " \r"); end >= 0 {
		code = code[:end]
	}
	t.add(code, 1)
}

func (t *errorTally) add(code []byte, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.codes == nil {
		t.codes = map[string]int64{}
	}
	if _, known := t.codes[string(code)]; known {
		t.codes[string(code)] += n
		return
	}
	plain := len(code) > 0 && len(code) <= longestCode && bytes.IndexFunc(code, func(r rune) bool { return r < 'A' || r > 'Z' }) < 0
	if !plain || len(t.codes) >= mostCodes {
		code = []byte(otherCodes)
	}
	t.codes[string(code)] += n
}

func (t *errorTally) all() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.codes)
}

// stopwatch measures how long runs of a wire take, from where they are submitted until the last reply: one after the other, so
// that the clock is read once for all that are under way at a time.
type stopwatch struct {
	end atomic.Int64 // of the run in the stream; 0 while none is measured
	at  time.Time    // when it was submitted; written while end is 0
}

// measure begins with a run, unless another one is under way. The caller holds mu.
func (l *link) measure(r run) {
	if l.b.options.Events.Answered != nil && l.nc != nil && r.replies > 0 && r.c != nil && l.stopwatch.end.Load() == 0 {
		l.stopwatch.at = time.Now()
		l.stopwatch.end.Store(r.end)
	}
}

// measured is called by the goroutine that reads, of each run that was answered. One that is gone was lost with its
// connection.
func (l *link) measured(r *run) {
	end := l.stopwatch.end.Load()
	if end == 0 || r.end < end {
		return
	}
	if r.begin < end {
		l.b.options.Events.Answered(time.Since(l.stopwatch.at))
	}
	l.stopwatch.end.Store(0)
}

// adding returns what is to be called when Redis says that an XADD was done; nil if nobody wants to know.
func (b *Backend) adding(cmd *resp.Command) func() {
	if b.options.Adding == nil || cmd.Spec == nil || cmd.Spec != b.xadd || !cmd.Spec.ArityOK(len(cmd.Args)) {
		return nil
	}
	at := min(entryID(cmd.Args)+1, len(cmd.Args))
	return b.options.Adding(cmd.Args[1], cmd.Args[at:])
}

// entryID is the index of the ID in an XADD, behind the options.
func entryID(args [][]byte) int {
	for i := 2; ; i++ {
		switch {
		case word(args, i, "NOMKSTREAM"):
		case word(args, i, "LIMIT"):
			i++
		case word(args, i, "MAXLEN"), word(args, i, "MINID"):
			if i++; word(args, i, "~") || word(args, i, "=") {
				i++
			}
		default:
			return i
		}
	}
}

// confirmed has added called when a reply names an entry.
func confirmed(added func()) *special {
	if added == nil {
		return nil
	}
	return &special{then: func(reply []byte) {
		if len(reply) > 1 && reply[0] == '$' && reply[1] != '-' {
			added()
		}
	}}
}
