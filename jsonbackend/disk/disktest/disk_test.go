package disktest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/disk"
)

// act does a little of everything in dir and returns what it saw.
func act(d disk.Disk, dir string) (saw []string) {
	at := func(name string) string { return filepath.Join(dir, name) }
	see := func(what string, err error) {
		for _, known := range []error{fs.ErrNotExist, fs.ErrExist, syscall.ENOTEMPTY, io.EOF, fs.ErrClosed} {
			if errors.Is(err, known) {
				what += " " + known.Error()
				err = nil
			}
		}
		if err != nil {
			what += " " + err.Error()
		}
		saw = append(saw, what)
	}
	read := func(name string) {
		b, err := disk.ReadFile(d, at(name))
		see(name+"="+string(b), err)
	}
	see("write", disk.WriteFile(d, at("a"), []byte("alpha"), 0o600))
	see("write", disk.WriteFile(d, at("b"), []byte("beta"), 0o640))
	see("make", disk.MakeDir(d, at("x/y"), 0o700))
	see("make", disk.MakeDir(d, at("x/y"), 0o700))
	see("exchange", d.Exchange(at("a"), at("b")))
	read("a")
	see("exchange", d.Exchange(at("a"), at("none")))
	see("link", d.Link(at("a"), at("x/l")))
	see("link", d.Link(at("a"), at("x/l")))
	see("rename", d.Rename(at("x/l"), at("a"))) // two names of one file: nothing happens
	see("rename", d.Rename(at("a"), at("b")))
	see("rename", d.Rename(at("none"), at("b")))
	read("b")
	read("a")
	see("remove", d.Remove(at("x")))
	see("remove", d.Remove(at("none")))
	_, err := d.Open(at("b"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	see("create", err)
	f, err := d.Open(at("b"), os.O_WRONLY|os.O_APPEND, 0)
	see("open", err)
	linked, _ := d.Stat(at("x/l"))
	info, err := f.Stat()
	see(fmt.Sprint("stat ", info.Size, info.Mode, info.ID == linked.ID, info.ID != 0), err)
	f.Write([]byte("!"))
	see("truncate", f.Truncate(2))
	f.Write([]byte("?"))
	see("resemble", f.Resemble(disk.Info{Mode: 0o604, UID: info.UID, GID: info.GID}))
	see("sync", f.Sync())
	see("close", f.Close())
	_, err = f.Write([]byte("more"))
	see("write", err)
	info, err = d.Stat(at("x/l"))
	see(fmt.Sprint("stat ", info.Size, info.Mode), err)
	names, err := d.List(dir)
	see(strings.Join(names, " "), err)
	see("sync", d.SyncDir(dir))
	see("replace", disk.ReplaceFile(d, at("b"), at("b.part"), []byte("new"), 0o644))
	read("b")
	read("x/l")
	path, err := d.Resolve(at("none"))
	see(filepath.Base(path), err)
	return saw
}

func TestMemoryBehavesAsTheSystem(t *testing.T) {
	want := act(disk.OS{}, t.TempDir())
	d := New()
	if err := d.Mkdir("/dir", 0o755); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, act(d, "/dir")); diff != "" {
		t.Fatal(diff)
	}
}

// appendTo appends to a file that is created if it is missing.
func appendTo(t *testing.T, d disk.Disk, path, text string) disk.File {
	t.Helper()
	f, err := d.Open(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return f
}

// A power cut takes what was not synced, in all ways that are told apart here; kill -9 takes nothing.
func TestPowerCutTakesWhatIsNotSynced(t *testing.T) {
	d := New()
	f := appendTo(t, d, "/f", "safe ")
	f.Sync()
	appendTo(t, d, "/g", "content without a name")
	d.SyncDir("/")
	d.Rename("/g", "/h")
	f.Write([]byte(strings.Repeat("x", 3*sector)))
	killed := d.Kill()
	f.Write([]byte("later"))
	if diff := cmp.Diff(5+3*sector, len(killed.Files()["/f"])); diff != "" {
		t.Fatal(diff)
	}
	if got := killed.PowerCut(Some(0)).Files(); got["/f"] != "safe " || got["/g"] != "" {
		t.Fatalf("%q", got)
	}
	all := killed.PowerCut(Some(1)).Files()
	if diff := cmp.Diff(killed.Files(), all); diff != "" {
		t.Fatal(diff)
	}
	kinds := map[string]bool{}
	for seed := range 200 {
		left := d.PowerCut(Some(seed)).Files()
		text := left["/f"]
		if !strings.HasPrefix(text, "safe ") {
			t.Fatalf("%q is lost", "safe ")
		}
		if _, old := left["/g"]; old {
			kinds["old name"] = true
		} else {
			kinds["new name"] = true
		}
		switch rest := strings.Trim(text[5:], "x"); {
		case rest == "":
			kinds["shorter"] = true
		case strings.Trim(rest, "\x00") == "" && strings.HasSuffix(text, "\x00"):
			kinds["zeros at the end"] = true
		case strings.HasSuffix(text, "x"):
			kinds["hole"] = true
		}
	}
	if len(kinds) != 5 {
		t.Fatal(kinds)
	}
}

// What a failed sync was to write does not become durable with the next one that succeeds, unless it is written again.
func TestFailedSyncLosesWhatItWasToWrite(t *testing.T) {
	d := New()
	f := appendTo(t, d, "/f", "one ")
	f.Sync()
	d.SyncDir("/")
	f.Write([]byte("two "))
	d.Before(func(op Op) error {
		if op.Name == "sync" {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	d.Before(nil)
	f.Write([]byte("three"))
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if got, want := d.PowerCut(Some(1)).Files()["/f"], "one \x00\x00\x00\x00three"; got != want {
		t.Fatalf("%q", got)
	}
	if got, want := d.Files()["/f"], "one two three"; got != want {
		t.Fatalf("%q", got)
	}
	again, _ := d.Open("/f", os.O_WRONLY, 0)
	again.Seek(4, io.SeekStart)
	again.Write([]byte("two "))
	again.Sync()
	if got, want := d.PowerCut(Some(0)).Files()["/f"], "one two three"; got != want {
		t.Fatalf("%q", got)
	}
}

func TestFullDisk(t *testing.T) {
	d := New()
	f := appendTo(t, d, "/f", "12345678")
	d.SetCapacity(10)
	if n, err := f.Write([]byte("abcd")); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(n, err)
	}
	if _, err := d.Open("/g", os.O_WRONLY|os.O_CREATE, 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	f.Truncate(8)
	g := appendTo(t, d, "/g", "x")
	d.Remove("/f")
	if _, err := g.Write([]byte("123456789")); err != nil {
		t.Fatal(err)
	}
}

// The n-th change fails, once or for good; a write is left half done.
func TestFaults(t *testing.T) {
	for at, want := range map[int]string{1: "", 2: "ab", 3: "abcd", 4: "abcd"} {
		d := New()
		d.Before(CrashAt(at))
		err := disk.WriteFile(d, "/f", []byte("abcd"), 0o644)
		if crashed := errors.Is(err, ErrCrashed); crashed != (at < 4) {
			t.Fatal(at, err)
		}
		if got := d.Kill().Files()["/f"]; got != want {
			t.Fatalf("%d: %q", at, got)
		}
		if _, err := d.Stat("/"); errors.Is(err, ErrCrashed) != (at < 4) {
			t.Fatal(at, err)
		}
	}
	d := New()
	d.Before(FailAt(2, syscall.EIO))
	if err := disk.WriteFile(d, "/f", []byte("abcd"), 0o644); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if err := disk.WriteFile(d, "/f", []byte("abcd"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Another program may act between two operations.
func TestHookMayUseTheDisk(t *testing.T) {
	d := New()
	editor := d.Aside()
	d.Before(func(op Op) error {
		if op.Name == "rename" {
			return disk.WriteFile(editor, "/f", []byte("edited"), 0o644)
		}
		return nil
	})
	disk.WriteFile(d, "/g", []byte("ours"), 0o644)
	d.Exchange("/g", "/f") // is not there yet
	d.Rename("/g", "/h")
	if diff := cmp.Diff(map[string]string{"/f": "edited", "/h": "ours"}, d.Files()); diff != "" {
		t.Fatal(diff)
	}
}
