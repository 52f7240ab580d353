package command

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Flags are the flags of a command in COMMAND INFO.
type Flags uint32

const (
	Write Flags = 1 << iota
	ReadOnly
	DenyOOM
	Module
	Admin
	PubSub
	NoScript
	Blocking
	Loading
	Stale
	SkipMonitor
	SkipSlowlog
	Asking
	Fast
	NoAuth
	NoMandatoryKeys
	NoAsyncLoading
	NoMulti
	MovableKeys
	AllowBusy
)

// The tables of names have the order of the bits, which is the order in which
// Redis lists them.
var flagNames = []string{
	"write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript",
	"blocking", "loading", "stale", "skip_monitor", "skip_slowlog", "asking",
	"fast", "no_auth", "no_mandatory_keys", "no_async_loading", "no_multi",
	"movablekeys", "allow_busy",
}

// Has reports whether all of f's bits in flag are set.
func (f Flags) Has(flag Flags) bool { return f&flag == flag }

// Names returns the names Redis gives the flags, in Redis' order.
func (f Flags) Names() []string               { return names(f, flagNames) }
func (f Flags) MarshalJSON() ([]byte, error)  { return json.Marshal(f.Names()) }
func (f *Flags) UnmarshalJSON(b []byte) error { return unmarshalNames(b, f, flagNames) }

// Categories are the ACL categories of a command.
type Categories uint32

const (
	CatKeyspace Categories = 1 << iota
	CatRead
	CatWrite
	CatSet
	CatSortedSet
	CatList
	CatHash
	CatString
	CatBitmap
	CatHyperLogLog
	CatGeo
	CatStream
	CatPubSub
	CatAdmin
	CatFast
	CatSlow
	CatBlocking
	CatDangerous
	CatConnection
	CatTransaction
	CatScripting
)

var categoryNames = []string{
	"@keyspace", "@read", "@write", "@set", "@sortedset", "@list", "@hash",
	"@string", "@bitmap", "@hyperloglog", "@geo", "@stream", "@pubsub", "@admin",
	"@fast", "@slow", "@blocking", "@dangerous", "@connection", "@transaction",
	"@scripting",
}

// Names returns the names of the categories with their "@", in Redis' order.
func (c Categories) Names() []string               { return names(c, categoryNames) }
func (c Categories) MarshalJSON() ([]byte, error)  { return json.Marshal(c.Names()) }
func (c *Categories) UnmarshalJSON(b []byte) error { return unmarshalNames(b, c, categoryNames) }

// categoryNamed returns the category of that name, in any case and without "@",
// or 0.
func categoryNamed(name []byte) Categories {
	for i, n := range categoryNames {
		if is(name, n[1:]) {
			return 1 << i
		}
	}
	return 0
}

// Category returns the category of that name, in any case and without "@"; 0 if there is none.
func Category(name string) Categories { return categoryNamed([]byte(name)) }

// KeyFlags say how a command uses a key.
type KeyFlags uint16

const (
	KeyRO            KeyFlags = 1 << iota // reads the value
	KeyRW                                 // reads and changes the value
	KeyOW                                 // overwrites the value without reading it
	KeyRM                                 // deletes the key
	KeyAccess                             // returns or copies user data of the value
	KeyUpdate                             // changes user data
	KeyInsert                             // adds user data
	KeyDelete                             // removes user data
	KeyNotKey                             // goes by the same rules but is not a key: a shard channel
	KeyIncomplete                         // the spec may miss keys
	KeyVariableFlags                      // the flags depend on the arguments
)

var keyFlagNames = []string{
	"RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key",
	"incomplete", "variable_flags",
}

// Has reports whether all of f's bits in flag are set.
func (f KeyFlags) Has(flag KeyFlags) bool { return f&flag == flag }

// Names returns the names Redis gives the flags, in Redis' order.
func (f KeyFlags) Names() []string               { return names(f, keyFlagNames) }
func (f KeyFlags) MarshalJSON() ([]byte, error)  { return json.Marshal(f.Names()) }
func (f *KeyFlags) UnmarshalJSON(b []byte) error { return unmarshalNames(b, f, keyFlagNames) }

// DocFlags are the flags of a command in COMMAND DOCS.
type DocFlags uint8

const (
	Deprecated DocFlags = 1 << iota
	SysCmd              // not meant for users: replication and cluster internals
)

var docFlagNames = []string{"deprecated", "syscmd"}

// Names returns the names Redis gives the flags, in Redis' order.
func (f DocFlags) Names() []string               { return names(f, docFlagNames) }
func (f DocFlags) MarshalJSON() ([]byte, error)  { return json.Marshal(f.Names()) }
func (f *DocFlags) UnmarshalJSON(b []byte) error { return unmarshalNames(b, f, docFlagNames) }

// ArgFlags are the flags of an argument in COMMAND DOCS.
type ArgFlags uint8

const (
	ArgOptional      ArgFlags = 1 << iota
	ArgMultiple               // may be repeated
	ArgMultipleToken          // when repeated, its token is repeated with it
)

var argFlagNames = []string{"optional", "multiple", "multiple_token"}

// Has reports whether all of f's bits in flag are set.
func (f ArgFlags) Has(flag ArgFlags) bool { return f&flag == flag }

// Names returns the names Redis gives the flags, in Redis' order.
func (f ArgFlags) Names() []string               { return names(f, argFlagNames) }
func (f ArgFlags) MarshalJSON() ([]byte, error)  { return json.Marshal(f.Names()) }
func (f *ArgFlags) UnmarshalJSON(b []byte) error { return unmarshalNames(b, f, argFlagNames) }

type bits interface{ ~uint8 | ~uint16 | ~uint32 }

func names[B bits](set B, table []string) []string {
	var list []string
	for i, name := range table {
		if set&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// unmarshalNames refuses names outside the table: a newer Redis has flags that
// must not be dropped in silence.
func unmarshalNames[B bits](b []byte, set *B, table []string) error {
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*set = 0
	for _, name := range list {
		i := slices.Index(table, name)
		if i < 0 {
			return fmt.Errorf("unknown flag %q", name)
		}
		*set |= 1 << i
	}
	return nil
}
