//go:build unix

package jsonbackend

import (
	"syscall"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// processorTime notes how much of the processors the process and its children have used.
func processorTime(p *engine.Process) {
	used := func(who int) (user, system time.Duration) {
		var r syscall.Rusage
		if syscall.Getrusage(who, &r) != nil {
			return 0, 0
		}
		return time.Duration(r.Utime.Nano()), time.Duration(r.Stime.Nano())
	}
	p.UserTime, p.SystemTime = used(syscall.RUSAGE_SELF)
	p.ChildrenUserTime, p.ChildrenSystemTime = used(syscall.RUSAGE_CHILDREN)
}
