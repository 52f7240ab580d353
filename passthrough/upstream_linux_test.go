package passthrough

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// A machine that is gone sends nothing: the kernel has to ask.
func TestTheKernelLooksWhetherRedisIsThere(t *testing.T) {
	u, err := newUpstream(Options{URL: "redis://" + redistest.Start(t), DialTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := u.dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for _, option := range []struct{ level, name, want int }{
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 30},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter / time.Millisecond)},
		} {
			if got, err := unix.GetsockoptInt(int(fd), option.level, option.name); got != option.want || err != nil {
				t.Errorf("option %d is %d, %v; want %d", option.name, got, err, option.want)
			}
		}
	})
}
