package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/resp"
)

// inheritance is what a process is given when it starts: listening sockets by systemd, or all that it served with by itself
// before a restart. A nil inheritance is none.
type inheritance struct {
	sockets []*inheritedSocket
	clients []inheritedClient

	// Of a restart.
	began    time.Time // zero: this is none
	stopping bool      // a stop was asked for meanwhile
}

// inheritedSocket is a socket that listens.
type inheritedSocket struct {
	listener net.Listener
	asked    Address // what --listen said when it was bound; nothing if systemd bound it
	byOthers bool    // systemd did, perhaps long ago
	taken    bool
}

// inheritedClient is a client that waits to be answered.
type inheritedClient struct {
	resp.Moved
	nc     net.Conn
	socket int // where it came in, among the sockets
}

// listen returns the inherited socket of an address, or binds it.
func (h *inheritance) listen(a Address) (net.Listener, error) {
	if h != nil {
		for _, s := range h.sockets {
			if !s.taken && s.is(a) {
				s.taken = true
				return s.listener, nil
			}
		}
	}
	return listen("listen", a)
}

// is reports whether the socket is what --listen asks for.
func (s *inheritedSocket) is(a Address) bool {
	if s.asked != (Address{}) {
		return s.asked == a
	}
	switch at := s.listener.Addr().(type) {
	case *net.UnixAddr:
		return a.Network == "unix" && realPath(at.Name) == realPath(a.Addr)
	case *net.TCPAddr:
		if a.Network != "tcp" {
			return false
		}
		want, err := net.ResolveTCPAddr("tcp", a.Addr)
		everywhere := func(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
		return err == nil && want.Port == at.Port && (want.IP.Equal(at.IP) || everywhere(want.IP) && everywhere(at.IP))
	}
	return false
}

// leave closes what nobody asked for. That systemd listens where the settings do not is an error: its clients would wait for
// ever.
func (h *inheritance) leave(log *zap.Logger) error {
	if h == nil {
		return nil
	}
	for _, s := range h.sockets {
		switch at := s.listener.Addr(); {
		case s.taken:
		case s.byOthers:
			return usageError{fmt.Errorf("the service manager listens at %s and --listen does not name it: write one address in both, ListenStream= and --listen", at)}
		default:
			log.Info("no longer listening", zap.Stringer("address", at))
			s.listener.Close()
		}
	}
	return nil
}

// waits reports whether newcomers wait in their sockets until everything is loaded, in place of being told -LOADING.
func (h *inheritance) waits() bool { return h != nil }

// adopt goes on with the clients of a service.
func (h *inheritance) adopt(v *service) {
	for _, c := range h.clients {
		for _, d := range v.doors {
			if h.sockets[c.socket].listener == d.listener {
				v.server.Adopt(c.Moved, c.nc, d.front)
			}
		}
	}
}

// settle ends what is left of clients whose door there is no more, and tells how long all this took.
func (h *inheritance) settle(log *zap.Logger) {
	if h == nil || h.began.IsZero() {
		return
	}
	for _, c := range h.clients {
		if !h.sockets[c.socket].taken {
			c.nc.Close()
		}
	}
	log.Info("restarted", zap.Int("clients", len(h.clients)), zap.Duration("pause", time.Since(h.began).Round(time.Millisecond)), zap.String("version", versionLine()))
	h.clients = nil
}

// stopped reports whether a stop was asked for during the restart.
func (h *inheritance) stopped() bool { return h != nil && h.stopping }

// errRestart ends wait when another process is to go on.
var errRestart = errors.New("restart")

// variables by which a process is told of its inheritance.
const (
	varHandOver = "OMNIPROXY_HANDOVER" // a descriptor; or checkOnly
	checkOnly   = "check"              // reads the settings as a start would, and does nothing
)

// onlyChecked reports whether the process that runs is to be restarted, and asks whether that would work.
func onlyChecked() bool { return os.Getenv(varHandOver) == checkOnly }
