package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp/acl"
)

func usersIn(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsersAreThoseOfTheFileAndRequirepass(t *testing.T) {
	local, anywhere := Address{"tcp", "127.0.0.1:6380"}, Address{"tcp", "0.0.0.0:6380"}
	for _, test := range []struct {
		file     string
		password Secret
		listen   Address
		open     bool // clients need not log in
		rights   bool // the default user may log in as --requirepass says
		err      string
	}{
		{open: true, listen: local},
		{password: "secret", rights: true, listen: local},
		{file: "user a on >x\n", listen: anywhere},
		{file: "user a on >x\n", password: "secret", rights: true, listen: local},
		{file: "user a on >x\nuser default on nopass\n", open: true, listen: local},
		{file: "user default on >secret\n", password: "secret", rights: true, listen: local},
		{file: "user a on >x\nuser default on nopass\n", listen: anywhere, err: "the default user needs no password: protected mode"},
		{file: "user default on >other\n", password: "secret", listen: local, err: "it says who the default user is, and --requirepass does: choose one"},
		{file: "user a off >x\n", listen: local, err: "nobody may log in; write lines such as: user NAME on >PASSWORD ~* &* +@all"},
		{file: "user a on >secret nosuch\n", listen: local, err: ":1: Syntax error"},
	} {
		s := Settings{Listen: test.listen, Password: test.password}
		if test.file != "" {
			s.Users = usersIn(t, test.file)
		}
		users, err := s.readUsers()
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) || !strings.HasPrefix(err.Error(), "--users") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		if users.Open() != test.open || (users.Login(acl.DefaultName, []byte("secret")) != nil) != (test.rights || test.open) {
			t.Errorf("%+v:\n%s", test, users.Text())
		}
	}
	if _, err := (Settings{Users: "/none/such"}).readUsers(); err == nil || err.Error() != "--users: Error loading ACLs, opening file '/none/such': no such file or directory" && runtime.GOOS == "linux" {
		t.Error(err)
	}
}

func TestTheFileOfUsersIsReplacedAtOnceAndKeepsItsMode(t *testing.T) {
	path := usersIn(t, "old\n")
	dir := filepath.Dir(path)
	link, fresh := filepath.Join(dir, "link"), filepath.Join(dir, "new")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{link: 0o640, fresh: 0o600} {
		if err := usersFile(name).Write([]byte("text\n")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(name); string(text) != "text\n" || info.Mode().Perm() != mode && runtime.GOOS == "linux" {
			t.Errorf("%s: %q, mode %v, %v", name, text, info.Mode(), err)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if err := usersFile(filepath.Join(dir, "none", "users")).Write(nil); err == nil {
		t.Error("no error")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}
}
