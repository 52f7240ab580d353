package tool

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/keyspace"
)

// sameTime is how far apart two times may be that are read of one moment: XPENDING tells how long ago it was.
const sameTime = 5 // milliseconds

// compare returns the keys of entries that a source does not have, or holds otherwise. Each is named once.
func compare(ctx context.Context, entries iter.Seq2[*source.Entry, error], with *source.Source) (differ []Difference, err error) {
	told := map[string]bool{}
	tell := func(key, why string) {
		if why != "" && !told[key] {
			told[key] = true
			differ = append(differ, Difference{key, why})
		}
	}
	parts := comparison{with: with}
	for batch, err := range batched(entries, bytesOf) {
		if err != nil {
			return nil, err
		}
		var whole []*source.Entry
		for _, e := range batch {
			if e.First && e.Last {
				whole = append(whole, e)
				continue
			}
			why, err := parts.part(ctx, e)
			if err != nil {
				return nil, fmt.Errorf("%s: compare %q: %w", with.Name, e.Key, err)
			}
			tell(e.Key, why)
		}
		if err := compareWhole(ctx, whole, with, tell); err != nil {
			return nil, err
		}
	}
	return differ, nil
}

// compareWhole compares entries that are no parts.
func compareWhole(ctx context.Context, entries []*source.Entry, with *source.Source, tell func(key, why string)) error {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	found := map[string]*source.Entry{}
	for e, err := range with.Load(ctx, keys...) {
		if err != nil {
			return err
		}
		if e.First {
			found[e.Key] = e
		}
	}
	for _, e := range entries {
		o := found[e.Key]
		switch {
		case e.Type == keyspace.Any:
			tell(e.Key, "it is of a type of a Redis module: that is not copied")
		case o == nil && e.Expires != 0 && e.Expires <= time.Now().UnixMilli():
			// its time came meanwhile
		case o == nil:
			tell(e.Key, "it is not there")
		case !o.Last:
			tell(e.Key, fmt.Sprintf("it has %d elements, not %d", o.Size, e.Size))
		default:
			tell(e.Key, why(e, o))
		}
	}
	return nil
}

// why says in what two entries of a key differ, that are no parts; "" if in nothing.
func why(e, o *source.Entry) string {
	if text := whyHead(e, o); text != "" {
		return text
	}
	members := sameSet(e.Members, o.Members, func(m source.Member) string { return m.Text })
	if e.Type == keyspace.List {
		members = slices.Equal(e.Members, o.Members)
	}
	switch {
	case e.Text != o.Text:
		return "another text"
	case !sameSet(e.Fields, o.Fields, func(f source.Field) string { return f.Name }):
		return "other fields"
	case !members:
		return "other elements"
	case !slices.EqualFunc(e.Items, o.Items, sameItem):
		return "other entries"
	}
	return ""
}

// sameSet reports whether two sets of elements are the same, whatever their order.
func sameSet[T comparable](a, b []T, name func(T) string) bool {
	if slices.Equal(a, b) {
		return true
	}
	byName := func(x, y T) int { return strings.Compare(name(x), name(y)) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byName), slices.SortedFunc(slices.Values(b), byName))
}

func sameItem(a, b source.Item) bool { return a.ID == b.ID && slices.Equal(a.Fields, b.Fields) }

// whyHead says in what two entries differ beside their elements.
func whyHead(e, o *source.Entry) string {
	switch {
	case e.Type != o.Type:
		return fmt.Sprintf("a %s, not a %s", o.Type, e.Type)
	case e.Expires != o.Expires && e.Expires == 0:
		return "it has a time to live"
	case e.Expires != o.Expires && o.Expires == 0:
		return "it has no time to live"
	case e.Expires != o.Expires:
		return "another time to live"
	case e.Size != o.Size:
		return fmt.Sprintf("it has %d elements, not %d", o.Size, e.Size)
	case e.Stream != nil && o.Stream != nil:
		return whyStream(e.Stream, o.Stream)
	}
	return ""
}

func whyStream(e, o *source.Stream) string {
	switch {
	case e.LastID != o.LastID:
		return "another last ID"
	case e.MaxDeletedID != o.MaxDeletedID && e.MaxDeletedID != "" && o.MaxDeletedID != "":
		return "another largest ID of what was deleted"
	case e.EntriesAdded != o.EntriesAdded && e.EntriesAdded >= 0 && o.EntriesAdded >= 0:
		return "another count of entries added"
	}
	names := func(s *source.Stream) (all []string) {
		for _, g := range s.Groups {
			all = append(all, g.Name)
		}
		slices.Sort(all)
		return all
	}
	if !slices.Equal(names(e), names(o)) {
		return "other groups"
	}
	for _, g := range e.Groups {
		i := slices.IndexFunc(o.Groups, func(h source.Group) bool { return h.Name == g.Name })
		if text := whyGroup(g, o.Groups[i]); text != "" {
			return fmt.Sprintf("group %q: %s", g.Name, text)
		}
	}
	return ""
}

func whyGroup(g, h source.Group) string {
	consumers := func(g source.Group) (all []string) {
		for _, c := range g.Consumers {
			all = append(all, fmt.Sprintf("%d %s", c.Pending, c.Name))
		}
		slices.Sort(all)
		return all
	}
	switch {
	case g.LastID != h.LastID:
		return "another last ID"
	case g.EntriesRead != h.EntriesRead:
		return "another count of entries read"
	case !slices.Equal(consumers(g), consumers(h)):
		return "other consumers"
	case !slices.EqualFunc(g.Pending, h.Pending, samePending):
		return "other pending entries"
	}
	return ""
}

func samePending(a, b source.Pending) bool {
	apart := a.Delivered - b.Delivered
	return a.ID == b.ID && a.Consumer == b.Consumer && a.Count == b.Count && -sameTime <= apart && apart <= sameTime
}

// comparison is that of values that come in parts, one after the other.
type comparison struct {
	with *source.Source
	at   int64 // elements of a list that are compared
}

// part compares a part with what the source has of it, and says in what they differ.
func (c *comparison) part(ctx context.Context, e *source.Entry) (string, error) {
	if e.First {
		c.at = 0
		if text, err := c.head(ctx, e); text != "" || err != nil {
			return text, err
		}
	}
	switch e.Type {
	case keyspace.Hash, keyspace.Set, keyspace.ZSet:
		return c.members(ctx, e)
	case keyspace.List:
		return c.list(ctx, e)
	case keyspace.Stream:
		return c.stream(ctx, e)
	}
	return "", nil
}

// head compares what is beside the elements. Where the numbers are the same and each element is there, there are no others.
func (c *comparison) head(ctx context.Context, e *source.Entry) (string, error) {
	for o, err := range c.with.Load(ctx, e.Key) {
		if err != nil {
			return "", err
		}
		return whyHead(e, o), nil // the first part is enough
	}
	return "it is not there", nil
}

func (c *comparison) members(ctx context.Context, e *source.Entry) (string, error) {
	pipe := c.with.Redis.Pipeline()
	same := make([]func() bool, 0, len(e.Fields)+len(e.Members))
	for _, f := range e.Fields {
		reply := pipe.HGet(ctx, e.Key, f.Name)
		same = append(same, func() bool { return reply.Err() == nil && reply.Val() == f.Value })
	}
	for _, m := range e.Members {
		if e.Type == keyspace.Set {
			reply := pipe.SIsMember(ctx, e.Key, m.Text)
			same = append(same, reply.Val)
			continue
		}
		reply := pipe.ZScore(ctx, e.Key, m.Text)
		same = append(same, func() bool { return reply.Err() == nil && reply.Val() == m.Score })
	}
	if len(same) == 0 {
		return "", nil
	}
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil && !isWrongType(err) {
		return "", err
	}
	for _, is := range same {
		if !is() {
			return "other elements", nil
		}
	}
	return "", nil
}

func isWrongType(err error) bool { return strings.HasPrefix(err.Error(), "WRONGTYPE") }

func (c *comparison) list(ctx context.Context, e *source.Entry) (string, error) {
	n := int64(len(e.Members))
	there, err := c.with.Redis.LRange(ctx, e.Key, c.at, c.at+n-1).Result()
	if err != nil && !isWrongType(err) {
		return "", err
	}
	c.at += n
	if !slices.EqualFunc(e.Members, there, func(m source.Member, text string) bool { return m.Text == text }) {
		return "other elements", nil
	}
	return "", nil
}

func (c *comparison) stream(ctx context.Context, e *source.Entry) (string, error) {
	if len(e.Items) == 0 {
		return "", nil
	}
	there, err := c.with.Items(ctx, e.Key, e.Items[0].ID, e.Items[len(e.Items)-1].ID, len(e.Items)+1)
	if err != nil && !isWrongType(err) {
		return "", err
	}
	if !slices.EqualFunc(e.Items, there, sameItem) {
		return "other entries", nil
	}
	return "", nil
}
