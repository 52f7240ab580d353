package jsonbackend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

// jsonStore is a program that reads a file once and then writes it whole from its memory, as OmniDaemon's JSON store.
type jsonStore struct {
	d     *directory
	file  string
	cache string
}

func (s *jsonStore) save(old, new string) {
	s.d.t.Helper()
	if !strings.Contains(s.cache, old) {
		s.d.t.Fatalf("the cache does not hold %q:\n%s", old, s.cache)
	}
	s.cache = strings.Replace(s.cache, old, new, 1)
	path := s.d.path(s.file)
	s.d.write(s.file+".part", s.cache)
	if err := os.Rename(path+".part", path); err != nil {
		s.d.t.Fatal(err)
	}
}

// config is what config.json's keys hold.
func (d *directory) config() string {
	var all []string
	for _, e := range d.dump() {
		if key, ok := strings.CutPrefix(e[0], "omni:config:"); ok {
			all = append(all, key+"="+strings.TrimPrefix(e[1], "SET "))
		}
	}
	return strings.Join(all, " ")
}

func (d *directory) holds(want string) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.config()); diff != "" {
		d.t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAWriterWhoNeverReadsAgainUndoesNothing(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			d := opened(t, small(t))
			store := &jsonStore{d, "config.json", d.read("config.json")}
			for i := range 50 {
				d.do("SET", "omni:config:a", fmt.Sprint(100+i))
				d.do("SET", fmt.Sprint("omni:config:y", i%3), fmt.Sprint(i))
				d.pass()
			}
			again := func() {
				if restart {
					d = d.reopened()
				}
				store.d = d
			}
			store.save(`"b":    2`, `"b": 7`)
			again()
			d.pass()
			d.holds("a=149 b=7 c=[1, 2] y0=48 y1=49 y2=47")
			d.do("SET", "omni:config:b", "8")
			d.do("DEL", "omni:config:y0")
			d.pass()
			store.save(`"b": 7`, `"b": 7, "s": 1`)
			again()
			d.pass()
			d.holds("a=149 b=8 c=[1, 2] s=1 y1=49 y2=47")
			store.save("", "") // it is closed
			again()
			d.pass()
			d.holds("a=149 b=8 c=[1, 2] s=1 y1=49 y2=47")
			store.save(`"c": [1,2]`, `"t": 1`)
			again()
			d.pass()
			d.holds("a=149 b=8 s=1 t=1 y1=49 y2=47")
		})
	}
}

func TestMetricsOfTwoWritersComeOnce(t *testing.T) {
	d := opened(t, small(t))
	metric := func(n int) string { return fmt.Sprintf(`{"n": %d, "saved_at": %d.5}`, n, n) }
	store := &jsonStore{d, "metrics.json", d.read("metrics.json")}
	metrics := func(want string) {
		t.Helper()
		var got []string
		for _, line := range strings.Split(d.get("omni:metrics:stream"), "\n") {
			if _, n, ok := strings.Cut(line, `{"n": `); ok {
				n, _, _ = strings.Cut(n, ",")
				got = append(got, n)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("metrics %v, want %s", got, want)
		}
	}
	d.do("XADD", "omni:metrics:stream", "3500-0", "data", metric(3))
	d.pass()
	store.save("\n]", ","+metric(4)+"\n]")
	d.pass()
	metrics("1 2 3 4")
	d.do("XADD", "omni:metrics:stream", "5500-0", "data", metric(5))
	d.pass()
	store.save("\n]", ","+metric(6)+"\n]")
	d.do("XADD", "omni:metrics:stream", "6700-0", "data", metric(7))
	d.pass()
	metrics("1 2 3 4 5 7 6")
	// It drops what is too much, and appends.
	store.save(store.cache[1:strings.Index(store.cache, "},")+2], "")
	store.save("\n]", ","+metric(8)+"\n]")
	d.pass()
	metrics("2 3 4 5 7 6 8")
	if got := replacedText(t, d); strings.Count(got, `"n": 1,`) != 1 || strings.Contains(got, `"n": 2`) {
		t.Errorf("replaced/ holds\n%s", got)
	}
}

// replacedText is all of replaced/.
func replacedText(t *testing.T, d *directory) (text string) {
	t.Helper()
	files, err := filepath.Glob(d.path(".omniproxy/replaced/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	return text
}

// One who edits and edits again, with nothing of ours in between, has read his own version.
func TestASessionInAnEditor(t *testing.T) {
	for _, restart := range []bool{false, true} {
		d := opened(t, small(t))
		save := func(old, new string) {
			t.Helper()
			d.replace("config.json", old, new)
			if restart {
				d = d.reopened()
			}
			d.pass()
			if text := d.read("config.json"); !strings.Contains(text, new) {
				t.Errorf("restart %v: written over:\n%s", restart, text)
			}
		}
		save(`"a": 1`, `"a": 2`)
		save(`"a": 2,
  "b":    2`, `"a": 1,
  "b": 3`) // the first taken back, and another
		d.holds("a=1 b=3 c=[1, 2]")
		save(`"a": 1`, `"a": 1, "x": 5`)
		save(`, "x": 5`, "")
		d.holds("a=1 b=3 c=[1, 2]")
		save("}", "}\n") // nothing
		save(`"b": 3`, `"b": 3, "x": 5`)
		save(`, "x": 5`, " ") // taken back, though spelled otherwise
		d.holds("a=1 b=3 c=[1, 2]")
	}
}

// Two who do not know of each other, with nothing of ours in between: what the second did not read stays.
func TestWhatASecondWriterDidNotKnowStays(t *testing.T) {
	d := opened(t, small(t))
	store := &jsonStore{d, "config.json", d.read("config.json")}
	d.replace("config.json", `"a": 1`, `"a": 1, "x": 5`)
	d.pass()
	store.save(`"a": 1`, `"a": 1, "s": 6`)
	d.pass()
	d.holds("a=1 b=2 c=[1, 2] s=6 x=5")
}

func TestValuesThatAreReplacedAreKept(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:b", `"secret"`)
	d.do("RPUSH", "omni:config:list", "secret too")
	d.pass()
	d.replace("config.json", `"secret"`, `7, "list": 8`)
	d.replace("config.json", `"a": 1,`, "")
	d.pass()
	if diff := cmp.Diff([]string{"omni:config:b", "omni:config:list", "omni:config:a"}, d.told.replaced); diff != "" {
		t.Errorf("told (-want +got)\n%s", diff)
	}
	text := replacedText(t, d)
	for _, want := range []string{
		"\"file\": \"config.json\",\n  \"time\": \"2", "\"values\": {\n    \"b\": \"secret\",\n    \"a\": 1\n  },\n",
		"\"other\": {\n    \"0\": {\n      \"omni:config:list\": {\n        \"type\": \"list\",", "\"reason\": \"somebody else wrote config.json",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("replaced/ does not hold %s:\n%s", want, text)
		}
	}
	if told := fmt.Sprint(d.told.take()); strings.Contains(told, "secret") {
		t.Errorf("told %s", told)
	}
}

func TestAnEditOfTheBusIsKeptWhole(t *testing.T) {
	d := opened(t, small(t))
	d.do("XADD", "omni-stream:t", "1-1", "data", `{"n": 1}`)
	d.pass()
	d.replace("bus.json", `"n": 1`, `"n": "edited"`)
	d.pass()
	d.expect("published bus.json", "ignored bus.json", "published bus.json")
	if text := replacedText(t, d); !strings.Contains(text, `"n": "edited"`) || !strings.Contains(text, `"document": {`) {
		t.Errorf("replaced/ holds\n%s", text)
	}
}

func TestReplacedIsBounded(t *testing.T) {
	d := opened(t, small(t))
	if err := os.MkdirAll(d.replacedDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	for year := range 6 {
		path := filepath.Join(d.replacedDir(), fmt.Sprint(2000+year, "-config.json"))
		writeText(t, path, "")
		if err := os.Truncate(path, replacedRoom/3); err != nil { // it takes no room on the disk
			t.Fatal(err)
		}
	}
	path, err := d.keepAway(d.file("config.json"), [32]byte{1}, "test", part{"values", []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(d.replacedDir(), "*"))
	if len(files) != 3 || files[2] != path {
		t.Errorf("left: %v", files)
	}
}

func TestAnotherProgramIsNamedOnce(t *testing.T) {
	d := opened(t, small(t))
	store := &jsonStore{d, "config.json", d.read("config.json")}
	d.do("SET", "omni:config:y", "1")
	d.pass()
	store.save(`"a": 1`, `"a": 2`)
	d.pass()
	d.do("SET", "omni:config:y", "2")
	d.pass()
	d.told.take()
	if info := fmt.Sprint(d.host.Sections()); !strings.Contains(info, "another_writer:0") {
		t.Errorf("INFO after one stale version: %s", info)
	}
	store.save(`"a": 2`, `"a": 3`)
	d.pass()
	d.do("SET", "omni:config:y", "3")
	d.pass()
	store.save(`"a": 3`, `"a": 4`)
	d.pass()
	if told := d.told.take(); strings.Count(fmt.Sprint(told), "stranger") != 1 {
		t.Errorf("told %v", told)
	}
	if info := fmt.Sprint(d.host.Sections()); !strings.Contains(info, "another_writer:1") {
		t.Errorf("INFO: %s", info)
	}
}

func TestAnotherProgramIsKnownByItsFiles(t *testing.T) {
	for _, name := range strangerNames {
		d := opened(t, small(t))
		d.lookForStranger()
		d.expect()
		d.write(name, "ok")
		d.lookForStranger()
		d.lookForStranger()
		d.expect("stranger")
	}
	d := opened(t, small(t), func(o *Options) { o.ReadOnly = true })
	d.write("agents.tmp", "")
	d.lookForStranger()
	d.expect()
}

// What has expired goes from the file with the next change, unless another program would write it again.
func TestExpiredResultsStayBesideAnotherProgram(t *testing.T) {
	for _, beside := range []bool{false, true} {
		dir := small(t)
		soon := time.Now().Add(50 * time.Millisecond).UnixMilli()
		writeText(t, filepath.Join(dir, "results.json"), fmt.Sprintf(`{"past": {"task_id": "past", "result": 1, "saved_at": 1.5, "expires_at": 2.5},
  "soon": {"task_id": "soon", "result": 1, "saved_at": 1.5, "expires_at": %d.%03d}}`, soon/1000, soon%1000))
		d := opened(t, dir)
		if beside {
			d.write(".health_check", "ok")
			d.lookForStranger()
		}
		time.Sleep(60 * time.Millisecond)
		d.ExpireDue()
		d.do("SET", "omni:result:r", `{"task_id": "r", "result": 1, "saved_at": 1.0}`)
		d.pass()
		text := d.read("results.json")
		if !strings.Contains(text, `"r"`) || strings.Contains(text, `"past"`) != beside || strings.Contains(text, `"soon"`) != beside {
			t.Errorf("beside another program: %v\n%s", beside, text)
		}
		if got := d.get("omni:result:soon") + d.get("omni:result:past"); got != "" {
			t.Errorf("served: %s", got)
		}
	}
}

// An edit that leaves size and time as they were is noticed, if a little later.
func TestAnEditThatTheTimeDoesNotShow(t *testing.T) {
	d := opened(t, small(t))
	info, err := os.Stat(d.path("config.json"))
	if err != nil {
		t.Fatal(err)
	}
	d.write("config.json", strings.Replace(d.read("config.json"), `"b":    2`, `"b":    7`, 1))
	if err := os.Chtimes(d.path("config.json"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	d.pass()
	d.expect("edited config.json: 1")
	d.holds("a=1 b=7 c=[1, 2]")
}

func TestWhoGoesOnFromHisOwnVersion(t *testing.T) {
	base := lens.Base{Named: map[string]uint64{"a": 1, "b": 1, "gone": 1}}
	latest := lens.Base{Named: map[string]uint64{"a": 2, "b": 1, "gone": 1, "x": 1}}
	doc := lens.Base{Named: map[string]uint64{"a": 1, "b": 2, "new": 1}}
	want := map[string]uint64{"a": 2, "b": 1, "gone": 1}
	if diff := cmp.Diff(want, goneOn(base, latest, doc).Named); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
