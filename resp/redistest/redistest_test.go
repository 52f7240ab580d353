package redistest

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// ask sends one inline command and returns the first line of the reply.
func ask(t *testing.T, addr, command string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, command+"\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestStartedServersAnswerAndAreApart(t *testing.T) {
	a, b := Start(t), Start(t)
	if got := ask(t, a, "SET k 1"); got != "+OK" {
		t.Fatalf("SET on the first server: %s", got)
	}
	if got := ask(t, b, "EXISTS k"); got != ":0" {
		t.Fatalf("EXISTS on the second server: %s", got)
	}
}

func TestArgumentsOverrideDefaults(t *testing.T) {
	addr := Start(t, "--requirepass", "secret")
	if got := ask(t, addr, "PING"); !strings.HasPrefix(got, "-NOAUTH") {
		t.Fatalf("PING without password: %s", got)
	}
}

func TestStopEndsTheServer(t *testing.T) {
	addr, stop, err := Run(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Fatal("the server still accepts connections")
	}
}

func TestRefusedArgumentsAreReported(t *testing.T) {
	_, _, err := Run(t.TempDir(), "--no-such-option", "1")
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Fatalf("error should quote redis-server: %v", err)
	}
}

func TestMissingServerIsNamed(t *testing.T) {
	t.Setenv("PATH", "")
	_, _, err := Run(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "redis-server must be installed") {
		t.Fatalf("got %v", err)
	}
}
