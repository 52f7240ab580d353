package resp

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/omniproxy/omniproxy/resp/acl"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// registry is every session of a server, by id. Ids count up from 1 and are never used again. A client that left or was
// killed counts until its backend has forgotten it, but is not shown any more.
type registry struct {
	mu       sync.Mutex
	sessions map[int64]*Session
	lastID   int64
	total    int64 // ever added
}

func (r *registry) nextID() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastID++
	return r.lastID
}

func (r *registry) add(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions == nil {
		r.sessions = map[int64]*Session{}
	}
	r.sessions[s.Client.ID] = s
	r.total++
}

func (r *registry) remove(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s.Client.ID)
}

// adopt is add of a session that has its ID from elsewhere: IDs that are given from now on lie above it.
func (r *registry) adopt(s *Session, base int64) {
	r.add(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastID = max(r.lastID, s.Client.ID-base)
}

func (r *registry) counts() (now int, ever int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions), r.total
}

// get returns nil if no session has the id.
func (r *registry) get(id int64) *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sessions[id]; s != nil && !s.Gone() {
		return s
	}
	return nil
}

// everyone returns all sessions, also those that are leaving.
func (r *registry) everyone() []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.sessions))
}

// all returns the sessions in the order they came.
func (r *registry) all() []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*Session, 0, len(r.sessions))
	for _, s := range r.sessions {
		if !s.Gone() {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *Session) int { return cmp.Compare(a.Client.ID, b.Client.ID) })
	return list
}

// clientList answers CLIENT LIST [TYPE type | ID id...]. Those listed by id stand in the order asked for.
func clientList(s *Session, w *wire.Writer, args [][]byte) error {
	var list []*Session
	switch {
	case len(args) == 2:
		list = s.server.registry.all()
	case len(args) == 4 && fold(args[2], "TYPE"):
		kind, err := clientKind(args[3])
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(s.server.registry.all(), func(o *Session) bool { return o.Client.kind() != kind })
	case len(args) > 3 && fold(args[2], "ID"):
		for _, a := range args[3:] {
			id, ok := integer(a)
			if !ok {
				return wire.ErrClientID
			}
			if o := s.server.registry.get(id); o != nil {
				list = append(list, o)
			}
		}
	default:
		return wire.ErrSyntax
	}
	var b strings.Builder
	now := time.Now()
	for _, o := range list {
		doing := 0
		if o == s {
			doing = size(args)
		}
		b.WriteString(o.line(now, doing))
		b.WriteByte('\n')
	}
	w.Verbatim("txt", b.String())
	return nil
}

// clientKind reads a client type. Masters and replicas never connect here, so their lists are empty.
func clientKind(arg []byte) (string, error) {
	switch kind := strings.ToLower(string(arg)); kind {
	case "normal", "pubsub", "master", "replica":
		return kind, nil
	case "slave":
		return "replica", nil
	}
	return "", wire.UnknownClientType(arg)
}

// victims is whom CLIENT KILL means: all who match what is set.
type victims struct {
	id          int64
	kind        string
	addr, local []byte
	user        *acl.User
	self        bool // the client that asks as well
}

func (v *victims) include(o *Session) bool {
	c := &o.Client
	return (v.id == 0 || v.id == c.ID) && (v.kind == "" || v.kind == c.kind()) &&
		(v.addr == nil || string(v.addr) == c.Addr) && (v.local == nil || string(v.local) == c.Local) &&
		(v.user == nil || v.user == c.user.Load())
}

// clientKill answers CLIENT KILL addr, and CLIENT KILL with filters.
func clientKill(s *Session, w *wire.Writer, args [][]byte) error {
	v := victims{self: true}
	filtered := len(args) > 3
	if !filtered {
		v.addr = args[2]
	} else if err := v.read(args[2:], s.Users()); err != nil {
		return err
	}
	killed := int64(0)
	for _, o := range s.server.registry.all() {
		switch {
		case !v.include(o) || o == s && !v.self:
			continue
		case o == s:
			s.CloseAfterReply()
		default:
			o.Kill()
		}
		killed++
	}
	switch {
	case filtered:
		w.Int(killed)
	case killed == 0:
		return wire.ErrNoSuchClient
	default:
		w.OK()
	}
	return nil
}

// read reads filters, each a name and a value. Of two with one name the later counts.
func (v *victims) read(args [][]byte, users *acl.Users) error {
	v.self = false
	for i := 0; i < len(args); i += 2 {
		if i+1 == len(args) {
			return wire.ErrSyntax
		}
		name, value := args[i], args[i+1]
		switch {
		case fold(name, "ID"):
			id, ok := integer(value)
			if !ok || id < 1 {
				return wire.ErrKillID
			}
			v.id = id
		case fold(name, "TYPE"):
			kind, err := clientKind(value)
			if err != nil {
				return err
			}
			v.kind = kind
		case fold(name, "ADDR"):
			v.addr = value
		case fold(name, "LADDR"):
			v.local = value
		case fold(name, "USER"):
			if v.user = users.Get(string(value)); v.user == nil {
				return wire.NoSuchUser(value)
			}
		case fold(name, "SKIPME") && fold(value, "YES"):
			v.self = false
		case fold(name, "SKIPME") && fold(value, "NO"):
			v.self = true
		default:
			return wire.ErrSyntax
		}
	}
	return nil
}
