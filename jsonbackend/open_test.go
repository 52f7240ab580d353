package jsonbackend

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

func TestAFirstLoadReadsAndWritesNothing(t *testing.T) {
	for _, name := range []string{"omnidaemon_data", "nasty_data"} {
		t.Run(name, func(t *testing.T) {
			dir := fixture(t, name)
			before := jsonFiles(t, dir)
			d := opened(t, dir)
			if len(d.dump()) == 0 {
				t.Error("nothing was loaded")
			}
			d.pass()
			d.expect()
			d.crash()
			if diff := cmp.Diff(before, jsonFiles(t, dir)); diff != "" {
				t.Errorf("(-before +after)\n%s", diff)
			}
			if diff := cmp.Diff(before, jsonFiles(t, filepath.Join(dir, own, "originals"))); diff != "" {
				t.Errorf("(-before +originals)\n%s", diff)
			}
		})
	}
}

func TestARestartKnowsWhatAFirstLoadLoaded(t *testing.T) {
	for _, name := range []string{"omnidaemon_data", "nasty_data"} {
		t.Run(name, func(t *testing.T) {
			first := opened(t, fixture(t, name))
			before := first.dump()
			second := first.reopened()
			if diff := cmp.Diff(before, second.dump()); diff != "" {
				t.Errorf("(-before +after)\n%s", diff)
			}
			second.pass()
			second.expect()
		})
	}
}

func TestAFileThatCannotBeReadStopsAFirstLoad(t *testing.T) {
	for name, tt := range map[string]struct {
		file, text string
		want       string
	}{
		"syntax":            {"results.json", "{\n  \"a\": {,}\n}", `results\.json:2:9: Expecting .+`},
		"control character": {"config.json", "{\"a\": \"x\n\"}", `config\.json:1:9: Invalid control character`},
		"empty line at end": {"config.json", "{\"a\": 1}\n\n}", `config\.json:3:1: .+`},
		"another shape":     {"agents.json", "[]", `agents\.json:1:1: Expecting an object.*`},
		"nothing":           {"results.json", " \n", `results\.json:1:1: .+`},
		"not UTF-8":         {"config.json", "{\"a\": \"\xff\"}", `config\.json:1:\d+: .+`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := small(t)
			writeText(t, filepath.Join(dir, tt.file), tt.text)
			before := tree(t, dir)
			d, err := open(testOptions(dir, &events{}))
			if err == nil {
				d.abandon()
				t.Fatal("opened")
			}
			if !regexp.MustCompile("^" + regexp.QuoteMeta(dir) + "/" + tt.want + "$").MatchString(err.Error()) {
				t.Errorf("error: %v", err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("touched (-before +after)\n%s", diff)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		dir := small(t)
		if err := os.Mkdir(filepath.Join(dir, "results.json"), 0o755); err != nil {
			t.Fatal(err)
		}
		before := tree(t, dir)
		d, err := open(testOptions(dir, &events{}))
		if err == nil {
			d.abandon()
			t.Fatal("opened")
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("touched (-before +after)\n%s", diff)
		}
	})
}

func TestANewerFormatIsRefused(t *testing.T) {
	d := opened(t, small(t))
	d.crash()
	for _, says := range []string{"2\n", "two"} {
		d.write(".omniproxy/format", says)
		before := tree(t, d.opts.Dir)
		b, err := open(testOptions(d.opts.Dir, &events{}))
		if err == nil {
			b.abandon()
			t.Fatalf("format %q: opened", says)
		}
		if !strings.Contains(err.Error(), d.path(".omniproxy/format")) {
			t.Errorf("format %q: %v", says, err)
		}
		if diff := cmp.Diff(before, tree(t, d.opts.Dir)); diff != "" {
			t.Errorf("format %q: touched (-before +after)\n%s", says, diff)
		}
	}
}

// The base of the append-only file is the last thing a first load writes. Without it everything else counts for nothing:
// else the files would be compared with an empty keyspace, and emptied.
func TestAFirstLoadThatWasInterruptedBeginsAnew(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, log string){
		"no log": func(*testing.T, string) {},
		"an empty log": func(t *testing.T, log string) {
			l, _, err := aof.Open(log, aof.Options{}, aof.Replay{Effect: func(int, [][]byte) error { return nil }})
			if err == nil {
				err = l.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fixture(t, "omnidaemon_data")
			files := jsonFiles(t, dir)
			first := opened(t, dir)
			want := first.dump()
			first.crash()
			log := first.path(".omniproxy/aof")
			if err := os.RemoveAll(log); err != nil {
				t.Fatal(err)
			}
			lose(t, log)
			second := opened(t, dir)
			if diff := cmp.Diff(want, second.dump()); diff != "" {
				t.Errorf("(-first load +second)\n%s", diff)
			}
			if last := second.file("metrics.json").seen.Last(seen.Newest); last == nil || last.Number != 1 {
				t.Errorf("remembered from before the log was lost: %v", last)
			}
			second.pass()
			if diff := cmp.Diff(files, jsonFiles(t, dir)); diff != "" {
				t.Errorf("files (-before +after)\n%s", diff)
			}
		})
	}
}

func TestAStartRemovesWhatACrashLeftHalfPublished(t *testing.T) {
	d := opened(t, small(t))
	staged := stageName(d.path("config.json"))
	writeText(t, staged, "{")
	d.reopened()
	if _, err := os.Lstat(staged); err == nil {
		t.Errorf("%s is still there", staged)
	}
}

func TestATornUnitIsToldAndCutOff(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:a", "2")
	d.do("SET", "omni:config:a", "3")
	d.crash()
	logs, _ := filepath.Glob(d.path(".omniproxy/aof/*.incr.aof"))
	log := logs[len(logs)-1]
	text, err := os.ReadFile(log)
	if err == nil {
		err = os.Truncate(log, int64(bytes.LastIndex(text, []byte("#unit"))+5))
	}
	if err != nil {
		t.Fatal(err)
	}
	after := opened(t, d.opts.Dir)
	after.expect("torn " + filepath.Base(log))
	if got := after.get("omni:config:a"); got != "SET 2" {
		t.Errorf("after the cut: %s", got)
	}
}

func TestOriginalsAreKeptOnce(t *testing.T) {
	d := opened(t, small(t))
	before := d.read("config.json")
	for _, v := range []string{"2", "3"} {
		d.do("SET", "omni:config:a", v)
		d.pass()
	}
	d = d.reopened()
	d.do("SET", "omni:config:a", "4")
	// A file that was not there, and one that somebody adds later.
	d.do("SADD", "omni:topics", "t")
	d.write("results.json", "{ }")
	d.pass()
	d.do("SADD", "omni:topics", "u")
	d.pass()
	d.do("SET", "omni:result:r", `{"task_id": "r", "result": 1, "saved_at": 1.0}`)
	d.pass()
	want := map[string]string{"config.json": before, "metrics.json": d.read("metrics.json"), "results.json": "{ }"}
	if diff := cmp.Diff(want, jsonFiles(t, d.path(".omniproxy/originals"))); diff != "" {
		t.Errorf("(-want +originals)\n%s", diff)
	}
}

func TestWhatBelongsToUsIsKeptOutOfRepositories(t *testing.T) {
	d := opened(t, small(t))
	if got := d.read(".omniproxy/.gitignore"); got != "*\n" {
		t.Errorf(".gitignore: %q", got)
	}
	info, err := os.Stat(d.path(".omniproxy"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may read .omniproxy: %v %v", info.Mode(), err)
	}
}

func TestTransientBackendsLeaveTheDirectoryAlone(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"read-only": func(o *Options) { o.ReadOnly = true },
		"ephemeral": func(o *Options) { o.Ephemeral = true },
	} {
		t.Run(name, func(t *testing.T) {
			dir := small(t)
			before := tree(t, dir)
			d := opened(t, dir, change)
			d.do("SET", "omni:config:a", "5")
			d.do("DEL", "omni:metrics:stream")
			d.pass()
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("touched (-before +after)\n%s", diff)
			}
			for _, f := range d.files {
				if f.due(d.now) {
					t.Errorf("%s waits to be published", f.File())
				}
			}
			d.replace("config.json", `"b":    2`, `"b": 3`)
			d.pass()
			d.expect("edited config.json: 1")
			if a, b := d.get("omni:config:a"), d.get("omni:config:b"); a != "SET 5" || b != "SET 3" {
				t.Errorf("after an edit of b: a %q b %q", a, b)
			}
			d.replace("config.json", `"b": 3`, `"b":    2`) // back to what it was
			d.pass()
			if b := d.get("omni:config:b"); b != "SET 2" {
				t.Errorf("after the edit was taken back: b %q", b)
			}
			missing := opened(t, filepath.Join(dir, "missing"), change)
			missing.pass()
			if _, err := os.Lstat(filepath.Join(dir, "missing")); err == nil {
				t.Error("a missing directory was made")
			}
		})
	}
}
