package integration

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// certificates writes ca, server (for the name redis.test) and client, each .crt and .key, into a directory.
func certificates(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var ca *x509.Certificate
	var caKey *ecdsa.PrivateKey
	for i, name := range []string{"ca", "server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		switch name {
		case "ca":
			c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
			ca, caKey = c, key
		case "server":
			c.DNSNames = []string{"redis.test"}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for suffix, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
			writeText(t, filepath.Join(dir, name+suffix), string(pem.EncodeToMemory(block)))
		}
	}
	return dir
}

// startTLS runs a Redis that speaks nothing but TLS and asks for certificates.
func startTLS(t testing.TB, dir string) (addr string) {
	t.Helper()
	file := func(name string) string { return filepath.Join(dir, name) }
	var failed error
	for range 5 { // somebody else may take the port
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		_, stop, err := redistest.Run(dir, "--tls-port", port(t, addr), "--tls-cert-file", file("server.crt"), "--tls-key-file", file("server.key"),
			"--tls-ca-cert-file", file("ca.crt"), "--requirepass", "geheim")
		if err == nil {
			t.Cleanup(stop)
			return addr
		}
		failed = err
	}
	t.Fatal(failed)
	return ""
}

func TestTheFlagsOfTLS(t *testing.T) {
	t.Parallel()
	dir := certificates(t)
	addr := startTLS(t, dir)
	file := func(name string) string { return filepath.Join(dir, name) }
	all := []string{"--upstream-ca", file("ca.crt"), "--upstream-cert", file("client.crt"), "--upstream-key", file("client.key"), "--upstream-sni", "redis.test"}
	o := proxy(t, "rediss://:geheim@"+addr, all...)
	o.must("OK", "SET", "a", "1")
	o.logs("proxying rediss://" + addr + " (Redis 7.0.15, role master, mode standalone)")
	o.logs("process lists show the password in --upstream: set OMNIPROXY_UPSTREAM instead")
	o = proxy(t, "rediss://:geheim@"+addr, "--upstream-cert", file("client.crt"), "--upstream-key", file("client.key"), "--upstream-skip-verify")
	o.must("1", "GET", "a")
	o.logs("the upstream's certificate is not checked")

	for _, tt := range []struct {
		without []int // of all
		hint    string
	}{
		{[]int{0, 1}, "name the CA's certificate with --upstream-ca"},
		{[]int{6, 7}, "name the server that the certificate is for with --upstream-sni"},
		{[]int{2, 3, 4, 5}, "it may want --upstream-cert and --upstream-key"},
	} {
		args := []string{"--queue-timeout", "10ms"}
		for i, arg := range all {
			if i < tt.without[0] || i > tt.without[len(tt.without)-1] {
				args = append(args, arg)
			}
		}
		o := proxy(t, "rediss://:geheim@"+addr, args...)
		o.logs(tt.hint)
		if log := o.stop(); strings.Contains(log, "geheim") {
			t.Errorf("a password is logged:\n%s", log)
		}
	}
	o = proxy(t, "rediss://"+redistest.Start(t), "--dial-timeout", "100ms")
	o.logs("if nobody speaks TLS there write redis:// instead of rediss://")
	o = proxy(t, "redis://"+addr)
	o.logs("if it is to speak TLS write rediss:// instead of redis://")

	for _, tt := range []struct{ args, want string }{
		{"--upstream-ca=" + file("none"), "omniproxy: --upstream-ca: open " + file("none") + ": no such file or directory\n"},
		{"--upstream-ca=" + file("ca.key"), "omniproxy: --upstream-ca=" + file("ca.key") + ": there is no certificate in it; give a file in PEM, with BEGIN CERTIFICATE\n"},
		{"--upstream-cert=" + file("client.crt") + " --upstream-key=" + file("server.key"), "omniproxy: --upstream-cert=" + file("client.crt") + " with --upstream-key=" +
			file("server.key") + ": tls: private key does not match public key\n"},
	} {
		args := append([]string{"--backend", "redis", "--upstream", "rediss://:geheim@" + addr, "--listen", "127.0.0.1:0"}, strings.Fields(tt.args)...)
		if code, _, errs := runToEnd(t, args...); code != 2 || errs != tt.want {
			t.Errorf("exit code %d, got\n%swant\n%s", code, errs, tt.want)
		}
	}
}

func TestThePasswordOfTheUpstreamIsNowhereToBeSeen(t *testing.T) {
	t.Parallel()
	addr := redistest.Start(t, "--requirepass", "geheim")
	ready := filepath.Join(t.TempDir(), "ready")
	o := &omniproxy{t: t, exited: make(chan struct{})}
	o.cmd = omniproxyCommand(t, "--backend", "redis", "--listen", "127.0.0.1:0", "--ready-file", ready, "--log-level", "debug")
	o.cmd.Env = append(o.cmd.Env, "OMNIPROXY_UPSTREAM=redis://:geheim@"+addr)
	o.cmd.Stderr = &o.log
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.signal(syscall.SIGTERM) })
	go func() { o.cmd.Wait(); close(o.exited) }()
	o.logs("upstream from OMNIPROXY_UPSTREAM")
	text, err := os.ReadFile(ready)
	if err != nil {
		t.Fatal(err)
	}
	o.Addr = strings.TrimSpace(string(text))
	o.must("OK", "SET", "a", "1")
	info := fmt.Sprint(o.do("INFO", "omniproxy"))
	if !strings.Contains(info, "upstream_up:1") {
		t.Error(info)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", o.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if log := o.stop(); strings.Contains(log+info+string(line), "geheim") {
		t.Errorf("seen:\n%s\n%s\n%s", log, info, line)
	}
}

func TestUsersOnOurSide(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addr := redistest.Start(t, "--requirepass", "geheim")
	users := filepath.Join(dir, "users")
	writeText(t, users, "\nuser alice on >one >two ~* &* +@all\nuser bob off >three\n"+
		"user carol on #5b11618c2e44027877d0cd0921ed166b9f176f50587fc91e7534dd2946db77d6 ~* +set\n") // secret1
	for _, pool := range []string{"session", "shared"} {
		o := proxy(t, "redis://:geheim@"+addr, "--users", users, "--pool", pool)
		as := func(user, pass string) error {
			c := redis.NewClient(&redis.Options{Addr: o.Addr, Username: user, Password: pass, Protocol: 2, DisableIdentity: true})
			defer c.Close()
			return c.Set(context.Background(), "a", "1", 0).Err()
		}
		for _, right := range [][2]string{{"alice", "one"}, {"alice", "two"}, {"carol", "secret1"}} {
			if err := as(right[0], right[1]); err != nil {
				t.Errorf("%v: %v", right, err)
			}
		}
		for _, wrong := range [][2]string{{"alice", "three"}, {"bob", "three"}, {"default", "one"}, {"default", "geheim"}, {"", "one"}, {"", ""}} {
			if err := as(wrong[0], wrong[1]); err == nil || !strings.Contains(err.Error(), "WRONGPASS") && !strings.Contains(err.Error(), "NOAUTH") && !strings.Contains(err.Error(), "AUTH") {
				t.Errorf("%v: %v", wrong, err)
			}
		}
		o.must("OK", "AUTH", "alice", "one")
		if pool == "shared" {
			if info := fmt.Sprint(o.do("CLIENT", "INFO")); !strings.Contains(info, " user=alice ") {
				t.Error(info)
			}
		}
		if log := o.stop(); strings.Contains(log, "geheim") {
			t.Error(log)
		}
	}
	for text, want := range map[string]string{
		"user alice on secret\n":                      ": " + users + ":1: Syntax error\n",
		"\nuser alice on >secret +a\n":                ": " + users + ":2: Error in applying operation '+a': Unknown command or category name in ACL\n",
		"user alice on\n":                             "=" + users + ": nobody may log in; write lines such as: user NAME on >PASSWORD ~* &* +@all\n",
		"alice secret\n":                              ": " + users + ":1 should start with user keyword followed by the username\n",
		"user a on >secret\nuser a on >secret\n":      ": WARNING: Duplicate user 'a' found on line 2\n",
		"user a on #secret" + strings.Repeat("0", 58): ": " + users + ":1: The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters\n",
		"": "=" + users + ": nobody may log in; write lines such as: user NAME on >PASSWORD ~* &* +@all\n",
	} {
		writeText(t, users, text)
		code, _, errs := runToEnd(t, "--backend", "redis", "--upstream", "redis://"+addr, "--listen", "127.0.0.1:0", "--users", users)
		if code != 2 || errs != "omniproxy: --users"+want || strings.Contains(errs, "secret") {
			t.Errorf("%q: exit code %d: %s", text, code, errs)
		}
	}
}

// The address is known only when it is taken, and where a name leads may change: the proxy looks at each connection.
func TestTheProxyNoticesThatItHasComeToItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link, socket := filepath.Join(dir, "upstream"), filepath.Join(dir, "omniproxy")
	o := proxy(t, "unix://"+link, "--listen", "unix:"+socket, "--queue-timeout", "10ms")
	o.logs("(not there yet)")
	if err := os.Symlink(socket, link); err != nil {
		t.Fatal(err)
	}
	o.must("ERR omniproxy: the upstream Redis is not there; the command was not sent", "GET", "a")
	code, _, errs := runToEnd(t, "--backend", "redis", "--upstream", "unix://"+link, "--listen", "unix:"+socket)
	if code != 2 || !strings.Contains(errs, "is this very listener") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestAStrangersListenerNeedsAPasswordOfOurs(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "--auth terminate"} {
		code, _, errs := runToEnd(t, append([]string{"--backend", "redis", "--upstream", "redis://:geheim@127.0.0.1:1", "--listen", "0.0.0.0:0"}, strings.Fields(args)...)...)
		for _, want := range []string{"protected mode", "OMNIPROXY_REQUIREPASS", "--listen 127.0.0.1:6380", "--auth passthrough"} {
			if code != 2 || !strings.Contains(errs, want) || strings.Contains(errs, "geheim") {
				t.Errorf("exit code %d, %q is missing: %s", code, want, errs)
			}
		}
	}
	for _, args := range []string{"--auth passthrough", "--requirepass ours"} {
		proxy(t, "redis://:geheim@127.0.0.1:1", append(strings.Fields(args), "--listen", "0.0.0.0:0")...).stop()
	}
}

// A replica is likely to be a mistake.
func TestTheProxySaysWhatElseItFound(t *testing.T) {
	t.Parallel()
	addr := redistest.Start(t, "--replicaof", "127.0.0.1 1")
	o := proxy(t, "redis://"+addr)
	o.logs("(Redis 7.0.15, role slave, mode standalone)")
	o.logs("the upstream is a replica")
	direct := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
	defer direct.Close()
	if err := direct.Do(context.Background(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	o.must("OK", "SET", "a", "1")
	direct.Do(context.Background(), "CLIENT", "KILL", "TYPE", "normal")
	o.logs("the upstream is there: Redis 7.0.15, role master, mode standalone")
}

// SIGTERM lets clients go; a second one does not wait for them.
func TestTheEndOfTheProxy(t *testing.T) {
	t.Parallel()
	for _, pool := range []string{"session", "shared"} {
		o := proxied(t, "--pool", pool, "--drain-timeout", "30s")
		silent, err := net.Dial("tcp", o.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		ask := func(c net.Conn, request, want string) {
			t.Helper()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprintf(c, "%s\r\n", request)
			got := make([]byte, len(want))
			if n, err := c.Read(got); err != nil || !bytes.Equal(got, []byte(want)) {
				t.Fatalf("%s: %q, %v; want %q", request, got[:n], err, want)
			}
		}
		ask(silent, "MULTI", "+OK\r\n")
		o.cmd.Process.Signal(syscall.SIGTERM)
		o.logs("stopping; a second signal stops at once")
		o.eventually("stopped to listen", func() bool {
			c, err := net.Dial("tcp", o.Addr)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		time.Sleep(300 * time.Millisecond) // two signals at once are one
		if pool == "session" {
			ask(silent, "PING", "+QUEUED\r\n")
			ask(silent, "EXEC", "*1\r\n+PONG\r\n")
			ask(silent, "PING", "-LOADING omniproxy is restarting\r\n")
			o.signal(syscall.SIGTERM) // it has ended, or is about to
			if code := o.cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
				t.Errorf("exit code %d", code)
			}
			continue
		}
		o.signal(syscall.SIGTERM)
		if code := o.cmd.ProcessState.ExitCode(); code != 3 {
			t.Errorf("exit code %d\n%s", code, &o.log)
		}
	}
	o := proxied(t, "--drain-timeout", "10ms")
	if c, err := net.Dial("tcp", o.Addr); err != nil {
		t.Fatal(err)
	} else {
		defer c.Close()
	}
	o.stop()
}
