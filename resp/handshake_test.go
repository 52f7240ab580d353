package resp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// identity makes a certificate that signs itself, for both ends.
func identity(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func trusting(c tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Leaf)
	return pool
}

// serveOn serves plain text at an address.
func serveOn(t testing.TB, v *Server, network, addr string) (dial func() *client) {
	t.Helper()
	return serveFront(t, v, plain, network, addr)
}

// secured is a server that speaks TLS.
type secured struct {
	v      *Server
	front  *Listener
	own    tls.Certificate
	dial   func() *client // plain text
	failed chan error     // handshakes
}

func serveTLS(t testing.TB, configure ...func(*secured)) *secured {
	own := identity(t, "server")
	d := &secured{own: own, failed: make(chan error, 100), front: &Listener{TLS: &tls.Config{Certificates: []tls.Certificate{own}}}}
	d.v = &Server{Backend: newStub(t), Events: Events{HandshakeFailed: func(_ string, err error) { d.failed <- err }}}
	for _, f := range configure {
		f(d)
	}
	d.dial = serveFront(t, d.v, NewFront(d.front), "tcp", "127.0.0.1:0")
	return d
}

func (d *secured) dialTLS(t testing.TB, shown ...tls.Certificate) *client {
	plain := d.dial()
	return newClient(t, tls.Client(plain.Conn, &tls.Config{RootCAs: trusting(d.own), ServerName: "server", Certificates: shown}))
}

func TestAListenerSpeaksTLS(t *testing.T) {
	d := serveTLS(t)
	for range 2 {
		c := d.dialTLS(t)
		c.send(requests("GET a", "CLIENT INFO"))
		c.expect("$1\r\na\r\n")
		line, err := c.in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "$") {
			t.Fatalf("%q, %v", line, err)
		}
		info, err := c.in.ReadString('\n')
		if err != nil || strings.Contains(info, " fd=-1 ") || !strings.Contains(info, "addr="+c.LocalAddr().String()+" ") {
			t.Errorf("%q, %v", info, err)
		}
	}
}

func TestWhoShowsNoCertificateIsRefusedWhereOneIsAskedFor(t *testing.T) {
	known, unknown := identity(t, "alice"), identity(t, "mallory")
	d := serveTLS(t, func(d *secured) {
		d.front.TLS.ClientAuth, d.front.TLS.ClientCAs = tls.RequireAndVerifyClientCert, trusting(known)
	})
	c := d.dialTLS(t, known)
	c.send(requests("GET a"))
	c.expect("$1\r\na\r\n")
	if got := d.v.registry.all()[0].Client.Subject; got != "alice" {
		t.Errorf("the subject is %q", got)
	}
	for _, shown := range [][]tls.Certificate{nil, {unknown}} {
		c := d.dialTLS(t, shown...)
		c.Write(requests("GET a"))
		if _, err := c.in.ReadByte(); err == nil {
			t.Error("it was answered")
		}
		await(t, d.failed, "report")
	}
}

func TestPlainTextIsToldThatThePortSpeaksTLS(t *testing.T) {
	d := serveTLS(t)
	for _, sent := range [][]byte{requests("PING"), []byte("PING\r\n"), []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")} {
		c := d.dial()
		c.send(sent)
		c.expect("-" + string(errPlainText) + "\r\n")
		c.expectEnd()
		c.Close()
		if err := await(t, d.failed, "report"); err != errPlainText {
			t.Errorf("reported: %v", err)
		}
	}
}

func TestTLSOnAPortThatSpeaksPlainTextEndsTheClient(t *testing.T) {
	dropped := make(chan error, 1)
	v := &Server{Backend: newStub(t), Events: Events{Dropped: func(_ string, err error) { dropped <- err }}}
	c := serve(t, v)()
	if err := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Fatal("a handshake was done")
	}
	if err := await(t, dropped, "report"); err != errTLS {
		t.Errorf("reported: %v", err)
	}
}

func TestHandshakesThatDoNotEndAreEnded(t *testing.T) {
	d := serveTLS(t, func(d *secured) { d.front.AuthTimeout = time.Millisecond })
	silent, begun := d.dial(), d.dial()
	begun.send([]byte{tlsRecord, 3, 1, 2, 0, 1})
	for _, c := range []*client{silent, begun} {
		c.expectEnd()
		if err := await(t, d.failed, "report"); !errors.Is(err, errHandshakeTime) {
			t.Errorf("reported: %v", err)
		}
	}
}

func TestADrainCutsHandshakes(t *testing.T) {
	d := serveTLS(t)
	c := d.dial()
	for d.v.lobby.size() == 0 {
		time.Sleep(time.Millisecond)
	}
	now, cancel := context.WithCancel(t.Context())
	cancel()
	d.v.Drain(now)
	c.expectEnd()
}

func TestAHandshakeCountsAsAClient(t *testing.T) {
	d := serveTLS(t, func(d *secured) { d.v.SetMaxClients(1) })
	first := d.dialTLS(t)
	first.send(requests("GET a"))
	first.expect("$1\r\na\r\n")
	d.dial().expectEnd()
	if n := d.v.Traffic().Rejected; n != 1 {
		t.Errorf("%d are counted as refused", n)
	}
}

func TestAFrontExchangedMeetsTheNextClient(t *testing.T) {
	d := serveTLS(t)
	other := identity(t, "other")
	front := NewFront(d.front)
	dial := serveFront(t, &Server{Backend: newStub(t)}, front, "tcp", "127.0.0.1:0")
	name := func() string {
		c := tls.Client(dial().Conn, &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "server" {
		t.Errorf("shown: %s", got)
	}
	front.Exchange(&Listener{TLS: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{other}}, nil
	}}})
	if got := name(); got != "other" {
		t.Errorf("shown: %s", got)
	}
}

func TestASlotIsGivenBackHoweverAHandshakeEnds(t *testing.T) {
	d := serveTLS(t, func(d *secured) { d.front.TLS.MinVersion = tls.VersionTLS13 })
	for range 20 { // more than there are slots
		c := d.dial()
		if err := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake(); err == nil {
			t.Fatal("an old version was accepted")
		}
		await(t, d.failed, "report")
		half := d.dial()
		left := tls.Client(&leaving{Conn: half.Conn}, &tls.Config{InsecureSkipVerify: true})
		if err := left.Handshake(); err == nil {
			t.Fatal("a handshake was done by one who left")
		}
		await(t, d.failed, "report")
	}
	c := d.dialTLS(t)
	c.send(requests("PING"))
	c.expect("+PONG\r\n")
}

// leaving is a connection that ends once its first bytes are sent.
type leaving struct{ net.Conn }

func (l *leaving) Read([]byte) (int, error) {
	l.Close()
	return 0, net.ErrClosed
}
