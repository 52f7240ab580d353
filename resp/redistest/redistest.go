package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	startTimeout  = 20 * time.Second
	startAttempts = 5 // another process may take the free port before redis-server binds it
)

// Start runs redis-server for the rest of the test, without persistence, and
// returns its address ("127.0.0.1:40123") once it accepts connections. args
// follow the defaults and so override them: Start(t, "--appendonly", "yes").
// A machine without redis-server fails the test: without the oracle there is
// no verdict.
func Start(t testing.TB, args ...string) string {
	t.Helper()
	addr, stop, err := Run(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return addr
}

// Run is Start for programs that are not tests: the server works in dir and
// lives until stop is called. args must leave the log on standard output at
// its default level, because the log tells when the server is ready.
func Run(dir string, args ...string) (addr string, stop func(), err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, fmt.Errorf("redis-server must be installed to compare with a real Redis: %w", err)
	}
	for range startAttempts {
		var port int
		if port, err = freePort(); err != nil {
			return "", nil, err
		}
		cmd := exec.Command(path, append([]string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1",
			"--dir", dir, "--save", "", "--appendonly", "no", "--enable-debug-command", "local",
		}, args...)...)
		if err = startAndWait(cmd); err == nil {
			stop = func() {
				cmd.Process.Kill()
				cmd.Wait()
			}
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), stop, nil
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			break
		}
	}
	return "", nil, err
}

// freePort returns a TCP port nobody listens on at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// startAndWait returns when the server accepts connections; on an error it is
// dead. Readiness is read from the server's own log: a PING could be answered
// by a stranger on the same port, or refused for want of a password.
func startAndWait(cmd *exec.Cmd) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", cmd, err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd, err)
	}
	late := time.AfterFunc(startTimeout, func() { cmd.Process.Kill() })
	var log strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			if !late.Stop() {
				break
			}
			go io.Copy(io.Discard, out) // a full pipe would stop the server
			return nil
		}
		log.WriteString(lines.Text() + "\n")
	}
	late.Stop()
	cmd.Process.Kill()
	cmd.Wait()
	return fmt.Errorf("%s did not start:\n%s", cmd, log.String())
}
