package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// stage is what a transcript plays on: DATA is a copy of OmniDaemon's sample data, REDIS a server, NEW and NOWHERE are
// directories that are not there.
type stage struct {
	names *strings.Replacer
	back  *strings.Replacer
	redis *redis.Client
}

func newStage(t *testing.T) stage {
	t.Helper()
	dir, addr := t.TempDir(), redistest.Start(t)
	data := filepath.Join(dir, "data")
	if err := os.CopyFS(data, os.DirFS(filepath.Join("..", "..", "jsonbackend", "lens", "testdata", "omnidaemon_data"))); err != nil {
		t.Fatal(err)
	}
	r := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2})
	t.Cleanup(func() { r.Close() })
	var there, back []string
	for name, place := range map[string]string{"DATA": data, "NEW": filepath.Join(dir, "new"), "NOWHERE": filepath.Join(dir, "nowhere"), "REDIS": "redis://" + addr} {
		there, back = append(there, name, place), append(back, place, name)
	}
	return stage{strings.NewReplacer(there...), strings.NewReplacer(back...), r}
}

// does runs a line and returns all it prints, and its exit code if that is not 0.
func (s stage) does(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(s.names.Replace(line))
	if words[0] == "redis" {
		args := make([]any, len(words)-1)
		for i, word := range words[1:] {
			args[i] = word
		}
		if err := s.redis.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return ""
	}
	var out bytes.Buffer
	code := exitUsage
	inv, err := parse(words[1:], fakeMachine())
	if err != nil {
		fmt.Fprintln(&out, "omniproxy:", err)
	} else {
		code = inv.runTool(t.Context(), console{stdout: &out, stderr: &out, screen: tool.Screen{}, now: func() time.Time { return time.Unix(1_900_000_000, 0) }})
	}
	if code != exitOK {
		fmt.Fprintln(&out, "exit", code)
	}
	return s.back.Replace(out.String())
}

func TestToolsDoWhatTheTranscriptsShow(t *testing.T) {
	paths, err := filepath.Glob("testdata/tools/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := newStage(t)
			var got strings.Builder
			for line := range strings.Lines(string(want)) {
				if command, ok := strings.CutPrefix(line, "$ "); ok {
					got.WriteString(line)
					got.WriteString(s.does(t, command))
				}
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (UPDATE=1 go test rewrites it; -want +got):\n%s", path, diff)
			}
		})
	}
}

func TestToolsFindTheirSourceWhereOmniDaemonHasIt(t *testing.T) {
	for env, want := range map[string]string{
		"": ".omnidaemon_data",
		"JSON_STORAGE_DIR=d REDIS_URL=redis://h:1":               "d",
		"STORAGE_BACKEND=redis":                                  "redis://localhost:6379",
		"STORAGE_BACKEND=Redis REDIS_URL=redis://h:1":            "redis://h:1",
		"OMNIPROXY_BACKEND=redis OMNIPROXY_UPSTREAM=redis://u:1": ".omnidaemon_data",
	} {
		inv, err := parse([]string{"inspect", "agents"}, fakeMachine(strings.Fields(env)...))
		if err != nil || inv.Inspect.Source != want {
			t.Errorf("%s: %q, %v", env, inv.Inspect.Source, err)
		}
	}
	if _, err := parse([]string{"storage", "health"}, fakeMachine("STORAGE_BACKEND=mongodb")); err == nil {
		t.Error("mongodb is known")
	}
	inv, err := parse([]string{"inspect", "bus", "redis://h"}, fakeMachine("OMNIPROXY_REQUIREPASS=secret", "REDIS_KEY_PREFIX=p"))
	if err != nil || inv.Inspect.open.Password != "secret" || inv.Inspect.open.Prefix != "p" {
		t.Errorf("%+v, %v", inv.Inspect.open, err)
	}
}
