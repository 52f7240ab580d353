package passthrough

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/omniproxy/omniproxy/resp"
)

// redirect is another client of the proxy, whom Redis tells which keys this one must forget. On "shared" clients know each
// other by the proxy's IDs, and Redis calls the connection otherwise on which the other one hears.
type redirect struct {
	id     int64  // the proxy's
	called []byte // Redis' ID of its private wire; nil if there is no such client
}

// invalidations is the channel on which clients in RESP2 hear.
const invalidations = "__redis__:invalidate"

// redirects reports where a CLIENT TRACKING names another client, 0 if it does not.
func redirects(cmd *resp.Command) (at int) {
	if named(cmd) != "CLIENT TRACKING" {
		return 0
	}
	for i := 3; i < len(cmd.Args)-1; i++ {
		if word(cmd.Args, i, "REDIRECT") {
			return i + 1 // Redis refuses a second one
		}
	}
	return 0
}

// translated has a CLIENT TRACKING name the other client as Redis does. If that is not known yet it is found out, and the
// command is to be tried again. IDs that are not the proxy's are left to Redis.
func (c *conn) translated(cmd *resp.Command, at int) bool {
	id, err := strconv.ParseInt(string(cmd.Args[at]), 10, 64)
	if err != nil || id <= c.s.Server().BaseID {
		return true
	}
	if found := c.target; found != nil && found.id == id {
		c.target = nil
		if found.called == nil {
			return true // Redis does not know it either
		}
		args := append([][]byte(nil), cmd.Args...)
		args[at] = found.called
		cmd.Args, cmd.Raw = args, nil
		c.towards = found
		return true
	}
	if c.inflight > 0 {
		return false
	}
	c.begin()
	c.inflight++
	c.b.goroutines.Go(func() {
		found := &redirect{id: id, called: c.b.calls(c, id)}
		c.mu.Lock()
		c.target = found
		c.mu.Unlock()
		c.deliver(nil, 1, 0, false, false)
		c.s.Out.Wake()
	})
	return false
}

// calls asks what Redis calls the private wire of one of c's peers, which it gets if it has none, for good: it is to hear
// there. It returns nil if there is no such client, or no wire.
func (b *Backend) calls(c *conn, id int64) []byte {
	ctx, cancel := context.WithTimeout(b.ctx, b.options.DialTimeout)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
		other, _ := c.s.Peer(id).(*conn)
		if other == nil {
			return nil
		}
		own := 0
		if other == c {
			own = 1 // the reply that it waits for
		}
		other.mu.Lock()
		if other.pin == nil && other.inflight == own && !other.gone {
			other.pin = b.lease(other, other.key, other.key)
		}
		var called []byte
		p := other.pin
		if p != nil {
			p.life = true
			p.introduce()
			p.link.mu.Lock()
			called = p.link.called
			p.link.mu.Unlock()
			p.link.flush()
		}
		other.mu.Unlock()
		if called != nil {
			return called
		}
	}
	return nil
}

// back has a reply name the other client as this one did.
func (r *redirect) back(reply []byte) []byte {
	if r == nil {
		return reply
	}
	theirs := append(append([]byte("\r\n:"), r.called...), "\r\n"...)
	ours := append(strconv.AppendInt([]byte("\r\n:"), r.id, 10), "\r\n"...)
	if bytes.Equal(reply, theirs[2:]) {
		return ours[2:]
	}
	return bytes.Replace(reply, theirs, ours, 1)
}

// again turns tracking on again on a new connection, when the other client's is known. What is known of that may still be
// how the one was called that is lost: then Redis refuses, and there is another attempt.
func (p *pin) again(command []byte, r *redirect, attempts int) {
	c := p.c
	called := c.b.calls(c, r.id)
	if called == nil {
		return
	}
	command = bytes.Replace(command, bulk(r.called), bulk(called), 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.pin != p {
		return
	}
	next := &redirect{r.id, called}
	c.submit(p.link, command, false, 1, true, &special{replace: true, then: func(reply []byte) {
		if p.tracks(command, next); reply[0] == '-' && attempts > 1 {
			c.b.goroutines.Go(func() {
				if c.b.sleep(lookAgain) {
					p.again(command, next, attempts-1)
				}
			})
		}
	}})
	p.link.flush()
}

// tracks takes in which command turned tracking on, nil when it is off, and whom it tells. It is called by the goroutine
// that reads.
func (p *pin) tracks(command []byte, r *redirect) {
	p.tracking, p.redirect = command, r
	p.link.reader.redirect = r
}

func bulk(text []byte) []byte {
	return []byte("$" + strconv.Itoa(len(text)) + "\r\n" + string(text) + "\r\n")
}
