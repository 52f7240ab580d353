package passthrough

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

const (
	longReply = 256 << 10
	megabyte  = 1 << 20
)

// mostUnreadOf is the most that the server keeps for one of some clients who ask for much and do not read, while others are
// answered; then they read, and what they get is right.
func mostUnreadOf(t *testing.T, addr string, server *resp.Server, clients int) (longest int) {
	t.Helper()
	var writing sync.WaitGroup
	defer writing.Wait()
	var slow []*client
	for range clients {
		c := connect(t, addr)
		c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10) // or much is read for it by the system
		slow = append(slow, c)
		writing.Go(func() { c.Write(bytes.Repeat(request("GET big"), 3000)) })
	}
	other := connect(t, addr)
	for range 100 {
		other.do("PING", "+PONG")
		longest = max(longest, server.Buffers().LongestOutput)
	}
	want := fmt.Appendf(nil, "$%d\r\n%s\r\n", longReply, make([]byte, longReply))
	got := make([]byte, len(want))
	for _, c := range slow {
		for range 100 {
			if _, err := io.ReadFull(c.in, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%.40q, %v", got, err)
			}
			longest = max(longest, server.Buffers().LongestOutput)
		}
		c.Close()
	}
	return longest
}

// Clients who ask for much and do not read stop being read, and hold up nobody.
func TestLittleIsKeptForClientsWhoDoNotRead(t *testing.T) {
	for pool, most := range map[Pool]int{Session: 3 * megabyte, Shared: 2 * fewReplies * longReply} {
		redis := redistest.Start(t)
		direct := connect(t, redis)
		var w wire.Writer
		writeCommand(&w, []byte("SET"), []byte("big"), make([]byte, longReply))
		direct.Write(w.Bytes())
		direct.expect("+OK")
		addr, server := serve(t, redis, func(o *Options, _ *resp.Server) { o.Pool = pool })
		if n := mostUnreadOf(t, addr, server, 3); n > most {
			t.Errorf("pool %d: %d bytes are kept for one client", pool, n)
		}
	}
}

// Clients who send long values are read no further than the one that is under way, and a little.
func TestLittleIsReadFromClientsWhoSendMuch(t *testing.T) {
	const clients, value = 4, 4 * megabyte
	for pool := Session; pool <= Shared; pool++ {
		s := newScript(t)
		addr, server := serve(t, s.addr, func(o *Options, _ *resp.Server) { o.Pool = pool })
		var w wire.Writer
		writeCommand(&w, []byte("SET"), []byte("big"), make([]byte, value))
		for range clients {
			c := connect(t, addr)
			go func() {
				for range 10 {
					c.Write(w.Bytes())
				}
			}()
		}
		for last := -1; ; time.Sleep(100 * time.Millisecond) { // until nothing more is read
			now := int(server.Traffic().Input)
			if now == last && now > 0 {
				break
			}
			last = now
		}
		if read := server.Traffic().Input; read > clients*(value+3*megabyte) {
			t.Errorf("pool %d: %d bytes were read", pool, read)
		}
	}
}
