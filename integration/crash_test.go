package integration

import (
	"context"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

var (
	kills     = flag.Int("kills", 6, "how often omniproxy is killed under load, in each mode of --fsync")
	crashSeed = flag.Uint64("seed", 0, "of when it is killed; 0 = any")
)

// Clients of every kind write as fast as they are answered while the process is killed again and again, as well while it
// starts, rewrites and publishes. What was acknowledged is there, and nothing was done twice.
func TestNothingAcknowledgedIsLostWhenKilled(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	for _, mode := range []string{"always", "everysec", "no"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			c := crashes{toil: newToil(t, labours), rand: rand.New(rand.NewPCG(seed, 0)), dir: fixture(t, "omnidaemon_data"), mode: mode}
			first := serve(t, c.dir, "--fsync", mode)
			c.prepare(first)
			first.kill()
			for n := 1; n <= *kills; n++ {
				c.one()
				if n%25 == 0 {
					t.Logf("%d of %d kills, %d steps acknowledged, %v", n, *kills, c.steps, time.Since(begun).Round(time.Second))
				}
			}
			c.settled()
			t.Logf("fsync %s: killed %d times (%d while it started, %d while it rewrote), %d steps acknowledged, none lost, none done twice; "+
				"%d more were under way and had been done; %v, seed %d",
				mode, *kills, c.starting, c.rewriting, c.steps, c.under, time.Since(begun).Round(time.Second), seed)
		})
	}
}

// crashes is one directory and the processes that serve it, one after the other.
type crashes struct {
	toil
	rand *rand.Rand
	dir  string
	mode string

	starting, rewriting int // kills
	steps, under        int // acknowledged; not acknowledged and done
}

// one is the life of a process, from start to kill.
func (c *crashes) one() {
	c.t.Helper()
	if c.rand.IntN(5) == 0 {
		o := begin(c.t, nil, c.dir, "--fsync", c.mode)
		time.Sleep(c.upTo(60 * time.Millisecond))
		o.kill()
		c.starting++
		c.readable()
		return
	}
	o := serve(c.t, c.dir, "--fsync", c.mode)
	c.recovered(o)
	load := c.load(o)
	time.Sleep(c.upTo(300 * time.Millisecond))
	if c.rand.IntN(3) == 0 {
		o.do("BGREWRITEAOF")
		time.Sleep(c.upTo(15 * time.Millisecond))
		c.rewriting++
	}
	o.kill()
	load.Wait()
	c.readable()
	if log := o.log.String(); strings.Contains(log, "ERROR") || strings.Contains(log, "another program") {
		c.t.Fatalf("logged:\n%s", log)
	}
}

func (c *crashes) upTo(d time.Duration) time.Duration { return time.Duration(c.rand.Int64N(int64(d))) }

// recovered checks what a process holds that was started after a kill, and goes on from there.
func (c *crashes) recovered(o *omniproxy) {
	c.t.Helper()
	least, most := c.sofar()
	c.steps = 0
	for i, clients := range c.check(o, least, most) {
		for j, n := range clients {
			c.steps += n
			c.under += n - least[i][j]
			c.acknowledged[i][j].Store(int64(n))
		}
	}
}

// readable checks that every file is what a reader may meet at any instant.
func (c *crashes) readable() {
	c.t.Helper()
	for name, text := range jsonFiles(c.t, c.dir) {
		if !json.Valid([]byte(text)) {
			c.t.Fatalf("%s is no JSON:\n%s", name, text)
		}
	}
}

// settled compares what is left in the end: with what a real Redis reads from the append-only file, and with the files.
func (c *crashes) settled() {
	c.t.Helper()
	crashed := c.t.TempDir()
	if err := os.CopyFS(crashed, os.DirFS(filepath.Join(c.dir, ".omniproxy"))); err != nil {
		c.t.Fatal(err)
	}
	o := serve(c.t, c.dir, "--fsync", c.mode)
	c.recovered(o)
	before := o.keyspace()
	o.kill()
	if diff := cmp.Diff(before, realRedis(c.t, crashed).keyspace()); diff != "" {
		c.t.Errorf("(-omniproxy +redis-server)\n%s", diff)
	}
	manifest := filepath.Join(c.dir, ".omniproxy/aof/appendonly.aof.manifest")
	if out, err := exec.Command("redis-check-aof", manifest).CombinedOutput(); err != nil {
		c.t.Errorf("redis-check-aof: %v\n%s", err, out)
	}
	o = serve(c.t, c.dir)
	o.survives((*omniproxy).kill)
	c.agree(before)
	if replaced, err := os.ReadDir(filepath.Join(c.dir, ".omniproxy/replaced")); len(replaced) > 0 {
		c.t.Errorf("our own files were taken for edits: %v %v", replaced, err)
	}
}

// agree compares the files, as a server that has nothing else reads them, with the keys. They do not say what a stream of
// metrics remembers besides these, nor that save_result was cut before it brought the index up to date.
func (c *crashes) agree(keys keyspace) {
	c.t.Helper()
	fresh := c.t.TempDir()
	for name, text := range jsonFiles(c.t, c.dir) {
		writeText(c.t, filepath.Join(fresh, name), text)
	}
	files := serve(c.t, fresh).keyspace()
	for _, all := range []keyspace{keys, files} {
		_, all["0 omni:metrics:stream"], _ = strings.Cut(all["0 omni:metrics:stream"], "; entries: ")
		delete(all, "0 omni:results:index")
	}
	if diff := cmp.Diff(keys, files); diff != "" {
		c.t.Errorf("(-keys +files)\n%s", diff)
	}
}

func TestARewriteUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	o := serve(t, t.TempDir())
	c := o.client(0)
	stop := make(chan struct{})
	written := make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				written <- n
				return
			default:
				c.Do(context.Background(), "HSET", "h", n, n)
			}
		}
	}()
	for range 5 {
		o.rewrite()
	}
	close(stop)
	n := <-written
	o.must(n, "HLEN", "h")
	o.kill()
	serve(t, o.Dir).must(n, "HLEN", "h")
}

// A real Redis starts on the append-only file, and holds the same.
func TestARealRedisReadsTheAppendOnlyFile(t *testing.T) {
	t.Parallel()
	o := serve(t, fixture(t, "omnidaemon_data"))
	o.play(omniDaemon)
	before := o.keyspace()
	o.kill()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(o.path(".omniproxy"))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, realRedis(t, dir).keyspace()); diff != "" {
		t.Errorf("(-omniproxy +redis-server)\n%s", diff)
	}
}

// realRedis starts redis-server on a folder .omniproxy.
func realRedis(t *testing.T, dir string) *omniproxy {
	real := &omniproxy{t: t, Addr: redistest.Start(t, "--dir", dir, "--appendonly", "yes", "--appenddirname", "aof", "--aof-use-rdb-preamble", "no")}
	t.Cleanup(func() {
		for _, c := range real.clients {
			c.Close()
		}
	})
	return real
}
