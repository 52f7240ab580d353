package resp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Audit writes down who asked for what, as lines of JSON: never a value, a password or the name of a key. Writing never
// keeps a client waiting: entries queue up, and where the queue is full they are dropped and counted, and the next line says
// how many. Its methods may be called from any goroutine; a nil Audit writes nothing.
type Audit struct {
	layout   keyspace.Layout
	commands []bool // by Spec.Index: what is written down
	unknown  bool   // and commands that the table does not know
	logins   bool

	queue   chan *auditEntry
	dropped atomic.Int64
	out     io.Writer
	failed  func(error)
	stop    sync.Once
	closing chan struct{} // closed by Close
	written sync.WaitGroup
}

// auditEntry is a line. Fields that say nothing are left out.
type auditEntry struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"` // command, auth or dropped
	Client  int64     `json:"client,omitempty"`
	Address string    `json:"address,omitempty"`
	User    string    `json:"user,omitempty"`
	Subject string    `json:"tls_subject,omitempty"`
	Command string    `json:"command,omitempty"` // "config|set"; "unknown" for what is no command
	Family  string    `json:"family,omitempty"`  // of its keys: "agent", "result", ...; "other", or "mixed"
	Keys    int       `json:"keys,omitempty"`    // how many
	Outcome string    `json:"outcome,omitempty"` // allowed, refused, success or failure; Redis may still refuse what is allowed
	Why     string    `json:"why,omitempty"`     // the code of the error: "NOPERM"
	Count   int64     `json:"count,omitempty"`   // of entries that were dropped
}

// auditQueue is how many entries wait at most.
const auditQueue = 8192

// NewAudit writes to out what words name: commands ("flushall"), subcommands ("config|set"), ACL categories ("@admin"),
// "@all", and "auth" for who logged in, or tried to. failed is told when out cannot be written; entries are dropped then.
func NewAudit(out io.Writer, layout keyspace.Layout, words []string, failed func(error)) (*Audit, error) {
	a := &Audit{layout: layout, commands: make([]bool, command.Len()), queue: make(chan *auditEntry, auditQueue), closing: make(chan struct{}), out: out, failed: failed}
	for _, word := range words {
		if err := a.include(word); err != nil {
			return nil, err
		}
	}
	a.written.Go(a.write)
	return a, nil
}

// CheckAudited reports what is wrong with the words for [NewAudit].
func CheckAudited(words []string) error {
	a := &Audit{commands: make([]bool, command.Len())}
	for _, word := range words {
		if err := a.include(word); err != nil {
			return err
		}
	}
	return nil
}

func (a *Audit) include(word string) error {
	switch spec := command.Find(word); {
	case strings.EqualFold(word, "auth"):
		a.logins = true
	case strings.HasPrefix(word, "@"):
		specs, ok := InCategory(word)
		if !ok {
			return fmt.Errorf("%s: no such category", word)
		}
		for _, spec := range specs {
			a.commands[spec.Index] = true
		}
		if strings.EqualFold(word, "@all") {
			a.unknown, a.logins = true, true
		}
	case spec == nil:
		return fmt.Errorf("%s: no such command", word)
	default:
		for _, s := range append(spec.Subcommands, spec) {
			a.commands[s.Index] = true
		}
	}
	return nil
}

// judged writes down a command and what was decided about it. It is called with the session's turn.
func (a *Audit) judged(s *Session, c *Command) {
	spec := c.Spec
	if spec == nil {
		spec = command.Lookup(c.Args) // it was refused by name
	}
	if c.Again || spec == nil && !a.unknown || spec != nil && !a.commands[spec.Index] {
		return
	}
	e := s.entry("command")
	if !s.isStranger() {
		e.User = s.Client.knownAs()
	}
	e.Command, e.Outcome = "unknown", "allowed"
	if spec != nil {
		e.Command = spec.FullName
		e.Family, e.Keys = a.family(spec, c.Args)
	}
	if c.Refused != nil {
		e.Outcome, e.Why = "refused", errorCode(c.Refused)
	}
	a.put(e)
}

// family tells of which family the keys of a command are, and how many there are.
func (a *Audit) family(spec *command.Spec, args [][]byte) (family string, n int) {
	positions, err := spec.Keys(args)
	if err != nil {
		return "", 0
	}
	for _, at := range positions {
		switch of := a.layout.Family(string(args[at])).String(); family {
		case "", of:
			family = of
		default:
			family = "mixed"
		}
	}
	return family, len(positions)
}

// loggedIn writes down that a client tried to log in.
func (a *Audit) loggedIn(s *Session, user string, refused error) {
	if a == nil || !a.logins {
		return
	}
	e := s.entry("auth")
	e.User, e.Outcome = acl.Brief(user), "success"
	if refused != nil {
		e.Outcome, e.Why = "failure", errorCode(refused)
	}
	a.put(e)
}

// entry begins a line about the client.
func (s *Session) entry(event string) *auditEntry {
	return &auditEntry{Time: time.Now(), Event: event, Client: s.Client.ID, Address: s.Client.Addr, Subject: s.Client.Subject}
}

// errorCode is the first word of an error: what follows may quote the client.
func errorCode(err error) string {
	told, ok := errors.AsType[wire.Error](err)
	if !ok {
		return "ERR"
	}
	code, _, _ := strings.Cut(string(told), " ")
	return code
}

func (a *Audit) put(e *auditEntry) {
	select {
	case a.queue <- e:
	default:
		a.dropped.Add(1)
	}
}

// next waits for an entry; it returns nil when the audit is closed and nothing is left.
func (a *Audit) next() *auditEntry {
	select {
	case e := <-a.queue:
		return e
	case <-a.closing:
		return a.more()
	}
}

// more returns an entry that has come, nil if there is none.
func (a *Audit) more() *auditEntry {
	select {
	case e := <-a.queue:
		return e
	default:
		return nil
	}
}

// write takes entries from the queue until the audit is closed. What has queued up goes out in one piece.
func (a *Audit) write() {
	const atOnce = 64 << 10
	var lines []byte
	for e := a.next(); e != nil; e = a.next() {
		for lines = lines[:0]; e != nil; e = a.more() {
			if lines = e.append(lines); len(lines) >= atOnce {
				break
			}
		}
		if n := a.dropped.Swap(0); n > 0 {
			lines = (&auditEntry{Time: time.Now(), Event: "dropped", Count: n}).append(lines)
		}
		if _, err := a.out.Write(lines); err != nil {
			a.failed(err)
		}
	}
}

func (e *auditEntry) append(lines []byte) []byte {
	line, err := json.Marshal(e)
	if err != nil { // there is no such entry
		return lines
	}
	return append(append(lines, line...), '\n')
}

// Close returns when everything is written. What comes later is lost.
func (a *Audit) Close() {
	if a != nil {
		a.stop.Do(func() { close(a.closing) })
		a.written.Wait()
	}
}
