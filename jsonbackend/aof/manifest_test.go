package aof

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var compareManifests = cmp.AllowUnexported(manifest{}, entry{})

func TestManifestIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m manifest
		if rapid.Bool().Draw(t, "base") {
			m.base = baseEntry(rapid.Int64Range(1, 1<<40).Draw(t, "base seq"))
		}
		for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 99), 0, 4).Draw(t, "history") {
			m.history = append(m.history, incrEntry(n))
		}
		last := int64(0)
		for _, step := range rapid.SliceOfN(rapid.Int64Range(1, 9), 1, 4).Draw(t, "increments") {
			last += step
			m.incrs = append(m.incrs, incrEntry(last))
		}
		m.dir = rapid.Uint64().Draw(t, "directory")
		m.copy = rapid.Bool().Draw(t, "copy")
		got, err := parseManifest(m.String())
		if diff := cmp.Diff(m, got, compareManifests); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
	})
}

func TestManifestOfRedisIsRead(t *testing.T) {
	got, err := parseManifest("# a comment\n" +
		"file appendonly.aof.2.base.rdb seq 2 type b\n" +
		"file appendonly.aof.1.incr.aof seq 1 type h\n" +
		"  FILE appendonly.aof.4.incr.aof seq 4 type i startoffset 12\n")
	want := manifest{base: entry{"appendonly.aof.2.base.rdb", 2}, history: []entry{incrEntry(1)}, incrs: []entry{incrEntry(4)}}
	if diff := cmp.Diff(want, got, compareManifests); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestBadManifestsAreRefused(t *testing.T) {
	const good = "file appendonly.aof.1.incr.aof seq 1 type i\n"
	for name, text := range map[string]string{
		"empty":            "",
		"empty line":       good + "\n\n",
		"too few words":    "file a seq 1 type\n",
		"odd words":        "file a seq 1 type i more\n",
		"no seq":           "file a x 1 type i\n",
		"seq zero":         "file a seq 0 type i\n",
		"no number":        "file a seq x type i\n",
		"path":             "file ../a seq 1 type i\n",
		"quoted":           "file \"a\" seq 1 type i\n",
		"unknown type":     "file a seq 1 type x\n",
		"two bases":        "file a seq 1 type b\nfile b seq 2 type b\n",
		"going backwards":  "file a seq 2 type i\nfile b seq 1 type i\n",
		"the same again":   good + good,
		"something else":   "hello\n",
		"a line too short": good + "file",
	} {
		d := writtenDisk(t, someUnits)
		d.put(manifestName, text)
		before := d.content()
		_, got, _, err := reopen(d, Options{})
		if err == nil || !strings.Contains(err.Error(), manifestName) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, d.content()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
