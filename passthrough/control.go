package passthrough

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"
)

// Found is what the upstream says about itself.
type Found struct {
	Version string // "7.0.15"
	Role    string // master or slave
	Mode    string // standalone, cluster or sentinel
	Refused string // Redis' error, if it did not say; then the others are "unknown"

	life string // of the process: another one after a restart
}

// control asks Redis on the proxy's own behalf, on a connection that lasts as long as the question: Redis sees no client
// that is none.
type control struct {
	up    *upstream
	login credential

	mu    sync.Mutex // one look at a time
	at    time.Time  // of the last look
	found Found
	err   error
}

// lookAgain is how long what look found counts: many who lost Redis at once share a look.
const lookAgain = 100 * time.Millisecond

// look asks who is there, unless that was asked a moment ago.
func (c *control) look(ctx context.Context) (Found, error) {
	return c.lookSince(ctx, time.Now().Add(-lookAgain))
}

// lookSince asks who is there, unless that was asked since then.
func (c *control) lookSince(ctx context.Context, then time.Time) (Found, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.After(then) {
		return c.found, c.err
	}
	began := time.Now()
	nc, replies, err := c.up.connect(ctx, identity{login: c.login}, "INFO")
	if err == nil {
		nc.Close()
		c.found = readInfo(replies[0])
		if refused := refusal(c.found.Refused); refused != "" && !refused.lasts() {
			err = refused
		}
	}
	c.at, c.err = began, err
	return c.found, err
}

// readInfo reads a reply to INFO.
func readInfo(reply []byte) Found {
	f := Found{Version: field(reply, "redis_version"), Role: field(reply, "role"), Mode: field(reply, "redis_mode"), life: field(reply, "run_id")}
	if reply[0] == '-' {
		f.Refused = string(bytes.TrimSpace(reply[1:]))
	}
	return f
}

// alive reports whether the process that was found in an earlier life is there still.
func (c *control) alive(life string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	found, err := c.look(ctx)
	return err == nil && life != "" && found.life == life
}

// about has Redis do something about the connections with these ids: "CLIENT UNBLOCK % TIMEOUT", say.
func (c *control) about(ctx context.Context, login credential, ids [][]byte, command string) error {
	asked := make([]string, len(ids))
	for i, id := range ids {
		asked[i] = strings.Replace(command, "%", string(id), 1)
	}
	nc, _, err := c.up.connect(ctx, identity{login: login}, asked...)
	if err == nil {
		nc.Close()
	}
	return err
}

// field is a line of INFO; "unknown" where there is none.
func field(info []byte, name string) string {
	for line := range strings.Lines(string(info)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
