package jsonbackend

import (
	"errors"
	"time"

	"github.com/omniproxy/omniproxy/jsonbackend/lens"
)

const (
	tick       = 50 * time.Millisecond  // how often the publisher looks at what there is to do
	lookEvery  = 250 * time.Millisecond // how often files are looked at for edits
	retryAfter = 2 * time.Second        // a file that could not be published is tried again
)

// changed marks a key for the file that shows it. It runs under the engine's lock, with every write.
func (b *Backend) changed(db int, key string) {
	b.host.changes++
	k := lens.Key{DB: db, Name: key}
	if i := lens.IndexOf(b.layout, b.opts.DB, k); i >= 0 {
		f := b.files[i]
		f.fresh.add(k)
		f.marked.Store(true)
	}
}

// flushed marks every key. It runs under the engine's lock.
func (b *Backend) flushed(int) {
	b.host.changes++
	for _, f := range b.files {
		f.fresh = marks{all: true}
		f.marked.Store(true)
	}
}

// publisher is the one goroutine that touches the files.
func (b *Backend) publisher() {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for looked := time.Now(); ; {
		select {
		case <-b.stop:
			b.publishLast()
			return
		case now := <-clock.C:
			if now.Sub(looked) >= lookEvery {
				looked = now
				b.lookForStranger()
				for _, f := range b.files {
					b.lookAt(f, now, false)
				}
			}
			b.publish(now)
		}
	}
}

// publishLast publishes everything, whatever the pace, unless another program keeps writing the files.
func (b *Backend) publishLast() {
	for range 3 {
		now := time.Now()
		for _, f := range b.files {
			b.lookAt(f, now, true)
			f.next = now
		}
		b.publish(now)
	}
}

// publish brings the files that are due in line with one instant.
func (b *Backend) publish(now time.Time) {
	var due []*file
	for _, f := range b.files {
		if f.due(now) {
			due = append(due, f)
		}
	}
	if len(due) == 0 {
		return
	}
	view := b.Freeze(func() {
		for _, f := range b.files {
			f.marks.merge(f.fresh)
			f.fresh = marks{}
			f.marked.Store(false)
		}
	})
	for _, f := range due {
		begun := time.Now()
		if !f.marks.empty() {
			if f.Update(view, f.marks.list()) && !b.transient() {
				f.stale = true
			}
			f.marks = marks{}
		}
		f.rest(begun)
		if f.stale {
			b.write(f, begun)
		}
		f.report()
	}
}

// due reports whether there is something to show that may be shown now. What somebody else wrote is read first.
func (f *file) due(now time.Time) bool {
	return (f.marked.Load() || !f.marks.empty() || f.stale) && !now.Before(f.next) && f.broken == nil && f.suspect == f.known
}

func (b *Backend) transient() bool {
	return b.opts.ReadOnly || b.opts.Ephemeral || b.opts.Snapshot
}

// write publishes one file and sets its pace; its work began at begun.
func (b *Backend) write(f *file, begun time.Time) {
	f.stale = false
	size, err := b.publishFile(f)
	f.rest(begun)
	switch {
	case errors.Is(err, errMoving): // what is there is read first
		f.stale, f.next = true, time.Now()
	case err != nil:
		f.stale, f.next = true, time.Now().Add(retryAfter)
		if told := f.unpublished; told == nil || told.Error() != err.Error() {
			f.unpublished = err
			if b.opts.Events.Unpublished != nil {
				b.opts.Events.Unpublished(f.File(), err)
			}
		}
	default:
		f.unpublished, f.published = nil, time.Now()
		if b.opts.Events.Published != nil {
			b.opts.Events.Published(f.File(), size, f.took)
		}
	}
}
