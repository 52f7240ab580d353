package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omniproxy/omniproxy/resp/redistest"
)

// onBoth runs a test against a real Redis and against the engine.
func onBoth(t *testing.T, test func(t *testing.T, addr string)) {
	t.Run("redis", func(t *testing.T) { test(t, redistest.Start(t)) })
	t.Run("engine", func(t *testing.T) {
		addr, stop := serve(t, New(Options{}))
		defer stop()
		test(t, addr)
	})
}

// awaitBlocked waits until INFO counts n blocked clients.
func (c *client) awaitBlocked(n int) {
	c.t.Helper()
	want := fmt.Sprintf("blocked_clients:%d\r\n", n)
	for range 2000 {
		if strings.Contains(c.do("INFO", "clients").text, want) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	c.t.Fatalf("never %q", want)
}

func (c *client) expect(want string, args ...string) {
	c.t.Helper()
	if got := c.do(args...).canonical(exactly); got != want {
		c.t.Fatalf("%q: %s, want %s", args, got, want)
	}
}

func TestAPauseOfWritesHoldsBackWhatMayWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		admin := dial(t, addr)
		admin.do("RPUSH", "list", "x")
		held := [][]string{{"SET", "a", "1"}, {"PUBLISH", "c", "m"}, {"SPUBLISH", "c", "m"}, {"BLPOP", "list", "0"}, {"EXEC"}, {"DEL", "nobody"}}
		var clients []*client
		for range held {
			clients = append(clients, dial(t, addr))
		}
		for _, words := range [][]string{{"MULTI"}, {"GET", "a"}, {"INCR", "n"}} {
			clients[4].do(words...)
		}
		admin.expect(`+"OK"`, "CLIENT", "PAUSE", "100000", "WRITE")
		for i, c := range clients {
			c.send(held[i]...)
			c.send("PING")
			admin.awaitBlocked(i + 1)
		}
		reader := dial(t, addr)
		reader.expect(`$"-1"`, "GET", "a")
		reader.expect(`-"ERR wrong number of arguments for 'set' command"`, "SET", "a")
		reader.expect(`+"OK"`, "MULTI")
		reader.expect(`+"QUEUED"`, "GET", "a")
		reader.expect(`*1($"-1")`, "EXEC")
		if list := reader.do("CLIENT", "LIST").text; strings.Count(list, " flags=b ")+strings.Count(list, " flags=xb ") != len(held) {
			t.Fatalf("clients do not look blocked:\n%s", list)
		}
		admin.expect(`+"OK"`, "CLIENT", "UNPAUSE")
		for i, want := range []string{`+"OK"`, `:"0"`, `:"0"`, `*2($"list", $"x")`, ``, `:"0"`} {
			if got := clients[i].read().canonical(exactly); got != want && want != "" {
				t.Errorf("%q: %s, want %s", held[i], got, want)
			}
			if got := clients[i].read().text; got != "PONG" {
				t.Errorf("behind %q: %s", held[i], got)
			}
		}
		admin.awaitBlocked(0)
	})
}

func TestAPauseEndsByItselfAndIsNeverShortened(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		admin, c := dial(t, addr), dial(t, addr)
		began := time.Now()
		admin.do("CLIENT", "PAUSE", "400", "WRITE")
		admin.do("CLIENT", "PAUSE", "1", "WRITE")
		c.expect(`+"OK"`, "SET", "a", "1")
		if took := time.Since(began); took < 300*time.Millisecond {
			t.Fatalf("the pause was over after %v", took)
		}
		began = time.Now()
		admin.do("CLIENT", "PAUSE", "200", "WRITE")
		admin.do("CLIENT", "PAUSE", "0", "ALL") // no longer, but stricter
		c.expect(`$"1"`, "GET", "a")
		if took := time.Since(began); took < 100*time.Millisecond {
			t.Fatalf("GET was done after %v", took)
		}
		admin.expect(`+"OK"`, "CLIENT", "PAUSE", "0")
		c.expect(`$"1"`, "GET", "a")
	})
}

func TestNothingExpiresDuringAPause(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	for _, words := range [][]string{{"MULTI"}, {"SET", "a", "1", "PX", "1"}, {"CLIENT", "PAUSE", "100000", "WRITE"}, {"SET", "b", "1"}, {"EXEC"}} {
		c.do(words...)
	}
	time.Sleep(5 * time.Millisecond)
	e.ExpireDue()
	c.expect(`$"-1"`, "GET", "a")
	c.expect(`:"2"`, "DBSIZE")
	c.do("CLIENT", "UNPAUSE")
	e.ExpireDue()
	c.expect(`:"1"`, "DBSIZE")
}

// Clients leave while they are paused, track, or are told in another's place.
func TestClientsMayLeaveAtAnyTime(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	admin := dial(t, addr)
	ear := dial(t, addr)
	id := ear.do("CLIENT", "ID").text
	ear.do("SUBSCRIBE", "__redis__:invalidate")
	for round := range 20 {
		admin.do("CLIENT", "PAUSE", "100000", "WRITE")
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				c := dial(t, addr)
				defer c.conn.Close()
				c.do("HELLO", "3")
				c.do(append([]string{"CLIENT", "TRACKING", "ON"}, [][]string{nil, {"BCAST"}, {"REDIRECT", id}}[i%3]...)...)
				c.do("GET", "k")
				c.send("SET", "k", "1")
				if i%2 == 0 {
					c.next()
				}
			})
		}
		if round%2 == 0 {
			admin.awaitBlocked(10) // the others hung up
		}
		admin.do("CLIENT", "UNPAUSE")
		all.Wait()
	}
	ear.conn.Close()
	for range 2000 {
		info := admin.do("INFO").text
		if strings.Contains(info, "tracking_clients:0\r\n") && strings.Contains(info, "blocked_clients:0\r\n") && strings.Contains(info, "tracking_total_prefixes:0\r\n") {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("somebody who left still counts")
}
