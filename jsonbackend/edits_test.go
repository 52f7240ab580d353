package jsonbackend

import (
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/jsonbackend/lens"
	"github.com/omniproxy/omniproxy/jsonbackend/seen"
)

// change does something to config.json that sets b to 7 and leaves the rest.
var waysToEdit = map[string]func(t *testing.T, path, text string){
	"in place": func(t *testing.T, path, text string) { writeText(t, path, text) },
	"renamed over": func(t *testing.T, path, text string) {
		writeText(t, path+".new", text)
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	},
	"moved away, then written": func(t *testing.T, path, text string) {
		if err := os.Rename(path, path+"~"); err != nil {
			t.Fatal(err)
		}
		writeText(t, path, text)
	},
	"removed, then written": func(t *testing.T, path, text string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		writeText(t, path, text)
	},
	"of the same size": func(t *testing.T, path, text string) {
		if info, err := os.Stat(path); err != nil || info.Size() != int64(len(text)) {
			t.Fatalf("%v: not of the same size", err)
		}
		writeText(t, path, text)
	},
}

func TestEditsAreRead(t *testing.T) {
	for name, write := range waysToEdit {
		t.Run(name, func(t *testing.T) {
			d := opened(t, small(t))
			d.do("SET", "omni:config:a", "9")
			d.pass()
			d.expect("published config.json")
			text := strings.Replace(d.read("config.json"), `"b":    2`, `"b":    7`, 1)
			write(t, d.path("config.json"), text)
			d.pass()
			d.expect("edited config.json: 1")
			if got := d.get("omni:config:b"); got != "SET 7" {
				t.Errorf("b: %q", got)
			}
			if got := d.read("config.json"); got != text {
				t.Errorf("the edit was formatted anew:\n%s", got)
			}
			after := d.reopened()
			after.expect()
			if got := after.get("omni:config:b"); got != "SET 7" {
				t.Errorf("after a restart: b %q", got)
			}
		})
	}
}

func TestEditsMadeWhileDownAreRead(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:a", "9")
	d.pass()
	d.do("SET", "omni:config:c", "10") // not published any more
	d.crash()
	d.replace("config.json", `"b":    2`, `"b": 7`)
	d.replace("metrics.json", "2.5\n  }", "2.5\n  },\n  {\"n\": 3, \"saved_at\": 3.5}")
	after := opened(t, d.opts.Dir)
	after.expect("edited metrics.json: 1", "edited config.json: 1")
	after.pass()
	after.expect("published config.json")
	for key, want := range map[string]string{"a": "9", "b": "7", "c": "10"} {
		if got := after.get("omni:config:" + key); got != "SET "+want {
			t.Errorf("%s: %q, want %s", key, got, want)
		}
	}
	if got := strings.Count(after.get("omni:metrics:stream"), "XADD"); got != 3 {
		t.Errorf("%d metrics, want 3", got)
	}
	if want := "{\n  \"a\": 9,\n  \"b\": 7,\n  \"c\": 10\n}"; after.read("config.json") != want {
		t.Errorf("config.json:\n%s", after.read("config.json"))
	}
	again := after.reopened()
	again.expect()
	if diff := cmp.Diff(after.dump(), again.dump()); diff != "" {
		t.Errorf("a second restart (-before +after)\n%s", diff)
	}
}

func TestAnEditIsLeftToItsEnd(t *testing.T) {
	d := opened(t, small(t))
	d.replace("config.json", `"b":    2`, `"b": 3`)
	f := d.file("config.json")
	d.lookAt(f, d.now, false)
	d.lookAt(f, d.now.Add(quiet-time.Millisecond), false)
	d.expect()
	d.replace("config.json", `"b": 3`, `"b": 4`)
	d.lookAt(f, d.now.Add(quiet), false)
	d.expect()
	d.lookAt(f, d.now.Add(2*quiet), false)
	d.expect("edited config.json: 1")
	if got := d.get("omni:config:b"); got != "SET 4" {
		t.Errorf("b: %q", got)
	}
}

func TestAFileThatKeepsChangingIsReadAllTheSame(t *testing.T) {
	d := opened(t, small(t))
	f := d.file("config.json")
	for i := range 10 {
		d.write("config.json", fmt.Sprintf(`{"a": %s}`, strings.Repeat("1", i+1)))
		d.lookAt(f, d.now.Add(time.Duration(i)*lookEvery), false)
	}
	if told := d.told.take(); len(told) == 0 || told[0] != "edited config.json: 3" {
		t.Errorf("told: %q", told)
	}
}

func TestEditsAreReadUnderEveryPolicy(t *testing.T) {
	for _, policy := range []aof.Policy{aof.Always, aof.EverySec, aof.No} {
		d := opened(t, small(t), func(o *Options) { o.Fsync = policy })
		d.replace("config.json", `"b":    2`, `"b": 7`)
		d.pass()
		d.expect("edited config.json: 1")
		if got := d.reopened().get("omni:config:b"); got != "SET 7" {
			t.Errorf("%v: b %q", policy, got)
		}
	}
}

// A publication that is due when somebody has just written the file must neither destroy his edit, nor lend itself as
// the version that he had read: then what clients wrote would look like his doing.
func TestAnEditInTheWayOfAPublicationIsReadFirst(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:a", "9")
	d.replace("config.json", `"b":    2`, `"b": 7`)
	d.publish(d.now)
	d.expect()
	if a := d.read("config.json"); !strings.Contains(a, `"b": 7`) {
		t.Fatalf("the edit is gone:\n%s", a)
	}
	d.pass()
	d.expect("edited config.json: 1", "published config.json")
	if a, b := d.get("omni:config:a"), d.get("omni:config:b"); a != "SET 9" || b != "SET 7" {
		t.Errorf("a %q b %q, want 9 and 7", a, b)
	}
	if want := "{\n  \"a\": 9,\n  \"b\": 7,\n  \"c\": [1,2]\n}"; d.read("config.json") != want {
		t.Errorf("config.json:\n%s", d.read("config.json"))
	}
}

func TestAFileThatIsNoJSONIsLeftAlone(t *testing.T) {
	d := opened(t, small(t))
	d.replace("config.json", "1,", "1,,")
	d.pass()
	broken := "broken config.json: " + d.path("config.json") + ":2:10: Expecting property name enclosed in double quotes"
	d.expect(broken)
	d.do("SET", "omni:config:c", "[3]") // served all the same
	d.pass()
	d.expect()
	if got := d.read("config.json"); !strings.Contains(got, "1,,") {
		t.Errorf("written over:\n%s", got)
	}
	d.do("SET", "omni:config:d", "4")
	d = d.reopened() // it stops no later start
	d.expect(broken)
	d.pass()
	if a, c := d.get("omni:config:a"), d.get("omni:config:c"); a != "SET 1" || c != "SET [3]" {
		t.Errorf("after a restart: a %q c %q", a, c)
	}
	d.replace("config.json", "1,,", "11,")
	d.pass()
	d.expect("mended config.json", "edited config.json: 1", "published config.json")
	if want := "{\n  \"a\": 11,\n  \"b\":    2,\n  \"c\": [\n    3\n  ],\n  \"d\": 4\n}"; d.read("config.json") != want {
		t.Errorf("config.json:\n%s", d.read("config.json"))
	}
}

func TestABrokenFileThatIsRestoredWasNotEdited(t *testing.T) {
	d := opened(t, small(t))
	text := d.read("config.json")
	d.write("config.json", "{")
	d.pass()
	d.told.take()
	d.write("config.json", text)
	d.pass()
	d.expect("mended config.json")
	d.write("config.json", "{")
	d = d.reopened()
	d.told.take()
	d.write("config.json", text)
	d.pass()
	d.expect("mended config.json")
	if got := d.read("config.json"); got != text {
		t.Errorf("config.json:\n%s", got)
	}
}

func TestABrokenFileThatIsRemovedIsWrittenAnew(t *testing.T) {
	for _, restart := range []bool{false, true} {
		d := opened(t, small(t))
		d.write("config.json", "{")
		if restart {
			d = d.reopened()
		}
		d.pass()
		d.told.take()
		if err := os.Remove(d.path("config.json")); err != nil {
			t.Fatal(err)
		}
		d.pass()
		d.expect("mended config.json", "published config.json")
		if got := d.read("config.json"); !strings.Contains(got, `"a": 1`) {
			t.Errorf("restart %v:\n%s", restart, got)
		}
	}
}

func TestWhatIsNoFileIsLeftAlone(t *testing.T) {
	d := opened(t, small(t))
	path := d.path("config.json")
	if err := os.Rename(path, path+"~"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	d.do("SET", "omni:config:a", "9")
	d.pass()
	d.expect("broken config.json: read config.json: read " + path + ": is a directory")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
	d.pass()
	d.expect("mended config.json", "published config.json")
}

func TestAMissingFileIsNoEdit(t *testing.T) {
	d := opened(t, small(t))
	want := d.read("config.json")
	if err := os.Remove(d.path("config.json")); err != nil {
		t.Fatal(err)
	}
	d.do("SET", "omni:config:a", "1")
	f := d.file("config.json")
	d.lookAt(f, d.now, false)
	d.lookAt(f, d.now.Add(missingFor-time.Millisecond), false)
	d.publish(d.now.Add(missingFor))
	d.expect()
	d.lookAt(f, d.now.Add(missingFor), false)
	d.publish(d.now.Add(missingFor))
	d.expect("published config.json")
	if got := d.read("config.json"); got != want {
		t.Errorf("config.json:\n%s", got)
	}
	d.crash()
	if err := os.Remove(d.path("config.json")); err != nil {
		t.Fatal(err)
	}
	d = opened(t, d.opts.Dir)
	d.pass()
	d.expect("published config.json")
	if got := d.get("omni:config:b"); got != "SET 2" {
		t.Errorf("b: %q", got)
	}
}

func TestClearingIsAnEdit(t *testing.T) {
	d := opened(t, small(t))
	d.write("config.json", "{}")
	d.write("metrics.json", "[]")
	d.pass()
	d.expect("edited metrics.json: 2", "edited config.json: 3")
	if all := d.dump(); len(all) != 1 || !strings.HasPrefix(all[0][1], "XADD") && !strings.HasPrefix(all[0][1], "XGROUP") {
		t.Errorf("left: %v", all)
	}
	if got := d.read("config.json"); got != "{}" {
		t.Errorf("config.json: %s", got)
	}
}

func TestAnEditMayBeTakenBack(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:a", "9")
	d.pass()
	d.told.take()
	published := d.read("config.json")
	d.replace("config.json", `"b":    2`, `"b": 7`)
	d.pass()
	d.write("config.json", published)
	d.pass()
	d.expect("edited config.json: 1", "edited config.json: 1")
	if got := d.get("omni:config:b"); got != "SET 2" {
		t.Errorf("b: %q", got)
	}
}

// OmniDaemon's JSON store writes what it once read when it is closed.
func TestAnEarlierPublicationIsNoEdit(t *testing.T) {
	for _, restart := range []bool{false, true} {
		d := opened(t, small(t))
		d.do("SET", "omni:config:a", "8")
		d.pass()
		earlier := d.read("config.json")
		d.do("SET", "omni:config:a", "9")
		d.pass()
		later := d.read("config.json")
		d.told.take()
		if restart {
			d.crash()
		}
		d.write("config.json", earlier)
		if restart {
			d = opened(t, d.opts.Dir)
		}
		d.pass()
		d.expect("published config.json")
		if got := d.get("omni:config:a"); got != "SET 9" {
			t.Errorf("restart %v: a %q", restart, got)
		}
		if got := d.read("config.json"); got != later {
			t.Errorf("restart %v:\n%s", restart, got)
		}
	}
}

func TestWhatIsNoEditOfTheBusIsPublishedOver(t *testing.T) {
	d := opened(t, small(t))
	d.do("XADD", "omni-stream:t", "1-1", "data", `{"n": 1}`)
	d.pass()
	d.expect("published bus.json")
	text := d.read("bus.json")
	d.replace("bus.json", `"n": 1`, `"n": 2`)
	d.pass()
	d.expect("ignored bus.json", "published bus.json")
	if got := d.read("bus.json"); got != text {
		t.Errorf("bus.json:\n%s", got)
	}
}

// impossible is a view that reads edits which cannot be done.
type impossible struct{ lens.View }

func (v impossible) Edits(read lens.Base, now *engine.View, at int64) iter.Seq[engine.Edit] {
	bad := engine.Edit{Args: [][]byte{[]byte("SADD"), []byte("omni:config:a"), []byte("x")}}
	return slices.Values(append([]engine.Edit{bad}, slices.Collect(v.View.Edits(read, now, at))...))
}

func TestAnEditThatCannotBeDoneIsToldAndUndone(t *testing.T) {
	d := opened(t, small(t))
	f := d.file("config.json")
	f.View = impossible{f.View}
	d.replace("config.json", `"b":    2`, `"b": 7`)
	d.pass()
	d.expect(`refused config.json: SADD "omni:config:a": WRONGTYPE Operation against a key holding the wrong kind of value`,
		"edited config.json: 2")
	if got := d.get("omni:config:b"); got != "SET 7" {
		t.Errorf("the rest was not done: b %q", got)
	}
}

// overtaken is a view of which each edit is outdated before it can be done, by clients who write the same key.
type overtaken struct {
	lens.View
	write func()
}

func (v overtaken) Edits(read lens.Base, now *engine.View, at int64) iter.Seq[engine.Edit] {
	edits := slices.Collect(v.View.Edits(read, now, at))
	v.write()
	return slices.Values(edits)
}

// However fast clients write, an edit is done, and what they write, too.
func TestAnEditIsDoneThoughClientsNeverStopWriting(t *testing.T) {
	d := opened(t, small(t))
	f := d.file("metrics.json")
	written, waiting := 0, make(chan struct{})
	f.View = overtaken{f.View, func() {
		written++
		write := func() {
			d.do("XADD", "omni:metrics:stream", "*", "data", fmt.Sprintf(`{"c": %d, "saved_at": 9.5}`, written))
		}
		if written <= attempts {
			write()
			return
		}
		go func() { // the edit has the lock now
			write()
			close(waiting)
		}()
	}}
	d.replace("metrics.json", "2.5\n  }", "2.5\n  },\n  {\"n\": 3, \"saved_at\": 3.5}")
	d.pass()
	<-waiting
	d.pass()
	got := d.get("omni:metrics:stream")
	for n := 1; n <= written; n++ {
		if !strings.Contains(got, fmt.Sprintf(`{"c": %d,`, n)) {
			t.Errorf("what client %d wrote is lost", n)
		}
	}
	if written != attempts+1 || strings.Count(got, `{"n": 3,`) != 1 {
		t.Errorf("after %d writes:\n%s", written, got)
	}
}

// The process may die between the unit of an edit and the note that the edit was read, or before the unit.
func TestAnEditIsDoneOnceThoughTheProcessDies(t *testing.T) {
	for name, logged := range map[string]bool{"before the log has it": false, "after the log has it": true} {
		t.Run(name, func(t *testing.T) {
			d := opened(t, small(t))
			d.replace("metrics.json", "2.5\n  }", "2.5\n  },\n  {\"n\": 3, \"saved_at\": 3.5}")
			f := d.file("metrics.json")
			doc := []byte(d.read("metrics.json"))
			id := seen.IDOf(doc)
			base, err := f.seen.Base(*f.seen.Last(seen.Newest))
			if err == nil {
				err = f.load(doc)
			}
			if err == nil {
				_, err = f.seen.Stage(seen.Read, id, f.Base())
			}
			if logged && err == nil {
				err = d.edit(func(now *engine.View) ([]engine.Edit, bool) { return slices.Collect(f.Edits(base, now, now.At)), true }, false, note(f, id))
			}
			if err != nil {
				t.Fatal(err)
			}
			d.crash()
			// Another edit, before the next start.
			d.replace("metrics.json", "3.5}", "3.5},\n  {\"n\": 4, \"saved_at\": 4.5}")
			after := opened(t, d.opts.Dir)
			after.pass()
			if got := strings.Count(after.get("omni:metrics:stream"), "XADD"); got != 4 {
				t.Errorf("%d metrics, want 4:\n%s", got, after.get("omni:metrics:stream"))
			}
		})
	}
}

// The process may die between staging a publication and the rename, or between that and the note.
func TestAPublicationIsNoEditThoughTheProcessDies(t *testing.T) {
	for name, renamed := range map[string]bool{"before the rename": false, "after the rename": true} {
		t.Run(name, func(t *testing.T) {
			d := opened(t, small(t))
			d.do("SET", "omni:config:a", "9")
			before := d.read("config.json")
			d.pass()
			d.expect("published config.json")
			history := d.historyPath(d.file("config.json"))
			text, err := os.ReadFile(history)
			if err != nil {
				t.Fatal(err)
			}
			writeText(t, history, string(text[:strings.LastIndex(string(text), "keep")])) // undecided
			d.do("SET", "omni:config:a", "10")
			d.crash()
			if !renamed {
				d.write("config.json", before)
				d.replace("config.json", `"b":    2`, `"b": 7`)
				writeText(t, stageName(d.path("config.json")), "{")
			}
			after := opened(t, d.opts.Dir)
			after.pass()
			if renamed {
				after.expect("published config.json")
			} else {
				after.expect("edited config.json: 1", "published config.json")
			}
			if got := after.get("omni:config:a"); got != "SET 10" {
				t.Errorf("a: %q, want 10: our own file was taken for an edit", got)
			}
			if _, err := os.Lstat(stageName(d.path("config.json"))); err == nil {
				t.Error("a staged file was left behind")
			}
		})
	}
}

func TestAnEditWaitsWhileTheLogCannotBeWritten(t *testing.T) {
	d := opened(t, small(t))
	d.log.Close()
	d.replace("config.json", `"b":    2`, `"b": 7`)
	d.pass()
	d.expect()
	d = d.reopened()
	d.expect("edited config.json: 1")
}
