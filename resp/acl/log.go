package acl

import (
	"container/list"
	"fmt"
	"sync"
	"time"
)

// Log remembers what was denied, the latest first.
type Log struct {
	mu      sync.Mutex
	most    int64 // entries: acllog-max-len
	entries list.List
}

// mostDenials is how many entries there are unless somebody says otherwise.
const mostDenials = 128

// Denied is what makes two denials alike.
type Denied struct {
	Reason      string // "command", "key", "channel" or "auth"
	Transaction bool   // it was in one
	Object      string // the command, the key, the channel
	User        string
}

// Denial is an entry: one denial, or several that were alike.
type Denial struct {
	Denied
	Count  int64
	At     time.Time // of the last one
	Client string    // who it was then, as CLIENT INFO shows it
}

// Which denials count as one: a few of the latest, that are not long ago.
const (
	alikeEntries = 10
	alikeWithin  = time.Minute
)

// Add remembers a denial, and forgets the oldest.
func (l *Log) Add(d Denied, at time.Time, client string) {
	d.Object, d.User = Brief(d.Object), Brief(d.User)
	l.mu.Lock()
	defer l.mu.Unlock()
	for e, left := l.entries.Front(), alikeEntries; e != nil && left > 0; e, left = e.Next(), left-1 {
		if entry := e.Value.(*Denial); entry.Denied == d && at.Sub(entry.At).Abs() <= alikeWithin {
			entry.Count, entry.At, entry.Client = entry.Count+1, at, client
			l.entries.MoveToFront(e)
			return
		}
	}
	l.entries.PushFront(&Denial{d, 1, at, client})
	for int64(l.entries.Len()) > l.most {
		l.entries.Remove(l.entries.Back())
	}
}

// longestText is how many bytes are remembered of a key, a channel or a name: whoever is denied may choose a very long one.
const longestText = 256

// Brief returns the beginning of a text that is too long to be remembered, and how much is missing.
func Brief(text string) string {
	if len(text) <= longestText {
		return text
	}
	return fmt.Sprintf("%s... (%d more bytes)", text[:longestText], len(text)-longestText)
}

// Latest returns so many entries, if there are as many.
func (l *Log) Latest(count int64) []Denial {
	l.mu.Lock()
	defer l.mu.Unlock()
	var latest []Denial
	for e := l.entries.Front(); e != nil && int64(len(latest)) < count; e = e.Next() {
		latest = append(latest, *e.Value.(*Denial))
	}
	return latest
}

// Reset forgets everything.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries.Init()
}

// SetMost changes how many entries there are after the next denial.
func (l *Log) SetMost(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = n
}
