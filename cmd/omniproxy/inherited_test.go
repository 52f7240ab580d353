package main

import (
	"net"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
)

// A socket is taken by the listener that asks for its address, however that is written.
func TestAnInheritedSocketIsKnownByItsAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, c := range []struct {
		network, bound string
		asked          func(port string) Address
		want           bool
	}{
		{"tcp", "127.0.0.1:0", func(port string) Address { return Address{"tcp", "127.0.0.1:" + port} }, true},
		{"tcp", "127.0.0.1:0", func(port string) Address { return Address{"tcp", "localhost:" + port} }, true},
		{"tcp", "127.0.0.1:0", func(port string) Address { return Address{"tcp", "0.0.0.0:" + port} }, false},
		{"tcp", "127.0.0.1:0", func(string) Address { return Address{"tcp", "127.0.0.1:0"} }, false},
		{"tcp", ":0", func(port string) Address { return Address{"tcp", ":" + port} }, true},
		{"tcp", ":0", func(port string) Address { return Address{"tcp", "0.0.0.0:" + port} }, true},
		{"tcp", ":0", func(port string) Address { return Address{"tcp", "127.0.0.1:" + port} }, false},
		{"tcp", "127.0.0.1:0", func(string) Address { return Address{"unix", path} }, false},
		{"unix", path, func(string) Address { return Address{"unix", filepath.Join(filepath.Dir(path), ".", "s")} }, true},
		{"unix", path, func(port string) Address { return Address{"tcp", "127.0.0.1:1"} }, false},
	} {
		l, err := net.Listen(c.network, c.bound)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		s := &inheritedSocket{listener: l}
		if got := s.is(c.asked(port)); got != c.want {
			t.Errorf("%s is %v: %v, want %v", l.Addr(), c.asked(port), got, c.want)
		}
		l.Close()
	}
}

// A free port is kept over a restart, for it is asked for in the same words.
func TestASocketOfTheLastProcessIsKnownByWhatWasAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := &inheritance{sockets: []*inheritedSocket{{listener: l, asked: Address{"tcp", "127.0.0.1:0"}}}}
	if got, err := h.listen(Address{"tcp", "127.0.0.1:0"}); err != nil || got != l {
		t.Errorf("%v, %v", got, err)
	}
	other, err := h.listen(Address{"tcp", "127.0.0.1:0"})
	if err != nil || other == l {
		t.Fatalf("%v, %v", other, err)
	}
	other.Close()
	if err := h.leave(zap.NewNop()); err != nil {
		t.Error(err)
	}
}

// A socket of the last process that is no longer asked for is closed; one of the service manager's is an error.
func TestASocketThatNobodyAsksForIsNotKept(t *testing.T) {
	for _, byOthers := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		h := &inheritance{sockets: []*inheritedSocket{{listener: l, byOthers: byOthers}}}
		if err := h.leave(zap.NewNop()); (err != nil) != byOthers {
			t.Errorf("%v", err)
		}
		if err := l.Close(); (err != nil) == byOthers {
			t.Errorf("closed again: %v", err)
		}
	}
}
