package jsonbackend

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// modelDir is the data directory on a disk in memory.
const modelDir = "/data"

// model is a directory on a disk in memory.
type model struct {
	*directory
	disk *disktest.Disk
}

// modelled opens a directory in memory that holds these files.
func modelled(t *testing.T, files map[string]string) *model {
	t.Helper()
	d := disktest.New()
	must(t, d.Mkdir(modelDir, 0o755))
	must(t, d.SyncDir("/"))
	for name, text := range files {
		if err := disk.WriteFile(d, filepath.Join(modelDir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SyncDir(modelDir); err != nil {
		t.Fatal(err)
	}
	m, err := openedOn(t, d, aof.Always)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.crash)
	return m
}

// openedOn opens the directory on a disk; the caller ends it.
func openedOn(t *testing.T, d *disktest.Disk, policy aof.Policy) (*model, error) {
	told := &events{}
	opts := testOptions(modelDir, told)
	opts.Fsync, opts.disk = policy, d
	b, err := open(opts)
	if err != nil {
		return nil, err
	}
	return &model{&directory{Backend: b, t: t, now: time.Now(), told: told}, d}, nil
}

// play is one omniproxy, one editor and one crash, each at its place among the operations on the disk.
type play struct {
	of      *subject
	t       *testing.T
	disk    *disktest.Disk // as everybody sees it
	ops     int            // operations so far on what the editor may touch: with others his steps commute
	steps   []func()       // the editor's, that are still to come
	at      []int          // before which operation each comes
	made    int            // changes so far: between them one crash is like another
	crash   int            // before which change the process dies; 0 = it does not
	dead    bool
	lives   *model
	acked   []string // values that clients were told were written, the last one of each key
	tried   []string // values that clients sent, in order
	over    []string // values in memory that these were to overwrite
	places  []int    // at and crash as they were in the beginning
	died    int
	refused string // an operation that the disk does not know
}

// hook is called before each operation of a process.
func (p *play) hook(op disktest.Op) error {
	if p.dead {
		return disktest.ErrCrashed
	}
	if base := filepath.Base(op.Path); strings.HasPrefix(base, p.of.file) && !strings.HasSuffix(base, ".versions") || strings.HasPrefix(base, "."+p.of.file) {
		p.ops++
		for len(p.steps) > 0 && p.at[0] <= p.ops {
			p.steps[0]()
			p.steps, p.at = p.steps[1:], p.at[1:]
		}
	}
	if op.Name == p.refused {
		return errors.ErrUnsupported
	}
	if op.Change {
		if p.made++; p.made == p.crash {
			p.dead = true
			return disktest.ErrCrashed
		}
	}
	return nil
}

// live starts a process on the disk, again if it dies.
func (p *play) live() {
	for {
		d := p.disk.Aside()
		d.Before(p.hook)
		m, err := openedOn(p.t, d, aof.Always)
		if err == nil {
			p.lives = m
			return
		}
		if !p.dead {
			p.t.Fatalf("start: %v", err)
		}
		p.dead, p.crash = false, 0
	}
}

// buried lets the next process live if this one is dead.
func (p *play) buried() {
	if p.dead {
		p.lives.crash()
		p.dead, p.crash = false, 0
		p.live()
	}
}

// set is a client's write.
func (p *play) set(key, value string) {
	m := p.lives
	e := engine.Edit{Args: [][]byte{[]byte("SET"), []byte(p.of.key + key), []byte(p.of.record(key, value))}}
	told := make(fate, 1)
	p.tried, p.over = append(p.tried, value), append(p.over, p.of.keys(m)[key])
	if err := m.Edit([]engine.Edit{e}, m.Freeze(nil), "", told); err == nil && <-told == nil {
		p.acked = append(p.acked, value)
	}
	p.buried()
}

// pass lets time pass.
func (p *play) pass(d time.Duration) {
	m := p.lives
	m.now = m.now.Add(d)
	for _, f := range m.files {
		m.lookAt(f, m.now, false)
		f.next = m.now // whatever the pace: the machine may be slow
	}
	m.publish(m.now)
	p.buried()
}

// editor is a program that edits the file: it sets b and x, adds e, and removes r.
type editor struct {
	p      *play
	doc    string
	handle disk.File
}

func (e *editor) read() {
	doc, err := disk.ReadFile(e.p.disk, e.p.of.path())
	if err != nil {
		e.p.t.Fatalf("the editor finds no file: %v", err)
	}
	e.doc = string(doc)
}

// edited is what the editor makes of what it has read.
func (e *editor) edited() string {
	var doc map[string]json.RawMessage // whose records keep their texts
	if err := json.Unmarshal([]byte(e.doc), &doc); err != nil {
		e.p.t.Fatalf("the editor read %q: %v", e.doc, err)
	}
	for _, name := range []string{"b", "x", "e"} {
		doc[name] = json.RawMessage(e.p.of.record(name, "edit-"+name))
	}
	delete(doc, "r")
	text, _ := json.Marshal(doc)
	return string(text)
}

func (e *editor) rename() {
	must(e.p.t, disk.WriteFile(e.p.disk, e.p.of.path()+"~", []byte(e.edited()), 0o644))
	must(e.p.t, e.p.disk.Rename(e.p.of.path()+"~", e.p.of.path()))
}

func (e *editor) open() {
	h, err := e.p.disk.Open(e.p.of.path(), os.O_RDWR, 0)
	must(e.p.t, err)
	doc, err := io.ReadAll(h)
	must(e.p.t, err)
	e.handle, e.doc = h, string(doc)
}

func (e *editor) truncate() {
	_, err := e.handle.Seek(0, io.SeekStart)
	must(e.p.t, errors.Join(err, e.handle.Truncate(0)))
}

func (e *editor) write(from, to float64) {
	text := e.edited()
	n := float64(len(text))
	_, err := io.WriteString(e.handle, text[int(from*n):int(to*n)])
	must(e.p.t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var editors = map[string]func(e *editor) []func(){
	"renames": func(e *editor) []func() { return []func(){e.read, e.rename} },
	"in place": func(e *editor) []func() {
		return []func(){e.open, func() { e.truncate(); e.write(0, 0.5) }, func() { e.write(0.5, 1) }}
	},
	"stale": func(e *editor) []func() {
		e.doc = e.p.of.before
		return []func(){e.rename}
	},
	"moves away": func(e *editor) []func() {
		return []func(){func() { e.read(); must(e.p.t, e.p.disk.Rename(e.p.of.path(), e.p.of.path()+"~")) }, func() {
			must(e.p.t, disk.WriteFile(e.p.disk, e.p.of.path(), []byte(e.edited()), 0o644))
		}}
	},
}

// played runs a play to its end and returns it.
func (s *subject) played(t *testing.T, from *disktest.Disk, edits func(*editor) []func(), at []int, crash int, change ...func(*play)) *play {
	p := &play{of: s, t: t, disk: from.Kill(), at: at, crash: crash, places: at, died: crash}
	p.steps = edits(&editor{p: p})[:len(at)]
	for _, c := range change {
		c(p)
	}
	p.live()
	const moment = 300 * time.Millisecond // all that follows is over before what was published over is forgotten
	p.set("a", "client-a1")
	p.pass(moment)
	p.set("c", "client-c")
	p.set("x", "client-x")
	p.pass(moment)
	p.set("a", "client-a2")
	p.pass(moment)
	p.pass(moment)
	for len(p.steps) > 0 {
		p.steps[0]()
		p.steps = p.steps[1:]
		p.pass(moment)
	}
	if now := time.Now(); now.After(p.lives.now) { // the machine was slow
		p.lives.now = now
	}
	for range 8 {
		p.pass(3 * time.Second)
	}
	p.verify(len(at) > 0)
	p.lives.crash()
	return p
}

// verify is the law: what a client was told, and what the editor finished, is there or stands in replaced/.
func (p *play) verify(edited bool) {
	m := p.lives
	memory := p.of.keys(m)
	file, err := p.of.values(p.disk.Files()[p.of.path()])
	for name, value := range file {
		if strings.Contains(p.of.loose, name) && memory[name] == "" {
			memory[name] = value
		}
	}
	replaced := ""
	for path, text := range p.disk.Files() {
		if strings.Contains(path, "/replaced/") {
			replaced += text
		}
	}
	fail := func(format string, a ...any) {
		p.t.Helper()
		p.t.Fatalf("the editor's steps come before %v, the crash before %d: %s\nmemory %v\nreplaced %s\nfile %s\ntold %v", p.places, p.died, fmt.Sprintf(format, a...), memory, replaced, p.disk.Files()[p.of.path()], m.told.take())
	}
	has := func(key, value string) bool { return memory[key] == value || strings.Contains(replaced, `"`+value+`"`) }
	newest := map[string]string{}
	for _, value := range p.acked {
		newest[value[:8]] = value
	}
	for _, value := range newest {
		later := p.tried[slices.Index(p.tried, value)+1:]
		if !has(value[7:8], value) && !slices.Contains(later, memory[value[7:8]]) {
			fail("%s was acknowledged and is gone", value)
		}
	}
	if memory["k"] != "client-k" || memory["y"] != "edit-y" {
		fail("what nobody touched is %q and %q", memory["k"], memory["y"])
	}
	if memory["c"] != "client-c" && slices.Contains(p.acked, "client-c") {
		fail("what the editor did not know is gone")
	}
	if edited {
		if memory["b"] != "edit-b" || memory["e"] != "edit-e" || memory["r"] != "" {
			fail("the edit was not done")
		}
		if overwritten := slices.Index(p.over, "edit-x"); !has("x", "edit-x") && (overwritten < 0 || memory["x"] != p.tried[overwritten]) {
			fail("a finished edit is gone that no client overwrote")
		}
		for _, was := range []string{"old-b", "old-r"} {
			if !strings.Contains(replaced, was) {
				fail("%s was overwritten, and is not in replaced/", was)
			}
		}
	}
	if err != nil {
		fail("the file: %v", err)
	}
	if diff := cmp.Diff(memory, file); diff != "" {
		fail("the file differs (-memory +file)\n%s", diff)
	}
	for path := range p.disk.Files() {
		if strings.Contains(path, ".omniproxy-") || strings.Contains(path, "/out/") {
			fail("left behind: %s", path)
		}
	}
}

// The protocol of merging, enumerated on the code itself: a process that reads, writes its log and publishes, an editor,
// a crash, at every place among the operations on the disk. Nothing acknowledged and no finished edit disappears without
// standing in replaced/.
func TestNoInterleavingLosesAnything(t *testing.T) {
	for _, s := range []*subject{aboutConfig, aboutResults} {
		from := s.template(t)
		for name, edits := range editors {
			t.Run(s.file+" "+name, func(t *testing.T) {
				t.Parallel()
				steps := len(edits(&editor{p: &play{of: s, t: t, disk: from}}))
				alone := s.played(t, from, edits, nil, 0)
				all := 0
				for range places(steps, alone.ops+1) {
					all++
				}
				n, every := 0, sample(all)
				for at := range places(steps, alone.ops+1) {
					if n++; n%every == 0 {
						s.played(t, from, edits, at, 0)
					}
				}
				t.Logf("every %d. of %d interleavings of %d operations", every, all, alone.ops)
			})
		}
	}
}

// The same with a crash at every change, before, while and after the editor does what he does.
func TestNoCrashLosesAnything(t *testing.T) {
	for _, s := range []*subject{aboutConfig, aboutResults} {
		from := s.template(t)
		for name, edits := range editors {
			t.Run(s.file+" "+name, func(t *testing.T) {
				t.Parallel()
				steps := len(edits(&editor{p: &play{of: s, t: t, disk: from}}))
				alone := s.played(t, from, edits, nil, 0)
				n, every := 0, sample(alone.made*alone.ops)
				for crash := 1; crash <= alone.made+10; crash++ { // a few of the next life's, too
					for i := 1; i <= alone.ops+1; i++ {
						at := make([]int, steps)
						for step := range at {
							at[step] = i + 5*step
						}
						if n++; n%every == 0 {
							s.played(t, from, edits, at, crash)
						}
					}
				}
				t.Logf("every %d. of %d interleavings of %d operations with %d crashes", every, n, alone.ops, alone.made+10)
			})
		}
	}
}

// exhaustive reports whether this is `make storm`: nothing is left out.
func exhaustive() bool { return os.Getenv("OMNIPROXY_EXHAUSTIVE") != "" }

// sample is how many of all plays are passed over for one that is played.
func sample(all int) int {
	most := 120
	switch {
	case exhaustive():
		return 1
	case testing.Short():
		most = 30
	}
	return 1 + all/most
}

// places iterates over all ways to put so many steps, in order, before operations from 1 to last.
func places(steps, last int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		var put func(at []int) bool
		put = func(at []int) bool {
			if len(at) == steps {
				return yield(slices.Clone(at))
			}
			first := 1
			if len(at) > 0 {
				first = at[len(at)-1]
			}
			for i := first; i <= last; i++ {
				if !put(append(at, i)) {
					return false
				}
			}
			return true
		}
		put(nil)
	}
}
