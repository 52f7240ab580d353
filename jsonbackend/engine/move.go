package engine

import (
	"strconv"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// A client goes to another process as the commands that bring a new connection where this one is.

// Pack implements [resp.Mover]. Whose invalidations another client hears stays: that one may not come along.
func (c *Conn) Pack() (state []byte, ok bool) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.tracker != nil && c.tracker.redirect != 0 {
		return nil, false
	}
	var w wire.Writer
	say := func(name string, args ...[]byte) {
		w.Array(1 + len(args))
		w.BulkString(name)
		for _, arg := range args {
			w.Bulk(arg)
		}
	}
	say("SELECT", strconv.AppendInt(nil, int64(c.db), 10))
	if c.tracker != nil {
		c.tracker.pack(say)
	}
	if c.sub != nil {
		for kind := range topicKinds {
			for t := range c.sub.topics[kind].all() {
				say(topicWords[kind].subscribed, t.name)
			}
		}
	}
	if c.s.Client.Monitor.Load() {
		say("MONITOR")
	}
	for _, w := range c.watched {
		say("WATCH", []byte(w.key))
	}
	if c.inMulti {
		say("MULTI")
		for _, q := range c.queue {
			say(string(q.args[0]), q.args[1:]...)
		}
		if c.spoiled {
			say("spoiled") // is no command
		}
	}
	return w.Bytes(), true
}

// pack says the commands that make a client track as this one does.
func (t *tracker) pack(say func(name string, args ...[]byte)) {
	words := [][]byte{[]byte("TRACKING"), []byte("ON")}
	word := func(text string) { words = append(words, []byte(text)) }
	caching := "YES"
	switch t.mode {
	case trackOptIn:
		word("OPTIN")
	case trackOptOut:
		word("OPTOUT")
		caching = "NO"
	case trackPrefix:
		word("BCAST")
		for _, p := range t.prefixes {
			word("PREFIX")
			word(p)
		}
	}
	if t.noLoop {
		word("NOLOOP")
	}
	say("CLIENT", words...)
	if t.caching {
		say("CLIENT", []byte("CACHING"), []byte(caching))
	}
}

// Unpack implements [resp.Mover]. What was watched may have changed while nobody looked, so it counts as changed, and who
// tracks keys is told to forget them all.
func (c *Conn) Unpack(state []byte) error {
	c.e.lock()
	defer c.e.mu.Unlock()
	defer c.w.Reset()
	defer c.forgetCopies()
	var r wire.Reader
	r.Feed(state)
	limits := wire.DefaultLimits()
	for {
		args, _, ok, err := r.Next(&limits)
		if err != nil || !ok {
			return err
		}
		if err := c.again(args); err != nil {
			return err
		}
	}
}

// forgetCopies tells a client that tracks keys, and can be told, that no copy is good any more.
func (c *Conn) forgetCopies() {
	if c.tracker != nil && c.s.Client.Proto() == 3 {
		w := wire.Writer{Proto: 3}
		(&invalidation{}).write(&w)
		c.s.Out.Append(w.Bytes())
	}
}

// again does a command of Pack's.
func (c *Conn) again(args [][]byte) error {
	spec, err := command.Check(args)
	switch {
	case c.inMulti && err != nil:
		c.spoiled = true
		return nil
	case err != nil:
		return err
	case c.inMulti:
		c.enqueue(&resp.Command{Spec: spec, Args: args})
		return nil
	}
	for kind := range topicKinds {
		if string(args[0]) == topicWords[kind].subscribed {
			c.subscriber().subscribe(kind, args[1])
			return nil
		}
	}
	c.e.tx.begin(c.e.dbs[c.db])
	err = c.e.handle(&Call{Tx: &c.e.tx, Reply: &c.w, Args: args, Spec: spec, engine: c.e, conn: c})
	c.s.Client.Lost.Store(len(c.watched) > 0)
	return err
}
