package engine

import (
	"maps"
	"slices"

	"github.com/tidwall/btree"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Client-side caching (https://redis.io/docs/latest/develop/reference/client-side-caching/): the engine remembers which
// clients may have a copy of a key, and tells them when the key changes. Keys are tracked by name: one entry stands for
// the key in every database.

// tracking is who tracks what. While nobody ever tracked anything, a change of a key costs two looks at lengths.
type tracking struct {
	clients map[int64]*tracker
	keys    map[string][]int64 // IDs of clients who may have a copy, ascending; who left is forgotten with the key
	copies  int                // IDs in keys
	most    int                // how many keys there may be, 0 for any number: tracking-table-max-keys
	over    int                // how many evictions in a row ended above most

	prefixes btree.Map[string, *prefix]
	dirty    []*prefix // with changes to be told
	seq      uint64    // the last unit that the changes are of
}

// trackingMode is which keys a client tracks.
type trackingMode int

const (
	trackRead   trackingMode = iota // those it reads,
	trackOptIn                      // with the command after CLIENT CACHING YES,
	trackOptOut                     // or with all but the command after CLIENT CACHING NO
	trackPrefix                     // those that begin with its prefixes, read or not: BCAST
)

// tracker is a client that tracks keys.
type tracker struct {
	conn     *Conn
	mode     trackingMode
	noLoop   bool     // it is not told of its own changes
	caching  bool     // CLIENT CACHING was just given
	redirect int64    // the client that is told in its place; 0 = none
	broken   bool     // that client was gone when it should have been told
	prefixes []string // ascending
}

// prefix is what at least one client tracks in mode trackPrefix.
type prefix struct {
	trackers []*tracker       // in the order they came
	changed  map[string]*Conn // keys since it was told of last, and who changed them last; nil = no client
}

func newTracking() tracking {
	return tracking{clients: map[int64]*tracker{}, keys: map[string][]int64{}, most: 1_000_000}
}

// active reports whether anybody is to be told when a key changes.
func (t *tracking) active() bool { return len(t.keys)+t.prefixes.Len() > 0 }

// addPrefixes makes a client track prefixes that it does not track yet.
func (t *tracking) addPrefixes(who *tracker, texts []string) {
	for _, text := range texts {
		p, _ := t.prefixes.Get(text)
		if p == nil {
			p = &prefix{changed: map[string]*Conn{}}
			t.prefixes.Set(text, p)
		}
		p.trackers = append(p.trackers, who)
	}
	who.prefixes = append(who.prefixes, texts...)
	slices.Sort(who.prefixes)
}

// forget ends a client's tracking. The keys it read stay in the table: that is how Redis bounds what leaving costs.
func (t *tracking) forget(who *tracker) {
	delete(t.clients, who.conn.s.Client.ID)
	for _, text := range who.prefixes {
		p, _ := t.prefixes.Get(text)
		i := slices.Index(p.trackers, who)
		p.trackers = slices.Delete(p.trackers, i, i+1)
		if len(p.trackers) == 0 {
			t.prefixes.Delete(text)
		}
	}
}

// beginning visits the prefixes that a key begins with, the longest first. The greatest of those that stand before some
// beginning of the key is either one itself, or shows how short the next one has to be.
func (t *tracking) beginning(key string, visit func(*prefix)) {
	for before := key; ; {
		var text string
		var p *prefix
		t.prefixes.Descend(before, func(k string, v *prefix) bool {
			text, p = k, v
			return false
		})
		if p == nil {
			return
		}
		n := common(text, key)
		if n == len(text) {
			visit(p)
			if n--; n < 0 {
				return
			}
		}
		before = key[:n]
	}
}

// common is how many bytes two texts begin with alike.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// read remembers the keys of a command that a client has done, if it only reads.
func (t *tracker) read(spec *command.Spec, args [][]byte) {
	switch {
	case !spec.Flags.Has(command.ReadOnly), t.mode == trackPrefix, t.mode == trackOptIn && !t.caching, t.mode == trackOptOut && t.caching:
		return
	}
	positions, err := spec.Keys(args)
	if err != nil {
		return
	}
	all, id := &t.conn.e.tracking, t.conn.s.Client.ID
	for _, i := range positions {
		ids := all.keys[string(args[i])]
		if at, found := slices.BinarySearch(ids, id); !found {
			all.keys[string(args[i])] = slices.Insert(ids, at, id)
			all.copies++
		}
	}
}

// invalidation is one message in either protocol, written once however many hear it.
type invalidation struct {
	keys    []string // nil = every key there is
	written [2]letter
}

// letter returns the message in a protocol: RESP2 has no messages but those of channels.
func (i *invalidation) letter(m *mail, proto int) letter {
	l := &i.written[proto-2]
	if l.proto == 0 {
		*l = m.write(proto, i.write)
	}
	return *l
}

func (i *invalidation) write(w *wire.Writer) {
	if w.Proto == 3 {
		w.Push(2)
		w.BulkString("invalidate")
	} else {
		w.Push(3)
		w.BulkString("message")
		w.BulkString("__redis__:invalidate")
	}
	if i.keys == nil {
		w.Null()
		return
	}
	w.Array(len(i.keys))
	for _, key := range i.keys {
		w.BulkString(key)
	}
}

// tell addresses a message to who shall hear what a client tracks. What the client's own command caused, and only that,
// stands behind its reply.
func (e *Engine) tell(t *tracker, i *invalidation) {
	c := t.conn
	if t.redirect != 0 {
		peer, _ := c.s.Peer(t.redirect).(*Conn)
		if peer == nil {
			e.tellBroken(t)
			return
		}
		c = peer
	}
	proto := c.s.Client.Proto()
	switch {
	case c.s.Closing(), proto == 2 && (t.redirect == 0 || !c.subscribed()):
	case c == t.conn && c == e.doing:
		c.behind.Proto = proto
		i.write(&c.behind)
	default:
		e.mail.address(i.letter(&e.mail, proto), c.subscriber())
	}
}

// tellBroken tells a client that nobody hears any more what it tracks.
func (e *Engine) tellBroken(t *tracker) {
	c := t.conn
	t.broken = true
	t.show()
	if c.s.Client.Proto() == 2 || c.s.Closing() {
		return
	}
	write := func(w *wire.Writer) {
		w.Push(2)
		w.BulkString("tracking-redir-broken")
		w.Int(t.redirect)
	}
	if c == e.doing {
		c.behind.Proto = 3
		write(&c.behind)
	} else {
		e.mail.address(e.mail.write(3, write), c.subscriber())
	}
}

// placeBehind puts invalidations of the client's own command behind its reply.
func (c *Conn) placeBehind() {
	if c.behind.Len() > 0 {
		c.w.Raw(c.behind.Bytes())
		c.behind.Reset()
	}
}

// invalidate tells who may have a copy of a key that it changed. by is the client whose command did it, nil when none did:
// then a key expired, or a file was edited.
func (e *Engine) invalidate(key string, by *Conn) {
	t := &e.tracking
	t.beginning(key, func(p *prefix) {
		if len(p.changed) == 0 {
			t.dirty = append(t.dirty, p)
		}
		p.changed[key] = by
	})
	e.dropCopies(key)
}

// dropCopies tells who may have a copy of a key to forget it, and forgets that they have.
func (e *Engine) dropCopies(key string) {
	t := &e.tracking
	ids := t.keys[key]
	if len(ids) == 0 {
		return
	}
	delete(t.keys, key)
	t.copies -= len(ids)
	message := invalidation{keys: []string{key}}
	for _, id := range ids {
		who := t.clients[id]
		if who != nil && who.mode != trackPrefix && !(who.noLoop && who.conn == e.doing) {
			e.tell(who, &message)
		}
	}
}

// invalidateAll tells everybody who tracks that no copy is good any more.
func (e *Engine) invalidateAll() {
	t := &e.tracking
	var message invalidation
	for _, id := range slices.Sorted(maps.Keys(t.clients)) {
		e.tell(t.clients[id], &message)
	}
	clear(t.keys)
	t.copies = 0
}

// broadcast tells of what changed below prefixes since the lock was taken: one message for each prefix.
func (e *Engine) broadcast() {
	t := &e.tracking
	if len(t.dirty) == 0 {
		return
	}
	for _, p := range t.dirty {
		keys := slices.Sorted(maps.Keys(p.changed))
		everything := invalidation{keys: keys}
		for _, who := range p.trackers {
			if !who.noLoop {
				e.tell(who, &everything)
				continue
			}
			others := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return p.changed[key] == who.conn })
			if len(others) > 0 {
				e.tell(who, &invalidation{keys: others})
			}
		}
		p.changed = map[string]*Conn{}
	}
	clear(t.dirty)
	t.dirty = t.dirty[:0]
	e.post(t.seq)
}

// limitTracked is evictTracked while no command is done.
func (e *Engine) limitTracked() {
	e.lock()
	e.evictTracked()
	told := e.takeServed()
	e.mu.Unlock()
	e.release(told)
}

// evictions is how many keys are forgotten before a command, if there are too many of them: so many the first time, and
// so many more each time that it did not help.
const evictions = 100

// evictTracked forgets keys, any, until there are as few as tracking-table-max-keys allows. Who may have copies is told.
func (e *Engine) evictTracked() {
	t := &e.tracking
	if t.most == 0 || len(t.keys) <= t.most {
		t.over = 0
		return
	}
	t.over++
	effort := evictions * t.over
	for key := range t.keys {
		e.dropCopies(key)
		if effort--; effort == 0 || len(t.keys) <= t.most {
			break
		}
	}
	e.post(0)
}
