package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Address is where omniproxy listens, as net.Listen takes it.
type Address struct {
	Network string // tcp or unix
	Addr    string // HOST:PORT, or a path
}

// maxSocketPath is how long Linux lets the path of a unix socket be. (A few systems allow less, and say so themselves.)
const maxSocketPath = 107

// parseAddress takes HOST:PORT, unix:PATH, unix:///PATH or /PATH. An empty HOST is every address of the machine.
func parseAddress(s string) (Address, error) {
	path, isPath := strings.CutPrefix(s, "unix:")
	if isPath {
		path = strings.TrimPrefix(path, "//")
	} else if strings.HasPrefix(s, "/") {
		path, isPath = s, true
	}
	if isPath {
		switch {
		case path == "":
			return Address{}, errors.New("write the socket's path, as in unix:/tmp/omniproxy.sock")
		case len(path) > maxSocketPath:
			return Address{}, fmt.Errorf("a socket's path has at most %d bytes, this one has %d", maxSocketPath, len(path))
		}
		return Address{"unix", path}, nil
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, errors.New("write HOST:PORT, [IPV6]:PORT, unix:/PATH or /PATH")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Address{}, errors.New("the port is a number from 0 to 65535")
	}
	return Address{"tcp", s}, nil
}

// String returns what parseAddress takes: HOST:PORT or unix:PATH.
func (a Address) String() string {
	if a.Network == "unix" {
		return "unix:" + a.Addr
	}
	return a.Addr
}

// URL returns what a client on this machine takes: redis://HOST:PORT or unix:///PATH. For a listener on every address
// HOST is loopback.
func (a Address) URL() string {
	if a.Network == "unix" {
		path, err := filepath.Abs(a.Addr)
		if err != nil {
			path = a.Addr
		}
		return (&url.URL{Scheme: "unix", Path: path}).String()
	}
	host, port := a.hostPort()
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return "redis://" + net.JoinHostPort(host, port)
}

// hostPort splits the address of a tcp listener.
func (a Address) hostPort() (host, port string) {
	host, port, _ = net.SplitHostPort(a.Addr)
	return host, port
}

// machine is what settings depend on beside the command line.
type machine struct {
	lookupEnv func(name string) (string, bool)
	variables func() []string // the names in the environment
	lookupIP  func(host string) ([]netip.Addr, error)
	localIPs  func() ([]netip.Addr, error) // the addresses of its interfaces
}

// lookupTimeout bounds a look-up of a host name at start.
const lookupTimeout = 2 * time.Second

// thisMachine returns the machine that the process runs on.
func thisMachine() machine {
	return machine{
		lookupEnv: os.LookupEnv,
		variables: func() (names []string) {
			for _, each := range os.Environ() {
				name, _, _ := strings.Cut(each, "=")
				names = append(names, name)
			}
			return names
		},
		lookupIP: func(host string) ([]netip.Addr, error) {
			ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
			defer cancel()
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		localIPs: func() ([]netip.Addr, error) {
			nets, err := net.InterfaceAddrs()
			if err != nil {
				return nil, err
			}
			var ips []netip.Addr
			for _, n := range nets {
				if prefix, err := netip.ParsePrefix(n.String()); err == nil {
					ips = append(ips, prefix.Addr())
				}
			}
			return ips, nil
		},
	}
}

// ips returns the addresses of a host as it stands in a listener's address: the unspecified address for "".
func (m machine) ips(host string) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{netip.IPv6Unspecified()}, nil
	}
	if strings.EqualFold(host, "localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	ips := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = append(ips, ip)
	} else if ips, err = m.lookupIP(host); err != nil {
		return nil, err
	}
	for i, ip := range ips {
		ips[i] = ip.Unmap().WithZone("")
	}
	return ips, nil
}

// reaches reports whether a client on this machine that dials addr reaches the listener. All of loopback counts as one
// address: localhost may mean either 127.0.0.1 or ::1. A host that cannot be looked up is somebody else.
func (m machine) reaches(listen Address, network, addr string) bool {
	if network != listen.Network {
		return false
	}
	if network == "unix" {
		return realPath(addr) == realPath(listen.Addr)
	}
	host, port := listen.hostPort()
	dialHost, dialPort := Address{network, addr}.hostPort()
	if port != dialPort || port == "0" {
		return false
	}
	listening, err := m.ips(host)
	if err != nil {
		return false
	}
	dialed, err := m.ips(dialHost)
	if err != nil {
		return false
	}
	local, err := m.localIPs()
	if err != nil {
		local = nil // then only loopback is known to be local
	}
	for _, l := range listening {
		for _, d := range dialed {
			home := d.IsLoopback() || d.IsUnspecified() // dialing 0.0.0.0 reaches this machine
			switch {
			case l == d, l.IsLoopback() && home, l.IsUnspecified() && (home || slices.Contains(local, d)):
				return true
			}
		}
	}
	return false
}

// dialed returns where a client connects that is given a Redis URL, or nothing for what is none. It does not look at
// the URL's options: each client knows others.
func dialed(redisURL string) (network, addr string) {
	u, err := url.Parse(redisURL)
	switch {
	case err != nil:
		return "", ""
	case u.Scheme == "unix":
		return "unix", u.Path
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return "", ""
	}
	return "tcp", net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), "6379"))
}

// realPath returns the path of a socket, which need not exist, without links and relative parts, as far as it can.
func realPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// protectedMode refuses a listener that other machines may reach while no password is set, as Redis' protected mode
// does for their connections. listen is what --listen takes. A host name counts as loopback if all its addresses are.
func protectedMode(listen string, haspass bool) error {
	return thisMachine().protectedMode(listen, haspass)
}

func (m machine) protectedMode(listen string, haspass bool) error {
	a, err := parseAddress(listen)
	if err != nil {
		return fmt.Errorf("--listen=%s: %w", listen, err)
	}
	if haspass || a.Network == "unix" {
		return nil
	}
	host, _ := a.hostPort()
	ips, err := m.ips(host)
	if err != nil {
		return fmt.Errorf("--listen=%s: %w", listen, err)
	}
	if !slices.ContainsFunc(ips, func(ip netip.Addr) bool { return !ip.IsLoopback() }) {
		return nil
	}
	return fmt.Errorf(`protected mode: not listening on %s without a password.
Whoever reaches this address could read, change and delete all data. Do one of these:
  1) listen for this machine alone:       --listen 127.0.0.1:6380 (the default)
  2) listen where file permissions count: --listen unix:/path/to/omniproxy.sock
  3) set a password:                      OMNIPROXY_REQUIREPASS=... or --requirepass-file FILE`, listen)
}
