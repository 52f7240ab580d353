package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// entries are the words of the slow log's entries, and the client's name; the latest first.
func (r reply) entries() (list []string) {
	for _, entry := range r.items {
		var words []string
		for _, w := range entry.items[3].items {
			words = append(words, w.text)
		}
		list = append(list, fmt.Sprintf("%q by %q", words, entry.items[5].text))
	}
	return list
}

// What is in the slow log, and how it is shown, is as in Redis.
func TestTheSlowLogIsThatOfRedis(t *testing.T) {
	p := newPair(t)
	p.run(`
		a> CLIENT SETNAME name
		a> CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 1000
		a> SLOWLOG RESET
		a> SET k v
		a> get k
		a> GET
		a> NONE
		a> INCR k
		a> AUTH wrong
		a> AUTH default wrong
		a> HELLO 2 AUTH default wrong SETNAME other
		a> CONFIG SET masterauth secret
		a> CONFIG SET MASTERUSER secret slowlog-max-len 999
		a> CONFIG GET masterauth
		a> MULTI
		a> SADD s a b c
		a> LPUSH k a
		a> EXEC
		a> MULTI
		a> DISCARD
		a> SPOP s 10
		a> INCRBYFLOAT n 1.5
		a> SLOWLOG LEN
		a> SLOWLOG GET 1
		a> BLPOP q 0 &
		b> RPUSH q x
		a<
		a> BLPOP q 0.01`)
	p.run("a> SADD s " + strings.Repeat("m ", 29))
	p.run("a> SADD s " + strings.Repeat("m ", 30))
	p.run("a> SADD s " + strings.Repeat("m ", 31))
	for _, n := range []int{127, 128, 129, 1000} {
		p.run("a> SET k " + strings.Repeat("x", n))
	}
	var got [2][]string
	for server, r := range p.do("a", "SLOWLOG", "GET", "-1") {
		for _, line := range r.entries() {
			if !strings.Contains(line, `"CLIENT" "LIST"`) {
				got[server] = append(got[server], line)
			}
		}
	}
	p.same("entries", got)
}

func TestTheSlowLogForgetsTheOldest(t *testing.T) {
	p := newPair(t)
	p.run(`
		a> CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3
		a> SLOWLOG RESET
		a> SET k 1
		a> SET k 2
		a> SET k 3
		a> SET k 4`)
	lens := func() (n [2][]string) {
		for server, r := range p.do("a", "SLOWLOG", "GET", "-1") {
			n[server] = r.entries()
			for _, entry := range r.items {
				n[server] = append(n[server], "id "+entry.items[0].text)
			}
		}
		return n
	}
	p.same("full", lens())
	p.run("a> CONFIG SET slowlog-max-len 1")
	p.same("shorter", lens())
	p.run("a> CONFIG SET slowlog-max-len 0")
	p.same("no room", lens())
	p.run("a> CONFIG SET slowlog-max-len 10 slowlog-log-slower-than -1")
	p.same("switched off", lens())
	p.run("a> CONFIG SET slowlog-log-slower-than 1000000")
	p.same("nothing is slow", lens())
}

func TestASlowLogEntryTellsWhoAndWhen(t *testing.T) {
	addr, stop := serve(t, New(Options{}))
	defer stop()
	c := dial(t, addr)
	c.do("CLIENT", "SETNAME", "me")
	c.do("CONFIG", "SET", "slowlog-log-slower-than", "0")
	before := time.Now().Unix()
	c.do("GET", "k")
	entry := c.do("SLOWLOG", "GET", "1").items[0].items
	if at := entry[1].text; at < fmt.Sprint(before) || at > fmt.Sprint(time.Now().Unix()) {
		t.Errorf("at %s", at)
	}
	if diff := cmp.Diff([]string{c.conn.LocalAddr().String(), "me"}, []string{entry[4].text, entry[5].text}); diff != "" {
		t.Error(diff)
	}
}
