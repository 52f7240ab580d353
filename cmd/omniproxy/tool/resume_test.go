package tool_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/source/sourcetest"
	"github.com/omniproxy/omniproxy/cmd/omniproxy/tool"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

// doomed is the variable that makes this program a copy that kills itself: FROM TO PHASE N.
const doomed = "OMNIPROXY_TEST_DOOMED_COPY"

func TestMain(m *testing.M) {
	if words := strings.Fields(os.Getenv(doomed)); len(words) == 4 {
		n, _ := strconv.Atoi(words[3])
		c := tool.Copy{From: words[0], To: words[1], Families: ours(), IfExists: tool.Fail, Options: source.Options{Prefix: "omni", Rate: 5000}}
		c.Progress = func(doing string, _, _ int64) {
			if doing == words[2] {
				if n--; n < 0 {
					syscall.Kill(os.Getpid(), syscall.SIGKILL)
				}
			}
		}
		_, err := tryCopy(context.Background(), c)
		fmt.Fprintln(os.Stderr, "it was not killed:", err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killCopy runs a copy that is killed in a phase, after a number of steps.
func killCopy(t *testing.T, from, to, phase string, steps int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %d", doomed, from, to, phase, steps))
	out, err := c.CombinedOutput()
	if err == nil {
		t.Fatalf("%s %d: %s", phase, steps, out)
	}
}

func TestACopyThatWasKilledEndsInTheSameWhenItIsDoneAgain(t *testing.T) {
	dir, kept := sourcetest.Fixture(t, "omnidaemon_data"), "redis://"+redistest.Start(t)
	copyOf(t, tool.Copy{From: dir, To: kept, Families: ours()})
	// Keys and kept files do not say the same: the files are only where the copy begins.
	send(t, connect(t, kept), "DEL omni:config:_supervisor_registry", "SET omni:config:new 1")
	whole := filepath.Join(t.TempDir(), "whole")
	copyOf(t, tool.Copy{From: kept, To: whole, Families: ours()})
	want := documents(t, whole)
	used := "redis://" + redistest.Start(t)
	busy(t, connect(t, used))
	pipe := connect(t, used).Pipeline()
	for i := range 1500 {
		pipe.Set(t.Context(), fmt.Sprint("omni:result:", i), "{}", 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	others := "redis://" + redistest.Start(t)
	for i, h := range []struct {
		phase string
		steps int
	}{{"looking", 0}, {"copying", 0}, {"copying", 1}, {"copying", 2}, {"verifying", 0}} {
		t.Run(fmt.Sprint(h.phase, h.steps), func(t *testing.T) {
			t.Parallel()
			to := filepath.Join(t.TempDir(), "to")
			killCopy(t, kept, to, h.phase, h.steps)
			copyOf(t, tool.Copy{From: kept, To: to, Families: ours()})
			if diff := cmp.Diff(want, documents(t, to)); diff != "" {
				t.Error(diff)
			}
			other := fmt.Sprint(others, "/", i)
			killCopy(t, used, other, h.phase, h.steps)
			copyOf(t, tool.Copy{From: used, To: other, Families: ours()})
			if diff := cmp.Diff(dumps(t, connect(t, used)), dumps(t, connect(t, other))); diff != "" {
				t.Error(diff)
			}
			if n := len(connect(t, other).Keys(t.Context(), "omniproxy:copying*").Val()); n != 0 {
				t.Errorf("%d keys of the copy are left", n)
			}
		})
	}
}

// What a copy that was killed within a large value leaves behind goes with the next one.
func TestAPartThatWasLeftGoes(t *testing.T) {
	from, to := "redis://"+redistest.Start(t), "redis://"+redistest.Start(t)
	busy(t, connect(t, from))
	r := connect(t, to)
	send(t, r, "SADD omniproxy:copying a", "XADD omniproxy:copying:omni-stream:t 1-1 a b", "SADD omniproxy:copying:gone a")
	copyOf(t, tool.Copy{From: from, To: to, Families: ours()})
	if diff := cmp.Diff(dumps(t, connect(t, from)), dumps(t, r)); diff != "" {
		t.Error(diff)
	}
	if n := len(r.Keys(t.Context(), "omniproxy:*").Val()); n != 0 {
		t.Errorf("%d keys of the copy are left", n)
	}
}
