package tool

import (
	"context"
	"iter"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/keyspace"
)

// commands yields what adds an entry, or a part of one, to a key, without its time to live: Redis' own rewrite of its log. A
// key that was not there holds the same in the end. beside is what belongs to the whole of a stream.
func commands(key string, e *source.Entry, beside *beside) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		switch e.Type {
		case keyspace.String:
			yield([]any{"SET", key, e.Text})
		case keyspace.Hash:
			args := []any{"HSET", key}
			for _, f := range e.Fields {
				args = append(args, f.Name, f.Value)
			}
			addAny(args, yield)
		case keyspace.Set:
			addAny(append([]any{"SADD", key}, texts(e.Members)...), yield)
		case keyspace.List:
			addAny(append([]any{"RPUSH", key}, texts(e.Members)...), yield)
		case keyspace.ZSet:
			args := []any{"ZADD", key}
			for _, m := range e.Members {
				args = append(args, score(m.Score), m.Text)
			}
			addAny(args, yield)
		case keyspace.Stream:
			r := streamRewrite{key: key, beside: beside, yield: yield}
			if beside == nil {
				r.beside = besideWhole(e)
			}
			r.part(e)
		}
	}
}

// addAny yields a command that has elements.
func addAny(args []any, yield func([]any) bool) {
	if len(args) > 2 {
		yield(args)
	}
}

func texts(members []source.Member) (all []any) {
	for _, m := range members {
		all = append(all, m.Text)
	}
	return all
}

// beside is what a stream has beside its entries, in full.
type beside struct {
	*source.Stream
	gone map[string]bool // entries that are pending and are gone
}

// besideWhole is that of a stream whose entries are all here.
func besideWhole(e *source.Entry) *beside {
	b := &beside{e.Stream, map[string]bool{}}
	there := map[string]bool{}
	for _, item := range e.Items {
		there[item.ID] = true
	}
	for _, g := range e.Stream.Groups {
		for _, p := range g.Pending {
			if !there[p.ID] {
				b.gone[p.ID] = true
			}
		}
	}
	return b
}

// besideOf is that of a stream of which the first part is here. It asks for every entry that is pending.
func besideOf(ctx context.Context, s *source.Source, e *source.Entry) (*beside, error) {
	if e.Stream == nil {
		return nil, nil
	}
	b := &beside{e.Stream, map[string]bool{}}
	for _, g := range e.Stream.Groups {
		pipe := s.Redis.Pipeline()
		replies := make([]*redis.XMessageSliceCmd, len(g.Pending))
		for i, p := range g.Pending {
			replies[i] = pipe.XRange(ctx, e.Key, p.ID, p.ID)
		}
		if len(replies) == 0 {
			continue
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, err
		}
		for i, p := range g.Pending {
			if len(replies[i].Val()) == 0 {
				b.gone[p.ID] = true
			}
		}
	}
	return b, nil
}
