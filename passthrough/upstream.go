package passthrough

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// upstream is how the Redis behind the proxy is reached. Every dial looks its name up again.
type upstream struct {
	options *redis.Options
	self    func(net.Addr) bool // tells the proxy's own listener; nil: nobody does
}

// newUpstream reads a URL as go-redis does. change may set what a URL cannot say.
func newUpstream(o Options) (*upstream, error) {
	options, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, errors.New("upstream: the URL is not one of redis://, rediss:// or unix://") // a cause could quote a password
	}
	options.DialTimeout = o.DialTimeout
	if options.TLSConfig != nil && o.TLSConfig != nil {
		o.TLSConfig(options.TLSConfig)
	}
	return &upstream{options, o.Self}, nil
}

// errSelf is told of an upstream that is the proxy itself.
var errSelf = errors.New("the upstream is this very omniproxy: name the Redis behind it")

// dial is what go-redis does by default, keep-alive included, except that it ends with ctx also while TLS is set up.
func (u *upstream) dial(ctx context.Context) (nc net.Conn, err error) {
	d := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         giveUpOnTheDead,
	}
	if u.options.TLSConfig != nil {
		nc, err = u.dialTLS(ctx, d)
	} else {
		nc, err = d.DialContext(ctx, u.options.Network, u.options.Addr)
	}
	if err == nil && u.self != nil && u.self(nc.RemoteAddr()) {
		nc.Close()
		return nil, errSelf
	}
	return nc, err
}

// errPlain is told of an upstream that is to speak TLS, and does not.
var errPlain = errors.New("the upstream answers without TLS: write redis:// instead of rediss://")

// plainAfter is how long a handshake of TLS may take before somebody looks whether TLS is spoken there: a Redis that does
// not speak it waits for the end of what it takes for a command.
const plainAfter = 500 * time.Millisecond

func (u *upstream) dialTLS(ctx context.Context, d *net.Dialer) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	look := time.AfterFunc(plainAfter, func() {
		if u.speaksPlain(ctx, d) {
			cancel(errPlain)
		}
	})
	defer look.Stop()
	nc, err := (&tls.Dialer{NetDialer: d, Config: u.options.TLSConfig}).DialContext(ctx, u.options.Network, u.options.Addr)
	if err != nil && context.Cause(ctx) == errPlain {
		err = errPlain
	}
	return nc, err
}

// speaksPlain reports whether PING is answered as Redis answers it without TLS.
func (u *upstream) speaksPlain(ctx context.Context, d *net.Dialer) bool {
	nc, err := d.DialContext(ctx, u.options.Network, u.options.Addr)
	if err != nil {
		return false
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })()
	first := make([]byte, 1)
	if _, err := nc.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	_, err = nc.Read(first)
	return err == nil && (first[0] == '+' || first[0] == '-')
}

// deadAfter is when keep-alive gives up a peer that is not there any more.
const deadAfter = 45 * time.Second

// String is where the upstream is, without credentials.
func (u *upstream) String() string {
	switch {
	case u.options.Network == "unix":
		return "unix://" + u.options.Addr
	case u.options.TLSConfig != nil:
		return "rediss://" + u.options.Addr
	}
	return "redis://" + u.options.Addr
}

// credential is a user with a password; the zero value is whoever does not say.
type credential struct{ user, pass string }

// name is the user's.
func (c *credential) name() string { return cmp.Or(c.user, "default") }

// identity is what a connection to Redis has been told: whose it is, which protocol and database, what it is called.
type identity struct {
	proto int // 3, else 2
	db    int
	login credential
	name  string
	early bool // the database is chosen before the login
	era   int  // of the rules who may do what without a password, when the client came; see Backend.newEra
}

// connect dials and says who is there. What wants to be asked as well is asked in the same write; its replies, in order,
// may be errors. Who logs in may have chosen a database before that is not theirs to choose.
func (u *upstream) connect(ctx context.Context, id identity, asked ...string) (net.Conn, [][]byte, error) {
	nc, replies, err := u.connectAs(ctx, id, asked)
	if refused, ok := errors.AsType[refusal](err); ok && strings.HasPrefix(string(refused), "NOPERM") && id.db != 0 {
		id.early = true
		if nc, replies, again := u.connectAs(ctx, id, asked); again == nil {
			return nc, replies, nil
		}
	}
	return nc, replies, err
}

func (u *upstream) connectAs(ctx context.Context, id identity, asked []string) (net.Conn, [][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, u.options.DialTimeout)
	defer cancel()
	nc, err := u.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	deadline, _ := ctx.Deadline()
	nc.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	replies, err := u.handshake(nc, id, asked)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	nc.SetDeadline(time.Time{})
	return nc, replies, nil
}

func (u *upstream) handshake(nc net.Conn, id identity, asked []string) ([][]byte, error) {
	var w wire.Writer
	needed := id.write(&w)
	for _, command := range asked {
		writeCommand(&w, bytes.Fields([]byte(command))...)
	}
	if needed+len(asked) == 0 {
		return nil, nil
	}
	if _, err := nc.Write(w.Bytes()); err != nil {
		return nil, err
	}
	replies, err := readReplies(nc, needed+len(asked))
	if err != nil {
		return nil, err
	}
	for _, r := range replies[:needed] {
		switch {
		case r[0] == '-':
			return nil, refusal(bytes.TrimSpace(r[1:]))
		case r[0] != '%' && string(r) != "+OK\r\n":
			return nil, fmt.Errorf("upstream answers a handshake with %.60q", r)
		}
	}
	return replies[needed:], nil
}

// refusal is Redis' error to what a connection is to be.
type refusal string

func (r refusal) Error() string { return "Redis refuses the connection: " + string(r) }

// lasts reports whether trying again is no use: the client is told.
func (r refusal) lasts() bool {
	return !strings.HasPrefix(string(r), "LOADING") && !r.busy() && !strings.Contains(string(r), "max number of clients")
}

// busy reports whether Redis runs a script and tells everybody so: then it is what their commands are answered with, too.
func (r refusal) busy() bool { return strings.HasPrefix(string(r), "BUSY") }

// write writes what makes a fresh connection be id; it returns how many replies that has.
func (id identity) write(w *wire.Writer) (replies int) {
	say := func(words ...string) {
		w.Array(len(words))
		for _, word := range words {
			w.BulkString(word)
		}
		replies++
	}
	user, pass := id.login.user, id.login.pass
	if id.db != 0 && id.early {
		say("SELECT", strconv.Itoa(id.db))
	}
	switch {
	case id.proto == 3 && pass != "":
		if user == "" {
			user = "default"
		}
		say("HELLO", "3", "AUTH", user, pass)
	case id.proto == 3:
		say("HELLO", "3")
	case pass != "" && user != "":
		say("AUTH", user, pass)
	case pass != "":
		say("AUTH", pass)
	}
	if id.db != 0 && !id.early {
		say("SELECT", strconv.Itoa(id.db))
	}
	if id.name != "" {
		say("CLIENT", "SETNAME", id.name)
	}
	return replies
}

func writeCommand(w *wire.Writer, words ...[]byte) {
	w.Array(len(words))
	for _, word := range words {
		w.Bulk(word)
	}
}

// longestReplies is more than what Redis says of itself.
const longestReplies = 16 << 20

// readReplies reads n replies, behind which nothing may come.
func readReplies(nc net.Conn, n int) (replies [][]byte, err error) {
	var frame wire.Frame
	var reply []byte
	buf := make([]byte, 4<<10)
	for come := 0; len(replies) < n; {
		got, err := nc.Read(buf)
		if come += got; come > longestReplies {
			return nil, errors.New("what Redis says of itself does not end")
		}
		for p := buf[:got]; len(p) > 0; {
			step, whole, err := frame.Next(p)
			if err != nil {
				return nil, err
			}
			reply = append(reply, p[:step]...)
			if p = p[step:]; !whole {
				continue
			}
			if frame.Kind() != '>' {
				replies = append(replies, reply)
			}
			reply = nil
		}
		if err != nil {
			return nil, err
		}
	}
	if len(replies) > n || frame.Open() {
		return nil, errors.New("upstream says more than it was asked")
	}
	return replies, nil
}
