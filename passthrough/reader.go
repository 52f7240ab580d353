package passthrough

import (
	"bytes"
	"cmp"
	"fmt"
	"net"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// reader hands what Redis sends on a link to the clients who wait for it. It belongs to the goroutine that reads.
type reader struct {
	link  *link
	frame wire.Frame
	runs  []run  // taken from the link's sent
	next  int    // the first of runs that is not answered
	part  []byte // of a frame that has not come whole
	told  *conn  // who has got the beginning of it already; nil if nobody has
	flows bool   // the beginning of it was handed on, or dropped
	aside bool   // it is no reply
	end   error  // why nothing behind the reply in hand is to be believed; nil if it is

	redirect   *redirect
	subscribed int  // channels, patterns and shard channels of the connection
	monitors   bool // lines of MONITOR come at any time
	raw        bool // the rest is no replies
	touched    []*conn
}

// noAuth is how Redis asks for a password.
var noAuth = []byte("-NOAUTH ")

const (
	readSmallest = 4 << 10
	readLargest  = 64 << 10
	// heldBack is how much of a reply is held until it is whole: a client is told nothing that cannot be taken back, unless
	// it is long.
	heldBack = 1 << 20
)

// read returns when the connection is lost. A buffer that was filled is doubled.
func (r *reader) read(nc net.Conn) error {
	buf := make([]byte, readSmallest)
	for {
		r.waits()
		n, err := nc.Read(buf)
		r.hears()
		if n > 0 {
			if err := r.receive(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if n == len(buf) && n < readLargest {
			buf = make([]byte, 4*n)
		}
	}
}

// waits tells who patrols that the reader waits for Redis, and whether it is owed a reply.
func (r *reader) waits() {
	state := int64(readerWaits)
	for _, run := range r.runs[r.next:] {
		if run.replies > 0 && !r.raw {
			state |= readerOwed
			break
		}
	}
	r.link.heard.Add(state)
}

// hears tells that it does not any more.
func (r *reader) hears() {
	l := r.link
	l.heard.Store((l.heard.Load() + readerReads) &^ (readerWaits | readerOwed))
}

// reset forgets the connection that was lost.
func (r *reader) reset() { *r = reader{link: r.link} }

// rest returns the runs that were not answered. Nobody else does any more.
func (r *reader) rest() []run { return append([]run(nil), r.runs[r.next:]...) }

// head is whom the next reply is for, nil if nobody waits for one.
func (r *reader) head() *run {
	for {
		h := r.first()
		if h == nil || h.replies > 0 {
			return h
		}
		h.c.deliver(nil, 0, int(h.end-h.begin), false, false) // CLIENT REPLY OFF
		r.pop()
	}
}

func (r *reader) first() *run {
	if r.next == len(r.runs) {
		clear(r.runs)
		l := r.link
		l.mu.Lock()
		r.runs, l.sent, l.spare = l.sent, l.spare, r.runs[:0]
		r.next = 0
		l.mu.Unlock()
		if len(r.runs) == 0 {
			return nil
		}
	}
	return &r.runs[r.next]
}

// receive takes what one read brought. Who was answered learns of it even if what follows is nonsense.
func (r *reader) receive(p []byte) error {
	err := r.replies(p)
	for i, c := range r.touched {
		c.s.Out.Wake()
		r.touched[i] = nil
	}
	r.touched = r.touched[:0]
	return err
}

// replies hands on those that need nothing but forwarding together.
func (r *reader) replies(p []byte) error {
	begin, at, replies := 0, 0, 0
	for at < len(p) {
		head := r.head()
		if r.raw = r.raw || r.streams(head, p[at]); r.raw {
			break
		}
		n, whole, err := r.frame.Next(p[at:])
		if err != nil {
			r.give(p[begin:at], replies)
			return err
		}
		if whole && head != nil && head.special == nil && len(r.part) == 0 && !r.flows && r.frame.Kind() != '>' && r.subscribed == 0 && !r.monitors {
			if p[at] == '-' {
				r.link.b.tally.errors.count(p[at : at+n])
			}
			if noAuth := p[at] == '-' && bytes.HasPrefix(p[at:], noAuth); noAuth != head.c.stranger.Load() {
				head.c.strange(noAuth)
				head.c.b.asks.Store(noAuth)
			}
			at += n
			if replies++; replies == head.replies {
				r.give(p[begin:at], replies)
				begin, replies = at, 0
			}
			continue
		}
		r.give(p[begin:at], replies)
		if err := cmp.Or(r.careful(p[at:at+n], whole), r.end); err != nil {
			return err
		}
		at += n
		begin, replies = at, 0
	}
	r.give(p[begin:at], replies)
	if r.raw && at < len(p) {
		r.link.owned().tell(p[at:], true)
	}
	return nil
}

// streams reports whether what Redis sends from here on is no replies: it has taken SYNC. The replica that asked for it
// cannot go on without the rest.
func (r *reader) streams(head *run, first byte) bool {
	if head == nil || head.special == nil || !head.special.raw || first == '-' || r.frame.Open() {
		return false
	}
	r.told = head.c
	r.give(nil, 1)
	return true
}

// give hands replies of the first run to its client.
func (r *reader) give(p []byte, replies int) {
	if replies == 0 {
		return
	}
	head := r.head()
	size := 0
	if head.replies -= replies; head.replies == 0 {
		size = int(head.end - head.begin)
		r.link.measured(head)
	}
	r.deliver(head.c, p, replies, size)
	if head.replies == 0 {
		r.pop()
	}
}

func (r *reader) pop() {
	r.runs[r.next] = run{}
	r.next++
}

func (r *reader) deliver(c *conn, p []byte, replies, size int) {
	private := r.link.private()
	c.deliver(p, replies, size, false, private)
	if !private && (len(r.touched) == 0 || r.touched[len(r.touched)-1] != c) {
		r.touched = append(r.touched, c)
	}
}

// private reports whether the wire is one client's.
func (l *link) private() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owner != nil
}

// careful takes a frame, or a part of one, that receive does not hand on by itself.
func (r *reader) careful(piece []byte, whole bool) error {
	if !whole || len(r.part) > 0 {
		r.part = append(r.part, piece...)
	}
	if !whole {
		if !r.flows && !r.expected(r.part[0]) {
			return errUnasked(r.part)
		}
		if len(r.part) > heldBack || r.flows {
			return r.flow()
		}
		return nil
	}
	frame := piece
	if len(r.part) > 0 {
		frame = r.part
	}
	err := r.reply(frame)
	if r.flows {
		r.link.lasts(false)
	}
	if r.part, r.flows, r.aside, r.told = r.part[:0], false, false, nil; cap(r.part) > readLargest {
		r.part = nil
	}
	return err
}

// expected reports whether a frame that begins so may come now: the rest of one that nobody asked for would come when
// somebody has.
func (r *reader) expected(first byte) bool {
	switch {
	case first == '>' || first == '|', first == '*' && r.subscribed > 0, first == '+' && r.monitors:
		return true
	}
	return r.head() != nil || r.link.uncounted() != nil
}

// flow hands on what has come of a long frame.
func (r *reader) flow() error {
	head := r.head()
	if !r.flows {
		_, r.aside = r.apart(head, r.part)
	}
	c := r.link.owned()
	switch {
	case r.aside:
	case head == nil:
		if c = r.link.uncounted(); c == nil {
			return errUnasked(r.part)
		}
	default:
		if c = head.c; head.special != nil {
			head.special.look(r.part, r.flows)
			if head.special.replace {
				c = nil
			}
		}
	}
	if !r.flows {
		r.link.lasts(true)
	}
	r.flows, r.told = true, c
	if c != nil {
		c.deliver(r.part, 0, 0, true, r.link.private())
		c.s.Out.Wake()
	}
	r.part = r.part[:0]
	return nil
}

// errUnasked says that Redis answers what it was not asked. Nobody can tell any more to whom the next reply belongs.
func errUnasked(frame []byte) error { return fmt.Errorf("a reply that nobody waits for: %.60q", frame) }

// apart reports whether a frame is no reply, but what Redis says by itself; word is what it begins with if that matters.
func (r *reader) apart(head *run, frame []byte) (word string, aside bool) {
	push := r.frame.Kind() == '>'
	var confirm *confirmation
	if head != nil && head.special != nil {
		confirm = head.special.confirm
	}
	if push || r.frame.Kind() == '*' && (r.subscribed > 0 || confirm != nil) {
		word = firstWord(frame)
	}
	return word, push && !confirm.expects(word) || word == "message" || word == "pmessage" || word == "smessage" ||
		r.monitors && monitorLine(frame)
}

// reply takes a frame that is whole; what the client got of it already is not in it.
func (r *reader) reply(frame []byte) error {
	head := r.head()
	word := ""
	if !r.flows {
		word, r.aside = r.apart(head, frame)
	}
	switch {
	case r.aside:
		if word == "tracking-redir-broken" {
			frame = r.redirect.back(frame)
		}
		r.link.owned().tell(frame, false) // on a shared wire nobody asked for it
		return nil
	case head == nil:
		c := r.link.uncounted()
		if c == nil {
			return errUnasked(frame)
		}
		c.tell(frame, false)
		return nil
	case head.special == nil:
		if frame[0] == '-' && !r.flows {
			r.link.b.tally.errors.count(frame)
		}
		r.give(frame, 1)
		return nil
	}
	return r.special(head, frame, word)
}

func (r *reader) special(head *run, frame []byte, word string) error {
	s := head.special
	if s.confirm != nil && s.confirm.expects(word) {
		r.subscribed = s.confirm.confirmed(head.c)
		if head.c != nil {
			s.confirm.subscriptions.show(&head.c.s.Client)
		}
		if s.confirm.left > 0 {
			head.c.tell(frame, false)
			return nil
		}
	}
	s.look(frame, r.flows)
	switch {
	case s.replace:
		frame = s.instead
	case s.rewrite != nil:
		frame = s.rewrite(frame)
	}
	if head.c != nil && !r.flows && len(frame) > 1 && frame[0] == '-' {
		r.link.b.tally.errors.count(frame)
	}
	if head.c == nil {
		head.replies--
		if head.replies == 0 {
			r.pop()
		}
		return nil
	}
	r.give(frame, 1)
	return nil
}

// look shows a reply, or the first of it, to who wants to see it; seen says that it was.
func (s *special) look(reply []byte, seen bool) {
	if s.then != nil && !seen {
		s.then(reply)
	}
}

// firstWord is the string that a small array or push begins with, "" if it begins otherwise.
func firstWord(frame []byte) string {
	_, rest, _ := bytes.Cut(frame[:min(len(frame), 64)], []byte("\r\n"))
	if len(rest) == 0 || rest[0] != '$' {
		return ""
	}
	_, rest, _ = bytes.Cut(rest, []byte("\r\n"))
	word, _, found := bytes.Cut(rest, []byte("\r\n"))
	if !found {
		return ""
	}
	return string(word)
}

// monitorLine tells a line of MONITOR, +1700000000.123456 [0 127.0.0.1:5000] "get" "a", from a status.
func monitorLine(frame []byte) bool {
	return len(frame) > 20 && frame[0] == '+' && '0' <= frame[1] && frame[1] <= '9' && bytes.IndexByte(frame[:32:32], '[') > 0
}
