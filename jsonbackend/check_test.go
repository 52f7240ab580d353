package jsonbackend

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckSaysWhatAStartWouldMeet(t *testing.T) {
	d := opened(t, small(t))
	d.do("SET", "omni:config:a", "1")
	d.do("SET", "omni:config:b", "2")
	opts := testOptions(d.opts.Dir, &events{})
	c, err := Check(opts) // while it is served
	if err != nil || len(c.Problems) > 0 || len(c.Notes) == 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	d.crash()
	d.write("results.json", "{\n  \"a\": nothing}")
	incrs, err := filepath.Glob(d.path(".omniproxy/aof/*.incr.aof"))
	if err != nil {
		t.Fatal(err)
	}
	incr := slices.Max(incrs)
	content, err := os.ReadFile(incr)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	at := strings.Index(text, "#unit seq=1")
	os.WriteFile(incr, []byte(text[:at]+"#unix"+text[at+5:]), 0o644)

	if c, err = Check(opts); err != nil || len(c.Problems) != 2 || c.Damage == nil {
		t.Fatalf("%+v, %v", c, err)
	}
	if want := d.path("results.json") + ":2:8: "; !strings.HasPrefix(c.Problems[1], want) {
		t.Errorf("%s, want %s", c.Problems[1], want)
	}
	if _, err := Open(opts); err == nil || !strings.Contains(err.Error(), "omniproxy check "+d.opts.Dir+" --repair") {
		t.Errorf("a start says %v", err)
	}
	loss, err := Behind(opts, c.Damage)
	if diff := cmp.Diff([]string{"omni:config:a", "omni:config:b"}, loss.Keys); diff != "" || err != nil {
		t.Error(err, diff)
	}
	kept, err := Repair(opts, c.Damage)
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	if c, err = Check(opts); err != nil || len(c.Problems) != 1 || c.Damage != nil {
		t.Fatalf("%+v, %v", c, err)
	}
}

// What is remembered of the files is read, too, and compared with them.
func TestCheckReadsWhatIsRemembered(t *testing.T) {
	d := opened(t, small(t), func(o *Options) { o.Prefix, o.DB = "p", 3 })
	for n := range 3 {
		d.do("SET", "key", fmt.Sprint(n))
		d.pass()
	}
	d.shut()
	opts := d.opts
	path := d.path(".omniproxy/seen/other.json.versions")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndex(whole, []byte("version "))
	said := func(when, problem, note string) {
		t.Helper()
		c, err := Check(opts)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(c.Problems, "\n"); !strings.Contains(text, problem) || problem == "" && text != "" {
			t.Errorf("%s: problems %q, want %q", when, text, problem)
		}
		if text := strings.Join(c.Notes, "\n"); !strings.Contains(text, note) {
			t.Errorf("%s: notes %q, want %q", when, text, note)
		}
	}
	said("well", "", "other.json.versions is well: 3 versions")
	d.write("other.json", "{}")
	said("edited", "", "other.json was written by somebody else since")
	writeText(t, path, string(whole[:last+20]))
	said("torn", "", "other.json.versions ends in what was being written: a start cuts off 20 bytes")
	writeText(t, path, strings.Replace(string(whole), "version 2", "version x", 1))
	said("damaged", "a start forgets 1 versions behind it", "")
	writeText(t, path, string(whole))
	writeText(t, d.path(".omniproxy/loose.json"), "{")
	said("loose records", "loose.json: ", "")
	if err := os.Remove(d.path(".omniproxy/loose.json")); err != nil {
		t.Fatal(err)
	}
	opts.Prefix = "omni"
	said("another prefix", "", "no key shows in config.json, whose last version had some: is it served with another --prefix or --db?")
}

// A backup of a directory that is served starts with the same keys, and takes none of its files for an edit.
func TestABackupIsADirectory(t *testing.T) {
	d := opened(t, fixture(t, "omnidaemon_data"))
	d.do("SET", "omni:config:a", "1")
	d.pass()
	d.do("SET", "omni:config:b", "2")
	to := filepath.Join(t.TempDir(), "backup")
	if err := Backup(d.opts, to); err != nil {
		t.Fatal(err)
	}
	again := opened(t, to)
	if diff := cmp.Diff(d.dump(), again.dump()); diff != "" {
		t.Errorf("(-original +backup)\n%s", diff)
	}
	again.expect()
	if err := Backup(d.opts, to); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("over a directory that is there: %v", err)
	}
	if err := Backup(testOptions(t.TempDir(), &events{}), filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("a backup of nothing")
	}
}
