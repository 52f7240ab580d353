package passthrough

import (
	"cmp"
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp"
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
)

// Options are how to reach Redis, and limits. Zero values mean the defaults.
type Options struct {
	URL       string // as go-redis reads it: redis://, rediss:// or unix://
	TLSConfig func(*tls.Config)
	Pool      Pool
	// Passthrough sends AUTH and HELLO with credentials to Redis. Else they are checked here.
	Passthrough  bool
	DialTimeout  time.Duration // of a connection with its handshake; 5 s
	QueueTimeout time.Duration // how long a command waits for a connection; 5 s
	Buffers      int64         // bytes of requests under way, of all clients; 256 MiB
	Lanes        int           // connections that clients of one protocol, database and user share; 1
	Pins         int           // connections leased to clients with state, or waiting to be; 1000
	Events       Events
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
	Found func(Found)     // Redis is there, or there again
	Lost  func(err error) // it is not; told once
}

// Backend is a Redis behind a proxy.
type Backend struct {
	options    Options
	up         *upstream
	control    *control
	handlers   map[string]resp.ConnectionHandler
	goroutines sync.WaitGroup
	pending    atomic.Int64 // bytes of requests under way
	killed     atomic.Int64 // when a client sent CLIENT KILL or changed users, in Unix milliseconds

	mu    sync.Mutex
	conns map[*conn]struct{}
	dbs   map[string]bool // where clients have been
	pool  pool
	life  string // of Redis, when it was seen last
	lost  bool   // it was told that Redis is not there

	watching bool // a goroutine looks for Redis

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
	up, err := newUpstream(o.URL, o.DialTimeout, o.TLSConfig)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Backend{options: o, up: up, handlers: resp.ConnectionHandlers(), conns: map[*conn]struct{}{}, dbs: map[string]bool{}, watching: true, ctx: ctx, stop: stop}
	b.control = &control{up: up, login: b.own()}
	b.pool.lanes, b.pool.idle = map[identity][]*link{}, map[identity][]*link{}
	b.goroutines.Go(b.watch)
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

// watch looks for Redis until it is there.
func (b *Backend) watch() {
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		found, err := b.control.look(b.ctx)
		if b.ctx.Err() != nil {
			return
		}
		if err == nil {
			b.mu.Lock()
			b.watching, b.lost, b.life = false, false, found.life
			b.mu.Unlock()
			if b.options.Events.Found != nil {
				b.options.Events.Found(found)
			}
			return
		}
		b.trouble(err)
		select {
		case <-b.ctx.Done():
			return
		case <-time.After(max(wait, lookAgain)):
		}
	}
}

// trouble reports, once until Redis is found again, that it cannot be reached.
func (b *Backend) trouble(err error) {
	b.mu.Lock()
	told, watching := b.lost, b.watching
	b.lost, b.watching = true, true
	b.mu.Unlock()
	if !told && b.options.Events.Lost != nil {
		b.options.Events.Lost(err)
	}
	if !watching {
		b.goroutines.Go(b.watch)
	}
}

// found is in which life Redis was seen last.
func (b *Backend) found() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.life
}

// Connect implements [resp.Backend].
func (b *Backend) Connect(s *resp.Session) resp.Conn {
	c := &conn{b: b, s: s, key: identity{proto: 2, db: b.up.options.DB, login: b.login()}}
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
