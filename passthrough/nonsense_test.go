package passthrough

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp"
)

// liar is an upstream that answers GET with the name of the key, but for the first one, and says what it is not asked.
type liar struct {
	lie      string // the answer to the first GET
	greeting string // what the first connection begins with
	late     string // what comes behind the answer to the first GET, a moment later

	mu     sync.Mutex
	lied   bool
	greets bool
}

// start listens, and returns where.
func (l *liar) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer nc.Close(); l.answer(nc) })
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return listener.Addr().String()
}

func (l *liar) first(what *bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !*what
	*what = true
	return first
}

func (l *liar) answer(nc net.Conn) {
	in := bufio.NewReader(nc)
	for {
		v, err := readValue(in)
		if err != nil || len(v.list) == 0 {
			return
		}
		switch v.list[0].text {
		case "INFO":
			fmt.Fprint(nc, "$10\r\nrun_id:1\r\n\r\n")
		case "MULTI":
			if l.greeting != "" && l.first(&l.greets) {
				io.WriteString(nc, l.greeting)
			}
			io.WriteString(nc, "+OK\r\n")
		case "EXEC":
			io.WriteString(nc, "*0\r\n")
		case "GET":
			key := v.list[1].text
			if !l.first(&l.lied) {
				fmt.Fprintf(nc, "$%d\r\n%s\r\n", len(key), key)
				continue
			}
			io.WriteString(nc, l.lie)
			if l.late != "" {
				time.Sleep(10 * time.Millisecond)
				io.WriteString(nc, l.late)
			}
		default:
			io.WriteString(nc, "+OK\r\n")
		}
	}
}

// Whatever an upstream says, it costs the one to whom it says it at most an error, and the next one nothing.
func TestWhatAnUpstreamSaysCostsTheNextClientNothing(t *testing.T) {
	for lie, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n": unanswered,
		"\x00\xff\x17garbage\r\n\r\n":      unanswered,
		"$-2\r\n":                          unanswered,
		"*1x\r\n":                          unanswered,
		"+OK\n":                            unanswered,
		"$3\r\nabcdef\r\n":                 unanswered,
		"$99999999999999999999\r\n":        unanswered,
		"$4294967297\r\n":                  unanswered,
		"*4294967297\r\n":                  unanswered,
		strings.Repeat("*1\r\n", 5000):     unanswered,
		"":                                 unanswered, // within the read timeout
		"$3\r\nab":                         unanswered,
		"$4294967296\r\nab":                unanswered,
		"*4294967296\r\n:1\r\n:1\r\n":      unanswered,
		"*2\r\n$1\r\na\r\n":                unanswered,
		// What is a reply is forwarded, whatever its shape; what comes behind it is nobody's.
		"%1\r\n+a\r\n+b\r\n":                  "%1 +a +b",
		"*2\r\n*0\r\n$-1\r\n":                 "*2 *0 $-1",
		"$1\r\na\r\n$1\r\nx\r\n":              "$1 a",
		"$1\r\na\r\n" + "*3\r\n$1\r\nx\r\n":   "$1 a",
		"$1\r\na\r\nHTTP/1.1 400 Bad\r\n\r\n": "$1 a",
		"|1\r\n+a\r\n+b\r\n$1\r\na\r\n":       "|1 +a +b $1 a",
	} {
		for pool := Session; pool <= Shared; pool++ {
			t.Run(fmt.Sprintf("%.30q pool %d", lie, pool), func(t *testing.T) {
				t.Parallel()
				l := &liar{lie: lie}
				addr, server := serve(t, l.start(t), quick(pool))
				c, next := connect(t, addr), connect(t, addr)
				c.do("GET a", want)
				next.do("GET b", "$1 b")
				c.send("GET c", "GET d", "PING")
				c.expect("$1 c", "$1 d", "+OK")
				if b := server.Buffers(); b.Total > 64<<10 {
					t.Errorf("buffers of %d bytes", b.Total)
				}
			})
		}
	}
}

// quick gives up an upstream that is silent soon.
func quick(pool Pool) func(o *Options, _ *resp.Server) {
	return func(o *Options, _ *resp.Server) { o.Pool, o.ReadTimeout = pool, 50*time.Millisecond }
}

// A push is for the client whose connection it is; on one that is shared nobody asked for it.
func TestPushesWhereNoneBelong(t *testing.T) {
	const push = ">2\r\n+message\r\n+x\r\n"
	for pool, want := range map[Pool][]string{Session: {">2 +message +x", "$1 a"}, Shared: {"$1 a"}} {
		l := &liar{lie: push + "$1\r\na\r\n"}
		addr, _ := serve(t, l.start(t), quick(pool))
		c, next := connect(t, addr), connect(t, addr)
		c.send("GET a")
		c.expect(want...)
		next.do("GET b", "$1 b")
		c.do("GET c", "$1 c")
	}
}

// What comes before it is asked for is no answer to what is asked afterwards.
func TestAnswersThatNobodyAskedForAreNobodys(t *testing.T) {
	for _, early := range []string{"+early\r\n", "+OK\r\n", "$5\r\nearly\r\n", "*0\r\n", "-ERR early\r\n"} {
		l := &liar{lie: "$1\r\na\r\n", greeting: early}
		addr, _ := serve(t, l.start(t), quick(Shared))
		c := connect(t, addr)
		c.send("GET a", "GET b")
		c.expect("$1 a", "$1 b")
	}
	for pool := Session; pool <= Shared; pool++ {
		l := &liar{lie: "$1\r\na\r\n", late: "$4\r\nlate\r\n"}
		addr, _ := serve(t, l.start(t), quick(pool))
		c := connect(t, addr)
		c.do("GET a", "$1 a")
		for deadline := time.Now().Add(patience); c.losses() != "1"; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the connection is not lost")
			}
		}
		c.do("GET b", "$1 b")
		connect(t, addr).do("GET c", "$1 c")
	}
}

// A handshake that does not end, or is none, is no connection; nothing is kept of it.
func TestAHandshakeOfNonsenseIsTriedAgain(t *testing.T) {
	for _, nonsense := range []string{"$1000000000\r\nx", "+OK\r\n+OK\r\n+OK\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "*2\r\n"} {
		l := &liar{lie: "$1\r\na\r\n", greeting: nonsense}
		addr, _ := serve(t, l.start(t), func(o *Options, _ *resp.Server) { o.Pool, o.DialTimeout = Shared, 100*time.Millisecond })
		connect(t, addr).do("GET a", "$1 a")
	}
}
