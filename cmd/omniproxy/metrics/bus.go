package metrics

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/keyspace"
)

// topic is the stream of a topic on the event bus.
type topic struct {
	name   string
	length int64
	groups []group
}

// group is a consumer group of one.
type group struct {
	name               string
	lag                int64 // unknownLag, or entries that it was not given
	pending, consumers int64
	deadLetters        int64
	retrying           int64
}

const unknownLag = -1

// A look at the bus goes so far.
const (
	mostTopics = 200
	mostGroups = 500 // of all topics
)

// lookAt reads the event bus in a JSON backend. Nobody waits for longer than it takes to look at one topic.
func lookAt(b *jsonbackend.Backend, db int, layout keyspace.Layout, reported []string) (all []topic) {
	b.Peek(db, layout.Topics(), func(v value.Value) {
		if set, ok := v.(*value.Set); ok {
			reported = append(reported, some(set)...)
		}
	})
	groups := 0
	for _, name := range distinct(reported) {
		t := topic{name: name, length: -1}
		b.Peek(db, layout.BusStream(name), func(v value.Value) {
			s, ok := v.(*value.Stream)
			if !ok {
				return
			}
			t.length = int64(s.Len())
			for g := range s.Groups() {
				if groups++; groups > mostGroups {
					return
				}
				lag, known := s.Lag(g)
				if !known {
					lag = unknownLag
				}
				t.groups = append(t.groups, group{name: g.Name(), lag: lag, pending: int64(g.PendingLen()), consumers: int64(g.ConsumerLen())})
			}
		})
		if t.length < 0 {
			continue
		}
		for i := range t.groups {
			g := &t.groups[i]
			g.deadLetters = lengthOf(b, db, layout.DeadLetters(g.name))
			g.retrying = lengthOf(b, db, layout.RetryCounts(g.name))
		}
		all = append(all, t)
	}
	return all
}

func some(set *value.Set) (members []string) {
	for m := range set.All() {
		if members = append(members, m); len(members) == mostTopics {
			break
		}
	}
	return members
}

func distinct(names []string) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), mostTopics)]
}

func lengthOf(b *jsonbackend.Backend, db int, key string) (n int64) {
	b.Peek(db, key, func(v value.Value) {
		if v != nil {
			n = int64(v.Len())
		}
	})
	return n
}

// poll looks at the event bus in a Redis now and then.
type poll struct {
	client *redis.Client
	layout keyspace.Layout
	tasks  *Tasks

	found atomic.Pointer[[]topic] // by the last look; nil if it failed
	err   error                   // what it failed with, as it was told
	stop  func()
}

const (
	pollEvery = 15 * time.Second
	pollTime  = 10 * time.Second // that a look may take
)

// startPoll looks at once, and then every so often. failed is told when looking begins to fail, and nil when it does not any
// more.
func startPoll(client *redis.Client, layout keyspace.Layout, tasks *Tasks, every time.Duration, failed func(error)) *poll {
	p := &poll{client: client, layout: layout, tasks: tasks}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		clock := time.NewTicker(every)
		defer clock.Stop()
		for {
			p.look(ctx, failed)
			select {
			case <-ctx.Done():
				return
			case <-clock.C:
			}
		}
	}()
	p.stop = func() { cancel(); <-done; client.Close() }
	return p
}

func (p *poll) look(ctx context.Context, failed func(error)) {
	timed, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	topics, err := p.ask(timed)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		p.found.Store(nil)
	} else {
		p.found.Store(&topics)
	}
	if (err == nil) != (p.err == nil) && failed != nil {
		failed(err)
	}
	p.err = err
}

// ask reads the bus: topics, their streams, what belongs to their groups.
func (p *poll) ask(ctx context.Context) ([]topic, error) {
	registered, err := p.registered(ctx)
	if err != nil {
		return nil, err
	}
	names := distinct(append(p.tasks.topics(), registered...))
	topics, err := p.streams(ctx, names)
	if err != nil {
		return nil, err
	}
	return topics, p.rest(ctx, topics)
}

// registered returns some of the topics that have agents, all if they are few.
func (p *poll) registered(ctx context.Context) (names []string, err error) {
	for cursor := uint64(0); ; {
		var some []string
		some, cursor, err = p.client.SScan(ctx, p.layout.Topics(), cursor, "", mostTopics).Result()
		if err != nil && !wrongType(err) {
			return nil, err
		}
		if names = append(names, some...); cursor == 0 || len(names) >= mostTopics {
			return names, nil
		}
	}
}

// streams asks for the length and the groups of streams. Those that are none are left out.
func (p *poll) streams(ctx context.Context, names []string) (topics []topic, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	lengths, infos := make([]*redis.IntCmd, len(names)), make([]*redis.XInfoGroupsCmd, len(names))
	_, err = p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, name := range names {
			lengths[i] = pipe.XLen(ctx, p.layout.BusStream(name))
			infos[i] = pipe.XInfoGroups(ctx, p.layout.BusStream(name))
		}
		return nil
	})
	if err != nil && !answered(err) {
		return nil, err
	}
	groups := 0
	for i, name := range names {
		found, err := infos[i].Result()
		if err != nil {
			continue // there is no such stream
		}
		t := topic{name: name, length: lengths[i].Val()}
		for _, g := range found {
			if groups++; groups <= mostGroups {
				t.groups = append(t.groups, group{name: g.Name, lag: g.Lag, pending: g.Pending, consumers: g.Consumers})
			}
		}
		topics = append(topics, t)
	}
	return topics, nil
}

// rest asks for dead letters and retries of groups.
func (p *poll) rest(ctx context.Context, topics []topic) error {
	var asked []func()
	pipe := p.client.Pipeline()
	for _, t := range topics {
		for i := range t.groups {
			g := &t.groups[i]
			dead, retrying := pipe.XLen(ctx, p.layout.DeadLetters(g.name)), pipe.HLen(ctx, p.layout.RetryCounts(g.name))
			asked = append(asked, func() { g.deadLetters, g.retrying = dead.Val(), retrying.Val() })
		}
	}
	if len(asked) == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil && !answered(err) {
		return err
	}
	for _, take := range asked {
		take()
	}
	return nil
}

// answered reports whether an error is Redis' answer to one command, and not about the connection or the user.
func answered(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !redis.IsAuthError(err) && !redis.IsPermissionError(err)
}

func wrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }
