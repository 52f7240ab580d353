package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/config"
)

// serveFlags are the flags of serve.
func serveFlags() []*kong.Flag { return kong.Must(&cli{}).Model.DefaultCmd.Flags }

// writeConfig writes a file of settings that only its owner may read.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "o.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryFlagHasAScope(t *testing.T) {
	for _, flag := range serveFlags() {
		if scope := flag.Tag.Get("scope"); !slices.Contains([]string{scopeProcess, scopeListener, scopeBackend, scopeNone}, scope) {
			t.Errorf("--%s has the scope %q", flag.Name, scope)
		}
		if flag.Name == "listeners" {
			t.Error("the key listeners is not free for a flag")
		}
		if list := flag.PlaceHolder == "LIST"; list != flag.Tag.Has("list") {
			t.Errorf("--%s takes a %s: is it a list or not?", flag.Name, flag.PlaceHolder)
		}
	}
}

func TestTheFileRanksBetweenTheTwoKindsOfVariables(t *testing.T) {
	flags := serveFlags()
	for _, tt := range precedence {
		flag := flags[slices.IndexFunc(flags, func(f *kong.Flag) bool { return f.Name == tt.flag })]
		text := tt.values[2]
		if flag.IsBool() {
			text = "true"
		}
		path := writeConfig(t, config.Write([]config.Line{{Name: tt.flag, Kind: kindOf(flag), Text: text}}, nil))
		check := func(want int, source string, env ...string) {
			t.Helper()
			inv, err := parse(append(strings.Fields(tt.args), "--config", path), fakeMachine(env...))
			if err != nil {
				t.Errorf("%s, %q: %v", tt.flag, env, err)
				return
			}
			if got := fmt.Sprint(tt.get(first(inv))); got != tt.want[want] {
				t.Errorf("%s, %q: %q, want %q", tt.flag, env, got, tt.want[want])
			}
			if got := first(inv).Sources(); !strings.Contains(got, tt.flag+" from "+source) {
				t.Errorf("%s, %q: sources %q, want %q", tt.flag, env, got, source)
			}
		}
		var env []string
		if tt.fallback != "" {
			env = append(env, tt.fallback+"="+tt.values[0])
		}
		check(3, path+":1", env...)
		check(2, variable(tt.flag), append(env, variable(tt.flag)+"="+tt.values[1])...)
	}
}

func TestAListenerHasItsOwnSettingsAndInheritsTheRest(t *testing.T) {
	path := writeConfig(t, `
log-level: warn
prefix: p
requirepass: top
deny: [flushall]
listeners:
  - listen: 127.0.0.1:1
    dir: a
  - listen: unix:/two.sock
    backend: redis
    upstream: redis://h:1
    requirepass: own
    deny: []
  - {listen: "127.0.0.1:3", dir: ./a, max-block: 3s}
`)
	inv, err := parse(nil, fakeMachine("OMNIPROXY_CONFIG="+path, "OMNIPROXY_METRICS_CAP=5"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range inv.Listeners {
		got = append(got, fmt.Sprint(s.Listen, " ", shownBackend(s), " ", string(s.Password), " ", s.Prefix, " ", s.MaxBlock, " ", s.MetricsCap, " ", s.LogLevel, " ", s.Names != nil))
	}
	want := []string{
		"127.0.0.1:1 a top p auto 5 warn true",
		"unix:/two.sock redis://h:1 own p 0 5 warn false",
		"127.0.0.1:3 ./a top p 3s 5 warn true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	p := newProcess(inv.Listeners, nil, zap.NewAtomicLevel(), nil)
	if len(p.services) != 2 || len(p.services[0].doors) != 2 || p.services[0].doors[1].settings.Listen != inv.Listeners[2].Listen {
		t.Errorf("listeners with one directory do not share it: %d services", len(p.services))
	}
}

func TestErrorsOfTheFileNameTheirPlace(t *testing.T) {
	two := "listeners:\n  - listen: 127.0.0.1:1\n    dir: a\n  - listen: 127.0.0.1:2\n    dir: ./a\n"
	for _, tt := range []struct{ text, args, env, want string }{
		{text: "db: 99", want: "FILE:1:5: db=99: choose 0 to 15"},
		{text: "dri: a", want: "FILE:1:1: there is no setting dri: did you mean dir?"},
		{text: "config: a", want: "FILE:1:1: there is no setting config; omniproxy --help lists them"},
		{text: "read-only: true\nephemeral: true", want: "FILE:1 refuses writes, FILE:2 takes them in memory: choose one"},
		{text: "requirepass: geheim\nrequirepass-file: f", want: "FILE:1 and FILE:2 both set the password: choose one"},
		{text: "requirepass: '***'", want: "FILE:1:14: requirepass: *** stands for a password that omniproxy config print did not show: write the password"},
		{text: "backend: redis\nupstream: redis://u:***@h", want: "FILE:2:11: upstream: *** stands for a password that omniproxy config print did not show: write the password"},
		{text: "backend: redis\nupstream: redis://:geheim@h?a=b", want: "FILE:2:11: upstream=redis://:***@h?a=b: write redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH, without options of other clients"},
		{text: "listen: :1\n" + two, want: "FILE:1:9: listen: here it is no listener of its own, and those below say theirs: make it one of them"},
		{text: two, args: "--listen :3", want: "--listen would overrule what a listener says in FILE:2:13: take out one of them"},
		{text: two, env: "OMNIPROXY_DIR=b", want: "OMNIPROXY_DIR would overrule what a listener says in FILE:3:10: take out one of them"},
		{text: two + "    fsync: always\n", want: "FILE:6:12: fsync=always: another listener leads to ./a, and this setting must be the same for both"},
		{text: strings.Replace(two, "dir: a", "dir: a\n    fsync: always", 1), want: "FILE:4:12: fsync=always: another listener leads to ./a, and this setting must be the same for both"},
		{text: two + "  - listen: 127.0.0.1:1\n    dir: b\n", want: "FILE:6:13: listen=127.0.0.1:1: another listener has this address"},
		{text: two + "  - log-level: warn\n", want: "FILE:6:5: log-level holds for the whole process: write it at the top level"},
	} {
		path := writeConfig(t, tt.text)
		_, err := parse(append(strings.Fields(tt.args), "--config="+path), fakeMachine(strings.Fields(tt.env)...))
		if got := strings.ReplaceAll(fmt.Sprint(err), path, "FILE"); got != tt.want {
			t.Errorf("%s %s %q:\n got %s\nwant %s", tt.env, tt.args, tt.text, got, tt.want)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	if _, err := parse([]string{"--config", none}, fakeMachine()); fmt.Sprint(err) != "--config: open "+none+": no such file or directory" {
		t.Error(err)
	}
}

// anySettings draws a file of settings: for some flags one of the values of the table of precedence.
func anySettings(t *rapid.T, flags []*kong.Flag, backend string) (lines []config.Line) {
	lines = append(lines, config.Line{Name: "backend", Text: backend})
	if backend == "redis" {
		lines = append(lines, config.Line{Name: "upstream", Text: rapid.SampledFrom([]string{"rediss://u:pw@h:1/2", "rediss://h"}).Draw(t, "upstream")})
	}
	for _, row := range precedence {
		redis := strings.Contains(row.args, "redis")
		switch {
		case row.flag == "backend", row.flag == "upstream", redis != (backend == "redis") && row.args != "", !rapid.Bool().Draw(t, row.flag),
			slices.ContainsFunc(lines, func(l config.Line) bool { return l.Name == row.flag }):
			continue
		}
		l := config.Line{Name: row.flag, Text: rapid.SampledFrom(row.values[:]).Draw(t, "value")}
		for _, flag := range flags {
			if flag.Name == row.flag {
				l.Kind = kindOf(flag)
			}
		}
		if l.Kind == config.Switch {
			l.Text = rapid.SampledFrom([]string{"true", "false"}).Draw(t, "switch")
		}
		lines = append(lines, l)
	}
	return append(lines, config.Line{Name: "requirepass", Text: rapid.SampledFrom([]string{"", "ge:heim", "0x1"}).Draw(t, "password")})
}

// What config print writes says the same as what was read, but for where it was read.
func TestSettingsArePrintedAsAFileThatSaysTheSame(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "o.yaml")
	read := func(text string) ([]Settings, string, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, "", err
		}
		inv, err := parse([]string{"config", "print", "--config", path}, fakeMachine())
		for i := range inv.Listeners {
			inv.Listeners[i].followed, inv.Listeners[i].reading = nil, nil
		}
		return inv.Listeners, inv.Text, err
	}
	flags, compared := serveFlags(), 0
	defer func() {
		if compared == 0 {
			t.Error("none of the settings made sense")
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		text := config.Write(anySettings(t, flags, rapid.SampledFrom([]string{"json", "redis"}).Draw(t, "backend")), nil)
		if rapid.Bool().Draw(t, "several") {
			text = "drain-timeout: 3s\nlisteners:\n  - {listen: ':1', deny: [get]}\n  - {listen: ':2', backend: redis, upstream: redis://:pw@h}\n  - {listen: ':3', db: 1, dir: b}\n"
		}
		settings, printed, err := read(text)
		if err != nil {
			return // not every choice makes sense with every other
		}
		if strings.Contains(printed, "pw@") || strings.Contains(printed, "ge:heim") {
			t.Fatalf("shows a secret:\n%s", printed)
		}
		for _, s := range settings { // what was hidden is put back
			if s.Password != "" {
				printed = strings.ReplaceAll(printed, `requirepass: "***"`, fmt.Sprintf("requirepass: %q", string(s.Password)))
			}
		}
		again, _, err := read(strings.ReplaceAll(printed, ":***@", ":pw@"))
		if err != nil {
			t.Fatalf("%v in\n%s", err, printed)
		}
		if !reflect.DeepEqual(settings, again) {
			t.Fatalf("%v\n%v\nof\n%s", settings, again, printed)
		}
		compared++
	})
}

func TestPrintNamesWhereEachSettingComesFrom(t *testing.T) {
	path := writeConfig(t, "db: 3\n")
	inv, err := parse([]string{"config", "print"}, fakeMachine("OMNIPROXY_CONFIG="+path, "OMNIPROXY_REQUIREPASS=geheim", "JSON_STORAGE_DIR=/data", "STORAGE_BACKEND=redis", "REDIS_URL=redis://localhost:6380"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"db: 3  # " + path + ":1", `requirepass: "***"  # OMNIPROXY_REQUIREPASS`, "dir: /data  # JSON_STORAGE_DIR", "log-level: info  # default",
		"# max-block:  # not set: auto; 0 on redis", "backend: json  # STORAGE_BACKEND",
	} {
		if !strings.Contains(inv.Text, line+"\n") {
			t.Errorf("%q is not in\n%s", line, inv.Text)
		}
	}
}

func TestConfigCheckReadsWhatAStartReads(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		text, want string
		code       int
	}{
		{"listen: 127.0.0.1:0\n", "the settings are right: 1 listener, 1 backend\n", exitOK},
		{"listen: 10.1.2.3:1\n", "omniproxy: protected mode: not listening on 10.1.2.3:1 without a password.", exitUsage},
		{"users: " + dir + "/none\n", "omniproxy: --users: ", exitUsage},
		{"tls-cert: " + dir + "/none\ntls-key: " + dir + "/none\n", "omniproxy: --tls-cert=" + dir + "/none ", exitUsage},
	} {
		path := writeConfig(t, "dir: "+dir+"/never-made\n"+tt.text)
		inv, err := parse([]string{"config", "check", "--config", path}, thisMachine())
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var out bytes.Buffer
		if code := checkConfig(inv.Listeners, inv.Warnings, &out, &out); code != tt.code || !strings.HasPrefix(out.String(), tt.want) {
			t.Errorf("%s: exit code %d, %s", tt.text, code, out.String())
		}
		if _, err := os.Stat(dir + "/never-made"); err == nil {
			t.Errorf("%s: the directory was made", tt.text)
		}
	}
}

func TestAFileWithAPasswordThatEverybodyMayReadIsWarnedOf(t *testing.T) {
	path := writeConfig(t, "requirepass: geheim\nlisteners:\n  - backend: redis\n    upstream: redis://:geheim@h\n")
	for mode, warnings := range map[os.FileMode]int{0o600: 0, 0o640: 0, 0o644: 2} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		inv, err := parse([]string{"--config", path}, fakeMachine())
		if err != nil || len(inv.Warnings) != warnings || strings.Contains(fmt.Sprint(inv.Warnings), "geheim") {
			t.Errorf("%v: %v, %q", mode, err, inv.Warnings)
		}
	}
}

func TestThePageOfSettingsIsWhatMakeDocsWrites(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), printed(t, "config", "table")); diff != "" {
		t.Errorf("docs/configuration.md is out of date, run make docs (-page +made):\n%s", diff)
	}
}

// The example is right as it stands there, and so is what is switched off in it.
func TestTheExampleOfSettingsIsRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/omniproxy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("geheim"), 0o600); err != nil {
		t.Fatal(err)
	}
	on := regexp.MustCompile(`(?m)^#( *[a-z-]+:)`).ReplaceAllString(string(text), "$1")
	if on == string(text) {
		t.Error("nothing is switched off in the example")
	}
	for _, text := range []string{string(text), strings.ReplaceAll(on, "/etc/omniproxy", dir)} {
		inv, err := parse([]string{"config", "check", "--config", writeConfig(t, text)}, fakeMachine())
		if err != nil {
			t.Error(err)
			continue
		}
		if inv.Listeners[2].ServerTLS.Cert != "" {
			continue // there are no such certificates
		}
		var out bytes.Buffer
		if code := checkConfig(inv.Listeners, inv.Warnings, &out, &out); code != exitOK || out.String() != "the settings are right: 3 listeners, 2 backends\n" {
			t.Errorf("exit code %d, %s", code, out.String())
		}
	}
}
