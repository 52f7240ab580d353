package integration

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

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
	commands, outputs := transcript(t, string(text))
	for i, command := range commands {
		out, err := exec.Command("sh", "-c", strings.Replace(command, "-p 6380", "-p "+port, 1)).Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if diff := cmp.Diff(outputs[i], string(out)); diff != "" {
			t.Errorf("%s (-README +now):\n%s", command, diff)
		}
	}
	o.stop()
	config, err := os.ReadFile(o.Dir + "/config.json")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(text), "```json\n")
	shown, _, _ = strings.Cut(shown, "\n```")
	if !strings.HasSuffix(string(config), shown) {
		t.Errorf("config.json does not end as README.md says, but with:\n%s", config[max(len(config)-200, 0):])
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
