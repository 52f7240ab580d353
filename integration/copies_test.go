package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A copy that is made while clients write and the append-only file is rewritten starts, and holds everything that was
// acknowledged before it began, whether cp or omniproxy made it.
func TestACopyUnderLoadHoldsWhatWasAcknowledgedBefore(t *testing.T) {
	t.Parallel()
	const clients, copies = 4, 8
	o := serve(t, t.TempDir())
	var acknowledged [clients]atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	key := func(i int) string { return fmt.Sprint("omni:config:client", i) }
	for i := range clients {
		c := o.client(0)
		group.Go(func() {
			for n := int64(1); ctx.Err() == nil; n++ {
				if err := c.Set(context.Background(), key(i), n, 0).Err(); err != nil {
					t.Error(err)
					return
				}
				acknowledged[i].Store(n)
			}
		})
	}
	group.Go(func() {
		for c := o.client(0); ctx.Err() == nil; {
			c.BgRewriteAOF(context.Background()) // or one is under way
		}
	})
	for n := range copies {
		var before [clients]int64
		for i := range before {
			before[i] = acknowledged[i].Load()
		}
		to := filepath.Join(t.TempDir(), "copy")
		how := "cp -r"
		if n%2 == 0 {
			how = "omniproxy backup"
			if code, _, errs := runToEnd(t, "backup", o.Dir, to); code != 0 {
				t.Fatalf("exit code %d: %s", code, errs)
			}
		} else {
			exec.Command("cp", "-r", o.Dir, to).Run() // it complains of files that have gone meanwhile
		}
		if code, out, errs := runToEnd(t, "check", to); code != 0 {
			t.Errorf("%s: omniproxy check: exit code %d: %s%s", how, code, out, errs)
		}
		second := serve(t, to)
		for i := range before {
			if got, err := second.client(0).Get(context.Background(), key(i)).Int64(); before[i] > 0 && (err != nil || got < before[i]) {
				t.Errorf("%s: client %d was told of %d, the copy holds %d (%v)", how, i, before[i], got, err)
			}
		}
		second.stop()
	}
}

// A damaged append-only file stops the start, which says what to do; that shows what it costs before it does anything.
func TestARepairIsShownAndConfirmed(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	o.must("OK", "SET", "first", "1")
	o.must("OK", "SET", "second", "2")
	o.must("OK", "SET", "third", "3")
	o.stop()
	path := o.path(".omniproxy/aof/appendonly.aof.1.incr.aof")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(text, []byte("second"), []byte("sicond"), 1)
	if err := os.WriteFile(path, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := runToEnd(t, "--dir", o.Dir, "--listen", "127.0.0.1:0"); code != 1 || !strings.Contains(errs, "omniproxy check "+o.Dir+" --repair") {
		t.Errorf("a start: exit code %d: %s", code, errs)
	}
	code, out, _ := runToEnd(t, "check", o.Dir)
	if code != 1 || !strings.Contains(out, "problem: ") || !strings.Contains(out, "unit at offset ") {
		t.Errorf("check: exit code %d: %s", code, out)
	}
	code, out, _ = runToEnd(t, "check", o.Dir, "--repair")
	if code != 1 || !strings.Contains(out, "2 units") || !strings.Contains(out, `"third"`) {
		t.Errorf("check --repair: exit code %d: %s", code, out)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, damaged) {
		t.Fatal("the file was changed without a confirmation")
	}
	if code, out, errs := runToEnd(t, "check", o.Dir, "--repair", "--yes"); code != 0 {
		t.Errorf("check --repair --yes: exit code %d: %s%s", code, out, errs)
	}
	if kept, _ := filepath.Glob(path + ".damaged-*"); len(kept) != 1 {
		t.Errorf("kept: %q", kept)
	}
	if code, out, errs := runToEnd(t, "check", o.Dir); code != 0 {
		t.Errorf("check after the repair: exit code %d: %s%s", code, out, errs)
	}
	o = serve(t, o.Dir)
	o.must("1", "GET", "first")
	if code, _, errs := runToEnd(t, "check"); code != 2 || errs == "" {
		t.Errorf("check of nothing: exit code %d: %s", code, errs)
	}
}
