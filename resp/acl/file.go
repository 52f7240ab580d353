package acl

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// File is where users are kept, one a line, as in Redis' aclfile: user NAME RULE...
type File interface {
	Name() string
	Read() ([]byte, error)
	// Write replaces the text at once, or leaves it as it was.
	Write(text []byte) error
}

// NothingChanged ends the error of a file that was refused.
const NothingChanged = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"

// Load reads the file again: who is not in it is deleted, and if one rule is wrong everything stays as it was. The error is
// the reply.
//
// A file that does not say who the default user is leaves it to requirepass; where there is no such password either, nobody
// is the default user. (With Redis everybody is, and may do everything.)
func (u *Users) Load(accept func(*User, *Rights) error) (Change, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.file == nil {
		return Change{}, wire.ErrNoACLFile
	}
	text, err := u.file.Read()
	if err != nil {
		return Change{}, wire.Errorf("ERR Error loading ACLs, opening file '%s': %s", u.file.Name(), reason(err))
	}
	read, err := u.read(text)
	if err != nil {
		return Change{}, err
	}
	if read[DefaultName] == nil {
		r := allRights().withPassword(u.password)
		r.on = u.password != ""
		read[DefaultName] = r
	}
	if accept != nil {
		if err := accept(u.deflt, read[DefaultName]); err != nil {
			return Change{}, err
		}
	}
	return u.replace(read), nil
}

// reason is the innermost cause: what the system says.
func reason(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// Become makes the users those that next are, with their file and requirepass. Who is in both stays logged in. Nobody may
// use next meanwhile.
func (u *Users) Become(next *Users) Change {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.file, u.password = next.file, next.password
	rights := map[string]*Rights{}
	for name, user := range next.byName {
		rights[name] = user.Rights()
	}
	return u.replace(rights)
}

// replace makes users those that were read. The caller holds mu.
func (u *Users) replace(read map[string]*Rights) (c Change) {
	for name, user := range u.byName {
		if read[name] == nil {
			delete(u.byName, name)
			c.Gone = append(c.Gone, user)
		}
	}
	for name, r := range read {
		if user := u.byName[name]; user != nil {
			c.Less = append(c.Less, user.become(r).Less...)
		} else {
			u.byName[name] = newUser(name, r)
		}
	}
	return c
}

// read reads the text of a file. The error tells of every line that is wrong, and quotes nothing but names.
func (u *Users) read(text []byte) (map[string]*Rights, error) {
	read := map[string]*Rights{}
	var wrong strings.Builder
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.Trim(line, " \t\r\n")
		if len(line) == 0 {
			continue
		}
		words := bytes.Split(line, []byte(" ")) // a space and nothing else: whatever else there is may be part of a name
		at := fmt.Sprintf("%s:%d", u.file.Name(), number)
		if string(words[0]) != "user" || len(words) < 2 {
			fmt.Fprintf(&wrong, "%s should start with user keyword followed by the username. ", at)
			continue
		}
		name := string(words[1])
		if !plain(words[1]) {
			fmt.Fprintf(&wrong, "'%s: username '%s' contains invalid characters. ", at, name)
			continue
		}
		if read[name] != nil {
			fmt.Fprintf(&wrong, "WARNING: Duplicate user '%s' found on line %d. ", name, number)
			continue
		}
		r, complaints := u.readRules(words[2:], at)
		wrong.WriteString(complaints)
		read[name] = r.seal()
	}
	if wrong.Len() > 0 {
		return nil, wire.Error("ERR " + wrong.String() + NothingChanged)
	}
	return read, nil
}

// readRules reads the rules of a line. Every unknown command is told, of other mistakes the first.
func (u *Users) readRules(words [][]byte, at string) (r *Rights, complaints string) {
	r = newRights(u.allChannels)
	rules, unmatched := merge(words)
	if unmatched != nil {
		return r, at + ": Unmatched parenthesis in selector definition."
	}
	told := false
	for _, rule := range rules {
		rule = bytes.Trim(rule, "\t\r\n")
		switch err := r.apply(rule, u.allChannels); {
		case err == wire.ReasonUnknownRule && rule[0] != '(':
			complaints += fmt.Sprintf("%s: Error in applying operation '%s': %s. ", at, rule, err)
		case err != nil && !told:
			complaints += fmt.Sprintf("%s: %s. ", at, err)
			told = true
		}
	}
	return r, complaints
}

// Save writes the users to the file.
func (u *Users) Save() error {
	text := u.Text()
	u.mu.Lock()
	file := u.file
	u.mu.Unlock()
	if file == nil {
		return wire.ErrNoACLFile
	}
	return file.Write(text)
}
