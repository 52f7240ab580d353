package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// binary is omniproxy as a user runs it, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "omniproxy-test-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // some tests run it as somebody else
		return "", err
	}
	path := filepath.Join(dir, "omniproxy")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/omniproxy").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if addr := os.Getenv(goodClientVariable); addr != "" {
		if err := beGoodClient(addr, os.Getenv(goodClientVariable+"_TLS") != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// omniproxy is a running process.
type omniproxy struct {
	t       testing.TB
	cmd     *exec.Cmd
	log     logText
	exited  chan struct{} // closed at its end
	clients []*redis.Client
	Addr    string // HOST:PORT or unix:PATH
	Dir     string
}

// logText is what a process wrote to standard error so far.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// omniproxyCommand prepares omniproxy with an environment of its own, but for the runtime's memory limit.
func omniproxyCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GOMEMLIMIT=" + os.Getenv("GOMEMLIMIT")}
	return cmd
}

// runToEnd runs omniproxy to its end and returns its exit code and what it wrote.
func runToEnd(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := omniproxyCommand(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// serve starts omniproxy on a directory and a free port, waits until clients can connect, and stops it when the test is
// over.
func serve(t testing.TB, dir string, args ...string) *omniproxy {
	t.Helper()
	return serveAs(t, nil, dir, args...)
}

// serveAs does what serve does, as somebody else if who is not nil.
func serveAs(t testing.TB, who *syscall.Credential, dir string, args ...string) *omniproxy {
	t.Helper()
	ready := filepath.Join(dirFor(t, who), "ready")
	o := begin(t, who, dir, append([]string{"--ready-file", ready}, args...)...)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if addr, err := os.ReadFile(ready); err == nil {
			o.Addr = strings.TrimSpace(string(addr))
			return o
		}
		select {
		case <-o.exited:
			t.Fatalf("omniproxy ended before it was ready:\n%s", &o.log)
		default:
		}
		if time.Now().After(deadline) {
			o.signal(syscall.SIGQUIT)
			t.Fatalf("omniproxy is not ready after a minute:\n%s", &o.log)
		}
	}
}

// begin starts what serveAs waits for.
func begin(t testing.TB, who *syscall.Credential, dir string, args ...string) *omniproxy {
	t.Helper()
	o := &omniproxy{t: t, Dir: dir, exited: make(chan struct{})}
	o.cmd = omniproxyCommand(t, append([]string{"serve", "--dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
	o.cmd.Stderr = &o.log
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.signal(syscall.SIGTERM) })
	go func() { o.cmd.Wait(); close(o.exited) }()
	return o
}

// dirFor makes a directory that belongs to somebody, nil being oneself.
func dirFor(t testing.TB, who *syscall.Credential) string {
	t.Helper()
	dir := t.TempDir()
	if who == nil {
		return dir
	}
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stop ends the process as a user would, and returns what it logged.
func (o *omniproxy) stop() string {
	o.t.Helper()
	o.signal(syscall.SIGTERM)
	if code := o.cmd.ProcessState.ExitCode(); code != 0 {
		o.t.Fatalf("exit code %d:\n%s", code, &o.log)
	}
	return o.log.String()
}

// kill ends the process as a crash does.
func (o *omniproxy) kill() { o.signal(syscall.SIGKILL) }

// signal sends a signal and waits for the end. The test's own clients leave first: nobody waits for them to.
func (o *omniproxy) signal(s syscall.Signal) {
	for _, c := range o.clients {
		c.Close()
	}
	o.clients = nil
	o.cmd.Process.Signal(s)
	select {
	case <-o.exited:
	case <-time.After(40 * time.Second):
		o.t.Error("omniproxy does not end")
	}
}

// client connects to a database.
func (o *omniproxy) client(db int) *redis.Client {
	network, addr := "tcp", o.Addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	c := redis.NewClient(&redis.Options{Network: network, Addr: addr, DB: db, Protocol: 2, MaxRetries: -1, DisableIdentity: true,
		ReadTimeout: 30 * time.Second, ContextTimeoutEnabled: true})
	o.clients = append(o.clients, c)
	return c
}

// do sends a command to database 0 and returns the reply, or the error reply as text.
func (o *omniproxy) do(words ...any) any {
	o.t.Helper()
	if len(o.clients) == 0 {
		o.client(0)
	}
	reply, err := o.clients[0].Do(context.Background(), words...).Result()
	switch {
	case err == redis.Nil:
		return nil
	case err != nil:
		return err.Error()
	}
	return reply
}

// must fails the test where the reply is not as expected.
func (o *omniproxy) must(want any, words ...any) {
	o.t.Helper()
	if got := o.do(words...); fmt.Sprint(got) != fmt.Sprint(want) {
		o.t.Fatalf("%v: %v, want %v\n%s", words, got, want, &o.log)
	}
}

// path is that of a file in the data directory.
func (o *omniproxy) path(name string) string { return filepath.Join(o.Dir, name) }

// read returns a file's text; "" if it is not there.
func (o *omniproxy) read(name string) string {
	text, _ := os.ReadFile(o.path(name))
	return string(text)
}

// eventually waits for something that omniproxy does in the background.
func (o *omniproxy) eventually(what string, done func() bool) {
	o.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			o.t.Fatalf("after 10 s: not %s\n%s", what, &o.log)
		}
	}
}

// logs waits until the log says something.
func (o *omniproxy) logs(text string) {
	o.t.Helper()
	o.eventually("logged "+text, func() bool { return strings.Contains(o.log.String(), text) })
}

// published waits until a file holds some text.
func (o *omniproxy) published(name, text string) {
	o.t.Helper()
	o.eventually("published "+text+" in "+name, func() bool { return strings.Contains(o.read(name), text) })
}
