package resp

import (
	"container/list"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// batchCommands is how many commands one Do is offered.
const batchCommands = 64

// What ends a client without a reply, as Redis ends it.
var (
	// errQueryLimit: it sends more than fits its query buffer, while it waits for an answer.
	errQueryLimit = errors.New("query buffer limit reached")
	// errOutLimit: it does not read its replies. (Redis bounds them by memory only.)
	errOutLimit = errors.New("output buffer limit reached")
	// errHTTP: a browser was talked into sending commands (cross-protocol scripting).
	errHTTP = errors.New("HTTP instead of Redis' protocol")
)

// transport carries a session's bytes. Whoever runs the session has its turn; turns never overlap.
type transport interface {
	// wake gives the session a turn soon. It never blocks and may be called from any goroutine.
	wake()
	// cut makes every reading and writing of the connection end soon; what was not written is lost. It never blocks and
	// may be called from any goroutine, more than once.
	cut()

	// movable reports whether another process could go on with the connection.
	movable() bool
	// halt makes a read end that waits for bytes, where that is needed to bring the client to rest. It may be called from any
	// goroutine, more than once.
	halt()
	// part ends the service of a client that has come to rest without ending its connection; ok is false where that cannot be.
	part() (m Moved, ok bool)
}

// Session is one client, free of I/O. Its transport feeds it; its backend answers it.
type Session struct {
	Out    Out
	Client Client // who this is, as CLIENT LIST shows it

	server    *Server
	front     *Front
	transport transport
	conn      Conn
	reader    wire.Reader
	limits    limits
	batch     []Command
	marks     []wire.Mark
	rights    *acl.Rights // that the batch is judged by
	judgment  acl.Judge
	again     int // how many of the next commands the filters have seen

	// Read and written with the turn only.
	waiting    bool // a command is outstanding, or held back
	following  bool // and done: its reply follows
	inBackend  bool // Do is running
	restarting bool // the client was told that the server restarts
	waitsData  bool // what is outstanding is a command of data
	served     bool // one was done since the client leaves

	resumed atomic.Bool // Resume was called
	hungUp  atomic.Bool // the client sends nothing more; set with the turn
	closing atomic.Bool // nothing more is done; close when Out is empty
	gone    atomic.Bool // the client left or was killed

	dismissed atomic.Bool // the client alone is drained
	leaves    atomic.Bool // the connection ends with the reply to what the client sends next
	resting   atomic.Bool // another process can take it over: see rest

	stranger atomic.Bool // the server behind this one asks it for a password
	bounds   bounds

	// Guarded by Pause.mu.
	held  *list.Element // its place among those whom CLIENT PAUSE holds back; nil if it has none
	first bool          // it goes on, and the next one waits until it has
}

// limits are what a client may send, Redis' defaults before and after it is authenticated, and how many bytes of replies
// it may leave unread.
type limits struct {
	stranger, open wire.Limits
	strangerOut    int
	out            int
}

func defaultLimits() limits {
	l := limits{stranger: wire.DefaultLimits(), open: wire.DefaultLimits(), strangerOut: 2 << 20, out: 1 << 30}
	l.stranger.Unauthenticated = true
	return l
}

func newSession(v *Server, front *Front, t transport, p peer) *Session {
	s := &Session{server: v, front: front, transport: t, limits: defaultLimits()}
	s.Out.wake, s.Out.kill = t.wake, s.Kill
	s.Client.init(v.BaseID+v.registry.nextID(), p, time.Now())
	s.newcomer()
	s.reader.Room = s.room
	s.conn = v.Backend.Connect(s)
	return s
}

// Stranger tells whether a server behind this one asks the client for a password: then it may send as little as who is not
// authenticated here. It may be called from any goroutine.
func (s *Session) Stranger(is bool) { s.stranger.Store(is) }

// Resume tells that the outstanding command is answered: the backend calls it once for each Later, from any goroutine,
// perhaps before Do has returned.
func (s *Session) Resume() {
	s.resumed.Store(true)
	s.transport.wake()
}

// Server is the one that the client is connected to.
func (s *Session) Server() *Server { return s.server }

// Peer returns the backend's side of another client of the same server, nil if there is none with the ID or it is
// leaving.
func (s *Session) Peer(id int64) Conn {
	if o := s.server.registry.get(id); o != nil && !o.Closing() {
		return o.conn
	}
	return nil
}

// Gone tells whether the client left or was killed. A backend must not let such a client consume anything. It may be
// called from any goroutine.
func (s *Session) Gone() bool { return s.gone.Load() }

// Closing tells a backend that no further command of the batch must be done. It may be called from any goroutine.
func (s *Session) Closing() bool { return s.closing.Load() || s.gone.Load() }

// Draining tells a backend that nothing must be left outstanding any more: the time to wait is over. It is true before
// [Backend.Drain] is called.
func (s *Session) Draining() bool {
	return s.server.suspension.stage.Load() != notSuspended || s.leaves.Load() || s.sentAway()
}

// sentAway reports whether the client is to be told that the server restarts.
func (s *Session) sentAway() bool { return s.server.draining.Load() || s.dismissed.Load() }

// Lend returns the bytes of a command in hand, its Raw, so that they stay valid for ever: the copy of a large one is saved.
// It is called during Do.
func (s *Session) Lend(raw []byte) []byte { return s.reader.Lend(raw) }

// Kill ends the client at once. It never blocks and may be called from any goroutine.
func (s *Session) Kill() {
	s.gone.Store(true)
	s.Out.abandon()
	s.transport.cut()
}

// CloseAfterReply ends the client once everything that was answered so far, and the command in hand, is written. It is
// called during Do, or followed by [Out.Wake].
func (s *Session) CloseAfterReply() { s.closing.Store(true) }

// String names the client in logs.
func (s *Session) String() string { return fmt.Sprint(s.Client.Addr, " id ", s.Client.ID) }

// feed takes the next bytes of the client's stream, does what is complete and may be done now, and keeps the rest.
// p belongs to the caller again when feed returns.
func (s *Session) feed(p []byte) {
	s.server.counters.read(len(p))
	if s.Closing() {
		return
	}
	s.Client.heard(time.Now())
	if len(p) > 0 && p[0] == tlsRecord && s.reader.Pending() == 0 {
		s.fail(errTLS)
		return
	}
	s.reader.Feed(p)
	s.proceed()
}

// resume goes on after the outstanding command was answered, or when there is room for replies again.
func (s *Session) resume() {
	if s.Gone() {
		return
	}
	s.bounds.yielded = false
	resumed := s.waiting && s.resumed.Swap(false)
	if resumed {
		s.waiting = false
	}
	leaves := resumed && s.leaves.Load()
	s.served = s.served || leaves && s.waitsData
	if !s.waiting && (s.hungUp.Load() || s.reader.Pending() > 0 || leaves) {
		s.proceed()
	} else if !resumed || s.register() {
		s.account()
	}
	if resumed {
		s.server.pause.passed(s)
	}
}

// hangUp tells that the client sends nothing more. What it has sent is still done and answered, but who hung up does not
// wait: as in Redis, that is how a client leaves.
func (s *Session) hangUp() {
	s.hungUp.Store(true)
	s.resume()
	if s.waiting && !s.following {
		s.Kill()
	}
}

func (s *Session) proceed() {
	s.Client.pending.Store(int64(s.reader.Pending()))
	s.run()
	if err := s.reader.Keep(); err != nil && !s.Closing() {
		s.fail(err)
	}
	pending := s.reader.Pending()
	s.Client.pending.Store(int64(pending))
	switch {
	case pending > s.limits.open.Query:
		s.fail(errQueryLimit)
	case s.waiting && !s.following && s.hungUp.Load():
		s.Kill()
	case !s.Closing() && s.register():
		s.account()
	}
}

// run takes commands until there are no more, one is outstanding, or the session is closing. Replies may pile up
// meanwhile: many clients send all their commands before they read the first reply.
func (s *Session) run() {
	for batches := 0; !s.waiting && !s.Closing() && !s.suspended() && !s.bounds.slowed.Load(); batches++ {
		if batches == strangerBatches && s.isStranger() {
			s.yield()
			return
		}
		most := 1
		if s.reader.Pending() > 0 {
			if most = s.allowed(); most == 0 {
				return
			}
		}
		err := s.read(most)
		if len(s.batch) == 0 {
			s.ranDry(err)
			return
		}
		if unread := s.Out.Len(); unread > s.limits.out || unread > s.limits.strangerOut && s.isStranger() {
			s.fail(errOutLimit)
			return
		} else if unread > heavy && !s.account() {
			return
		}
		s.do()
	}
}

// commit lets the replies of what was done go. The transport calls it before it writes.
func (s *Session) commit() {
	s.inBackend = true
	s.conn.Commit()
	s.inBackend = false
}

// do offers the batch to the backend.
func (s *Session) do() {
	s.inBackend = true
	taken, progress := s.conn.Do(s.batch)
	s.inBackend = false
	s.waiting, s.following = progress != Done, progress == Following
	if leaves := s.leaves.Load(); leaves || s.waiting {
		s.waitsData = slices.ContainsFunc(s.batch[:taken], ofData)
		s.served = leaves && (s.served || s.waitsData && !s.waiting)
	}
	s.spend(taken)
	if taken < len(s.batch) {
		s.reader.Rewind(s.marks[taken])
	}
	s.again = max(s.again, len(s.batch)) - taken
	clear(s.batch) // or an idle client would keep its last arguments alive
}

// read collects the next batch, of so many commands at the most. It ends before what ends the session, and behind a command that changes what the next
// one is judged by. An error is met again by the next read, when everything before it has been done.
func (s *Session) read(most int) error {
	s.batch, s.marks = s.batch[:0], s.marks[:0]
	s.rights = s.Client.rights()
	limits := &s.limits.open
	if s.isStranger() {
		limits = &s.limits.stranger
	}
	for len(s.batch) < most {
		mark := s.reader.Mark()
		args, raw, ok, err := s.reader.Next(limits)
		if err != nil || !ok {
			return err
		}
		if fold(args[0], "POST") || fold(args[0], "HOST:") {
			s.reader.Rewind(mark)
			return errHTTP
		}
		s.batch, s.marks = append(s.batch, Command{Args: args, Raw: raw, Again: len(s.batch) < s.again}), append(s.marks, mark)
		c := &s.batch[len(s.batch)-1]
		s.judge(c)
		if a := s.server.Audit; a != nil {
			a.judged(s, c)
		}
		if !s.Authenticated() || c.Refused == nil && c.Spec != nil && c.Spec.Effect == command.ConnLane {
			return nil
		}
	}
	return nil
}

// judge decides whether a command may be done at all, in Redis' order of checks.
func (s *Session) judge(c *Command) {
	if s.sentAway() && s.Client.Multi.Load() < 0 { // a transaction under way may come to its end
		c.Refused = wire.ErrRestarting
		s.restarting = true
		return
	}
	if names := s.Listener().Names; names != nil {
		if names.apply(c); c.Refused != nil {
			return
		}
	}
	c.Spec, c.Refused = command.Check(c.Args)
	if c.Refused != nil {
		s.Client.observe(c.Args)
		if !s.server.Forward || !s.Authenticated() || !s.rights.Unlimited() {
			return
		}
		if c.Spec == nil {
			if !s.Listener().strict() {
				c.Refused = nil
			}
			return // what the filters look at is not known
		}
		c.Refused = nil
	}
	if !c.Spec.Flags.Has(command.NoAuth) && !s.Authenticated() {
		c.Refused = wire.ErrNoAuth
		if c.Spec.Name == "EXEC" {
			c.Refused = wire.ExecAbort(wire.ErrNoAuth)
		}
		return
	}
	if s.permit(s.rights, c); c.Refused != nil {
		return
	}
	for _, filters := range [2][]Filter{s.Listener().Filters, s.server.Filters} {
		for _, filter := range filters {
			if filter(s, c); c.Refused != nil {
				return
			}
		}
	}
	if v := s.server.Validation; v != nil {
		v.Filter(s, c)
	}
}

// ranDry is what happens when everything that came is done.
func (s *Session) ranDry(err error) {
	switch {
	case err != nil:
		s.fail(err)
	case s.hungUp.Load() || s.restarting || s.mayLeave():
		s.closing.Store(true)
	}
}

// fail ends the session for what the client sent. Redis' protocol errors are told first, others are not.
func (s *Session) fail(err error) {
	s.server.Events.dropped(s, err)
	told, ok := errors.AsType[wire.Error](err)
	if !ok {
		s.Kill()
		return
	}
	s.closing.Store(true)
	s.server.counters.protocolErrors.Add(1)
	if s.Client.reply == replyOn {
		var w wire.Writer
		w.Error(told)
		s.Out.Append(w.Bytes())
	}
}

// survivePanic, deferred by the transport around a turn, lets a panic of the session's own code end this client only.
// A panic of the backend goes on.
func (s *Session) survivePanic() {
	if s.inBackend {
		return
	}
	if p := recover(); p != nil {
		s.server.Events.dropped(s, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		s.Kill()
	}
}

// full reports whether the transport should stop reading, for what was read waits for a server behind this one. It is
// called with the turn.
func (s *Session) full() bool {
	ahead := s.server.Forward && s.waiting && s.reader.Pending() > mostUndone
	ahead = ahead || (s.bounds.slowed.Load() || s.bounds.yielded) && s.reader.Pending() > 0
	return ahead && !s.Gone() || s.suspended() && !s.Closing()
}

// mostUndone is how many bytes a client may be ahead of a server behind this one.
const mostUndone = 1 << 20

// finished reports whether the transport may close the connection.
func (s *Session) finished() bool {
	return s.gone.Load() || s.closing.Load() && s.Out.empty()
}

// leaving is called by the transport once, with or without the turn, when the connection is over.
func (s *Session) leaving() {
	s.gone.Store(true)
	s.Out.abandon()
	s.conn.Gone()
}

// left is the transport's last call, with the session's turn: nothing will run any more.
func (s *Session) left() {
	s.server.pause.leave(s)
	s.release()
	s.conn.Close()
	s.server.registry.remove(s)
}
