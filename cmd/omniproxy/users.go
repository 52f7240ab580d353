package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/omniproxy/omniproxy/resp/acl"
)

// readUsers returns who may log in: as --users says, and --requirepass. Errors name lines and quote no password.
func (s Settings) readUsers() (*acl.Users, error) {
	if s.Users == "" {
		users := acl.NewUsers(nil)
		users.SetPassword(string(s.Password))
		return users, nil
	}
	users := acl.NewUsers(usersFile(s.Users))
	users.SetPassword(string(s.Password))
	if _, err := users.Load(nil); err != nil {
		told, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "ERR "), acl.NothingChanged)
		return nil, fmt.Errorf("--users: %s", strings.TrimRight(told, ". "))
	}
	enterable := func(u *acl.User) bool { return u.Rights().Enterable() }
	switch {
	case !slices.ContainsFunc(users.All(), enterable):
		return nil, fmt.Errorf("--users=%s: nobody may log in; write lines such as: user NAME on >PASSWORD ~* &* +@all", s.Users)
	case s.Password != "" && users.Login(acl.DefaultName, []byte(s.Password)) == nil:
		return nil, fmt.Errorf("--users=%s: it says who the default user is, and --requirepass does: choose one", s.Users)
	case users.Open():
		if err := protectedMode(s.Listen.String(), false); err != nil {
			return nil, fmt.Errorf("--users=%s: the default user needs no password: %w", s.Users, err)
		}
	}
	return users, nil
}

// usersFile is a file of users, by its path.
type usersFile string

// mostUsersText is as many bytes of users as are read.
const mostUsersText = 64 << 20

// Name is the path as it was given.
func (f usersFile) Name() string { return string(f) }

func (f usersFile) Read() ([]byte, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mostUsersText+1))
	if len(text) > mostUsersText {
		return nil, errors.New("the file is too large")
	}
	return text, err
}

// Write replaces the file, or what it is a link to: after a crash it is the old one or the new one. Its mode stays; a new one
// is for the owner alone.
func (f usersFile) Write(text []byte) (err error) {
	path := string(f)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(part.Name())
		}
	}()
	_, err = part.Write(text)
	if info, stat := os.Stat(path); stat == nil && err == nil {
		err = part.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	if err = os.Rename(part.Name(), path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes a renaming last. Windows has no such thing.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
