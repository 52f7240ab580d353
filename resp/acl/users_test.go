package acl

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// paper is a file that is none.
type paper string

func (f *paper) Name() string          { return "users" }
func (f *paper) Read() ([]byte, error) { return []byte(*f), nil }
func (f *paper) Write(b []byte) error  { *f = paper(b); return nil }

func names(list []*User) string {
	var names []string
	for _, u := range list {
		names = append(names, u.Name)
	}
	return strings.Join(names, " ")
}

func TestLoadReplacesUsersAndTellsWhoIsGone(t *testing.T) {
	f := paper("user alice on >one ~a* &* +@all\nuser bob on nopass\n\nuser default on nopass ~* &* +@all")
	u := NewUsers(&f)
	if _, err := u.Load(nil); err != nil {
		t.Fatal(err)
	}
	alice, def := u.Get("alice"), u.Default()
	if names(u.All()) != "alice bob default" || u.Login("alice", []byte("one")) != alice || u.Login("alice", []byte("two")) != nil || !u.Open() {
		t.Errorf("%s", u.Text())
	}
	f = "user alice on >two\nuser carol on >three\n"
	change, err := u.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if names(change.Gone) != "bob" || names(change.Less) != "alice default" && names(change.Less) != "alice" && names(change.Less) != "default alice" {
		t.Errorf("gone %s, less %s", names(change.Gone), names(change.Less))
	}
	if u.Get("alice") != alice || u.Default() != def || u.Login("alice", []byte("two")) != alice {
		t.Error("a user that stays is the same")
	}
	if u.Open() || u.Login("default", nil) != nil {
		t.Error("whom the file does not name may log in")
	}
}

func TestTheDefaultUserIsAsRequirepassSaysWhereTheFileDoesNot(t *testing.T) {
	f := paper("user alice on >one\n")
	u := NewUsers(&f)
	u.SetPassword("secret")
	if _, err := u.Load(nil); err != nil {
		t.Fatal(err)
	}
	if u.Login("default", []byte("secret")) != u.Default() || u.Login("default", []byte("one")) != nil {
		t.Errorf("%s", u.Text())
	}
}

func TestABadFileChangesNothingAndQuotesNoPassword(t *testing.T) {
	good := "user alice on >one ~* &* +@all\nuser default on nopass ~* &* +@all\n"
	for bad, want := range map[string]string{
		"user alice on >geheim +nosuch\n":            "users:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. ",
		"\nuser alice on >geheim geheim\n":           "users:2: Syntax error. ",
		"user alice on #geheim\n":                    "users:1: The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters. ",
		"user alice on <geheim\n":                    "users:1: The password you are trying to remove from the user does not exist. ",
		"user alice (+nosuch >geheim)\n":             "users:1: Unknown command or category name in ACL. ",
		"user alice (+get >geheim\n":                 "users:1: Unmatched parenthesis in selector definition.",
		"alice >geheim\n":                            "users:1 should start with user keyword followed by the username. ",
		"user\n":                                     "users:1 should start with user keyword followed by the username. ",
		"user a >geheim\nuser a\n":                   "WARNING: Duplicate user 'a' found on line 2. ",
		"user a ~* ~b x\nuser b +x -y\n# a remark\n": "users:1: Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns. users:2: Error in applying operation '+x': Unknown command or category name in ACL. users:2: Error in applying operation '-y': Unknown command or category name in ACL. users:3 should start with user keyword followed by the username. ",
	} {
		f := paper(good)
		u := NewUsers(&f)
		if _, err := u.Load(nil); err != nil {
			t.Fatal(err)
		}
		before := string(u.Text())
		f = paper(bad)
		_, err := u.Load(nil)
		if diff := cmp.Diff("ERR "+want+NothingChanged, fmt.Sprint(err)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", bad, diff)
		}
		if after := string(u.Text()); after != before {
			t.Errorf("%q has changed the users:\n%s", bad, cmp.Diff(before, after))
		}
	}
}

func TestSavedUsersAreReadAgain(t *testing.T) {
	var f paper
	u := NewUsers(&f)
	for _, rules := range []string{"alice on >one ~a* %R~b &c +@read -get (%W~* +set) +select|0", "bob off nopass skip-sanitize-payload", "default resetpass >x"} {
		words := byteWords(strings.Fields(rules))
		if _, err := u.Set(words[0], words[1:], nil); err != nil {
			t.Fatal(err)
		}
	}
	before := string(u.Text())
	if err := u.Save(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(f), "one") {
		t.Errorf("a password is written:\n%s", f)
	}
	again := NewUsers(&f)
	if _, err := again.Load(nil); err != nil {
		t.Fatal(err)
	}
	if after := string(again.Text()); after != before {
		t.Error(cmp.Diff(before, after))
	}
	if _, err := NewUsers(nil).Load(nil); err != wire.ErrNoACLFile {
		t.Error(err)
	}
}

func TestBecomeKeepsWhoIsInBoth(t *testing.T) {
	u, next := NewUsers(nil), NewUsers(nil)
	for _, users := range []*Users{u, next} {
		if _, err := users.Set([]byte("alice"), byteWords([]string{"on", ">one"}), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := u.Set([]byte("bob"), nil, nil); err != nil {
		t.Fatal(err)
	}
	next.SetPassword("secret")
	alice := u.Get("alice")
	change := u.Become(next)
	if names(change.Gone) != "bob" || u.Get("alice") != alice || u.Password() != "secret" || u.Login("default", []byte("secret")) == nil {
		t.Errorf("gone %s:\n%s", names(change.Gone), u.Text())
	}
}

func TestARefusedChangeChangesNothing(t *testing.T) {
	u := NewUsers(nil)
	before := string(u.Text())
	refused := errors.New("no")
	if _, err := u.Set([]byte("default"), byteWords([]string{"off"}), func(*User, *Rights) error { return refused }); err != refused {
		t.Error(err)
	}
	if _, err := u.Set([]byte("default"), byteWords([]string{"off", "nosuch"}), nil); err == nil {
		t.Error("no error")
	}
	if _, err := u.Set([]byte("a b"), nil, nil); err != wire.ErrUserName {
		t.Error(err)
	}
	if after := string(u.Text()); after != before {
		t.Error(cmp.Diff(before, after))
	}
}

func TestDenialsThatAreAlikeAreOneEntry(t *testing.T) {
	var l Log
	l.SetMost(3)
	at := time.Now()
	for i := range 20 {
		l.Add(Denied{Reason: "key", Object: fmt.Sprint(i % 5), User: "u"}, at.Add(time.Duration(i)*time.Second), "c")
	}
	var got []string
	for _, d := range l.Latest(10) {
		got = append(got, fmt.Sprint(d.Object, d.Count))
	}
	if diff := cmp.Diff([]string{"41", "31", "21"}, got); diff != "" { // what is forgotten is not alike
		t.Error(diff)
	}
	l.Add(Denied{Reason: "key", Object: "3", User: "u"}, at.Add(20*time.Second), "d")
	l.Add(Denied{Reason: "key", Object: "4", User: "u"}, at.Add(10*time.Minute), "d")
	if latest := l.Latest(2); latest[0].Count != 1 || latest[1].Count != 2 || latest[1].Client != "d" {
		t.Errorf("%+v", latest)
	}
	if l.Reset(); len(l.Latest(1)) != 0 {
		t.Error("not forgotten")
	}
}

// Whoever is denied chooses the words: what is remembered of them must not fill the memory.
func TestLittleIsRememberedOfLongWords(t *testing.T) {
	var l Log
	l.SetMost(1)
	long := strings.Repeat("x", 1000)
	l.Add(Denied{Reason: "auth", Object: long, User: long}, time.Now(), "c")
	want := strings.Repeat("x", 256) + "... (744 more bytes)"
	if d := l.Latest(1)[0]; d.Object != want || d.User != want {
		t.Errorf("%+v", d)
	}
	l.Add(Denied{Object: long[:256]}, time.Now(), "c")
	if d := l.Latest(1)[0]; d.Object != long[:256] {
		t.Errorf("%+v", d)
	}
}

// Where keys cannot be told a strict judge allows nothing less than all of them.
func TestAStrictJudgeDeniesWhatItCannotTell(t *testing.T) {
	u := NewUsers(nil)
	if _, err := u.Set([]byte("u"), byteWords([]string{"on", "~a*", "+@all", "&*"}), nil); err != nil {
		t.Fatal(err)
	}
	args := byteWords(strings.Fields("ZUNION x a"))
	spec, _ := command.Check(args)
	for strict, want := range map[bool]Reason{true: DeniedKey, false: Allowed} {
		if got := (&Judge{Strict: strict}).Check(u.Get("u").Rights(), spec, args); got.Reason != want {
			t.Errorf("strict %v: %v", strict, got)
		}
	}
}

func TestJudgingTakesNoMemory(t *testing.T) {
	rights, calls := limited(t)
	j := new(Judge)
	for _, c := range calls {
		j.Check(rights, c.spec, c.args)
	}
	for _, c := range calls {
		if n := testing.AllocsPerRun(100, func() { j.Check(rights, c.spec, c.args) }); n > 0 {
			t.Errorf("%s: %v", c.spec.Name, n)
		}
	}
}

type call struct {
	spec *command.Spec
	args [][]byte
}

func limited(t testing.TB) (*Rights, []call) {
	u := NewUsers(nil)
	if _, err := u.Set([]byte("u"), byteWords(strings.Fields("on nopass ~omni:* &omni:* +@all -@dangerous (%R~* +get)")), nil); err != nil {
		t.Fatal(err)
	}
	var calls []call
	for _, line := range []string{"GET omni:agent:t:n", "HSET omni:agent:t:n f v g w", "XADD omni-stream:t * data x", "PUBLISH omni:c m", "XREADGROUP GROUP g c COUNT 1 STREAMS omni:s >", "SET other x"} {
		args := byteWords(strings.Fields(line))
		spec, err := command.Check(args)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call{spec, args})
	}
	return u.Get("u").Rights(), calls
}

func BenchmarkCheck(b *testing.B) {
	rights, calls := limited(b)
	for name, r := range map[string]*Rights{"unlimited": allRights(), "limited": rights} {
		for _, c := range calls {
			b.Run(name+"/"+c.spec.Name, func(b *testing.B) {
				j := new(Judge)
				for b.Loop() {
					j.Check(r, c.spec, c.args)
				}
			})
		}
	}
}
