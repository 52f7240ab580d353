package engine

import (
	"iter"
	"math"
	"slices"
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
)

// streamCommands yields the commands that make a stream anew at a key that is not there.
//
// A delivery can be pending though its entry is gone, but XCLAIM takes no entry that is not there. So entries of the
// past come first, claimed and trimmed away again, and then the stream begins anew at 0-0.
func streamCommands(key string, s *value.Stream) iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		r := streamRewrite{key: key, stream: s, yield: yield}
		hasGroups := r.past()
		for e := range s.All() {
			if r.stopped {
				return
			}
			r.entry(e)
		}
		r.counters()
		if !hasGroups {
			r.groups()
		}
		r.pending(r.exists)
	}
}

type streamRewrite struct {
	key     string
	stream  *value.Stream
	yield   func([][]byte) bool
	stopped bool // yield wants no more
}

// put yields a command, unless yield wants no more.
func (r *streamRewrite) put(words ...any) {
	cmd := make([][]byte, len(words))
	for i, w := range words {
		switch w := w.(type) {
		case string:
			cmd[i] = []byte(w)
		case []byte:
			cmd[i] = w
		case int64:
			cmd[i] = strconv.AppendInt(nil, w, 10)
		case value.StreamID:
			cmd[i] = w.Append(nil)
		}
	}
	r.stopped = r.stopped || !r.yield(cmd)
}

func (r *streamRewrite) exists(id value.StreamID) bool {
	_, ok := r.stream.Get(id)
	return ok
}

// past makes groups and whatever else of them belongs to entries that are gone, and leaves an empty stream. It reports
// false if there is nothing of the kind: then only the key is made, where no entry will make it.
func (r *streamRewrite) past() bool {
	s := r.stream
	var gone []value.StreamID
	for g := range s.Groups() {
		for n := range g.Pending(value.StreamID{}, value.MaxStreamID()) {
			if !r.exists(n.ID) {
				gone = append(gone, n.ID)
			}
		}
	}
	deleted := s.MaxDeletedID()
	beyond := s.LastID().Less(deleted) // which XSETID does not take
	if beyond {
		gone = append(gone, deleted)
	}
	if len(gone) == 0 {
		if s.Len() == 0 {
			r.put("XADD", r.key, "MAXLEN", "0", "0-1", "x", "y") // as Redis does
		}
		return false
	}
	slices.SortFunc(gone, value.StreamID.Compare)
	for _, id := range slices.Compact(gone) {
		r.put("XADD", r.key, id, "x", "y")
	}
	r.groups()
	r.pending(func(id value.StreamID) bool { return !r.exists(id) })
	if beyond {
		r.put("XDEL", r.key, deleted)
	}
	r.put("XTRIM", r.key, "MAXLEN", "0")
	r.put("XSETID", r.key, "0-0")
	return true
}

func (r *streamRewrite) entry(e value.StreamEntry) {
	cmd := make([][]byte, 3, 3+2*e.Len())
	cmd[0], cmd[1], cmd[2] = []byte("XADD"), []byte(r.key), e.ID.Append(nil)
	for field, v := range e.Fields() {
		cmd = append(cmd, field, v)
	}
	r.stopped = r.stopped || !r.yield(cmd)
}

func (r *streamRewrite) counters() {
	last, added, deleted := r.stream.LastID(), int64(min(r.stream.EntriesAdded(), math.MaxInt64)), r.stream.MaxDeletedID()
	if last.Less(deleted) { // past has set it
		r.put("XSETID", r.key, last, "ENTRIESADDED", added)
	} else {
		r.put("XSETID", r.key, last, "ENTRIESADDED", added, "MAXDELETEDID", deleted)
	}
}

// groups makes the groups and consumers.
func (r *streamRewrite) groups() {
	for g := range r.stream.Groups() {
		r.put("XGROUP", "CREATE", r.key, g.Name(), g.LastID(), "ENTRIESREAD", readable(g.EntriesRead()))
		for consumer := range g.Consumers() {
			r.put("XGROUP", "CREATECONSUMER", r.key, g.Name(), consumer.Name())
		}
	}
}

// pending makes deliveries pending, of the entries that are wanted. Neighbours that are alike share a command.
func (r *streamRewrite) pending(wanted func(value.StreamID) bool) {
	for g := range r.stream.Groups() {
		var run []value.Nack
		for n := range g.Pending(value.StreamID{}, value.MaxStreamID()) {
			if r.stopped {
				return
			}
			if !wanted(n.ID) {
				continue
			}
			if len(run) > 0 && (len(run) == perCommand || !alike(run[0], n)) {
				r.claim(g, run)
				run = run[:0]
			}
			run = append(run, n)
		}
		if len(run) > 0 {
			r.claim(g, run)
		}
	}
}

func alike(a, b value.Nack) bool {
	return a.Consumer == b.Consumer && a.Time == b.Time && a.Count == b.Count
}

func (r *streamRewrite) claim(g *value.Group, run []value.Nack) {
	words := make([]any, 0, len(run)+11)
	words = append(words, "XCLAIM", r.key, g.Name(), run[0].Consumer, "0")
	for _, n := range run {
		words = append(words, n.ID)
	}
	r.put(append(words, "TIME", run[0].Time, "RETRYCOUNT", run[0].Count, "JUSTID", "FORCE")...)
}
