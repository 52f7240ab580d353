package lens

import (
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// stream reads the value of a stream's key record. Only entries is needed: counters default to what the entries imply.
func (r *recordReader) stream(text []byte) *value.Stream {
	limits := value.DefaultStreamLimits()
	s := value.NewStream(&limits)
	var lastID, added, maxDeleted, entries, groups []byte
	for lit, v := range r.members(text, '{') {
		switch name(lit) {
		case "last_id":
			lastID = v
		case "entries_added":
			added = v
		case "max_deleted_id":
			maxDeleted = v
		case "entries":
			entries = v
		case "groups":
			groups = v
		}
	}
	for _, v := range r.members(entries, '[') {
		r.entry(s, v)
	}
	id, count, deleted := s.LastID(), int64(value.KeepAdded), value.StreamID{}
	if lastID != nil {
		id = r.id(lastID)
	}
	if added != nil {
		count = r.count(added)
	}
	if maxDeleted != nil {
		deleted = r.id(maxDeleted)
	}
	r.check(s.SetID(id, count, deleted) == nil)
	if groups != nil {
		for name, v := range r.members(groups, '{') {
			r.group(s, r.str(name), v)
		}
	}
	return s
}

func (r *recordReader) entry(s *value.Stream, text []byte) {
	var id value.StreamID
	var pairs [][]byte
	for lit, v := range r.members(text, '{') {
		switch name(lit) {
		case "id":
			id = r.id(v)
		case "data":
			pairs = [][]byte{[]byte("data"), dumps(v)}
		case "fields":
			pairs = r.fields(v)
		}
	}
	r.check(s.Append(id, pairs) == nil)
}

func (r *recordReader) fields(text []byte) (pairs [][]byte) {
	if text[0] == '{' {
		for field, v := range pyjson.Members(text) {
			pairs = append(pairs, []byte(r.str(field)), []byte(r.str(v)))
		}
		return pairs
	}
	for _, pair := range r.members(text, '[') {
		n := len(pairs)
		for _, v := range r.members(pair, '[') {
			pairs = append(pairs, []byte(r.str(v)))
		}
		r.check(len(pairs) == n+2)
	}
	return pairs
}

func (r *recordReader) group(s *value.Stream, group string, text []byte) {
	var lastID value.StreamID
	var consumers, pending []byte
	read := int64(value.UnknownReads)
	for lit, v := range r.members(text, '{') {
		switch name(lit) {
		case "last_delivered_id":
			lastID = r.id(v)
		case "entries_read":
			if string(v) != "null" {
				read = r.count(v)
			}
		case "consumers":
			consumers = v
		case "pending":
			pending = v
		}
	}
	g, ok := s.CreateGroup(group, lastID, read)
	if r.check(ok); !ok {
		return // twice
	}
	if consumers != nil {
		for _, v := range r.members(consumers, '[') {
			g.CreateConsumer(r.str(v), 0)
		}
	}
	if pending != nil {
		for _, v := range r.members(pending, '[') {
			r.pending(g, v)
		}
	}
}

func (r *recordReader) pending(g *value.Group, text []byte) {
	n := value.Nack{Count: 1}
	for lit, v := range r.members(text, '{') {
		switch name(lit) {
		case "id":
			n.ID = r.id(v)
		case "consumer":
			n.Consumer = r.str(v)
		case "delivered_at":
			n.Time = r.time(v)
		case "delivery_count":
			n.Count = r.count(v)
		}
	}
	r.check(!n.ID.IsZero() && n.Consumer != "")
	g.CreateConsumer(n.Consumer, 0)
	g.SetPending(n)
}
