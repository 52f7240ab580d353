package jsonbackend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// directory is a backend whose publisher does not run: the test says when it looks and publishes.
type directory struct {
	*Backend
	t    *testing.T
	now  time.Time
	told *events
	down bool
}

// events are what a backend reported, in order.
type events struct {
	mu       sync.Mutex
	list     []string
	replaced []string // keys whose values were replaced
}

func (e *events) add(format string, a ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, fmt.Sprintf(format, a...))
}

// take returns what was reported since the last call.
func (e *events) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.list
	e.list = nil
	return list
}

func (e *events) events() Events {
	return Events{
		Torn:        func(file string, _, _ int64) { e.add("torn %s", file) },
		Published:   func(file string, _ int64, _ time.Duration) { e.add("published %s", file) },
		Unpublished: func(file string, err error) { e.add("unpublished %s: %v", file, err) },
		Edited:      func(file string, commands int) { e.add("edited %s: %d", file, commands) },
		Refused:     func(file string, err error) { e.add("refused %s: %v", file, err) },
		Ignored:     func(file string) { e.add("ignored %s", file) },
		Replaced: func(_ string, keys []string, _ string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.replaced = append(e.replaced, keys...)
		},
		Outrun:      func(file, _ string) { e.add("outrun %s", file) },
		Stranger:    func(string) { e.add("stranger") },
		Broken:      func(file string, err error) { e.add("broken %s: %v", file, err) },
		Mended:      func(file string) { e.add("mended %s", file) },
		Rewritten:   func(int64, time.Duration) { e.add("rewritten") },
		Unrewritten: func(err error) { e.add("unrewritten: %v", err) },
		LogFailed:   func(err error) { e.add("log failed: %v", err) },
		LogResumed:  func(time.Duration) { e.add("log resumed") },
	}
}

func testOptions(dir string, told *events) Options {
	return Options{Dir: dir, Prefix: "omni", Events: told.events()}
}

// opened opens a directory, and gives it back when the test is over.
func opened(t *testing.T, dir string, change ...func(*Options)) *directory {
	t.Helper()
	told := &events{}
	opts := testOptions(dir, told)
	for _, c := range change {
		c(&opts)
	}
	b, err := open(opts)
	if err != nil {
		t.Fatal(err)
	}
	d := &directory{Backend: b, t: t, now: time.Now(), told: told}
	t.Cleanup(d.crash)
	return d
}

// crash ends the backend without publishing anything.
func (d *directory) crash() {
	if !d.down {
		d.down = true
		d.abandon()
	}
}

// reopened is the same directory after a crash.
func (d *directory) reopened() *directory {
	d.t.Helper()
	d.crash()
	return opened(d.t, d.opts.Dir)
}

// do sends a command.
func (d *directory) do(words ...string) {
	d.t.Helper()
	e := engine.Edit{}
	for _, w := range words {
		e.Args = append(e.Args, []byte(w))
	}
	if err := d.Edit([]engine.Edit{e}, d.Freeze(nil), "", fate(make(chan error, 1))); err != nil {
		d.t.Fatal(err)
	}
}

// pass lets a quarter of a minute pass: what was edited is read, what is stale is published, what failed is tried again.
func (d *directory) pass() {
	for range 3 {
		d.now = d.now.Add(5 * time.Second)
		for _, f := range d.files {
			d.lookAt(f, d.now, false)
		}
		d.publish(d.now)
	}
}

func (d *directory) file(name string) *file {
	i := slices.IndexFunc(d.files, func(f *file) bool { return f.File() == name })
	return d.files[i]
}

// get returns what a string or a hash field holds.
func (d *directory) get(key string) string {
	for _, e := range d.dump() {
		if e[0] == key {
			return e[1]
		}
	}
	return ""
}

// dump returns every key with the commands that make it, sorted.
func (d *directory) dump() [][2]string {
	view := d.Freeze(nil)
	var all [][2]string
	for db := range engine.Databases {
		for e := range view.All(db) {
			var lines []string
			for args := range engine.Commands(e) {
				var words []string
				for _, a := range append(args[:1:1], args[2:]...) {
					words = append(words, string(a))
				}
				lines = append(lines, strings.Join(words, " "))
			}
			if len(lines) > 1 && strings.HasPrefix(lines[0], "SADD") {
				slices.Sort(lines)
			}
			all = append(all, [2]string{e.Key, strings.Join(lines, "\n")})
		}
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return all
}

func (d *directory) path(name string) string { return filepath.Join(d.opts.Dir, name) }

func (d *directory) read(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// write writes a file in place.
func (d *directory) write(name, text string) {
	d.t.Helper()
	writeText(d.t, d.path(name), text)
}

// replace changes a part of a file's text, as an editor does that renames.
func (d *directory) replace(name, old, new string) {
	d.t.Helper()
	text := d.read(name)
	if !strings.Contains(text, old) {
		d.t.Fatalf("%s does not hold %q:\n%s", name, old, text)
	}
	d.write(name+"~", strings.Replace(text, old, new, 1))
	if err := os.Rename(d.path(name+"~"), d.path(name)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *directory) expect(told ...string) {
	d.t.Helper()
	if diff := cmp.Diff(told, d.told.take()); diff != "" {
		d.t.Errorf("told (-want +got)\n%s", diff)
	}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree is every file below dir with its content, folders with none.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		all[name] = ""
		if e.Type().IsRegular() {
			text, err := os.ReadFile(path)
			all[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// jsonFiles are those of the tree that are in the data directory itself.
func jsonFiles(t *testing.T, dir string) map[string]string {
	all := tree(t, dir)
	for name := range all {
		if filepath.Ext(name) != ".json" || filepath.Dir(name) != "." {
			delete(all, name)
		}
	}
	return all
}

// fixture copies files that OmniDaemon's JSON store wrote.
func fixture(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("lens", "testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// small is a directory with a few records, some of them formatted by hand.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "config.json"), "{\n  \"a\": 1,\n  \"b\":    2,\n  \"c\": [1,2]\n}")
	writeText(t, filepath.Join(dir, "metrics.json"), "[\n  {\n    \"n\": 1,\n    \"saved_at\": 1.5\n  },\n  {\n    \"n\": 2,\n    \"saved_at\": 2.5\n  }\n]")
	return dir
}

// shut ends a backend properly.
func (d *directory) shut() {
	d.t.Helper()
	d.down = true
	if err := d.Shutdown(context.Background()); err != nil {
		d.t.Fatal(err)
	}
}
