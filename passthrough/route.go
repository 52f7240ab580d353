package passthrough

import (
	"bytes"
	"strings"

	"github.com/omniproxy/omniproxy/resp"
	"github.com/omniproxy/omniproxy/resp/command"
)

// place is where a command is done in the pool "shared".
type place int

const (
	onLane  place = iota // on a wire that clients share: it leaves nothing there
	local                // here: it is about the connection, which is the client's to the proxy
	pinCall              // on a private wire, for this call: it may let others wait
	pinTxn               // on a private wire until EXEC, DISCARD or UNWATCH
	pinMove              // on a private wire, for this call: Redis decides whether the client moves to another lane
	pinLife              // on a private wire until the client leaves or says RESET: what it changes lasts
)

var placeNames = [...]string{"lane", "local", "pinned for the call", "pinned for the transaction", "pinned to move", "pinned until it leaves"}

func (p place) String() string { return placeNames[p] }

// route is the whole policy of the pool "shared": where a command goes of a client that has no private wire, and why. One
// that has one keeps it until it has left nothing there, and sends everything to it but what is local. A client who does not
// read as fast as it is answered is sent from lanes to private wires, see conn.slow.
//
// spec is nil for commands that the table does not know. checks says that the proxy checks passwords.
func route(spec *command.Spec, args [][]byte, checks bool) (place, string) {
	switch {
	case spec == nil && word(args, 0, "CLIENT") && (word(args, 1, "SETINFO") || word(args, 1, "MAINT_NOTIFICATIONS")):
		return onLane, "clients say it when they connect, and every Redis that knows it can bear to hear it from several"
	case spec == nil:
		return pinLife, "what an unknown command does to its connection is not known"
	case !spec.ArityOK(len(args)) && spec.Effect == command.ConnNone:
		return onLane, "Redis refuses it"
	case !spec.ArityOK(len(args)):
		return pinLife, "another Redis may take it with so many arguments"
	case checks && strings.HasPrefix(spec.Name, "ACL "):
		return local, "the proxy knows the users"
	}
	switch spec.Name {
	case "CLIENT ID", "CLIENT GETNAME", "CLIENT SETNAME", "CLIENT INFO", "CLIENT LIST", "CLIENT KILL", "CLIENT NO-EVICT", "CLIENT UNBLOCK",
		"CLIENT PAUSE", "CLIENT UNPAUSE":
		return local, "clients are those of the proxy"
	case "INFO", "OMNIPROXY HELP", "OMNIPROXY VIOLATIONS":
		if asksOfProxy(args) {
			return local, "it is about the proxy"
		}
	case "QUIT":
		return local, "it is the client's connection that ends"
	case "RESET":
		return local, "a client without a private wire has left nothing with Redis"
	case "AUTH":
		if checks {
			return local, "the proxy checks passwords"
		}
		return pinMove, "only Redis knows whether the password is right"
	case "HELLO", "SELECT":
		return pinMove, "only Redis knows whether it has that protocol, user or database"
	case "SCRIPT KILL", "FUNCTION KILL", "FUNCTION STATS", "SHUTDOWN":
		return pinCall, "it must reach a Redis that is busy with what a lane brought"
	case "CONFIG SET", "ACL SETUSER", "ACL LOAD":
		return pinCall, "it may change what a client may do who gives no password: those to come must not share connections from before"
	case "EXEC", "DISCARD", "UNWATCH":
		return onLane, "without MULTI or WATCH it does nothing"
	case "XREAD", "XREADGROUP":
		if !blockOption(args) {
			return onLane, "it does not block without BLOCK"
		}
	}
	switch spec.Effect {
	case command.ConnTxn:
		return pinTxn, "the next commands belong to it"
	case command.ConnBlock:
		return pinCall, "it lets the next commands wait"
	case command.ConnLife:
		return pinLife, "it changes what lasts until the connection ends, or how many replies follow"
	}
	return onLane, "it does nothing to its connection"
}

// whole returns how many commands make up the transaction that a batch begins with, MULTI and EXEC included; 0 unless it is
// there to the end and every command in it goes to a lane and does nothing to its connection.
func whole(batch []member) int {
	if len(batch) < 2 || batch[0].spec == nil || batch[0].spec.Name != "MULTI" || batch[0].refused || len(batch[0].args) != 1 {
		return 0
	}
	for i, m := range batch[1:] {
		switch {
		case m.spec == nil || m.refused || !m.spec.ArityOK(len(m.args)):
			return 0
		case m.spec.Name == "EXEC":
			return i + 2
		case m.spec.Effect != command.ConnNone:
			return 0
		}
		if p, _ := route(m.spec, m.args, true); p != onLane {
			return 0
		}
	}
	return 0
}

// member is a command as whole looks at it.
type member struct {
	spec    *command.Spec
	args    [][]byte
	refused bool
}

// blockOption reports whether a reading of streams has the option BLOCK.
func blockOption(args [][]byte) bool {
	for _, a := range args[1:] {
		if bytes.EqualFold(a, []byte("BLOCK")) {
			return true
		}
	}
	return false
}

// runsCode reports whether a command runs code of users or, unknown to the table, of modules: it may take long.
func runsCode(spec *command.Spec) bool {
	return spec == nil || spec.Categories&command.CatScripting != 0
}

// ofServer reports whether a command has nothing to do with a database. Where Redis is busy with a script it lets nobody
// choose one.
func ofServer(cmd *resp.Command) bool {
	switch named(cmd) {
	case "SCRIPT KILL", "FUNCTION KILL", "FUNCTION STATS", "SHUTDOWN":
		return true
	}
	return false
}

func word(args [][]byte, i int, name string) bool {
	return i < len(args) && strings.EqualFold(string(args[i]), name)
}
