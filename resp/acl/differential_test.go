package acl

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/redistest"
	"github.com/omniproxy/omniproxy/resp/wire"
)

var (
	users = flag.Int("users", 100, "how many random users are compared with Redis'")
	seed  = flag.Uint64("seed", 0, "of the random users; 0: another one each time")
)

// The same rules make the same users, or are refused with the same errors; and the same calls are allowed to them.
func TestRandomUsersAreLikeRedis(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	r := &author{rand.New(rand.NewPCG(*seed, 0)), slices.Collect(command.All())}
	redis := redis.NewClient(&redis.Options{Addr: redistest.Start(t), Protocol: 2})
	defer redis.Close()
	for range *users {
		ours := NewUsers(nil)
		do(t, redis, "ACL", "DELUSER", "u")
		for range 1 + r.IntN(4) {
			rules := r.rules(1 + r.IntN(12))
			_, err := ours.Set([]byte("u"), byteWords(rules), nil)
			compare(t, rules, do(t, redis, append([]string{"ACL", "SETUSER", "u"}, rules...)...), text(nil, err))
		}
		user := ours.Get("u")
		if user == nil {
			continue
		}
		list := do(t, redis, "ACL", "LIST")
		compare(t, "ACL LIST", strings.TrimPrefix(list[strings.Index(list, "user u "):], "user u "), sorted(user.Rights().String()))
		for range 200 {
			call := r.call()
			want := do(t, redis, append([]string{"ACL", "DRYRUN", "u"}, call...)...)
			if strings.HasPrefix(want, "(error)") {
				continue // it is no call
			}
			spec, _ := command.Check(byteWords(call))
			if _, err := spec.Keys(byteWords(call)); err != nil {
				continue // it does not say which its keys are: Redis guesses what it will refuse
			}
			compare(t, fmt.Sprintf("%q of %s", call, list), want, dryRun(user, call))
		}
	}
}

func compare(t *testing.T, what any, redis, ours string) {
	t.Helper()
	if redis != ours {
		t.Fatalf("%s (-redis +ours):\n%s", what, cmp.Diff(redis, ours))
	}
}

func do(t *testing.T, c *redis.Client, words ...string) string {
	t.Helper()
	args := make([]any, len(words))
	for i, w := range words {
		args[i] = w
	}
	return text(c.Do(t.Context(), args...).Result())
}

// text is a reply to be compared. The order of single commands in rules is chance.
func text(reply any, err error) string {
	switch {
	case err != nil:
		return "(error) " + strings.ReplaceAll(err.Error(), "\n", " ") // an error is one line
	case reply == nil:
		return "OK"
	}
	if list, ok := reply.([]any); ok {
		lines := make([]string, len(list))
		for i, item := range list {
			lines[i] = sorted(fmt.Sprint(item))
		}
		return strings.Join(lines, "\n")
	}
	return fmt.Sprint(reply)
}

// sorted puts single commands in order, within each run of them.
func sorted(rules string) string {
	rules = strings.ReplaceAll(strings.ReplaceAll(rules, "(", " ( "), ")", " ) ")
	words := strings.Fields(rules)
	single := func(w string) bool { return (w[0] == '+' || w[0] == '-') && w[1] != '@' }
	for i := 0; i < len(words); i++ {
		end := i
		for end < len(words) && single(words[end]) {
			end++
		}
		slices.Sort(words[i:end])
		i = max(i, end-1)
	}
	return strings.Join(words, " ")
}

func dryRun(u *User, call []string) string {
	words := byteWords(call)
	spec, _ := command.Check(words)
	switch v := new(Judge).Check(u.Rights(), spec, words); v.Reason {
	case DeniedCommand:
		return "This user has no permissions to run the '" + spec.FullName + "' command"
	case DeniedKey:
		return "This user has no permissions to access the '" + call[v.Pos] + "' key"
	case DeniedChannel:
		return "This user has no permissions to access the '" + call[v.Pos] + "' channel"
	}
	return "OK"
}

func byteWords(words []string) [][]byte {
	list := make([][]byte, len(words))
	for i, w := range words {
		list[i] = []byte(w)
	}
	return list
}

// Files are read as Redis reads them: what separates words there is a space, and nothing that only looks like one.
func TestFilesAreReadAsByRedis(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	redis := redis.NewClient(&redis.Options{Addr: redistest.Start(t, "--aclfile", path), Protocol: 2})
	defer redis.Close()
	for _, line := range []string{
		"user u on nopass +get ~a",
		" \tuser u  on \t +get   ~a\t \r",
		"user u on >a\u00a0b ~a\u00a0~*",
		"user u on ~a\u3000+@all",
		"user u on ~a\v+@all",
		"user u on\t+get",
		"user u on >a\tb",
		"user\tu on",
		"user u\u0085v on",
		"user u\v on",
		"user  on +get",
		`user u (~"a" '+get')`,
		"user u (~a\t+get)",
		"user u (~a\u2028+get)",
		"user u ( ~a +get )",
		"User u on",
	} {
		write("user default on nopass ~* &* +@all\n" + line + "\n")
		file := paper("user default on nopass ~* &* +@all\n" + line + "\n")
		ours := NewUsers(&file)
		_, err := ours.Load(nil)
		compare(t, fmt.Sprintf("%q", line), strings.ReplaceAll(do(t, redis, "ACL", "LOAD"), path, file.Name()), text(nil, err))
		if err == nil {
			compare(t, fmt.Sprintf("%q", line), do(t, redis, "ACL", "LIST"), listed(ours))
		}
	}
}

// listed is ACL LIST.
func listed(u *Users) string {
	var lines []any
	for line := range strings.Lines(string(u.Text())) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return text(lines, nil)
}

// author invents rules and calls.
type author struct {
	*rand.Rand
	commands []*command.Spec
}

func (a *author) of(words ...string) string { return words[a.IntN(len(words))] }

func (a *author) command() string { return a.commands[a.IntN(len(a.commands))].FullName }

func (a *author) rules(n int) []string {
	rules := make([]string, n)
	for i := range rules {
		rules[i] = a.rule(true)
	}
	return rules
}

func (a *author) rule(root bool) string {
	switch a.IntN(12) {
	case 0, 1:
		return a.of("+", "-") + a.command()
	case 2, 3:
		return a.of("+@", "-@") + strings.TrimPrefix(a.of((^command.Categories(0)).Names()...), "@")
	case 4:
		return a.of("+@all", "-@all", "allcommands", "nocommands", "+@ALL", "+@nosuch", "+nosuch", "-config|nosuch", "+get|x|y", "+config|get|x", "+get|", "+select|0", "+SELECT|1", "-select|0", "+select|0", "+debug|object", "+client|", "-client", "+client|id", "+client|list", "-config|get", "+cOnFiG|SeT")
	case 5, 6:
		return a.of("~a*", "~*b", "~a", "%R~a*", "%W~a*", "%r~*", "%RW~b", "%wr~c", "~*", "allkeys", "resetkeys", "resetkeys", "%R~*", "%X~a", "%RR~a", "~", "%R~", "~a b", "~[ab]?", "~a\u00a0b", "%R", "%wr", "%", "%~a", `~"a"`, `~"a b"`, `"~b"`, `""`, `'+get'`, `~"a`)
	case 7:
		return a.of("&a*", "&b", "&*", "allchannels", "resetchannels", "resetchannels", "&", "& x", "&[ab]")
	}
	if !root {
		return "+" + a.command()
	}
	switch a.IntN(5) {
	case 0:
		return a.of("on", "off", "ON", "nopass", "resetpass", "reset", "clearselectors", "sanitize-payload", "skip-sanitize-payload", "", "nosuch", "(", "(+get", "+get)", "()", "(~*)", `(~"a b" +get)`, `("")`, "(+get\t~a\n~b)")
	case 1:
		return a.of(">", "<", "#", "!") + a.of("p", "q", "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8", "5E884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8", "xx884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8")
	}
	words := make([]string, a.IntN(5))
	for i := range words {
		words[i] = a.rule(false)
	}
	return "(" + strings.Join(words, " ") + ")"
}

// call invents arguments that look like those of some command.
func (a *author) call() []string {
	spec := a.commands[a.IntN(len(a.commands))]
	words := strings.Split(spec.FullName, "|")
	most := spec.Arity
	if most < 0 {
		most = -most + a.IntN(5)
	}
	for len(words) < most {
		words = append(words, a.of("a", "b", "ab", "ba", "c", "x", "0", "1", "2", "1", "3", "STREAMS", "KEYS", "STORE", "BY", "GET", "LIMIT", "", "GROUP", "COUNT", "*", "a*", "STOREDIST", "FREQ", "AUTH"))
	}
	return words
}

// The errors of a package are values of its own: an error of Set is what Redis would say.
func TestErrorsOfRulesAreReplies(t *testing.T) {
	_, err := NewUsers(nil).Set([]byte("u"), byteWords([]string{"nosuch"}), nil)
	if _, ok := errors.AsType[wire.Error](err); !ok {
		t.Errorf("%T", err)
	}
}
