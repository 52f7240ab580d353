package passthrough

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// What a client is told when Redis does not answer. The texts are stable, and none of them makes OmniDaemon's consumers stop.
const (
	// errUnavailable: the command waited for a connection to Redis, in vain.
	errUnavailable wire.Error = "ERR omniproxy: the upstream Redis is not there; the command was not sent"
	// errUnanswered: Redis was lost when the command may have been on its way.
	errUnanswered wire.Error = "ERR omniproxy: the upstream Redis was lost before it answered; whether the command was done is not known"
	// errTransaction: so was it in the middle of a transaction, which is over.
	errTransaction wire.Error = "ERR omniproxy: the upstream Redis was lost during the transaction"
	// errExecLost is what EXEC says then.
	errExecLost wire.Error = "EXECABORT Transaction discarded because omniproxy: the upstream Redis was lost during the transaction"
	// errIdle and errExecIdle are told in their place where it was the client that kept a connection for too long.
	errIdle     wire.Error = "ERR omniproxy: the transaction was idle for longer than --pin-time and is over"
	errExecIdle wire.Error = "EXECABORT Transaction discarded because omniproxy: it was idle for longer than --pin-time"
)

// Options are how to reach Redis, and limits. Zero values mean the defaults.
type Options struct {
	URL       string // as go-redis reads it: redis://, rediss:// or unix://
	TLSConfig func(*tls.Config)
	Pool      Pool
	// Passthrough sends AUTH and HELLO with credentials to Redis. Else they are checked here.
	Passthrough  bool
	DialTimeout  time.Duration       // of a connection with its handshake; 5 s
	QueueTimeout time.Duration       // how long a command waits for a connection; 5 s
	ReadTimeout  time.Duration       // how long Redis may owe a reply and send nothing; 60 s, negative: for ever
	PinTime      time.Duration       // how long a client may send nothing inside MULTI or WATCH, on Shared; 5 min, negative: for ever
	IdleTime     time.Duration       // how long a connection is kept that no client uses, on Shared; 1 min
	DrainTimeout time.Duration       // after which clients are cut that a drain has not let go; 1 s
	Buffers      int64               // bytes of requests under way, of all clients; 256 MiB
	Lanes        int                 // connections that clients of one protocol, database and user share; 1
	Pins         int                 // connections leased to clients with state, or waiting to be; 1000
	Self         func(net.Addr) bool // whether connecting there leads to the proxy itself; nil: it never does
	// Adding is told of each XADD of a client: of the fields and their values in turn, which die with the call. What it
	// returns, unless that is nil, is called when Redis says that it was done. Neither may block. nil: nobody wants to know.
	Adding func(key []byte, pairs [][]byte) (added func())
	Events Events
}

// Pool is how clients share connections to Redis.
type Pool int

const (
	// Session gives each client a connection of its own.
	Session Pool = iota
	// Shared lets clients share connections, but while they have state there.
	Shared
)

// Events are what a Backend reports; nil functions are not called.
type Events struct {
	Found func(Found) // Redis is there, or there again, or it is another one than before
	// Lost: it is not, for so long; told at once, when that is 0, and then ever more rarely.
	Lost func(err error, since time.Duration)
	// Answered: the replies of a run of commands came so long after it was submitted. One of those that are under way on a
	// connection is measured, none that block.
	Answered func(took time.Duration)
	// Waited: there is a connection for a run of commands that has waited so long for one.
	Waited func(time.Duration)
	// Silent: Redis is there, but connections on which it owed replies were silent for too long, and were replaced.
	Silent func(connections int)
}

// Backend is a Redis behind a proxy.
type Backend struct {
	options    Options
	up         *upstream
	control    *control
	handlers   map[string]resp.ConnectionHandler
	goroutines sync.WaitGroup
	pending    atomic.Int64  // bytes of requests under way
	killed     atomic.Int64  // when a client sent CLIENT KILL or changed users, in Unix milliseconds
	dials      chan struct{} // who connects at the moment
	tally      tally
	xadd       *command.Spec
	asks       atomic.Bool // Redis asks those who come for a password, as far as the last ones were told

	mu         sync.Mutex
	conns      map[*conn]struct{}
	dbs        map[identity]bool    // where clients have been, by login and era
	era        int                  // see era.go
	admissions map[string]admission // by user
	learnt     learnt
	pool       pool
	health     health

	ctx  context.Context // of the dialing, which ends with stop
	stop context.CancelFunc
}

// Open reads the URL and begins to look for Redis, which need not be there yet.
func Open(o Options) (*Backend, error) {
	o.DialTimeout = cmp.Or(o.DialTimeout, 5*time.Second)
	o.QueueTimeout = cmp.Or(o.QueueTimeout, 5*time.Second)
	o.Buffers = cmp.Or(o.Buffers, 256<<20)
	o.Lanes = cmp.Or(o.Lanes, 1)
	o.Pins = cmp.Or(o.Pins, 1000)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, time.Minute)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, time.Second)
	o.PinTime = cmp.Or(o.PinTime, 5*time.Minute)
	o.IdleTime = cmp.Or(o.IdleTime, time.Minute)
	up, err := newUpstream(o)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Backend{
		options: o, up: up, handlers: resp.ConnectionHandlers(), dials: make(chan struct{}, dialsAtOnce),
		conns: map[*conn]struct{}{}, dbs: map[identity]bool{}, admissions: map[string]admission{}, ctx: ctx, stop: stop,
	}
	b.tally.commandTally, b.xadd = newCommandTally(), command.Find("xadd")
	b.control = &control{up: up, login: b.own()}
	b.pool.lanes, b.pool.idle = map[laneKey][]*lane{}, map[identity][]*link{}
	b.look()
	b.goroutines.Go(b.patrol)
	return b, nil
}

// Upstream is where Redis is, without credentials.
func (b *Backend) Upstream() string { return b.up.String() }

// login is what clients' wires log in with: the URL's credentials, unless clients have their own.
func (b *Backend) login() credential {
	if b.options.Passthrough {
		return credential{}
	}
	return b.own()
}

// own are the URL's credentials.
func (b *Backend) own() credential {
	return credential{b.up.options.Username, b.up.options.Password}
}

// Connect implements [resp.Backend].
func (b *Backend) Connect(s *resp.Session) resp.Conn {
	c := &conn{b: b, s: s, key: b.stranger(), allowed: mostReplies}
	c.key.db = b.up.options.DB
	c.strange(b.asks.Load())
	if b.options.Pool == Shared {
		c.allowed = fewReplies
	}
	b.mu.Lock()
	b.conns[c] = struct{}{}
	b.mu.Unlock()
	return c
}

// Shutdown implements [resp.Backend]: there is nothing to make durable.
func (b *Backend) Shutdown(context.Context) error {
	b.stop()
	b.mu.Lock()
	for b.dropIdle() {
	}
	for _, wires := range b.pool.lanes {
		for _, l := range wires {
			l.close()
		}
	}
	b.mu.Unlock()
	b.goroutines.Wait()
	return nil
}
