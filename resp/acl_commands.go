package resp

import (
	"crypto/rand"
	"encoding/hex"
	"math"
	"net"
	"strings"
	"time"

	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// aclHandlers are the commands about users: https://redis.io/commands/?name=acl
func aclHandlers() map[string]ConnectionHandler {
	return map[string]ConnectionHandler{
		"ACL CAT": func(_ *Session, w *wire.Writer, args [][]byte) error {
			return ACLCategories(w, args, func(*command.Spec) bool { return true })
		},
		"ACL DELUSER": aclDelete,
		"ACL DRYRUN":  aclDryRun,
		"ACL GENPASS": aclPassword,
		"ACL GETUSER": aclUser,
		"ACL HELP": func(_ *Session, w *wire.Writer, _ [][]byte) error {
			command.Help(w, command.Find("acl"), func(*command.Spec) bool { return true })
			return nil
		},
		"ACL LIST":    aclList,
		"ACL LOAD":    aclLoad,
		"ACL LOG":     aclLog,
		"ACL SAVE":    aclSave,
		"ACL SETUSER": aclSetUser,
		"ACL USERS":   aclUsers,
		"ACL WHOAMI":  func(s *Session, w *wire.Writer, _ [][]byte) error { w.BulkString(s.Client.User()); return nil },
	}
}

func bulks(w *wire.Writer, texts []string) {
	w.Array(len(texts))
	for _, text := range texts {
		w.BulkString(text)
	}
}

// ACLCategories answers ACL CAT [category] with the categories, or the commands of one that there are here.
func ACLCategories(w *wire.Writer, args [][]byte, supported func(*command.Spec) bool) error {
	var names []string
	switch len(args) {
	case 2:
		for _, name := range (^command.Categories(0)).Names() {
			names = append(names, strings.TrimPrefix(name, "@"))
		}
	case 3:
		cat := command.Category(string(args[2]))
		if cat == 0 {
			return wire.UnknownCategory(args[2])
		}
		for spec := range command.All() {
			if spec.Categories&cat != 0 && supported(spec) {
				names = append(names, spec.FullName)
			}
		}
	default:
		return wire.BadSubcommand(args[0], args[1])
	}
	bulks(w, names)
	return nil
}

func aclUsers(s *Session, w *wire.Writer, _ [][]byte) error {
	users := s.Users().All()
	w.Array(len(users))
	for _, user := range users {
		w.BulkString(user.Name)
	}
	return nil
}

func aclList(s *Session, w *wire.Writer, _ [][]byte) error {
	users := s.Users().All()
	w.Array(len(users))
	for _, user := range users {
		w.BulkString("user " + user.Name + " " + user.Rights().String())
	}
	return nil
}

func aclUser(s *Session, w *wire.Writer, args [][]byte) error {
	user := s.Users().Get(string(args[2]))
	if user == nil {
		w.Null()
		return nil
	}
	rights := user.Rights()
	flags, permissions := rights.Flags(), rights.Permissions()
	w.Map(6)
	w.BulkString("flags")
	w.Set(len(flags))
	for _, flag := range flags {
		w.BulkString(flag)
	}
	w.BulkString("passwords")
	bulks(w, rights.Passwords())
	tellPermission(w, permissions[0])
	w.BulkString("selectors")
	w.Array(len(permissions) - 1)
	for _, p := range permissions[1:] {
		w.Map(3)
		tellPermission(w, p)
	}
	return nil
}

func tellPermission(w *wire.Writer, p acl.Permission) {
	for _, rule := range [][2]string{{"commands", p.Commands}, {"keys", p.Keys}, {"channels", p.Channels}} {
		w.BulkString(rule[0])
		w.BulkString(rule[1])
	}
}

func aclSetUser(s *Session, w *wire.Writer, args [][]byte) error {
	change, err := s.Users().Set(args[2], args[3:], s.server.acceptOpen)
	if err != nil {
		return err
	}
	s.server.enforce(change, s)
	w.OK()
	return nil
}

// acceptOpen refuses to let everybody in where other machines can connect, as the start does.
func (v *Server) acceptOpen(user *acl.User, next *acl.Rights) error {
	if user != nil && user.Name == defaultUser && next.Open() && !user.Rights().Open() && v.Exposed() {
		return wire.Errorf("ERR %s", wire.ReasonPasswordNeeded)
	}
	return nil
}

// Exposed reports whether other machines may connect.
func (v *Server) Exposed() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, l := range v.listeners {
		if addr, tcp := l.Addr().(*net.TCPAddr); tcp && !addr.IP.IsLoopback() {
			return true
		}
	}
	return false
}

func aclDelete(s *Session, w *wire.Writer, args [][]byte) error {
	for _, name := range args[2:] {
		if string(name) == defaultUser {
			return wire.ErrDeleteDefault
		}
	}
	change := s.Users().Delete(args[2:])
	s.server.enforce(change, s)
	w.Int(int64(len(change.Gone)))
	return nil
}

func aclLoad(s *Session, w *wire.Writer, _ [][]byte) error {
	change, err := s.Users().Load(s.server.acceptOpen)
	if err != nil {
		return err
	}
	s.server.enforce(change, s)
	w.OK()
	return nil
}

func aclSave(s *Session, w *wire.Writer, _ [][]byte) error {
	switch err := s.Users().Save(); err {
	case nil:
		w.OK()
		return nil
	case wire.ErrNoACLFile:
		return err
	default:
		s.server.Events.usersUnsaved(err)
		return wire.ErrSaveACL
	}
}

// aclDryRun answers ACL DRYRUN user command [arg...]. What is wrong is no error, but a text.
func aclDryRun(s *Session, w *wire.Writer, args [][]byte) error {
	user := s.Users().Get(string(args[2]))
	if user == nil {
		return wire.UserNotFound(args[2])
	}
	words := args[3:]
	spec, err := command.Check(words)
	switch {
	case spec == nil:
		return wire.CommandNotFound(words[0])
	case err != nil:
		return wire.WrongArity(spec.FullName)
	}
	switch v := s.verdict(user.Rights(), spec, words); v.Reason {
	case acl.DeniedCommand, acl.DeniedScript:
		w.BulkString("This user has no permissions to run the '" + spec.FullName + "' command")
	case acl.DeniedKey:
		w.BulkString("This user has no permissions to access the '" + string(words[v.Pos]) + "' key")
	case acl.DeniedChannel:
		w.BulkString("This user has no permissions to access the '" + string(words[v.Pos]) + "' channel")
	default: // Redis does not look at the patterns of SORT
		w.OK()
	}
	return nil
}

// aclPassword answers ACL GENPASS [bits] with as many random bits, 256 unless told, in hexadecimal digits.
func aclPassword(_ *Session, w *wire.Writer, args [][]byte) error {
	const usual, most = 256, 4096
	bits := int64(usual)
	switch len(args) {
	case 2:
	case 3:
		var ok bool
		if bits, ok = integer(args[2]); !ok {
			return wire.ErrNotInteger
		}
	default:
		return wire.BadSubcommand(args[0], args[1])
	}
	if bits <= 0 || bits > most {
		return wire.ErrGenPassBits
	}
	digits := (bits + 3) / 4
	random := make([]byte, (digits+1)/2)
	rand.Read(random)
	w.BulkString(hex.EncodeToString(random)[:digits])
	return nil
}

// aclLog answers ACL LOG [count | RESET] (https://redis.io/commands/acl-log).
func aclLog(s *Session, w *wire.Writer, args [][]byte) error {
	log, count := &s.Users().Log, int64(10)
	switch {
	case len(args) > 3:
		return wire.BadSubcommand(args[0], args[1])
	case len(args) == 3 && fold(args[2], "RESET"):
		log.Reset()
		w.OK()
		return nil
	case len(args) == 3:
		var ok bool
		if count, ok = integer(args[2]); !ok {
			return wire.ErrNotInteger
		}
	}
	entries := log.Latest(count)
	w.Array(len(entries))
	for i := range entries {
		tellDenial(w, &entries[i])
	}
	return nil
}

func tellDenial(w *wire.Writer, d *acl.Denial) {
	context := "toplevel"
	if d.Transaction {
		context = "multi"
	}
	w.Map(7)
	w.BulkString("count")
	w.Int(d.Count)
	for _, field := range [][2]string{{"reason", d.Reason}, {"context", context}, {"object", d.Object}, {"username", d.User}} {
		w.BulkString(field[0])
		w.BulkString(field[1])
	}
	w.BulkString("age-seconds")
	w.Double(math.Round(time.Since(d.At).Seconds()*1e3) / 1e3)
	w.BulkString("client-info")
	w.BulkString(d.Client)
}
