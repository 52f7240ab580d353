package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Conversations: everything a client sends, then the end of its stream, and all that it received until the server closed.
// So neither waits for the other, and no clock is needed to tell whether a reply is missing.

const password = "secret"

// memoryServer serves an empty engine for the rest of the test.
func memoryServer(t testing.TB, password string) (v *resp.Server, addr string) {
	t.Helper()
	v = &resp.Server{Backend: engine.New(engine.Options{})}
	if password != "" {
		v.SetPassword(password)
	}
	return v, listen(t, v)
}

// listen lets clients connect to v for the rest of the test.
func listen(t testing.TB, v *resp.Server) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { v.Serve(l); close(served) }()
	t.Cleanup(func() {
		v.Drain(t.Context()) // which is over by now
		<-served
	})
	return l.Addr().String()
}

// pair is Redis and an engine, with the same password or none.
type pair struct{ redis, engine string }

func startPair(t testing.TB, password string) pair {
	t.Helper()
	var args []string
	if password != "" {
		args = []string{"--requirepass", password}
	}
	_, addr := memoryServer(t, password)
	return pair{redistest.Start(t, args...), addr}
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// converse returns all that the server at addr says to stream. It arrives in pieces that end at cuts.
func converse(t fataler, addr string, stream []byte, cuts ...int) []byte {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		from := 0
		for _, to := range append(cuts, len(stream)) {
			nc.Write(stream[from:to])
			from = to
		}
		nc.(*net.TCPConn).CloseWrite()
	}()
	said, err := io.ReadAll(nc)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	return said
}

// particular is what differs from connection to connection and from server to server.
var particular = regexp.MustCompile(`id\r\n:\d+|\b(?:id|laddr|addr|fd|age|idle|qbuf|qbuf-free|argv-mem|multi-mem|rbs|rbp|obl|oll|omem|tot-mem)=\S*|(?:\$|=)\d+\r\n(?:txt:)?id=\d+|\b7\.0\.\d+`)

func generalise(said []byte) string {
	return string(particular.ReplaceAllFunc(said, func(b []byte) []byte {
		name, _, found := bytes.Cut(b, []byte("="))
		if !found || bytes.ContainsAny(name, "\r$") {
			name = []byte("(particular)")
		}
		return append(append([]byte{}, name...), '*')
	}))
}

func (p pair) compare(t fataler, stream []byte, cuts ...int) {
	t.Helper()
	want, got := generalise(converse(t, p.redis, stream, cuts...)), generalise(converse(t, p.engine, stream, cuts...))
	if diff := cmp.Diff(strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")); diff != "" {
		t.Fatal(fmt.Sprintf("%q\n(-redis +omniproxy):\n%s", stream, diff))
	}
}

// request encodes a command.
func request(words ...string) string {
	var w wire.Writer
	w.Array(len(words))
	for _, word := range words {
		w.BulkString(word)
	}
	return string(w.Bytes())
}

func TestConversationsOfTwoServersAreTheSame(t *testing.T) {
	streams := map[string]string{
		"nothing":                     "",
		"blank lines":                 "\r\n\r\n*0\r\n*-1\r\nPING\r\n",
		"inline":                      "PING\r\nPING\nping \"a b\"\r\n  PING  'x'  \r\nECHO \"\\x41\\n\"\r\n",
		"a command without its end":   request("PING") + request("PING")[:9],
		"unbalanced quotes":           "PING\r\nPING \"x\r\nPING\r\n",
		"quotes not at the end":       "PING \"x\"y\r\nPING\r\n",
		"bad multibulk length":        request("PING") + "*x\r\nPING\r\n",
		"too many arguments":          request("PING") + "*2147483648\r\nPING\r\n",
		"negative multibulk length":   "*-5\r\nPING\r\n",
		"no dollar":                   request("PING") + "*1\r\nPING\r\n",
		"bad bulk length":             request("PING") + "*1\r\n$x\r\nPING\r\n",
		"negative bulk length":        "*1\r\n$-1\r\nPING\r\n",
		"forged bulk length":          "*1\r\n$9223372036854775806\r\n",
		"large bulk length":           "*1\r\n$536870913\r\n",
		"length without end":          "*1\r\n$" + strings.Repeat("1", 70000),
		"large inline":                strings.Repeat("x", 70000),
		"stranger's large argument":   "*2\r\n$4\r\nECHO\r\n$16385\r\n",
		"stranger's largest argument": request("ECHO", strings.Repeat("x", 16384)),
		"stranger's many arguments":   "*11\r\n$4\r\nPING\r\n",
		"stranger's most arguments":   request("AUTH", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
		"http":                        "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"http in between":             request("PING") + request("SET", "http", "1") + "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + request("PING"),
		"was the set done":            request("AUTH", "default", password) + request("GET", "http"),
		"quit":                        request("PING") + request("QUIT") + request("PING"),
		"quit with argument":          request("QUIT", "x") + request("PING"),
		"quit in multi":               request("MULTI") + request("QUIT") + request("EXEC"),
		"login and much more at once": request("AUTH", password) + request("HELLO", "3") + request("ECHO", strings.Repeat("x", 20000)) + request("RESET") + request("ECHO", "x"),
		"hello logs in":               request("HELLO", "3", "AUTH", "default", password, "SETNAME", "me") + request("CLIENT", "GETNAME"),
		"hello without login":         request("HELLO", "3") + request("HELLO", "3", "SETNAME", "me") + request("HELLO"),
		"reset leaves the user":       request("AUTH", "default", password) + request("PING") + request("RESET") + request("PING"),
		"reset leaves the protocol":   request("AUTH", "default", password) + request("HELLO", "3") + request("GET", "none") + request("RESET") + request("AUTH", "default", password) + request("GET", "none"),
		"reset in multi":              request("AUTH", "default", password) + request("MULTI") + request("SET", "k", "1") + request("RESET") + request("AUTH", "default", password) + request("EXEC") + request("EXISTS", "k"),
		"unwanted protocol error":     request("AUTH", "default", password) + request("CLIENT", "REPLY", "OFF") + request("PING") + "*x\r\n",
		"unwanted reset":              request("AUTH", "default", password) + request("CLIENT", "REPLY", "SKIP") + request("RESET") + request("PING"),
		"kill oneself":                request("AUTH", "default", password) + request("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no") + request("PING"),
		"kill, last filter counts":    request("AUTH", "default", password) + request("CLIENT", "KILL", "TYPE", "normal", "TYPE", "pubsub", "SKIPME", "no") + request("PING"),
		"info":                        request("AUTH", "default", password) + request("HELLO", "3") + request("CLIENT", "SETNAME", "n") + request("SELECT", "3") + request("CLIENT", "NO-EVICT", "ON") + request("CLIENT", "INFO"),
		"info in multi":               request("AUTH", "default", password) + request("WATCH", "a", "b") + request("MULTI") + request("PING") + request("CLIENT", "INFO") + request("EXEC"),
		"rights change in between":    request("AUTH", "default", password) + request("ACL", "SETUSER", "u", "reset", "on", "nopass", "~*", "+@all") + request("AUTH", "u", "x") + request("ACL", "SETUSER", "u", "-get") + request("GET", "k") + request("MULTI") + request("SET", "k", "1") + request("ACL", "SETUSER", "u", "-set") + request("SET", "k", "2") + request("EXEC") + request("SET", "k", "3") + request("ACL", "DELUSER", "u") + request("PING"),
		"list of nobody":              request("AUTH", "default", password) + request("CLIENT", "LIST", "ID", "99999999", "+1") + request("CLIENT", "LIST", "ID", "007"),
	}
	for kind, password := range map[string]string{"open": "", "password": password} {
		t.Run(kind, func(t *testing.T) {
			p := startPair(t, password)
			for name, stream := range streams {
				t.Run(name, func(t *testing.T) { p.compare(t, []byte(stream)) })
			}
		})
	}
}

// sentence draws one thing that a client may send.
func sentence(t *rapid.T, inMulti *bool) string {
	any := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	pass := func() string { return any("password", password, "wrong", "") }
	user := func() string { return any("user", "default", "nobody", "DEFAULT") }
	var words []string
	switch any("sentence", "auth", "hello", "hello", "client", "client", "reply", "multi", "data", "data", "plain", "plain", "kill", "wrong", "raw", "end") {
	case "auth":
		words = rapid.SampledFrom([][]string{{"AUTH", pass()}, {"AUTH", user(), pass()}, {"AUTH"}, {"AUTH", "a", "b", "c"}, {"AUTH", "default", password}}).Draw(t, "auth")
	case "hello":
		words = []string{"HELLO"}
		if rapid.Bool().Draw(t, "version given") {
			words = append(words, any("version", "2", "3", "3", "1", "4", "03", "x", "", "9223372036854775808"))
			for range rapid.IntRange(0, 2).Draw(t, "options") {
				words = append(words, rapid.SampledFrom([][]string{{"AUTH", user(), pass()}, {"auth", "default", password}, {"SETNAME", "me"}, {"SETNAME", "a b"}, {"SETNAME", ""}, {"AUTH", "x"}, {"SETNAME"}, {"NOPE"}}).Draw(t, "option")...)
			}
		}
	case "client":
		words = append([]string{"CLIENT"}, rapid.SampledFrom([][]string{
			{"GETNAME"}, {"SETNAME", "you"}, {"SETNAME", "a b"}, {"SETNAME", ""}, {"NO-EVICT", "ON"}, {"NO-EVICT", "off"}, {"NO-EVICT", "x"}, {"INFO"}, {"info"},
			{"LIST", "TYPE", "pubsub"}, {"LIST", "TYPE", "x"}, {"LIST", "ID", "99999999"}, {"LIST", "ID", "x"}, {"LIST", "x"}, {"LIST", "ID"},
			{"SETINFO", "LIB-NAME", "x"}, {"NOPE"}, {}, {"GETNAME", "x"},
		}).Draw(t, "client")...)
	case "reply":
		if *inMulti { // Redis answers with arrays that are too short
			return request("PING")
		}
		words = []string{"CLIENT", "REPLY", any("mode", "ON", "ON", "off", "SKIP", "skip", "x")}
	case "kill":
		words = []string{"CLIENT", "KILL"}
		for range rapid.IntRange(0, 2).Draw(t, "filters") {
			words = append(words, rapid.SampledFrom([][]string{{"ID", "99999999"}, {"ID", "0"}, {"ID", "x"}, {"TYPE", "pubsub"}, {"TYPE", "x"}, {"ADDR", "1.2.3.4:5"}, {"laddr", ""}, {"USER", "nobody"}, {"SKIPME", "yes"}, {"SKIPME", "x"}, {"NOPE", "x"}, {"ID"}}).Draw(t, "filter")...)
		}
	case "multi":
		words = []string{any("transaction", "MULTI", "MULTI", "EXEC", "EXEC", "DISCARD", "RESET", "UNWATCH")}
		*inMulti = *inMulti && words[0] != "DISCARD" || words[0] == "MULTI"
	case "data":
		words = rapid.SampledFrom([][]string{{"SET", "k", "1"}, {"GET", "k"}, {"GET", "none"}, {"DEL", "k"}, {"WATCH", "k"}, {"SELECT", "1"}, {"SELECT", "0"}, {"SELECT", "99"}, {"SELECT", "x"}}).Draw(t, "data")
	case "plain":
		words = rapid.SampledFrom([][]string{{"PING"}, {"ping", "x"}, {"PING", "x", "y"}, {"ECHO", "a\r\nb"}, {"RESET"}, {"ECHO", strings.Repeat("x", 20000)}}).Draw(t, "plain")
	case "wrong":
		words = rapid.SampledFrom([][]string{{"NOPE", "a", "b"}, {"GET"}, {"EXEC", "x"}, {"MULTI", "x"}, {""}, {"RESET", "x"}, {"a\r\nb"}, {strings.Repeat("n", 200), "x"}}).Draw(t, "wrong")
	case "raw":
		return any("raw", "PING\r\n", "ECHO \"a b\"\n") // and no empty commands: in Redis they use up a CLIENT REPLY SKIP
	case "end":
		return any("end", request("QUIT"), "*x\r\n", "*1\r\n+PING\r\n", "*1\r\n$-1\r\n", "PING \"\r\n", "*11\r\n", "*1\r\n$16385\r\n")
	}
	return request(words...)
}

func TestRandomConversationsAreTheSame(t *testing.T) {
	for kind, login := range map[string]string{"open": "", "password": password} {
		t.Run(kind, func(t *testing.T) {
			p := startPair(t, login)
			fresh := []byte(request("AUTH", "default", password) + request("FLUSHALL"))
			rapid.Check(t, func(t *rapid.T) {
				p.compare(t, fresh)
				var stream []byte
				inMulti := false
				for range rapid.IntRange(1, 12).Draw(t, "sentences") {
					stream = append(stream, sentence(t, &inMulti)...)
				}
				if rapid.IntRange(0, 5).Draw(t, "whole") == 0 {
					stream = stream[:rapid.IntRange(0, len(stream)).Draw(t, "bytes")]
				}
				var cuts []int
				if rapid.Bool().Draw(t, "in pieces") {
					cuts = []int{rapid.IntRange(0, len(stream)).Draw(t, "cut")}
				}
				p.compare(t, stream, cuts...)
			})
		})
	}
}

// conversation is a connection whose replies a test reads line by line.
type conversation struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *conversation {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &conversation{nc, t, bufio.NewReader(nc)}
}

func (c *conversation) send(stream string) {
	c.t.Helper()
	if _, err := io.WriteString(c, stream); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads what must come next; "" is the end.
func (c *conversation) expect(want string) {
	c.t.Helper()
	got := make([]byte, max(1, len(want)))
	n, err := io.ReadFull(c.in, got)
	if string(got[:n]) != want || want != "" && err != nil {
		c.t.Fatalf("received %q (%v), want %q", got[:n], err, want)
	}
}

func TestAnUnwantedReplyStaysUnwantedWhileItIsOutstanding(t *testing.T) {
	p := startPair(t, "")
	for name, addr := range map[string]string{"redis": p.redis, "omniproxy": p.engine} {
		t.Run(name, func(t *testing.T) {
			reader, writer := dial(t, addr), dial(t, addr)
			reader.send(request("CLIENT", "REPLY", "SKIP") + request("XREAD", "BLOCK", "0", "STREAMS", "s", "$") + request("PING"))
			for line := ""; !strings.Contains(line, " flags=b "); {
				writer.send(request("CLIENT", "LIST"))
				line = ""
				for !strings.HasSuffix(line, "\n\r\n") {
					part, err := writer.in.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					line += part
				}
			}
			writer.send(request("XADD", "s", "1-1", "f", "v"))
			writer.expect("$3\r\n1-1\r\n")
			reader.expect("+PONG\r\n")
		})
	}
}

// drainable tells when the drain of its backend is over.
type drainable struct {
	resp.Backend
	drained chan struct{}
	once    sync.Once
}

func (d *drainable) Drain() {
	d.Backend.Drain()
	d.once.Do(func() { close(d.drained) })
}

// A client that blocks just when the drain begins gets its timeout reply, too.
func TestNobodyBlocksAfterTheDrain(t *testing.T) {
	backend := &drainable{Backend: engine.New(engine.Options{}), drained: make(chan struct{})}
	met := make(chan struct{})
	v := &resp.Server{Backend: backend, Filters: []resp.Filter{func(_ *resp.Session, c *resp.Command) {
		if c.Spec.Name == "XREAD" {
			close(met)
			<-backend.drained
		}
	}}}
	c := dial(t, listen(t, v))
	c.send(request("XREAD", "BLOCK", "0", "STREAMS", "s", "$"))
	<-met
	gone := make(chan struct{})
	go func() { v.Drain(context.Background()); close(gone) }()
	c.expect("*-1\r\n")
	c.send(request("PING"))
	c.expect("-LOADING omniproxy is restarting\r\n")
	c.expect("")
	<-gone
}

func TestADrainLeavesNobodyBlocked(t *testing.T) {
	const clients = 50
	v, addr := memoryServer(t, "")
	var blocked []*conversation
	for range clients {
		c := dial(t, addr)
		c.send(request("PING") + request("XREAD", "BLOCK", "0", "STREAMS", "s", "$") + request("PING"))
		blocked = append(blocked, c)
	}
	for _, c := range blocked {
		c.expect("+PONG\r\n")
	}
	gone := make(chan struct{})
	go func() { v.Drain(context.Background()); close(gone) }()
	for _, c := range blocked {
		c.expect("*-1\r\n-LOADING omniproxy is restarting\r\n")
		c.expect("")
	}
	<-gone
}
