package passthrough

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
	dir  string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.key, a.cert = a.sign("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.pool.AddCert(a.cert)
	return a
}

// sign makes the files NAME.crt and NAME.key; the first certificate signs itself.
func (a *authority) sign(name string, c *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	a.must(err)
	secret, err := x509.MarshalECPrivateKey(key)
	a.must(err)
	a.must(os.WriteFile(a.path(name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	a.must(os.WriteFile(a.path(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600))
	cert, err := x509.ParseCertificate(der)
	a.must(err)
	return key, cert
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// pair is what sign made.
func (a *authority) pair(name string) tls.Certificate {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.path(name+".crt"), a.path(name+".key"))
	a.must(err)
	return pair
}

// startTLS runs a Redis that speaks TLS with the certificate server and asks for one that the authority has signed.
func (a *authority) startTLS() (addr string) {
	a.t.Helper()
	var err error
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		a.must(err)
		addr = l.Addr().String()
		l.Close()
		_, port, _ := net.SplitHostPort(addr)
		_, stop, err := redistest.Run(a.dir, "--tls-port", port, "--tls-cert-file", a.path("server.crt"), "--tls-key-file", a.path("server.key"),
			"--tls-ca-cert-file", a.path("ca.crt"), "--tls-auth-clients", "yes", "--requirepass", "secret")
		if err == nil {
			a.t.Cleanup(stop)
			return addr
		}
	}
	a.t.Fatal(err)
	return ""
}

func TestTLSToRedis(t *testing.T) {
	a := newAuthority(t)
	a.sign("server", &x509.Certificate{DNSNames: []string{"redis.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	a.sign("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	redis := a.startTLS()
	shown := []tls.Certificate{a.pair("client")}
	remote := &net.OpError{}
	for name, tt := range map[string]struct {
		config func(*tls.Config)
		query  string
		fails  any // what the error is
	}{
		"all is right":             {func(c *tls.Config) { c.RootCAs, c.ServerName, c.Certificates = a.pool, "redis.test", shown }, "", nil},
		"nothing is checked":       {func(c *tls.Config) { c.InsecureSkipVerify, c.Certificates = true, shown }, "", nil},
		"nothing is, says the URL": {func(c *tls.Config) { c.Certificates = shown }, "?skip_verify=true", nil},
		"nobody knows the CA":      {func(c *tls.Config) { c.ServerName, c.Certificates = "redis.test", shown }, "", &x509.UnknownAuthorityError{}},
		"another name":             {func(c *tls.Config) { c.RootCAs, c.Certificates = a.pool, shown }, "", &x509.HostnameError{}},
		"Redis asks who it is":     {func(c *tls.Config) { c.RootCAs, c.ServerName = a.pool, "redis.test" }, "", &remote},
	} {
		t.Run(name, func(t *testing.T) {
			found, lost := make(chan Found, 1), make(chan error, 100)
			addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) {
				o.URL = "rediss://:secret@" + redis + "/2" + tt.query
				o.TLSConfig, o.Passthrough = tt.config, false
				if tt.fails != nil {
					o.QueueTimeout = 50 * time.Millisecond
				}
				o.Events.Found = func(f Found) { found <- f }
				o.Events.Lost = func(err error, _ time.Duration) { lost <- err }
			})
			c := connect(t, addr)
			if tt.fails != nil {
				if err := <-lost; !errors.As(err, tt.fails) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v (%T)", err, err)
				}
				c.do("GET a", unavailable)
				return
			}
			c.do("SET a 1", "+OK")
			c.send("CLIENT LIST")
			if list, _ := c.reply(); !strings.Contains(list, " db=2 ") {
				t.Error(list)
			}
			if f := <-found; f.Version != "7.0.15" || f.Refused != "" {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestUnixSocketsToRedis(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redis.sock")
	redistest.Start(t, "--unixsocket", path, "--requirepass", "secret")
	for _, pool := range []Pool{Session, Shared} {
		addr, _ := serve(t, "", func(o *Options, _ *resp.Server) {
			o.URL, o.Pool, o.Passthrough = "unix://:secret@"+path+"?db=3", pool, false
		})
		c := connect(t, addr)
		c.do("SET a 1", "+OK")
		c.do("BLPOP none 0.001", "*-1")
		c.do("SELECT 3", "+OK")
		c.do("GET a", "$1 1")
	}
}

// nameServer answers every question for an address with the one it is set to.
type nameServer struct{ ip atomic.Pointer[net.IP] }

// resolver asks the name server, in place of the system's until the test is over.
func (n *nameServer) resolver(t *testing.T) {
	system := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = system })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go n.answer(ours)
		return theirs, nil
	}}
}

// answer answers one question, in the form of RFC 1035 for streams, in which a length stands before each message.
func (n *nameServer) answer(c net.Conn) {
	defer c.Close()
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return
	}
	q := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, q); err != nil {
		return
	}
	end := 12
	for q[end] != 0 {
		end += 1 + int(q[end])
	}
	end += 5
	answers, isA := byte(0), q[end-3] == 1
	if isA {
		answers = 1
	}
	reply := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0}, q[12:end]...)
	if isA {
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, n.ip.Load().To4()...)
	}
	c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
}

func (n *nameServer) set(ip string) {
	parsed := net.ParseIP(ip)
	n.ip.Store(&parsed)
}

// A name that leads elsewhere after a failover is followed, and what is found there is told.
func TestTheNameIsLookedUpAtEachConnection(t *testing.T) {
	var names nameServer
	names.set("127.0.0.1")
	names.resolver(t)
	first := redistest.Start(t)
	_, port, _ := net.SplitHostPort(first)
	redistest.Start(t, "--bind", "127.0.0.2", "--port", port, "--replicaof", "127.0.0.1 "+port, "--replica-read-only", "no")
	for _, pool := range []Pool{Session, Shared} {
		names.set("127.0.0.1")
		found := make(chan Found, 10)
		addr, _ := serve(t, "redis.test:"+port, func(o *Options, _ *resp.Server) {
			o.Pool = pool
			o.Events.Found = func(f Found) { found <- f }
		})
		c := connect(t, addr)
		c.send("CONFIG GET bind")
		c.expect("*2 $4 bind $9 127.0.0.1")
		if f := <-found; f.Role != "master" || f.Mode != "standalone" {
			t.Errorf("%+v", f)
		}
		names.set("127.0.0.2")
		connect(t, first).send("CLIENT KILL TYPE normal")
		for got := ""; !strings.Contains(got, "127.0.0.2"); {
			c.send("CONFIG GET bind")
			got, _ = c.reply()
		}
		if f := <-found; f.Role != "slave" {
			t.Errorf("%+v", f)
		}
	}
}

func TestTheProxyDoesNotConnectToItself(t *testing.T) {
	redis := redistest.Start(t)
	lost := make(chan error, 10)
	addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) {
		o.QueueTimeout = 10 * time.Millisecond
		o.Self = func(a net.Addr) bool { return a.String() == redis }
		o.Events.Lost = func(err error, _ time.Duration) { lost <- err }
	})
	connect(t, addr).do("GET a", unavailable)
	if err := <-lost; !errors.Is(err, errSelf) {
		t.Error(err)
	}
}

func TestAURLThatIsNoneIsNotQuoted(t *testing.T) {
	for _, url := range []string{"redis://:geheim@h:port", "http://:geheim@h", "redis://:geheim%@h", "unix://u:geheim@"} {
		if _, err := Open(Options{URL: url}); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%v", err)
		}
	}
}

// A Redis that does not speak TLS says nothing to who does: what is wrong is found out before the time is over.
func TestAnUpstreamWithoutTLSIsRecognized(t *testing.T) {
	lost := make(chan error, 1)
	serve(t, redistest.Start(t), func(o *Options, _ *resp.Server) {
		o.URL, o.DialTimeout = "rediss://"+o.URL[len("redis://"):], time.Hour
		o.Events.Lost = func(err error, _ time.Duration) {
			select {
			case lost <- err:
			default:
			}
		}
	})
	select {
	case err := <-lost:
		if !errors.Is(err, errPlain) {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("nothing is told")
	}
}
