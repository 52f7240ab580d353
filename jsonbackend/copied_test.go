package jsonbackend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
)

// copyTo copies a part of a directory, as cp -r does.
func (d *directory) copyTo(to string, name string) {
	d.t.Helper()
	for path, text := range tree(d.t, d.opts.Dir) {
		info, err := os.Stat(d.path(path))
		if err != nil || info.IsDir() || !strings.HasPrefix(path, name) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, path)), 0o700); err != nil {
			d.t.Fatal(err)
		}
		writeText(d.t, filepath.Join(to, path), text)
	}
}

// A copy of what is remembered, then of a file that was published since, then of the log: the log has more than the file.
func TestAFileThatWasPublishedDuringACopyIsNoEdit(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:b", "3")
	d.pass()
	to := t.TempDir()
	d.copyTo(to, filepath.Join(own, "seen"))
	d.do("SET", "omni:config:a", "2")
	d.pass()
	d.copyTo(to, "config.json")
	published := d.read("config.json")
	d.do("SET", "omni:config:a", "1") // as it was remembered
	d.do("SET", "omni:config:b", "4")
	d.pass()
	d.copyTo(to, filepath.Join(own, "aof"))
	d.copyTo(to, filepath.Join(own, "out"))
	d.copyTo(to, "metrics.json")

	again := opened(t, to)
	if diff := cmp.Diff(d.dump(), again.dump()); diff != "" {
		t.Errorf("(-original +copy)\n%s", diff)
	}
	again.expect("outrun config.json")
	again.pass()
	if diff := cmp.Diff(d.read("config.json"), again.read("config.json")); diff != "" {
		t.Errorf("published (-original +copy)\n%s", diff)
	}
	for path, text := range tree(t, again.replacedDir()) {
		if path != "." && (!strings.Contains(text, `"a": 2`) || !strings.Contains(published, `"a": 2`)) {
			t.Errorf("%s keeps\n%s", path, text)
		}
	}
}

func TestAnEditOfACopyIsDone(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:b", "3")
	d.pass()
	d.crash()
	to := t.TempDir()
	d.copyTo(to, "")
	writeText(t, filepath.Join(to, "config.json"), strings.Replace(d.read("config.json"), `"a": 1`, `"a": 5`, 1))
	again := opened(t, to)
	if got := again.get("omni:config:a"); got != "SET 5" {
		t.Errorf("the edit came to %s", got)
	}
}

// The first start of a copy may be interrupted anywhere: the next one still knows that it is a copy.
func TestACrashInTheFirstStartOfACopyMakesNoEdit(t *testing.T) {
	m := modelled(t, map[string]string{"config.json": `{"a": 1, "b": 2}`})
	to := disktest.New()
	copied := func(name string) {
		for path, text := range m.disk.Files() {
			if strings.HasPrefix(path, filepath.Join(modelDir, name)) {
				must(t, disk.MakeDir(to, filepath.Dir(path), 0o700))
				must(t, disk.WriteFile(to, path, []byte(text), 0o600))
			}
		}
	}
	must(t, to.Mkdir("/that the IDs differ", 0o700))
	m.do("SET", "omni:config:b", "3")
	m.pass()
	copied(own + "/seen")
	m.do("SET", "omni:config:a", "2")
	m.pass()
	copied("config.json")
	m.do("SET", "omni:config:a", "1")
	m.do("SET", "omni:config:b", "4")
	m.pass()
	copied(own + "/aof")

	crashes := 0
	for n := 1; ; n++ {
		left := to.Kill()
		d := left.Aside()
		d.Before(disktest.CrashAt(n))
		first, err := openedOn(t, d, aof.Always)
		if err == nil {
			first.crash()
			break
		}
		crashes++
		again, err := openedOn(t, left.Kill(), aof.Always)
		if err != nil {
			t.Fatalf("crash before change %d: %v", n, err)
		}
		if diff := cmp.Diff(m.dump(), again.dump()); diff != "" {
			t.Fatalf("crash before change %d (-original +copy)\n%s", n, diff)
		}
		again.crash()
	}
	if crashes < 10 {
		t.Errorf("only %d changes", crashes)
	}
}
