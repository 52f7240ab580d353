package source

import (
	"context"
	"time"
)

// pace bounds how many keys are read a second. The zero pace does not.
type pace struct {
	perSecond int
	next      time.Time // when the next keys may be read
}

// step is how many keys are read at once: so few that they last no longer than a twentieth of a second.
func (p *pace) step() int {
	if p.perSecond == 0 {
		return batchKeys
	}
	return min(batchKeys, max(1, p.perSecond/20))
}

// wait returns when n more keys may be read.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.perSecond == 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now // what was not used is lost: no burst follows a pause
	}
	timer := time.NewTimer(p.next.Sub(now))
	defer timer.Stop()
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.perSecond))
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
