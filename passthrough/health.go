package passthrough

import (
	"strings"
	"time"
)

// health is what is known of Redis as a whole. Backend.mu guards it.
type health struct {
	watching bool      // a goroutine looks for Redis
	looked   time.Time // when it found it last
	found    *Found    // what it was then; nil before
	outage   *outage   // nil while Redis is there
}

// outage is a time without Redis: it is told of at once, and then ever more rarely.
type outage struct{ began, next time.Time }

const (
	tellFirst  = time.Minute // when an outage is told of again, then after twice as long each time,
	tellRarely = time.Hour   // but at most this
)

// due reports whether the outage is to be told of.
func (o *outage) due(now time.Time) bool {
	if now.Before(o.next) {
		return false
	}
	o.next = now.Add(min(max(tellFirst, now.Sub(o.began)), tellRarely))
	return true
}

// lookRarely is how soon after a look that found Redis there is another: connections may come to an end all the time.
const lookRarely = time.Second

// look has a goroutine look for Redis until it is there, unless one does.
func (b *Backend) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.health.watching && b.ctx.Err() == nil {
		b.health.watching = true
		b.goroutines.Go(b.watch)
	}
}

func (b *Backend) watch() {
	b.mu.Lock()
	pause := time.Until(b.health.looked.Add(lookRarely))
	b.mu.Unlock()
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		if pause > 0 && !b.sleep(pause) {
			return
		}
		attempt := time.Now()
		found, err := b.control.look(b.ctx)
		switch {
		case b.ctx.Err() != nil:
			return
		case err == nil:
			b.met(found)
			return
		}
		b.trouble(err, attempt)
		pause = max(wait, lookAgain)
	}
}

// sleep reports false when the proxy ends meanwhile.
func (b *Backend) sleep(d time.Duration) bool {
	select {
	case <-b.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// met takes in what Redis says of itself, and tells if that is news.
func (b *Backend) met(f Found) {
	b.mu.Lock()
	h := &b.health
	if b.options.Passthrough && strings.HasPrefix(f.Refused, "NOAUTH") {
		b.asks.Store(true)
	}
	before, lost := h.found, h.outage != nil
	h.found, h.outage, h.looked, h.watching = &f, nil, time.Now(), false
	b.mu.Unlock()
	news := before == nil || lost || f.Version != before.Version || f.Role != before.Role || f.Mode != before.Mode || f.Refused != before.Refused
	if news && b.options.Events.Found != nil {
		b.options.Events.Found(f)
	}
}

// trouble takes in that an attempt to reach Redis, which began then, was in vain, and has it looked for. One that began
// before Redis was found is no news.
func (b *Backend) trouble(err error, attempt time.Time) {
	now := time.Now()
	b.mu.Lock()
	h := &b.health
	if attempt.Before(h.looked) {
		b.mu.Unlock()
		return
	}
	if h.outage == nil {
		h.outage = &outage{began: now, next: now}
	}
	since, due := now.Sub(h.outage.began), h.outage.due(now)
	b.mu.Unlock()
	if due && b.options.Events.Lost != nil {
		b.options.Events.Lost(err, since)
	}
	b.look()
}

// life is in which life Redis was seen last.
func (b *Backend) life() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.health.found == nil {
		return ""
	}
	return b.health.found.life
}
