package lens

import (
	"cmp"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// An agent's record and its hash have the same fields. A hash holds text only:
//
//	tools, config       JSON text in the hash, JSON in the file
//	topic               left out where the record has none: the topic that the agent stands under says it, and a record
//	                    that says something else is not corrected
//	null                no field
//	a string            its text
//	anything else       its JSON text; a changed text is JSON again if it is JSON, and neither a string nor null
//
// A field that the record did not have is a string, created_at a number.

// agentFields are the documented fields in RedisStore.add_agent's order.
var agentFields = [...]string{"name", "callback_name", "tools", "description", "config", "topic", "created_at"}

// isJSON reports whether OmniDaemon keeps a field as JSON text.
func isJSON(field string) bool { return field == "tools" || field == "config" }

// agentName is the name of a record of the documented shape: an object with a name that is a string and not empty.
func agentName(record []byte) (string, bool) {
	if record[0] != '{' {
		return "", false
	}
	lit, ok := pyjson.Field(record, "name")
	if !ok || lit[0] != '"' {
		return "", false
	}
	n := name(lit)
	return n, n != ""
}

// agentText is the text of a hash field for which a literal of a record stands; ok is false for null.
func agentText(field string, lit []byte) (text string, ok bool) {
	switch {
	case string(lit) == "null":
		return "", false
	case lit[0] == '"' && !isJSON(field):
		return name(lit), true
	}
	return string(dumps(lit)), true
}

// agentHolds reports whether a literal of a record says what the text of a hash field says.
func agentHolds(field string, lit []byte, text string) bool {
	if was, ok := agentText(field, lit); !ok || was == text {
		return ok
	}
	return (lit[0] != '"' || isJSON(field)) && same(lit, []byte(text))
}

// agentLiteral words the text of a hash field, where lit stood before, nil for nothing.
func agentLiteral(field, text string, lit []byte) (literal []byte, ok bool) {
	b := []byte(text)
	canon, err := pyjson.Dumps(nil, b)
	switch {
	case isJSON(field):
		return b, err == nil
	case err != nil || canon[0] == '"' || string(canon) == "null":
	case lit == nil && field == "created_at":
		if _, ok := pyjson.Float(canon); ok && string(canon) == text {
			return b, true
		}
	case lit != nil && lit[0] != '"' && string(lit) != "null":
		return b, true
	}
	return pyjson.Quote(nil, b)
}

// agentRecord returns the record of an agent's hash: old if that still says the same, nil if there are no words for it.
func agentRecord(h *value.Hash, old []byte) []byte {
	var members []member
	for field, text := range h.All() {
		var lit []byte // what stood there
		if old != nil {
			lit, _ = pyjson.Field(old, field)
		}
		if field == "topic" && old != nil && lit == nil {
			continue
		}
		var m member
		var ok bool
		if m.key, ok = pyjson.Quote(nil, []byte(field)); !ok {
			return nil
		}
		if m.value, ok = agentLiteral(field, text, lit); !ok {
			return nil
		}
		m.holds = func(old []byte) bool { return field == "topic" || agentHolds(field, old, text) }
		members = append(members, m)
	}
	slices.SortStableFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(fieldRank(a.key), fieldRank(b.key)), slices.Compare(a.key, b.key))
	})
	return object(old, 2, members, func(_, v []byte) bool { return string(v) == "null" })
}

// fieldRank orders the documented fields before all others.
func fieldRank(key []byte) int {
	n := name(key)
	if i := slices.Index(agentFields[:], n); i >= 0 {
		return i
	}
	return len(agentFields)
}

// agentField is one field of the hash for which a record stands.
type agentField struct {
	name, text string
	literal    []byte // nil for a topic that the record does not name
}

// agentHash returns the fields of the hash that a record under topic stands for, in the record's order.
func agentHash(topic string, record []byte) (fields []agentField) {
	topicToo := false
	for lit, v := range pyjson.Members(dumps(record)) { // of a field that comes twice only the last one is left
		f := agentField{name: name(lit), literal: v}
		if f.name == "topic" {
			f, topicToo = agentField{"topic", topic, nil}, true
		} else if text, ok := agentText(f.name, v); ok {
			f.text = text
		} else {
			continue
		}
		fields = append(fields, f)
	}
	if !topicToo {
		fields = append(fields, agentField{"topic", topic, nil})
	}
	return fields
}

// holds reports whether the hash field has this text already, or another that says the same.
func (f agentField) holds(text string) bool {
	return text == f.text || f.literal != nil && agentHolds(f.name, f.literal, text)
}
