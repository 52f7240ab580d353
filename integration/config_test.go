package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// launch starts omniproxy, waits until clients can connect, and stops it when the test is over. It returns the process as it
// is reached at its first address, and all addresses.
func launch(t testing.TB, args ...string) (o *omniproxy, addresses []string) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	o = &omniproxy{t: t, exited: make(chan struct{})}
	o.cmd = omniproxyCommand(t, append([]string{"serve", "--ready-file", ready}, args...)...)
	o.cmd.Stderr = &o.log
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.signal(syscall.SIGTERM) })
	go func() { o.cmd.Wait(); close(o.exited) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(ready); err == nil {
			addresses = strings.Fields(string(text))
			o.Addr = addresses[0]
			return o, addresses
		}
		if time.Now().After(deadline) {
			t.Fatalf("omniproxy is not ready after 30 s:\n%s", &o.log)
		}
	}
}

// configured is a running omniproxy with a file of settings.
type configured struct {
	*omniproxy
	dir   string // of everything
	redis string // HOST:PORT of the Redis behind the second listener
	proxy *redis.Client
}

// twoBackends starts omniproxy with a directory on tcp and a Redis behind a unix socket. top is more of the file.
func twoBackends(t *testing.T, top string) *configured {
	t.Helper()
	c := &configured{dir: t.TempDir(), redis: redistest.Start(t)}
	c.write(t, top)
	var addresses []string
	c.omniproxy, addresses = launch(t, "--config", c.file())
	c.Dir = filepath.Join(c.dir, "data")
	if len(addresses) != 2 || addresses[1] != "unix:"+c.dir+"/proxy.sock" {
		t.Fatalf("listens at %q", addresses)
	}
	c.proxy = redis.NewClient(&redis.Options{Network: "unix", Addr: c.dir + "/proxy.sock", Protocol: 2, MaxRetries: -1, DisableIdentity: true})
	c.clients = append(c.clients, c.client(0), c.proxy)
	return c
}

func (c *configured) file() string { return filepath.Join(c.dir, "o.yaml") }

// write writes the file.
func (c *configured) write(t *testing.T, top string) {
	t.Helper()
	text := fmt.Sprintf("%s\nlisteners:\n  - listen: 127.0.0.1:0\n    dir: %s/data\n  - listen: unix:%s/proxy.sock\n    backend: redis\n    upstream: redis://%s\n",
		top, c.dir, c.dir, c.redis)
	if err := os.WriteFile(c.file()+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(c.file()+".new", c.file()); err != nil {
		t.Fatal(err)
	}
}

const (
	wasReloaded = "the settings are read again"
	wasRefused  = "the settings stay as they are"
)

// reload writes the file and has it read; answer is what the log says then.
func (c *configured) reload(t *testing.T, top, answer string) {
	t.Helper()
	before := strings.Count(c.log.String(), answer)
	c.write(t, top)
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	c.eventually(answer, func() bool { return strings.Count(c.log.String(), answer) > before })
}

func TestOneProcessServesADirectoryAndARedis(t *testing.T) {
	t.Parallel()
	c := twoBackends(t, "log-level: info")
	ctx := context.Background()
	c.must("OK", "SET", "omni:config:a", "1")
	if err := c.proxy.Set(ctx, "omni:config:b", "2", 0).Err(); err != nil {
		t.Fatal(err)
	}
	c.must(int64(1), "DBSIZE")
	direct := redis.NewClient(&redis.Options{Addr: c.redis})
	defer direct.Close()
	if got := direct.Get(ctx, "omni:config:b").Val(); got != "2" {
		t.Errorf("Redis has %q", got)
	}
	if list := c.proxy.ClientList(ctx).Val(); strings.Count(list, "\n") != 1 {
		t.Errorf("clients of another backend are listed:\n%s", list)
	}
	c.logs("proxying redis://" + c.redis)
	c.logs("listen from " + c.file() + ":3")
	log := c.stop()
	if !regexp.MustCompile(`INFO stopping; .*\n(.*DEBUG.*\n)*.*INFO stopped\n$`).MatchString(log) || strings.Count(log, "stopped") != 1 {
		t.Errorf("logged\n%s", log)
	}
	if got := c.read("config.json"); !strings.Contains(got, `"a"`) || strings.Contains(got, `"b"`) {
		t.Errorf("published: %s", got)
	}
}

// Whatever a reload changes, no command fails that the settings before it and those after it allow, and nobody is cut.
func TestNoCommandFailsForAReload(t *testing.T) {
	t.Parallel()
	versions := []string{
		"log-level: info\nrequirepass: geheim\ndeny: [flushall]\nmax-clients: 100",
		"log-level: debug\nrequirepass: anders\nrename: [config=settings]\nmax-clients: 50\nmax-block: 3s\nrefuse-writes: false\nvalidate: enforce\nrate-limit: 1000000",
	}
	c := twoBackends(t, versions[0])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var done, failed atomic.Int64
	var clients sync.WaitGroup
	work := func(o redis.Options) {
		o.Password, o.Protocol, o.MaxRetries, o.DisableIdentity, o.PoolSize = "geheim", 2, -1, true, 1
		client := redis.NewClient(&o)
		conn := client.Conn()
		if err := conn.Ping(ctx).Err(); err != nil {
			t.Error(err)
		}
		clients.Go(func() {
			defer client.Close()
			defer conn.Close()
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprint("k", i%100)
				if err := conn.Set(context.Background(), key, i, 0).Err(); err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				if got, err := conn.Get(context.Background(), key).Int(); err != nil {
					failed.Add(1)
					t.Error(got, err)
					return
				}
				done.Add(2)
			}
		})
	}
	for range 4 {
		work(redis.Options{Network: "tcp", Addr: c.Addr})
		work(redis.Options{Network: "unix", Addr: c.dir + "/proxy.sock"})
	}
	for i := range 20 {
		before := done.Load()
		c.reload(t, versions[(i+1)%2], wasReloaded)
		c.eventually("went on", func() bool { return done.Load() > before+100 || failed.Load() > 0 })
	}
	cancel()
	clients.Wait()
	if log := c.log.String(); failed.Load() > 0 || strings.Contains(log, "geheim") || strings.Contains(log, "anders") {
		t.Errorf("%d of %d commands failed:\n%s", failed.Load(), done.Load(), log)
	}
}

func TestAReloadChangesWhatItCanAndNamesTheRest(t *testing.T) {
	t.Parallel()
	c := twoBackends(t, "deny: [flushall]")
	c.must("ERR unknown command 'FLUSHALL', with args beginning with: ", "FLUSHALL")
	c.reload(t, "deny: [getdel]\nfsync: always\ndrain-timeout: 2s", wasReloaded)
	c.logs(`{"changed": ["deny"]}`)
	c.logs(`take effect with the next start {"settings": ["drain-timeout", "fsync"]}`)
	c.must("OK", "FLUSHALL")
	c.must("ERR unknown command 'GETDEL', with args beginning with: 'a' ", "GETDEL", "a")
	c.must("[appendfsync everysec]", "CONFIG", "GET", "appendfsync")

	// What a client changed stays where the settings say nothing new.
	c.must("OK", "CONFIG", "SET", "requirepass", "by-client")
	c.reload(t, "deny: []", wasReloaded)
	c.must(nil, "GETDEL", "a")
	c.must("WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "guess")
	c.reload(t, "requirepass: of-the-file", wasReloaded)
	c.must("OK", "AUTH", "of-the-file")
}

func TestABadReloadChangesNothing(t *testing.T) {
	t.Parallel()
	c := twoBackends(t, "deny: [flushall]\nrequirepass: geheim")
	c.must("OK", "AUTH", "geheim")
	for _, bad := range []string{
		"deny: [flushall]\nrequirepass: anders\nlog-level: loud", // after what is right
		"deny: []\nrequirepass: [anders",
		"deny: []\nusers: /does/not/exist",
		"deny: []\ntls-cert: /does/not/exist\ntls-key: /does/not/exist",
		"deny: []\nrequirepass: anders\ndri: a",
	} {
		before := c.log.String()
		c.reload(t, bad, wasRefused)
		said := strings.TrimPrefix(c.log.String(), before)
		if strings.Count(said, "\n") != 1 || strings.Contains(said, "anders") {
			t.Errorf("%s: logged\n%s", bad, said)
		}
		c.must("ERR unknown command 'FLUSHALL', with args beginning with: ", "FLUSHALL")
		c.must("WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "anders")
	}
	users := c.dir + "/users.acl"
	if err := os.WriteFile(users, []byte("user a on >geheim\nuser b +@nosuch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.reload(t, "users: "+users, wasRefused)
	if want := users + ":2: Error in applying operation '+@nosuch'"; !strings.Contains(c.log.String(), want) {
		t.Errorf("the log does not say %s:\n%s", want, c.log.String())
	}
}

func TestConfigCheckEndsWithWhatIsWrong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "o.yaml")
	for text, want := range map[string]string{
		"db: 3\n":      "0 the settings are right: 1 listener, 1 backend\n",
		"db: 3\ndb: 4": "2 omniproxy: " + path + ":2:1: db stands here twice, first in line 1\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := runToEnd(t, "config", "check", "--config", path)
		if got := fmt.Sprint(code, " ", out, errs); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
