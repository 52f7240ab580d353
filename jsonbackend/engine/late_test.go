package engine

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fill gives a key of each type more elements than are told of at once.
func fill(c *client, n int) {
	for i := range n {
		s := strconv.Itoa(i)
		c.do("RPUSH", "list", s)
		c.do("HSET", "hash", s, "v"+s)
		c.do("SADD", "set", "m"+s)
		c.do("ZADD", "zset", s, "m"+s)
		c.do("XADD", "stream", s+"-1", "f", s)
	}
}

// What is written without the lock is what was there when the command was done, whatever others do meanwhile.
func TestLongRepliesTellOfOneInstant(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	writer := dial(t, addr)
	const n = 3000
	fill(writer, n)
	var writing sync.WaitGroup
	over := make(chan struct{})
	writing.Go(func() {
		for i := n; ; i++ {
			select {
			case <-over:
				return
			default:
			}
			// Every command keeps each length, so that a reply that is torn has another one.
			s := strconv.Itoa(i)
			writer.do("MULTI")
			writer.do("RPUSH", "list", s)
			writer.do("LPOP", "list")
			writer.do("HSET", "hash", s, "v"+s)
			writer.do("HDEL", "hash", strconv.Itoa(i-n))
			writer.do("SADD", "set", "m"+s)
			writer.do("SREM", "set", "m"+strconv.Itoa(i-n))
			writer.do("ZADD", "zset", s, "m"+s)
			writer.do("ZPOPMIN", "zset")
			writer.do("XADD", "stream", "MAXLEN", "=", strconv.Itoa(n), s+"-1", "f", s)
			writer.do("EXEC")
		}
	})
	reader := dial(t, addr)
	for _, command := range []string{"LRANGE list 0 -1", "HKEYS hash", "HVALS hash", "SMEMBERS set", "SUNION set none", "ZRANGE zset 0 -1", "XRANGE stream - +"} {
		for range 5 {
			got := reader.do(strings.Fields(command)...)
			if len(got.items) != n {
				t.Errorf("%s: %d elements, want %d", command, len(got.items), n)
			}
			if !strings.HasPrefix(command, "LRANGE") {
				continue
			}
			first, _ := strconv.Atoi(got.items[0].text)
			for i, element := range got.items {
				if element.text != strconv.Itoa(first+i) {
					t.Fatalf("element %d is %s, want %d", i, element.text, first+i)
				}
			}
		}
	}
	close(over)
	writing.Wait()
}

// Long replies stand in their place among short ones, in a pipeline and in EXEC, and nothing of them is left where nobody
// wants a reply.
func TestLongRepliesKeepTheirPlace(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	fill(c, 1500)
	long := c.do("LRANGE", "list", "0", "-1")
	script := []struct {
		line string
		want string // "long" stands for the list
	}{
		{"PING", "PONG"}, {"LRANGE list 0 -1", "long"}, {"PING", "PONG"}, {"LRANGE list 0 -1", "long"},
		{"MULTI", "OK"}, {"ECHO a", "QUEUED"}, {"LRANGE list 0 -1", "QUEUED"}, {"LRANGE set 0 -1", "QUEUED"}, {"LRANGE list 0 -1", "QUEUED"}, {"ECHO b", "QUEUED"},
		{"EXEC", "[a long WRONGTYPE long b]"},
		{"CLIENT REPLY SKIP", ""}, {"LRANGE list 0 -1", ""}, {"ECHO c", "c"},
		{"LPOP list 2000", "long"}, {"EXISTS list", "0"},
	}
	var all []byte
	for _, s := range script {
		all = appendCommand(all, words(strings.Fields(s.line)))
	}
	if _, err := c.conn.Write(all); err != nil {
		t.Fatal(err)
	}
	var describe func(r reply) string
	describe = func(r reply) string {
		if cmp.Equal(r.canonical(exactly), long.canonical(exactly)) {
			return "long"
		}
		if r.items == nil {
			return strings.SplitN(r.text, " ", 2)[0]
		}
		var parts []string
		for _, element := range r.items {
			parts = append(parts, describe(element))
		}
		return fmt.Sprint(parts)
	}
	for _, s := range script {
		if s.want == "" {
			continue
		}
		if got := describe(c.read()); got != s.want {
			t.Fatalf("%s: %.200s, want %s", s.line, got, s.want)
		}
	}
}

// What is published behind a long reply is heard behind it, though the reply takes its time: a client that caches what it
// reads relies on that.
func TestMessagesStandBehindTheReplyThatFollows(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	c, other := dial(t, addr), dial(t, addr)
	big := strings.Repeat("x", 64<<20) // more than sockets hold
	c.do("HELLO", "3")
	c.do("SUBSCRIBE", "news")
	c.do("SET", "big", big)
	if _, err := c.conn.Write(appendCommand(nil, words([]string{"GET", "big"}))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.r.Peek(1); err != nil { // it has begun
		t.Fatal(err)
	}
	if got := other.do("PUBLISH", "news", "later"); got.text != "1" {
		t.Fatalf("PUBLISH: %v", got)
	}
	if got := c.read(); got.text != big {
		t.Errorf("first comes %.100q, want the reply", got.text)
	}
	if got := c.read(); len(got.items) != 3 || got.items[2].text != "later" {
		t.Errorf("then comes %v, want the message", got)
	}
}

// A client that asks for more than it reads costs a bounded amount of memory, and leaves nothing behind when it leaves.
func TestWhoLeavesDuringALongReplyIsForgotten(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	c := dial(t, addr)
	c.do("SET", "big", strings.Repeat("x", 8<<20))
	var asked []byte
	for range 100 {
		asked = appendCommand(asked, words([]string{"MGET", "big", "big", "big", "big"}))
	}
	if _, err := c.conn.Write(asked); err != nil {
		t.Fatal(err)
	}
	c.conn.Read(make([]byte, 100))
	c.conn.Close()
	stop() // returns when every client has gone
	for range cap(e.encoding) {
		e.encoding <- struct{}{} // and every encoder
	}
}

// Who sends all its commands and hangs up is told everything, as with short replies.
func TestWhoHungUpGetsLongReplies(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	big := strings.Repeat("x", 8<<20)
	c.do("SET", "big", big)
	c.send("GET", "big")
	c.send("STRLEN", "big")
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := c.read(); got.text != big {
		t.Errorf("GET: %.100q", got.text)
	}
	if got := c.read(); got.text != strconv.Itoa(len(big)) {
		t.Errorf("STRLEN: %.100q", got.text)
	}
}

// A part of a sorted set that is popped is told of in order, and is gone.
func TestManyMembersArePopped(t *testing.T) {
	e := New(Options{})
	addr, stop := serve(t, e)
	defer stop()
	c := dial(t, addr)
	fill(c, 3000)
	got := c.do("ZPOPMAX", "zset", "1999")
	if len(got.items) != 2*1999 || got.items[0].text != "m2999" || got.items[len(got.items)-1].text != "1001" {
		t.Errorf("popped %d, first %v, last %v", len(got.items), got.items[0], got.items[len(got.items)-1])
	}
	left := c.do("ZRANGE", "zset", "0", "-1")
	if n := len(left.items); n != 1001 || !slices.ContainsFunc(left.items, func(r reply) bool { return r.text == "m0" }) {
		t.Errorf("left are %d", n)
	}
	if got := c.do("ZSCORE", "zset", "m1001"); got.text == "1001" {
		t.Errorf("a member that was popped has a score: %v", got)
	}
}
