package acl

import (
	"bytes"
	"sync"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/glob"
)

// Reason is what is wrong with a command. The greater one is told where several selectors refuse for different reasons.
type Reason uint8

const (
	Allowed Reason = iota
	DeniedCommand
	DeniedKey
	DeniedAuth // a login
	DeniedChannel
	DeniedBy     // the pattern of SORT's BY leads to keys that are not named
	DeniedGet    // and that of its GET
	DeniedScript // what it calls cannot be judged
)

// Verdict is what is wrong with a command, and with which of its words.
type Verdict struct {
	Reason Reason
	Pos    int // of the key or channel in the command's words
}

// OK reports whether nothing is wrong.
func (v Verdict) OK() bool { return v.Reason == Allowed }

// Judge is for one call at a time: what it looks at is kept to be used again, so that judging takes no memory.
type Judge struct {
	keys []command.Key
	// Strict denies a call whose keys cannot be told to those who may not touch all. Redis lets it go on, to find out itself
	// what is wrong with it; where the call goes to a server that may know more than the table does, that would be too much.
	Strict bool
}

// Check judges a call of spec, which has as many words as it must.
func (j *Judge) Check(r *Rights, spec *command.Spec, args [][]byte) Verdict {
	if r.unlimited {
		return Verdict{}
	}
	sole := soleKeys()[spec.Index]
	var keys []command.Key
	broken, known := false, sole.pos > 0
	worst := Verdict{Reason: DeniedCommand}
	full := false // a selector that allows the call may read every key
	allowed := false
	for i := range r.selectors {
		s := &r.selectors[i]
		if !s.command(spec, args) {
			continue
		}
		if !s.allKeys && !known && spec.HasKeys() {
			keys, broken = j.find(spec, args)
			known = true
		}
		v := s.touch(spec, args, sole, keys, broken && j.Strict)
		if v.OK() {
			if !sorts(spec) {
				return v
			}
			allowed = true
			full = full || s.readsAll()
			continue
		}
		if v.Reason > worst.Reason || v.Reason == worst.Reason && v.Pos > worst.Pos {
			worst = v
		}
	}
	switch {
	case !allowed:
		return worst
	case full:
		return Verdict{}
	}
	return sortPatterns(args)
}

// find returns the keys of a call; broken says that it has some, and nobody can tell which.
func (j *Judge) find(spec *command.Spec, args [][]byte) (keys []command.Key, broken bool) {
	keys, err := spec.AppendKeys(j.keys[:0], args)
	j.keys = keys
	return keys, err != nil
}

// command reports whether a command may be called, whatever it touches. Who is not logged in yet must be able to.
func (s *selector) command(spec *command.Spec, args [][]byte) bool {
	if s.all || spec.Flags.Has(command.NoAuth) || s.commands.has(spec) {
		return true
	}
	if len(args) < 2 {
		return false
	}
	for _, first := range s.firstArgs[spec.Index] {
		if equalFold(args[1], first) {
			return true
		}
	}
	return false
}

// soleKey is the key of a command that always has one, at the same place.
type soleKey struct {
	pos    int // 0: it is not so simple
	access access
}

// soleKeys are those of all commands, by [command.Spec.Index]: most are so simple.
var soleKeys = sync.OnceValue(func() []soleKey {
	const special = command.KeyNotKey | command.KeyIncomplete | command.KeyVariableFlags
	sole := make([]soleKey, command.Len())
	for spec := range command.Known() {
		if len(spec.KeySpecs) != 1 {
			continue
		}
		k := spec.KeySpecs[0]
		if k.Begin.Type == "index" && k.Find.Type == "range" && k.Find.LastKey == 0 && k.Flags&special == 0 && k.Begin.Index < max(spec.Arity, -spec.Arity) {
			sole[spec.Index] = soleKey{k.Begin.Index, accessOf(k.Flags)}
		}
	}
	return sole
})

// touch judges what a call touches. blind says that its keys are not known, and must be.
func (s *selector) touch(spec *command.Spec, args [][]byte, sole soleKey, keys []command.Key, blind bool) Verdict {
	if !s.allKeys {
		switch {
		case blind:
			return Verdict{Reason: DeniedKey}
		case sole.pos > 0 && !s.key(args[sole.pos], sole.access):
			return Verdict{DeniedKey, sole.pos}
		}
		for _, k := range keys {
			if !s.key(args[k.Pos], accessOf(k.Flags)) {
				return Verdict{DeniedKey, k.Pos}
			}
		}
	}
	if !s.allChannels {
		first, after, pattern := channelsOf(spec, args)
		for pos := first; pos < after; pos++ {
			if !s.channel(args[pos], pattern) {
				return Verdict{DeniedChannel, pos}
			}
		}
	}
	return Verdict{}
}

// accessOf is what a command does to a key: it reads the value, or it changes it; some only look at the key.
func accessOf(f command.KeyFlags) (a access) {
	if f&command.KeyAccess != 0 {
		a |= reads
	}
	if f&(command.KeyInsert|command.KeyDelete|command.KeyUpdate) != 0 {
		a |= writes
	}
	return a
}

func (s *selector) key(name []byte, a access) bool {
	for i := range s.keys {
		if p := &s.keys[i]; p.access&a == a && p.match(name) {
			return true
		}
	}
	return false
}

// match is glob.Match; most patterns only say how a name begins.
func (p *keyPattern) match(name []byte) bool {
	if p.begins > 0 {
		return bytes.HasPrefix(name, p.pattern[:p.begins])
	}
	return glob.Match(p.pattern, name, false)
}

// channel reports whether a channel may be used. A pattern is only allowed in the same words.
func (s *selector) channel(name []byte, pattern bool) bool {
	for _, p := range s.channels {
		if pattern && bytes.Equal(p, name) || !pattern && glob.Match(p, name, false) {
			return true
		}
	}
	return false
}

// channelsOf returns which words of a call are channels to be used, or patterns of them.
func channelsOf(spec *command.Spec, args [][]byte) (first, after int, pattern bool) {
	if spec.Categories&command.CatPubSub == 0 {
		return 0, 0, false
	}
	switch spec.Name {
	case "SUBSCRIBE", "SSUBSCRIBE":
		return 1, len(args), false
	case "PSUBSCRIBE":
		return 1, len(args), true
	case "PUBLISH", "SPUBLISH":
		return 1, min(2, len(args)), false
	}
	return 0, 0, false
}

func sorts(spec *command.Spec) bool { return spec.Name == "SORT" || spec.Name == "SORT_RO" }

// readsAll reports whether every key may be read.
func (s *selector) readsAll() bool {
	if s.allKeys {
		return true
	}
	for _, p := range s.keys {
		if p.access&reads != 0 && string(p.pattern) == "*" {
			return true
		}
	}
	return false
}

// sortPatterns finds in a SORT the first option by which it would look at keys that it does not name.
func sortPatterns(args [][]byte) Verdict {
	for i := 2; i < len(args); i++ {
		switch more := len(args) - 1 - i; {
		case equalFold(args[i], "LIMIT") && more >= 2:
			i += 2
		case equalFold(args[i], "STORE") && more >= 1:
			i++
		case equalFold(args[i], "BY") && more >= 1:
			if i++; bytes.IndexByte(args[i], '*') >= 0 {
				return Verdict{DeniedBy, i}
			}
		case equalFold(args[i], "GET") && more >= 1:
			return Verdict{DeniedGet, i + 1}
		}
	}
	return Verdict{}
}

// equalFold compares ASCII letters in either case.
func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
