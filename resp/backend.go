package resp

import (
	"context"

	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/command"
)

// Command is one request of a client. Args and Raw are valid until Do returns.
type Command struct {
	Spec *command.Spec // nil only when Refused is set, or where the table does not know the command ([Server.Forward])
	Args [][]byte      // the words of the command, its name first
	Raw  []byte        // the same as the client sent it; nil when it must be encoded from Args
	// Refused is why this command must not be done: unknown, wrong arity, not permitted. It is answered with this
	// error and, inside MULTI, spoils the transaction.
	Refused error
	// Denied is what the user must not do of it, if that is why.
	Denied acl.Verdict
	// Again says that the command has passed the filters before, and had to wait since.
	Again bool
}

// Progress says how far [Conn.Do] came.
type Progress int

const (
	// Done: the commands that were taken are answered, or will be within the reply that has begun ([Out.Begin]).
	Done Progress = iota
	// Later: the last command taken is outstanding; the backend calls [Session.Resume] once when it is answered. Or the
	// next one has to wait: see [Session.Hold].
	Later
	// Following: the last command taken is done, and its reply follows in pieces ([Out.Begin]); the backend calls
	// [Session.Resume] once behind the last one. A client that hangs up gets it all the same.
	Following
)

// Backend answers commands: from memory and files, or by asking a real Redis.
type Backend interface {
	// Connect returns the backend's side of a new client. It must not block.
	Connect(s *Session) Conn
	// Drain answers what is outstanding as if its time were over. Nothing is left outstanding after that: see
	// [Session.Draining]. Commands of transactions that are open still come.
	Drain()
	// Shutdown makes everything durable. It is called after the last Conn was closed.
	Shutdown(ctx context.Context) error
}

// Conn is a backend's side of one client. Do and Close are never called at the same time; Do is not called while a
// command is outstanding.
type Conn interface {
	// Do takes commands from the head of batch, answers them in order into the session's Out, and never blocks. It
	// returns how many it took: at least one, unless it says Later or the session is [Session.Closing]; the rest come again with the next call. What it needs of a command afterwards it copies, for Args and Raw die with the call.
	//
	// A panic of Do ends the process, for the backend's locks may be held: which panics are survived, it decides itself.
	Do(batch []Command) (taken int, p Progress)
	// Commit makes durable what the last calls of Do did, as far as the policy asks, and lets the replies go, now or
	// later. It follows every Do, at the latest before the replies are written; a transport that serves many clients
	// does them all first, so that they share what Commit costs.
	Commit()
	// Gone tells that the client left or was killed: from its return on, an outstanding command consumes nothing. It is
	// called once, before Close, from any goroutine, perhaps during a Do, whose commands then need not be done.
	Gone()
	// Close is the last call: the backend forgets the client. A command that was outstanding stays unanswered.
	Close()
}

// Filter looks at a command before it is done. It may set Refused, or replace an argument (and then sets Raw to nil).
// It never does I/O. Commands of a batch pass the filters before the first of them is done; one that has to wait for
// those before it passes them again.
type Filter func(s *Session, c *Command)
