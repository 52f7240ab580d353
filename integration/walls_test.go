package integration

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/omniproxy/omniproxy/"

// walls says what each folder may import of this module, and which foreign modules only it may import.
var walls = map[string][]string{
	"keyspace":                  {},
	"resp/wire":                 {},
	"resp/glob":                 {},
	"resp/command":              {"resp/wire", "resp/glob"},
	"resp/acl":                  {"resp/wire", "resp/command", "resp/glob"},
	"resp":                      {"resp/acl", "resp/wire", "resp/command", "keyspace"},
	"jsonbackend/engine/value":  {},
	"jsonbackend/engine":        {"jsonbackend/engine/value", "resp", "resp/wire", "resp/command", "resp/glob"},
	"jsonbackend/disk":          {},
	"jsonbackend/disk/disktest": {"jsonbackend/disk"},
	"jsonbackend/aof":           {"jsonbackend/disk"},
	"jsonbackend/lens/pyjson":   {},
	"passthrough":               {"resp", "resp/acl", "resp/command", "resp/wire"},
	"jsonbackend/lens":          {"jsonbackend/lens/pyjson", "jsonbackend/engine", "jsonbackend/engine/value", "keyspace"},
	"jsonbackend/seen":          {"jsonbackend/disk", "jsonbackend/lens"},
	"jsonbackend":               {"jsonbackend/engine", "jsonbackend/engine/value", "jsonbackend/aof", "jsonbackend/disk", "jsonbackend/lens", "jsonbackend/lens/pyjson", "jsonbackend/seen", "keyspace", "resp", "resp/command", "resp/wire"},
}

// only lists packages, by a part of their path, that few may import.
var only = map[string][]string{
	"go.uber.org/zap":            {"cmd/omniproxy"},
	"github.com/alecthomas/kong": {"cmd/omniproxy"},
	"github.com/goccy/go-yaml":   {"cmd/omniproxy/config", "cmd/omniproxy/tool"},
	"github.com/prometheus":      {"cmd/omniproxy/metrics"},
	"github.com/redis/go-redis":  {"cmd/omniproxy", "cmd/omniproxy/metrics", "cmd/omniproxy/source", "cmd/omniproxy/tool", "passthrough", "resp/command/record"},
	"miniredis":                  {},
}

// forbidden lists what a folder must not import of the standard library.
var forbidden = map[string][]string{
	"jsonbackend/engine":       {"os", "encoding/json"},
	"jsonbackend/engine/value": {"os", "encoding/json", "time"},
	"resp":                     {"os"},
	"resp/acl":                 {"os", "net"},
	"passthrough":              {"os", "flag"},
	"keyspace":                 {"os", "net"},
}

// imports returns what each package of the module imports, tests aside.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		all[strings.TrimPrefix(words[0], module)] = words[1:]
	}
	return all
}

func TestWalls(t *testing.T) {
	all := imports(t)
	for folder, allowed := range walls {
		if all[folder] == nil {
			t.Errorf("%s: no such package", folder)
		}
		for _, path := range all[folder] {
			if own, ok := strings.CutPrefix(path, module); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s", folder, own)
			}
		}
	}
	if keyspace := all["keyspace"]; slices.ContainsFunc(keyspace, func(p string) bool { return strings.Contains(p, ".") }) {
		t.Errorf("keyspace imports more than the standard library: %v", keyspace)
	}
	for folder, paths := range all {
		for _, path := range paths {
			for part, who := range only {
				if strings.Contains(path, part) && !slices.Contains(who, folder) {
					t.Errorf("%s imports %s", folder, path)
				}
			}
			if slices.Contains(forbidden[folder], path) {
				t.Errorf("%s imports %s", folder, path)
			}
		}
	}
}
