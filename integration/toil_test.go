package integration

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// labour is what clients do over and over, each in steps that are numbered from 0, and what the server must hold
// afterwards. So it can be told from the keys alone how many steps were done, and whether one was done twice.
type labour struct {
	name     string
	db       int
	setup    []any // a command that is sent once, before the first step
	clients  []steps
	pipeline int           // how many steps a client sends at a time; 0 is 1
	pause    time.Duration // between two steps
	state    [][]any       // commands that read it
	want     func(done []int) (replies []any)
}

// steps returns the n-th step: a command, or several that are one transaction.
type steps func(n int) [][]string

func one(words func(n int) string) steps {
	return func(n int) [][]string { return [][]string{strings.Fields(words(n))} }
}

// read returns what the server holds.
func (l labour) read(c *redis.Client) (string, error) {
	replies := make([]any, len(l.state))
	for i, command := range l.state {
		reply, err := c.Do(context.Background(), command...).Result()
		if err != nil && err != redis.Nil {
			return "", fmt.Errorf("%v: %w", command, err)
		}
		replies[i] = reply
	}
	return fmt.Sprint(replies), nil
}

// explain finds out how many steps of each client were done: of each at least from and at most to.
func (l labour) explain(state string, from, to []int) (done []int, ok bool) {
	done = slices.Clone(from)
	var try func(client int) bool
	try = func(client int) bool {
		if client == len(done) {
			return state == fmt.Sprint(l.want(done))
		}
		for n := from[client]; n <= to[client]; n++ {
			done[client] = n
			if try(client + 1) {
				return true
			}
		}
		return false
	}
	return done, try(0)
}

// work does steps until the connection is cut, and counts those that were acknowledged. An error reply is an error.
func (l labour) work(conn net.Conn, steps steps, done *atomic.Int64) error {
	in := bufio.NewReader(conn)
	var out wire.Writer
	command(&out, "SELECT", strconv.Itoa(l.db))
	replies := []int{1} // to what was sent, until each step is done; the first is none
	for n := int(done.Load()); ; {
		if _, err := conn.Write(out.Bytes()); err != nil {
			return nil
		}
		for i, expected := range replies {
			for range expected {
				if err := skip(in); err != nil && strings.HasPrefix(err.Error(), "reply ") {
					return err
				} else if err != nil {
					return nil
				}
			}
			if i > 0 {
				done.Add(1)
			}
		}
		time.Sleep(l.pause)
		out.Reset()
		replies = []int{0}
		for range l.atATime() {
			replies = append(replies, send(&out, steps(n)))
			n++
		}
	}
}

func (l labour) atATime() int { return max(l.pipeline, 1) }

// send writes a step, and returns how many replies it brings.
func send(w *wire.Writer, step [][]string) (replies int) {
	if len(step) > 1 {
		step = slices.Concat([][]string{{"MULTI"}}, step, [][]string{{"EXEC"}})
	}
	for _, words := range step {
		command(w, words...)
	}
	return len(step)
}

// toil is what clients of every kind have done to a directory.
type toil struct {
	t            *testing.T
	labours      []labour
	acknowledged [][]atomic.Int64 // steps, by labour and client
}

func newToil(t *testing.T, labours []labour) toil {
	all := make([][]atomic.Int64, len(labours))
	for i, l := range labours {
		all[i] = make([]atomic.Int64, len(l.clients))
	}
	return toil{t, labours, all}
}

// prepare does what must be done once.
func (w toil) prepare(o *omniproxy) {
	w.t.Helper()
	for _, l := range w.labours {
		if l.setup == nil {
			continue
		}
		if err := o.client(l.db).Do(context.Background(), l.setup...).Err(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// load starts the clients. They end when they are cut.
func (w toil) load(o *omniproxy) *sync.WaitGroup {
	w.t.Helper()
	var clients sync.WaitGroup
	for i, l := range w.labours {
		for j, steps := range l.clients {
			conn, err := net.Dial("tcp", o.Addr)
			if err != nil {
				w.t.Fatal(err)
			}
			clients.Go(func() {
				defer conn.Close()
				if err := l.work(conn, steps, &w.acknowledged[i][j]); err != nil {
					w.t.Errorf("%s: %v", l.name, err)
				}
			})
		}
	}
	return &clients
}

// sofar is how many steps are acknowledged, and how many may be done: what is under way may be, too.
func (w toil) sofar() (least, most [][]int) {
	least, most = make([][]int, len(w.labours)), make([][]int, len(w.labours))
	for i, l := range w.labours {
		for j := range l.clients {
			n := int(w.acknowledged[i][j].Load())
			least[i], most[i] = append(least[i], n), append(most[i], n+l.atATime())
		}
	}
	return least, most
}

// check finds out how many steps are done as far as a server tells, and fails where that is too few or too many, or where
// one was done in part or twice.
func (w toil) check(o *omniproxy, least, most [][]int) (done [][]int) {
	w.t.Helper()
	for i, l := range w.labours {
		state, err := l.read(o.client(l.db))
		if err != nil {
			w.t.Fatal(err)
		}
		n, ok := l.explain(state, least[i], most[i])
		if !ok {
			w.t.Fatalf("%s: after %d to %d steps\n%s\nwant\n%s", l.name, least[i], most[i], state, fmt.Sprint(l.want(least[i])))
		}
		done = append(done, n)
	}
	return done
}
