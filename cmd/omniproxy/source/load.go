package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/keyspace"
)

const (
	smallText    = 16 << 10 // bytes of a string that are read without asking first how many there are
	partElements = 512      // elements of one part
	loadAttempts = 5        // at a key that becomes another one while it is read
)

// errMoved means that a key has changed its type while it was read.
var errMoved = errors.New("the key changes faster than it can be read")

// Load iterates over what keys hold, in their order. A key that is not there does not come.
func (s *Source) Load(ctx context.Context, keys ...string) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		probes, err := s.probe(ctx, keys)
		if err == nil {
			err = s.fetchSmall(ctx, probes)
		}
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", s.Name, err))
			return
		}
		for _, p := range probes {
			if p == nil {
				continue
			}
			goesOn, err := s.deliver(ctx, p, func(e *Entry) bool { return yield(e, nil) })
			if err != nil {
				yield(nil, fmt.Errorf("%s: key %q: %w", s.Name, p.entry.Key, err))
				return
			}
			if !goesOn {
				return
			}
		}
	}
}

// probe is what is known of a key before its value is read as a whole.
type probe struct {
	entry   Entry
	whole   bool // entry has the value
	expires *redis.Cmd
	first   *redis.Cmd // what is sent at first: the size of a value of the family's type, or the type
	value   *redis.Cmd // of a small value
	moved   bool       // it was another type meanwhile
}

// sizeOf is the command that tells how many elements a value of a type has.
var sizeOf = map[keyspace.Type]string{
	keyspace.String: "STRLEN", keyspace.List: "LLEN", keyspace.Set: "SCARD", keyspace.ZSet: "ZCARD", keyspace.Hash: "HLEN", keyspace.Stream: "XLEN",
}

// typeOf is the type of Redis' name for it; Any for the type of a module.
func typeOf(name string) keyspace.Type {
	for t := range sizeOf {
		if t.String() == name {
			return t
		}
	}
	return keyspace.Any
}

// typeOfFamily is the type that keys of a family have; Any for others.
func typeOfFamily(f keyspace.Family) keyspace.Type {
	for _, facts := range keyspace.Families() {
		if facts.Family == f {
			return facts.Type
		}
	}
	return keyspace.Any
}

// probe asks for type, size and expiry of keys, nil for those that are not there. A key is first taken for what its family
// says, so that most cost two commands, and most strings no more than these.
func (s *Source) probe(ctx context.Context, keys []string) ([]*probe, error) {
	probes := make([]*probe, len(keys))
	for i, key := range keys {
		family := s.Layout.Family(key)
		probes[i] = &probe{entry: Entry{Key: key, Family: family, Type: typeOfFamily(family)}}
	}
	if err := s.ask(ctx, probes); err != nil {
		return nil, err
	}
	for attempt := 0; ; attempt++ {
		var strange []*probe // whose type must be asked for, or is known only now
		for i, p := range probes {
			if p == nil || p.first == nil {
				continue
			}
			known, err := p.understand(s)
			switch {
			case err != nil && !isGone(err):
				return nil, fmt.Errorf("key %q: %w", p.entry.Key, err)
			case err != nil:
				probes[i] = nil
			case !known:
				strange = append(strange, p)
			}
		}
		if len(strange) == 0 {
			return probes, nil
		}
		if attempt == loadAttempts {
			return nil, fmt.Errorf("key %q: %w", strange[0].entry.Key, errMoved)
		}
		if err := s.ask(ctx, strange); err != nil {
			return nil, err
		}
	}
}

// errGone means that a key is not there.
var errGone = errors.New("no such key")

func isGone(err error) bool { return errors.Is(err, errGone) }

// ask sends the next questions about keys.
func (s *Source) ask(ctx context.Context, probes []*probe) error {
	pipe := s.Redis.Pipeline()
	for _, p := range probes {
		key := p.entry.Key
		if s.noExpireTime {
			p.expires = pipe.Do(ctx, "PTTL", key)
		} else {
			p.expires = pipe.Do(ctx, "PEXPIRETIME", key)
		}
		switch p.entry.Type {
		case keyspace.Any:
			p.first = pipe.Do(ctx, "TYPE", key)
		case keyspace.String:
			p.first = pipe.Do(ctx, "GETRANGE", key, 0, smallText-1)
		default:
			p.first = pipe.Do(ctx, sizeOf[p.entry.Type], key)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return err
	}
	if !s.noExpireTime && len(probes) > 0 && isUnknownCommand(probes[0].expires.Err()) { // before Redis 7
		s.noExpireTime = true
		return s.ask(ctx, probes)
	}
	return nil
}

// understand takes in the answers. It reports false if another question follows from them.
func (p *probe) understand(s *Source) (known bool, err error) {
	first := p.first
	p.first = nil
	if p.entry.Expires, err = s.expiry(p.expires); err != nil {
		return false, err
	}
	if isWrongType(first.Err()) {
		p.entry.Type = keyspace.Any // it is not what its family says
		p.first = first
		return false, nil
	}
	if first.Err() != nil {
		return false, first.Err()
	}
	switch p.entry.Type {
	case keyspace.Any:
		name, err := first.Text()
		if err != nil || name == "none" {
			return false, errors.Join(err, errGone)
		}
		if p.entry.Type = typeOf(name); p.entry.Type == keyspace.Any {
			p.whole = true
			return true, nil
		}
		p.first = first
		return false, nil
	case keyspace.String:
		p.entry.Text, err = first.Text()
		p.entry.Size = int64(len(p.entry.Text))
		p.whole = p.entry.Size < smallText
	default:
		p.entry.Size, err = first.Int64()
	}
	return true, err
}

// expiry is when a key goes, in Unix milliseconds.
func (s *Source) expiry(reply *redis.Cmd) (at int64, err error) {
	at, err = reply.Int64()
	switch {
	case err != nil:
		return 0, err
	case at == -2:
		return 0, errGone
	case at < 0:
		return 0, nil
	case s.noExpireTime:
		at += time.Now().UnixMilli()
	}
	return at, nil
}

func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

func isWrongType(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") }

func isUnknownCommand(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "ERR unknown command")
}

// read is the command that reads all of a small value; nil if it is read in parts.
func (p *probe) read() []any {
	key := p.entry.Key
	switch p.entry.Type {
	case keyspace.Hash:
		return []any{"HGETALL", key}
	case keyspace.Set:
		return []any{"SMEMBERS", key}
	case keyspace.ZSet:
		return []any{"ZRANGE", key, 0, -1, "WITHSCORES"}
	case keyspace.List:
		return []any{"LRANGE", key, 0, -1}
	}
	return nil
}

// fetchSmall reads the values that fit into one part.
func (s *Source) fetchSmall(ctx context.Context, probes []*probe) error {
	pipe := s.Redis.Pipeline()
	for _, p := range probes {
		if p != nil && !p.whole && p.entry.Size <= partElements {
			if args := p.read(); args != nil {
				p.value = pipe.Do(ctx, args...)
			}
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return err
	}
	return nil
}

// deliver hands over what a key holds.
func (s *Source) deliver(ctx context.Context, p *probe, yield func(*Entry) bool) (goesOn bool, err error) {
	e := &p.entry
	e.First, e.Last = true, true
	switch {
	case p.whole:
		return yield(e), nil
	case p.value != nil:
		words, err := p.value.StringSlice()
		if err == nil {
			err = take(e, words)
		}
		if err != nil || count(e) == 0 { // it went meanwhile, or became another one
			return s.again(ctx, p, err, yield)
		}
		e.Size = int64(count(e))
		return yield(e), nil
	}
	goesOn, err = s.parts(ctx, e, yield)
	if isWrongType(err) {
		return s.again(ctx, p, err, yield)
	}
	return goesOn, err
}

// again reads a key once more that was not what it seemed to be.
func (s *Source) again(ctx context.Context, p *probe, cause error, yield func(*Entry) bool) (goesOn bool, err error) {
	if cause != nil && !isWrongType(cause) || p.moved {
		return false, cause
	}
	probes, err := s.probe(ctx, []string{p.entry.Key})
	if err == nil {
		err = s.fetchSmall(ctx, probes)
	}
	if err != nil || probes[0] == nil {
		return true, err
	}
	probes[0].moved = true
	return s.deliver(ctx, probes[0], yield)
}

// count is how many elements an entry has.
func count(e *Entry) int { return len(e.Fields) + len(e.Members) + len(e.Items) }
