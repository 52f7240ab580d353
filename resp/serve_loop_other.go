//go:build !linux

package resp

import "net"

// loops are for Linux: elsewhere package net serves every client.
type loops struct{}

func (*loops) carrier(*Server, net.Conn) carrier { return nil }

func (*loops) stop() {}

func (*loops) end() {}
