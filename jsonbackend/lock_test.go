package jsonbackend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOneProcessHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, own)
	if err := Busy(dir); err != nil {
		t.Errorf("a new directory is busy: %v", err)
	}
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	// What a process that was killed left behind says nothing.
	if err := os.WriteFile(filepath.Join(own, "owner"), []byte("omniproxy (pid 1) on nowhere:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	first, err := takeLock(own)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.announce("127.0.0.1:6380"); err != nil {
		t.Fatal(err)
	}
	_, err = takeLock(own)
	for who, err := range map[string]error{"takeLock": err, "Busy": Busy(dir)} {
		if err == nil || !strings.Contains(err.Error(), dir+" is served already by omniproxy (pid ") ||
			!strings.Contains(err.Error(), ") on 127.0.0.1:6380;") {
			t.Errorf("%s, second to come, is told: %v", who, err)
		}
	}
	if at, ok := ServedAt(dir); at != "127.0.0.1:6380" || !ok {
		t.Errorf("served at %q, %v", at, ok)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	if at, ok := ServedAt(dir); at != "" || ok {
		t.Errorf("served at %q, %v after the release", at, ok)
	}
	if err := Busy(dir); err != nil {
		t.Errorf("busy after the release: %v", err)
	}
	second, err := takeLock(own)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	second.release()
}
