package passthrough

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// giveUpOnTheDead does for bytes under way what keep-alive does for a connection on which none are: a machine that is gone
// is noticed after deadAfter, where the kernel would go on for a quarter of an hour.
func giveUpOnTheDead(network, _ string, c syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
	})
	if failed != nil {
		return failed
	}
	return err
}
