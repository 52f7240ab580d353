package tool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
	"github.com/omniproxy/omniproxy/keyspace"
)

// Fix mends what can be mended without anybody's judgement: members of indexes, times to live, missing defaults. No agent and
// no result is ever deleted.
type Fix struct {
	Apply bool                     // else nothing is changed
	Undo  *os.File                 // where the commands go that take the changes back, on the disk before a change is made; with Apply
	Tell  func(commands []Command) // is told what would be done, or was

	told   map[string]bool // commands that were told
	undone map[string]bool // keys whose first value stands in Undo
}

// Command is a command and its arguments.
type Command []string

// String returns the command as redis-cli reads it.
func (c Command) String() string {
	words := make([]string, len(c))
	for i, word := range c {
		words[i] = cliWord(word)
	}
	return strings.Join(words, " ")
}

// cliWord quotes an argument as redis-cli reads it.
func cliWord(word string) string {
	if word != "" && strings.IndexFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_:.-+/@{}", r))
	}) < 0 {
		return word
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(word) {
		switch c := word[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}

// mend is how a finding is mended: commands, and those that take them back.
type mend struct{ do, undo []Command }

// fix mends what was found, and returns how many changes it made.
func (r *validation) fix(ctx context.Context, s *source.Source, problems []Problem) (made int64, err error) {
	f := r.Fix
	if f.told == nil {
		f.told, f.undone = map[string]bool{}, map[string]bool{}
	}
	for _, p := range problems {
		if p.Rule.Rule().Fix == "" || p.Key == "" {
			continue
		}
		did, err := f.one(ctx, s, p.Finding)
		if err != nil {
			return made, fmt.Errorf("%s: fix %v of %q: %w", s.Name, p.Rule, p.Key, err)
		}
		made += did
	}
	return made, nil
}

// attempts is how often a fix is tried that another client's write got in the way of.
const attempts = 10

// one mends one finding, if it is one still.
func (f *Fix) one(ctx context.Context, s *source.Source, found keyspace.Finding) (made int64, err error) {
	if !f.Apply {
		m, err := plan(ctx, s.Redis, s.Layout, found)
		if err == nil && len(m.do) > 0 && !f.told[fmt.Sprint(m.do)] {
			f.told[fmt.Sprint(m.do)] = true
			f.Tell(m.do)
		}
		return 0, err
	}
	for range attempts {
		err := s.Redis.Watch(ctx, func(tx *redis.Tx) error {
			m, err := plan(ctx, tx, s.Layout, found)
			if err != nil || len(m.do) == 0 {
				return err
			}
			return f.apply(ctx, tx, m, &made)
		}, watched(found)...)
		if !errors.Is(err, redis.TxFailedErr) {
			return made, err
		}
	}
	return 0, nil // it stays a finding
}

// watched are the keys that must not change while a finding is mended: those that say whether it is one. An index is none of
// them, for others change that all the time, and a member of it is added and removed whatever the rest.
func watched(f keyspace.Finding) []string {
	switch f.Rule {
	case keyspace.ResultIndexOrphan, keyspace.IndexScoreDrift, keyspace.MemberOrphan, keyspace.TopicOrphan:
		return []string{f.Other}
	case keyspace.ResultNotIndexed:
		return []string{f.Key}
	}
	if f.Other == "" {
		return []string{f.Key}
	}
	return []string{f.Key, f.Other}
}

// apply makes a change at one instant, if nothing that it depends on has changed since it was planned.
func (f *Fix) apply(ctx context.Context, tx *redis.Tx, m mend, made *int64) error {
	before, err := f.Undo.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	for _, c := range m.undo {
		if c[0] == "SET" && f.undone[c[1]] {
			continue // what was there at first is what an undo brings back
		}
		if _, err := fmt.Fprintln(f.Undo, c); err != nil {
			return err
		}
	}
	if err := f.Undo.Sync(); err != nil {
		return err
	}
	_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, c := range m.do {
			words := make([]any, len(c))
			for i, word := range c {
				words[i] = word
			}
			pipe.Do(ctx, words...)
		}
		return nil
	})
	if errors.Is(err, redis.TxFailedErr) {
		// Nothing was done, so nothing is to be undone.
		if _, e := f.Undo.Seek(before, io.SeekStart); e != nil {
			return e
		}
		if e := f.Undo.Truncate(before); e != nil {
			return e
		}
		return err
	}
	if err != nil {
		return err
	}
	for _, c := range m.undo {
		f.undone[c[1]] = true
	}
	*made++
	f.Tell(m.do)
	return nil
}

// plan looks at what a finding is about as it is now, and returns how to mend it: nothing, if it is none any more.
func plan(ctx context.Context, db redis.Cmdable, l keyspace.Layout, f keyspace.Finding) (mend, error) {
	switch f.Rule {
	case keyspace.AgentNotIndexed:
		topic := l.Parse(f.Other).Rest
		return add(ctx, db, f.Key, f.Other, strings.TrimPrefix(f.Key, l.Agent(topic, "")))
	case keyspace.TopicNotListed:
		return add(ctx, db, f.Key, f.Other, l.Parse(f.Key).Rest)
	case keyspace.MemberOrphan, keyspace.TopicOrphan:
		return remove(ctx, db, f)
	case keyspace.RegistryTTL:
		return persist(ctx, db, f.Key)
	case keyspace.AgentOtherField:
		return defaults(ctx, db, f.Key)
	case keyspace.ResultIndexOrphan:
		return unindex(ctx, db, f)
	case keyspace.ResultNotIndexed:
		return index(ctx, db, f.Key, f.Other, l.Parse(f.Key).Rest)
	case keyspace.IndexScoreDrift:
		return index(ctx, db, f.Other, f.Key, f.Member)
	case keyspace.SupervisorRegistry:
		return register(ctx, db, l, f)
	}
	return mend{}, nil
}

// add adds a member to a set that lacks it, as long as the key is there that it stands for.
func add(ctx context.Context, db redis.Cmdable, key, set, member string) (m mend, err error) {
	n, err := db.Exists(ctx, key).Result()
	if err != nil || n == 0 {
		return m, err
	}
	if has, err := db.SIsMember(ctx, set, member).Result(); err != nil || has {
		return m, err
	}
	return mend{do: []Command{{"SADD", set, member}}, undo: []Command{{"SREM", set, member}}}, nil
}

// remove removes a member from a set as long as the key is not there that it stands for.
func remove(ctx context.Context, db redis.Cmdable, f keyspace.Finding) (m mend, err error) {
	n, err := db.Exists(ctx, f.Other).Result()
	if err != nil || n > 0 {
		return m, err
	}
	if has, err := db.SIsMember(ctx, f.Key, f.Member).Result(); err != nil || !has {
		return m, err
	}
	return mend{do: []Command{{"SREM", f.Key, f.Member}}, undo: []Command{{"SADD", f.Key, f.Member}}}, nil
}

func persist(ctx context.Context, db redis.Cmdable, key string) (m mend, err error) {
	left, err := db.PTTL(ctx, key).Result()
	if err != nil || left <= 0 {
		return m, err
	}
	at := strconv.FormatInt(time.Now().Add(left).UnixMilli(), 10)
	return mend{do: []Command{{"PERSIST", key}}, undo: []Command{{"PEXPIREAT", key, at}}}, nil
}

// defaults gives an agent the tools and the config that it lacks, as RedisStore.add_agent would.
func defaults(ctx context.Context, db redis.Cmdable, key string) (m mend, err error) {
	n, err := db.Exists(ctx, key).Result()
	if err != nil || n == 0 {
		return m, err
	}
	for _, field := range [...]struct{ name, value string }{{"tools", "[]"}, {"config", "{}"}} {
		has, err := db.HExists(ctx, key, field.name).Result()
		if err != nil {
			return mend{}, err
		}
		if !has {
			m.do = append(m.do, Command{"HSETNX", key, field.name, field.value})
			m.undo = append(m.undo, Command{"HDEL", key, field.name})
		}
	}
	return m, nil
}

func unindex(ctx context.Context, db redis.Cmdable, f keyspace.Finding) (m mend, err error) {
	n, err := db.Exists(ctx, f.Other).Result()
	if err != nil || n > 0 {
		return m, err
	}
	score, err := db.ZScore(ctx, f.Key, f.Member).Result()
	if errors.Is(err, redis.Nil) {
		return m, nil
	}
	return mend{do: []Command{{"ZREM", f.Key, f.Member}}, undo: []Command{{"ZADD", f.Key, scoreText(score), f.Member}}}, err
}

func scoreText(score float64) string { return strconv.FormatFloat(score, 'g', -1, 64) }

// index puts a result where it belongs in the index.
func index(ctx context.Context, db redis.Cmdable, result, key, id string) (m mend, err error) {
	text, err := db.Get(ctx, result).Bytes()
	if errors.Is(err, redis.Nil) {
		return m, nil
	}
	if err != nil || pyjson.Check(text) != nil {
		return m, err
	}
	lit, _ := pyjson.Field(text, "saved_at")
	saved, ok := pyjson.Float(lit)
	if !ok || math.IsNaN(saved) || math.IsInf(saved, 0) {
		return m, nil
	}
	m.do = []Command{{"ZADD", key, "NX", scoreText(saved), id}}
	switch score, err := db.ZScore(ctx, key, id).Result(); {
	case errors.Is(err, redis.Nil):
		m.undo = []Command{{"ZREM", key, id}}
	case err != nil:
		return mend{}, err
	case math.Abs(score-saved) <= 5:
		return mend{}, nil
	default:
		m.do[0][2] = "XX"
		m.undo = []Command{{"ZADD", key, scoreText(score), id}}
	}
	return m, nil
}

// register takes a supervisor without a state off the list of supervisors, or puts one with a state on it.
func register(ctx context.Context, db redis.Cmdable, l keyspace.Layout, f keyspace.Finding) (m mend, err error) {
	key, state, name := f.Key, f.Other, f.Member
	if name == "" {
		key, state, name = f.Other, f.Key, strings.TrimPrefix(l.Parse(f.Key).Rest, "supervisor:")
	}
	if key == "" || name == "" {
		return m, nil // the list is none
	}
	left, err := db.Get(ctx, state).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return m, err
	}
	runs := err == nil && strings.TrimSpace(left) != "null"
	old, err := db.Get(ctx, key).Bytes()
	fresh := errors.Is(err, redis.Nil)
	if err != nil && !fresh {
		return m, err
	}
	if fresh {
		old = []byte("[]")
	}
	if pyjson.Check(old) != nil || old[0] != '[' {
		return m, nil
	}
	var list []string
	named := false
	for _, element := range pyjson.Members(old) {
		text, err := pyjson.Unquote(nil, element)
		is := err == nil && string(text) == name
		if named = named || is; !is || runs {
			list = append(list, string(element))
		}
	}
	if named == runs {
		return mend{}, nil
	}
	if runs {
		lit, _ := pyjson.Quote(nil, []byte(name))
		list = append(list, string(lit))
	}
	m.do = []Command{{"SET", key, "[" + strings.Join(list, ", ") + "]"}}
	if m.undo = []Command{{"SET", key, string(old)}}; fresh {
		m.undo = []Command{{"DEL", key}}
	}
	return m, nil
}
