package jsonbackend

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

func idOf(content string) versionID { return sha256.Sum256([]byte(content)) }

func baseOf(content string) lens.Base {
	return lens.Base{Named: map[string]uint64{content: 1}}
}

// remembering is a seen with these versions; "ours:" marks a publication.
func remembering(t *testing.T, dir string, contents ...string) *seen {
	t.Helper()
	s, err := loadSeen(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contents {
		published := len(c) > 5 && c[:5] == "ours:"
		if err := s.stage(idOf(c), published, baseOf(c)); err != nil {
			t.Fatal(err)
		}
		if err := s.keep(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestVersionsAreRememberedInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seen")
	var contents []string
	for i := range 12 {
		contents = append(contents, fmt.Sprint("ours:", i))
	}
	before := remembering(t, dir, contents...)
	after, err := loadSeen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.versions, after.versions, cmp.AllowUnexported(version{})); diff != "" {
		t.Errorf("(-before +after the restart)\n%s", diff)
	}
	if !after.isLast(idOf("ours:11")) || len(after.versions) != remembered {
		t.Errorf("remembers %d versions, the last of them %v", len(after.versions), after.last())
	}
	base, err := after.lastBase()
	if diff := cmp.Diff(baseOf("ours:11"), base); err != nil || diff != "" {
		t.Errorf("base of the last version: %v (-want +got)\n%s", err, diff)
	}
	if names, _ := os.ReadDir(dir); len(names) != remembered {
		t.Errorf("%d files for %d versions", len(names), remembered)
	}
}

// A crash may fall between staging a version and what makes it take effect, or between that and keeping it.
func TestStagedVersionsAreSettledAfterACrash(t *testing.T) {
	for _, tt := range []struct {
		name         string
		ours         bool
		file, logged string // what stands on the disk, and which edit the log has last
		kept         bool
	}{
		{"published", true, "new", "", true},
		{"staged, not yet published", true, "ours:old", "", false},
		{"staged, not published, then edited", true, "edited", "new", false},
		{"read, and the log has it", false, "new", "new", true},
		{"read, and the file was edited since", false, "edited", "new", true},
		{"staged, and the log does not have it", false, "new", "older", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "seen")
			s := remembering(t, dir, "ours:old")
			if err := s.stage(idOf("new"), tt.ours, baseOf("new")); err != nil {
				t.Fatal(err)
			}
			s, err := loadSeen(dir)
			if err != nil {
				t.Fatal(err)
			}
			if s.isLast(idOf("new")) {
				t.Fatal("a staged version counts before it is settled")
			}
			if err := s.settle(idOf(tt.file), idOf(tt.logged)); err != nil {
				t.Fatal(err)
			}
			if got := s.isLast(idOf("new")); got != tt.kept {
				t.Errorf("kept: %v, want %v", got, tt.kept)
			}
			if names, _ := filepath.Glob(filepath.Join(dir, "*"+stagedSuffix)); len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

func TestOnlyPublicationsThatOursReplacedAreStale(t *testing.T) {
	for _, tt := range []struct {
		name  string
		seen  []string
		file  string
		stale bool
	}{
		{"never seen", []string{"ours:1", "ours:2"}, "edited", false},
		{"the last one", []string{"ours:1", "ours:2"}, "ours:2", false},
		{"an earlier publication", []string{"ours:1", "ours:2"}, "ours:1", true},
		{"an earlier publication that came twice", []string{"ours:1", "ours:2", "ours:1", "ours:3"}, "ours:1", true},
		{"an edit taken back", []string{"ours:1", "edit"}, "ours:1", false},
		{"an edit taken back after a publication", []string{"ours:1", "edit", "ours:2"}, "ours:1", true},
		{"an earlier edit", []string{"edit", "ours:1"}, "edit", false},
	} {
		if got := remembering(t, filepath.Join(t.TempDir(), "seen"), tt.seen...).isStale(idOf(tt.file)); got != tt.stale {
			t.Errorf("%s: stale %v, want %v", tt.name, got, tt.stale)
		}
	}
}

func TestBasesSurviveTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "base")
	rapid.Check(t, func(t *rapid.T) {
		want := lens.Base{
			Order: rapid.SliceOf(rapid.Uint64()).Draw(t, "order"),
			Named: rapid.MapOf(rapid.StringOf(rapid.RuneFrom([]rune("a\"\\\n\r\x00 :\u00e9\U0001f916"))), rapid.Uint64()).Draw(t, "named"),
		}
		if rapid.Bool().Draw(t, "not UTF-8") {
			want.Named["\xed\xa0\x80"] = 7
		}
		if err := writeBase(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := readBase(path)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%v (-written +read)\n%s", err, diff)
		}
	})
}

func TestADamagedBaseIsAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seen")
	s := remembering(t, dir, "ours:1")
	if err := os.WriteFile(filepath.Join(dir, s.last().name()), []byte("0000000000000001 \"half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if base, err := s.lastBase(); err == nil {
		t.Errorf("read %v, where deletions would be concluded from what is missing", base)
	}
}

func TestAVersionThatStandsThereAgainIsTheLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seen")
	s := remembering(t, dir, "ours:1", "ours:2", "ours:3")
	if err := s.restore(idOf("ours:1")); err != nil {
		t.Fatal(err)
	}
	again, err := loadSeen(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*seen{s, again} {
		base, err := s.lastBase()
		if diff := cmp.Diff(baseOf("ours:1"), base); err != nil || diff != "" || !s.isLast(idOf("ours:1")) || !s.isStale(idOf("ours:3")) {
			t.Errorf("last is %v, %v (-want +got)\n%s", s.last(), err, diff)
		}
	}
}
