package passthrough

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// A client that waits gets its timeout reply, and an element that Redis gave away meanwhile is not lost.
func TestDrainEndsBlockedReadsAndLosesNothing(t *testing.T) {
	redis := redistest.Start(t)
	addr, server := serve(t, redis, nil)
	direct := connect(t, redis)
	direct.do("XGROUP CREATE s g $ MKSTREAM", "+OK")
	for line, reply := range map[string]string{
		"BLPOP q 0": "*-1", "XREADGROUP GROUP g c BLOCK 0 STREAMS s >": "*-1", "BLMOVE q r LEFT LEFT 0": "*-1", "BZPOPMIN z 0": "*-1",
	} {
		c := connect(t, addr)
		c.send(line)
		defer func() {
			c.expect(reply)
			c.send("PING")
			c.expect("-" + string(wire.ErrRestarting))
			c.expectEnd()
		}()
	}
	idle := connect(t, addr)
	idle.do("PING", "+PONG")
	waitFor(t, direct, "blocked_clients:4")
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		server.Drain(ctx)
	}()
	waitFor(t, direct, "blocked_clients:0")
	direct.do("RPUSH q x", ":1")
	direct.do("LLEN q", ":1")
	idle.do("PING", "-"+string(wire.ErrRestarting))
	idle.expectEnd()
}

// Where Redis cannot be asked the client is told all the same.
func TestDrainEndsBlockedReadsOfAnUpstreamThatIsSilent(t *testing.T) {
	s := newScript(t)
	addr, server := serve(t, s.addr, nil)
	c := connect(t, addr)
	c.send("BLPOP q 0")
	up := s.next()
	up.expect("*2 $6 CLIENT $2 ID", "*3 $5 BLPOP $1 q $1 0")
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		server.Drain(ctx)
	}()
	c.expect("*-1")
	if _, err := up.in.ReadByte(); err == nil { // Redis is to forget the command
		t.Error("the wire is still open")
	}
	c.Close()
}

func TestAClientThatLeavesIsForgottenByRedis(t *testing.T) {
	redis := redistest.Start(t)
	addr, _ := serve(t, redis, nil)
	direct := connect(t, redis)
	c := connect(t, addr)
	c.send("BLPOP q 0")
	waitFor(t, direct, "blocked_clients:1")
	c.Close()
	waitFor(t, direct, "blocked_clients:0")
}

// Whoever hangs up after its commands gets the replies, as netcat does.
func TestAClientThatHangsUpIsAnswered(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), nil)
	c := connect(t, addr)
	c.send("SET a 1", "GET a", "PING")
	c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	c.expect("+OK", "$1 1", "+PONG")
	c.expectEnd()
}

func TestARefusedCommandSpoilsTheTransaction(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), func(_ *Options, v *resp.Server) {
		v.Filters = append(v.Filters, func(_ *resp.Session, c *resp.Command) {
			if c.Spec.Name == "SET" && string(c.Args[1]) == "bad" {
				c.Refused = wire.Error("ERR not here")
			}
		})
	})
	c := connect(t, addr)
	c.do("SET bad 1", "-ERR not here")
	c.send("MULTI", "SET good 1", "SET bad 1", "EXEC", "GET good", "SET bad 1", "PING")
	c.expect("+OK", "+QUEUED", "-ERR not here", "-EXECABORT Transaction discarded because of previous errors.", "$-1", "-ERR not here", "+PONG")
}

func TestFiltersChangeWhatIsSent(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), func(_ *Options, v *resp.Server) {
		v.Filters = append(v.Filters, resp.CapBlock(10*time.Millisecond, func(string, time.Duration, time.Duration) {}))
	})
	connect(t, addr).do("XREAD BLOCK 0 STREAMS s $", "*-1")
}

func TestPasswordsThatTheProxyChecks(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "upstream")
	addr, _ := serve(t, "", func(o *Options, v *resp.Server) {
		o.URL, o.Passthrough = "redis://:upstream@"+redis+"/2", false
		v.SetPassword("ours")
	})
	c := connect(t, addr)
	c.do("GET a", "-NOAUTH Authentication required.")
	c.send("NOPE")
	c.expect("-ERR unknown command 'NOPE', with args beginning with:")
	c.do("HELLO 3", "-"+string(wire.ErrHelloNoAuth))
	c.do("AUTH upstream", "-"+string(wire.ErrWrongPass))
	c.do("AUTH ours", "+OK")
	c.do("SET a 1", "+OK")
	c.send("MULTI", "AUTH ours", "EXEC")
	c.expect("+OK", "-"+string(errAuthInTransaction), "-EXECABORT Transaction discarded because of previous errors.")

	d := connect(t, addr)
	d.send("HELLO 3 AUTH default ours SETNAME me")
	if hello, _ := d.reply(); !strings.HasPrefix(hello, "%7\r\n") {
		t.Errorf("HELLO: %q", hello)
	}
	d.do("CLIENT GETNAME", "$2 me")
	d.do("GET a", "$1 1")
	d.do("RESET", "+RESET")
	d.do("GET a", "-NOAUTH Authentication required.")
	d.do("AUTH ours", "+OK")
	d.do("GET a", "$-1") // RESET goes to database 0
	direct := connect(t, redis)
	direct.send("AUTH upstream", "SELECT 2", "GET a")
	direct.expect("+OK", "+OK", "$1 1")
}

// A large value is forwarded while it comes, and no buffer doubles it.
func TestLargeValues(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), nil)
	c := connect(t, addr)
	value := bytes.Repeat([]byte("0123456789abcdef"), 64<<20/16)
	var w wire.Writer
	writeCommand(&w, []byte("SET"), []byte("big"), value)
	go c.Write(append(w.Bytes(), request("GET big", "STRLEN big")...))
	c.expect("+OK")
	line, _ := c.in.ReadString('\n')
	got := make([]byte, len(value)+2)
	if _, err := io.ReadFull(c.in, got); err != nil || line != fmt.Sprintf("$%d\r\n", len(value)) || !bytes.Equal(got[:len(value)], value) {
		t.Fatalf("%q, %v, equal %v", line, err, bytes.Equal(got[:len(value)], value))
	}
	c.expect(fmt.Sprint(":", len(value)))
}

// A client that does not read stops being read, and so does Redis; nothing is lost when it reads on.
func TestASlowReaderHoldsUpNobodyElse(t *testing.T) {
	addr, server := serve(t, redistest.Start(t), nil)
	c, other := connect(t, addr), connect(t, addr)
	c.do("SETRANGE big 999999 x", ":1000000")
	const many = 200
	written := make(chan struct{})
	go func() {
		c.Write(bytes.Repeat(request("GET big"), many))
		close(written)
	}()
	<-written
	for range 100 {
		other.do("PING", "+PONG")
	}
	if b := server.Buffers(); b.Total > 40<<20 {
		t.Errorf("buffers of %d bytes for a client that does not read", b.Total)
	}
	for range many {
		if n, err := io.CopyN(io.Discard, c.in, 1000000+12); err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	c.do("PING", "+PONG")
}

// A client that sends faster than Redis takes is read no further.
func TestAFastWriterWaitsForRedis(t *testing.T) {
	s := newScript(t)
	addr, server := serve(t, s.addr, nil)
	c := connect(t, addr)
	go func() {
		for range 64 {
			c.Write(bytes.Repeat(request("SET a "+strings.Repeat("x", 1000)), 1000))
		}
	}()
	s.next()
	for last := -1; ; time.Sleep(100 * time.Millisecond) { // until nothing more is read
		now := int(server.Traffic().Input)
		if now == last {
			break
		}
		last = now
	}
	if read := server.Traffic().Input; read > 8<<20 {
		t.Errorf("%d bytes were read", read)
	}
}

func TestHugePipelinesKeepTheirOrder(t *testing.T) {
	addr, _ := serve(t, redistest.Start(t), nil)
	c := connect(t, addr)
	const many = 50000
	go func() {
		var w wire.Writer
		for i := range many {
			writeCommand(&w, []byte("ECHO"), fmt.Append(nil, i))
		}
		c.Write(w.Bytes())
	}()
	for i := range many {
		text := fmt.Sprint(i)
		c.expect(fmt.Sprintf("$%d %s", len(text), text))
	}
}

// What a transaction does to its connection is what its members did, not what they were to do.
func TestARefusedMemberOfATransactionChangesNothing(t *testing.T) {
	for pool := Session; pool <= Shared; pool++ {
		addr, _ := serve(t, redistest.Start(t), func(o *Options, _ *resp.Server) { o.Pool = pool })
		c := connect(t, addr)
		c.do("SELECT 3", "+OK")
		c.do("SET k three", "+OK")
		c.send("MULTI", "UNWATCH", "SELECT 4", "SELECT x", "SELECT 3", "SELECT 99", "EXEC")
		c.expect("+OK", "+QUEUED", "+QUEUED", "+QUEUED", "+QUEUED", "+QUEUED",
			"*5 +OK +OK -ERR value is not an integer or out of range +OK -ERR DB index is out of range")
		c.do("GET k", "$5 three")
		c.do("SELECT x", "-ERR value is not an integer or out of range")
		c.do("SELECT 99", "-ERR DB index is out of range")
		c.do("GET k", "$5 three")
	}
}

// RESET comes after what was sent before it, also where that is answered later than RESET is read.
func TestResetIsTheLastWord(t *testing.T) {
	for pool := Session; pool <= Shared; pool++ {
		addr, _ := serve(t, redistest.Start(t), func(o *Options, _ *resp.Server) { o.Pool = pool })
		c := connect(t, addr)
		c.do("SET k 0", "+OK")
		for range 20 {
			c.do("WATCH k", "+OK") // so the connection is the client's own
			c.send("SELECT 2", "HELLO 3", "RESET", "GET k", "GET none")
			c.expect("+OK")
			c.reply()
			c.expect("+RESET", "$1 0", "$-1")
		}
	}
}

// REPLCONF may be said alone.
func TestACommandWithoutTheWordThatIsLookedFor(t *testing.T) {
	redis := redistest.Start(t)
	for _, pool := range []Pool{Session, Shared} {
		addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) { o.Pool = pool })
		c := connect(t, addr)
		c.do("REPLCONF", "+OK")
		c.do("GET k", "$-1")
	}
}

// Where Redis does not let the proxy in any more, RESET leaves a connection on which nobody has logged in: Redis' default user
// is there, who may do other things.
func TestAResetThatCannotLogInAgainEndsTheClient(t *testing.T) {
	redis := redistest.Start(t)
	direct := connect(t, redis)
	for _, pool := range []Pool{Session, Shared} {
		direct.do("ACL SETUSER proxy reset on >old ~a +@all", "+OK")
		addr, _ := serve(t, redis, func(o *Options, _ *resp.Server) {
			o.Pool, o.Passthrough, o.URL = pool, false, "redis://proxy:old@"+redis
		})
		c := connect(t, addr)
		c.do("MULTI", "+OK")
		direct.do("ACL SETUSER proxy resetpass >new", "+OK")
		c.send("RESET", "SET b 1", "MULTI", "SET b 1", "EXEC")
		for {
			if _, err := c.reply(); err != nil {
				break
			}
		}
		direct.do("GET b", "$-1")
		late := connect(t, addr)
		late.send("MULTI", "SET b 1", "EXEC")
		late.anything(3)
		direct.do("GET b", "$-1")
	}
}
