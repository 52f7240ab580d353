package jsonbackend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
