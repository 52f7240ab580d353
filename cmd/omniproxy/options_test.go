package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// fakeMachine has the environment env ("NAME=value"), the interface 10.0.0.5, and the hosts below in its DNS.
func fakeMachine(env ...string) machine {
	hosts := map[string]string{
		"omniproxy": "10.0.0.5", "elsewhere": "10.0.0.9", "loop": "127.0.0.1", "both": "127.0.0.1 10.0.0.5",
	}
	return machine{
		lookupEnv: func(name string) (string, bool) {
			for _, e := range env {
				if n, value, _ := strings.Cut(e, "="); n == name {
					return value, true
				}
			}
			return "", false
		},
		variables: func() (names []string) {
			for _, e := range env {
				name, _, _ := strings.Cut(e, "=")
				names = append(names, name)
			}
			return names
		},
		lookupIP: func(host string) (ips []netip.Addr, err error) {
			for _, ip := range strings.Fields(hosts[host]) {
				ips = append(ips, netip.MustParseAddr(ip))
			}
			if ips == nil {
				return nil, fmt.Errorf("lookup %s: no such host", host)
			}
			return ips, nil
		},
		localIPs: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.5")}, nil
		},
	}
}

// first returns the settings of the first listener, which are zero if there is none.
func first(inv invocation) Settings {
	if len(inv.Listeners) == 0 {
		return Settings{}
	}
	return inv.Listeners[0]
}

// settingsOf parses a command line of serve that is expected to be right.
func settingsOf(t *testing.T, args, env string) Settings {
	t.Helper()
	inv, err := parse(strings.Fields(args), fakeMachine(strings.Fields(env)...))
	if err != nil {
		t.Fatalf("%s omniproxy %s: %v", env, args, err)
	}
	if inv.Word != "serve" {
		t.Fatalf("omniproxy %s asks for %q", args, inv.Word)
	}
	return first(inv)
}

const overTLS = "--backend=redis --upstream=rediss://h"

// precedence has a row for each flag but those of the password and of certificates, which have tests of their own.
var precedence = []struct {
	flag     string
	fallback string // OmniDaemon's variable
	values   [3]string
	args     string // what else must be given
	get      func(Settings) any
	want     [4]string // by default, and with values[0], [1], [2]
}{
	{flag: "listen", values: [3]string{"127.0.0.1:1", "127.0.0.1:2", "unix:/s"},
		get: func(s Settings) any { return s.Listen }, want: [4]string{"127.0.0.1:6380", "127.0.0.1:1", "127.0.0.1:2", "unix:/s"}},
	{flag: "ready-file", values: [3]string{"a", "b", "c"},
		get: func(s Settings) any { return s.ReadyFile }, want: [4]string{"", "a", "b", "c"}},
	{flag: "max-block", values: [3]string{"0", "1s", "1500ms"},
		get: func(s Settings) any { return s.MaxBlock }, want: [4]string{"auto", "0", "1s", "1.5s"}},
	{flag: "max-block", args: "--backend=redis", values: [3]string{"0", "auto", "2m"},
		get: func(s Settings) any { return s.MaxBlock }, want: [4]string{"0", "0", "auto", "2m0s"}},
	{flag: "backend", fallback: "STORAGE_BACKEND", values: [3]string{"redis", "redis", "redis"},
		get: func(s Settings) any { return s.Backend }, want: [4]string{"json", "redis", "redis", "redis"}},
	{flag: "dir", fallback: "JSON_STORAGE_DIR", values: [3]string{"a", "b", "/c d"},
		get: func(s Settings) any { return s.Dir }, want: [4]string{".omnidaemon_data", "a", "b", "/c d"}},
	{flag: "upstream", fallback: "REDIS_URL", args: "--backend=redis",
		values: [3]string{"redis://a", "redis://u:pw@b:1/2", "unix:///c"},
		get:    func(s Settings) any { return s.Upstream },
		want:   [4]string{"redis://localhost:6379", "redis://a", "redis://u:***@b:1/2", "unix:///c"}},
	{flag: "prefix", fallback: "REDIS_KEY_PREFIX", values: [3]string{"a", "b*:", ""},
		get: func(s Settings) any { return s.Prefix }, want: [4]string{"omni", "a", "b*:", ""}},
	{flag: "db", values: [3]string{"1", "2", "15"},
		get: func(s Settings) any { return s.DB }, want: [4]string{"0", "1", "2", "15"}},
	{flag: "validate", values: [3]string{"off", "observe", "enforce"},
		get: func(s Settings) any { return s.Layout.General }, want: [4]string{"warn", "off", "observe", "enforce"}},
	{flag: "validate", args: "--backend=redis", values: [3]string{"off", "warn", "enforce"},
		get: func(s Settings) any { return s.Layout.General }, want: [4]string{"observe", "off", "warn", "enforce"}},
	{flag: "validate-rules", values: [3]string{"OMN001=off", "config-json=enforce, OMN003=warn", "omn030=observe"},
		get: func(s Settings) any { return s.Layout.rules() }, want: [4]string{"", "OMN001=off", "OMN003=warn,OMN030=enforce", "OMN030=observe"}},
	{flag: "fsync", values: [3]string{"no", "always", "no"},
		get: func(s Settings) any { return s.Fsync }, want: [4]string{"everysec", "no", "always", "no"}},
	{flag: "metrics-cap", values: [3]string{"0", "1", "100000"},
		get: func(s Settings) any { return s.MetricsCap }, want: [4]string{"10000", "0", "1", "100000"}},
	{flag: "read-only", values: [3]string{"true", "1", "yes"},
		get: func(s Settings) any { return s.ReadOnly }, want: [4]string{"false", "true", "true", "true"}},
	{flag: "ephemeral", values: [3]string{"True", "1", "yes"},
		get: func(s Settings) any { return s.Ephemeral }, want: [4]string{"false", "true", "true", "true"}},
	{flag: "pool", args: "--backend=redis", values: [3]string{"session", "session", "session"},
		get: func(s Settings) any { return s.Pool }, want: [4]string{"shared", "session", "session", "session"}},
	{flag: "lanes", args: "--backend=redis", values: [3]string{"2", "3", "4"},
		get: func(s Settings) any { return s.Lanes }, want: [4]string{"1", "2", "3", "4"}},
	{flag: "pins", args: "--backend=redis", values: [3]string{"2", "3", "4"},
		get: func(s Settings) any { return s.Pins }, want: [4]string{"1000", "2", "3", "4"}},
	{flag: "auth", args: "--backend=redis", values: [3]string{"terminate", "passthrough", "terminate"},
		get: func(s Settings) any { return s.Auth }, want: [4]string{"passthrough", "terminate", "passthrough", "terminate"}},
	{flag: "dial-timeout", args: "--backend=redis", values: [3]string{"1s", "2s", "3ms"},
		get: func(s Settings) any { return s.DialTimeout }, want: [4]string{"5s", "1s", "2s", "3ms"}},
	{flag: "queue-timeout", args: "--backend=redis", values: [3]string{"1s", "2s", "3ms"},
		get: func(s Settings) any { return s.QueueTimeout }, want: [4]string{"5s", "1s", "2s", "3ms"}},
	{flag: "read-timeout", args: "--backend=redis", values: [3]string{"1s", "0", "3m"},
		get: func(s Settings) any { return s.ReadTimeout }, want: [4]string{"1m0s", "1s", "-1ns", "3m0s"}},
	{flag: "pin-time", args: "--backend=redis", values: [3]string{"1s", "0", "3m"},
		get: func(s Settings) any { return s.PinTime }, want: [4]string{"5m0s", "1s", "-1ns", "3m0s"}},
	{flag: "idle-time", args: "--backend=redis", values: [3]string{"1s", "2s", "3m"},
		get: func(s Settings) any { return s.IdleTime }, want: [4]string{"1m0s", "1s", "2s", "3m0s"}},
	{flag: "metrics-listen", values: [3]string{"127.0.0.1:9380", "unix:/m", ":0"},
		get: func(s Settings) any { return s.MetricsListen }, want: [4]string{"", "127.0.0.1:9380", "unix:/m", ":0"}},
	{flag: "pprof", args: "--metrics-listen=:0", values: [3]string{"true", "1", "yes"},
		get: func(s Settings) any { return s.Pprof }, want: [4]string{"false", "true", "true", "true"}},
	{flag: "drain-delay", args: "--metrics-listen=:0", values: [3]string{"1s", "2s", "3m"},
		get: func(s Settings) any { return s.DrainDelay }, want: [4]string{"0s", "1s", "2s", "3m0s"}},
	{flag: "log-format", values: [3]string{"json", "json", "json"},
		get: func(s Settings) any { return s.LogFormat }, want: [4]string{"text", "json", "json", "json"}},
	{flag: "drain-timeout", values: [3]string{"2s", "3s", "30s"},
		get: func(s Settings) any { return s.Drain }, want: [4]string{"1s", "2s", "3s", "30s"}},
	{flag: "max-clients", values: [3]string{"1", "20000", "3"},
		get: func(s Settings) any { return s.MaxClients }, want: [4]string{"10000", "1", "20000", "3"}},
	{flag: "tls-client-ca", args: "--tls-cert=a --tls-key=b", values: [3]string{"a", "b", "c"},
		get: func(s Settings) any { return s.ServerTLS }, want: [4]string{"{a b }", "{a b a}", "{a b b}", "{a b c}"}},
	{flag: "auth-timeout", values: [3]string{"1s", "0", "3m"},
		get: func(s Settings) any { return s.AuthTimeout }, want: [4]string{"30s", "1s", "0s", "3m0s"}},
	{flag: "max-unauthenticated", values: [3]string{"1", "2", "3"},
		get: func(s Settings) any { return s.Limits.Strangers }, want: [4]string{"0", "1", "2", "3"}},
	{flag: "unauthenticated-memory", values: [3]string{"1", "0", "3kb"},
		get: func(s Settings) any { return s.Limits.StrangerMemory }, want: [4]string{"67108864", "1", "0", "3072"}},
	{flag: "client-memory", values: [3]string{"1", "0", "3kb"},
		get: func(s Settings) any { return s.Limits.Memory }, want: [4]string{"1073741824", "1", "0", "3072"}},
	{flag: "connection-rate", values: [3]string{"1", "0.5", "3"},
		get: func(s Settings) any { return s.Arrivals }, want: [4]string{"0", "1", "0.5", "3"}},
	{flag: "rate-limit", values: [3]string{"1", "0.5", "3"},
		get: func(s Settings) any { return s.Rate }, want: [4]string{"0", "1", "0.5", "3"}},
	{flag: "deny", values: [3]string{"get", "set, get", "set"},
		get: func(s Settings) any { return s.Names != nil && s.Names.Denies("get") }, want: [4]string{"false", "true", "true", "false"}},
	{flag: "rename", values: [3]string{"get=a", "get=b", "get=c"},
		get: func(s Settings) any { return s.Names != nil }, want: [4]string{"false", "true", "true", "true"}},
	{flag: "refuse-writes", values: [3]string{"true", "1", "yes"},
		get: func(s Settings) any { return s.RefuseWrites }, want: [4]string{"false", "true", "true", "true"}},
	{flag: "audit", values: [3]string{"a", "b", "-"},
		get: func(s Settings) any { return s.Audit }, want: [4]string{"", "a", "b", "-"}},
	{flag: "audit-commands", args: "--audit=a", values: [3]string{"get", "@all", "auth,@read"},
		get: func(s Settings) any { return s.AuditCommands }, want: [4]string{"[@admin @dangerous auth]", "[get]", "[@all]", "[auth @read]"}},
	{flag: "buffers", args: "--backend=redis", values: [3]string{"1", "2KB", "3gb"},
		get: func(s Settings) any { return s.Buffers }, want: [4]string{"268435456", "1", "2048", "3221225472"}},
	{flag: "users", args: "--backend=redis", values: [3]string{"a", "b", "c"},
		get: func(s Settings) any { return s.Users + s.Auth }, want: [4]string{"passthrough", "aterminate", "bterminate", "cterminate"}},
	{flag: "upstream-ca", args: overTLS, values: [3]string{"a", "b", "c"},
		get: func(s Settings) any { return s.TLS.CA }, want: [4]string{"", "a", "b", "c"}},
	{flag: "upstream-sni", args: overTLS, values: [3]string{"a", "b", "c"},
		get: func(s Settings) any { return s.TLS.SNI }, want: [4]string{"", "a", "b", "c"}},
	{flag: "upstream-skip-verify", args: overTLS, values: [3]string{"true", "1", "yes"},
		get: func(s Settings) any { return s.TLS.SkipVerify }, want: [4]string{"false", "true", "true", "true"}},
	{flag: "log-level", values: [3]string{"debug", "warn", "error"},
		get: func(s Settings) any { return s.LogLevel }, want: [4]string{"info", "debug", "warn", "error"}},
}

func TestTheCommandLineWinsThenOwnVariablesThenOmniDaemons(t *testing.T) {
	for _, tt := range precedence {
		names := []string{"--" + tt.flag, variable(tt.flag), tt.fallback}
		check := func(given int, args []string, env ...string) {
			t.Helper()
			inv, err := parse(append(strings.Fields(tt.args), args...), fakeMachine(env...))
			if err != nil {
				t.Errorf("%s, %q %q: %v", tt.flag, args, env, err)
				return
			}
			if got := fmt.Sprint(tt.get(first(inv))); got != tt.want[given] {
				t.Errorf("%s, %q %q: %q, want %q", tt.flag, args, env, got, tt.want[given])
			}
			source := ""
			if given > 0 {
				source = tt.flag + " from " + names[3-given]
			}
			if got := first(inv).Sources(); source == "" && strings.Contains(got, tt.flag+" from") || !strings.Contains(got, source) {
				t.Errorf("%s, %q %q: sources %q, want %q", tt.flag, args, env, got, source)
			}
		}
		check(0, nil)
		var env []string
		if tt.fallback != "" {
			env = append(env, tt.fallback+"="+tt.values[0])
			check(1, nil, env...)
		}
		env = append(env, variable(tt.flag)+"="+tt.values[1])
		check(2, nil, env...)
		check(3, []string{"--" + tt.flag + "=" + tt.values[2]}, env...)
	}
}

func TestEveryFlagIsInThePrecedenceTable(t *testing.T) {
	tested := map[string]string{"config": "", "requirepass": "", "requirepass-file": "", "tls-cert": "", "tls-key": "", "upstream-cert": "", "upstream-key": ""}
	for _, row := range precedence {
		tested[row.flag] = row.fallback
	}
	for _, flag := range kong.Must(&cli{}).Model.DefaultCmd.Flags {
		fallback, ok := tested[flag.Name]
		if !ok || fallback != flag.Tag.Get("fallback") {
			t.Errorf("--%s (OmniDaemon: %q) is not tested", flag.Name, flag.Tag.Get("fallback"))
		}
	}
}

func TestDefaultsNameNoSource(t *testing.T) {
	for _, tt := range []struct{ args, env string }{
		{"", ""},
		{"serve", ""},
		{"serve --db 0 --read-only=false", "STORAGE_BACKEND=json JSON_STORAGE_DIR=.omnidaemon_data"},
		{"", "STORAGE_BACKEND=JSON"},
		{"--max-block auto --requirepass=", "OMNIPROXY_REQUIREPASS=x"},
		{"", "REDIS_URL=redis://other:6379"}, // JSON is served; OmniDaemon's bus needs a Redis in any case
		{"", "OMNIPROXY_DIR= OMNIPROXY_READ_ONLY= STORAGE_BACKEND= JSON_STORAGE_DIR="},
		{"--backend json", "OMNIPROXY_UPSTREAM=redis://other"},
	} {
		s := settingsOf(t, tt.args, tt.env)
		if got := s.Sources(); got != "" {
			t.Errorf("%s omniproxy %s: sources %q", tt.env, tt.args, got)
		}
		if got := s.String(); got != "listen=127.0.0.1:6380 ready-file= requirepass= max-block=auto backend=json "+
			"dir=.omnidaemon_data upstream= prefix=omni db=0 validate=warn validate-rules= fsync=everysec metrics-cap=10000 read-only=false "+
			"ephemeral=false log-level=info" {
			t.Errorf("%s omniproxy %s: %s", tt.env, tt.args, got)
		}
	}
}

func TestSourcesAreListedInOrder(t *testing.T) {
	s := settingsOf(t, "--db 3 --listen :0 --requirepass x", "JSON_STORAGE_DIR=/data OMNIPROXY_EPHEMERAL=1 REDIS_KEY_PREFIX=")
	want := "listen from --listen, requirepass from --requirepass, dir from JSON_STORAGE_DIR, " +
		"prefix from REDIS_KEY_PREFIX, db from --db, ephemeral from OMNIPROXY_EPHEMERAL"
	if got := s.Sources(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPasswordComesFromWordOrFile(t *testing.T) {
	dir := t.TempDir()
	file, empty := filepath.Join(dir, "file"), filepath.Join(dir, "empty")
	for name, text := range map[string]string{file: "from file \r\n", empty: "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ args, env, want, source, err string }{
		{},
		{args: "--requirepass word", want: "word", source: "requirepass from --requirepass"},
		{env: "OMNIPROXY_REQUIREPASS=word", want: "word", source: "requirepass from OMNIPROXY_REQUIREPASS"},
		{args: "--requirepass-file " + file, want: "from file ", source: "requirepass-file from --requirepass-file"},
		{env: "OMNIPROXY_REQUIREPASS_FILE=" + file, want: "from file ", source: "requirepass-file from OMNIPROXY_REQUIREPASS_FILE"},
		{args: "--requirepass word", env: "OMNIPROXY_REQUIREPASS_FILE=" + file, want: "word", source: "requirepass from --requirepass"},
		{args: "--requirepass-file " + file, env: "OMNIPROXY_REQUIREPASS=word", want: "from file ", source: "requirepass-file from --requirepass-file"},
		{args: "--requirepass=", env: "OMNIPROXY_REQUIREPASS=word"},
		{args: "--requirepass=", env: "OMNIPROXY_REQUIREPASS_FILE=" + file},
		{args: "--requirepass secret --requirepass-file " + file,
			err: "--requirepass and --requirepass-file both set the password: choose one"},
		{env: "OMNIPROXY_REQUIREPASS=secret OMNIPROXY_REQUIREPASS_FILE=" + file,
			err: "OMNIPROXY_REQUIREPASS and OMNIPROXY_REQUIREPASS_FILE both set the password: choose one"},
		{args: "--requirepass-file " + empty, err: "--requirepass-file=" + empty + ": the file is empty; put the password in it"},
		{args: "--requirepass-file " + dir + "/none", err: "--requirepass-file: open " + dir + "/none: no such file or directory"},
	} {
		inv, err := parse(strings.Fields(tt.args), fakeMachine(strings.Fields(tt.env)...))
		if got := fmt.Sprint(err); tt.err != "" && got != tt.err || tt.err == "" && err != nil {
			t.Errorf("%s omniproxy %s: error %v, want %s", tt.env, tt.args, err, tt.err)
		}
		if got := string(first(inv).Password); got != tt.want {
			t.Errorf("%s omniproxy %s: password %q, want %q", tt.env, tt.args, got, tt.want)
		}
		if got := first(inv).Sources(); got != tt.source {
			t.Errorf("%s omniproxy %s: sources %q, want %q", tt.env, tt.args, got, tt.source)
		}
	}
}

func TestACertificateNeedsItsKey(t *testing.T) {
	s := settingsOf(t, overTLS+" --upstream-key k --upstream-cert=c", "OMNIPROXY_UPSTREAM_KEY=other")
	if s.TLS.Cert != "c" || s.TLS.Key != "k" {
		t.Errorf("%+v", s.TLS)
	}
	s = settingsOf(t, overTLS, "OMNIPROXY_UPSTREAM_KEY=k OMNIPROXY_UPSTREAM_CERT=c")
	if want := "upstream-cert from OMNIPROXY_UPSTREAM_CERT, upstream-key from OMNIPROXY_UPSTREAM_KEY"; s.TLS.Cert != "c" || s.TLS.Key != "k" || !strings.Contains(s.Sources(), want) {
		t.Errorf("%+v, %s", s.TLS, s.Sources())
	}
}

func TestOmniDaemonsRedisURLNeverMakesItProxyToItself(t *testing.T) {
	for _, tt := range []struct {
		args, env string
		backend   string
		upstream  string
		note      string
		err       string
	}{
		{env: "STORAGE_BACKEND=redis REDIS_URL=redis://localhost:6380", backend: "json",
			note: "STORAGE_BACKEND=redis with REDIS_URL=redis://localhost:6380 leads OmniDaemon to this very listener, so JSON is served"},
		{env: "STORAGE_BACKEND=redis REDIS_URL=redis://:geheim@127.0.0.1:6380/0", backend: "json",
			note: "STORAGE_BACKEND=redis with REDIS_URL=redis://:***@127.0.0.1:6380/0 leads OmniDaemon to this very listener, so JSON is served"},
		{args: "--listen 127.0.0.1:6379", env: "STORAGE_BACKEND=redis", backend: "json",
			note: "STORAGE_BACKEND=redis with the default REDIS_URL=redis://localhost:6379 leads OmniDaemon to this very listener, so JSON is served"},
		{env: "STORAGE_BACKEND=redis REDIS_URL=redis://localhost:6380/0?socket_timeout=5", backend: "json", // redis-py's option
			note: "STORAGE_BACKEND=redis with REDIS_URL=redis://localhost:6380/0?socket_timeout=5 leads OmniDaemon to this very listener, so JSON is served"},
		{args: "--listen /run/o.sock", env: "STORAGE_BACKEND=redis REDIS_URL=unix:///run/o.sock?db=0", backend: "json",
			note: "STORAGE_BACKEND=redis with REDIS_URL=unix:///run/o.sock?db=0 leads OmniDaemon to this very listener, so JSON is served"},
		{env: "STORAGE_BACKEND=redis REDIS_URL=redis://elsewhere?socket_timeout=5", err: "REDIS_URL=redis://elsewhere?socket_timeout=5: " + urlHint},
		{env: "STORAGE_BACKEND=redis REDIS_URL=redis://localhost", backend: "redis", upstream: "redis://localhost"},
		{env: "STORAGE_BACKEND=redis REDIS_URL=redis://elsewhere:6380", backend: "redis", upstream: "redis://elsewhere:6380"},
		{env: "STORAGE_BACKEND=Redis", backend: "redis", upstream: "redis://localhost:6379"},
		{env: "REDIS_URL=redis://localhost:6380", backend: "json"},
		{env: "STORAGE_BACKEND=redis REDIS_URL=redis://localhost:6380 OMNIPROXY_BACKEND=json", backend: "json"},
		{env: "STORAGE_BACKEND=redis REDIS_URL=redis://localhost:6380 OMNIPROXY_UPSTREAM=redis://elsewhere",
			backend: "redis", upstream: "redis://elsewhere"},
		{args: "--backend redis", env: "REDIS_URL=redis://localhost:6380",
			err: "REDIS_URL=redis://localhost:6380 is this very listener: name the Redis behind it with --upstream, or take --backend json"},
		{args: "--backend redis --upstream redis://:pw@localhost:6380",
			err: "--upstream=redis://:***@localhost:6380 is this very listener: name the Redis behind it with --upstream, or take --backend json"},
		{env: "STORAGE_BACKEND=redis OMNIPROXY_UPSTREAM=redis://localhost:6380",
			err: "OMNIPROXY_UPSTREAM=redis://localhost:6380 is this very listener: name the Redis behind it with --upstream, or take --backend json"},
	} {
		inv, err := parse(strings.Fields(tt.args), fakeMachine(strings.Fields(tt.env)...))
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s omniproxy %s: error %v\nwant %s", tt.env, tt.args, err, tt.err)
			}
			continue
		}
		s := first(inv)
		if err != nil || s.Backend != tt.backend || string(s.Upstream) != tt.upstream || s.Note != tt.note {
			t.Errorf("%s omniproxy %s: %s %s, note %q, error %v", tt.env, tt.args, s.Backend, s.Upstream, s.Note, err)
		}
		if sources := s.Sources(); s.Backend == "json" && (strings.Contains(sources, "backend") || strings.Contains(sources, "upstream")) {
			t.Errorf("%s omniproxy %s: names what it did not follow: %s", tt.env, tt.args, sources)
		}
	}
}

func TestErrorsAreOneLineAndSayWhatToDo(t *testing.T) {
	for _, tt := range []struct{ args, env, want string }{
		{"--db 16", "", "--db=16: choose 0 to 15"},
		{"--db -1", "", `--db: expected string value but got "-1" (short flag); perhaps try --db="-1"?; see omniproxy --help`},
		{"", "OMNIPROXY_DB=x", "OMNIPROXY_DB=x: choose 0 to 15"},
		{"--upstream-cert c " + overTLS, "", "--upstream-cert=c: give its key with --upstream-key"},
		{"--upstream-key k " + overTLS, "", "--upstream-key=k: give its certificate with --upstream-cert"},
		{"--upstream-ca c --upstream-skip-verify " + overTLS, "", "--upstream-ca=c trusts some certificates, --upstream-skip-verify any: choose one"},
		{"--backend redis --upstream-ca c", "OMNIPROXY_UPSTREAM=rediss://h?skip_verify=true", "--upstream-ca=c trusts some certificates, skip_verify in OMNIPROXY_UPSTREAM any: choose one"},
		{"--backend redis", "OMNIPROXY_UPSTREAM_CA=c", "OMNIPROXY_UPSTREAM_CA=c: TLS needs rediss:// in --upstream"},
		{"--backend redis --upstream redis://:pw@h?dial_timeout=1s", "", "--upstream=redis://:***@h?dial_timeout=1s: of a URL's options only db and skip_verify count here; timeouts and limits are flags"},
		{"--backend redis --requirepass pw --auth passthrough", "", "--auth=passthrough leaves passwords to Redis, --requirepass does not: choose one"},
		{"--backend redis --users f --auth passthrough", "", "--auth=passthrough leaves passwords to Redis, --users does not: choose one"},
		{"--backend redis --auth redis", "", "--auth=redis: choose terminate or passthrough"},
		{"--backend redis --lanes 0", "", "--lanes=0: give a number from 1 on"},
		{"--backend redis --max-clients=-1", "", "--max-clients=-1: give a number from 1 on"},
		{"--backend redis --dial-timeout 0", "", "--dial-timeout=0: give a time with its unit, such as 5s"},
		{"--backend redis --read-timeout 5", "", "--read-timeout=5: give a time with its unit, such as 5s"},
		{"--backend redis --buffers lots", "", "--buffers=lots: give a size such as 256mb"},
		{"--drain-timeout=-1s", "", "--drain-timeout=-1s: give a time with its unit, such as 5s"},
		{"--validate strict", "", "--validate=strict: choose off, observe, warn or enforce"},
		{"--validate-rules OMN999=off", "", `--validate-rules=OMN999=off: no write is judged by a rule "OMN999"; omniproxy rules lists them`},
		{"--validate-rules OMN013=off", "", `--validate-rules=OMN013=off: no write is judged by a rule "OMN013"; omniproxy rules lists them`},
		{"--validate-rules OMN011", "", "--validate-rules=OMN011: OMN011: choose off, observe, warn or enforce"},
		{"--fsync sometimes", "", "--fsync=sometimes: choose always, everysec or no"},
		{"", "OMNIPROXY_LOG_LEVEL=trace", "OMNIPROXY_LOG_LEVEL=trace: choose debug, info, warn or error"},
		{"--metrics-cap=-1", "", "--metrics-cap=-1: give a number, or 0 for no cap"},
		{"--metrics-cap=99999999999999999999", "", "--metrics-cap=99999999999999999999: give a number, or 0 for no cap"},
		{"--max-block 4", "", "--max-block=4: give auto, 0 or a time with its unit, such as 4s"},
		{"--max-block=-4s", "", "--max-block=-4s: give auto, 0 or a time with its unit, such as 4s"},
		{"--dir=", "", "--dir=: name a directory"},
		{"", "OMNIPROXY_READ_ONLY=maybe", "OMNIPROXY_READ_ONLY=maybe: choose true or false"},
		{"--ephemeral", "OMNIPROXY_READ_ONLY=1", "OMNIPROXY_READ_ONLY refuses writes, --ephemeral takes them in memory: choose one"},
		{"--listen localhost", "", "--listen=localhost: write HOST:PORT, [IPV6]:PORT, unix:/PATH or /PATH"},
		{"--listen 6380", "", "--listen=6380: write HOST:PORT, [IPV6]:PORT, unix:/PATH or /PATH"},
		{"--listen ::1:6380", "", "--listen=::1:6380: write HOST:PORT, [IPV6]:PORT, unix:/PATH or /PATH"},
		{"--listen localhost:redis", "", "--listen=localhost:redis: the port is a number from 0 to 65535"},
		{"--listen localhost:65536", "", "--listen=localhost:65536: the port is a number from 0 to 65535"},
		{"--listen unix:", "", "--listen=unix:: write the socket's path, as in unix:/tmp/omniproxy.sock"},
		{"--listen /" + strings.Repeat("x", 107), "", "--listen=/" + strings.Repeat("x", 107) + ": a socket's path has at most 107 bytes, this one has 108"},
		{"--backend sqlite", "", "--backend=sqlite: choose json or redis"},
		{"", "STORAGE_BACKEND=postgresql", "STORAGE_BACKEND=postgresql: omniproxy serves json or redis; choose with OMNIPROXY_BACKEND or --backend"},
		{"--upstream redis://h", "", "--upstream=redis://h: an upstream needs --backend redis"},
		{"--upstream redis://h --backend json", "", "--upstream=redis://h: an upstream needs --backend redis"},
		{"", "STORAGE_BACKEND=json OMNIPROXY_UPSTREAM=redis://u:pw@h", "OMNIPROXY_UPSTREAM=redis://u:***@h: an upstream needs --backend redis"},
		{"", "STORAGE_BACKEND=redis REDIS_URL=redis+sentinel://:pw@a,b/m", "REDIS_URL=redis+sentinel://:***@a,b/m: " + urlHint},
		{"", "STORAGE_BACKEND=redis REDIS_URL=redis://u:p%w/x@h:port", "REDIS_URL=redis://u:***@h:port: " + urlHint},
		{"srve", "", `unexpected argument srve, did you mean "serve"?; see omniproxy --help`},
		{"pin", "", `unexpected argument pin, did you mean "ping"?; see omniproxy --help`},
		{"help cofnig", "", `unexpected argument cofnig, did you mean "config"?; see omniproxy --help`},
		{"./data", "", "unexpected argument ./data: to serve a directory, write --dir ./data; see omniproxy --help"},
		{"--dir", "", "--dir: its value is missing; see omniproxy --help"},
		{"check", "", "something is missing: write omniproxy check DIR [flags]; see omniproxy check --help"},
		{"config", "", "something is missing: write omniproxy config ACTION [flags]; see omniproxy config --help"},
		{"copy a", "", "something is missing: write omniproxy copy SRC DST [flags]; see omniproxy copy --help"},
		{"--lisen :0", "", `unknown flag --lisen, did you mean "--listen"?; see omniproxy --help`},
		{"ping a b", "", "unexpected argument b; see omniproxy ping --help"},
		{"version 1", "", "unexpected argument 1; see omniproxy version --help"},
		{"redis://:secret@h", "", "unexpected argument redis://:***@h; see omniproxy --help"},
		{"--requirepass -secret", "", `--requirepass: expected string value but got "***" (short flag); perhaps try --requirepass="***"?; see omniproxy --help`},
	} {
		_, err := parse(strings.Fields(tt.args), fakeMachine(strings.Fields(tt.env)...))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s omniproxy %s:\n got %v\nwant %s", tt.env, tt.args, err, tt.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than a line: %q", err)
		}
	}
}

func TestOtherWordsIgnoreTheSettingsOfServe(t *testing.T) {
	env := []string{"STORAGE_BACKEND=postgresql", "OMNIPROXY_DB=x", "OMNIPROXY_READ_ONLY=maybe"}
	for _, word := range []string{"version", "ping"} {
		if inv, err := parse([]string{word}, fakeMachine(env...)); err != nil || inv.Word != word {
			t.Errorf("omniproxy %s: %q, %v", word, inv.Word, err)
		}
	}
}

func TestHelp(t *testing.T) {
	for name, args := range map[string][]string{
		"help.txt":      {"--help"},
		"help-ping.txt": {"ping", "--help"},
	} {
		inv, err := parse(args, fakeMachine("STORAGE_BACKEND=postgresql"))
		if err != nil || inv.Word != "help" {
			t.Fatalf("omniproxy %v: %q, %v", args, inv.Word, err)
		}
		path := filepath.Join("testdata", name)
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, []byte(inv.Text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), inv.Text); diff != "" {
			t.Errorf("%s (UPDATE=1 go test rewrites it; -want +got):\n%s", path, diff)
		}
		for line := range strings.Lines(inv.Text) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > helpWidth {
				t.Errorf("wider than %d columns: %s", helpWidth, line)
			}
		}
	}
}

func TestHelpIsTheSameWithAndWithoutTheWordServe(t *testing.T) {
	want, err := parse([]string{"--help"}, fakeMachine())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"-h", "serve --help", "--db 99 --help", "--help --db 99"} {
		got, err := parse(strings.Fields(args), fakeMachine())
		if err != nil {
			t.Errorf("omniproxy %s: %v", args, err)
		}
		if diff := cmp.Diff(want.Text, got.Text); diff != "" {
			t.Errorf("omniproxy %s:\n%s", args, diff)
		}
	}
}

// The page of the proxy tells of each of its flags, with the default.
func TestThePageOfTheProxyHasEveryFlag(t *testing.T) {
	page, err := os.ReadFile("../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range kong.Must(&cli{}).Model.DefaultCmd.Flags {
		title := flag.Group.Title
		if title != "Upstream, on redis" && title != "Proxy, on redis" && flag.Name != "drain-timeout" && flag.Name != "upstream" {
			continue
		}
		row := ""
		for line := range strings.Lines(string(page)) {
			if cells := strings.Split(line, "|"); len(cells) > 2 && strings.Contains(cells[1], "`--"+flag.Name+"`") {
				row = cells[2]
			}
		}
		if row == "" || !strings.Contains(row, flag.Default) {
			t.Errorf("--%s with the default %q: %q", flag.Name, flag.Default, row)
		}
	}
}
