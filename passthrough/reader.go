package passthrough

import (
	"bytes"
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

	subscribed int  // channels, patterns and shard channels of the connection
	monitors   bool // lines of MONITOR come at any time
	raw        bool // the rest is no replies
	touched    []*conn
}

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
		n, err := nc.Read(buf)
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

// receive takes what one read brought. Replies that need nothing but forwarding are handed on together.
func (r *reader) receive(p []byte) error {
	begin, at, replies := 0, 0, 0
	for at < len(p) && !r.raw {
		n, whole, err := r.frame.Next(p[at:])
		if err != nil {
			return err
		}
		head := r.head()
		if whole && head != nil && head.special == nil && len(r.part) == 0 && !r.flows && r.frame.Kind() != '>' && r.subscribed == 0 && !r.monitors {
			at += n
			if replies++; replies == head.replies {
				r.give(p[begin:at], replies)
				begin, replies = at, 0
			}
			continue
		}
		r.give(p[begin:at], replies)
		if err := r.careful(p[at:at+n], whole); err != nil {
			return err
		}
		at += n
		begin, replies = at, 0
	}
	r.give(p[begin:at], replies)
	if r.raw && at < len(p) {
		r.link.owned().tell(p[at:], true)
	}
	for i, c := range r.touched {
		c.s.Out.Wake()
		r.touched[i] = nil
	}
	r.touched = r.touched[:0]
	return nil
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
	if r.part, r.flows, r.told = r.part[:0], false, nil; cap(r.part) > readLargest {
		r.part = nil
	}
	return err
}

// flow hands on what has come of a long frame.
func (r *reader) flow() error {
	head := r.head()
	c := r.link.owned()
	switch {
	case r.frame.Kind() == '>' || head == nil:
	case head.special != nil && head.special.replace:
		c = nil
	default:
		c = head.c
	}
	if head == nil && c == nil {
		return fmt.Errorf("a reply that nobody waits for")
	}
	r.flows, r.told = true, c
	if c != nil {
		c.deliver(r.part, 0, 0, true, r.link.private())
		c.s.Out.Wake()
	}
	r.part = r.part[:0]
	return nil
}

// reply takes a frame that is whole; what the client got of it already is not in it.
func (r *reader) reply(frame []byte) error {
	head := r.head()
	word := ""
	if kind := r.frame.Kind(); !r.flows && (kind == '>' || kind == '*' && (r.subscribed > 0 || head != nil && head.special != nil && head.special.confirm != nil)) {
		word = firstWord(frame)
	}
	switch {
	case r.frame.Kind() == '>' && (head == nil || head.special == nil || !head.special.confirm.expects(word)),
		word == "message" || word == "pmessage" || word == "smessage",
		r.monitors && monitorLine(frame):
		if c := r.link.owned(); c != nil { // on a shared wire nobody asked for it
			c.tell(frame, false)
		}
		return nil
	case head == nil:
		c := r.link.owned()
		if c == nil {
			return fmt.Errorf("a reply that nobody waits for: %.60q", frame)
		}
		c.tell(frame, false)
		return nil
	case head.special == nil:
		r.give(frame, 1)
		return nil
	}
	return r.special(head, frame, word)
}

func (r *reader) special(head *run, frame []byte, word string) error {
	s := head.special
	if s.confirm != nil && s.confirm.expects(word) {
		r.subscribed = s.confirm.confirmed()
		if head.c != nil {
			s.confirm.subscriptions.show(&head.c.s.Client)
		}
		if s.confirm.left > 0 {
			head.c.tell(frame, false)
			return nil
		}
	}
	if s.raw {
		r.raw = true
	}
	if s.then != nil {
		s.then(frame)
	}
	switch {
	case s.replace:
		frame = s.instead
	case s.rewrite != nil:
		frame = s.rewrite(frame)
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
