package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// ping runs "omniproxy ping url" and returns its exit code and all it printed.
func ping(t *testing.T, url string, env ...string) (code int, stdout, stderr string) {
	t.Helper()
	args := []string{"ping"}
	if url != "" {
		args = append(args, url)
	}
	inv, err := parse(args, fakeMachine(env...))
	if err != nil {
		t.Fatalf("omniproxy ping %s: %v", url, err)
	}
	var out, errs bytes.Buffer
	code = inv.Ping.run(context.Background(), &out, &errs)
	return code, out.String(), errs.String()
}

// expectPing checks what a ping prints: PONG, or one line of error that begins with "omniproxy: want".
func expectPing(t *testing.T, want, url string, env ...string) {
	t.Helper()
	code, stdout, stderr := ping(t, url, env...)
	if want == "PONG" {
		if code != 0 || stdout != "PONG\n" || stderr != "" {
			t.Errorf("%s omniproxy ping %s: exit %d, stdout %q, stderr %q", env, url, code, stdout, stderr)
		}
		return
	}
	if code != 1 || stdout != "" || stderr != "omniproxy: "+want+"\n" {
		t.Errorf("%s omniproxy ping %s: exit %d, stdout %q\n got %swant omniproxy: %s", env, url, code, stdout, stderr, want)
	}
}

func TestPingRedis(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "redis.sock")
	addr := redistest.Start(t, "--unixsocket", socket)
	expectPing(t, "PONG", "redis://"+addr)
	expectPing(t, "PONG", "redis://"+addr+"/3?protocol=3")
	expectPing(t, "PONG", "unix://"+socket)
	expectPing(t, "PONG", "", "OMNIPROXY_LISTEN="+addr)
	expectPing(t, "PONG", "", "OMNIPROXY_LISTEN="+strings.Replace(addr, "127.0.0.1", "0.0.0.0", 1))
	expectPing(t, "PONG", "", "OMNIPROXY_LISTEN=unix:"+socket)
	expectPing(t, addr+": the server answered ERR DB index is out of range", "redis://"+addr+"/99")
	expectPing(t, "PONG", "redis://"+addr, "OMNIPROXY_REQUIREPASS=secret") // it is up, and lets anybody in
}

func TestPingRedisWithPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := redistest.Start(t, "--requirepass", "secret")
	expectPing(t, "PONG", "redis://:secret@"+addr)
	expectPing(t, "PONG", "redis://default:secret@"+addr)
	expectPing(t, "PONG", "redis://"+addr, "OMNIPROXY_REQUIREPASS=secret")
	expectPing(t, "PONG", "", "OMNIPROXY_LISTEN="+addr, "OMNIPROXY_REQUIREPASS_FILE="+file)
	expectPing(t, addr+": the server wants a password: set OMNIPROXY_REQUIREPASS, or put it into the URL (NOAUTH)", "redis://"+addr)
	expectPing(t, addr+": the server refused the password (WRONGPASS)", "redis://:guess@"+addr, "OMNIPROXY_REQUIREPASS=secret")
}

// answering starts a server that answers each read with reply, or closes the connection if there is none.
func answering(t *testing.T, reply string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for buf := make([]byte, 1024); reply != ""; {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := io.WriteString(c, reply); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestPingExplainsWhyThereIsNoPong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	expectPing(t, closed+": connection refused: no server listens there", "redis://"+closed)
	expectPing(t, "unix:/no/such.sock: no such socket: no server listens there", "unix:///no/such.sock")

	loading := answering(t, "-LOADING omniproxy is restarting\r\n")
	expectPing(t, loading+": the server is up but not ready (LOADING omniproxy is restarting)", "redis://"+loading)
	denied := answering(t, "-DENIED Redis is running in protected mode\r\n")
	expectPing(t, denied+": the server answered DENIED Redis is running in protected mode", "redis://"+denied)
	gone := answering(t, "")
	expectPing(t, gone+": the server closed the connection without an answer; if it speaks TLS, write rediss://, or set OMNIPROXY_TLS_CERT", "redis://"+gone)
	expectPing(t, gone+": the server closed the connection without an answer; if it speaks plain text, write redis://", "rediss://"+gone)
	stranger := httptest.NewTLSServer(nil)
	defer stranger.Close()
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	unknown := stranger.Listener.Addr().String()
	expectPing(t, unknown+": the server's certificate is of a CA that is not trusted here: name the CA's file in SSL_CERT_FILE", "rediss://"+unknown)
	web := answering(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
	expectPing(t, web+`: no Redis server answers there (can't parse map reply: "HTTP/1.1 400 Bad Request")`, "redis://"+web)
}

func TestPingGivesUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	inv, err := parse([]string{"ping", "redis://" + l.Addr().String()}, fakeMachine())
	if err != nil {
		t.Fatal(err)
	}
	if inv.Ping.timeout != 3*time.Second {
		t.Errorf("it would wait %v", inv.Ping.timeout)
	}
	inv.Ping.timeout = 20 * time.Millisecond
	var stdout, stderr bytes.Buffer
	code := inv.Ping.run(context.Background(), &stdout, &stderr)
	if want := "omniproxy: " + l.Addr().String() + ": no answer within 20ms; a proxy waits for a Redis that is down\n"; code != 1 || stdout.Len() > 0 || stderr.String() != want {
		t.Errorf("exit %d, stdout %q, stderr %q, want %q", code, stdout.String(), stderr.String(), want)
	}
}

func TestPingExplainsErrorsOfTheMachine(t *testing.T) {
	socket := pingTarget{options: &redis.Options{Network: "unix"}}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Name: "h", Err: "no such host"}, "cannot look up the host h"},
		{&net.OpError{Err: os.NewSyscallError("connect", syscall.EACCES)}, "permission denied: this user may not open the socket"},
		{&net.OpError{Err: syscall.ECONNRESET}, "the server closed the connection without an answer"},
		{errors.New("one\ntwo"), "one"},
	} {
		if got := socket.explain(tt.err); got != tt.want {
			t.Errorf("%v is explained as %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestPingSendsNothingButHelloAuthAndPing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := make(chan []string, 1)
	go func() {
		var words []string
		defer func() { seen <- words }()
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for lines := bufio.NewScanner(c); lines.Scan(); {
			line := lines.Text()
			if strings.HasPrefix(line, "*") || strings.HasPrefix(line, "$") {
				continue
			}
			words = append(words, line)
			switch line {
			case "secret":
				io.WriteString(c, "*0\r\n")
			case "ping":
				io.WriteString(c, "+PONG\r\n")
			}
		}
	}()
	expectPing(t, "PONG", "redis://:secret@"+l.Addr().String())
	want := []string{"hello", "2", "auth", "default", "secret", "ping"}
	if diff := cmp.Diff(want, <-seen); diff != "" {
		t.Errorf("(-want +sent):\n%s", diff)
	}
}

func TestPingTarget(t *testing.T) {
	for _, tt := range []struct{ url, env, want, err string }{
		{url: "", want: "127.0.0.1:6380"},
		{url: "redis://h", want: "h:6379"},
		{url: "", env: "OMNIPROXY_LISTEN=:7000", want: "127.0.0.1:7000"},
		{url: "", env: "OMNIPROXY_LISTEN=[::]:7000", want: "[::1]:7000"},
		{url: "", env: "OMNIPROXY_LISTEN=", want: "127.0.0.1:6380"},
		{url: "redis://h:1", env: "OMNIPROXY_LISTEN=nonsense", want: "h:1"},
		{url: "", env: "OMNIPROXY_LISTEN=:0", err: "OMNIPROXY_LISTEN=:0 tells no port: write omniproxy ping URL"},
		{url: "", env: "OMNIPROXY_LISTEN=here", err: "OMNIPROXY_LISTEN=here: write HOST:PORT, [IPV6]:PORT, unix:/PATH or /PATH"},
		{url: "127.0.0.1:6380", err: "ping 127.0.0.1:6380: " + urlHint},
		{url: "http://u:pw@h", err: "ping http://u:***@h: " + urlHint},
		{url: "redis://h", env: "OMNIPROXY_REQUIREPASS=a OMNIPROXY_REQUIREPASS_FILE=b",
			err: "OMNIPROXY_REQUIREPASS and OMNIPROXY_REQUIREPASS_FILE both set the password: choose one"},
	} {
		inv, err := parse(strings.Fields("ping "+tt.url), fakeMachine(strings.Fields(tt.env)...))
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s omniproxy ping %s: error %v, want %s", tt.env, tt.url, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s omniproxy ping %s: %v", tt.env, tt.url, err)
		} else if got := inv.Ping.options.Addr; got != tt.want {
			t.Errorf("%s omniproxy ping %s goes to %s, want %s", tt.env, tt.url, got, tt.want)
		}
	}
}
