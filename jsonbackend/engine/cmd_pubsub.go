package engine

import (
	"strings"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/glob"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Pub/Sub: https://redis.io/commands/?group=pubsub
var pubsubHandlers = handlers{
	"PUBLISH":              publish,
	"SPUBLISH":             spublish,
	"SUBSCRIBE":            func(c *Call) error { return subscribe(c, channel) },
	"PSUBSCRIBE":           func(c *Call) error { return subscribe(c, pattern) },
	"SSUBSCRIBE":           ssubscribe,
	"UNSUBSCRIBE":          func(c *Call) error { return unsubscribe(c, channel) },
	"PUNSUBSCRIBE":         func(c *Call) error { return unsubscribe(c, pattern) },
	"SUNSUBSCRIBE":         func(c *Call) error { return unsubscribe(c, shardChannel) },
	"PUBSUB CHANNELS":      func(c *Call) error { return listChannels(c, channel) },
	"PUBSUB SHARDCHANNELS": func(c *Call) error { return listChannels(c, shardChannel) },
	"PUBSUB NUMSUB":        func(c *Call) error { return countSubscribers(c, channel) },
	"PUBSUB SHARDNUMSUB":   func(c *Call) error { return countSubscribers(c, shardChannel) },
	"PUBSUB NUMPAT":        countPatterns,
	"PUBSUB HELP":          pubsubHelp,
}

// whileSubscribed is what RESP2 allows a client that may get messages: it could not tell other replies from them.
var whileSubscribed = map[string]bool{
	"SUBSCRIBE": true, "PSUBSCRIBE": true, "SSUBSCRIBE": true, "UNSUBSCRIBE": true, "PUNSUBSCRIBE": true, "SUNSUBSCRIBE": true,
	"PING": true, "QUIT": true, "RESET": true,
}

// subscribedOnly refuses what whileSubscribed does not list.
func subscribedOnly(spec *command.Spec) error {
	err := wire.SubscribedOnly(spec.FullName)
	if spec.Name == "EXEC" {
		return wire.ExecAbort(wire.Error(strings.TrimPrefix(string(err), "ERR ")))
	}
	return err
}

func publish(c *Call) error {
	c.Reply.Int(c.engine.publish(c.Args[1], c.Args[2]))
	return nil
}

func spublish(c *Call) error {
	c.Reply.Int(c.engine.publishInShard(c.Args[1], c.Args[2]))
	return nil
}

func subscribe(c *Call, kind topicKind) error {
	s := c.conn.subscriber()
	for _, name := range c.Args[1:] {
		s.subscribe(kind, name)
		c.confirm(kind, topicWords[kind].subscribed, name)
	}
	return nil
}

// ssubscribe is not allowed inside EXEC, where SUBSCRIBE is only because it always was.
func ssubscribe(c *Call) error {
	if c.conn.inMulti {
		return wire.ErrSubscribeInExec
	}
	return subscribe(c, shardChannel)
}

// unsubscribe confirms each name, or, when none are given, the end of each subscription there was, and if there was none,
// that.
func unsubscribe(c *Call, kind topicKind) error {
	s, names := c.conn.subscriber(), c.Args[1:]
	if len(names) == 0 {
		for t := range s.topics[kind].all() {
			names = append(names, t.name)
		}
	}
	if len(names) == 0 {
		names = [][]byte{nil}
	}
	for _, name := range names {
		s.unsubscribe(kind, name)
		c.confirm(kind, topicWords[kind].unsubscribed, name)
	}
	return nil
}

// confirm says what became of a subscription and how many the client has now, where shard channels count apart; name is nil
// if there is none. A confirmation is no reply, so CLIENT REPLY does not silence it; but inside EXEC it stands where the
// reply would.
func (c *Call) confirm(kind topicKind, word string, name []byte) {
	s := c.conn.sub
	n := s.topics[shardChannel].len()
	if kind != shardChannel {
		n = s.topics[channel].len() + s.topics[pattern].len()
	}
	confirmation := func(w *wire.Writer) {
		w.Push(3)
		w.BulkString(word)
		if name == nil {
			w.Null()
		} else {
			w.Bulk(name)
		}
		w.Int(int64(n))
	}
	if c.conn.inMulti && !c.conn.s.Muted() {
		confirmation(c.Reply)
	} else {
		c.engine.mail.confirm(s, confirmation)
	}
}

func listChannels(c *Call, kind topicKind) error {
	if len(c.Args) > 3 {
		return wire.BadSubcommand(c.Args[0], c.Args[1])
	}
	var found [][]byte
	for t := range c.engine.topics[kind].all() {
		if (len(c.Args) == 2 || glob.Match(c.Args[2], t.name, false)) && t.live() > 0 {
			found = append(found, t.name)
		}
	}
	c.Reply.Array(len(found))
	for _, name := range found {
		c.Reply.Bulk(name)
	}
	return nil
}

func countSubscribers(c *Call, kind topicKind) error {
	names := c.Args[2:]
	c.Reply.Array(2 * len(names))
	for _, name := range names {
		n := int64(0)
		if t := c.engine.topics[kind].get(name); t != nil {
			n = t.live()
		}
		c.Reply.Bulk(name)
		c.Reply.Int(n)
	}
	return nil
}

// countPatterns counts a pattern once, however many subscribed to it.
func countPatterns(c *Call) error {
	n := int64(0)
	for t := range c.engine.topics[pattern].all() {
		if t.live() > 0 {
			n++
		}
	}
	c.Reply.Int(n)
	return nil
}

func pubsubHelp(c *Call) error {
	command.Help(c.Reply, command.Find("pubsub"), c.engine.Supports)
	return nil
}
