package resp

import (
	"testing"
	"time"
)

func TestIdleClientsAreEnded(t *testing.T) {
	v, all := company(t, 5)
	long := time.Now().Add(-time.Minute).UnixMilli()
	for _, h := range all[1:] {
		h.s.Client.active.Store(long)
	}
	all[2].s.Client.Blocked.Store(true)
	all[3].s.Client.Monitor.Store(true)
	all[4].s.Client.PSub.Store(1)
	v.SetIdleTimeout(10 * time.Second)
	v.endIdle()
	for i, h := range all {
		if h.s.Gone() != (i == 1) {
			t.Errorf("client %d is gone: %v", i, h.s.Gone())
		}
	}
	v.SetIdleTimeout(0)
	all[0].s.Client.active.Store(long)
	v.endIdle()
	if all[0].s.Gone() {
		t.Error("a client was ended although there is no limit")
	}
}
