package resp

import (
	"runtime"
	"testing"
	"time"
)

func TestTrafficIsCounted(t *testing.T) {
	for name, portable := range map[string]bool{"loop": false, "net": true} {
		t.Run(name, func(t *testing.T) {
			v := &Server{Backend: newStub(t), portable: portable}
			c := serve(t, v)()
			ping, broken, told := requests("PING"), []byte("*x\r\n"), "-ERR Protocol error: invalid multibulk length\r\n"
			c.send(ping)
			c.expect("+PONG\r\n")
			before := v.Traffic()
			if before.Clients != 1 || before.Accepted != 1 || before.MaxClients != defaultMaxClients || before.Port == 0 || before.Input != int64(len(ping)) || before.Reads != 1 {
				t.Errorf("%+v", before)
			}
			c.send(broken)
			c.expect(told)
			c.expectEnd()
			for v.Traffic().Output < int64(len("+PONG\r\n")+len(told)) { // a write is counted when it has returned
				runtime.Gosched()
			}
			n := v.Traffic().Since(before)
			if n.ProtocolErrors != 1 || n.Input != int64(len(broken)) || n.Accepted != 0 || n.Writes == 0 {
				t.Errorf("%+v", n)
			}
		})
	}
}

func TestBuffersAreThoseOfAllClients(t *testing.T) {
	v := &Server{Backend: newStub(t)}
	dial := serve(t, v)
	half := "*2\r\n$4\r\nECHO\r\n$1000\r\n"
	for _, part := range []string{half, half + "text"} {
		c := dial()
		c.send([]byte(part))
	}
	for v.Buffers().LongestInput < len(half+"text") || v.Buffers().Total < 2*len(half) {
		time.Sleep(time.Millisecond)
	}
	if b := v.Buffers(); b.LongestOutput != 0 {
		t.Errorf("%+v", b)
	}
}
