package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// onBoth runs a test with omniproxy on either backend.
func onBoth(t *testing.T, args []string, test func(t *testing.T, o *omniproxy)) {
	for _, backend := range []string{"json", "redis"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			test(t, on(t, backend, args...))
		})
	}
}

// on starts omniproxy on a backend.
func on(t *testing.T, backend string, args ...string) *omniproxy {
	t.Helper()
	if backend == "redis" {
		return proxy(t, "redis://"+redistest.Start(t), args...)
	}
	return serve(t, t.TempDir(), args...)
}

func TestRedisCLISpeaksTLS(t *testing.T) {
	t.Parallel()
	dir := certificates(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	args := []string{"--tls-cert", file("server.crt"), "--tls-key", file("server.key"), "--tls-client-ca", file("ca.crt"), "--requirepass", "geheim"}
	onBoth(t, args, func(t *testing.T, o *omniproxy) {
		with := []string{"--tls", "--cacert", file("ca.crt"), "--cert", file("client.crt"), "--key", file("client.key"), "-a", "geheim", "--no-auth-warning"}
		for _, c := range []struct{ command, want string }{{"SET a 1", "OK\n"}, {"GET a", "1\n"}} {
			if got := output(t, redisCLI(t, o, append(with, strings.Fields(c.command)...)...)); got != c.want {
				t.Errorf("%s: %q", c.command, got)
			}
		}
		o.logs("redis-cli -p " + port(t, o.Addr) + " --tls --cert FILE --key FILE --askpass")
		o.logs("REDIS_URL=rediss://:PASSWORD@127.0.0.1:" + port(t, o.Addr))
		if out, err := redisCLI(t, o, "PING").Output(); !strings.Contains(string(out), "ERR this port speaks TLS only") {
			t.Errorf("in plain text: %q, %v", out, err)
		}
		o.logs("this port speaks TLS only")
		if out, err := redisCLI(t, o, "--tls", "--cacert", file("ca.crt"), "PING").Output(); strings.Contains(string(out), "PONG") {
			t.Errorf("without a certificate: %q, %v", out, err)
		}
	})
}

// What a container's health check runs knows no more than the variables of the server.
func TestPingFindsAListenerThatSpeaksTLS(t *testing.T) {
	t.Parallel()
	dir := certificates(t)
	o := serve(t, t.TempDir(), "--tls-cert", filepath.Join(dir, "server.crt"), "--tls-key", filepath.Join(dir, "server.key"))
	for file, want := range map[string]string{"server.crt": "PONG\n", "client.crt": "", "server.key": ""} {
		ping := omniproxyCommand(t, "ping")
		ping.Env = append(ping.Env, "OMNIPROXY_LISTEN="+o.Addr, "OMNIPROXY_TLS_CERT="+filepath.Join(dir, file))
		if out, err := ping.Output(); string(out) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", file, out, err)
		}
	}
	// Tools know less: the address beside the lock does not say it.
	out, err := omniproxyCommand(t, "inspect", "agents", o.Dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "if it speaks TLS, name it by its URL, rediss://HOST:PORT") {
		t.Errorf("inspect of the directory: %q, %v", out, err)
	}
}

// replace puts a file in the place of another at once.
func replace(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeText(t, to+".new", string(text))
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesAreReplacedWithoutAFailedCommand(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"json", "redis"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			certificatesAreReplaced(t, backend)
		})
	}
}

func certificatesAreReplaced(t *testing.T, backend string) {
	old, renewed := certificates(t), certificates(t)
	dir := t.TempDir()
	roots := x509.NewCertPool()
	for _, from := range []string{old, renewed} {
		text, err := os.ReadFile(filepath.Join(from, "ca.crt"))
		if err != nil || !roots.AppendCertsFromPEM(text) {
			t.Fatal(err)
		}
	}
	install := func(from string) {
		for _, suffix := range []string{"crt", "key"} { // one after the other: for a moment they do not fit
			replace(t, filepath.Join(from, "server."+suffix), filepath.Join(dir, "server."+suffix))
		}
	}
	install(old)
	o := on(t, backend, "--tls-cert", filepath.Join(dir, "server.crt"), "--tls-key", filepath.Join(dir, "server.key"))
	options := &redis.Options{Addr: o.Addr, MaxRetries: -1, DisableIdentity: true, ReadTimeout: time.Minute, DialTimeout: time.Minute,
		TLSConfig: &tls.Config{RootCAs: roots, ServerName: "redis.test"}}
	shown := func() string {
		nc, err := tls.Dial("tcp", o.Addr, options.TLSConfig)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		return nc.ConnectionState().PeerCertificates[0].NotAfter.String() + string(nc.ConnectionState().PeerCertificates[0].Signature)
	}
	before := shown()
	var done atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	work := func(c *redis.Client) bool {
		if err := c.Incr(context.Background(), "n").Err(); err != nil {
			t.Errorf("a command failed: %v", err)
			return false
		}
		done.Add(1)
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	for range 2 {
		clients.Go(func() { // long-lived
			c := redis.NewClient(options)
			defer c.Close()
			for work(c) {
			}
		})
		clients.Go(func() { // connects for each command
			for goOn := true; goOn; {
				c := redis.NewClient(options)
				goOn = work(c)
				c.Close()
			}
		})
	}
	install(renewed)
	o.eventuallyWithin(time.Minute, "the new certificate", func() bool { return shown() != before })
	replace(t, filepath.Join(old, "server.key"), filepath.Join(dir, "server.key")) // of another certificate
	o.eventuallyWithin(time.Minute, "a line about what is wrong", func() bool {
		shown()
		return strings.Contains(o.log.String(), "private key does not match public key")
	})
	close(stop)
	clients.Wait()
	if n := o.stored(t, options, "n"); n != done.Load() {
		t.Errorf("%d commands were done, %d acknowledged", n, done.Load())
	}
}

// stored returns the number at a key.
func (o *omniproxy) stored(t *testing.T, options *redis.Options, key string) int64 {
	t.Helper()
	c := redis.NewClient(options)
	defer c.Close()
	n, err := c.Get(t.Context(), key).Int64()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eventuallyWithin is eventually, with more patience.
func (o *omniproxy) eventuallyWithin(patience time.Duration, what string, done func() bool) {
	o.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			o.t.Fatalf("after %v: not %s\n%s", patience, what, &o.log)
		}
	}
}

func TestTheFiltersOfAListener(t *testing.T) {
	t.Parallel()
	args := []string{"--deny", "flushall,client|list,@geo", "--rename", "config=settings", "--requirepass", "geheim"}
	onBoth(t, args, func(t *testing.T, o *omniproxy) {
		o.must("OK", "AUTH", "geheim")
		o.must("ERR unknown command 'FLUSHALL', with args beginning with: ", "FLUSHALL")
		o.must("ERR unknown subcommand 'LIST'. Try CLIENT HELP.", "CLIENT", "LIST")
		o.must("ERR unknown command 'GEOADD', with args beginning with: ", "GEOADD")
		o.must("ERR unknown command 'CONFIG', with args beginning with: 'GET' 'maxmemory' ", "CONFIG", "GET", "maxmemory")
		o.must("[maxmemory 0]", "SETTINGS", "GET", "maxmemory")
		o.must("ERR unknown command 'NEW.COMMAND', with args beginning with: ", "NEW.COMMAND")
		o.must("OK", "MULTI")
		o.must("QUEUED", "SET", "a", "1")
		o.must("ERR unknown command 'flushall', with args beginning with: ", "flushall")
		o.must("EXECABORT Transaction discarded because of previous errors.", "EXEC")
		o.must("<nil>", "GET", "a")
	})
}

func TestAListenerForReaders(t *testing.T) {
	t.Parallel()
	const readOnly = "READONLY You can't write against a read only replica."
	onBoth(t, []string{"--refuse-writes"}, func(t *testing.T, o *omniproxy) {
		o.must(readOnly, "SET", "a", "1")
		o.must(readOnly, "EVAL", "return 1", "0")
		o.must("<nil>", "GET", "a")
	})
}

func TestTheAuditIsAFileOfLines(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"json", "redis"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit")
			args := []string{"--audit", path, "--audit-commands", "@dangerous,set,auth", "--requirepass", "geheim"}
			var o *omniproxy
			if backend == "redis" {
				o = proxy(t, "redis://"+redistest.Start(t), args...)
			} else {
				o = serve(t, t.TempDir(), args...)
			}
			o.must("WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "falsch")
			o.must("OK", "AUTH", "geheim")
			o.must("OK", "SET", "omni:result:verborgen", "verborgen")
			o.must("[omni:result:verborgen]", "KEYS", "*")
			o.stop()
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("%v, %v", info, err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(string(text)) {
				var e struct{ Event, Command, Family, Outcome, Why string }
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				got = append(got, strings.Join([]string{e.Event, e.Command, e.Family, e.Outcome, e.Why}, " "))
			}
			want := []string{"auth   failure WRONGPASS", "auth   success ", "command set result allowed ", "command keys  allowed "}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, secret := range []string{"verborgen", "geheim", "falsch"} {
				if strings.Contains(string(text), secret) {
					t.Errorf("the audit says %q", secret)
				}
			}
		})
	}
}

// What a client has the server remember counts as what it sends, under --client-memory.
func TestWhoHasMuchRememberedGoes(t *testing.T) {
	onBoth(t, []string{"--client-memory", "4mb"}, func(t *testing.T, o *omniproxy) {
		o.do("SET", "a", "1")
		commands := []string{"SUBSCRIBE"}
		if o.Dir != "" {
			commands = append(commands, "WATCH", "BLPOP")
		}
		for _, command := range commands {
			nc, err := net.Dial("tcp", o.Addr)
			if err != nil {
				t.Fatal(err)
			}
			nc.SetDeadline(time.Now().Add(time.Minute))
			var words []string
			for i := range 20000 { // a request of 300 KB
				words = append(words, fmt.Sprint("name ", i))
			}
			if command == "BLPOP" {
				words = append(words, "0")
			}
			go fmt.Fprint(nc, request(append([]string{command}, words...)...), request("PING"))
			if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s may keep as much as it likes", command)
			}
			nc.Close()
		}
		if got := o.do("GET", "a"); got != "1" {
			t.Errorf("the other client got %v", got)
		}
	})
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	dir, other := certificates(t), certificates(t)
	old := filepath.Join(dir, "ca.crt")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls-cert", "a"}, "--tls-cert=a: give its key with --tls-key"},
		{[]string{"--tls-client-ca", "a"}, "--tls-client-ca=a: TLS needs --tls-cert and --tls-key"},
		{[]string{"--tls-cert", dir + "/server.crt", "--tls-key", other + "/server.key"}, "private key does not match public key"},
		{[]string{"--tls-cert", dir + "/server.crt", "--tls-key", dir + "/server.key", "--tls-client-ca", dir + "/server.key"}, "there is no certificate in it"},
		{[]string{"--tls-cert", old, "--tls-key", dir + "/none"}, "none: no such file or directory"},
		{[]string{"--deny", "nope"}, "--deny=nope: nope: no such command"},
		{[]string{"--rename", "get=set"}, "--rename=get=set: set: a command has this name already"},
		{[]string{"--rate-limit", "many"}, "--rate-limit=many: give a number for each second, or 0 for any number"},
		{[]string{"--auth-timeout", "soon"}, "--auth-timeout=soon: give a time with its unit, such as 5s, or 0 for ever"},
		{[]string{"--client-memory", "much"}, "--client-memory=much: give a size such as 256mb, or 0 for no bound"},
		{[]string{"--max-clients", "0"}, "--max-clients=0: give a number from 1 on"},
		{[]string{"--audit-commands", "get"}, "--audit-commands=get: name the file with --audit"},
		{[]string{"--audit", "a", "--audit-commands", "nope"}, "--audit-commands=nope: nope: no such command"},
		{[]string{"--audit", dir}, "is a directory"},
	} {
		o := begin(t, nil, t.TempDir(), c.args...)
		select {
		case <-o.exited:
		case <-time.After(time.Minute):
			o.signal(syscall.SIGKILL)
		}
		if log := o.log.String(); !strings.Contains(log, c.want) || strings.Count(log, "\n") != 1 {
			t.Errorf("%v: %q, want %q", c.args, log, c.want)
		}
	}
}
