package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// halfway starts omniproxy so that a restart stops between two processes: at says when it is there, goOn lets it go on.
func halfway(t *testing.T, args ...string) (o *omniproxy, at, goOn func()) {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	there, on := filepath.Join(t.TempDir(), "there"), filepath.Join(t.TempDir(), "on")
	o = startAs(t, program, script(t, fmt.Sprintf(
		`if [ "$OMNIPROXY_HANDOVER" != check ]; then touch %s; until [ -e %s ]; do sleep 0.01; done; fi; exec %s "$@"`, there, on, program)), args...)
	at = func() {
		t.Helper()
		o.eventually("between two processes", func() bool { _, err := os.Stat(there); return err == nil })
	}
	goOn = func() {
		t.Helper()
		if err := os.WriteFile(on, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o, at, goOn
}

// An address that the new settings add is had before anything else is done.
func TestARestartThatCannotHaveItsAddressIsNotBegun(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "unix.sock")
	settings := filepath.Join(dir, "settings.yaml")
	one := fmt.Sprintf("dir: %s/data\nlisteners:\n  - listen: 127.0.0.1:0\n", dir)
	writeText(t, settings, one)
	o, _ := launch(t, "--config", settings)
	o.must("OK", "SET", "a", "1")
	before := o.descriptors()
	writeText(t, settings, one+"  - listen: unix:"+path+"\n  - listen: "+taken.Addr().String()+"\n")
	for n := range 6 {
		o.cmd.Process.Signal(syscall.SIGUSR2)
		o.eventually("refused again", func() bool { return strings.Count(o.log.String(), "not restarted") == n+1 })
	}
	o.logs("address already in use")
	o.must("1", "GET", "a")
	o.eventually(fmt.Sprint("about as few descriptors as before, ", before), func() bool { return o.descriptors() < before+5 })
	taken.Close()
	o.restart()
	o.must("1", "GET", "a")
	for network, addr := range map[string]string{"tcp": taken.Addr().String(), "unix": path} {
		nc, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		c := &rawClient{t: t, Conn: nc}
		c.send("GET a\r\n")
		c.expect("$1\r\n1\r\n")
		nc.Close()
	}
}

// A client that is gone when the next process looks has no address any more.
func TestAClientThatIsResetDuringARestartHurtsNobody(t *testing.T) {
	o, at, goOn := halfway(t)
	leaves, stays := plainClient(t, o), plainClient(t, o)
	for _, c := range []*rawClient{leaves, stays} {
		c.send("SET a 1\r\n")
		c.expect("+OK\r\n")
	}
	o.cmd.Process.Signal(syscall.SIGUSR2)
	at()
	leaves.Conn.(*net.TCPConn).SetLinger(0)
	leaves.Close()
	goOn()
	o.logs(" restarted ")
	stays.send("GET a\r\n")
	stays.expect("$1\r\n1\r\n")
	if list := fmt.Sprint(o.do("CLIENT", "LIST")); strings.Count(list, "\n") != 2 {
		t.Errorf("clients:\n%s", list)
	}
}

// A reply that the client reads slowly goes along, also if the last process was not at its end.
func TestARestartCutsNoReplyThatIsReadSlowly(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, o *omniproxy) {
		const size = 24 << 20
		o.must("OK", "SET", "large", strings.Repeat("x", size))
		c := plainClient(t, o)
		c.send("GET large\r\nGET large\r\n")
		head := fmt.Sprintf("$%d\r\n", size)
		c.expect(head)
		o.restart()
		c.expect(strings.Repeat("x", size) + "\r\n" + head + strings.Repeat("x", size) + "\r\n")
		c.send("PING\r\n")
		c.expect("+PONG\r\n")
	}, "--drain-timeout", "100ms")
}

// ends waits until the connection is closed, with nothing more to read.
func (c *rawClient) ends() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("%d bytes, %v, in place of the end", n, err)
	}
}

// What a client that tracks keys has copies of may have changed meanwhile: it is told to forget them, and goes on to track.
func TestARestartLeavesNoCopyThatIsOld(t *testing.T) {
	const forget = ">2\r\n$10\r\ninvalidate\r\n_\r\n"
	onEveryBackend(t, func(t *testing.T, o *omniproxy) {
		writes := plainClient(t, o)
		set := func(key string) {
			t.Helper()
			writes.send("SET " + key + " 1\r\n")
			writes.expect("+OK\r\n")
		}
		changed := func(key string) string {
			return fmt.Sprintf(">2\r\n$10\r\ninvalidate\r\n*1\r\n$%d\r\n%s\r\n", len(key), key)
		}
		track := func(how string) *rawClient {
			c := plainClient(t, o)
			c.send("HELLO 3\r\nCLIENT TRACKING ON " + how + "\r\nECHO end\r\n")
			readUntil(t, c, "$3\r\nend\r\n")
			return c
		}
		reads, prefix := track(""), track("BCAST PREFIX p: PREFIX q: NOLOOP")
		target, redirects := plainClient(t, o), plainClient(t, o)
		target.send("CLIENT ID\r\n")
		id := strings.Trim(target.next(), ":\r\n")
		redirects.send("CLIENT TRACKING ON REDIRECT " + id + "\r\n")
		redirects.expect("+OK\r\n")
		o.restart()
		redirects.ends()
		reads.expect(forget)
		prefix.expect(forget)
		reads.send("GET a\r\n")
		reads.next()
		for _, key := range []string{"a", "p:1", "q:1"} {
			set(key)
		}
		reads.expect(changed("a"))
		prefix.expect(changed("p:1") + changed("q:1"))
	})
}

// CLIENT CACHING YES holds for the next command, whichever process does it.
func TestARestartKeepsWhatCLIENTCACHINGSaid(t *testing.T) {
	o := serve(t, t.TempDir())
	c := plainClient(t, o)
	c.send("HELLO 3\r\nCLIENT TRACKING ON OPTIN\r\nCLIENT CACHING YES\r\nECHO end\r\n")
	c.send("CLIENT CACHING YES\r\nECHO again\r\n")
	readUntil(t, c, "$5\r\nagain\r\n")
	c.send("CLIENT CACHING YES\r\n")
	c.expect("+OK\r\n")
	o.restart()
	readUntil(t, c, "invalidate\r\n_\r\n")
	c.send("GET a\r\nGET b\r\n")
	c.expect("_\r\n_\r\n")
	o.must("OK", "MSET", "b", "1", "a", "1")
	c.expect(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n")
}

// The users are those of the new settings: who must not be there any more, or not hear what it hears, is closed. A new password
// is asked of those who log in from now on, as by a reload.
func TestARestartEndsWhoIsNoLongerAUser(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	writeText(t, users, "user default on nopass ~* &* +@all\nuser gone on >p ~* &* +@all\nuser less on >p ~* &* +@all\nuser new on >p ~* &* +@all\n")
	onEveryBackend(t, func(t *testing.T, o *omniproxy) {
		as := func(name, command string) *rawClient {
			t.Helper()
			c := plainClient(t, o)
			c.send("AUTH " + name + " p\r\n" + command + "\r\n")
			c.expect("+OK\r\n")
			c.next()
			return c
		}
		gone, deaf := as("gone", "PING"), as("gone", "SUBSCRIBE news")
		less, hears := as("less", "SET k 1"), as("less", "SUBSCRIBE news")
		other, still := as("less", "SUBSCRIBE free"), as("new", "SUBSCRIBE news")
		before, err := os.ReadFile(users)
		if err != nil {
			t.Fatal(err)
		}
		writeText(t, users, "user default on nopass ~* &* +@all\nuser less on >p ~other &free +@all\nuser new on >q ~* &* +@all\n")
		defer writeText(t, users, string(before))
		o.restart()
		for _, c := range []*rawClient{gone, deaf, hears} {
			c.ends()
		}
		less.send("SET k 2\r\n")
		less.expect("-NOPERM")
		for _, channel := range []string{"news", "free"} {
			o.must(1, "PUBLISH", channel, "m")
		}
		still.expect("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n")
		other.expect("*3\r\n$7\r\nmessage\r\n$4\r\nfree\r\n")
	}, "--users", users)
}
