package resp

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// defaultUser is who does not say.
const defaultUser = acl.DefaultName

// AllUsers are those of the server, where the listener has none of its own. It is never nil.
func (v *Server) AllUsers() *acl.Users {
	v.usersOnce.Do(func() {
		if v.Users == nil {
			v.Users = acl.NewUsers(nil)
		}
	})
	return v.Users
}

// Users are those among whom the client is one. It is never nil.
func (s *Session) Users() *acl.Users {
	if u := s.Listener().Users; u != nil {
		return u
	}
	return s.server.AllUsers()
}

// SetPassword is the default user's password, as Redis' requirepass is; "" for none.
func (v *Server) SetPassword(pass string) { v.AllUsers().SetPassword(pass) }

// Password returns what SetPassword was told.
func (v *Server) Password() string { return v.AllUsers().Password() }

// Authenticated reports whether the client has logged in, or needs not. It is called with the turn.
func (s *Session) Authenticated() bool { return s.Client.authenticated || s.Users().Open() }

// newcomer makes the client who it is before it says anything.
func (s *Session) newcomer() {
	users := s.Users()
	s.Client.authenticated = users.Open()
	s.Client.user.Store(users.Default())
	s.Client.KnownAs("")
}

// returns makes a client from another process the user again who it was there; it reports false if there is none of that
// name.
func (s *Session) returns(name string, authenticated bool) bool {
	user := s.Users().Get(name)
	if user == nil {
		return false
	}
	s.Client.user.Store(user)
	s.Client.authenticated = authenticated
	return true
}

// Authenticate logs the client in, as a command of the words args asks. Nobody has logged in as a user that is deleted
// meanwhile.
func (s *Session) Authenticate(args [][]byte, name, pass []byte) error {
	err := s.login(string(name), pass)
	if err != nil {
		s.logDenial(acl.Denied{Reason: "auth", Object: string(args[0]), User: string(name)}, args)
	}
	s.LoggedIn(string(name), err)
	return err
}

func (s *Session) login(name string, pass []byte) error {
	users := s.Users()
	user := users.Login(name, pass)
	if user == nil {
		return wire.ErrWrongPass
	}
	s.Client.user.Store(user)
	s.Client.authenticated = true
	if users.Get(name) != user { // whoever deleted it may have looked for its clients before
		s.newcomer()
		return wire.ErrWrongPass
	}
	return nil
}

// KnownAs tells as whom the client is logged in with a server behind this one; "" is nobody in particular. It may be called
// from any goroutine.
func (c *Client) KnownAs(user string) {
	if user == "" {
		c.there.Store(nil)
		return
	}
	c.there.Store(&user)
}

// LoggedInThere is told of each attempt to log in with a server behind this one, and why that was refused, nil if it was not.
// It may be called from any goroutine.
func (s *Session) LoggedInThere(user string, refused error) {
	if refused == nil {
		s.Client.KnownAs(user)
	}
	s.server.Audit.loggedIn(s, user, refused)
}

// rights are what the client's user may do now; nil if nobody serves the client.
func (c *Client) rights() *acl.Rights {
	user := c.user.Load()
	if user == nil {
		return nil
	}
	return user.Rights()
}

// Rights are what the client's user may do now.
func (s *Session) Rights() *acl.Rights { return s.Client.rights() }

// permit refuses a command that a user with these rights must not do.
func (s *Session) permit(r *acl.Rights, c *Command) {
	if r.Unlimited() {
		return
	}
	c.Denied = s.verdict(r, c.Spec, c.Args)
	switch c.Denied.Reason {
	case acl.Allowed:
		return
	case acl.DeniedScript:
		c.Refused = wire.DeniedScript(c.Spec.FullName)
	case acl.DeniedKey:
		c.Refused = wire.ErrDeniedKey
	case acl.DeniedChannel:
		c.Refused = wire.ErrDeniedChannel
	case acl.DeniedBy:
		c.Refused = wire.ErrSortBy
	case acl.DeniedGet:
		c.Refused = wire.ErrSortGet
	default:
		c.Refused = wire.DeniedCommand(c.Spec.FullName)
	}
	if err, ok := c.Refused.(wire.Error); ok && c.Spec.Name == "EXEC" {
		c.Refused = wire.ExecAbort(err)
	}
}

// verdict judges a call. A server behind this one runs scripts with the rights of whom this server is there, so that nobody
// judges what they call: they are for who may do everything.
func (s *Session) verdict(r *acl.Rights, spec *command.Spec, args [][]byte) acl.Verdict {
	s.judgment.Strict = s.server.Forward
	v := s.judgment.Check(r, spec, args)
	if v.OK() && s.server.Forward && runsCode(spec) && !r.Unlimited() {
		v.Reason = acl.DeniedScript
	}
	return v
}

// runsCode reports whether a command runs a script or a function.
func runsCode(spec *command.Spec) bool {
	switch spec.Name {
	case "EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO":
		return true
	}
	return false
}

// unknown is what the table says against a command, nil if nothing. Where a server behind this one may know more, who may do
// everything may try it; nobody else, for what it does is not known.
func (s *Session) unknown(c *Command, r *acl.Rights) error {
	_, err := command.Check(c.Args)
	if s.server.Forward && s.Authenticated() && r.Unlimited() {
		return nil
	}
	return err
}

// Rejudge looks again at a command whose turn it is, if the rights have changed since it was read: somebody else may have
// changed them, or a command before it in the batch.
func (s *Session) Rejudge(c *Command) {
	now := s.Client.rights()
	if now == s.rights || c.Refused != nil {
		return
	}
	if err := s.unknown(c, now); err != nil {
		c.Refused = err
	} else if c.Spec != nil {
		s.permit(now, c)
	}
}

// Denying tells that a refused command is being answered: what the user must not do is remembered for ACL LOG.
func (s *Session) Denying(c *Command) {
	if c.Denied.OK() {
		return
	}
	s.deny(c.Denied, c.Spec, c.Args)
}

// MayStill judges a command of a transaction again when its turn comes, which may be long after it was queued. The error is
// the reply in its place.
func (s *Session) MayStill(spec *command.Spec, args [][]byte) error {
	r := s.Client.rights()
	if r == nil || r.Unlimited() {
		return nil
	}
	v := s.verdict(r, spec, args)
	switch v.Reason {
	case acl.Allowed:
		return nil
	case acl.DeniedBy:
		return wire.ErrSortBy
	case acl.DeniedGet:
		return wire.ErrSortGet
	}
	s.deny(v, spec, args)
	return wire.DeniedMeanwhile(map[acl.Reason]string{
		acl.DeniedCommand: "no permission to execute the command or subcommand",
		acl.DeniedKey:     "no permission to touch the specified keys",
		acl.DeniedChannel: "no permission to access one of the channels used as arguments",
	}[v.Reason])
}

// deny remembers a verdict. What SORT may not look at is no denial to Redis.
func (s *Session) deny(v acl.Verdict, spec *command.Spec, args [][]byte) {
	d := acl.Denied{User: s.Client.User()}
	switch v.Reason {
	case acl.DeniedCommand, acl.DeniedScript:
		d.Reason, d.Object = "command", spec.FullName
	case acl.DeniedKey:
		d.Reason, d.Object = "key", string(args[v.Pos])
	case acl.DeniedChannel:
		d.Reason, d.Object = "channel", string(args[v.Pos])
	default:
		return
	}
	s.logDenial(d, args)
}

func (s *Session) logDenial(d acl.Denied, args [][]byte) {
	d.Transaction = s.Client.Multi.Load() >= 0
	s.server.counters.deny(d.Reason)
	s.Users().Log.Add(d, time.Now(), s.Info(args))
}

// ReloadUsers makes users those that next are, which were read anew. Clients stay logged in; those whose user is gone, or must
// not hear what they have subscribed to, are ended.
func (v *Server) ReloadUsers(users, next *acl.Users) { v.enforce(users.Become(next), nil) }

// enforce ends the clients whom a change leaves without their user, or with a subscription that they must not have. self is
// told first what it is answered.
func (v *Server) enforce(change acl.Change, self *Session) {
	if len(change.Gone)+len(change.Less) == 0 {
		return
	}
	for _, s := range v.registry.all() {
		user := s.Client.user.Load()
		switch {
		case !slices.Contains(change.Gone, user) && !(slices.Contains(change.Less, user) && s.Client.hearsTooMuch(user.Rights())):
		case s == self:
			s.CloseAfterReply()
		default:
			s.Kill()
		}
	}
}

// Topic is a kind of what clients subscribe to.
type Topic int

const (
	Channel Topic = iota
	Pattern
	ShardChannel
	topics
)

// subscriptions are what a client hears, by kind.
type subscriptions struct {
	mu    sync.Mutex
	names [topics]map[string]struct{}
	bytes atomic.Int64
}

// subscriptionBytes is what a subscription costs besides its name, here and in the backend.
const subscriptionBytes = 400

// Hear tells that the client has subscribed, or does not hear that any more. The backend calls it, from any goroutine.
func (c *Client) Hear(kind Topic, name string, hears bool) {
	c.hears.mu.Lock()
	defer c.hears.mu.Unlock()
	names := &c.hears.names[kind]
	_, heard := (*names)[name]
	switch {
	case heard == hears:
		return
	case heard:
		delete(*names, name)
		c.hears.bytes.Add(-int64(subscriptionBytes + len(name)))
		return
	case *names == nil:
		*names = map[string]struct{}{}
	}
	(*names)[name] = struct{}{}
	c.hears.bytes.Add(int64(subscriptionBytes + len(name)))
}

// HearNothing tells that the client hears nothing any more.
func (c *Client) HearNothing() {
	c.hears.mu.Lock()
	defer c.hears.mu.Unlock()
	clear(c.hears.names[:])
	c.hears.bytes.Store(0)
}

// hearsTooMuch reports whether there is a subscription that rights do not allow.
func (c *Client) hearsTooMuch(r *acl.Rights) bool {
	c.hears.mu.Lock()
	defer c.hears.mu.Unlock()
	for kind, names := range c.hears.names {
		for name := range names {
			if !r.MayHear(name, Topic(kind) == Pattern) {
				return true
			}
		}
	}
	return false
}
