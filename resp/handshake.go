package resp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// errPlainText is told to who speaks Redis' protocol in plain text where TLS is asked for.
const errPlainText wire.Error = "ERR this port speaks TLS only"

// errTLS ends who speaks TLS where plain text is asked for.
var errTLS = errors.New("TLS on a port that speaks plain text")

// tlsRecord is the first byte of a TLS handshake. No command begins with it.
const tlsRecord = 0x16

// handshakes are the TLS handshakes under way. The clients among them are strangers and bounded as these are; what bounds
// the processors' work is a number of slots.
type handshakes struct {
	once  sync.Once
	slots chan struct{}

	underWay int // guarded by Server.mu
}

// begin returns nc, to be handed to tls.Server.
func (h *handshakes) begin(nc net.Conn) *shaking {
	h.once.Do(func() { h.slots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) })
	return &shaking{Conn: nc, slots: h.slots}
}

// shaking is a connection in its TLS handshake. From when the client's hello has come until it is answered, which is when
// the server calculates, it has a slot. Its methods are called by the goroutine of the handshake, until that is over.
type shaking struct {
	net.Conn
	slots chan struct{}
	has   bool
}

func (c *shaking) take(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
		c.has = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *shaking) give() {
	if c.has {
		c.has = false
		<-c.slots
	}
}

// Write is the end of a calculation, if there was one.
func (c *shaking) Write(b []byte) (int, error) {
	c.give()
	return c.Conn.Write(b)
}

// shakingConfig is config for connections that are shaking; nil if config is.
func shakingConfig(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	choose := config.GetConfigForClient
	config = config.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if err := hello.Conn.(*shaking).take(hello.Context()); err != nil {
			return nil, err
		}
		if choose == nil {
			return nil, nil
		}
		return choose(hello)
	}
	return config
}

// receive makes a connection that was accepted a client. It never blocks: a TLS handshake has a goroutine of its own.
func (v *Server) receive(nc net.Conn, front *Front) {
	if !v.origins.arrive(originOf(nc.RemoteAddr()), front.now.Load().Arrivals) {
		v.counters.rejected.Add(1)
		nc.Close()
		return
	}
	config := front.tls.Load()
	if config == nil {
		v.connect(nc, front)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.draining.Load() || v.crowded() {
		v.counters.rejected.Add(1)
		nc.Close() // what could be said would have to be encrypted
		return
	}
	v.handshakes.underWay++
	v.clients.Add(1)
	go v.greet(nc, config, front)
}

// greet does the TLS handshake.
func (v *Server) greet(nc net.Conn, config *tls.Config, front *Front) {
	defer v.clients.Done()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stay := &visit{until: front.now.Load().visitUntil(), late: errHandshakeTime, dismiss: func(because error) { cancel(because) }}
	v.lobby.enter(stay)
	half := v.handshakes.begin(nc)
	t := tls.Server(half, config)
	err := t.HandshakeContext(ctx)
	half.give()
	if because := context.Cause(ctx); err != nil && because != nil {
		err = because
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && record.Conn != nil {
		err = errPlainText
		farewell(nc, errPlainText)
	}
	v.lobby.leave(stay)
	v.mu.Lock()
	v.handshakes.underWay--
	late := v.suspension.stage.Load() != notSuspended
	v.mu.Unlock()
	if err == nil && late {
		refuse(t, wire.ErrRestarting) // what TLS has agreed on cannot go to another process
		return
	}
	if err == nil {
		v.connect(t, front)
		return
	}
	nc.Close()
	v.Events.handshakeFailed(nc.RemoteAddr().String(), err)
}

// farewell tells a client why it is not served, and reads what it has sent: unread bytes would take the answer from it.
func farewell(nc net.Conn, because error) {
	var w wire.Writer
	w.Error(because)
	nc.SetDeadline(time.Now().Add(time.Second))
	nc.Write(w.Bytes())
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.CopyN(io.Discard, nc, readLargest)
}

// subjectOf is the common name of the certificate that a client has shown, "" if none.
func subjectOf(nc net.Conn) string {
	if t, ok := nc.(*tls.Conn); ok {
		if shown := t.ConnectionState().PeerCertificates; len(shown) > 0 {
			return shown[0].Subject.CommonName
		}
	}
	return ""
}

// socketOf is the connection below TLS, or nc.
func socketOf(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if c, ok := nc.(*shaking); ok {
		nc = c.Conn
	}
	return nc
}
