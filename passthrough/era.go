package passthrough

import (
	"bytes"

	"github.com/omniproxy/omniproxy/resp"
)

// Redis asks who connects for a password, and nobody else again. So when a client changes who may log in, or how, a new era
// begins: those who come afterwards must not find connections from before. Those who were there are in for good, as they are
// with Redis; where a new connection is made for one it logs in with the password that was set, of which the proxy has heard.

// rule is what a client has changed: how a user logs in.
type rule struct{ user, pass string }

// admission is how those log in as a user who did so in an earlier era.
type admission struct {
	era  int
	pass string
}

// rules is what a command changes if it is done; nil if nothing. Where the proxy checks passwords Redis knows only the proxy.
func (b *Backend) rules(cmd *resp.Command) *rule {
	if !b.options.Passthrough || b.options.Pool != Shared {
		return nil
	}
	switch named(cmd) {
	case "CONFIG SET":
		for i := 2; i < len(cmd.Args)-1; i += 2 {
			if word(cmd.Args, i, "requirepass") {
				return &rule{"default", string(cmd.Args[i+1])}
			}
		}
	case "ACL SETUSER":
		r := &rule{user: string(cmd.Args[2])}
		for _, word := range cmd.Args[3:] {
			switch {
			case bytes.HasPrefix(word, []byte(">")):
				r.pass = string(word[1:])
			case bytes.EqualFold(word, []byte("resetpass")), bytes.EqualFold(word, []byte("nopass")), bytes.EqualFold(word, []byte("reset")):
				r.pass = ""
			}
		}
		return r
	case "ACL LOAD":
		return &rule{}
	}
	return nil
}

func (b *Backend) newEra(r *rule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.user == "default" {
		b.asks.Store(r.pass != "")
	}
	b.era++
	if _, known := b.admissions[r.user]; known || len(b.admissions) < mostLanes {
		b.admissions[r.user] = admission{b.era, r.pass}
	}
}

func (b *Backend) currentEra() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.era
}

// admitted is an identity with what it logs in with now.
func (b *Backend) admitted(id identity) identity {
	user := id.login.user
	if user == "" {
		user = "default"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, ok := b.admissions[user]; ok && id.era < a.era && (a.pass != "" || user == "default") {
		id.login.pass = a.pass
	}
	return id
}

// stranger is who connects, before saying anything.
func (b *Backend) stranger() identity {
	return identity{proto: 2, login: b.login(), era: b.currentEra()}
}
