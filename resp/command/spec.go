package command

import "strings"

// Spec is what is known about one command or subcommand.
type Spec struct {
	Name       string     `json:"-"`    // upper case: "HGETALL", "XGROUP CREATE"
	FullName   string     `json:"name"` // as Redis prints it: "hgetall", "xgroup|create"
	Arity      int        `json:"arity"`
	Flags      Flags      `json:"flags,omitempty"`
	Range      KeyRange   `json:"range,omitzero"`
	Categories Categories `json:"acl_categories,omitempty"`
	Tips       []string   `json:"tips,omitempty"`
	KeySpecs   []KeySpec  `json:"key_specs,omitempty"`
	Docs

	Index       int        `json:"-"` // counts up from 0 in the order of [All], below [Len]
	Subcommands []*Spec    `json:"-"` // of a container, sorted by name
	Effect      ConnEffect `json:"-"`
	Doc         string     `json:"-"` // our description, one line

	findKeys keyFinder // by hand, where KeySpecs do not tell all
}

// Docs are the facts of COMMAND DOCS.
type Docs struct {
	Since           string     `json:"since,omitempty"` // "2.8.0"
	Group           string     `json:"group"`           // "sorted-set"
	DocFlags        DocFlags   `json:"doc_flags,omitempty"`
	DeprecatedSince string     `json:"deprecated_since,omitempty"`
	ReplacedBy      string     `json:"replaced_by,omitempty"`
	Arguments       []Argument `json:"arguments,omitempty"`
}

// Argument is a node of the argument grammar.
type Argument struct {
	Name            string     `json:"name"`
	Type            string     `json:"type"`                     // string, integer, double, key, pattern, unix-time, pure-token, oneof or block
	KeySpecIndex    *int       `json:"key_spec_index,omitempty"` // into Spec.KeySpecs, of a key
	Token           string     `json:"token,omitempty"`          // the literal word before the value
	Since           string     `json:"since,omitempty"`
	DeprecatedSince string     `json:"deprecated_since,omitempty"`
	Flags           ArgFlags   `json:"flags,omitempty"`
	Arguments       []Argument `json:"arguments,omitempty"` // of a oneof or a block
}

// KeyRange is where keys stand by the rule older than key specs: from First to
// Last in Steps; a negative Last counts from the end. Zero means no keys.
type KeyRange struct {
	First int `json:"first"`
	Last  int `json:"last"`
	Step  int `json:"step"`
}

// KeySpec is one rule for finding keys: first where to begin, then which of the
// arguments from there are keys.
type KeySpec struct {
	Flags KeyFlags    `json:"flags"`
	Begin BeginSearch `json:"begin_search"`
	Find  FindKeys    `json:"find_keys"`
}

// BeginSearch tells at which argument keys begin.
type BeginSearch struct {
	Type      string `json:"type"`                // index, keyword or unknown
	Index     int    `json:"index,omitempty"`     // index: this argument
	Keyword   string `json:"keyword,omitempty"`   // keyword: the one after this word
	StartFrom int    `json:"startfrom,omitempty"` // keyword: where to look from; negative: from the end, backwards
}

// FindKeys tells which arguments after the beginning are keys.
type FindKeys struct {
	Type      string `json:"type"`                // range, keynum or unknown
	LastKey   int    `json:"lastkey,omitempty"`   // range: relative to the beginning; negative: to the end
	KeyStep   int    `json:"keystep,omitempty"`   // range, keynum
	Limit     int    `json:"limit,omitempty"`     // range with LastKey -1: only the first 1/Limit of the rest
	KeyNumIdx int    `json:"keynumidx,omitempty"` // keynum: where the number of keys stands, relative to the beginning
	FirstKey  int    `json:"firstkey,omitempty"`  // keynum: the first key, relative to the beginning
}

// ConnEffect is what a command does to the connection it is sent on, and so
// whether clients may share that connection.
type ConnEffect uint8

const (
	ConnNone  ConnEffect = iota // nothing that the next command could notice; it may still ask about the connection
	ConnLane                    // changes database, protocol version or user; RESET forgets everything else, too
	ConnTxn                     // opens, closes or conditions a transaction
	ConnBlock                   // may let all later commands wait
	ConnLife                    // changes what lasts until the connection ends, or how many replies follow
)

// IsContainer reports whether s is only the first word of its subcommands.
// COMMAND is one, although it may also be called alone.
func (s *Spec) IsContainer() bool { return len(s.Subcommands) > 0 }

// HasKeys reports whether a call of s can name keys.
func (s *Spec) HasKeys() bool {
	for i := range s.KeySpecs {
		if !s.KeySpecs[i].Flags.Has(KeyNotKey) {
			return true
		}
	}
	return false
}

// ArityOK reports whether s may be called with n arguments, its name included.
func (s *Spec) ArityOK(n int) bool {
	return n == s.Arity || s.Arity < 0 && n >= -s.Arity
}

func (s *Spec) isSubcommand() bool { return strings.Contains(s.FullName, "|") }

// hasToken reports whether a stands behind a literal word, or is one. One is
// empty: MIGRATE takes "" in place of a key.
func (a *Argument) hasToken() bool { return a.Token != "" || a.Type == "pure-token" }
