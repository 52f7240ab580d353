package main

import (
	"crypto/tls"

	"github.com/omniproxy/omniproxy/resp/acl"
)

// loadedFiles is what the files hold that settings name. They are read before anything is bound or opened, and anew by a
// reload: reading them has no effect by itself. (A password's file is read with the [Settings].)
type loadedFiles struct {
	users        *acl.Users        // of --users and --requirepass
	usersText    string            // what these were when they were read
	certificates *certificates     // of --tls-cert; nil without
	upstreamTLS  func(*tls.Config) // completes what the URL of the upstream says of TLS
}

// readFiles reads them.
func (s Settings) readFiles() (f loadedFiles, err error) {
	if f.users, err = s.readUsers(); err != nil {
		return loadedFiles{}, err
	}
	f.usersText = string(f.users.Text())
	if f.certificates, err = s.ServerTLS.load(); err != nil {
		return loadedFiles{}, err
	}
	if s.Backend == "redis" {
		if f.upstreamTLS, err = s.TLS.load(); err != nil {
			return loadedFiles{}, err
		}
	}
	return f, nil
}
