package tool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/keyspace"
)

// A value is made under another name, which gets the key's at one instant. So nobody sees a part of it, and a copy that is
// cut short leaves whole keys only, and perhaps one of these names.
const (
	partName  = "omniproxy:copying" // of values that one transaction makes
	partsName = partName + ":"      // with the key: of values that several make
)

// filesKey is where a copy to Redis keeps the text of a directory's files: see files.go.
const filesKey = "omniproxy:files"

// isOurs reports whether a key is a copy's own.
func isOurs(key string) bool {
	return key == filesKey || key == partName || strings.HasPrefix(key, partsName)
}

// What one transaction writes, at most.
const (
	batchEntries = 500
	batchBytes   = 1 << 20
)

// batched gathers items in batches of at most batchEntries, or batchBytes.
func batched[T any](items iter.Seq2[T, error], bytes func(T) int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var batch []T
		size := 0
		for item, err := range items {
			if err != nil {
				yield(nil, err)
				return
			}
			batch = append(batch, item)
			if size += bytes(item); len(batch) == batchEntries || size >= batchBytes {
				if !yield(batch, nil) {
					return
				}
				batch, size = nil, 0
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// bytesOf is about how much memory an entry takes.
func bytesOf(e *source.Entry) int {
	n := len(e.Text)
	for _, f := range e.Fields {
		n += len(f.Name) + len(f.Value)
	}
	for _, m := range e.Members {
		n += len(m.Text)
	}
	for _, item := range e.Items {
		for _, f := range item.Fields {
			n += len(f.Name) + len(f.Value)
		}
	}
	return n
}

// clean removes what a copy left that was cut short.
func (c *copying) clean(ctx context.Context) error {
	for cursor := uint64(0); ; {
		keys, next, err := c.to.Redis.Scan(ctx, cursor, partName+"*", 1000).Result()
		if err == nil && len(keys) > 0 {
			err = c.to.Redis.Del(ctx, keys...).Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.to.Name, err)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// write copies the keys.
func (c *copying) write(ctx context.Context) error {
	c.doing("copying")
	var open *large
	for batch, err := range batched(c.entries(ctx), bytesOf) {
		if err != nil {
			return err
		}
		var small []*source.Entry
		for _, e := range batch {
			if e.Type == keyspace.Any {
				continue // verify names it
			}
			if e.First && e.Last {
				small = append(small, e)
				continue
			}
			if e.First {
				if open, err = c.begins(ctx, e); err != nil {
					return err
				}
			}
			if err := open.add(ctx, c, e); err != nil {
				return err
			}
		}
		if err := c.put(ctx, small); err != nil {
			return err
		}
	}
	return nil
}

// verdict is what becomes of a key.
type verdict int

const (
	missing verdict = iota // it is written
	same                   // it is there
	kept                   // something else is there, and stays
	over                   // something else is there, and is replaced
)

// judge decides what becomes of a key, which the destination has; differs is the comparison.
func (c *copying) judge(key string, differs bool) (verdict, error) {
	switch {
	case !differs && c.resumed:
		c.done.Written++
		return same, nil
	case !differs:
		c.done.Same++
		return same, nil
	case c.resumed:
		return over, nil
	case c.IfExists == Replace:
		c.done.Replaced++
		return over, nil
	case c.IfExists == Skip:
		c.done.Skipped++
		c.skipped[key] = true
		return kept, nil
	}
	return kept, fmt.Errorf("%s: %w: %q, which came meanwhile", c.to.Name, ErrConflict, key)
}

// put writes whole entries in one transaction.
func (c *copying) put(ctx context.Context, entries []*source.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	verdicts, err := c.judgeAll(ctx, entries)
	if err != nil {
		return err
	}
	var names []string
	var named []redis.Cmder
	_, err = c.to.Redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, e := range entries {
			v := verdicts[e.Key]
			if v != missing && v != over {
				continue
			}
			names = append(names, e.Key)
			named = append(named, c.make(ctx, pipe, e, v == missing))
		}
		if len(names) > 0 {
			pipe.Del(ctx, partName)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("%s: write %s: %w", c.to.Name, few(names), err)
	}
	for i, reply := range named {
		if refused(reply) { // somebody wrote it since we looked
			if _, err := c.judge(names[i], true); err != nil {
				return err
			}
			continue
		}
		c.done.Written++
	}
	return nil
}

// refused reports whether a key was there that must not be.
func refused(reply redis.Cmder) bool {
	switch r := reply.(type) {
	case *redis.BoolCmd:
		return !r.Val()
	case *redis.StatusCmd:
		return errors.Is(r.Err(), redis.Nil)
	}
	return false
}

func (c *copying) judgeAll(ctx context.Context, entries []*source.Entry) (map[string]verdict, error) {
	keys := make([]string, len(entries))
	byKey := map[string]*source.Entry{}
	for i, e := range entries {
		keys[i], byKey[e.Key] = e.Key, e
	}
	there, err := existing(ctx, c.to, keys)
	if err != nil || len(there) == 0 {
		return nil, err
	}
	differ, err := compare(ctx, func(yield func(*source.Entry, error) bool) {
		for _, key := range there {
			if !yield(byKey[key], nil) {
				return
			}
		}
	}, c.to)
	if err != nil {
		return nil, err
	}
	differs := map[string]bool{}
	for _, d := range differ {
		differs[d.Key] = true
	}
	verdicts := map[string]verdict{}
	for _, key := range there {
		if verdicts[key], err = c.judge(key, differs[key]); err != nil {
			return nil, err
		}
	}
	return verdicts, nil
}

// existing are those of some keys that a source has.
func existing(ctx context.Context, s *source.Source, keys []string) (there []string, err error) {
	pipe := s.Redis.Pipeline()
	replies := make([]*redis.IntCmd, len(keys))
	for i, key := range keys {
		replies[i] = pipe.Exists(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("%s: EXISTS: %w", s.Name, err)
	}
	for i, key := range keys {
		if replies[i].Val() > 0 {
			there = append(there, key)
		}
	}
	return there, nil
}

// make makes a key and returns the command that names it, in place of whatever has the name unless only a key that is not
// there may be made.
func (c *copying) make(ctx context.Context, pipe redis.Pipeliner, e *source.Entry, only bool) redis.Cmder {
	if e.Type == keyspace.String {
		args := []any{"SET", e.Key, e.Text}
		if e.Expires != 0 {
			args = append(args, "PXAT", e.Expires)
		}
		if only {
			args = append(args, "NX")
		}
		reply := redis.NewStatusCmd(ctx, args...)
		pipe.Process(ctx, reply)
		return reply
	}
	pipe.Del(ctx, partName)
	for args := range commands(partName, e, nil) {
		pipe.Do(ctx, args...)
	}
	return name(ctx, pipe, partName, e, only)
}

// name gives what was made its time to live and the key's name.
func name(ctx context.Context, pipe redis.Pipeliner, made string, e *source.Entry, only bool) redis.Cmder {
	if e.Expires != 0 {
		pipe.Do(ctx, "PEXPIREAT", made, e.Expires)
	}
	if only {
		return pipe.RenameNX(ctx, made, e.Key)
	}
	return pipe.Rename(ctx, made, e.Key)
}

// large is a value that comes in parts.
type large struct {
	verdict verdict
	made    string
	beside  *beside // of a stream
}

// begins decides what becomes of a key whose first part is here.
func (c *copying) begins(ctx context.Context, e *source.Entry) (l *large, err error) {
	l = &large{made: partsName + e.Key}
	if l.beside, err = besideOf(ctx, c.from, e); err != nil {
		return nil, fmt.Errorf("%s: %q: %w", c.from.Name, e.Key, err)
	}
	there, err := existing(ctx, c.to, []string{e.Key})
	if err == nil && len(there) > 0 {
		var differ []Difference
		if differ, err = compare(ctx, c.from.Load(ctx, e.Key), c.to); err == nil {
			l.verdict, err = c.judge(e.Key, len(differ) > 0)
		}
	}
	return l, err
}

// add writes a part.
func (l *large) add(ctx context.Context, c *copying, e *source.Entry) error {
	if l.verdict == same || l.verdict == kept {
		return nil
	}
	var named redis.Cmder
	_, err := c.to.Redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		if e.First {
			pipe.Del(ctx, l.made)
		}
		for args := range commands(l.made, e, l.beside) {
			pipe.Do(ctx, args...)
		}
		if e.Last {
			named = name(ctx, pipe, l.made, e, l.verdict == missing)
			pipe.Del(ctx, l.made)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: write %q: %w", c.to.Name, e.Key, err)
	}
	if named == nil {
		return nil
	}
	if refused(named) {
		_, err = c.judge(e.Key, true)
		return err
	}
	c.done.Written++
	return nil
}

// prune removes keys of the chosen families that the source does not have.
func (c *copying) prune(ctx context.Context) error {
	for batch, err := range batched(c.to.Keys(ctx, c.Families), func(string) int { return 1 }) {
		if err != nil {
			return err
		}
		there, err := existing(ctx, c.from, batch)
		if err != nil {
			return err
		}
		has := map[string]bool{}
		for _, key := range there {
			has[key] = true
		}
		for _, key := range batch {
			if has[key] || isOurs(key) {
				continue
			}
			n, err := c.to.Redis.Del(ctx, key).Result()
			if err != nil {
				return fmt.Errorf("%s: DEL %q: %w", c.to.Name, key, err)
			}
			c.done.Removed += n
		}
	}
	return nil
}

func score(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
