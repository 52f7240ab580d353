package source

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp"
)

const defaultTimeout = 5 * time.Second

// Open opens the source that a name stands for: redis://, rediss:// or unix:// for a server that speaks Redis, anything
// else for a data directory. A directory that an omniproxy serves is reached through that one. One that nobody serves is
// opened by this process.
func Open(ctx context.Context, name string, o Options) (*Source, error) {
	logging.Disable() // go-redis writes to stderr by itself
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	if IsURL(name) {
		return openURL(ctx, name, o)
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	address, served := jsonbackend.ServedAt(dir)
	switch {
	case served && address == "":
		return nil, fmt.Errorf("%s: the omniproxy that serves it is just starting; try again", name)
	case !served:
		return openDir(ctx, name, dir, o)
	}
	s, err := openServed(ctx, address, o)
	if err != nil {
		return nil, fmt.Errorf("%s, served by the omniproxy there: %w", name, err)
	}
	s.Name, s.Dir = name, dir
	return s, nil
}

// openServed connects to the omniproxy that serves a directory, and sees to it that both mean the same by that.
func openServed(ctx context.Context, address string, o Options) (*Source, error) {
	s, err := openURL(ctx, urlOf(address, o.DB), o)
	if err != nil {
		return nil, err
	}
	for flag, ours := range map[string]string{"prefix": o.Prefix, "db": strconv.Itoa(o.DB)} {
		theirs, err := s.Info(ctx, "omniproxy", flag)
		if err == nil && theirs != ours {
			err = fmt.Errorf("it serves the directory with --%s=%s: give that, too", flag, theirs)
		}
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// IsURL reports whether a name stands for a server rather than for a directory.
func IsURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && !strings.ContainsAny(scheme, "/.")
}

// urlOf is the URL of a server's database; the address is HOST:PORT or unix:PATH.
func urlOf(address string, db int) string {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return fmt.Sprintf("unix://%s?db=%d", path, db)
	}
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		address = net.JoinHostPort("localhost", port)
	}
	return fmt.Sprintf("redis://%s/%d", address, db)
}

// errURL says what a URL must look like, instead of the parser's errors, which may quote a password.
var errURL = errors.New("write redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH, without options of other clients")

func openURL(ctx context.Context, name string, o Options) (*Source, error) {
	options, err := redis.ParseURL(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Redact(name), errURL)
	}
	options.Password = cmp.Or(options.Password, o.Password)
	s := newSource(Redact(name), options, o)
	s.url = s.Name
	return s.answering(ctx)
}

// newSource returns a source that is reached as options say. A command is sent once: what became of one that got no reply is
// the tool's to find out.
func newSource(name string, options *redis.Options, o Options) *Source {
	options.Protocol, options.DisableIdentity = 2, true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.MaxRetries, options.DialerRetries, options.PoolSize = -1, 1, 4
	options.DialTimeout = o.Timeout
	options.ReadTimeout = max(o.Timeout, time.Minute) // a server that is busy, or loads, is no dead one
	options.WriteTimeout = options.ReadTimeout
	return &Source{
		Name: name, Layout: keyspace.Layout{Prefix: o.Prefix}, Redis: redis.NewClient(options),
		pace: pace{perSecond: o.Rate}, close: func(context.Context) error { return nil },
	}
}

// answering returns the source if its server answers.
func (s *Source) answering(ctx context.Context) (*Source, error) {
	err := s.Redis.Ping(ctx).Err()
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
	case strings.HasPrefix(err.Error(), "NOAUTH"):
		err = errors.New("the server wants a password: set OMNIPROXY_REQUIREPASS, or put it into the URL (NOAUTH)")
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		err = errors.New("the server closed the connection without an answer; if it speaks TLS, name it by its URL, rediss://HOST:PORT")
	case errors.As(err, &unknown):
		err = errors.New("the server's certificate is of a CA that is not trusted here: name the CA's file in SSL_CERT_FILE")
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return s, nil
}

// openDir opens a directory that nobody serves: this process answers, over a pipe.
func openDir(ctx context.Context, name, dir string, o Options) (*Source, error) {
	if _, err := os.Stat(dir); err != nil && !o.Create {
		return nil, fmt.Errorf("data directory %s: %w", name, errors.Unwrap(err))
	}
	var unpublished error
	backend, err := jsonbackend.Open(jsonbackend.Options{
		Dir: dir, Prefix: o.Prefix, DB: o.DB, Snapshot: !o.Write,
		Events: jsonbackend.Events{Unpublished: func(file string, err error) { unpublished = fmt.Errorf("%s: %w", file, err) }},
	})
	if err != nil {
		return nil, err
	}
	server, pipes := &resp.Server{Backend: backend}, newPipes()
	backend.ServedBy(server)
	go server.Serve(pipes)
	s := newSource(name, &redis.Options{
		Addr: "pipe", DB: o.DB,
		Dialer: func(context.Context, string, string) (net.Conn, error) { return pipes.dial() },
	}, o)
	s.Dir = dir
	s.close = func(ctx context.Context) error {
		s.Redis.Close()
		now, cancel := context.WithCancel(ctx)
		cancel() // nobody else is connected
		server.Drain(now)
		pipes.Close()
		return errors.Join(backend.Shutdown(ctx), unpublished)
	}
	return s.answering(ctx)
}

// Fresh reports whether a directory is not there, or has nothing in it.
func Fresh(dir string) (bool, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	return len(names) == 0, err
}

// pipes is a listener within the process.
type pipes struct {
	made   chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.made <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.made:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
