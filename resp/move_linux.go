package resp

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// movable implements [transport].
func (c *loopConn) movable() bool { return true }

// halt implements [transport]: a loop asks before it reads.
func (c *loopConn) halt() {}

// part implements [transport]. No loop runs any more.
func (c *loopConn) part() (m Moved, ok bool) {
	if ok = c.joined && !c.over && !c.s.Closing(); ok {
		m = c.s.pack()
		m.FD, m.Output = c.fd, slices.Concat(c.unsent, c.s.Out.take())
	} else {
		unix.Close(c.fd)
	}
	c.s.leaving()
	c.s.left()
	c.s.server.goodbye(c.s)
	return m, ok
}

// movable implements [transport]: what TLS has agreed on is in this process.
func (c *netConn) movable() bool {
	switch c.nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// halt implements [transport]: a read that waits for bytes ends.
func (c *netConn) halt() { c.nc.SetReadDeadline(aLongTimeAgo) }

// part implements [transport]. The goroutines of the client end by themselves.
func (c *netConn) part() (m Moved, ok bool) {
	defer c.s.Kill()
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.s.Closing() || !c.still() {
		return m, false
	}
	fd, err := Duplicate(c.nc)
	if err != nil {
		return m, false
	}
	m = c.s.pack()
	m.FD, m.Output = fd, slices.Clone(c.s.Out.take())
	return m, true
}

// cork keeps what is written to a TCP connection from leaving piece by piece, until it is taken off.
func cork(nc net.Conn, on bool) {
	if socket, ok := socketOf(nc).(*net.TCPConn); ok {
		if raw, err := socket.SyscallConn(); err == nil {
			value := 0
			if on {
				value = 1
			}
			raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, value) })
		}
	}
}

// Duplicate returns a descriptor of a socket of package net, a connection or a listener, that lives on when it is closed.
func Duplicate(of any) (fd int, err error) {
	socket, ok := of.(syscall.Conn)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, cmp.Or(controlErr, err)
}
