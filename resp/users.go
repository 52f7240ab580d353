package resp

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// Users are who may log in besides the default user, each with the SHA-256 sums of the passwords that are right.
type Users map[string][][sha256.Size]byte

// SetUsers is called before the first client comes. Where there are users and no password, nobody is the default user.
func (v *Server) SetUsers(users Users) { v.users = users }

// open reports whether clients need not log in.
func (v *Server) open() bool { return v.password.Load() == nil && len(v.users) == 0 }

// rightPassword tells in the same time however much of a guess is right.
func (v *Server) rightPassword(user string, guess []byte) bool {
	sum := sha256.Sum256(guess)
	if sums, ok := v.users[user]; ok {
		right := 0
		for _, want := range sums {
			right |= subtle.ConstantTimeCompare(sum[:], want[:])
		}
		return right == 1
	}
	want := v.password.Load()
	return user == defaultUser && (v.open() || want != nil && subtle.ConstantTimeCompare(sum[:], want.hash[:]) == 1)
}

// Authenticate logs the client in. Without a password or users, the default user's password is any.
func (s *Session) Authenticate(user, pass []byte) error {
	if !s.server.rightPassword(string(user), pass) {
		return wire.ErrWrongPass
	}
	s.Client.authenticated = true
	s.Client.setUser(string(user))
	return nil
}
