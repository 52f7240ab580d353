package resp

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// Version is the Redis whose behaviour is reproduced, as HELLO and INFO report it.
const Version = "7.0.15"

// ConnectionHandler answers a command that concerns the connection rather than data. It runs with the session's turn
// and writes one reply, or returns the error that is the reply.
type ConnectionHandler func(s *Session, w *wire.Writer, args [][]byte) error

// ConnectionHandlers are those commands by name. A backend runs them where they stand in its order of things, inside
// MULTI as well. (https://redis.io/commands/?group=connection)
func ConnectionHandlers() map[string]ConnectionHandler {
	handlers := map[string]ConnectionHandler{
		"AUTH":            auth,
		"HELLO":           hello,
		"PING":            ping,
		"ECHO":            func(_ *Session, w *wire.Writer, args [][]byte) error { w.Bulk(args[1]); return nil },
		"QUIT":            func(s *Session, w *wire.Writer, _ [][]byte) error { w.OK(); s.CloseAfterReply(); return nil },
		"CLIENT ID":       func(s *Session, w *wire.Writer, _ [][]byte) error { w.Int(s.Client.ID); return nil },
		"CLIENT GETNAME":  clientGetName,
		"CLIENT SETNAME":  clientSetName,
		"CLIENT INFO":     clientInfo,
		"CLIENT LIST":     clientList,
		"CLIENT KILL":     clientKill,
		"CLIENT REPLY":    clientReply,
		"CLIENT NO-EVICT": clientNoEvict,
		"CLIENT PAUSE":    clientPause,
		"CLIENT UNPAUSE":  clientUnpause,

		"OMNIPROXY HELP": func(_ *Session, w *wire.Writer, _ [][]byte) error {
			command.Help(w, command.Find("omniproxy"), func(*command.Spec) bool { return true })
			return nil
		},
		"OMNIPROXY VIOLATIONS": violations,
	}
	maps.Copy(handlers, aclHandlers())
	return handlers
}

// replyMode is what CLIENT REPLY asked for.
type replyMode int

const (
	replyOn replyMode = iota
	replyOff
	replySkipNext // the command after CLIENT REPLY SKIP
	replySkip     // the command now being answered
)

// Replied is called by a backend after each command with where its reply began: it drops replies the client does not
// want (CLIENT REPLY).
func (s *Session) Replied(w *wire.Writer, mark int) {
	switch s.Client.reply {
	case replyOn:
		return
	case replySkipNext: // this was CLIENT REPLY SKIP itself
		w.Truncate(mark)
		s.Client.reply = replySkip
	case replySkip:
		w.Truncate(mark)
		s.Client.reply = replyOn
	case replyOff:
		w.Truncate(mark)
	}
}

// Muted reports whether the reply to the command in hand is unwanted. Messages, and confirmations of subscriptions, are
// told all the same.
func (s *Session) Muted() bool { return s.Client.reply != replyOn }

// Reset brings the connection's own state back to that of a new client: the part of RESET that concerns every backend.
// As in Redis, the reply of RESET itself stays unwanted behind CLIENT REPLY SKIP, and CLIENT NO-EVICT stays.
func (s *Session) Reset(w *wire.Writer) {
	s.Client.setName("")
	if s.Client.reply != replySkip {
		s.Client.reply = replyOn
	}
	s.newcomer()
	s.Client.proto.Store(2)
	w.Proto = 2
}

func ping(s *Session, w *wire.Writer, args [][]byte) error {
	if len(args) > 2 {
		return wire.WrongArity("ping")
	}
	switch {
	case s.Client.subscribed() && s.Client.Proto() == 2:
		w.Array(2)
		w.BulkString("pong")
		if len(args) == 2 {
			w.Bulk(args[1])
		} else {
			w.BulkString("")
		}
	case len(args) == 2:
		w.Bulk(args[1])
	default:
		w.Status("PONG")
	}
	return nil
}

func auth(s *Session, w *wire.Writer, args [][]byte) error {
	user, pass := []byte(defaultUser), args[len(args)-1]
	switch {
	case len(args) > 3:
		return wire.ErrSyntax
	case len(args) == 3:
		user = args[1]
	case s.Users().Default().Rights().NoPass():
		return wire.ErrAuthNoPassword
	}
	if err := s.Authenticate(args, user, pass); err != nil {
		return err
	}
	w.OK()
	return nil
}

func hello(s *Session, w *wire.Writer, args [][]byte) error {
	proto := int64(s.Client.Proto())
	if len(args) > 1 {
		var ok bool
		if proto, ok = integer(args[1]); !ok {
			return wire.ErrProtoNotInteger
		}
		if proto < 2 || proto > 3 {
			return wire.ErrNoProto
		}
	}
	for i := 2; i < len(args); i++ {
		switch more := len(args) - 1 - i; {
		case more >= 2 && fold(args[i], "AUTH"):
			if err := s.Authenticate(args, args[i+1], args[i+2]); err != nil {
				return err
			}
			i += 2
		case more >= 1 && fold(args[i], "SETNAME"):
			if err := s.name(args[i+1]); err != nil {
				return err
			}
			i++
		default:
			return wire.HelloOption(args[i])
		}
	}
	if !s.Authenticated() {
		return wire.ErrHelloNoAuth
	}
	s.Client.proto.Store(int32(proto))
	w.Proto = int(proto)
	w.Map(7)
	w.BulkString("server")
	w.BulkString("redis")
	w.BulkString("version")
	w.BulkString(Version)
	w.BulkString("proto")
	w.Int(proto)
	w.BulkString("id")
	w.Int(s.Client.ID)
	w.BulkString("mode")
	w.BulkString("standalone")
	w.BulkString("role")
	w.BulkString("master")
	w.BulkString("modules")
	w.Array(0)
	return nil
}

// longestName bounds a connection's name: it stays, wherever the client is told of, when its command is long forgotten.
const longestName = 1 << 10

// name gives the connection a name: printable ASCII without spaces, or none.
func (s *Session) name(name []byte) error {
	if len(name) > longestName {
		return wire.ErrClientNameLength
	}
	for _, b := range name {
		if b < '!' || b > '~' {
			return wire.ErrClientName
		}
	}
	s.Client.setName(string(name))
	return nil
}

func clientSetName(s *Session, w *wire.Writer, args [][]byte) error {
	if err := s.name(args[2]); err != nil {
		return err
	}
	w.OK()
	return nil
}

func clientGetName(s *Session, w *wire.Writer, _ [][]byte) error {
	if name := s.Client.Name(); name != "" {
		w.BulkString(name)
	} else {
		w.Null()
	}
	return nil
}

// Info is what CLIENT LIST shows of the client while it is served the command given. It is called during Do.
func (s *Session) Info(args [][]byte) string { return s.line(time.Now(), size(args)) }

func clientInfo(s *Session, w *wire.Writer, args [][]byte) error {
	w.Verbatim("txt", s.Info(args)+"\n")
	return nil
}

func clientReply(s *Session, w *wire.Writer, args [][]byte) error {
	switch {
	case fold(args[2], "ON"):
		s.Client.reply = replyOn
		w.OK()
	case fold(args[2], "OFF"):
		s.Client.reply = replyOff
	case fold(args[2], "SKIP"):
		if s.Client.reply != replyOff {
			s.Client.reply = replySkipNext
		}
	default:
		return wire.ErrSyntax
	}
	return nil
}

// clientNoEvict remembers the setting: no client is ever evicted here.
func clientNoEvict(s *Session, w *wire.Writer, args [][]byte) error {
	on := fold(args[2], "ON")
	if !on && !fold(args[2], "OFF") {
		return wire.ErrSyntax
	}
	s.Client.noEvict.Store(on)
	w.OK()
	return nil
}

// fold compares a word of a command with a name, ASCII letters in either case.
func fold(word []byte, name string) bool {
	return len(word) == len(name) && strings.EqualFold(string(word), name)
}

// integer reads a decimal as strictly as Redis does: exactly the text that printing the number would give.
func integer(b []byte) (int64, bool) {
	const longest = len("-9223372036854775808")
	if len(b) > longest {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == string(b)
}
