// Package sourcetest has what the tests of sources and of tools work on: directories, and servers of them.
package sourcetest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/resp"
)

// Fixture is a copy of a directory that OmniDaemon, or a person, wrote. The test's package is two folders below cmd.
func Fixture(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "..", "jsonbackend", "lens", "testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Serve serves a directory as omniproxy does, until the test ends, and returns where.
func Serve(t *testing.T, dir string) (addr string) {
	t.Helper()
	b, err := jsonbackend.Open(jsonbackend.Options{Dir: dir, Prefix: "omni"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &resp.Server{Backend: b}
	b.ServedBy(s)
	go s.Serve(l)
	if err := b.Announce(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		s.Drain(now)
		if err := b.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}
