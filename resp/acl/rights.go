package acl

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"slices"

	"github.com/omniproxy/omniproxy/resp/command"
)

// Rights are what a user may do, and how it logs in.
type Rights struct {
	on        bool
	noPass    bool
	sanitize  sanitize
	passwords [][sha256.Size]byte
	selectors []selector // any of them may allow a command; the first is the one outside of parentheses
	unlimited bool       // one of them allows everything
}

// sanitize is what is said about payloads of RESTORE. It is remembered and shown; here every payload is checked.
type sanitize uint8

const (
	sanitizeUnsaid sanitize = iota
	sanitizeSkip
	sanitizeAlways
)

// selector is a set of commands, with the keys and channels that they may touch.
type selector struct {
	commands    bits
	all         bool             // every command, also one that is not known
	future      bool             // the commands are told by what is missing from all
	firstArgs   map[int][]string // of commands not allowed otherwise, by [command.Spec.Index]
	allKeys     bool
	keys        []keyPattern
	allChannels bool
	channels    [][]byte // patterns
}

// access is what is done to a key.
type access uint8

const (
	reads access = 1 << iota
	writes
	readsAndWrites = reads | writes
)

type keyPattern struct {
	access  access
	pattern []byte
	begins  int // so many bytes are plain, and a * ends it; 0: it is not so simple
}

func newKeyPattern(a access, pattern []byte) keyPattern {
	p := keyPattern{access: a, pattern: bytes.Clone(pattern)}
	if i := bytes.IndexAny(pattern, `*?[\`); i > 0 && i == len(pattern)-1 && pattern[i] == '*' {
		p.begins = i
	}
	return p
}

// bits has a bit for each command, by [command.Spec.Index].
type bits []uint64

func newBits() bits { return make(bits, (command.Len()+63)/64) }

func (b bits) has(s *command.Spec) bool { return b[s.Index/64]&(1<<(s.Index%64)) != 0 }

func (b bits) set(s *command.Spec, on bool) {
	if on {
		b[s.Index/64] |= 1 << (s.Index % 64)
	} else {
		b[s.Index/64] &^= 1 << (s.Index % 64)
	}
}

// newSelector allows nothing but, if it says so, channels.
func newSelector(allChannels bool) selector {
	return selector{commands: newBits(), allChannels: allChannels}
}

// newRights are those of a user that was just made.
func newRights(allChannels bool) *Rights {
	return &Rights{selectors: []selector{newSelector(allChannels)}}
}

// allRights are those of the default user until somebody changes them.
func allRights() *Rights {
	r := newRights(true)
	root := r.root()
	root.allKeys = true
	root.allowAll()
	r.on, r.noPass = true, true
	return r.seal()
}

func (r *Rights) root() *selector { return &r.selectors[0] }

// clone returns rights that may be changed until they are sealed.
func (r *Rights) clone() *Rights {
	c := *r
	c.passwords = slices.Clone(r.passwords)
	c.selectors = make([]selector, len(r.selectors))
	for i, s := range r.selectors {
		s.commands, s.keys, s.channels = slices.Clone(s.commands), slices.Clone(s.keys), slices.Clone(s.channels)
		s.firstArgs = maps.Clone(s.firstArgs)
		c.selectors[i] = s
	}
	return &c
}

// seal is called when nothing is to be changed any more.
func (r *Rights) seal() *Rights {
	r.unlimited = slices.ContainsFunc(r.selectors, func(s selector) bool { return s.all && s.allKeys && s.allChannels })
	return r
}

// Unlimited reports whether everything is allowed: then nothing needs to be looked at.
func (r *Rights) Unlimited() bool { return r.unlimited }

// NoPass reports whether any password is right.
func (r *Rights) NoPass() bool { return r.noPass }

// Open reports whether anybody may log in, with any password.
func (r *Rights) Open() bool { return r.on && r.noPass }

// Enterable reports whether somebody may log in who knows how.
func (r *Rights) Enterable() bool { return r.on && (r.noPass || len(r.passwords) > 0) }

// admits compares a password's sum with all there are, in the same time however much of one is right.
func (r *Rights) admits(sum *[sha256.Size]byte) bool {
	right := 0
	for i := range r.passwords {
		right |= subtle.ConstantTimeCompare(sum[:], r.passwords[i][:])
	}
	return r.on && (r.noPass || right == 1)
}

// allChannels reports whether the user may subscribe to anything.
func (r *Rights) allChannels() bool {
	return slices.ContainsFunc(r.selectors, func(s selector) bool { return s.allChannels })
}

// MayHear reports whether who has subscribed to a channel, or to a pattern, may stay so, whichever commands are allowed.
func (r *Rights) MayHear(name string, pattern bool) bool {
	return slices.ContainsFunc(r.selectors, func(s selector) bool { return s.allChannels || s.channel([]byte(name), pattern) })
}

// hearsAsMuch reports whether every channel that was allowed before is allowed in the same words. Then nobody is asked
// whether it may stay.
func (r *Rights) hearsAsMuch(before *Rights) bool {
	if r.allChannels() {
		return true
	}
	var mine [][]byte
	for _, s := range r.selectors {
		mine = append(mine, s.channels...)
	}
	for _, s := range before.selectors {
		if s.allChannels || slices.ContainsFunc(s.channels, func(c []byte) bool { return !contains(mine, c) }) {
			return false
		}
	}
	return true
}

func contains(list [][]byte, b []byte) bool {
	return slices.ContainsFunc(list, func(c []byte) bool { return bytes.Equal(b, c) })
}
