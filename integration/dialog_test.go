// Package integration looks at omniproxy from outside, through the socket.
package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/integration/dialog"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// server is one that must answer every dialog as Redis 7.0 did.
type server struct {
	name  string
	start func(t testing.TB) (addr string) // runs until the test is over
	other map[string]string                // dialogs, or groups of them, that it answers otherwise, and why
}

func servers() []server {
	return []server{
		{name: "redis", start: func(t testing.TB) string { return redistest.Start(t) }}, // proves the recordings true
		{name: "json", start: func(t testing.TB) string { return serve(t, t.TempDir()).Addr }},
		{name: "session", start: func(t testing.TB) string { return proxied(t, "--pool", "session").Addr }, other: sessionDiffers},
		{name: "shared", start: func(t testing.TB) string { return proxied(t, "--pool", "shared").Addr }, other: sharedDiffers},
	}
}

const dialogDir = "testdata/dialog"

// dialogs returns the files of all dialogs.
func dialogs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(dialogDir + "/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no dialogs in %s", dialogDir)
	}
	return files
}

// topic names a dialog: "hash/hset".
func topic(file string) string {
	return strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(file), dialogDir+"/"), ".txtar")
}

func TestServersAnswerLikeRedis(t *testing.T) {
	for _, s := range servers() {
		for proto := 2; proto <= 3; proto++ {
			t.Run(fmt.Sprintf("%s/RESP%d", s.name, proto), func(t *testing.T) {
				t.Parallel()
				addr := s.start(t)
				for _, file := range dialogs(t) {
					if s.other[topic(file)] != "" || s.other[filepath.Dir(topic(file))] != "" {
						continue
					}
					t.Run(topic(file), func(t *testing.T) {
						if seesOthers(t, file) {
							dialog.Replay(t, s.start(t), file, proto)
						} else {
							dialog.Replay(t, addr, file, proto)
						}
					})
				}
			})
		}
	}
}

// seesOthers reports whether a dialog shows what everybody does. Then it needs a server of its own: behind a proxy clients of
// the dialog before may still be leaving, and when that has cost it a connection it looks for Redis, at any time.
func seesOthers(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return showsOthers.Match(text)
}

var showsOthers = regexp.MustCompile("SLOWLOG GET|MONITOR|LATENCY|CLIENT (LIST|KILL)|PUBSUB|INFO (commandstats|errorstats|stats)")

// What the recorder would not have written so was not recorded.
func TestDialogsStandAsTheRecorderWritesThem(t *testing.T) {
	for _, file := range dialogs(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := dialog.Parse(file, text)
		if err != nil {
			t.Error(err)
			continue
		}
		if formatted := f.Format(); !bytes.Equal(formatted, text) {
			t.Errorf("%s (-file +recorder):\n%s", file, cmp.Diff(string(text), string(formatted)))
		}
	}
}
