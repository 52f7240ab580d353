package resp

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/command"
)

// Client is what CLIENT LIST shows of a session. The fields that a backend moves are atomics: any session may list
// all others at any time.
type Client struct {
	ID      int64
	Addr    string // peer, "127.0.0.1:50000" or "/path/to.sock:0"
	Local   string // the address it came to
	Subject string // the common name of the certificate that it has shown; "" if none
	Created time.Time

	DB      atomic.Int32
	Multi   atomic.Int32 // commands queued inside MULTI; -1 outside
	Queued  atomic.Int64 // bytes of their arguments
	Watch   atomic.Int32 // keys watched
	Kept    atomic.Int64 // bytes that the backend keeps for it besides: keys that it watches, the command that it waits with
	Lost    atomic.Bool  // one of them changed: EXEC will fail
	Sub     atomic.Int32 // channels, patterns, shard channels
	PSub    atomic.Int32
	SSub    atomic.Int32
	Blocked atomic.Bool
	Monitor atomic.Bool
	Last    atomic.Pointer[command.Spec]

	Tracking atomic.Pointer[Tracking] // nil = off

	proto   atomic.Int32
	active  atomic.Int64 // Unix milliseconds of the last bytes received
	pending atomic.Int64 // bytes received that are not done, or are being done
	noEvict atomic.Bool
	fd      int
	unix    bool
	origin  netip.Addr // where it comes from; not valid for a unix socket

	user  atomic.Pointer[acl.User] // as whom the client logged in; never nil once it has a session
	there atomic.Pointer[string]   // as whom with a server behind this one; nil if it did not
	hears subscriptions

	authenticated bool      // read and written with the session's turn only
	reply         replyMode // likewise, or by whoever answers an outstanding command

	mu      sync.Mutex // guards what follows
	name    string
	library [2]string // LIB-NAME and LIB-VER as CLIENT SETINFO said, though Redis 7.0 refuses that command
}

// Tracking is what CLIENT LIST shows of CLIENT TRACKING.
type Tracking struct {
	Broadcast bool  // BCAST
	Redirect  int64 // the client that hears in its place; 0 = none
	Broken    bool  // who is gone
}

// peer is what a transport knows of a connection.
type peer struct {
	addr, local string
	fd          int // of the socket, -1 if there is none
	unix        bool
	origin      netip.Addr // not valid if it has none
	subject     string     // the common name of its TLS certificate
}

func (c *Client) init(id int64, p peer, now time.Time) {
	c.ID, c.Addr, c.Local, c.fd, c.unix, c.Created = id, p.addr, p.local, p.fd, p.unix, now
	c.Subject, c.origin = p.subject, p.origin
	c.Multi.Store(-1)
	c.proto.Store(2)
	c.active.Store(now.UnixMilli())
}

func (c *Client) heard(now time.Time) { c.active.Store(now.UnixMilli()) }

// Proto is the version of RESP the client speaks: 2 or 3.
func (c *Client) Proto() int { return int(c.proto.Load()) }

// Heard is when the last bytes of the client came.
func (c *Client) Heard() time.Time { return time.UnixMilli(c.active.Load()) }

// SetProto tells which version the client speaks, where a server behind this one was told.
func (c *Client) SetProto(version int) { c.proto.Store(int32(version)) }

// IsLocal reports whether the client is on this machine, as far as its address tells.
func (c *Client) IsLocal() bool {
	host, _, _ := net.SplitHostPort(c.Addr)
	return c.unix || host == "127.0.0.1" || host == "::1"
}

// Name is what CLIENT SETNAME gave; empty if nothing.
func (c *Client) Name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.name
}

// User is as whom the client logged in: the default user if it did not say.
func (c *Client) User() string { return c.user.Load().Name }

// knownAs is as whom the client logged in, wherever that was.
func (c *Client) knownAs() string {
	if there := c.there.Load(); there != nil {
		return *there
	}
	return c.User()
}

func (c *Client) setName(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.name = name
}

// Library returns the client library's name and version, as far as it told them.
func (c *Client) Library() (name, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.library[0], c.library[1]
}

// longestLibrary bounds what is remembered of a client library's name or version.
const longestLibrary = 128

// observe remembers what CLIENT SETINFO says although Redis 7.0 does not know that command: the limit on BLOCK
// depends on the library.
func (c *Client) observe(args [][]byte) {
	if len(args) != 4 || !fold(args[0], "CLIENT") || !fold(args[1], "SETINFO") || len(args[3]) > longestLibrary {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case fold(args[2], "LIB-NAME"):
		c.library[0] = string(args[3])
	case fold(args[2], "LIB-VER"):
		c.library[1] = string(args[3])
	}
}

// subscribed reports whether the client receives messages.
func (c *Client) subscribed() bool { return c.Sub.Load()+c.PSub.Load()+c.SSub.Load() > 0 }

// kind is the client's type for CLIENT LIST TYPE and CLIENT KILL TYPE.
func (c *Client) kind() string {
	if c.subscribed() {
		return "pubsub"
	}
	return "normal"
}

// flags are the letters of CLIENT LIST's flags field, in Redis' order.
func (s *Session) flags() string {
	c := &s.Client
	t := c.Tracking.Load()
	on := t != nil
	var f strings.Builder
	for _, flag := range []struct {
		letter byte
		set    bool
	}{
		{'O', c.Monitor.Load()},
		{'P', c.subscribed()},
		{'x', c.Multi.Load() >= 0},
		{'b', c.Blocked.Load()},
		{'t', on},
		{'R', on && t.Broken},
		{'B', on && t.Broadcast},
		{'d', c.Lost.Load()},
		{'c', s.closing.Load()},
		{'U', c.unix},
		{'e', c.noEvict.Load()},
	} {
		if flag.set {
			f.WriteByte(flag.letter)
		}
	}
	if f.Len() == 0 {
		return "N"
	}
	return f.String()
}

// line renders the client as one line of CLIENT LIST (https://redis.io/commands/client-list), with Redis 7.0's fields.
//
// A session has one buffer for replies, of rbs bytes with obl of them in use, and no list of more (oll, omem). doing are
// the bytes of the arguments of the command that it is doing (argv-mem), 0 if it does none; before, they are among those
// that it has received (qbuf).
func (s *Session) line(now time.Time, doing int) string {
	c := &s.Client
	last := "NULL"
	if spec := c.Last.Load(); spec != nil {
		last = spec.FullName
	}
	pending, queued := c.pending.Load(), c.Queued.Load()
	held, capacity, writing := s.Out.size()
	redirect := int64(-1)
	if t := c.Tracking.Load(); t != nil {
		redirect = t.Redirect
	}
	events := "r"
	if writing {
		events = "rw"
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d "+
		"qbuf=%d qbuf-free=0 argv-mem=%d multi-mem=%d rbs=%d rbp=%d obl=%d oll=0 omem=0 tot-mem=%d events=%s cmd=%s user=%s redir=%d resp=%d",
		c.ID, c.Addr, c.Local, c.fd, c.Name(), int64(now.Sub(c.Created).Seconds()), max(0, now.UnixMilli()-c.active.Load())/1000, s.flags(),
		c.DB.Load(), c.Sub.Load(), c.PSub.Load(), c.SSub.Load(), c.Multi.Load(),
		pending, doing, queued, capacity, held, held, int64(unsafe.Sizeof(*s))+pending+int64(doing)+queued+int64(capacity), events, last, c.knownAs(), redirect, c.Proto())
}

// size is how many bytes the words of a command have.
func size(args [][]byte) (n int) {
	for _, a := range args {
		n += len(a)
	}
	return n
}
