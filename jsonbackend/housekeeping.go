package jsonbackend

import (
	"errors"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

const (
	expireEvery       = 100 * time.Millisecond
	rewritePercentage = 100         // until CONFIG SET auto-aof-rewrite-percentage
	rewriteMinSize    = 64 << 20    // until CONFIG SET auto-aof-rewrite-min-size
	rewriteAgain      = time.Minute // a rewrite that failed is tried again
)

// housekeeper expires keys, begins rewrites of the log when it has grown, and mends it when it fails.
func (b *Backend) housekeeper() {
	clock := time.NewTicker(expireEvery)
	defer clock.Stop()
	var begun time.Time
	var mending mending
	for {
		var now time.Time
		select {
		case <-b.stop:
			return
		case now = <-clock.C:
		}
		b.Sample()
		b.ExpireDue()
		if b.log == nil {
			continue
		}
		stats := b.log.Stats()
		if stats.Err != nil {
			b.mend(&mending, stats.Err)
			continue
		}
		b.mended(&mending)
		if stats.RewriteDue(b.host.rewritePercentage.Load(), b.host.rewriteMinSize.Load()) && (stats.RewriteFailures == 0 || now.Sub(begun) >= rewriteAgain) {
			begun = now
			b.rewriteLater()
		}
	}
}

// rewriteLater begins a rewrite of the log in the background, and reports false if one is under way.
func (b *Backend) rewriteLater() bool {
	if !b.rewriting.CompareAndSwap(false, true) {
		return false
	}
	b.closed.Add(1)
	go func() {
		defer b.closed.Done()
		defer b.rewriting.Store(false)
		begun := time.Now()
		switch err := b.rewrite(); {
		case errors.Is(err, errStopped):
		case err != nil && b.opts.Events.Unrewritten != nil:
			b.opts.Events.Unrewritten(err)
		case err == nil && b.opts.Events.Rewritten != nil:
			b.opts.Events.Rewritten(b.log.Stats().BaseSize, time.Since(begun))
		}
	}()
	return true
}

// errStopped ends a rewrite at shutdown. The log is complete without it.
var errStopped = errors.New("the backend is shut down")

// rewrite replaces the log by what it amounts to, while clients go on.
func (b *Backend) rewrite() error {
	r, err := b.log.PrepareRewrite()
	if err != nil {
		return err
	}
	view := b.Freeze(func() { r.Rotate() })
	all := 0
	for db := range engine.Databases {
		all += view.Len(db)
	}
	b.rewrittenKeys.Store(0)
	b.keysToRewrite.Store(int64(all))
	defer b.keysToRewrite.Store(0)
	defer b.rewrittenKeys.Store(0)
	for db := range engine.Databases {
		for e := range view.All(db) {
			for args := range engine.Commands(e) {
				if err := r.Write(db, args...); err != nil {
					r.Abort()
					return err
				}
			}
			if b.stopping() {
				r.Abort()
				return errStopped
			}
			b.rewrittenKeys.Add(1)
		}
	}
	return r.Commit()
}

// stopping reports whether Shutdown was called.
func (b *Backend) stopping() bool {
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}
