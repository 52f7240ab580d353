package resp

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// origins are the addresses that clients come from, as far as there is something to remember: how fast they connect, where a
// listener bounds that, and how often they gave wrong passwords. Clients of unix sockets have no address, and no bounds.
// Behind a loopback address is anybody of this machine, or whom a tunnel brings there: nobody has to wait for another's wrong
// passwords.
type origins struct {
	mu    sync.Mutex
	known map[netip.Addr]*origin
}

type origin struct {
	arrivals *rate.Limiter // nil where nothing bounds them
	wrong    float64       // passwords, less one for each second since
	seen     time.Time     // when wrong was true
}

const (
	mostOrigins = 10000
	// So many wrong passwords are a mistake; each more lets newcomers from the same address wait a little longer, and ends
	// the client that gave it. It is forgotten within ten minutes.
	wrongForgiven = 10
	wrongPause    = 50 * time.Millisecond
	longestPause  = 2 * time.Second
	mostWrong     = 600
)

// originOf returns the address of a client, of IPv6 its network of 64 bits; it is not valid where there is none.
func originOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		network, _ := ip.Prefix(64)
		ip = network.Addr()
	}
	return ip
}

// arrive reports whether a client may come from ip now, if so many may a second.
func (o *origins) arrive(ip netip.Addr, most float64) bool {
	if most <= 0 || !ip.IsValid() {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	from := o.from(ip)
	if from.arrivals == nil || from.arrivals.Limit() != rate.Limit(most) {
		from.arrivals = rate.NewLimiter(rate.Limit(most), max(1, int(most)))
	}
	return from.arrivals.Allow()
}

// guessed notes a wrong password; it reports whether there were too many from ip of late.
func (o *origins) guessed(ip netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := o.from(ip)
	from.forget(time.Now())
	from.wrong = min(from.wrong+1, mostWrong)
	return from.wrong > wrongForgiven
}

// pause is how long a newcomer from ip has to wait.
func (o *origins) pause(ip netip.Addr) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := o.known[ip]
	if from == nil {
		return 0
	}
	from.forget(time.Now())
	return min(time.Duration(max(0, from.wrong-wrongForgiven)*float64(wrongPause)), longestPause)
}

// from returns what is remembered of ip. The caller holds mu.
func (o *origins) from(ip netip.Addr) *origin {
	if o.known == nil {
		o.known = map[netip.Addr]*origin{}
	}
	if o.known[ip] == nil {
		if len(o.known) >= mostOrigins {
			o.tidy()
		}
		o.known[ip] = &origin{seen: time.Now()}
	}
	return o.known[ip]
}

// tidy forgets who has done nothing of late and, if these are few, others: it is not done again for each newcomer.
func (o *origins) tidy() {
	now := time.Now()
	for ip, from := range o.known {
		if from.forget(now); from.wrong == 0 && (from.arrivals == nil || from.arrivals.Tokens() >= float64(from.arrivals.Burst())) {
			delete(o.known, ip)
		}
	}
	for ip := range o.known {
		if len(o.known) < mostOrigins*3/4 {
			return
		}
		delete(o.known, ip)
	}
}

func (o *origin) forget(now time.Time) {
	o.wrong = max(0, o.wrong-now.Sub(o.seen).Seconds())
	o.seen = now
}

// LoggedIn is told of each attempt to log in, and why it was refused, nil if it was not. It is called during Do, by whoever
// checks passwords.
func (s *Session) LoggedIn(user string, refused error) {
	s.server.Audit.loggedIn(s, user, refused)
	from := s.Client.origin
	if refused != nil && from.IsValid() && !from.IsLoopback() && s.server.origins.guessed(from) {
		s.CloseAfterReply()
	}
}
