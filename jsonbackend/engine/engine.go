package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Options are what surrounds an engine. Functions may be nil; Changed and Flushed run under the engine's lock.
type Options struct {
	Log      Log
	ReadOnly bool // refuse every write; what has expired is not seen, and stays

	Changed func(db int, key string) // a key was written or died
	Flushed func(db int)             // every key of a database may be another: it was emptied or exchanged

	// StreamCap is the length that an XADD to the stream at key trims it to, beside what the XADD itself asks for.
	StreamCap func(db int, key []byte) (maxLen int64, capped bool)

	// Added is told, under the engine's lock, of each XADD of a client that was done: of the fields and their values in turn.
	// They die with the call.
	Added func(db int, key []byte, pairs [][]byte)

	// Panicked reports a bug that was survived.
	Panicked func(command string, reason any, stack []byte)

	Host Host
}

// Handler does one command: check, edit, reply. An error becomes the whole reply.
type Handler func(c *Call) error

// handlers is a chapter's table of contents: commands by name as in the command table ("HGETALL", "XGROUP CREATE").
type handlers map[string]Handler

// Engine is an in-memory Redis. It is a [resp.Backend].
type Engine struct {
	mu       sync.Mutex
	opts     Options
	log      Log
	handlers []Handler // by [command.Spec.Index]; nil: not supported
	dbs      [Databases]*db

	limits       value.Limits // when small values become big ones
	streamLimits value.StreamLimits
	longest      int // how many bytes an edit may make a string long: proto-max-bulk-len

	config      config
	memoryLimit memoryLimit
	passive     atomic.Bool // keys expire only when somebody asks for them

	tx      Tx
	calls   [2]Call     // the command that is being done and, while that is EXEC, one of its queue: none is allocated
	depth   int         // how many of them are
	unheard wire.Writer // replies to who is no client
	epoch   uint64      // grows with every freeze
	born    uint64
	seq     uint64 // grows with every change of an entry

	waiting  map[int64]*waiter // outstanding commands by the client's ID
	ready    []readyKey        // keys that somebody may be waiting for
	served   []*Conn           // whose outstanding command was answered since the lock was taken
	monitors map[*Conn]struct{}
	stats    stats
	slowlog  slowlog
	latency  latencyMonitor

	atOnce   int           // how many elements a command goes through under the lock, for a reply that could be written later
	encoding chan struct{} // has one item for each reply that is being written beside the clients

	current *Conn // whose batch is being done; nil if nobody's
	doing   *Conn // whose command is being done, perhaps for the second time; nil if nobody's
	topics  [topicKinds]topics
	events  eventClass // that are told of
	mail    mail
	told    told

	tracking tracking
	pause    *resp.Pause // nil before the first CLIENT PAUSE
}

// New returns an empty engine.
func New(opts Options) *Engine {
	if opts.Log == nil {
		opts.Log = NoLog{}
	}
	if opts.Host == nil {
		opts.Host = NoHost{}
	}
	e := &Engine{
		opts: opts, log: opts.Log, handlers: make([]Handler, command.Len()),
		limits: value.DefaultLimits(), streamLimits: value.DefaultStreamLimits(), longest: 512 << 20, config: newConfig(),
		waiting: map[int64]*waiter{}, monitors: map[*Conn]struct{}{}, tracking: newTracking(),
	}
	e.stats, e.slowlog, e.latency = newStats(), newSlowlog(), newLatencyMonitor()
	e.tx.e = e
	e.atOnce, e.encoding = manyElements, make(chan struct{}, encoders())
	for i := range e.dbs {
		e.dbs[i] = newDB(i)
	}
	for _, chapter := range []handlers{
		connectionHandlers(), transactionHandlers, serverHandlers, keyHandlers, stringHandlers, hashHandlers, setHandlers,
		zsetHandlers, listHandlers, streamHandlers, pubsubHandlers, slowlogHandlers, latencyHandlers, memoryHandlers, trackingHandlers, standaloneHandlers(),
	} {
		for name, h := range chapter {
			spec := command.Find(strings.ReplaceAll(name, " ", "|"))
			if spec == nil || e.handlers[spec.Index] != nil {
				panic("no such command, or bound twice: " + name)
			}
			e.handlers[spec.Index] = h
		}
	}
	return e
}

// SetLog changes where units go: after a replay, before the first command that writes.
func (e *Engine) SetLog(l Log) { e.Locked(func() { e.log = l }) }

// Supports reports whether the engine has a command, or one of a container's subcommands.
func (e *Engine) Supports(spec *command.Spec) bool {
	return e.handlers[spec.Index] != nil || slices.ContainsFunc(spec.Subcommands, e.Supports)
}

// lock takes the engine's lock and reads the clock for what follows.
func (e *Engine) lock() {
	e.mu.Lock()
	e.tx.Now = e.stats.now().UnixMilli()
}

// Locked runs f under the engine's lock, between two batches.
func (e *Engine) Locked(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// Replay does one effect of the log again. Nothing expires and nothing is logged. It is called before the first command that writes.
func (e *Engine) Replay(db int, args [][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tx.replay = true
	defer func() { e.tx.replay = false }()
	e.tx.Now = time.Now().UnixMilli()
	e.tx.begin(e.dbs[db])
	return e.run(args)
}

// ErrStale is returned by Edit when a key changed between the view and the edit.
var ErrStale = errors.New("the keyspace has moved on")

// Edit is a command done by no client.
type Edit struct {
	DB   int
	Args [][]byte // Args[1] is the key
}

// Edit does commands that no client sent, in one unit that the log keeps with a note: an edit of a file, a first load.
// They were thought out on basis: where one of their keys changed since, nothing is done. The unit's fate is told to r.
func (e *Engine) Edit(edits []Edit, basis *View, note string, r Releaser) error {
	e.lock()
	for _, cmd := range edits {
		if key := string(cmd.Args[1]); e.dbs[cmd.DB].version(key) != basis.version(cmd.DB, key) {
			e.mu.Unlock()
			return ErrStale
		}
	}
	return e.editAndUnlock(edits, note, r)
}

// EditNow is Edit of what think comes to at the instant it is done, or of nothing, with ErrStale, if it is not ok. Everybody
// waits meanwhile: it is for who has tried Edit, and found that clients write faster than can be thought.
func (e *Engine) EditNow(think func(now *View) (edits []Edit, ok bool), note string, r Releaser) error {
	e.lock()
	edits, ok := think(e.freeze())
	if !ok {
		e.mu.Unlock()
		return ErrStale
	}
	return e.editAndUnlock(edits, note, r)
}

// editAndUnlock does the commands of Edit; the caller holds the lock.
func (e *Engine) editAndUnlock(edits []Edit, note string, r Releaser) error {
	e.tx.begin(e.dbs[0])
	var failed error
	for _, cmd := range edits {
		e.tx.db = e.dbs[cmd.DB]
		if err := e.run(cmd.Args); err != nil && failed == nil {
			failed = fmt.Errorf("%s %q: %w", cmd.Args[0], cmd.Args[1], err)
		}
	}
	seq := e.tx.commit(note)
	e.serve()
	served := e.takeServed()
	e.mu.Unlock()
	e.release(served)
	if seq > 0 {
		synced(e.log, seq, r)
	}
	return failed
}

// run does a command without a client.
func (e *Engine) run(args [][]byte) error {
	spec, err := command.Check(args)
	if err != nil {
		return err
	}
	h := e.handlers[spec.Index]
	if h == nil {
		return unsupported(spec)
	}
	e.unheard.Reset()
	err = h(&Call{Tx: &e.tx, Reply: &e.unheard, Args: args, Spec: spec, engine: e})
	e.tx.finish(args, nil)
	return err
}

func unsupported(spec *command.Spec) error {
	return wire.Errorf("ERR command '%s' is not supported by the json backend", spec.Name)
}

// Connect returns the engine's side of a client.
func (e *Engine) Connect(s *resp.Session) resp.Conn { return &Conn{e: e, s: s, w: newReplies()} }

// Drain gives every outstanding command its timeout reply.
func (e *Engine) Drain() {
	e.lock()
	for _, p := range e.waiting {
		p.expire()
	}
	served := e.takeServed()
	e.mu.Unlock()
	e.release(served)
}

// Shutdown does nothing: what is durable is the log's concern.
func (e *Engine) Shutdown(context.Context) error { return nil }

// A pass of ExpireDue ends when it has taken expireBudget, or deleted expireAtOnce keys; it looks at the clock every
// expireStep items.
const (
	expireBudget = 200 * time.Microsecond
	expireAtOnce = 1024
	expireStep   = 16
)

// ExpireDue deletes keys whose time is over, in units of one DEL, until there are none. It is called a few times a second.
func (e *Engine) ExpireDue() {
	e.limitTracked()
	if e.opts.ReadOnly || e.passive.Load() {
		return
	}
	for _, d := range e.dbs {
		for more := e.expireSome(d, true); more; more = e.expireSome(d, false) {
			runtime.Gosched() // or a client that was woken by the unlocking would find the lock taken again
		}
	}
}

// expireSome does one pass; the first one looks for what has expired meanwhile.
func (e *Engine) expireSome(d *db, first bool) (more bool) {
	e.lock()
	if e.pause.On() {
		e.mu.Unlock()
		return false
	}
	e.tx.begin(d)
	if first {
		d.due.advance(e.tx.Now)
	}
	words, more := [][]byte{[]byte("DEL")}, true
	begin := time.Now()
	for n := 1; more && len(words) <= expireAtOnce && (n%expireStep > 0 || time.Since(begin) < expireBudget); n++ {
		var entry *Entry
		if entry, more = d.sift(e.tx.Now); entry != nil {
			words = append(words, []byte(entry.Key))
			e.tx.forget(entry)
		}
	}
	if len(words) > 1 {
		e.tx.EffectWords(words)
		e.expired(e.stats.clock)
	}
	seq := e.tx.commit("")
	e.serve()
	served := e.takeServed()
	e.mu.Unlock()
	e.release(served)
	if seq > 0 {
		e.log.Synced(seq, nobody{})
	}
	return more
}

// nobody waits for a unit: it only has to get to the disk.
type nobody struct{}

func (nobody) Release(uint64)     {}
func (nobody) Fail(uint64, error) {}
