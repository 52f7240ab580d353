package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/jsonbackend/aof"
)

// checked runs omniproxy check, with nobody at the terminal.
func checked(t *testing.T, env string, args ...string) (code int, out, errs string) {
	t.Helper()
	inv, err := parse(append([]string{"check"}, args...), fakeMachine(strings.Fields(env)...))
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	var stdout, stderr bytes.Buffer
	code = inv.Check.run(nobody, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestCheckReadsADirectoryAsItIsServed(t *testing.T) {
	for _, h := range []struct {
		env, args string
		prefix    string
		db        int
	}{
		{"", "", "omni", 0},
		{"", "--prefix=p --db=3", "p", 3},
		{"OMNIPROXY_PREFIX=a OMNIPROXY_DB=4 REDIS_KEY_PREFIX=b", "", "a", 4},
		{"REDIS_KEY_PREFIX=b", "--db=5", "b", 5},
		{"OMNIPROXY_REPAIR=1 OMNIPROXY_YES=1", "", "omni", 0},
	} {
		inv, err := parse(append([]string{"check", "d"}, strings.Fields(h.args)...), fakeMachine(strings.Fields(h.env)...))
		o := inv.Check.options()
		if err != nil || o.Prefix != h.prefix || o.DB != h.db || inv.Check.Repair || inv.Check.Yes {
			t.Errorf("%s omniproxy check d %s: %+v, %v", h.env, h.args, inv.Check, err)
		}
	}
	if _, err := parse([]string{"check", "d", "--db=16"}, fakeMachine()); err == nil || !strings.Contains(err.Error(), "--db=16: choose 0 to 15") {
		t.Errorf("--db=16: %v", err)
	}
}

// files are the names and contents below a directory.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// damaged is a directory whose log has a bad unit, which others follow, and the path of the increment.
func damaged(t *testing.T) (dir, incr string) {
	t.Helper()
	dir = t.TempDir()
	log := filepath.Join(dir, ".omniproxy", "aof")
	b, err := jsonbackend.Open(jsonbackend.Options{Dir: dir, Prefix: "omni"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, _, err := aof.Open(log, aof.Options{}, aof.Replay{Effect: func(int, [][]byte) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"first", "second", "third"} {
		l.Append(0, aof.AppendCommand(nil, "SET", key, "v"), 1, "")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	incrs, _ := filepath.Glob(filepath.Join(log, "*.incr.aof"))
	incr = slices.Max(incrs)
	text, err := os.ReadFile(incr)
	if err == nil {
		err = os.WriteFile(incr, bytes.Replace(text, []byte("second"), []byte("SECOND"), 1), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, incr
}

// A repair says what it costs before it changes anything, and keeps what it takes away.
func TestARepairShowsWhatItCostsAndKeepsIt(t *testing.T) {
	dir, incr := damaged(t)
	before := files(t, dir)
	said := []string{"2 units", "\"SECOND\"\n", "\"third\"\n", filepath.Base(incr) + " at offset "}
	for _, args := range [][]string{{dir}, {dir, "--repair"}} {
		code, out, errs := checked(t, "", args...)
		if code != exitFailed || len(args) > 1 && !strings.Contains(errs, "nothing was changed: confirm with --yes") {
			t.Errorf("omniproxy check %q: exit code %d, %s", args, code, errs)
		}
		for _, want := range said {
			if len(args) > 1 && !strings.Contains(out, want) {
				t.Errorf("omniproxy check %q does not say %s:\n%s", args, want, out)
			}
		}
		if diff := cmp.Diff(before, files(t, dir)); diff != "" {
			t.Fatalf("omniproxy check %q changed\n%s", args, diff)
		}
	}
	code, out, errs := checked(t, "", dir, "--repair", "--yes")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range said {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %s:\n%s", want, out)
		}
	}
	after := files(t, dir)
	if !strings.HasPrefix(before[incr], after[incr]) || !strings.Contains(after[incr], "first") || strings.Contains(after[incr], "SECOND") {
		t.Errorf("left is\n%s", after[incr])
	}
	_, kept, _ := strings.Cut(strings.TrimSpace(out), "cut; what was there before is in ")
	if after[kept] != before[incr] {
		t.Errorf("%s holds\n%s", kept, after[kept])
	}
	if code, out, _ := checked(t, "", dir); code != exitOK {
		t.Errorf("afterwards: exit code %d\n%s", code, out)
	}
}
