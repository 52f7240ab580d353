package passthrough

import (
	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// The kinds of subscriptions.
const (
	channels = iota
	patterns
	shards
)

// subscriptionKinds are the commands that subscribe, and the words that their confirmations begin with.
var subscriptionKinds = map[string]struct {
	kind int
	ends bool
}{
	"SUBSCRIBE":    {channels, false},
	"PSUBSCRIBE":   {patterns, false},
	"SSUBSCRIBE":   {shards, false},
	"UNSUBSCRIBE":  {channels, true},
	"PUNSUBSCRIBE": {patterns, true},
	"SUNSUBSCRIBE": {shards, true},
}

// topicKinds are the kinds as the session knows them.
var topicKinds = [...]resp.Topic{channels: resp.Channel, patterns: resp.Pattern, shards: resp.ShardChannel}

// subscriptions are what a private wire has been subscribed to, as Redis confirmed it.
type subscriptions [3]map[string]struct{}

func (s *subscriptions) count() int { return len(s[channels]) + len(s[patterns]) + len(s[shards]) }

// show has CLIENT LIST tell how many there are.
func (s *subscriptions) show(c *resp.Client) {
	c.Sub.Store(int32(len(s[channels])))
	c.PSub.Store(int32(len(s[patterns])))
	c.SSub.Store(int32(len(s[shards])))
}

// write writes commands that subscribe to all of it again, and returns how many confirmations each has.
func (s *subscriptions) write(w *wire.Writer) (confirmations []*confirmation) {
	for kind, word := range []string{"subscribe", "psubscribe", "ssubscribe"} {
		if len(s[kind]) == 0 {
			continue
		}
		w.Array(1 + len(s[kind]))
		w.BulkString(word)
		c := &confirmation{subscriptions: s, word: word, kind: kind}
		for name := range s[kind] {
			w.BulkString(name)
			c.names = append(c.names, name)
		}
		c.left = len(c.names)
		confirmations = append(confirmations, c)
	}
	return confirmations
}

// confirmation is what answers a command that subscribes or unsubscribes: a message for each name.
type confirmation struct {
	subscriptions *subscriptions
	word          string // that the messages begin with
	kind          int
	ends          bool
	names         []string // of the command; none: all there are
	left          int      // how many are to come; 0 before the first
	seen          int

	rights *acl.Rights // by which the client was allowed to ask for it
}

// expects reports whether a message that begins with word is one of them.
func (c *confirmation) expects(word string) bool { return c != nil && c.word == word }

// confirmed takes the next message in; of, if not nil, is who hears. It returns to how much the wire is subscribed. With the
// last, left is 0.
func (c *confirmation) confirmed(of *conn) int {
	s := c.subscriptions
	if c.seen == 0 {
		if len(c.names) == 0 {
			for name := range s[c.kind] {
				c.names = append(c.names, name)
			}
		}
		c.left = max(1, len(c.names))
	}
	if c.seen < len(c.names) {
		name := c.names[c.seen]
		if c.ends {
			delete(s[c.kind], name)
		} else {
			if s[c.kind] == nil {
				s[c.kind] = map[string]struct{}{}
			}
			s[c.kind][name] = struct{}{}
		}
		if of != nil {
			of.s.Client.Hear(topicKinds[c.kind], name, !c.ends)
			if now := of.s.Rights(); !c.ends && c.rights != nil && now != c.rights && !now.MayHear(name, c.kind == patterns) {
				of.s.Kill() // it was not subscribed yet when the rights changed
			}
		}
	}
	c.seen++
	c.left--
	return s.count()
}
