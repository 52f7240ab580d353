package source

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/keyspace"
)

// take fills an entry's content from the words of a reply.
func take(e *Entry, words []string) error {
	switch e.Type {
	case keyspace.Hash:
		e.Fields = make([]Field, 0, len(words)/2)
		for i := 0; i+1 < len(words); i += 2 {
			e.Fields = append(e.Fields, Field{Name: words[i], Value: words[i+1]})
		}
	case keyspace.ZSet:
		e.Members = make([]Member, 0, len(words)/2)
		for i := 0; i+1 < len(words); i += 2 {
			score, err := strconv.ParseFloat(words[i+1], 64)
			if err != nil {
				return fmt.Errorf("score of %q: %w", words[i], err)
			}
			e.Members = append(e.Members, Member{Text: words[i], Score: score})
		}
	default:
		e.Members = make([]Member, 0, len(words))
		for _, word := range words {
			e.Members = append(e.Members, Member{Text: word})
		}
	}
	return nil
}

// parts hands over a large value, or a stream, part by part.
func (s *Source) parts(ctx context.Context, e *Entry, yield func(*Entry) bool) (goesOn bool, err error) {
	switch e.Type {
	case keyspace.String:
		if e.Text, err = s.Redis.Get(ctx, e.Key).Result(); err == redis.Nil {
			return true, nil
		}
		e.Size = int64(len(e.Text))
		return err == nil && yield(e), err
	case keyspace.List:
		return s.listParts(ctx, e, yield)
	case keyspace.Stream:
		return s.streamParts(ctx, e, yield)
	}
	return s.scannedParts(ctx, e, yield)
}

// partOf is the next part of what e is about.
func partOf(e *Entry, first bool) *Entry {
	return &Entry{Key: e.Key, Family: e.Family, Type: e.Type, Expires: e.Expires, Size: e.Size, First: first}
}

// scannedParts are those of hashes, sets and sorted sets. An element may come twice, as with SCAN.
func (s *Source) scannedParts(ctx context.Context, e *Entry, yield func(*Entry) bool) (bool, error) {
	scan := map[keyspace.Type]string{keyspace.Hash: "HSCAN", keyspace.Set: "SSCAN", keyspace.ZSet: "ZSCAN"}[e.Type]
	for cursor, first := "0", true; ; first = false {
		reply, err := s.Redis.Do(ctx, scan, e.Key, cursor, "COUNT", partElements).Slice()
		if err != nil {
			return false, err
		}
		if len(reply) != 2 {
			return false, fmt.Errorf("%s: unexpected reply", scan)
		}
		cursor, _ = reply[0].(string)
		part := partOf(e, first)
		if err := take(part, stringsOf(reply[1])); err != nil {
			return false, err
		}
		part.Last = cursor == "0"
		if !yield(part) || part.Last {
			return part.Last, nil
		}
	}
}

func (s *Source) listParts(ctx context.Context, e *Entry, yield func(*Entry) bool) (bool, error) {
	for start := int64(0); ; start += partElements {
		words, err := s.Redis.LRange(ctx, e.Key, start, start+partElements-1).Result()
		if err != nil {
			return false, err
		}
		part := partOf(e, start == 0)
		take(part, words)
		part.Last = len(words) < partElements
		if !yield(part) || part.Last {
			return part.Last, nil
		}
	}
}

func stringsOf(reply any) []string {
	items, _ := reply.([]any)
	words := make([]string, len(items))
	for i, item := range items {
		words[i], _ = item.(string)
	}
	return words
}
