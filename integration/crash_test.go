package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// Clients write as fast as they are answered while the process is killed again and again: what was answered is there.
func TestNothingAcknowledgedIsLostWhenKilled(t *testing.T) {
	t.Parallel()
	const kills, writers = 20, 4
	dir := t.TempDir()
	acknowledged := make([]int, writers)
	for range kills {
		o := serve(t, dir)
		o.clients = nil
		var counts [writers]chan int
		for w := range writers {
			counts[w] = make(chan int, 1)
			c := o.client(0)
			go func() { counts[w] <- writeUntilCut(c, w, acknowledged[w]) }()
		}
		time.Sleep(20 * time.Millisecond)
		clients := o.clients
		o.clients = nil // they are to be cut, not to leave
		o.kill()
		for w := range writers {
			acknowledged[w] = <-counts[w]
			clients[w].Close()
		}
	}
	o := serve(t, dir)
	total := 0
	for w, n := range acknowledged {
		total += n
		for i := range n {
			id := fmt.Sprintf("w%d:%d", w, i)
			if !strings.Contains(fmt.Sprint(o.do("GET", "omni:result:"+id)), id) {
				t.Errorf("%s is lost", id)
			}
		}
		if last := o.do("GET", fmt.Sprint("omni:config:last:", w)); n > 0 && fmt.Sprint(last) < fmt.Sprintf("%08d", n-1) {
			t.Errorf("writer %d was told %08d, and reads %v", w, n-1, last)
		}
	}
	if total < kills {
		t.Errorf("only %d writes in %d lives", total, kills)
	}
	if log := o.stop(); strings.Contains(log, "another program") {
		t.Errorf("our own files were taken for edits:\n%s", log)
	}
}

// writeUntilCut saves results and a counter, and returns how many were acknowledged.
func writeUntilCut(c *redis.Client, w, from int) int {
	ctx := context.Background()
	for n := from; ; n++ {
		id := fmt.Sprintf("w%d:%d", w, n)
		_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Do(ctx, "SET", "omni:result:"+id, fmt.Sprintf(`{"task_id": %q, "result": null, "saved_at": %d.5}`, id, n))
			p.Do(ctx, "SET", fmt.Sprint("omni:config:last:", w), fmt.Sprintf("%08d", n))
			return nil
		})
		if err != nil {
			return n
		}
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
	real := &omniproxy{t: t, Addr: redistest.Start(t, "--dir", dir, "--appendonly", "yes", "--appenddirname", "aof")}
	defer func() {
		for _, c := range real.clients {
			c.Close()
		}
	}()
	if diff := cmp.Diff(before, real.keyspace()); diff != "" {
		t.Errorf("(-omniproxy +redis-server)\n%s", diff)
	}
}
