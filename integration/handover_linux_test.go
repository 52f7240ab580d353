package integration

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

var restarts = flag.Int("restarts", 3, "how often omniproxy is restarted under load, on each backend")

// restart has the process replaced by a new one, and waits until that goes on.
func (o *omniproxy) restart() {
	o.t.Helper()
	before := strings.Count(o.log.String(), " restarted ")
	o.cmd.Process.Signal(syscall.SIGUSR2)
	for deadline := time.Now().Add(time.Minute); strings.Count(o.log.String(), " restarted ") == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			o.signal(syscall.SIGQUIT)
			o.t.Fatalf("not restarted after a minute:\n%s", &o.log)
		}
	}
}

// keepsDescriptors checks that restarts leave none behind. The clients are consumers that wait.
func (o *omniproxy) keepsDescriptors(consumers int) {
	o.t.Helper()
	before := o.descriptors()
	for range 10 {
		o.restart()
	}
	o.waiting(consumers)
	o.eventually(fmt.Sprint("about as few descriptors as before, ", before), func() bool { return o.descriptors() < before+5 })
}

// labourers are clients that try nothing again. What they were told is to be true in the end.
type labourers struct {
	done   atomic.Int64
	mu     sync.Mutex
	failed []string
	acks   [3]int64 // of each counter
	stop   func()
}

func (l *labourers) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, err.Error())
}

func beginLabour(t *testing.T, o *omniproxy, options redis.Options) *labourers {
	l := &labourers{}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for n := range l.acks {
		options.Addr, options.Protocol, options.DB, options.ReadTimeout = o.Addr, 2+n%2, n, time.Minute
		c := redis.NewClient(&options)
		t.Cleanup(func() { c.Close() })
		counter, list := fmt.Sprint("go:counter:", n), fmt.Sprint("go:list:", n)
		all.Go(func() {
			for ctx.Err() == nil {
				l.acks[n]++
				if got, err := c.Incr(t.Context(), counter).Result(); err != nil || got != l.acks[n] {
					l.fail(fmt.Errorf("INCR: %d, %v, want %d", got, err, l.acks[n]))
				}
				transaction := func() error {
					_, err := c.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
						p.HSet(t.Context(), "go:hash", counter, l.acks[n])
						p.LPush(t.Context(), list, l.acks[n])
						return nil
					})
					return err
				}
				err := transaction()
				for options.TLSConfig != nil && err == io.EOF { // the connection was over: it was not done
					err = transaction()
				}
				if err != nil {
					l.fail(fmt.Errorf("MULTI: %w", err))
				}
				l.done.Add(4)
			}
		})
		all.Go(func() {
			for next := int64(1); ctx.Err() == nil; l.done.Add(1) {
				switch got, err := c.BRPop(t.Context(), time.Second, list).Result(); {
				case err == redis.Nil:
				case err != nil || got[1] != strconv.FormatInt(next, 10):
					l.fail(fmt.Errorf("BRPOP: %v, %v, want %d", got, err, next))
				default:
					next++
				}
			}
		})
	}
	l.stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(l.stop)
	return l
}

// listener hears messages on a connection that it never makes again.
func beginHearing(t *testing.T, o *omniproxy) *rawClient {
	t.Helper()
	c := plainClient(t, o)
	c.send("SUBSCRIBE news\r\n")
	c.expect("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
	return c
}

func plainClient(t testing.TB, o *omniproxy) *rawClient {
	t.Helper()
	c := dialRaw(t, o.Addr)
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	return c
}

func (c *rawClient) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		c.t.Fatalf("received %q (%v), want %q", got[:n], err, want)
	}
}

// onEveryBackend runs a test on json and in both pools of the proxy.
func onEveryBackend(t *testing.T, test func(t *testing.T, o *omniproxy), args ...string) {
	t.Helper()
	t.Run("json", func(t *testing.T) { test(t, serve(t, t.TempDir(), args...)) })
	for _, pool := range []string{"shared", "session"} {
		t.Run(pool, func(t *testing.T) {
			test(t, proxy(t, "redis://"+redistest.Start(t), append(args, "--pool", pool)...))
		})
	}
}

// However often omniproxy is restarted, clients that try nothing again see no failed command: go-redis, redis-py and
// OmniDaemon's consumers, which lose no task and are given none twice.
func TestARestartFailsNoCommand(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, o *omniproxy) {
		l := beginLoad(t, o)
		labour := beginLabour(t, o, redis.Options{MaxRetries: -1})
		hears := beginHearing(t, o)
		py := python(t, "handover.py", o.url(""))
		stdin, err := py.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan string, 1)
		go func() { told <- output(t, py) }()
		for n := range *restarts {
			goal := labour.done.Load() + 100
			o.restart()
			l.goesOn(o)
			o.eventually("labour goes on", func() bool { return labour.done.Load() >= goal })
			o.must(1, "PUBLISH", "news", n)
			hears.expect(fmt.Sprintf("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$%d\r\n%d\r\n", len(fmt.Sprint(n)), n))
		}
		l.stop()
		labour.stop()
		stdin.Close()
		acknowledged, failures, _ := strings.Cut(await(t, told), "\n")
		if failures != "" {
			t.Errorf("redis-py:\n%s", failures)
		}
		for _, f := range labour.failed {
			t.Errorf("go-redis: %s", f)
		}
		if n := l.failed.Load(); n > 0 {
			t.Errorf("%d tasks could not be published", n)
		}
		for n, want := range labour.acks {
			if got := o.client(n).Get(t.Context(), fmt.Sprint("go:counter:", n)).Val(); got != fmt.Sprint(want) {
				t.Errorf("counter %d is %s, %d were acknowledged", n, got, want)
			}
		}
		l.settles(o)
		o.keepsDescriptors(len(l.topics) * loadConsumers)
		t.Logf("%d commands of go-redis, %s of redis-py, none failed; clients waited %s", labour.done.Load(), acknowledged,
			strings.Join(pauses.FindAllString(o.log.String(), -1), ", "))
	})
}

var pauses = regexp.MustCompile(`"pause": "[^"]*"`)

func await(t testing.TB, ch <-chan string) string {
	t.Helper()
	select {
	case s := <-ch:
		return s
	case <-time.After(time.Minute):
		t.Fatal("nothing came for a minute")
		return ""
	}
}

// What a client has said to its connection is known to the next process.
func TestARestartKeepsWhatConnectionsAre(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, o *omniproxy) {
		c := plainClient(t, o)
		c.send("HELLO 3 SETNAME me\r\nSELECT 5\r\nSET a 1\r\nECHO end\r\n")
		readUntil(t, c, "$3\r\nend\r\n")
		watching, inMulti := plainClient(t, o), plainClient(t, o)
		watching.send("WATCH a\r\n")
		watching.expect("+OK\r\n")
		half := plainClient(t, o)
		half.send("*2\r\n$4\r\nECHO\r\n$5\r\nhe")
		silent := plainClient(t, o)
		silent.send("CLIENT REPLY OFF\r\n")
		o.restart()
		c.send("GET a\r\nCLIENT GETNAME\r\nGET b\r\n")
		c.expect("$1\r\n1\r\n$2\r\nme\r\n_\r\n")
		watching.send("MULTI\r\nGET a\r\nEXEC\r\nPING\r\n")
		watching.expect("+OK\r\n+QUEUED\r\n*-1\r\n+PONG\r\n")
		half.send("llo\r\n")
		half.expect("$5\r\nhello\r\n")
		silent.send("PING\r\nCLIENT REPLY ON\r\n")
		silent.expect("+OK\r\n")
		// A transaction under way is waited for, and ends.
		inMulti.send("MULTI\r\nINCR n\r\n")
		inMulti.expect("+OK\r\n+QUEUED\r\n")
		go func() {
			time.Sleep(100 * time.Millisecond) // so that it comes during the restart, most often
			io.WriteString(inMulti, "EXEC\r\n")
		}()
		o.restart()
		inMulti.expect("*1\r\n:1\r\n")
	}, "--drain-timeout", "30s")
}

// Who stays inside a transaction is not waited for: on json it goes along, at Redis it is lost with the connection.
func TestARestartWaitsForNoTransactionThatStaysOpen(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, o *omniproxy) {
		c, spoiled := plainClient(t, o), plainClient(t, o)
		c.send("MULTI\r\nINCR n\r\n")
		c.expect("+OK\r\n+QUEUED\r\n")
		spoiled.send("MULTI\r\nINCR\r\n")
		readUntil(t, spoiled, "command\r\n")
		o.restart()
		spoiled.send("EXEC\r\n")
		readUntil(t, spoiled, "-EXECABORT")
		c.send("EXEC\r\n")
		if json := o.Dir != ""; json {
			c.expect("*1\r\n:1\r\n")
		} else {
			c.expect("-EXECABORT Transaction discarded because omniproxy: the upstream Redis was lost during the transaction\r\n")
		}
	}, "--drain-timeout", "10ms")
}

func readUntil(t testing.TB, c *rawClient, end string) {
	t.Helper()
	var text []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(text), end); text = append(text, b...) {
		if _, err := c.Read(b); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
}

// startAs starts a program that calls itself by some path.
func startAs(t *testing.T, program, name string, args ...string) *omniproxy {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	o := &omniproxy{t: t, Dir: t.TempDir(), exited: make(chan struct{})}
	o.cmd = omniproxyCommand(t, append([]string{"--dir", o.Dir, "--listen", "127.0.0.1:0", "--ready-file", ready}, args...)...)
	o.cmd.Path, o.cmd.Args[0] = program, name
	o.cmd.Stderr = &o.log
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.signal(syscall.SIGTERM) })
	go func() { o.cmd.Wait(); close(o.exited) }()
	o.eventually("ready", func() bool { _, err := os.Stat(ready); return err == nil })
	addr, err := os.ReadFile(ready)
	if err != nil {
		t.Fatal(err)
	}
	o.Addr = strings.TrimSpace(string(addr))
	return o
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "omniproxy")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// A new program or new settings that are wrong change nothing.
func TestARestartThatCannotWorkIsNotBegun(t *testing.T) {
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(settings, []byte("max-block: 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]*omniproxy{
		"broken program": startAs(t, program, script(t, "sleep 60 & echo it is broken >&2; exit 1")),
		"wrong settings": startAs(t, program, program, "--config", settings),
	} {
		c := plainClient(t, o)
		c.send("SET a 1\r\n")
		c.expect("+OK\r\n")
		os.WriteFile(settings, []byte("no-such-setting: 0\n"), 0o644)
		o.cmd.Process.Signal(syscall.SIGUSR2)
		o.logs("not restarted")
		if log := o.log.String(); !strings.Contains(log, "it is broken") && !strings.Contains(log, "no-such-setting") {
			t.Errorf("%s: it is not said why:\n%s", name, log)
		}
		c.send("GET a\r\n")
		c.expect("$1\r\n1\r\n")
	}
}

// Where the next process cannot be started after all, this one takes everything back.
func TestARestartThatFailsIsTakenBack(t *testing.T) {
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	once := `echo nonsense > "$0"; exec ` + program + ` "$@"` + "\n" // right when it is checked, and then never
	o := startAs(t, program, script(t, once))
	c := plainClient(t, o)
	c.send("SET a 1\r\nSELECT 1\r\n")
	c.expect("+OK\r\n+OK\r\n")
	for n := range 2 { // and it can be asked again
		o.restart()
		if got := strings.Count(o.log.String(), "cannot start the next process; this one goes on"); got != n+1 {
			t.Fatalf("it is not said what happened:\n%s", &o.log)
		}
		if err := os.WriteFile(o.cmd.Args[0], []byte("#!/bin/sh\n"+once), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o.cmd.Process.Signal(syscall.SIGHUP)
	o.logs(wasReloaded)
	c.send("GET a\r\nSELECT 0\r\nGET a\r\n")
	c.expect("$-1\r\n+OK\r\n$1\r\n1\r\n")
	newcomer := plainClient(t, o)
	newcomer.send("PING\r\n")
	newcomer.expect("+PONG\r\n")
}

// listening returns a socket that listens, as a service manager has one.
func listening(t *testing.T) (socket *os.File, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the duplicate lives on
	if socket, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket, l.Addr().String()
}

// activated starts omniproxy as a socket unit of systemd does.
func activated(t *testing.T, l *os.File, args ...string) *omniproxy {
	t.Helper()
	o := &omniproxy{t: t, exited: make(chan struct{})}
	o.cmd = omniproxyCommand(t, args...)
	o.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=omniproxy.socket exec "$0" "$@"`, o.cmd.Path)
	o.cmd.Args = append(o.cmd.Args, args...)
	o.cmd.ExtraFiles, o.cmd.Stderr = []*os.File{l}, &o.log
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.signal(syscall.SIGTERM) })
	go func() { o.cmd.Wait(); close(o.exited) }()
	return o
}

// While systemd has the socket nobody is refused, not even while no omniproxy runs at all.
func TestASocketOfTheServiceManagerRefusesNobody(t *testing.T) {
	socket, addr := listening(t)
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	var answered atomic.Int64
	over := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			nc.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(nc, "PING\r\n")
			reply := make([]byte, 64)
			n, err := nc.Read(reply)
			nc.Close()
			if got := string(reply[:n]); got != "+PONG\r\n" && !strings.HasPrefix(got, "-LOADING ") {
				t.Errorf("PING: %q, %v", got, err)
			}
			answered.Add(1)
		}
	}()
	defer func() { stop(); <-over }()
	for n := range 4 {
		o := activated(t, socket, "--dir", dir, "--listen", addr)
		goal := answered.Load() + 20
		o.eventually("newcomers are answered", func() bool { return answered.Load() >= goal })
		if n == 1 {
			o.restart()
			goal = answered.Load() + 20
			o.eventually("newcomers are answered after a restart", func() bool { return answered.Load() >= goal })
		}
		o.stop()
	}
	activated(t, socket, "--dir", dir, "--listen", addr)
}

func TestASocketThatNobodyAskedForIsAnError(t *testing.T) {
	socket, addr := listening(t)
	o := activated(t, socket, "--dir", t.TempDir(), "--listen", "127.0.0.1:0")
	<-o.exited
	if code := o.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(o.log.String(), addr+" and --listen does not name it") {
		t.Errorf("exit code %d:\n%s", code, &o.log)
	}
}
