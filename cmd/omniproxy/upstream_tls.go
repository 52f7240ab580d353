package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// load reads the files; the function that it returns completes what the URL says of TLS.
func (t UpstreamTLS) load() (func(*tls.Config), error) {
	var roots *x509.CertPool
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("--upstream-ca: %w", err)
		}
		if roots, err = poolOf(text); err != nil {
			return nil, fmt.Errorf("--upstream-ca=%s: %w", t.CA, err)
		}
	}
	var shown []tls.Certificate
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("--upstream-cert=%s with --upstream-key=%s: %w", t.Cert, t.Key, err)
		}
		shown = append(shown, pair)
	}
	return func(c *tls.Config) {
		c.RootCAs, c.Certificates = roots, shown
		if t.SNI != "" {
			c.ServerName = t.SNI
		}
		c.InsecureSkipVerify = t.SkipVerify
	}, nil
}
