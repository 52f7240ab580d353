package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ listen, network, addr, text, url string }{
		{"127.0.0.1:6380", "tcp", "127.0.0.1:6380", "127.0.0.1:6380", "redis://127.0.0.1:6380"},
		{"localhost:0", "tcp", "localhost:0", "localhost:0", "redis://localhost:0"},
		{"[::1]:6380", "tcp", "[::1]:6380", "[::1]:6380", "redis://[::1]:6380"},
		{":6380", "tcp", ":6380", ":6380", "redis://127.0.0.1:6380"},
		{"0.0.0.0:6380", "tcp", "0.0.0.0:6380", "0.0.0.0:6380", "redis://127.0.0.1:6380"},
		{"[::]:6380", "tcp", "[::]:6380", "[::]:6380", "redis://[::1]:6380"},
		{"/run/o.sock", "unix", "/run/o.sock", "unix:/run/o.sock", "unix:///run/o.sock"},
		{"unix:/run/o.sock", "unix", "/run/o.sock", "unix:/run/o.sock", "unix:///run/o.sock"},
		{"unix:///run/o.sock", "unix", "/run/o.sock", "unix:/run/o.sock", "unix:///run/o.sock"},
		{"unix:o?.sock", "unix", "o?.sock", "unix:o?.sock", "unix://" + cwd + "/o%3F.sock"},
	} {
		a, err := parseAddress(tt.listen)
		if err != nil || a.Network != tt.network || a.Addr != tt.addr {
			t.Errorf("parseAddress(%q) = %+v, %v", tt.listen, a, err)
			continue
		}
		if got := a.String(); got != tt.text {
			t.Errorf("%q prints %q, want %q", tt.listen, got, tt.text)
		}
		if again, err := parseAddress(a.String()); again != a {
			t.Errorf("parseAddress(%q) = %+v, %v", a, again, err)
		}
		if got := a.URL(); got != tt.url {
			t.Errorf("%q has the URL %q, want %q", tt.listen, got, tt.url)
		}
	}
}

func TestReaches(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		listen, network, addr string
		want                  bool
	}{
		{"127.0.0.1:6380", "tcp", "127.0.0.1:6380", true},
		{"127.0.0.1:6380", "tcp", "localhost:6380", true},
		{"127.0.0.1:6380", "tcp", "LOCALHOST:6380", true},
		{"127.0.0.1:6380", "tcp", "[::1]:6380", true},
		{"127.0.0.1:6380", "tcp", "[::ffff:127.0.0.1]:6380", true},
		{"127.0.0.1:6380", "tcp", "0.0.0.0:6380", true},
		{"127.0.0.1:6380", "tcp", "loop:6380", true},
		{"127.0.0.1:6380", "tcp", "both:6380", true},
		{"localhost:6380", "tcp", "127.0.0.1:6380", true},
		{"127.0.0.1:6380", "tcp", "127.0.0.1:6379", false},
		{"127.0.0.1:6380", "tcp", "omniproxy:6380", false},
		{"127.0.0.1:6380", "tcp", "nowhere:6380", false},
		{":6380", "tcp", "localhost:6380", true},
		{"0.0.0.0:6380", "tcp", "omniproxy:6380", true}, // the container's own name
		{"[::]:6380", "tcp", "10.0.0.5:6380", true},
		{"0.0.0.0:6380", "tcp", "elsewhere:6380", false},
		{"10.0.0.5:6380", "tcp", "omniproxy:6380", true},
		{"10.0.0.5:6380", "tcp", "localhost:6380", false},
		{"nowhere:6380", "tcp", "localhost:6380", false},
		{"127.0.0.1:0", "tcp", "127.0.0.1:0", false}, // the port that will be taken is not known
		{"127.0.0.1:6380", "unix", "/o.sock", false},
		{"/o.sock", "tcp", "127.0.0.1:6380", false},
		{"/no/such/../o.sock", "unix", "/no/o.sock", true},
		{"/a.sock", "unix", "/b.sock", false},
		{dir + "/o.sock", "unix", link + "/o.sock", true},
	} {
		listen, err := parseAddress(tt.listen)
		if err != nil {
			t.Fatal(err)
		}
		if got := fakeMachine().reaches(listen, tt.network, tt.addr); got != tt.want {
			t.Errorf("a client of %s %s reaches %s: %v, want %v", tt.network, tt.addr, tt.listen, got, tt.want)
		}
	}
}

func TestDialed(t *testing.T) {
	for url, want := range map[string][2]string{
		"redis://h:1/2":            {"tcp", "h:1"},
		"rediss://u:pw@h":          {"tcp", "h:6379"},
		"redis://":                 {"tcp", "localhost:6379"},
		"redis://[::1]:1?x=y":      {"tcp", "[::1]:1"},
		"unix://:pw@/run/o.s?db=1": {"unix", "/run/o.s"},
		"http://h:1":               {"", ""},
		"redis://h:port":           {"", ""},
		"":                         {"", ""},
	} {
		if network, addr := dialed(url); network != want[0] || addr != want[1] {
			t.Errorf("%s leads to %q %q, want %q", url, network, addr, want)
		}
	}
}

func TestWithoutItsInterfacesAMachineStillKnowsLoopback(t *testing.T) {
	m := fakeMachine()
	m.localIPs = func() ([]netip.Addr, error) { return nil, errors.New("forbidden") }
	if !m.reaches(Address{"tcp", ":6380"}, "tcp", "127.0.0.1:6380") {
		t.Error("loopback does not reach a listener on every address")
	}
}

func TestThisMachineKnowsItself(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := thisMachine()
	ips, err := m.localIPs()
	if err != nil || len(ips) == 0 {
		t.Fatalf("no interfaces: %v", err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, ip := range ips {
		if !m.reaches(Address{"tcp", l.Addr().String()}, "tcp", net.JoinHostPort(ip.String(), port)) {
			t.Errorf("%s is not this machine", ip)
		}
	}
}

func TestProtectedMode(t *testing.T) {
	for _, tt := range []struct {
		listen string
		open   bool // others can reach it
	}{
		{"127.0.0.1:6380", false},
		{"127.8.8.8:6380", false},
		{"[::1]:0", false},
		{"[::ffff:127.0.0.1]:6380", false},
		{"localhost:6380", false},
		{"loop:6380", false},
		{"unix:/o.sock", false},
		{"/o.sock", false},
		{":6380", true},
		{"0.0.0.0:6380", true},
		{"[::]:6380", true},
		{"10.0.0.5:6380", true},
		{"omniproxy:6380", true},
		{"both:6380", true}, // one of its addresses is loopback
		{"nowhere:6380", true},
	} {
		m := fakeMachine()
		if err := m.protectedMode(tt.listen, false); (err != nil) != tt.open {
			t.Errorf("%s without a password: %v", tt.listen, err)
		}
		if err := m.protectedMode(tt.listen, true); err != nil {
			t.Errorf("%s with a password: %v", tt.listen, err)
		}
	}
}

func TestProtectedModeExplainsItself(t *testing.T) {
	err := protectedMode("0.0.0.0:6380", false)
	if err == nil {
		t.Fatal("every address without a password")
	}
	for _, want := range []string{
		"protected mode", "0.0.0.0:6380", "--listen 127.0.0.1:6380", "--listen unix:", "OMNIPROXY_REQUIREPASS", "--requirepass-file",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if err := protectedMode("127.0.0.1:6380", false); err != nil {
		t.Errorf("loopback: %v", err)
	}
}
