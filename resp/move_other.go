//go:build !linux

package resp

import "net"

// Clients go to another process on Linux only.

func (c *netConn) movable() bool { return false }

func (c *netConn) halt() {}

func (c *netConn) part() (m Moved, ok bool) { return m, false }

func cork(net.Conn, bool) {}
