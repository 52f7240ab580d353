package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// validated runs omniproxy validate, with nobody at the terminal.
func validated(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	inv, err := parse(append([]string{"validate"}, args...), fakeMachine())
	if err != nil {
		return exitUsage, "", err.Error()
	}
	var stdout, stderr bytes.Buffer
	c := console{stdout: &stdout, stderr: &stderr, now: func() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) }}
	code = inv.Validate.run(t.Context(), c)
	return code, stdout.String(), stderr.String()
}

// store is a copy of files that OmniDaemon, or a person, wrote.
func store(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "jsonbackend", "lens", "testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheExitCodeOfValidateSaysWhatWasFound(t *testing.T) {
	clean, nasty, broken := t.TempDir(), store(t, "nasty_data"), t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "agents.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	warned := store(t, "omnidaemon_data")
	for _, tt := range []struct {
		args string
		want int
	}{
		{clean, exitOK},
		{warned, exitOK},
		{warned + " --fail-on warning", exitFailed},
		{warned + " --fail-on info", exitFailed},
		{warned + " --fail-on warning --rules OMN023", exitOK},
		{nasty, exitFailed},
		{nasty + " --fail-on never", exitOK},
		{nasty + " --max-findings 1", exitFailed},
		{clean + " " + nasty, exitFailed},
		{broken, exitUnread},
		{nasty + " " + broken + " --fail-on never", exitUnread},
		{filepath.Join(clean, "gone"), exitUnread},
		{"redis://127.0.0.1:1", exitUnread},
		{nasty + " --format yaml", exitUsage},
		{nasty + " --fail-on all", exitUsage},
		{nasty + " --rules OMN007", exitUsage},
		{nasty + " --max-findings -1", exitUsage},
		{nasty + " --settle 2", exitUsage},
		{nasty + " --families gone.yaml", exitUsage},
		{nasty + " --baseline gone.txt", exitUsage},
		{nasty + " --yes", exitUsage},
		{nasty + " --fix --undo x", exitUsage},
		{nasty + " --fix --format json", exitUsage},
		{nasty + " " + clean + " --fix --yes", exitUsage},
		{nasty + " --baseline a --write-baseline b", exitUsage},
	} {
		code, out, errs := validated(t, strings.Fields(tt.args)...)
		if code != tt.want || (code == exitUnread || code == exitUsage) != (errs != "") {
			t.Errorf("validate %s: exit %d, want %d\n%.200s\n%s", tt.args, code, tt.want, out, errs)
		}
	}
}

func TestABaselineIsWrittenAndThenNothingIsNew(t *testing.T) {
	dir, file := store(t, "nasty_data"), filepath.Join(t.TempDir(), "known.txt")
	if code, out, errs := validated(t, dir, "--write-baseline", file); code != exitOK || out+errs != "" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	if code, out, _ := validated(t, dir, "--baseline", file, "--fail-on", "info"); code != exitOK || strings.Count(out, "\n") != 1 {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestAFixIsShownThenMadeAndCanBeTakenBack(t *testing.T) {
	dir, undo := store(t, "omnidaemon_data"), filepath.Join(t.TempDir(), "undo.txt")
	const want = `SET omni:config:_supervisor_registry "[\"analyzer\"]"` + "\n"
	code, out, errs := validated(t, dir, "--fix")
	if code != exitOK || out != want || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(dir, ".omniproxy")); err == nil {
		t.Error("a dry run wrote the directory")
	}
	code, out, errs = validated(t, dir, "--fix", "--yes", "--undo", undo)
	if code != exitOK || out != want || !strings.Contains(errs, "1 changes were made") || !strings.Contains(errs, "redis-cli < "+undo) {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	text, err := os.ReadFile(undo)
	if err != nil || !strings.Contains(string(text), `SET omni:config:_supervisor_registry "[\"analyzer\", \"svc:worker:1\"]"`) {
		t.Errorf("%s, %v", text, err)
	}
	if code, _, errs := validated(t, dir, "--fix", "--yes", "--undo", undo); code != exitFailed || !strings.Contains(errs, "exists") {
		t.Errorf("an undo file is overwritten: exit %d, %s", code, errs)
	}
	other := undo + "2"
	if code, out, _ := validated(t, dir, "--fix", "--yes", "--undo", other); code != exitOK || out != "" {
		t.Errorf("a second run: exit %d: %s", code, out)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("an empty undo file is left")
	}
}

func TestSeveralSourcesAreOneDocument(t *testing.T) {
	_, out, _ := validated(t, store(t, "nasty_data"), store(t, "omnidaemon_data"), "--format", "json", "--max-findings", "0")
	var document struct {
		Sources []struct {
			Keys int
		}
		Findings []map[string]any
	}
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatal(err)
	}
	if len(document.Sources) != 2 || document.Sources[1].Keys != 328 || len(document.Findings) != 63+171 {
		t.Errorf("%+v, %d findings", document.Sources, len(document.Findings))
	}
}
