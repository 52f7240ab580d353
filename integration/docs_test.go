package integration

import (
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheCommandPageIsWhatMakeDocsWrites(t *testing.T) {
	page, err := os.ReadFile("../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	made, err := exec.Command("go", "run", "../jsonbackend/engine/supported").Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), string(made)); diff != "" {
		t.Errorf("docs/commands.md is out of date, run make docs (-page +made):\n%s", diff)
	}
}
