package integration

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transcript returns the commands of README.md's console blocks and what they print.
func transcript(t *testing.T, text string) (commands, outputs []string) {
	t.Helper()
	inside := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console\n"
		case inside && strings.HasPrefix(line, "$ "):
			commands, outputs = append(commands, strings.TrimSpace(line[2:])), append(outputs, "")
		case inside:
			outputs[len(outputs)-1] += line
		}
	}
	if len(commands) == 0 {
		t.Fatal("README.md shows no commands")
	}
	return commands, outputs
}

func TestREADMEShowsWhatHappens(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	o := serve(t, sampleData(t))
	_, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		t.Fatal(err)
	}
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("-p 6380", "-p "+port, "sample/", o.Dir+"/", " sample", " "+o.Dir, "./omniproxy", program)
	commands, outputs := transcript(t, string(text))
	for i, command := range commands {
		// What is read back is there a moment later.
		deadline := time.Now().Add(time.Minute)
		for later := strings.HasPrefix(command, "tail") || strings.Contains(command, " GET "); ; time.Sleep(50 * time.Millisecond) {
			out, err := exec.Command("sh", "-c", here.Replace(command)).Output()
			diff := cmp.Diff(strings.TrimSuffix(outputs[i], "\n"), strings.TrimSuffix(string(out), "\n"))
			if err == nil && diff == "" {
				break
			}
			if !later || time.Now().After(deadline) {
				t.Fatalf("%s: %v (-README +now):\n%s", command, err, diff)
			}
		}
	}
}

// sampleData is a copy of what make run serves.
func sampleData(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../jsonbackend/lens/testdata/omnidaemon_data")); err != nil {
		t.Fatal(err)
	}
	return dir
}
