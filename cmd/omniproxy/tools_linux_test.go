package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal returns both sides of a new terminal.
func terminal(t *testing.T) (keyboard, stdin *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	stdin, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	return keyboard, stdin
}

func TestWhoSitsAtTheTerminalIsAskedBeforeAnythingIsDeleted(t *testing.T) {
	s := newStage(t)
	for _, h := range []struct {
		action, answer, question, want string
		code                           int
	}{
		{"clear-agents", "no", "This will DELETE ALL agents in DATA. There is no undo.\nType yes to confirm: ", "omniproxy: nothing was changed: confirm with --yes\n", exitFailed},
		{"clear-agents", "yes", "This will DELETE ALL agents in DATA. There is no undo.\nType yes to confirm: ", "Cleared 33 agent(s).\n", exitOK},
		{"clear-all", "yes", "Type DELETE EVERYTHING to confirm: ", "omniproxy: nothing was changed: confirm with --yes\n", exitFailed},
		{"clear-all", "DELETE EVERYTHING", "Type DELETE EVERYTHING to confirm: ", "Cleared 0 agent(s).\nCleared 240 result(s).\nCleared 2000 metric(s).\nCleared 40 config entries.\n", exitOK},
	} {
		keyboard, stdin := terminal(t)
		if _, err := keyboard.WriteString(h.answer + "\n"); err != nil {
			t.Fatal(err)
		}
		inv, err := parse([]string{"storage", h.action, s.names.Replace("DATA")}, fakeMachine())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		code := inv.runTool(t.Context(), console{stdin: stdin, stdout: &out, stderr: &out, now: time.Now})
		if got := s.back.Replace(out.String()); code != h.code || !strings.HasSuffix(got, h.question+h.want) {
			t.Errorf("%s, %s: exit %d\n%s", h.action, h.answer, code, got)
		}
	}
}
