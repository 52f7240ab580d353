package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// heldLog keeps every unit back until the test decides what becomes of it.
type heldLog struct {
	NoLog
	mu      sync.Mutex
	seq     uint64
	held    []held
	decided atomic.Bool
}

type held struct {
	seq uint64
	r   Releaser
}

func (l *heldLog) Append(int, []byte, int, string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	return l.seq
}

func (l *heldLog) Synced(seq uint64, r Releaser) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = append(l.held, held{seq, r})
}

// await returns when so many wait.
func (l *heldLog) await(t *testing.T, bystander *client, n int) {
	t.Helper()
	for range 10_000 {
		l.mu.Lock()
		waiting := len(l.held)
		l.mu.Unlock()
		if waiting == n {
			for range 100 { // time enough for what should not leave to leave
				bystander.do("PING")
			}
			return
		}
		bystander.do("PING")
	}
	t.Fatalf("%d wait for a unit, not %d", len(l.held), n)
}

func (l *heldLog) decide(fate func(held)) {
	l.decided.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		fate(h)
	}
}

// Whoever is told of a write, or of what its writer published behind it, hears of it when it is durable.
func TestMailLeavesWithItsUnit(t *testing.T) {
	for _, batch := range []string{"SET k v", "MULTI|PUBLISH news x|SET k v|EXEC", "SET k v|PUBLISH news x", "PUBLISH news first|SET k v|PUBLISH news x"} {
		t.Run(batch, func(t *testing.T) {
			log := &heldLog{}
			addr, stop := serve(t, New(Options{Log: log}))
			defer stop()
			bystander, writer, listener := dial(t, addr), dial(t, addr), listen(t, addr)
			listener.do("SUBSCRIBE", "news")
			heard := make(chan string, 10)
			go func() {
				for {
					m, err := listener.next()
					if err != nil {
						close(heard)
						return
					}
					if text := m.items[len(m.items)-1].text; text != "first" && !log.decided.Load() {
						t.Errorf("heard %q of a write that could still be lost", text)
					}
					heard <- m.items[len(m.items)-1].text
				}
			}()
			writer.lines(batch)
			log.await(t, bystander, 2)
			log.decide(func(h held) { h.r.Release(h.seq) })
			for want := "set"; want != <-heard; {
			}
		})
	}
}

func TestWhoWouldHearOfALostWriteIsCut(t *testing.T) {
	log := &heldLog{}
	addr, stop := serve(t, New(Options{Log: log}))
	defer stop()
	bystander, writer, listener := dial(t, addr), dial(t, addr), listen(t, addr)
	writer.lines("SET k v")
	log.await(t, bystander, 2)
	log.decide(func(h held) { h.r.Fail(h.seq, errors.New("the disk is full")) })
	if m, err := listener.next(); err == nil {
		t.Errorf("heard %v", m)
	}
}

// lines sends commands of words without spaces, all at once.
func (c *client) lines(text string) {
	var batch []byte
	for _, line := range strings.Split(text, "|") {
		batch = appendCommand(batch, words(strings.Fields(line)))
	}
	c.conn.Write(batch)
}

// A client that does not read what it is told is ended, and takes nobody else with it.
func TestASlowSubscriberIsCut(t *testing.T) {
	addr, stop := serve(t, New(Options{}))
	defer stop()
	slow, publisher := dial(t, addr), dial(t, addr)
	slow.do("SUBSCRIBE", "news")
	message := strings.Repeat("x", 1<<20)
	told := 0
	for publisher.do("PUBLISH", "news", message).text == "1" {
		if told++; told > 200 {
			t.Fatalf("%d messages of 1 MiB wait for one client", told)
		}
	}
	if told < mostMail>>20 {
		t.Errorf("cut after %d messages of 1 MiB", told)
	}
	if _, err := io.Copy(io.Discard, slow.conn); errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if n := publisher.do("PUBSUB", "NUMSUB", "news").items[1].text; n != "0" {
		t.Errorf("%s subscribers are left", n)
	}
}

// One message may be told often: to each of the patterns that match. What one unit has for one client is bounded.
func TestAUnitDoesNotTellAClientMoreThanItMayLeaveUnread(t *testing.T) {
	for _, proto := range []string{"2", "3"} { // in RESP3 the client publishes itself
		e := New(Options{})
		addr, stop := serve(t, e)
		greedy, publisher := dial(t, addr), dial(t, addr)
		greedy.do("HELLO", proto)
		for i := range 40 {
			greedy.do("PSUBSCRIBE", "*"+strings.Repeat("?", i))
		}
		if proto == "3" {
			publisher = greedy
		}
		publisher.send("PUBLISH", strings.Repeat("n", 40), strings.Repeat("x", 1<<20))
		for err := error(nil); err == nil; _, err = greedy.next() {
		}
		stop()
	}
}

// Whatever happens at the same time: a client hears the messages of a channel between the confirmations that it subscribed
// and that it did not, all of them, once, in order.
func TestMessagesStayBetweenTheirConfirmations(t *testing.T) {
	const publishers, subscribers, rounds = 3, 6, 60
	addr, stop := serve(t, New(Options{Log: &recorder{}}))
	defer stop()
	var listening, speaking sync.WaitGroup
	done := make(chan struct{})
	for p := range publishers {
		c := dial(t, addr)
		c.do("CONFIG", "SET", "notify-keyspace-events", "K$")
		speaking.Go(func() {
			for n := 0; ; {
				select {
				case <-done:
					return
				default:
				}
				var batch bytes.Buffer
				const size = 5
				for range size { // told by a message, or by the event of a write
					text := strconv.Itoa(n)
					batch.Write(appendCommand(nil, words([]string{"PUBLISH", fmt.Sprint("p", p), text})))
					batch.Write(appendCommand(nil, words([]string{"SET", fmt.Sprint("k", p), text})))
					n++
				}
				c.conn.Write(batch.Bytes())
				for range 2 * size {
					if _, err := c.next(); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for s := range subscribers {
		c := dial(t, addr)
		c.do("HELLO", strconv.Itoa(2+s%2))
		listening.Go(func() {
			for round := range rounds {
				if err := c.visit(fmt.Sprint("p", round%publishers), 1+round%7); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	listening.Wait()
	close(done)
	speaking.Wait()
}

// visit hears at least so many messages of a channel.
func (c *client) visit(channel string, least int) error {
	c.send("SUBSCRIBE", channel)
	confirmed, last, heard := false, 0, 0
	for {
		m, err := c.next()
		if err != nil {
			return err
		}
		kind, text := m.items[0].text, m.items[2].text
		n, err := strconv.Atoi(text)
		switch {
		case err != nil:
			return err
		case kind == "subscribe":
			confirmed = true
		case !confirmed:
			return fmt.Errorf("%s %s before SUBSCRIBE was confirmed", kind, text)
		case kind == "unsubscribe":
			c.send("PING", "the end")
			if m, err = c.next(); err == nil && m.kind != '$' && m.items[1].text != "the end" {
				err = fmt.Errorf("%v after UNSUBSCRIBE was confirmed", m)
			}
			return err
		case heard > 0 && n != last+1:
			return fmt.Errorf("message %d follows message %d", n, last)
		default:
			if last, heard = n, heard+1; heard == least {
				c.send("UNSUBSCRIBE", channel)
			}
		}
	}
}
