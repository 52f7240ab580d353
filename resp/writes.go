package resp

import (
	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// RefuseWrites is the filter of a listener for readers: it refuses what Redis refuses on a replica that is read only,
// scripts and functions that may write, and what exchanges the data as a whole.
func RefuseWrites(_ *Session, c *Command) {
	if c.Spec.Flags.Has(command.Write) || writesUnflagged(c.Spec.Name) {
		c.Refused = wire.ErrReadOnly
	}
}

// writesUnflagged tells of commands that change data though their flags do not say so.
func writesUnflagged(name string) bool {
	switch name {
	case "EVAL", "EVALSHA", "FCALL",
		"DEBUG", "REPLICAOF", "SLAVEOF", "FAILOVER", "CLUSTER RESET", "CLUSTER FAILOVER", "CLUSTER REPLICATE",
		"MODULE LOAD", "MODULE LOADEX", "MODULE UNLOAD":
		return true
	}
	return false
}
