package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// heldLog keeps every unit back until the test decides what becomes of it.
type heldLog struct {
	NoLog
	mu   sync.Mutex
	seq  uint64
	held []held
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

func (l *heldLog) Synced(seq uint64, r Releaser) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = append(l.held, held{seq, r})
	return false
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
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		fate(h)
	}
}

// hearing collects the last words of what a client is told, until it has heard one.
func (c *client) hearing(last string) <-chan []string {
	all := make(chan []string, 1)
	go func() {
		var list []string
		for len(list) == 0 || list[len(list)-1] != last {
			m, err := c.next()
			if err != nil {
				c.t.Errorf("waiting for %q: %v", last, err)
				break
			}
			text := m.text
			if len(m.items) > 0 {
				text = m.items[len(m.items)-1].text
			}
			list = append(list, text)
		}
		all <- list
		close(all)
	}()
	return all
}

// Who is told of a write, or of what its writer publishes behind it, hears of it when it is durable.
func TestMailLeavesWithItsUnit(t *testing.T) {
	for _, batch := range []string{"SET k v|PUBLISH news last", "MULTI|PUBLISH news first|SET k v|PUBLISH news last|EXEC"} {
		t.Run(batch, func(t *testing.T) {
			log := &heldLog{}
			addr, stop := serve(t, New(Options{Log: log}))
			defer stop()
			bystander, writer, listener, reader := dial(t, addr), dial(t, addr), listen(t, addr), dial(t, addr)
			reader.do("SUBSCRIBE", "news")
			events, news := listener.hearing("k"), reader.hearing("last") // "k" is new
			writer.lines(batch)
			log.await(t, bystander, 2)
			select {
			case list := <-events:
				t.Errorf("heard %q of a write that could still be lost", list)
			case list := <-news:
				t.Errorf("heard %q behind a write that could still be lost", list)
			default:
			}
			log.decide(func(h held) { h.r.Release(h.seq) })
			<-events
			<-news
		})
	}
}

// What a client publishes before it writes need not wait.
func TestMailDoesNotWaitForLaterUnits(t *testing.T) {
	log := &heldLog{}
	addr, stop := serve(t, New(Options{Log: log}))
	defer stop()
	writer, reader := dial(t, addr), dial(t, addr)
	reader.do("SUBSCRIBE", "news")
	news := reader.hearing("first")
	writer.lines("PUBLISH news first|SET k v|PUBLISH news last")
	<-news
}

// A client whose write serves another one hears of that, in its place, when both units are durable.
func TestOwnMailWaitsForTheUnitThatItTellsOf(t *testing.T) {
	log := &heldLog{}
	addr, stop := serve(t, New(Options{Log: log}))
	defer stop()
	release := func(upTo uint64) {
		log.decide(func(h held) {
			if h.seq <= upTo {
				h.r.Release(h.seq)
			}
		})
	}
	bystander, writer, waiter := dial(t, addr), dial(t, addr), dial(t, addr)
	writer.do("HELLO", "3")
	writer.send("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
	log.await(t, bystander, 1)
	release(1)
	writer.read()
	writer.do("CONFIG", "SET", "notify-keyspace-events", "Kt")
	writer.do("PSUBSCRIBE", "__key*")
	waiter.send("XREADGROUP", "GROUP", "g", "new", "BLOCK", "0", "STREAMS", "s", ">")
	for bystander.do("INFO", "clients"); !strings.Contains(bystander.do("INFO", "clients").text, "blocked_clients:1"); {
	}
	told := writer.hearing("xgroup-createconsumer")
	writer.send("XADD", "s", "1-1", "f", "v")
	log.await(t, bystander, 3)
	release(2)
	for range 100 {
		bystander.do("PING")
	}
	select {
	case list := <-told:
		t.Errorf("heard %q of a write that could still be lost", list)
	default:
	}
	release(3)
	if diff := cmp.Diff([]string{"xadd", "1-1", "xgroup-createconsumer"}, <-told); diff != "" {
		t.Errorf("the writer heard (-want +got):\n%s", diff)
	}
}

// What a transaction publishes to its own client follows the reply, which may confirm the subscription.
func TestOwnMailOfATransactionFollowsIt(t *testing.T) {
	addr, stop := serve(t, New(Options{}))
	defer stop()
	c := dial(t, addr)
	c.do("HELLO", "3")
	c.lines("MULTI|SUBSCRIBE news|PUBLISH news x|GET k|EXEC|PING")
	var got []string
	for range 7 {
		got = append(got, c.read().canonical(exactly))
	}
	want := []string{`+"OK"`, `+"QUEUED"`, `+"QUEUED"`, `+"QUEUED"`, `*3(>3($"subscribe", $"news", :"1"), :"1", _"")`, `>3($"message", $"news", $"x")`, `+"PONG"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
}

// What may be lost can be seen, so it is heard of, too.
func TestAWriteThatIsNotKeptIsHeardOf(t *testing.T) {
	log := &heldLog{}
	addr, stop := serve(t, New(Options{Log: log}))
	defer stop()
	bystander, writer, listener := dial(t, addr), dial(t, addr), listen(t, addr)
	events := listener.hearing("k")
	writer.lines("SET k v")
	log.await(t, bystander, 2)
	log.decide(func(h held) { h.r.Fail(h.seq, errDiskFull) })
	<-events
}

// awaitCut reads until the server closes the connection.
func (c *client) awaitCut() {
	c.t.Helper()
	var late net.Error
	if _, err := io.Copy(io.Discard, c.r); errors.As(err, &late) && late.Timeout() {
		c.t.Error("the client was not cut")
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
	slow.awaitCut()
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
		greedy.awaitCut()
		stop()
	}
}

// Whatever happens at the same time: a client hears the messages of a channel between the confirmations that it subscribed
// and that it did not, all of them, once, in order.
func TestMessagesStayBetweenTheirConfirmations(t *testing.T) {
	const publishers, subscribers, rounds = 3, 6, 200
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
