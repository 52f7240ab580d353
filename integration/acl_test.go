package integration

import (
	"context"
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

	"github.com/omniproxy/omniproxy/integration/dialog"
	"github.com/omniproxy/omniproxy/passthrough"
	"github.com/omniproxy/omniproxy/resp"
	facts "github.com/omniproxy/omniproxy/resp/command"
	"github.com/omniproxy/omniproxy/resp/redistest"
)

var users = flag.Int("users", 12, "how many random users are compared with Redis', on each backend")

// frontServer serves a proxy to a Redis of its own for the rest of the test.
func frontServer(t *testing.T, pool passthrough.Pool) (addr string) {
	t.Helper()
	b, err := passthrough.Open(passthrough.Options{URL: "redis://" + redistest.Start(t), Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Shutdown(context.Background()) })
	return listen(t, &resp.Server{Backend: b, Forward: true, BaseID: 1 << 40})
}

// Whatever users with the same rules ask for is allowed, or refused in the same words, as by Redis, and so is what ACL LOG,
// LIST, GETUSER and DRYRUN tell of it. What differs:
//
//   - the proxy refuses scripts to who may not do everything, for their commands run with the proxy's own rights;
//   - MODULE, which Redis refuses to everybody before it asks who it is, is refused by the proxy first;
//   - a call that names its keys wrongly: Redis lets it find out itself, or guesses;
//   - SORT with BY or GET inside MULTI is refused at once, not by EXEC.
func TestUsersMayDoWhatRedisAllows(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for name, start := range map[string]func(t *testing.T) string{
		"json":    func(t *testing.T) string { _, addr := memoryServer(t, ""); return addr },
		"shared":  func(t *testing.T) string { return frontServer(t, passthrough.Shared) },
		"session": func(t *testing.T) string { return frontServer(t, passthrough.Session) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Logf("seed %d", seed)
			a := &aclAuthor{Rand: rand.New(rand.NewPCG(seed, 0)), proxy: name != "json"}
			for spec := range facts.All() {
				if !unsafeInMulti[spec.Name] && (!spec.IsContainer() || spec.ArityOK(1)) {
					a.commands = append(a.commands, spec)
				}
			}
			both := [2]*aclSide{newSide(t, redistest.Start(t)), newSide(t, start(t))}
			for range *users {
				a.episode(t, both)
			}
		})
	}
}

// unsafeInMulti are commands that MULTI does not queue, and who logs in elsewhere.
var unsafeInMulti = map[string]bool{
	"EXEC": true, "DISCARD": true, "MULTI": true, "WATCH": true, "QUIT": true, "RESET": true, "AUTH": true, "HELLO": true,
	"SAVE": true, "SHUTDOWN": true, "SYNC": true, "PSYNC": true,
}

// aclSide is a server that is asked.
type aclSide struct {
	addr  string
	admin *redis.Client
}

func newSide(t *testing.T, addr string) *aclSide {
	c := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { c.Close() })
	return &aclSide{addr, c}
}

func (s *aclSide) do(words ...string) string {
	return fmt.Sprint(s.admin.Do(context.Background(), anyWords(words)...).Result())
}

// ask sends calls as the user, each in a transaction that is dropped if queued says so, and returns what is said to them.
func (s *aclSide) ask(t *testing.T, calls []aclCall) []string {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.addr, Username: "u", Password: "any", Protocol: 2, DisableIdentity: true, PoolSize: 1})
	defer c.Close()
	p := c.Conn().Pipeline()
	var asked []*redis.Cmd
	for _, call := range calls {
		if call.queued {
			p.Do(context.Background(), "MULTI")
		}
		asked = append(asked, p.Do(context.Background(), anyWords(call.words)...))
		if call.queued {
			p.Do(context.Background(), "DISCARD")
		}
	}
	p.Exec(context.Background())
	said := make([]string, len(asked))
	for i, cmd := range asked {
		var refusal redis.Error
		if err := cmd.Err(); err != nil && !errors.As(err, &refusal) && !errors.Is(err, redis.Nil) {
			t.Fatalf("%q: %v", calls[i].words, err)
		}
		said[i] = judgement(cmd.Err())
	}
	return said
}

// judgement is the error if it is about what the user may do.
func judgement(err error) string {
	if err != nil && (strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "insufficient ACL")) {
		return err.Error()
	}
	return "allowed"
}

func anyWords(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}

type aclCall struct {
	words  []string
	queued bool
}

// aclAuthor invents users and calls.
type aclAuthor struct {
	*rand.Rand
	commands []*facts.Spec
	proxy    bool
}

func (a *aclAuthor) of(words ...string) string { return words[a.IntN(len(words))] }

func (a *aclAuthor) rule() string {
	switch a.IntN(5) {
	case 0:
		return a.of("+", "-") + a.commands[a.IntN(len(a.commands))].FullName
	case 1:
		return a.of("+", "-") + a.of((^facts.Categories(0)).Names()...)
	case 2:
		return a.of("+@all", "-@all", "+select|0", "+@all")
	case 3:
		return a.of("~a*", "%R~b*", "%W~*", "%RW~ab", "resetkeys")
	}
	return a.of("&a*", "&b", "resetchannels")
}

func (a *aclAuthor) rules() []string {
	rules := []string{"reset", "on", "nopass"}
	for range 1 + a.IntN(8) {
		rules = append(rules, a.rule())
	}
	for range a.IntN(3) {
		rules = append(rules, "(", a.rule(), a.rule(), a.rule(), ")")
	}
	return append(rules, "+multi", "+discard")
}

var aclArguments = []string{"a", "b", "ab", "ba", "c", "0", "1", "2", "1", "3", "STREAMS", "KEYS", "STORE", "BY", "GET", "LIMIT", "", "GROUP", "COUNT", "*", "a*"}

// call invents a call that goes through no more than it can be asked for safely.
func (a *aclAuthor) call() aclCall {
	if a.IntN(8) == 0 {
		return aclCall{words: strings.Fields(a.of("GET a", "GET b", "SET a 1", "SET b 1", "GETSET ab 1", "PUBLISH a m", "PUBLISH b m", "SPUBLISH c m", "COPY a b",
			"CONFIG GET port", "CLIENT ID", "ACL WHOAMI", "DBSIZE", "SORT a BY a* GET #", "SORT a BY nosort", "SORT_RO ab GET a*", "SORT b", "NOSUCH", "CONFIG NOSUCH", "GET"))}
	}
	spec := a.commands[a.IntN(len(a.commands))]
	words := strings.Split(spec.FullName, "|")
	most := spec.Arity
	if most < 0 {
		most = -most + a.IntN(5)
	}
	for len(words) < most {
		words = append(words, a.of(aclArguments...))
	}
	return aclCall{words, true}
}

// differs reports whether a call is among those that need not be judged alike.
func (a *aclAuthor) differs(c aclCall) bool {
	args := make([][]byte, len(c.words))
	for i, w := range c.words {
		args[i] = []byte(w)
	}
	spec := facts.Lookup(args)
	if spec == nil {
		return false
	}
	_, err := spec.Keys(args)
	script := strings.HasPrefix(spec.Name, "EVAL") || strings.HasPrefix(spec.Name, "FCALL")
	return err != nil || a.proxy && (script || strings.HasPrefix(spec.Name, "MODULE L") || spec.Name == "MODULE UNLOAD") || c.queued && strings.HasPrefix(spec.Name, "SORT")
}

func (a *aclAuthor) episode(t *testing.T, both [2]*aclSide) {
	t.Helper()
	rules := a.rules()
	var calls []aclCall
	for len(calls) < 300 {
		if c := a.call(); !a.differs(c) {
			calls = append(calls, c)
		}
	}
	var said, told [2][]string
	for i, side := range both {
		side.do("ACL", "LOG", "RESET")
		if set := side.do(append([]string{"ACL", "SETUSER", "u"}, rules...)...); !strings.HasPrefix(set, "OK") {
			t.Fatalf("%q: %s", rules, set)
		}
		said[i] = side.ask(t, calls)
		told[i] = append(side.log(t), unordered(side.do("ACL", "GETUSER", "u")), unordered(side.do("ACL", "LIST")))
		for _, c := range calls[:50] {
			told[i] = append(told[i], side.do(append([]string{"ACL", "DRYRUN", "u"}, c.words...)...))
		}
	}
	for i, c := range calls {
		if said[0][i] != said[1][i] {
			t.Fatalf("%q of a user %q:\nRedis: %s\nomniproxy: %s", c.words, rules, said[0][i], said[1][i])
		}
	}
	if diff := cmp.Diff(told[0], told[1]); diff != "" {
		t.Fatalf("%q (-Redis +omniproxy):\n%s", rules, diff)
	}
}

// log is ACL LOG without what is particular to the server.
func (s *aclSide) log(t *testing.T) (entries []string) {
	t.Helper()
	list, err := s.admin.ACLLog(t.Context(), 1000).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		entries = append(entries, fmt.Sprint(e.Count, e.Reason, e.Context, e.Object, e.Username))
	}
	return entries
}

// unordered sorts words: the order of single commands in rules is chance with Redis.
func unordered(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" []()", r) })
	slices.Sort(words)
	return strings.Join(words, " ")
}

// Where the proxy knows the users itself their commands are answered as Redis answers them.
func TestTheProxysOwnUsersAreLikeRedis(t *testing.T) {
	t.Parallel()
	for _, pool := range []string{"session", "shared"} {
		for proto := 2; proto <= 3; proto++ {
			t.Run(fmt.Sprintf("%s/RESP%d", pool, proto), func(t *testing.T) {
				for _, topic := range []string{"server/acl", "server/acl_users", "server/acl_ends", "connection/auth", "connection/hello", "connection/hello_options"} {
					t.Run(topic, func(t *testing.T) {
						dialog.Replay(t, proxied(t, "--pool", pool, "--auth", "terminate").Addr, dialogDir+"/"+topic+".txtar", proto)
					})
				}
			})
		}
	}
}

func TestUsersAreLoadedAndSaved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "users")
	writeText(t, file, "user admin on >one ~* &* +@all\nuser reader on >two ~omni:* +@read\n")
	o := serve(t, filepath.Join(dir, "data"), "--users", file)
	c := redis.NewClient(&redis.Options{Addr: o.Addr, Username: "admin", Password: "one", Protocol: 2, DisableIdentity: true})
	defer c.Close()
	do := func(line string) string {
		reply, err := c.Do(t.Context(), anyWords(strings.Fields(line))...).Result()
		return fmt.Sprintf("%v %v", reply, err)
	}
	expect := func(line, want string) {
		t.Helper()
		if got := do(line); got != want {
			t.Errorf("%s: %s, not %s", line, got, want)
		}
	}
	expect("ACL WHOAMI", "admin <nil>")
	expect("ACL USERS", "[admin default reader] <nil>")
	expect("ACL DRYRUN reader GET omni:a", "OK <nil>")
	expect("ACL SETUSER writer on >geheim ~omni:* +set", "OK <nil>")
	expect("ACL SAVE", "OK <nil>")
	saved, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(saved), "geheim") || !strings.Contains(string(saved), "\nuser writer on #") || !strings.Contains(string(saved), "\nuser default off ") {
		t.Errorf("%s %v", saved, err)
	}
	writeText(t, file, "user admin on >one ~* &* +@all\nuser reader geheim\n")
	expect("ACL LOAD", "<nil> ERR "+file+":2: Syntax error. WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
	expect("ACL USERS", "[admin default reader writer] <nil>")
	writeText(t, file, "user admin on >one ~* &* +@all\n")
	expect("ACL LOAD", "OK <nil>")
	expect("ACL USERS", "[admin default] <nil>")
	expect("CONFIG SET slowlog-log-slower-than 0", "OK <nil>")
	do("ACL SETUSER secretive on >geheim")
	if log := do("SLOWLOG GET 10"); strings.Contains(log, "geheim") || strings.Contains(log, "secretive") || !strings.Contains(log, "ACL SETUSER (redacted) (redacted)") {
		t.Error(log)
	}
	if log := o.stop(); strings.Contains(log, "geheim") {
		t.Error(log)
	}
}
