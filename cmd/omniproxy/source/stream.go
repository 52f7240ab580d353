package source

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	fewPending  = 64     // deliveries of a group that are asked for at first
	manyPending = 10_000 // more are read page by page: XINFO would bring as many entries with them
	pendingPage = 1_000  // deliveries of a page
)

// streamParts are those of a stream. What is beside the entries is read first: entries that come later have not been
// delivered as far as that knows.
func (s *Source) streamParts(ctx context.Context, e *Entry, yield func(*Entry) bool) (bool, error) {
	about, err := s.stream(ctx, e.Key)
	if isNoSuchKey(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	start := "-"
	for first := true; ; first = false {
		part := partOf(e, first)
		if first {
			part.Stream = about
		}
		if part.Items, err = s.Items(ctx, e.Key, start, "+", partElements); err != nil {
			return false, err
		}
		part.Last = len(part.Items) < partElements
		if !yield(part) || part.Last {
			return part.Last, nil
		}
		start = "(" + part.Items[len(part.Items)-1].ID
	}
}

func isNoSuchKey(err error) bool { return err != nil && err.Error() == "ERR no such key" }

// Items reads at most count entries of a stream, from one ID to another.
func (s *Source) Items(ctx context.Context, key, from, to string, count int) ([]Item, error) {
	reply, err := s.Redis.Do(ctx, "XRANGE", key, from, to, "COUNT", count).Slice()
	if err != nil {
		return nil, err
	}
	return itemsOf(reply)
}

// itemsOf reads the reply of XRANGE.
func itemsOf(reply []any) ([]Item, error) {
	items := make([]Item, 0, len(reply))
	for _, r := range reply {
		entry, _ := r.([]any)
		if len(entry) != 2 {
			return nil, fmt.Errorf("XRANGE: unexpected reply %v", r)
		}
		id, _ := entry[0].(string)
		item, words := Item{ID: id}, stringsOf(entry[1])
		for i := 0; i+1 < len(words); i += 2 {
			item.Fields = append(item.Fields, Field{Name: words[i], Value: words[i+1]})
		}
		items = append(items, item)
	}
	return items, nil
}

// Stream reads what a stream has beside its entries. It is nil if there is no such key.
func (s *Source) Stream(ctx context.Context, key string) (*Stream, error) {
	about, err := s.stream(ctx, key)
	if isNoSuchKey(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: key %q: %w", s.Name, key, err)
	}
	return about, nil
}

func (s *Source) stream(ctx context.Context, key string) (*Stream, error) {
	about, most, err := s.streamFull(ctx, key, fewPending)
	if err == nil && most > fewPending && most <= manyPending {
		about, most, err = s.streamFull(ctx, key, most)
	}
	if err == nil && most > manyPending {
		for i := range about.Groups {
			g := &about.Groups[i]
			if g.Pending, err = s.pending(ctx, key, g.Name); err != nil {
				break
			}
		}
	}
	return about, err
}

// streamFull asks for at most count deliveries of each group, and tells how many the group with the most has.
func (s *Source) streamFull(ctx context.Context, key string, count int64) (about *Stream, most int64, err error) {
	reply, err := s.Redis.Do(ctx, "XINFO", "STREAM", key, "FULL", "COUNT", count).Result()
	if err != nil {
		return nil, 0, err
	}
	m := record(reply)
	about = &Stream{LastID: m.text("last-generated-id"), MaxDeletedID: m.text("max-deleted-entry-id"), EntriesAdded: m.int("entries-added", -1)}
	for _, r := range m.list("groups") {
		m := record(r)
		g := Group{Name: m.text("name"), LastID: m.text("last-delivered-id"), EntriesRead: m.int("entries-read", -1), Lag: m.int("lag", -1)}
		for _, r := range m.list("pending") {
			p, _ := r.([]any)
			if len(p) != 4 {
				return nil, 0, fmt.Errorf("XINFO STREAM FULL: unexpected reply %v", r)
			}
			g.Pending = append(g.Pending, Pending{ID: textOf(p[0]), Consumer: textOf(p[1]), Delivered: intOf(p[2], 0), Count: intOf(p[3], 0)})
		}
		for _, r := range m.list("consumers") {
			m := record(r)
			g.Consumers = append(g.Consumers, Consumer{Name: m.text("name"), Seen: m.int("seen-time", 0), Pending: m.int("pel-count", 0)})
		}
		most = max(most, m.int("pel-count", 0))
		about.Groups = append(about.Groups, g)
	}
	return about, most, nil
}

// pending reads all deliveries of a group. Their time is exact to a millisecond or two, for XPENDING tells only how long ago
// it was.
func (s *Source) pending(ctx context.Context, key, group string) (all []Pending, err error) {
	for start := "-"; ; {
		var now *redis.TimeCmd
		var page *redis.XPendingExtCmd
		_, err := s.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			now = pipe.Time(ctx)
			page = pipe.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: key, Group: group, Start: start, End: "+", Count: pendingPage})
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, p := range page.Val() {
			at := now.Val().Add(-p.Idle).Round(time.Millisecond).UnixMilli()
			all = append(all, Pending{ID: p.ID, Consumer: p.Consumer, Delivered: at, Count: p.RetryCount})
		}
		if len(page.Val()) < pendingPage {
			return all, nil
		}
		start = "(" + all[len(all)-1].ID
	}
}

// fields is a reply that consists of names and values.
type fields map[string]any

func record(reply any) fields {
	items, _ := reply.([]any)
	m := fields{}
	for i := 0; i+1 < len(items); i += 2 {
		m[textOf(items[i])] = items[i+1]
	}
	return m
}

func (m fields) text(name string) string { return textOf(m[name]) }

// int is a number, or otherwise where there is none.
func (m fields) int(name string, otherwise int64) int64 { return intOf(m[name], otherwise) }

func (m fields) list(name string) []any {
	list, _ := m[name].([]any)
	return list
}

func textOf(reply any) string {
	text, _ := reply.(string)
	return text
}

func intOf(reply any, otherwise int64) int64 {
	switch n := reply.(type) {
	case int64:
		return n
	case string:
		if n, err := strconv.ParseInt(n, 10, 64); err == nil {
			return n
		}
	}
	return otherwise
}
