package source

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/omniproxy/omniproxy/keyspace"
)

// batchKeys is how many keys are asked about at once, at most.
const batchKeys = 500

// Families are a choice of families; nil is all of them.
type Families []keyspace.Family

// Has reports whether the choice has a family.
func (f Families) Has(family keyspace.Family) bool { return f == nil || slices.Contains(f, family) }

// Keys iterates over the names of the keys of some families. It is a SCAN: what is there from beginning to end comes, perhaps
// more than once; what comes or goes meanwhile may come. An error is the last that comes.
func (s *Source) Keys(ctx context.Context, want Families) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for batch, err := range s.batches(ctx, want) {
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range batch {
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

// Entries iterates over the keys of some families and what they hold, in no order. The guarantees are those of Keys. An
// entry is the reader's to keep. In memory is one batch of keys, or one part of a large value.
func (s *Source) Entries(ctx context.Context, want Families) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for batch, err := range s.batches(ctx, want) {
			if err != nil {
				yield(nil, err)
				return
			}
			for e, err := range s.Load(ctx, batch...) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// LoadAll is Load of many keys, at the pace of the source.
func (s *Source) LoadAll(ctx context.Context, keys []string) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		done := 0
		for batch := range slices.Chunk(keys, s.pace.step()) {
			if err := s.pace.wait(ctx, len(batch)); err != nil {
				yield(nil, err)
				return
			}
			for e, err := range s.Load(ctx, batch...) {
				if !yield(e, err) || err != nil {
					return
				}
			}
			if done += len(batch); s.Progress != nil {
				s.Progress(int64(done), int64(len(keys)))
			}
		}
	}
}

// batches are the keys of some families as SCAN finds them, at the pace of the source.
func (s *Source) batches(ctx context.Context, want Families) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		var total, seen int64
		if s.Progress != nil {
			total, _ = s.Redis.DBSize(ctx).Result() // without it only the total is not known
		}
		for cursor := uint64(0); ; {
			step := s.pace.step()
			if err := s.pace.wait(ctx, step); err != nil {
				yield(nil, err)
				return
			}
			found, next, err := s.Redis.Scan(ctx, cursor, "", int64(step)).Result()
			if err != nil {
				yield(nil, fmt.Errorf("%s: SCAN: %w", s.Name, err))
				return
			}
			seen += int64(len(found))
			if s.Progress != nil {
				s.Progress(seen, max(total, seen))
			}
			chosen := slices.DeleteFunc(found, func(key string) bool { return !want.Has(s.Layout.Family(key)) })
			for part := range slices.Chunk(chosen, step) { // SCAN may bring more than it was asked for
				if !yield(part, nil) {
					return
				}
			}
			if cursor = next; cursor == 0 {
				return
			}
		}
	}
}
