package acl

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// DefaultName is who a client is that does not say.
const DefaultName = "default"

// User is who clients log in as. It stays the same while its rights change.
type User struct {
	Name   string
	rights atomic.Pointer[Rights]
}

// Rights are what the user may do now.
func (u *User) Rights() *Rights { return u.rights.Load() }

func newUser(name string, r *Rights) *User {
	u := &User{Name: name}
	u.rights.Store(r)
	return u
}

// Users are who may log in, and what was denied to them. They may be used from any goroutine.
type Users struct {
	Log Log

	deflt *User // always in byName

	mu          sync.Mutex
	file        File // nil: there is none
	byName      map[string]*User
	allChannels bool   // what new users may subscribe to
	password    string // the default user's, as requirepass has it: what CONFIG GET shows
}

// NewUsers returns the default user alone, who needs no password and may do everything. file is where ACL LOAD and ACL SAVE
// find users; nil is nowhere.
func NewUsers(file File) *Users {
	d := newUser(DefaultName, allRights())
	u := &Users{file: file, deflt: d, byName: map[string]*User{DefaultName: d}}
	u.Log.SetMost(mostDenials)
	return u
}

// Default is who a client is that does not say. It is never deleted.
func (u *Users) Default() *User { return u.deflt }

// Open reports whether clients need not log in.
func (u *Users) Open() bool { return u.deflt.Rights().Open() }

// Get returns nil if there is no such user.
func (u *Users) Get(name string) *User {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byName[name]
}

// All returns the users by name.
func (u *Users) All() []*User {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.SortedFunc(maps.Values(u.byName), func(a, b *User) int { return cmp.Compare(a.Name, b.Name) })
}

// Login returns the user if the password is right, else nil. A name that nobody has takes as long.
func (u *Users) Login(name string, password []byte) *User {
	sum := sha256.Sum256(password)
	user := u.Get(name)
	if user == nil || !user.Rights().admits(&sum) {
		return nil
	}
	return user
}

// SetPassword is requirepass: the default user's only password, "" for none.
func (u *Users) SetPassword(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.password = text
	u.deflt.rights.Store(u.deflt.Rights().withPassword(text))
}

func (r *Rights) withPassword(text string) *Rights {
	c := r.clone()
	c.passwords, c.noPass = nil, text == ""
	if text != "" {
		c.passwords = append(c.passwords, sha256.Sum256([]byte(text)))
	}
	return c.seal()
}

// Password returns what SetPassword was told.
func (u *Users) Password() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.password
}

// SetAllChannels is acl-pubsub-default: whether users to come may use every channel until a rule says otherwise.
func (u *Users) SetAllChannels(yes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.allChannels = yes
}

// Change is what became of users.
type Change struct {
	Gone []*User // who is deleted: nobody may be this user any more
	Less []*User // who may have lost channels: whoever is subscribed to one is to be asked whether it may stay
}

// Set changes a user by rules, or makes a new one; all of the rules count or none. accept, if not nil, is asked about the
// rights before they count. The error is the reply.
func (u *Users) Set(name []byte, words [][]byte, accept func(*User, *Rights) error) (Change, error) {
	if !plain(name) {
		return Change{}, wire.ErrUserName
	}
	rules, unmatched := merge(words)
	if unmatched != nil {
		return Change{}, wire.UnmatchedSelector(unmatched)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	user := u.byName[string(name)]
	next := newRights(u.allChannels)
	if user != nil {
		next = user.Rights().clone()
	}
	for _, rule := range rules {
		if err := next.apply(rule, u.allChannels); err != nil {
			return Change{}, wire.BadRule(rule, err)
		}
	}
	next.seal()
	if accept != nil {
		if err := accept(user, next); err != nil {
			return Change{}, err
		}
	}
	if user == nil {
		u.byName[string(name)] = newUser(string(name), next)
		return Change{}, nil
	}
	return user.become(next), nil
}

// become gives a user other rights.
func (u *User) become(next *Rights) (c Change) {
	if before := u.rights.Swap(next); !next.hearsAsMuch(before) {
		c.Less = []*User{u}
	}
	return c
}

// Delete deletes those of the names that are users. The default user is not among them.
func (u *Users) Delete(names [][]byte) (c Change) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range names {
		if user := u.byName[string(name)]; user != nil && user != u.deflt {
			delete(u.byName, user.Name)
			c.Gone = append(c.Gone, user)
		}
	}
	return c
}

// Text is the users as a file has them, a line for each.
func (u *Users) Text() []byte {
	var b bytes.Buffer
	for _, user := range u.All() {
		fmt.Fprintf(&b, "user %s %s\n", user.Name, user.Rights())
	}
	return b.Bytes()
}
