package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// manager stands for a service manager. It returns the next state that it is told.
func manager(t *testing.T) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		state := make([]byte, 100)
		if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(state)
		if err != nil {
			t.Fatal(err)
		}
		return string(state[:n])
	}
}

func TestTheServiceManagerIsToldOfStartAndStop(t *testing.T) {
	for _, args := range []string{"--dir=" + t.TempDir(), "--backend=redis --upstream=redis://127.0.0.1:1"} {
		next := manager(t)
		signals := make(chan os.Signal, 1)
		s := settingsOf(t, "--listen=127.0.0.1:0 "+args, "")
		ended := make(chan int, 1)
		go func() { ended <- newProcess([]Settings{s}, zap.NewNop(), zap.NewAtomicLevel(), signals).run() }()
		if got := next(); got != stateReady {
			t.Errorf("%s: %q, want %q", args, got, stateReady)
		}
		signals <- os.Interrupt
		if got := next(); got != stateStopping {
			t.Errorf("%s: %q, want %q", args, got, stateStopping)
		}
		if code := <-ended; code != exitOK {
			t.Errorf("%s: exit code %d", args, code)
		}
	}
}

func TestAServiceManagerThatIsGoneIsLogged(t *testing.T) {
	for path, lines := range map[string]int{"": 0, filepath.Join(t.TempDir(), "none"): 1} {
		t.Setenv("NOTIFY_SOCKET", path)
		core, logs := observer.New(zap.DebugLevel)
		notify(zap.New(core), stateReady)
		if logs.Len() != lines || lines == 1 && !strings.Contains(logs.All()[0].Message, "service manager") {
			t.Errorf("%q: %v", path, logs.All())
		}
	}
}
