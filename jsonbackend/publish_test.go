package jsonbackend

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
)

func TestPublishingKeepsWhatTheFileIs(t *testing.T) {
	dir, elsewhere := small(t), t.TempDir()
	link, real := filepath.Join(dir, "config.json"), filepath.Join(elsewhere, "real.json")
	if err := errors.Join(os.Rename(link, real), os.Symlink(real, link), os.Chmod(real, 0o640)); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "results.json")
	if err := os.Symlink(filepath.Join("..", filepath.Base(elsewhere), "later.json"), dangling); err != nil {
		t.Fatal(err)
	}
	elsewhere = filepath.Join(filepath.Dir(dir), filepath.Base(elsewhere))
	d := opened(t, dir)
	writeText(t, stageName(real), "what a crash left")
	d.do("SET", "omni:config:a", "9")
	d.do("SET", "omni:result:r", `{"task_id": "r", "result": 1, "saved_at": 1.0}`)
	d.pass()
	d.expect("published results.json", "published config.json")
	for _, path := range []string{link, dangling} {
		if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("%s is no link any more: %v", path, err)
		}
	}
	info, err := os.Stat(real)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v %v, want 0640", info.Mode(), err)
	}
	for _, dir := range []string{dir, elsewhere} {
		if left, _ := filepath.Glob(filepath.Join(dir, ".*.omniproxy*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if got := d.read("config.json"); !strings.Contains(got, `"a": 9`) {
		t.Errorf("config.json:\n%s", got)
	}
}

func TestAPrivateFileIsNeverReadableByOthers(t *testing.T) {
	m := modelled(t, map[string]string{"config.json": "{}"})
	conf, err := m.disk.Open(m.path("config.json"), os.O_WRONLY, 0)
	if err == nil {
		err = conf.Resemble(disk.Info{Mode: 0o600})
	}
	if err != nil {
		t.Fatal(err)
	}
	aside := m.disk.Aside()
	m.disk.Before(func(op disktest.Op) error {
		if info, err := aside.Stat(stageName(m.path("config.json"))); err == nil && info.Mode.Perm() != 0o600 {
			t.Errorf("%s while its mode is %v", op.Name, info.Mode)
		}
		return nil
	})
	m.do("SET", "omni:config:a", "9")
	m.pass()
	m.expect("published config.json")
}

func TestAFileThatCannotBePublishedIsToldOnceAndTriedAgain(t *testing.T) {
	dir, elsewhere := small(t), filepath.Join(t.TempDir(), "not", "there")
	link := filepath.Join(dir, "results.json")
	if err := os.Symlink(filepath.Join(elsewhere, "results.json"), link); err != nil {
		t.Fatal(err)
	}
	d := opened(t, dir)
	d.do("SET", "omni:result:r", `{"task_id": "r", "result": 1, "saved_at": 1.0}`)
	d.do("SET", "omni:config:a", "9")
	d.pass()
	told := d.told.take()
	if len(told) != 2 || !strings.HasPrefix(told[0], "unpublished results.json: ") || !strings.Contains(told[0], "no such file") || told[1] != "published config.json" {
		t.Errorf("told: %q", told)
	}
	if info := d.file("results.json").status.Load().lines("results.json"); len(info) != 2 || !strings.HasPrefix(info[0], "file_results.json:status=unpublished,") {
		t.Errorf("INFO: %q", info)
	}
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	d.pass()
	d.expect("published results.json")
	if info := d.file("results.json").status.Load().lines("results.json"); len(info) != 1 || !strings.HasPrefix(info[0], "file_results.json:status=ok,") {
		t.Errorf("INFO: %q", info)
	}
	if got := d.read("results.json"); !strings.Contains(got, `"task_id": "r"`) {
		t.Errorf("results.json:\n%s", got)
	}
}

func TestWhatIsAsItWasIsNotPublished(t *testing.T) {
	d := opened(t, small(t))
	before, _ := os.Stat(d.path("config.json"))
	d.do("SET", "omni:config:a", "9")
	d.do("SET", "omni:config:a", "1")
	d.do("HSET", "somewhere", "else", "1")
	d.do("DEL", "somewhere")
	d.pass()
	d.expect()
	if after, err := os.Stat(d.path("config.json")); err != nil || !os.SameFile(before, after) {
		t.Errorf("config.json was written: %v", err)
	}
}

func TestPublishingTakesAtMostATwentiethOfTheTime(t *testing.T) {
	d := opened(t, small(t))
	f := d.file("config.json")
	d.do("SET", "omni:config:a", "2")
	begun := time.Now()
	d.publish(begun)
	took := time.Since(begun)
	d.do("SET", "omni:config:a", "3")
	if f.due(f.next.Add(-1)) || !f.due(f.next) {
		t.Error("the pace is not kept")
	}
	if rest := f.next.Sub(begun); rest <= paceFactor*f.took || f.took <= 0 || f.took > took {
		t.Errorf("publishing took %v of %v, the next one comes after %v", f.took, took, rest)
	}
}

func TestNothingToDoCostsNothing(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:a", "2")
	d.do("SET", "other", "2")
	d.pass()
	d.told.take()
	for _, f := range d.files {
		if f.due(d.now.Add(time.Hour)) {
			t.Errorf("%s is due though nothing was written", f.File())
		}
	}
}

func TestAFlushMarksEveryFile(t *testing.T) {
	d := opened(t, fixture(t, "omnidaemon_data"))
	d.Locked(func() { d.flushed(0) })
	for _, f := range d.files {
		if !f.due(d.now) {
			t.Errorf("%s is not looked at", f.File())
		}
	}
	d.pass()
	d.expect() // and is not written, for nothing is gone
}

// The cap is for clients' XADDs (see the integration tests).
func TestNeitherLoadsNorEditsTrimMetrics(t *testing.T) {
	d := opened(t, fixture(t, "omnidaemon_data"), func(o *Options) { o.MetricsCap = 5 })
	if got := d.Counts().Metrics; got != 2000 {
		t.Errorf("a load left %d metrics, want 2000", got)
	}
	text := d.read("metrics.json")
	d.write("metrics.json", text[:len(text)-1]+",{\"n\": 1, \"saved_at\": 4000000000.0}]")
	d.pass()
	d.expect("edited metrics.json: 1")
	if got := d.Counts().Metrics; got != 2001 {
		t.Errorf("an edit left %d metrics, want 2001", got)
	}
}

func TestShutdownPublishesWhateverThePace(t *testing.T) {
	d := opened(t, small(t))
	d.start()
	d.do("SET", "omni:config:a", "9")
	d.file("config.json").next = time.Now().Add(time.Hour)
	d.replace("config.json", `"b":    2`, `"b": 7`)
	d.shut()
	if want := "{\n  \"a\": 9,\n  \"b\": 7,\n  \"c\": [1,2]\n}"; d.read("config.json") != want {
		t.Errorf("config.json:\n%s", d.read("config.json"))
	}
	after := opened(t, d.opts.Dir)
	if diff := cmp.Diff(d.dump(), after.dump()); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}
