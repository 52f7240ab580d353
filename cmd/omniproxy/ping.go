package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// pingWord is the command line of ping.
type pingWord struct {
	URL string `arg:"" optional:"" help:"the server"`
}

// Help stands at the end of omniproxy ping --help.
func (pingWord) Help() string {
	return `URL is redis://[:PASSWORD@]HOST:PORT, rediss://HOST:PORT or unix:///PATH. Without it the server is
the one that OMNIPROXY_LISTEN and OMNIPROXY_TLS_CERT describe, else redis://127.0.0.1:6380. A URL
without a password is completed by OMNIPROXY_REQUIREPASS or the file named by
OMNIPROXY_REQUIREPASS_FILE, so that in a container which sets these, "omniproxy ping" is the whole
health check.`
}

// pingTimeout is how long a server may take for everything: name, connection, AUTH and PONG.
const pingTimeout = 3 * time.Second

// pingTarget is a server to ping and how to talk to it.
type pingTarget struct {
	options *redis.Options
	timeout time.Duration
}

// target finds the server to ping and the password for it.
func (w pingWord) target(m machine) (pingTarget, error) {
	var own *tls.Config
	if w.URL == "" {
		var err error
		if w.URL, err = listenerURL(m); err != nil {
			return pingTarget{}, err
		}
		if own, err = listenerTLS(m); err != nil {
			return pingTarget{}, err
		}
	}
	o, err := redis.ParseURL(w.URL)
	if err != nil {
		return pingTarget{}, fmt.Errorf("ping %s: %s", redact(w.URL), urlHint)
	}
	if own != nil {
		o.TLSConfig = own
	}
	if o.Password == "" {
		password, err := passwordOf(m)
		if err != nil {
			return pingTarget{}, err
		}
		o.Password = string(password)
	}
	// One connection, one attempt, nothing sent but HELLO 2, AUTH, SELECT and PING.
	o.Protocol, o.DisableIdentity = 2, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.MaxRetries, o.DialerRetries, o.PoolSize = -1, 1, 1
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = pingTimeout, pingTimeout, pingTimeout
	return pingTarget{o, pingTimeout}, nil
}

// listenerURL returns the URL of the omniproxy that the environment describes, or else of one with no settings.
func listenerURL(m machine) (string, error) {
	listen := setting{origin: variable("listen"), value: "127.0.0.1:6380"}
	if value, ok := m.lookupEnv(listen.origin); ok && value != "" {
		listen.value = value
	}
	a, err := parseAddress(listen.value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", listen, err)
	}
	if _, port := a.hostPort(); a.Network == "tcp" && strings.Trim(port, "0") == "" {
		return "", fmt.Errorf("%s tells no port: write omniproxy ping URL", listen)
	}
	return a.URL(), nil
}

// listenerTLS is for the omniproxy that the environment describes, nil if that speaks plain text. It is known by the very
// certificate that it shows, for which name that was made does not matter on this machine.
func listenerTLS(m machine) (*tls.Config, error) {
	file := setting{origin: variable("tls-cert")}
	if file.value, _ = m.lookupEnv(file.origin); file.value == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file.value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.origin, err)
	}
	block, rest := pem.Decode(text)
	for block != nil && block.Type != "CERTIFICATE" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, fmt.Errorf("%s: no certificate is in it", file)
	}
	return &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(is tls.ConnectionState) error {
		if !bytes.Equal(is.PeerCertificates[0].Raw, block.Bytes) {
			return fmt.Errorf("the server does not show the certificate in %s", file)
		}
		return nil
	}}, nil
}

// passwordOf returns the password that the environment gives to a server started there.
func passwordOf(m machine) (Secret, error) {
	word, _ := m.lookupEnv(variable("requirepass"))
	file := setting{origin: variable("requirepass-file")}
	file.value, _ = m.lookupEnv(file.origin)
	switch {
	case file.value == "":
		return Secret(word), nil
	case word != "":
		return "", fmt.Errorf("%s and %s both set the password: choose one", variable("requirepass"), file.origin)
	}
	return readPassword(file)
}

// run prints PONG to stdout if the server sends it, else one line to stderr. It returns the exit code, 0 or 1.
func (t pingTarget) run(ctx context.Context, stdout, stderr io.Writer) int {
	logging.Disable() // go-redis writes to stderr by itself
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	client := redis.NewClient(t.options)
	defer client.Close()
	pong, err := client.Ping(ctx).Result()
	if err != nil {
		fmt.Fprintf(stderr, "omniproxy: %s: %s\n", t.address(), t.explain(err))
		return 1
	}
	fmt.Fprintln(stdout, pong)
	return 0
}

// address returns the server's address without its password.
func (t pingTarget) address() string { return Address{t.options.Network, t.options.Addr}.String() }

// explain says in one line why there was no PONG and, where it helps, what to do.
func (t pingTarget) explain(err error) string {
	var reply redis.Error
	var timeout net.Error
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &reply):
		return explainReply(reply.Error())
	case errors.As(err, &dns):
		return "cannot look up the host " + dns.Name
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: no server listens there"
	case errors.Is(err, fs.ErrNotExist):
		return "no such socket: no server listens there"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied: this user may not open the socket"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v; a proxy waits for a Redis that is down", t.timeout)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the server closed the connection without an answer" + t.otherScheme()
	case errors.As(err, &unknown):
		return "the server's certificate is of a CA that is not trusted here: name the CA's file in SSL_CERT_FILE"
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	if what, ok := strings.CutPrefix(first, "redis: "); ok { // go-redis could not read the answer
		return "no Redis server answers there (" + what + ")"
	}
	return first
}

// otherScheme tells what a server may speak that hangs up on what it was sent.
func (t pingTarget) otherScheme() string {
	switch {
	case t.options.Network == "unix":
		return ""
	case t.options.TLSConfig != nil:
		return "; if it speaks plain text, write redis://"
	}
	return "; if it speaks TLS, write rediss://, or set " + variable("tls-cert")
}

// explainReply explains an error that the server sent: Redis' error texts are facts that clients match on.
func explainReply(reply string) string {
	switch {
	case strings.HasPrefix(reply, "NOAUTH"):
		return "the server wants a password: set OMNIPROXY_REQUIREPASS, or put it into the URL (NOAUTH)"
	case strings.HasPrefix(reply, "WRONGPASS"):
		return "the server refused the password (WRONGPASS)"
	case strings.HasPrefix(reply, "LOADING"):
		return "the server is up but not ready (" + reply + ")"
	}
	return "the server answered " + reply
}
