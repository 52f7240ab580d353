package passthrough

import (
	"errors"
	"net"
	"testing"
)

// torn is a connection that takes two bytes and no more, and tells only who writes.
type torn struct {
	net.Conn
	writes int
}

func (c *torn) Write(p []byte) (int, error) {
	c.writes++
	return min(2, len(p)), errors.New("torn")
}

func (c *torn) Close() error { return nil }

// What comes between a write that failed and the reader's learning of it does not make anybody forget how much was written.
func TestAWriteThatFailedIsTheLast(t *testing.T) {
	l := newLink(&Backend{}, identity{}, nil)
	nc := &torn{}
	l.nc = nc
	for _, command := range []string{"one", "two"} {
		l.submit(run{replies: 1}, []byte(command), false)
		l.flush()
		l.mu.Lock()
		for l.writing {
			l.idle.Wait()
		}
		l.mu.Unlock()
	}
	if nc.writes != 1 || l.written != 2 || l.begin != 0 || string(l.taken[0])+string(l.queue[0]) != "onetwo" {
		t.Errorf("%d writes, %d bytes written, from %d on, %q %q", nc.writes, l.written, l.begin, l.taken, l.queue)
	}
}
