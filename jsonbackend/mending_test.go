package jsonbackend

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/jsonbackend/aof"
	"github.com/omniproxy/omniproxy/jsonbackend/disk/disktest"
	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// A log that fails refuses writes in Redis' words, and takes them again by itself when the disk does. What memory holds
// is durable then, whatever became of the units that failed.
func TestAFailedLogIsMended(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		t.Run(op, func(t *testing.T) {
			disk := disktest.New()
			d := opened(t, "/data", func(o *Options) { o.disk, o.Fsync = disk, aof.Always })
			d.start()
			d.do("SET", "omni:config:a", "1")
			var failed atomic.Bool
			failed.Store(true)
			disk.Before(func(o disktest.Op) error {
				if o.Name == op && failed.Load() && strings.HasPrefix(o.Path, "/data/.omniproxy/aof/") {
					return syscall.ENOSPC
				}
				return nil
			})
			kept := make(fate, 1)
			set := engine.Edit{Args: [][]byte{[]byte("SET"), []byte("omni:config:b"), []byte("2")}}
			d.Edit([]engine.Edit{set}, d.Freeze(nil), "", kept)
			if err := <-kept; err == nil {
				t.Fatal("a unit is released that is not kept")
			}
			d.eventually("log failed: ")
			if err := (durable{d.log}).Err(); err == nil || err.Error() != "No space left on device" {
				t.Errorf("clients are told %v", err)
			}
			failed.Store(false)
			d.eventually("log resumed")
			d.do("SET", "omni:config:c", "3")
			want := d.dump()
			d.log.Sync()
			for _, left := range []*disktest.Disk{disk.Kill(), disk.PowerCut(disktest.Some(0))} {
				again := opened(t, "/data", func(o *Options) { o.disk = left })
				if diff := cmp.Diff(want, again.dump()); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
			d.shut()
		})
	}
}
