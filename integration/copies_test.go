package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A copy that is made while clients write and the append-only file is rewritten starts, and holds everything that was
// acknowledged before it began, whether cp or omniproxy made it.
func TestACopyUnderLoadHoldsWhatWasAcknowledgedBefore(t *testing.T) {
	t.Parallel()
	const copies = 8
	few := slices.DeleteFunc(slices.Clone(labours), func(l labour) bool { return len(l.clients) > 2 })
	for i := range few { // or there are too many steps that a copy may end at
		few[i].pause = 5 * time.Millisecond
	}
	w := newToil(t, few)
	o := serve(t, fixture(t, "omnidaemon_data"))
	w.prepare(o)
	load := w.load(o)
	ctx, cancel := context.WithCancel(context.Background())
	load.Go(func() {
		for c := o.client(0); ctx.Err() == nil; {
			c.BgRewriteAOF(context.Background()) // or one is under way
		}
	})
	for n := range copies {
		to := filepath.Join(t.TempDir(), "copy")
		how := "cp -r"
		least, _ := w.sofar()
		if n%2 == 0 {
			how = "omniproxy backup"
			if code, _, errs := runToEnd(t, "backup", o.Dir, to); code != 0 {
				t.Fatalf("exit code %d: %s", code, errs)
			}
		} else {
			exec.Command("cp", "-r", o.Dir, to).Run() // it complains of files that have gone meanwhile
		}
		_, most := w.sofar()
		t.Log(how)
		if code, out, errs := runToEnd(t, "check", to); code != 0 {
			t.Errorf("omniproxy check: exit code %d: %s%s", code, out, errs)
		}
		second := serve(t, to)
		w.check(second, least, most)
		second.stop()
		if err := os.RemoveAll(to); err != nil { // or they are half a gigabyte together
			t.Fatal(err)
		}
	}
	cancel()
	o.kill()
	load.Wait()
}
