package jsonbackend

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// eventually waits until told holds a report that begins like this.
func (d *directory) eventually(report string) {
	d.t.Helper()
	var all []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, line := range d.told.take() {
			if strings.HasPrefix(line, report) {
				return
			}
			all = append(all, line)
		}
	}
	d.t.Fatalf("never told %q, only %q", report, all)
}

func TestARewriteKeepsEverything(t *testing.T) {
	d := opened(t, fixture(t, "omnidaemon_data"))
	d.do("SET", "omni:config:a", "1")
	before := d.dump()
	if !d.rewriteLater() {
		t.Fatal("a rewrite is under way")
	}
	d.closed.Wait()
	d.eventually("rewritten")
	if diff := cmp.Diff(before, d.reopened().dump()); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

func TestARewriteThatFailsIsTold(t *testing.T) {
	d := opened(t, small(t))
	if err := os.RemoveAll(d.path(".omniproxy/aof")); err != nil {
		t.Fatal(err)
	}
	d.rewriteLater()
	d.closed.Wait()
	d.eventually("unrewritten: prepare rewrite: ")
}

func TestAShutdownEndsARewrite(t *testing.T) {
	d := opened(t, fixture(t, "omnidaemon_data"))
	before := d.dump()
	d.start()
	d.rewriteLater()
	d.shut()
	if diff := cmp.Diff(before, opened(t, d.opts.Dir).dump()); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

func TestALogThatFailsIsToldOnce(t *testing.T) {
	d := opened(t, small(t))
	d.log.Close()
	d.start()
	d.eventually("log failed: ")
	d.down = true
	if err := d.Shutdown(t.Context()); err == nil {
		t.Error("a shutdown that could not keep everything reports success")
	}
	d.expect()
}
