package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// ServerTLS names the files of a listener that speaks TLS; without Cert it speaks plain text.
type ServerTLS struct{ Cert, Key, ClientCA string }

// check reports settings that make no sense together.
func (t ServerTLS) check(g given, listen Address) error {
	switch {
	case t.Cert != "" && t.Key == "":
		return fmt.Errorf("%s: give its key with --tls-key", g.of("tls-cert"))
	case t.Key != "" && t.Cert == "":
		return fmt.Errorf("%s: give its certificate with --tls-cert", g.of("tls-key"))
	case t.ClientCA != "" && t.Cert == "":
		return fmt.Errorf("%s: TLS needs --tls-cert and --tls-key", g.of("tls-client-ca"))
	case t.Cert != "" && listen.Network == "unix":
		return fmt.Errorf("%s: a unix socket never leaves the machine and speaks no TLS", g.of("tls-cert"))
	}
	return nil
}

// certificatesLook is how often the files are looked at while clients connect.
const certificatesLook = 5 * time.Second

// certificates are what a listener shows to its clients and asks of them. The files may change at any time: who connects
// after the change was noticed meets the new ones, who is connected stays.
type certificates struct {
	ServerTLS
	now    atomic.Pointer[tls.Config]
	looked atomic.Int64 // Unix nanoseconds

	mu   sync.Mutex // one reads at a time
	seen stamp      // of the files that were read last, good or not
}

// stamp tells whether files have changed.
type stamp [3]struct {
	size     int64
	modified time.Time
}

// load reads the files. It returns nil where there is to be no TLS.
func (t ServerTLS) load() (*certificates, error) {
	if t.Cert == "" {
		return nil, nil
	}
	c := &certificates{ServerTLS: t}
	c.looked.Store(time.Now().UnixNano())
	return c, c.Reload()
}

// Reload reads the files anew. On an error, which names the file and says what is wrong, everything stays as it was.
func (c *certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = c.stamp() // before they are read: what changes meanwhile is read again
	config, err := c.read(time.Now())
	if err != nil {
		return err
	}
	c.now.Store(config)
	return nil
}

func (t ServerTLS) stamp() (s stamp) {
	for i, path := range []string{t.Cert, t.Key, t.ClientCA} {
		if info, err := os.Stat(path); err == nil {
			s[i].size, s[i].modified = info.Size(), info.ModTime()
		}
	}
	return s
}

func (t ServerTLS) read(now time.Time) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert=%s with --tls-key=%s: %w", t.Cert, t.Key, err)
	}
	if err := inTime(pair.Leaf, now); err != nil {
		return nil, fmt.Errorf("--tls-cert=%s: %w", t.Cert, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if t.ClientCA != "" {
		if config.ClientCAs, err = readPool(t.ClientCA); err != nil {
			return nil, fmt.Errorf("--tls-client-ca=%s: %w", t.ClientCA, err)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.SessionTicketsDisabled = true // every connection meets the CA of now
	}
	return config, nil
}

func inTime(certificate *x509.Certificate, now time.Time) error {
	const day = "2006-01-02 15:04 MST"
	switch {
	case now.After(certificate.NotAfter):
		return fmt.Errorf("the certificate expired on %s", certificate.NotAfter.Format(day))
	case now.Before(certificate.NotBefore):
		return fmt.Errorf("the certificate begins on %s", certificate.NotBefore.Format(day))
	}
	return nil
}

// readPool reads certificates to trust.
func readPool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return poolOf(text)
}

// poolOf is of certificates in PEM.
func poolOf(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("there is no certificate in it; give a file in PEM, with BEGIN CERTIFICATE")
	}
	return pool, nil
}

// config is for a listener. What is found wrong with files that changed goes to the log, once.
func (c *certificates) config(log *zap.Logger) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: c.ClientCA != "",
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := time.Now().UnixNano()
			if looked := c.looked.Load(); now-looked > int64(certificatesLook) && c.looked.CompareAndSwap(looked, now) {
				go c.look(log) // a disk may be slow
			}
			return c.now.Load(), nil
		},
	}
}

// look reloads the files if they have changed.
func (c *certificates) look(log *zap.Logger) {
	c.mu.Lock()
	changed := c.stamp() != c.seen
	c.mu.Unlock()
	if !changed {
		return
	}
	if err := c.Reload(); err != nil {
		log.Error("the TLS certificates have changed, but cannot be used; the old ones stay", zap.Error(err))
		return
	}
	log.Info("the TLS certificates have changed: new connections get the new ones", zap.String("file", c.Cert))
}
