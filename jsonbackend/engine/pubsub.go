package engine

import (
	"container/list"
	"iter"
	"slices"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/glob"
)

// Messages concern no key and no database and are kept nowhere: who subscribes later has missed them.

// topicKind is one of the things that clients subscribe to; each has names of its own.
type topicKind int

const (
	channel topicKind = iota
	pattern           // every channel whose name matches
	shardChannel
	topicKinds
)

// topicWords begin what a subscriber is told.
var topicWords = [topicKinds]struct{ subscribed, unsubscribed, message string }{
	channel:      {"subscribe", "unsubscribe", "message"},
	pattern:      {"psubscribe", "punsubscribe", "pmessage"},
	shardChannel: {"ssubscribe", "sunsubscribe", "smessage"},
}

// heard are the kinds as the session knows them.
var heard = [topicKinds]resp.Topic{channel: resp.Channel, pattern: resp.Pattern, shardChannel: resp.ShardChannel}

// topic is what at least one client subscribed to.
type topic struct {
	name        []byte
	subscribers []*subscriber // in the order they came
}

// live counts the subscribers who are not leaving.
func (t *topic) live() (n int64) {
	for _, s := range t.subscribers {
		if !s.conn.s.Closing() {
			n++
		}
	}
	return n
}

// topics are topics of one kind: of everybody, or of one client, in the order of their first subscription. The zero value
// has none.
type topics struct {
	byName map[string]*list.Element // of order
	order  list.List                // of *topic
}

func (l *topics) len() int { return len(l.byName) }

// get returns nil if there is no topic of that name.
func (l *topics) get(name []byte) *topic {
	if at := l.byName[string(name)]; at != nil {
		return at.Value.(*topic)
	}
	return nil
}

func (l *topics) add(t *topic) {
	if l.byName == nil {
		l.byName = map[string]*list.Element{}
	}
	l.byName[string(t.name)] = l.order.PushBack(t)
}

func (l *topics) remove(t *topic) {
	l.order.Remove(l.byName[string(t.name)])
	delete(l.byName, string(t.name))
}

// all iterates over the topics; the one in hand may be removed.
func (l *topics) all() iter.Seq[*topic] {
	return func(yield func(*topic) bool) {
		for at := l.order.Front(); at != nil; {
			t := at.Value.(*topic)
			at = at.Next()
			if !yield(t) {
				return
			}
		}
	}
}

// subscriber is a client as publishers know it.
type subscriber struct {
	conn    *Conn
	topics  [topicKinds]topics
	mail    int    // bytes of the mail that the unit in hand has for it
	ownMail []byte // mail from the client's own commands, not among its replies yet

	toldFree, toldGated bool // it stands in these lists of Engine.told
}

func (c *Conn) subscriber() *subscriber {
	if c.sub == nil {
		c.sub = &subscriber{conn: c}
	}
	return c.sub
}

// subscribe does nothing if the client has done it before.
func (s *subscriber) subscribe(kind topicKind, name []byte) {
	if s.topics[kind].get(name) != nil {
		return
	}
	all := &s.conn.e.topics[kind]
	t := all.get(name)
	if t == nil {
		t = &topic{name: slices.Clone(name)}
		all.add(t)
	}
	t.subscribers = append(t.subscribers, s)
	s.topics[kind].add(t)
	s.count()
	s.conn.s.Client.Hear(heard[kind], string(name), true)
}

// unsubscribe does nothing if the client has not subscribed.
func (s *subscriber) unsubscribe(kind topicKind, name []byte) {
	t := s.topics[kind].get(name)
	if t == nil {
		return
	}
	s.topics[kind].remove(t)
	i := slices.Index(t.subscribers, s)
	t.subscribers = slices.Delete(t.subscribers, i, i+1)
	if len(t.subscribers) == 0 {
		s.conn.e.topics[kind].remove(t)
	}
	s.count()
	s.conn.s.Client.Hear(heard[kind], string(t.name), false)
}

// count tells the session, for CLIENT LIST and for PING.
func (s *subscriber) count() {
	c := &s.conn.s.Client
	c.Sub.Store(int32(s.topics[channel].len()))
	c.PSub.Store(int32(s.topics[pattern].len()))
	c.SSub.Store(int32(s.topics[shardChannel].len()))
}

// unsubscribe is how RESET and a client's end end its subscriptions: nothing is said.
func (c *Conn) unsubscribe() {
	if c.sub == nil {
		return
	}
	for kind := range topicKinds {
		for t := range c.sub.topics[kind].all() {
			c.sub.unsubscribe(kind, t.name)
		}
	}
}

// confined reports whether the client may do only what whileSubscribed lists.
func (c *Conn) confined() bool {
	return c.s.Client.Proto() == 2 && c.subscribed()
}

// subscribed reports whether the client subscribed to anything.
func (c *Conn) subscribed() bool {
	if c.sub == nil {
		return false
	}
	t := &c.sub.topics
	return t[channel].len()+t[pattern].len()+t[shardChannel].len() > 0
}

// publish addresses a message to who hears the channel, and returns to how many: one who subscribed to a pattern as well
// counts, and hears it, twice.
func (e *Engine) publish(name, message []byte) (receivers int64) {
	if t := e.topics[channel].get(name); t != nil {
		receivers = e.mail.send(t.subscribers, topicWords[channel].message, name, message)
	}
	for t := range e.topics[pattern].all() {
		if glob.Match(t.name, name, false) {
			receivers += e.mail.send(t.subscribers, topicWords[pattern].message, t.name, name, message)
		}
	}
	return receivers
}

// publishInShard is publish for shard channels, which patterns do not match.
func (e *Engine) publishInShard(name, message []byte) (receivers int64) {
	if t := e.topics[shardChannel].get(name); t != nil {
		receivers = e.mail.send(t.subscribers, topicWords[shardChannel].message, name, message)
	}
	return receivers
}
