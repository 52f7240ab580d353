package metrics

import (
	"bytes"
	"slices"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// report is what is read of an entry: texts as they are written in it, between the quotes. They die with it.
type report struct {
	topic, agent, supervised, group, event []byte

	seconds float64 // that a task took
	timed   bool    // it says so

	wrong fields // those of another type
}

// fields are some of a report's.
type fields uint8

const (
	topicField fields = 1 << iota
	agentField
	supervisedField
	groupField
	eventField
	secondsField
)

// longestTask is what an agent may say in seconds, some 30 years. What is more, or less than nothing, is no time that a clock
// has measured, and would spoil the sum of all for ever.
const longestTask = 1e9

// read reads JSON as json.loads does. ok is false if it is no report. Most reports are flat: reading those costs half as much
// as checking JSON.
func (r *report) read(data []byte) (ok bool) {
	*r = report{}
	if !r.readFlat(data) {
		if *r = (report{}); !r.readAny(data) {
			return false
		}
	}
	if len(r.agent) == 0 {
		r.agent = r.supervised
	}
	return r.wrong == 0 && len(r.event) > 0
}

// readFlat reads an object of texts in ASCII without escapes and of plain numbers; it returns false if data is not one.
func (r *report) readFlat(data []byte) bool {
	if len(data) == 0 || data[0] != '{' {
		return false
	}
	for i := 1; ; {
		key := blank(data, i)
		colon := passText(data, key)
		if colon < 0 || colon == len(data) || data[colon] != ':' {
			return false
		}
		value := blank(data, colon+1)
		end := passText(data, value)
		if end < 0 {
			end = passNumber(data, value)
		}
		if end < 0 || end == len(data) {
			return false
		}
		r.take(data[key+1:colon-1], data[value:end])
		if i = end + 1; data[end] == '}' {
			return i == len(data)
		}
		if data[end] != ',' {
			return false
		}
	}
}

// blank goes past a blank in b, if there is one at i.
func blank(b []byte, i int) int {
	if i < len(b) && b[i] == ' ' {
		return i + 1
	}
	return i
}

// passText returns where the string at i ends; -1 if there is none, or a quote, control character, escape or letter beyond
// ASCII in it.
func passText(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for n, c := range b[i+1:] {
		if c == '"' {
			return i + 1 + n + 1
		}
		if c == '\\' || c-' ' >= 0x80-' ' { // below a blank it wraps around
			return -1
		}
	}
	return -1
}

// passNumber returns where the number at i ends; -1 if there is none. It knows no exponents.
func passNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	end := passDigits(b, i)
	if end == i || b[i] == '0' && end > i+1 {
		return -1
	}
	if end == len(b) || b[end] != '.' {
		return end
	}
	point := end
	if end = passDigits(b, point+1); end == point+1 {
		return -1
	}
	return end
}

func passDigits(b []byte, i int) int {
	for n, c := range b[i:] {
		if c-'0' > 9 {
			return i + n
		}
	}
	return len(b)
}

func (r *report) readAny(data []byte) (ok bool) {
	if pyjson.Check(data) != nil {
		return false
	}
	for key, value := range pyjson.Members(data) {
		if key == nil {
			return false // an array
		}
		r.take([]byte(text(key[1:len(key)-1])), value)
	}
	return true
}

// take takes a member of the object. Of several with one name the last counts, as in Python.
func (r *report) take(name, value []byte) {
	var member fields
	ok := true
	switch string(name) {
	case "topic":
		member, ok = topicField, takeText(&r.topic, value)
	case "agent":
		member, ok = agentField, takeText(&r.agent, value)
	case "agent_name":
		member, ok = supervisedField, takeText(&r.supervised, value)
	case "group":
		member, ok = groupField, takeText(&r.group, value)
	case "event":
		member, ok = eventField, takeText(&r.event, value)
	case "processing_time_sec":
		member, ok = secondsField, r.takeSeconds(value)
	}
	if r.wrong &^= member; !ok {
		r.wrong |= member
	}
}

func (r *report) takeSeconds(value []byte) (ok bool) {
	if r.timed = false; string(value) == "null" {
		return true
	}
	r.seconds, ok = pyjson.Float(value)
	r.timed = r.seconds >= 0 && r.seconds <= longestTask
	return ok
}

func takeText(to *[]byte, value []byte) (ok bool) {
	if *to = nil; value[0] == '"' {
		*to = value[1 : len(value)-1]
		return true
	}
	return string(value) == "null"
}

// text is what stands between the quotes of a string.
func text(written []byte) string {
	if bytes.IndexByte(written, '\\') < 0 {
		return string(written)
	}
	read, _ := pyjson.Unquote(nil, slices.Concat([]byte{'"'}, written, []byte{'"'})) // it was checked
	return string(read)
}
