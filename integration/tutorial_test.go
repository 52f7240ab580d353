package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tutorial is one session in a shell: what its page shows happens, on other ports. A line "..." stands for any lines, and
// "…" for anything within a line.
func TestTheTutorialShowsWhatHappens(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, shown := range []string{"7380", "7379", "7381", "7382"} {
		ports = append(ports, shown, port(t, freeAddress(t)))
	}
	commands, outputs := transcript(t, strings.NewReplacer(ports...).Replace(string(text)))
	s := newShell(t)
	for i, command := range commands {
		out, code := s.run(command)
		if code != "0" || !shows(outputs[i], out) {
			t.Fatalf("$ %s\nexit code %s, and\n%sinstead of\n%s\nlogs:\n%s", command, code, out, outputs[i], s.logs())
		}
	}
}

// shows reports whether a page that shows something is right when out is printed.
func shows(page, out string) bool {
	pattern := regexp.QuoteMeta(page)
	pattern = strings.ReplaceAll(pattern, regexp.QuoteMeta("...\n"), `(?:.*\n)*`)
	pattern = strings.ReplaceAll(pattern, "…", `.*`)
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n" // as the shell's prompt would
	}
	return regexp.MustCompile(`\A` + pattern + `\z`).MatchString(out)
}

// shell is a bash that somebody types into.
type shell struct {
	t      *testing.T
	dir    string
	in     io.Writer
	out    *bufio.Reader
	killed *time.Timer
}

// newShell starts one in an empty directory, with omniproxy on its PATH. It and what it starts end with the test.
func newShell(t *testing.T) *shell {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, dir: t.TempDir()}
	cmd := exec.Command("bash")
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + filepath.Dir(path) + ":" + os.Getenv("PATH"), "HOME=" + s.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if s.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	s.out = bufio.NewReader(out)
	kill := func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	s.killed = time.AfterFunc(2*time.Minute, kill)
	t.Cleanup(func() { kill(); cmd.Wait(); out.Close() })
	return s
}

// run types a command and returns what is printed, and the exit code.
func (s *shell) run(command string) (out, code string) {
	s.t.Helper()
	const end = "end of the command, exit code "
	fmt.Fprintf(s.in, "%s\necho \"%s$?\"\n", command, end)
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("$ %s\n%s%v\n%s", command, out, err, s.logs())
		}
		before, code, is := strings.Cut(line, end)
		if out += before; is {
			return out, strings.TrimSpace(code)
		}
	}
}

// logs is what the programs in the background wrote.
func (s *shell) logs() (text string) {
	files, _ := filepath.Glob(filepath.Join(s.dir, "*", "*.log"))
	for _, file := range files {
		b, _ := os.ReadFile(file)
		text += file + ":\n" + string(b)
	}
	return text
}
