package passthrough

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/omniproxy/omniproxy/resp/wire"
)

// Found is what the upstream says about itself.
type Found struct {
	Version string // "7.0.15"
	Role    string // master or slave
	Mode    string // standalone, cluster or sentinel

	life string // of the process: another one after a restart
}

// control asks Redis on the proxy's own behalf, on a connection that lasts as long as the question: Redis sees no client
// that is none.
type control struct {
	up    *upstream
	login credential

	mu    sync.Mutex // one look at a time
	at    time.Time
	found Found
	err   error
}

// lookAgain is how long what look found counts: many who lost Redis at once share a look.
const lookAgain = 100 * time.Millisecond

// look asks who is there.
func (c *control) look(ctx context.Context) (Found, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && time.Since(c.at) < lookAgain {
		return c.found, c.err
	}
	nc, replies, err := c.up.connect(ctx, identity{login: c.login}, "INFO")
	if err == nil {
		nc.Close()
		c.found = Found{
			Version: field(replies[0], "redis_version"),
			Role:    field(replies[0], "role"),
			Mode:    field(replies[0], "redis_mode"),
			life:    field(replies[0], "run_id"),
		}
	}
	c.at, c.err = time.Now(), err
	return c.found, err
}

// alive reports whether the process that was found in an earlier life is there still.
func (c *control) alive(life string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	found, err := c.look(ctx)
	return err == nil && life != "" && found.life == life
}

// unblock ends the commands that block the connections with these addresses, as Redis knows them: as if their time were
// over (TIMEOUT), or with an error (ERROR).
func (c *control) unblock(ctx context.Context, addrs []string, how string) error {
	nc, replies, err := c.up.connect(ctx, identity{login: c.login}, "CLIENT LIST")
	if err != nil {
		return err
	}
	defer nc.Close()
	if deadline, ok := ctx.Deadline(); ok {
		nc.SetDeadline(deadline)
	}
	ids := clientIDs(replies[0])
	var w wire.Writer
	n := 0
	for _, addr := range addrs {
		if id := ids[addr]; id != nil {
			writeCommand(&w, []byte("CLIENT"), []byte("UNBLOCK"), id, []byte(how))
			n++
		}
	}
	return roundTrip(nc, w.Bytes(), n)
}

func roundTrip(nc net.Conn, request []byte, replies int) error {
	if replies == 0 {
		return nil
	}
	if _, err := nc.Write(request); err != nil {
		return err
	}
	_, err := readReplies(nc, replies)
	return err
}

// clientIDs reads CLIENT LIST: the id of each address.
func clientIDs(list []byte) map[string][]byte {
	ids := map[string][]byte{}
	for line := range bytes.Lines(list) {
		var id, addr []byte
		for _, f := range bytes.Fields(line) {
			switch name, value, _ := bytes.Cut(f, []byte("=")); string(name) {
			case "id":
				id = value
			case "addr":
				addr = value
			}
		}
		ids[string(addr)] = id
	}
	return ids
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
