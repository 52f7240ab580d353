package jsonbackend

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// persistence is what the host tells INFO, asked as the engine asks.
func (d *directory) persistence() (p engine.Persistence) {
	d.Locked(func() { p = d.host.Persistence() })
	return p
}

func TestInfoIsToldOfTheDisk(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:a", "2")
	before := d.persistence()
	if before.Log == nil || before.Log.Size == 0 || before.Log.Failed || before.Changes == 0 || before.Saves != 0 || before.SaveTook >= 0 {
		t.Fatalf("%+v, log %+v", before, before.Log)
	}
	d.Locked(func() {
		if err := d.host.Save(); err != nil {
			t.Error(err)
		}
	})
	after := d.persistence()
	if after.Changes != 0 || after.Saves != 1 || after.SaveTook < 0 || !after.LastSave.After(before.LastSave) {
		t.Errorf("%+v", after)
	}
}

func TestInfoIsToldOfTheProcess(t *testing.T) {
	d := opened(t, small(t))
	p := d.host.Process()
	if p.ID == 0 || p.Executable == "" || p.UserTime+p.SystemTime == 0 {
		t.Errorf("%+v", p)
	}
}

// Of two agents under one key, one is in the file only.
func TestInfoTellsOfRecordsWithoutAKey(t *testing.T) {
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "agents.json"), `{"p:q": [{"name": "r"}], "p": [{"name": "q:r"}]}`)
	d := opened(t, dir)
	lines := strings.Join(d.host.Sections()[0].Lines, "\n")
	if want := "file_agents.json:status=ok,hidden=0,unkeyed=1,"; !strings.Contains(lines, want) {
		t.Errorf("%s is not in\n%s", want, lines)
	}
}
